"""The page that people look filters and tests up on names those that there are."""

from __future__ import annotations

import re
from pathlib import Path

from hvbackup.playbook.templating.registry import FILTERS, TESTS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "playbook-language.md"


def listed(heading: str) -> set[str]:
    paragraph = PAGE.read_text(encoding="utf-8").split(f"\n{heading}:\n")[1].split("\n\n")[0]
    return set(re.findall(r"`([a-z0-9_]+)`", paragraph))


def test_every_filter_is_documented() -> None:
    assert listed("Filters") == {name for name in FILTERS if "." not in name}


def test_every_test_is_documented() -> None:
    assert listed("Tests") == {name for name in TESTS if name.isidentifier()}
