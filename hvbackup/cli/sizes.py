"""Sizes and durations as people read them (pure)."""

from __future__ import annotations

from collections.abc import Sequence


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


def count_text(number: int, one: str, many: str | None = None) -> str:
    """Return `1 file`, `2 files`; `many` where an s is not enough."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def duration_text(seconds: float) -> str:
    """Return seconds as `7 s`, `3 min 5 s`, `2 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


_BARS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float]) -> str:
    """Return one bar for each value, the largest one full; zeros are dots."""
    top = max(values, default=0) or 1
    return "".join("·" if value <= 0 else _BARS[min(7, int(value * 8 / top))] for value in values)
