"""The same inventories here and under `ansible-inventory`: the same hosts, groups, variables and selections."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hvbackup.errors import PlaybookError
from hvbackup.playbook.inventory import Inventory, read_inventory
from hvbackup.playbook.redaction import revealed
from hvbackup.playbook.templates import Templar

SITE_YML = """
all:
  vars: {from_all: all, who: all, "n": 1}
  hosts:
    lonely: {}
  children:
    hyperv:
      vars: {who: hyperv, cluster: none, shared: {a: 1}}
      hosts:
        hv[01:03]:
          ansible_port: 5986
        hv09.example.com:5985: {who: host}
      children:
        gold:
          vars: {who: gold, tier: gold}
          hosts: {hv01: , hv02: {note: "{{ who }}"}}
        silver:
          vars: {who: silver, tier: silver, ansible_group_priority: 10}
          hosts:
            hv02:
            hv[a:e:2]:
    other:
      hosts: 10.0.0.[1:2]
"""

PLAIN_INI = """
# a comment
; another
first ansible_host=10.0.0.1 text="a b" quoted='"2024"' number=5 list="[1, 'x']" truth=True lower=true none=None
second:5985 hex=0x10 equal=a=b  # trailing
[web]
web[1:3].example.com who=host
web[08:10]
[db]
db-[a:c]
second
[site:children]
web
db
[site:vars]
who=site
text = some words
number = 7 # not a comment
mapping={'a': [1, 2]}
empty=
[db:vars]
who=db
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = {
        "inv/site.yml": SITE_YML,
        "inv/group_vars/all.yml": "who: file_all\nfile_all: 1\n",
        "inv/group_vars/hyperv.yaml": "who: file_hyperv\nfile: hyperv\n",
        "inv/group_vars/hyperv.json": '{"ignored": true}',
        "inv/group_vars/gold/10_a.yml": "gold_a: 1\ngold: a\n",
        "inv/group_vars/gold/20_b": "gold_b: 1\ngold: b\n",
        "inv/group_vars/gold/.hidden": "gold: hidden\n",
        "inv/group_vars/gold/x.txt": "gold: text\n",
        "inv/group_vars/gold/deep/30.yml": "gold: deep\n",
        "inv/group_vars/silver": "file: silver\n",
        "inv/host_vars/hv01.yml": "who: file_host\n",
        "inv/host_vars/hv03/main.yml": "who: file_host_folder\n",
        "ini/hosts": PLAIN_INI,
        "ini/group_vars/web.yml": "web_file: 1\nwho: web_file\n",
        "noext/hosts": "all:\n  hosts:\n    yaml_without_ending:\n",
        "several/01_first.yml": "one: {hosts: {a1: {v: first}, b1: }}\n",
        "several/02_second.ini": "[two]\na1 v=second\n[one:vars]\nw=1\n",
        "several/03.cfg": "this is not read",
        "several/.hidden": "nor this",
        "several/group_vars/one.yml": "f: several\n",
        "play/group_vars/all.yml": "who: play_all\nplay_all: 1\nfile_all: play\n",
        "play/group_vars/hyperv/main.yml": "who: play_hyperv\nfile: play_hyperv\n",
        "play/group_vars/silver.yml": "file: play_silver\n",
        "play/group_vars/web.json": '{"web_file": 2}',
        "play/host_vars/hv03.yml": "who: play_host\n",
        "play/host_vars/hv02.yaml": "note: play_host\n",
        "several/sub/inner.yml": "three: {hosts: {c1: }, vars: {x: 1}}\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


def _ours(inventory: Inventory) -> dict[str, Any]:
    templar = Templar()
    hosts = {}
    for host in inventory.hosts:
        raw = inventory.variables(host)
        hosts[host] = revealed(templar.render(raw, {**raw, **inventory.magic(host)}))
    return {"hosts": hosts, "groups": {name: sorted(hosts) for name, hosts in inventory.groups.items()}}


def _theirs(run_ansible: Any, folder: Path, sources: list[str], *options: str) -> dict[str, Any]:
    arguments = [*options, *(part for source in sources for part in ("-i", source))]
    done = run_ansible("ansible-inventory", *arguments, "--list", cwd=folder)
    answer = json.loads(done.stdout)
    variables = answer.pop("_meta")["hostvars"]
    groups: dict[str, set[str]] = {}

    def members(name: str) -> set[str]:
        body = answer.get(name, {})
        below = set(body.get("hosts", []))
        for child in body.get("children", []):
            below |= members(child)
        groups[name] = below
        return below

    members("all")
    hosts = {host: variables.get(host, {}) for host in groups["all"]}
    return {"hosts": hosts, "groups": {name: sorted(found) for name, found in groups.items()}}


@pytest.mark.parametrize(
    "sources",
    [
        pytest.param(["inv/site.yml"], id="yaml"),
        pytest.param(["inv"], id="folder"),
        pytest.param(["ini/hosts"], id="ini"),
        pytest.param(["noext/hosts"], id="yaml without ending"),
        pytest.param(["several"], id="folder of several"),
        pytest.param(["inv/site.yml", "ini/hosts", "x1,x2:5985,x3,"], id="three sources"),
        pytest.param(["ini/hosts", "inv/site.yml"], id="other order"),
        pytest.param(["a,b,c"], id="list of hosts"),
    ],
)
def test_hosts_groups_and_variables_are_those_of_ansible(
    sources: list[str], folder: Path, run_ansible: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    ours = _ours(read_inventory(sources))
    theirs = _theirs(run_ansible, folder, sources)
    # ansible-inventory does not render templates, and names only groups that are not empty.
    rendered = {host: _rendered(variables, ours["hosts"].get(host, {})) for host, variables in theirs["hosts"].items()}
    assert ours["hosts"] == rendered
    assert {name: hosts for name, hosts in ours["groups"].items() if hosts} == {
        name: hosts for name, hosts in theirs["groups"].items() if hosts
    }


@pytest.mark.parametrize("sources", [["inv/site.yml"], ["ini/hosts", "inv/site.yml"]])
def test_variables_beside_the_playbook_have_the_same_rank_as_under_ansible(
    sources: list[str], folder: Path, run_ansible: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    ours = _ours(read_inventory(sources, playbook_folder=folder / "play"))
    theirs = _theirs(run_ansible, folder, sources, "--playbook-dir", "play")
    assert ours["hosts"] == {
        host: _rendered(variables, ours["hosts"].get(host, {})) for host, variables in theirs["hosts"].items()
    }


def _rendered(theirs: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
    return {
        name: ours.get(name) if isinstance(value, str) and "{{" in value else value for name, value in theirs.items()
    }


PATTERNS = [
    "all",
    "*",
    "hyperv",
    "gold",
    "hv01",
    "hv0*",
    "hv0?",
    "hv*:!gold",
    "hyperv:&silver",
    "hyperv:&silver:!hv02",
    "gold:silver",
    "silver:gold",
    "gold,other",
    "!gold",
    "&gold",
    "all:!hv*",
    "~hv0[12]",
    "~(gold|other)",
    "hyperv[0]",
    "hyperv[-1]",
    "hyperv[1:2]",
    "hyperv[1:]",
    "hyperv[0:0]",
    "hv*[0]",
    "hv[a-c]",
    "hv0[0-2]",
    "10.0.0.1",
    "10.0.0.*",
    "*.example.com",
    "hv09.example.com",
    "lonely",
    "ungrouped",
    "nothing_like_it",
    "gold:nothing_like_it",
    "localhost",
    "hv01,hv03,hv01",
    "hv03,hv01",
    "gold[0],silver[0]",
    "all[0:2]",
    "*[0]",
    "a*:g*",
]


#: A pattern and what `--limit` says; limits that match no host at all are errors.
LIMITS = [
    ("all", "gold"),
    ("gold", "hv02:hv03"),
    ("hyperv", "!hv01"),
    ("all", "@limit.txt"),
    ("hyperv", "gold,&silver"),
    ("gold", "10.0.0.1"),
    ("all", "nothing_like_it"),
    ("hyperv[9]", "all"),
    ("hv0[13]", "all"),
    ("hv*[40]", "all"),
]


@pytest.fixture
def site(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Inventory:
    monkeypatch.chdir(folder)
    (folder / "limit.txt").write_text("hv01\n\nhv03\n", encoding="utf-8")
    return read_inventory(["inv/site.yml"])


def test_patterns_select_what_they_select_under_ansible(site: Inventory, folder: Path, run_ansible: Any) -> None:
    theirs = _listed(run_ansible, folder, PATTERNS)
    ours = [sorted(site.match(pattern)) for pattern in PATTERNS]
    assert dict(zip(PATTERNS, ours, strict=True)) == dict(zip(PATTERNS, theirs, strict=True))


@pytest.mark.parametrize(("pattern", "limit"), LIMITS)
def test_limits_leave_what_they_leave_under_ansible(
    pattern: str, limit: str, site: Inventory, folder: Path, run_ansible: Any
) -> None:
    ours: list[str] | None
    try:
        ours = sorted(site.match(pattern, limit))
    except PlaybookError:
        ours = None
    theirs = _listed(run_ansible, folder, [pattern], limit)
    assert ours == (theirs[0] if theirs else None)


def _listed(run_ansible: Any, folder: Path, patterns: list[str], *limit: str) -> list[list[str]]:
    """The hosts of each pattern, sorted (Ansible lists them in no order here); nothing when Ansible refuses."""
    plays = [{"hosts": pattern, "gather_facts": False, "tasks": []} for pattern in patterns]
    (folder / "plays.yml").write_text(json.dumps(plays), encoding="utf-8")
    limited = [part for each in limit for part in ("--limit", each)]
    arguments = ("-i", "inv/site.yml", *limited, "--list-hosts", "plays.yml")
    done = run_ansible("ansible-playbook", *arguments, cwd=folder, check=False)
    if done.returncode:
        return []
    found: list[list[str]] = []
    for line in done.stdout.splitlines():
        if line.startswith("    hosts ("):
            found.append([])
        elif line.startswith("      "):
            found[-1].append(line.strip())
    return [sorted(hosts) for hosts in found]


@pytest.mark.parametrize("pattern", ["hv03,hv01,hv0*", "silver:gold", "hyperv", "*"])
def test_hosts_come_in_the_order_in_which_ansible_takes_them(
    pattern: str, site: Inventory, folder: Path, run_ansible: Any
) -> None:
    done = run_ansible("ansible", "-i", "inv/site.yml", pattern, "--list-hosts", cwd=folder)
    assert site.match(pattern) == [line.strip() for line in done.stdout.splitlines()[1:]]
