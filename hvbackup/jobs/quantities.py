"""Time spans and rates as people write them (pure)."""

from __future__ import annotations

import re
from datetime import timedelta

from hvbackup.errors import InvalidRequest

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
