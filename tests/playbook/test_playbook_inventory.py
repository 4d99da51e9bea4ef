"""Inventories: hosts, groups and variables in YAML and INI; what is wrong in them is one error with its place."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hvbackup.errors import PlaybookError
from hvbackup.playbook.inventory import Inventory, read_inventory
from hvbackup.playbook.inventory.ranges import expand
from hvbackup.playbook.nodes import Place, Text, place_of
from hvbackup.playbook.templates import Templar


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    tmp_path.chmod(0o700)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        put(folder, name.replace("__", "."), text)


def put(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def refused(*sources: str, **options: Any) -> PlaybookError:
    with pytest.raises(PlaybookError) as caught:
        read_inventory(sources, **options)
    return caught.value


# ---------------------------------------------------------------- what is read


def test_a_yaml_inventory_gives_hosts_groups_and_variables_with_places(folder: Path) -> None:
    put(
        folder,
        "site.yml",
        "all:\n  children:\n    hv:\n      hosts:\n        hv01: {mem: 4}\n        hv02:\n"
        "      vars:\n        who: '{{ mem }}'\n",
    )
    inventory = read_inventory(["site.yml"])
    assert inventory.hosts == ("hv01", "hv02")
    assert inventory.groups == {"all": ["hv01", "hv02"], "ungrouped": [], "hv": ["hv01", "hv02"]}
    variables = inventory.variables("hv01")
    assert variables == {"mem": 4, "who": "{{ mem }}"}
    assert place_of(variables["who"]) == Place("site.yml", 8, 14)
    assert variables.place_of("mem") == Place("site.yml", 5, 16)


def test_an_ini_inventory_gives_the_same_with_places(folder: Path) -> None:
    put(folder, "hosts.ini", "[hv]\nhv01 mem=4 note='a b'\nhv02:5985\n\n[hv:vars]\nwho={{ mem }}\n")
    inventory = read_inventory(["hosts.ini"])
    assert inventory.variables("hv01") == {"mem": 4, "note": "a b", "who": "{{ mem }}"}
    assert inventory.variables("hv02")["ansible_port"] == 5985
    assert isinstance(inventory.variables("hv01")["who"], Text)
    assert place_of(inventory.variables("hv01")["note"]) == Place("hosts.ini", 2, 12)


def test_windows_connection_variables_are_taken_over_as_they_are(folder: Path) -> None:
    text = "[hv]\nhv01 ansible_host=10.0.0.1\n[hv:vars]\nansible_connection=psrp\nansible_psrp_auth=kerberos\n"
    put(folder, "hosts", text + "ansible_user='CORP\\\\backup'\nansible_psrp_cert_validation=ignore\n")
    assert read_inventory(["hosts"]).variables("hv01") == {
        "ansible_host": "10.0.0.1",
        "ansible_connection": "psrp",
        "ansible_psrp_auth": "kerberos",
        "ansible_user": "CORP\\backup",
        "ansible_psrp_cert_validation": "ignore",
    }


def test_magic_variables_say_who_a_host_is(folder: Path) -> None:
    put(
        folder,
        "inv/site.yml",
        "b: {hosts: {hv01.example.com: }}\na: {hosts: {hv01.example.com: }, children: {c: {hosts: {10.0.0.1: }}}}\n",
    )
    magic = read_inventory(["inv/site.yml"]).magic("hv01.example.com")
    assert magic == {
        "inventory_hostname": "hv01.example.com",
        "inventory_hostname_short": "hv01",
        "group_names": ["a", "b"],
        "groups": {
            "all": ["hv01.example.com", "10.0.0.1"],
            "ungrouped": [],
            "b": ["hv01.example.com"],
            "a": ["hv01.example.com", "10.0.0.1"],
            "c": ["10.0.0.1"],
        },
        "inventory_file": "inv/site.yml",
        "inventory_dir": str(folder / "inv"),
    }
    assert read_inventory(["inv/site.yml"]).magic("10.0.0.1")["inventory_hostname_short"] == "10.0.0.1"


def test_variables_of_files_are_laid_over_in_ansibles_order(folder: Path) -> None:
    put(
        folder,
        "inv/site.yml",
        "all: {vars: {v: 1, one: 1}, children: {g: {vars: {v: 2, two: 1}, hosts: {h: {v: 5, five: 1}}}}}",
    )
    put(folder, "inv/group_vars/all.yml", "v: 3\nthree: 1\n")
    put(folder, "play/group_vars/all.yml", "v: 3.5\nplay_all: 1\n")
    put(folder, "inv/group_vars/g.yml", "v: 4\nfour: 1\n")
    put(folder, "play/group_vars/g/main.yml", "v: 4.5\nplay_g: 1\n")
    inventory = read_inventory(["inv/site.yml"], playbook_folder=folder / "play")
    names = {"one": 1, "two": 1, "three": 1, "play_all": 1, "four": 1, "play_g": 1, "five": 1}
    assert inventory.variables("h") == {"v": 5, **names}
    put(folder, "inv/host_vars/h.yml", "v: 6\n")
    assert read_inventory(["inv/site.yml"], playbook_folder=folder / "play").variables("h")["v"] == 6
    put(folder, "play/host_vars/h", "v: 7\n")
    assert read_inventory(["inv/site.yml"], playbook_folder=folder / "play").variables("h")["v"] == 7
    del names["five"]


def test_deeper_groups_win_then_priority_then_name(folder: Path) -> None:
    groups = "z: {vars: {v: z}, hosts: {h: }}\na: {vars: {v: a}, hosts: {h: }}\n"
    put(folder, "site.yml", groups)
    assert read_inventory(["site.yml"]).variables("h")["v"] == "z"
    put(folder, "site.yml", groups.replace("v: a}", "v: a, ansible_group_priority: 2}"))
    assert read_inventory(["site.yml"]).variables("h")["v"] == "a"
    put(folder, "site.yml", groups + "y: {children: {a: }}\n")
    assert read_inventory(["site.yml"]).variables("h")["v"] == "a"


def test_later_inventories_are_laid_over_earlier_ones(folder: Path) -> None:
    put(folder, "one.yml", "g: {hosts: {h: {v: 1, w: 1}}, vars: {x: 1}}\n")
    put(folder, "two.ini", "[g]\nh v=2\ni\n[g:vars]\nx=2\n")
    inventory = read_inventory(["one.yml", "two.ini", "j,k:5985,"])
    assert inventory.hosts == ("j", "k", "h", "i")
    assert inventory.variables("h") == {"v": 2, "w": 1, "x": 2}
    assert inventory.groups["ungrouped"] == ["j", "k"]


def test_a_folder_is_read_in_order_without_what_is_no_inventory(folder: Path) -> None:
    put(folder, "inv/20.ini", "[g]\nh v=20\n")
    put(folder, "inv/10.yml", "g: {hosts: {h: {v: 10}}}\n")
    for name in (".hidden", "a.bak", "b.cfg", "c.txt", "d.md", "e~", "f.retry", "group_vars/g.yml"):
        put(folder, f"inv/{name}", "file: group_vars\n" if "/" in name else "[[[")
    inventory = read_inventory(["inv"])
    assert inventory.variables("h") == {"v": 20, "file": "group_vars"}


def test_an_inventory_without_an_ending_is_yaml_or_ini_by_its_content(folder: Path) -> None:
    put(folder, "a", "all:\n  hosts:\n    h1:\n")
    put(folder, "b", "[g]\nh2\n")
    put(folder, "c", "h3\n")
    put(folder, "d.prod", "h4\n")
    put(folder, "e.yml", "")
    assert read_inventory(["a", "b", "c", "d.prod", "e.yml"]).hosts == ("h1", "h3", "h4", "h2")


def test_localhost_is_there_although_no_inventory_names_it(folder: Path) -> None:
    put(folder, "site.yml", "all: {vars: {v: 1}, hosts: {h: }}")
    inventory = read_inventory(["site.yml"])
    assert inventory.match("localhost") == ["localhost"]
    assert inventory.match("all") == ["h"]
    assert inventory.variables("localhost") == {"v": 1, "ansible_connection": "local"}
    assert inventory.magic("localhost")["group_names"] == []
    with pytest.raises(PlaybookError, match="no host 'hv77'"):
        inventory.variables("hv77")


def test_a_file_of_variables_is_read_when_it_is_needed_and_once(folder: Path) -> None:
    put(folder, "site.yml", "all: {hosts: {h: , i: }}")
    broken = put(folder, "host_vars/i.yml", "a: [")
    inventory = read_inventory(["site.yml"])
    assert inventory.variables("h") == {}
    with pytest.raises(PlaybookError, match="no valid YAML"):
        inventory.variables("i")
    broken.write_text("a: 1\n", encoding="utf-8")
    assert inventory.variables("i") == {"a": 1}
    broken.write_text("a: 2\n", encoding="utf-8")
    assert inventory.variables("i") == {"a": 1}


def test_names_of_hosts_do_not_lead_out_of_the_folder_of_variables(folder: Path) -> None:
    put(folder, "outside.yml", "stolen: 1\n")
    (folder / "host_vars").mkdir()
    put(folder, "site.yml", "all: {hosts: {'../outside': , '..': , 'a/../../outside': }}")
    inventory = read_inventory(["site.yml"])
    assert [inventory.variables(host) for host in inventory.hosts] == [{}, {}, {}]


def test_a_thousand_hosts_are_read_in_a_moment(folder: Path) -> None:
    lines = "".join(f"        hv{number:04}: {{a: 1, b: text, c: [1, 2]}}\n" for number in range(1000))
    put(folder, "site.yml", "all:\n  children:\n    g:\n      hosts:\n" + lines)
    inventory = read_inventory(["site.yml"])
    assert len(inventory.match("hv0*:!hv09*")) == 900
    assert sum(len(inventory.variables(host)) for host in inventory.hosts) == 3000


# ---------------------------------------------------------------- ranges


@pytest.mark.parametrize(
    ("text", "names", "port"),
    [
        ("hv01", ["hv01"], None),
        ("hv[1:3]", ["hv1", "hv2", "hv3"], None),
        ("hv[01:03]", ["hv01", "hv02", "hv03"], None),
        ("hv[08:10].example.com:5985", ["hv08.example.com", "hv09.example.com", "hv10.example.com"], 5985),
        ("hv[0:10:5]", ["hv0", "hv5", "hv10"], None),
        ("hv[:2]", ["hv0", "hv1", "hv2"], None),
        ("hv-[a:c]", ["hv-a", "hv-b", "hv-c"], None),
        ("hv-[a:e:2]", ["hv-a", "hv-c", "hv-e"], None),
        ("r[1:2]n[1:2]", ["r1n1", "r1n2", "r2n1", "r2n2"], None),
        ("10.0.0.[1:2]", ["10.0.0.1", "10.0.0.2"], None),
        ("[fe80::1]:5986", ["fe80::1"], 5986),
        ("fe80::1", ["fe80::1"], None),
        ("hv01:5985", ["hv01"], 5985),
        ("hv_01", ["hv_01"], None),
    ],
)
def test_ranges_and_ports(text: str, names: list[str], port: int | None) -> None:
    assert expand(text, None) == (names, port)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hv[1:", "is not closed"),
        ("hv[1]", "has no end"),
        ("hv[1:]", "has no end"),
        ("hv[3:1]", "ends before it begins"),
        ("hv[c:a]", "ends before it begins"),
        ("hv[01:100]", "different numbers of digits"),
        ("hv[1:9:0]", "a step of 0"),
        ("hv[1:9:x]", "no number as its step"),
        ("hv[1:b]", "neither of numbers nor of single letters"),
        ("hv[1:999999]", "more than 100000 hosts"),
        ("hv[1:99999999999]", "neither of numbers"),
        ("hv[1:999][1:999][1:999]", "more than 100000 hosts"),
        ("hv01:99999", "99999 is no port"),
    ],
)
def test_malformed_ranges_are_refused(text: str, words: str) -> None:
    with pytest.raises(PlaybookError, match=words) as caught:
        expand(text, Place("hosts", 1, 1))
    assert caught.value.place == "hosts:1:1"


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("- a\n", "x.yml:1:1", "a mapping of groups"),
        ("all:\n  host: {h: }\n", "x.yml:2:3", "a group has no 'host'"),
        ("all: 5\n", "x.yml:1:1", "the group 'all' is no mapping"),
        ("all: {hosts: [a, b]}\n", "x.yml:1:14", "hosts of the group 'all' is no mapping"),
        ("all: {hosts: {h: 5}}\n", "x.yml:1:15", "variables of the host 'h' are no mapping"),
        ("all: {hosts: {5: }}\n", "x.yml:1:15", "a host has a name, not 5"),
        ("5: {}\n", "x.yml:1:1", "a group has a name, not 5"),
        ("a: {children: {b: {children: {a: }}}}\n", "x.yml:1:16", "the group 'b' would be part of itself"),
        ("a: {children: {a: }}\n", "x.yml:1:16", "the group 'a' would be part of itself"),
        ("a: {children: {all: }}\nall: {children: {a: }}\n", "x.yml:2:18", "would be part of itself"),
        ("a: {vars: {ansible_group_priority: high}}\n", "x.yml:1:12", "is a whole number"),
        ("a: {vars: x}\n", "x.yml:1:11", "vars of the group 'a' is no mapping"),
        ("a: {hosts: {'hv[3:1]': }}\n", "x.yml:1:13", "ends before it begins"),
        ("a: {hosts: {h: , h: }}\n", "x.yml:1:18", "the key 'h' is there twice"),
        ("plugin: aws_ec2\n", None, "the configuration of an inventory plugin"),
    ],
)
def test_a_yaml_inventory_that_cannot_be_meant_is_refused(
    text: str, place: str | None, words: str, folder: Path
) -> None:
    put(folder, "x.yml", text)
    error = refused("x.yml")
    assert words in error.message
    assert error.place == place


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("[g\nh\n", "x.ini:1:1", "range in '[g' is not closed"),
        ("[g h]\n", "x.ini:1:1", "is no section"),
        ("[g:nothing]\n", "x.ini:1:1", "not of 'nothing'"),
        ("h a\n", "x.ini:1:1", "'a' is no key=value"),
        ("h a='b\n", "x.ini:1:1", "cannot be split"),
        ("[g:vars]\nabc\n", "x.ini:2:1", "'abc' is no key=value"),
        ("[g:vars]\na=1\n", "x.ini:1:1", "the group 'g' has variables, and is declared nowhere"),
        ("[g:children]\nh\n", "x.ini:2:1", "a child of 'g', and is declared nowhere"),
        ("[g:children]\na b\n", "x.ini:2:1", "is no name of a group"),
        ("[a:children]\nb\n[b:children]\na\n", "x.ini:4:1", "would be part of itself"),
        ("all:\n  hosts:\n", "x.ini:1:1", "looks like YAML"),
        ("---\n", "x.ini:1:1", "looks like YAML"),
        ("  h[1:2\n", "x.ini:1:3", "is not closed"),
    ],
)
def test_an_ini_inventory_that_cannot_be_meant_is_refused(text: str, place: str, words: str, folder: Path) -> None:
    put(folder, "x.ini", text)
    error = refused("x.ini")
    assert words in error.message
    assert error.place == place


def test_missing_sources_scripts_and_toml_are_refused_with_a_hint(folder: Path) -> None:
    error = refused("hv01")
    assert "there is no inventory hv01" in error.message
    assert "hv01," in (error.hint or "")
    put(folder, "dynamic", "#!/bin/sh\necho '{}'\n")
    assert "--allow-inventory-scripts" in (refused("dynamic").hint or "")
    put(folder, "x.toml", "[all.hosts]\n")
    assert "TOML" in refused("x.toml").message


def test_variables_that_are_no_mapping_are_refused(folder: Path) -> None:
    put(folder, "site.yml", "all: {hosts: {h: }}")
    put(folder, "group_vars/all.yml", "- a\n")
    with pytest.raises(PlaybookError, match="a file of variables holds a mapping") as caught:
        read_inventory(["site.yml"]).variables("h")
    assert caught.value.place == f"{folder / 'group_vars/all.yml'}:1:1"


@pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")
def test_what_everybody_may_write_is_refused(folder: Path) -> None:
    inventory = put(folder, "inv/site.yml", "all: {hosts: {h: }}")
    variables = put(folder, "inv/group_vars/all.yml", "a: 1\n")
    for path in (inventory, inventory.parent):
        mode = stat.S_IMODE(path.stat().st_mode)
        path.chmod(mode | stat.S_IWOTH)
        assert "can be written by everybody" in refused("inv/site.yml").message
        assert "can be written by everybody" in refused("inv").message
        path.chmod(mode)
    for path in (variables, variables.parent):
        mode = stat.S_IMODE(path.stat().st_mode)
        path.chmod(mode | stat.S_IWOTH)
        with pytest.raises(PlaybookError, match="can be written by everybody"):
            read_inventory(["inv/site.yml"]).variables("h")
        path.chmod(mode)
    assert read_inventory(["inv/site.yml"]).variables("h") == {"a": 1}


# ---------------------------------------------------------------- dynamic inventories


def fake_program(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = put(folder, "bin/ansible-inventory", script)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")


ANSWER = """#!/bin/sh
cat <<'END'
{"_meta": {"hostvars": {"h1": {"name": "{{ lookup('env', 'HOME') }}", "u": {"__ansible_unsafe": "x"}}}},
 "all": {"children": ["ungrouped", "cloud"]}, "cloud": {"hosts": ["h1", "h2"], "vars": {"v": 1}}}
