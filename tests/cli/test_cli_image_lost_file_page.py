"""docs/lost-file.md: the commands of the page run, in their order, and print what the page says."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Invoke = Callable[..., Any]
PAGE = Path(__file__).resolve().parents[2] / "docs/lost-file.md"
POINT_ON_THE_PAGE = "20261125T050347Z-e17b7c35"
ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")
SIZES = re.compile(r" +[\d.]+ [KM]iB +[\d.]+ [KM]iB$", re.M)


def commands() -> list[tuple[list[str], str]]:
    """The commands of the page with what they print; the settings of the environment are not among them."""
    blocks = re.findall(r"^```console\n\$ (.*?)\n(.*?)```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    return [(shlex.split(line)[1:], output) for line, output in blocks if line.startswith("hvbackup ")]


def without_chance(text: str) -> str:
    """A text without what differs from run to run: ids, times, and how much a new disk had to store."""
    return SIZES.sub(" SIZES", TIME.sub("TIME", ID.sub("ID", text)))


def test_the_three_commands_print_what_the_page_says(
    invoke: Invoke, on_host: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HVBACKUP_REPOSITORY", str(tmp_path / "repository"))
    monkeypatch.setenv("HVBACKUP_REPOSITORY_PASSPHRASE", "none")
    assert 0 == invoke("repository", "init").code
    done = invoke("backup", "127.0.0.1", *on_host, "--include", "web01", "--json")
    assert 0 == done.code
    point = done.of_type("job")[0]["pointId"]
    found = commands()
    assert ["points", "image ls", "image ls", "image get", "image cat"] == [
        " ".join(each[:1] if each[0] == "points" else each[:2]) for each, _ in found
    ]

    for arguments, expected in found:
        done = invoke(*(_with_id(word, point) for word in arguments))

        assert 0 == done.code, done.err
        assert without_chance(expected) == without_chance(done.out.replace("\r", "") + done.err), arguments
    assert (tmp_path / "found" / "ledger.csv").read_text().startswith("booking,000001,open\n")


def _with_id(word: str, point: str) -> str:
    """The word, with the id of the page, or the beginning of it, replaced by that of the point that is there."""
    if len(word) >= 8 and POINT_ON_THE_PAGE.startswith(word):
        return point if word == POINT_ON_THE_PAGE else point[: len(word) + 4]
    return word
