"""Ansible's reading of `yes`, `on`, `3` and the like, where a truth value or a number is wanted."""

from __future__ import annotations

_TRUE = frozenset({"y", "yes", "on", "1", "true", "t", "1.0"})
_FALSE = frozenset({"n", "no", "off", "0", "false", "f", "0.0"})


class TruthUnclear(ValueError):
    """A value that is neither true nor false."""


def as_truth(value: object) -> bool:
    """Return true or false.

    Raises:
        TruthUnclear: It is neither.
    """
    if isinstance(value, bool):
        return value
    if isinstance(value, (int, float, str)):
        text = str(value).strip().lower()
        if text in _TRUE:
            return True
        if text in _FALSE:
            return False
    raise TruthUnclear(f"{value!r} is neither true nor false")


def as_number(value: object, *, whole: bool) -> int | float:
    """Return a number, given as one or as text.

    Raises:
        ValueError: It is none.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError("no number")  # noqa: TRY004 - a bad value, not a mistake of the caller
    if not whole:
        return float(value)
    if isinstance(value, float) and value != int(value):
        raise ValueError("no whole number")
    return int(value)