END
"""


@pytest.mark.skipif(os.name != "posix", reason="the program is a script here")
def test_a_dynamic_inventory_is_asked_for_through_its_program(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_program(folder, monkeypatch, ANSWER)
    put(folder, "cloud.yml", "plugin: anything\n")
    inventory = read_inventory(["cloud.yml"], allow_scripts=True)
    assert inventory.groups["cloud"] == ["h1", "h2"]
    variables = inventory.variables("h1")
    assert variables == {"v": 1, "name": "{{ lookup('env', 'HOME') }}", "u": "x"}
    assert Templar().render(variables, variables)["name"] == "{{ lookup('env', 'HOME') }}"


@pytest.mark.skipif(os.name != "posix", reason="the program is a script here")
@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("#!/bin/sh\necho no such plugin >&2\nexit 1\n", "no such plugin"),
        ("#!/bin/sh\necho hello\n", "answered no inventory"),
        ("#!/bin/sh\necho '[1]'\n", "answered no inventory"),
        ('#!/bin/sh\necho \'{"a": {"hosts": 5}}\'\n', "answered no inventory"),
    ],
)
def test_a_program_that_fails_is_an_error(
    script: str, words: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_program(folder, monkeypatch, script)
    put(folder, "cloud.yml", "plugin: anything\n")
    assert words in refused("cloud.yml", allow_scripts=True).message


def test_without_the_program_a_dynamic_inventory_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(folder))
    put(folder, "cloud.yml", "plugin: anything\n")
    assert "is not installed" in refused("cloud.yml", allow_scripts=True).message


# ---------------------------------------------------------------- whatever is written

_PIECES = st.sampled_from(
    [
        *("[", "]", ":", "g", "h", "[g]\n", "[g:children]\n", "[g:vars]\n", "\n", " ", "=", "'", '"', "#", ";", "a=1"),
        *(
            "all:",
            "  hosts:",
            "  children:",
            "  vars:",
            "{",
            "}",
            ", ",
            "[1:3]",
            "[a:c]",
            "h1",
            "- ",
            "---",
            "%",
            "&a ",
        ),
        *(
            "*a",
            "<<: ",
            "ansible_group_priority",
            "5",
            "é",
            "\t",
            "(((((",
            "0x",
            "b'a'",
            "...",
            "1j",
            "!vault x",
            "\x85",
        ),
    ]
)


@given(st.lists(_PIECES, max_size=16).map("".join), st.sampled_from(["hosts", "x.yml", "x.ini"]))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_inventory_it_is_read_or_refused(folder: Path, text: str, name: str) -> None:
    put(folder, name, text)
    try:
        inventory: Inventory = read_inventory([name])
    except PlaybookError:
        return
    assert set(inventory.match("all")) == set(inventory.hosts)
    for host in inventory.hosts:
        inventory.variables(host)
