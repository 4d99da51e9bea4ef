"""`serial`: hosts of a play in batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hvbackup.errors import PlaybookError


def batches(sizes: Sequence[Any], hosts: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the batches. The last size counts for all that follow; 0 is all hosts that are left.

    Args:
        sizes: Numbers, or percentages of all hosts (`30%`, at least one host).

    Raises:
        PlaybookError: A size is neither.
    """
    if not sizes:
        return [tuple(hosts)]
    found = []
    left = list(hosts)
    number = 0
    while left:
        size = _size(sizes[min(number, len(sizes) - 1)], len(hosts))
        taken = left if size <= 0 else left[:size]
        found.append(tuple(taken))
        left = left[len(taken) :]
        number += 1
    return found


def _size(value: Any, total: int) -> int:
    text = str(value).strip()
    try:
        if text.endswith("%"):
            return int(int(text[:-1]) / 100 * total) or 1
        return int(text)
    except ValueError:
        raise PlaybookError(f"serial is a number of hosts or a percentage, not {text!r}", hint="Write 5 or 30%.") from (
            None
        )
