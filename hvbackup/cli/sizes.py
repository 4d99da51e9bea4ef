"""Sizes, spans and rates as people read and write them (pure)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta

from hvbackup.errors import InvalidRequest


def size_text(size: int) -> str:
    """Return bytes with a binary unit: `0 B`, `1.5 MiB`, `12 GiB`."""
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            break
        value /= 1024
    if unit == "B" or value >= 100:
        return f"{value:.0f} {unit}"
    return f"{value:.1f}".removesuffix(".0") + f" {unit}"


def duration_text(seconds: float) -> str:
    """Return seconds as `7 s`, `3 min 5 s`, `2 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


_SPAN_UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 604800}


def time_span(text: str) -> timedelta:
    """Return `90m`, `12h`, `30d` or `6w` as a time span.

    Raises:
        InvalidRequest: It is none.
    """
    number, unit = text[:-1], text[-1:].lower()
    if unit not in _SPAN_UNITS or not number.isdecimal() or len(number) > 6:
        raise InvalidRequest(f"{text!r} is no time span", hint="Such as 90m, 12h, 30d or 6w.")
    return timedelta(seconds=int(number) * _SPAN_UNITS[unit])


def byte_rate(text: str | float) -> int:
    """Return `500K`, `10M`, `1.5G` (binary units, with or without `iB`, `B`, `/s`) or a number as bytes per second.

    Raises:
        InvalidRequest: It is none, or not above zero.
    """
    found = re.fullmatch(r"(\d{1,12}(?:\.\d{1,6})?)\s*([kmg]?)(?:i?b)?(?:/s)?", str(text).strip(), re.IGNORECASE)
    rate = int(float(found[1]) * 1024 ** " kmg".index(found[2].lower() or " ")) if found else 0
    if rate < 1:
        raise InvalidRequest(f"{text!r} is no rate in bytes per second", hint="Such as 500K, 10M or 1.5G.")
    return rate


_BARS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float]) -> str:
    """Return one bar for each value, the largest one full; zeros are dots."""
    top = max(values, default=0) or 1
    return "".join("·" if value <= 0 else _BARS[min(7, int(value * 8 / top))] for value in values)
