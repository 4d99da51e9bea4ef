"""Host patterns and limits select hosts as in Ansible."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hvbackup.errors import PlaybookError
from hvbackup.playbook.inventory import Inventory, read_inventory
from hvbackup.playbook.inventory.patterns import split_pattern

SITE = """\
gold:
  hosts: {hv01: , hv02: }
silver:
  hosts: {hv02: , hv03: }
  children:
    spare: {hosts: {spare-a: , spare-b: }}
other:
  hosts: {hv09.example.com: , 10.0.0.1: }
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Inventory:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "site.yml").write_text(SITE, encoding="utf-8")
    return read_inventory(["site.yml"])


ALL = ["hv01", "hv02", "hv03", "hv09.example.com", "10.0.0.1", "spare-a", "spare-b"]


@pytest.mark.parametrize(
    ("pattern", "hosts"),
    [
        ("all", ALL),
        ("*", ALL),
        ("gold", ["hv01", "hv02"]),
        ("silver", ["hv02", "hv03", "spare-a", "spare-b"]),
        ("gold:silver", ["hv01", "hv02", "hv03", "spare-a", "spare-b"]),
        ("silver,gold", ["hv02", "hv03", "spare-a", "spare-b", "hv01"]),
        (["silver", "gold"], ["hv02", "hv03", "spare-a", "spare-b", "hv01"]),
        ("gold:&silver", ["hv02"]),
        ("gold:!silver", ["hv01"]),
        ("!gold", ["hv03", "hv09.example.com", "10.0.0.1", "spare-a", "spare-b"]),
        ("&gold", ["hv01", "hv02"]),
        ("!silver:gold", ["hv01"]),
        ("hv0*", ["hv01", "hv02", "hv03", "hv09.example.com"]),
        ("hv0?", ["hv01", "hv02", "hv03"]),
        ("~hv0[12]", ["hv01", "hv02"]),
        ("~(gold|other)", ["hv01", "hv02", "hv09.example.com", "10.0.0.1"]),
        ("gold[0]", ["hv01"]),
        ("gold[-1]", ["hv02"]),
        ("silver[1:2]", ["hv03", "spare-a"]),
        ("silver[2:]", ["spare-a", "spare-b"]),
        ("silver[0:0]", ["hv02"]),
        ("hv03,hv01,hv03", ["hv03", "hv01"]),
        ("hv0[0]", []),
        ("nothing", []),
        ("gold:nothing", ["hv01", "hv02"]),
        ("localhost", ["localhost"]),
        ("127.0.0.1", ["127.0.0.1"]),
        ("::1", ["::1"]),
        ("", ALL),
    ],
)
def test_a_pattern_selects_hosts_in_order(pattern: Any, hosts: list[str], site: Inventory) -> None:
    assert site.match(pattern) == hosts


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("gold[7]", "asks for number 7 of 2 hosts"),
        ("~(", "is no host pattern"),
        ("~*", "is no host pattern"),
        (5, "a host pattern is a text"),
        ([["gold", 5]], "a host pattern is a text"),
        ("!", "is empty"),
    ],
)
def test_a_malformed_pattern_is_an_error(pattern: Any, words: str, site: Inventory) -> None:
    with pytest.raises(PlaybookError, match=words):
        site.match(pattern)


def test_a_limit_leaves_what_both_select(site: Inventory) -> None:
    assert site.match("silver", "hv0*") == ["hv02", "hv03"]
    assert site.match("silver", "!hv02") == ["hv03", "spare-a", "spare-b"]
    assert site.match("gold", "other") == []


def test_a_limit_that_matches_no_host_is_an_error(site: Inventory) -> None:
    with pytest.raises(PlaybookError, match="the limit 'hv77' matches no host"):
        site.match("all", "hv77")


def test_a_limit_may_be_a_file(site: Inventory, tmp_path: Path) -> None:
    (tmp_path / "failed").write_text("hv03\n\n hv01 \n", encoding="utf-8")
    assert site.match("all", "@failed") == ["hv01", "hv03"]
    assert site.match("all", f"@{tmp_path / 'failed'},!hv01") == ["hv03"]
    with pytest.raises(PlaybookError, match="No such file"):
        site.match("all", "@missing")


def test_parts_that_match_nothing_are_named(site: Inventory) -> None:
    assert site.unmatched("gold:nothing:!hv77:&silver") == ["nothing", "hv77"]
    assert site.unmatched("all") == []


def test_lists_are_split_but_not_addresses_and_ports() -> None:
    assert split_pattern("a,b[1], c[2:3] , d") == ["a", "b[1]", "c[2:3]", "d"]
    assert split_pattern("web:db[1:2]:!x") == ["web", "db[1:2]", "!x"]
    assert split_pattern("fe80::1") == ["fe80::1"]
    assert split_pattern("hv01:5985") == ["hv01:5985"]


_PIECES = st.sampled_from(
    ["gold", "hv0", "*", "?", "[", "]", "0", "1", ":", ",", "!", "&", "~", "(", ")", "-", " ", "\\", "all"]
)


@given(st.lists(_PIECES, max_size=8).map("".join))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_pattern_it_selects_or_is_refused(site: Inventory, pattern: str) -> None:
    try:
        hosts = site.match(pattern)
    except PlaybookError:
        return
    assert len(set(hosts)) == len(hosts)
