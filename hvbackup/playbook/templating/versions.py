"""The test `version`: versions compared as loose, strict or semantic ones."""

from __future__ import annotations

import operator as operators
import re
from functools import total_ordering
from typing import Any

from hvbackup.errors import PlaybookError

_OPERATORS = {
    **dict.fromkeys(("==", "=", "eq"), operators.eq),
    **dict.fromkeys(("<", "lt"), operators.lt),
    **dict.fromkeys(("<=", "le"), operators.le),
    **dict.fromkeys((">", "gt"), operators.gt),
    **dict.fromkeys((">=", "ge"), operators.ge),
    **dict.fromkeys(("!=", "<>", "ne"), operators.ne),
}
_STRICT = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?(?:([ab])(\d+))?", re.ASCII)
#: semver.org, 2.0.0.
_SEMANTIC = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?"
    r"(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?",
    re.ASCII,
)


def compare_versions(
    value: Any, version: Any, operator: str = "eq", strict: bool | None = None, version_type: str | None = None
) -> bool:
    """Whether `value operator version` holds.

    Loose (the default) takes anything: numbers are compared as numbers, letters as letters, and a letter against a
    number is an error. `version_type` is loose, strict, semver or semantic.
    """
    if strict is not None and version_type is not None:
        raise PlaybookError("version takes strict or version_type, not both")
    kind = "strict" if strict else version_type or "loose"
    if kind not in _KEYS:
        raise PlaybookError(f"version_type is one of {', '.join(_KEYS)}, not {kind!r}")
    if operator not in _OPERATORS:
        raise PlaybookError(f"version compares by {', '.join(_OPERATORS)}, not {operator!r}")
    if not value or not version:
        raise PlaybookError("version compares no empty versions")
    try:
        return bool(_OPERATORS[operator](_KEYS[kind](str(value)), _KEYS[kind](str(version))))
    except TypeError:
        raise PlaybookError(f"the versions {str(value)!r} and {str(version)!r} cannot be compared") from None


def _loose(text: str) -> list[int | str]:
    parts = [part for part in re.split(r"(\d+|[a-z]+|\.)", text) if part and part != "."]
    return [int(part) if part.isascii() and part.isdigit() else part for part in parts]


def _strict(text: str) -> tuple[Any, ...]:
    found = _STRICT.fullmatch(text)
    if found is None:
        raise PlaybookError(f"{text!r} is no strict version", hint="Write 1.2, 1.2.3 or 1.2.3b4.")
    major, minor, patch, letter, number = found.groups()
    return int(major), int(minor), int(patch or 0), letter or "z", int(number or 0)


@total_ordering
class _Identifier:
    """A part of a pre-release: numbers come before words."""

    def __init__(self, text: str) -> None:
        self.key = (0, int(text), "") if text.isdigit() else (1, 0, text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identifier) and self.key == other.key

    def __lt__(self, other: _Identifier) -> bool:
        return self.key < other.key

    def __hash__(self) -> int:
        return hash(self.key)


def _semantic(text: str) -> tuple[Any, ...]:
    found = _SEMANTIC.fullmatch(text)
    if found is None:
        raise PlaybookError(f"{text!r} is no semantic version", hint="Write 1.2.3.")
    pre = [_Identifier(part) for part in found[4].split(".")] if found[4] else []
    # A release comes after all its pre-releases.
    return int(found[1]), int(found[2]), int(found[3]), not pre, pre


_KEYS: dict[str, Any] = {"loose": _loose, "strict": _strict, "semver": _semantic, "semantic": _semantic}
