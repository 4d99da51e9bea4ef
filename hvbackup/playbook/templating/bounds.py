"""Bounds on what a template may make, so that a slip (`'x' * 10 ** 9`) is an error and not a full memory.

They are no fence against a hostile playbook: who writes templates for these hosts may back them up and restore them.
"""

from __future__ import annotations

import re
from typing import Any

from hvbackup.errors import PlaybookError

#: Longest text that a template may give, in characters, and longest list that a product may give.
MAX_TEXT = 16 * 1024 * 1024
#: Widest field, deepest indentation and longest line that may be asked for.
MAX_WIDTH = 100_000
_MAX_POWER_BITS = 65536
_WIDE = re.compile(r"[0-9]{6,}")
#: Methods of texts and filters that make their result as long as a number says.
_PADDING = frozenset({"center", "ljust", "rjust", "zfill", "expandtabs", "indent", "batch", "slice", "wordwrap"})


def check_product(left: Any, right: Any) -> None:
    """Refuse a text or list repeated too often."""
    for many, times in ((left, right), (right, left)):
        if isinstance(many, (str, list, tuple)) and isinstance(times, int) and len(many) * times > MAX_TEXT:
            raise PlaybookError("this product is too long")


def check_power(base: Any, exponent: Any) -> None:
    """Refuse a power that is too large to be meant."""
    if isinstance(base, int) and isinstance(exponent, int) and base.bit_length() * exponent > _MAX_POWER_BITS:
        raise PlaybookError("this power has too many digits")


def check_format(text: Any, values: Any = ()) -> None:
    """Refuse a format whose fields are too wide, by its text or, with `*`, by a value."""
    if not isinstance(text, str):
        return
    widths = [value for value in values if isinstance(value, int)] if "*" in text and isinstance(values, tuple) else []
    if _WIDE.search(text) or any(abs(width) > MAX_WIDTH for width in widths):
        raise PlaybookError("this format has a field that is too wide")


def check_padding(name: str, arguments: tuple[Any, ...]) -> None:
    """Refuse numbers that would make a text of any length; `name` is that of a filter, or of a method of a text."""
    if name in _PADDING and any(isinstance(each, int) and abs(each) > MAX_WIDTH for each in arguments):
        raise PlaybookError(f"{name} is asked for more than {MAX_WIDTH}")
