"""Questions for misspelt names: `Did you mean …?`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def suggestion(name: str, known: Iterable[str]) -> str | None:
    """Return the question for a misspelt name, or None where nothing that is known is near."""
    near = difflib.get_close_matches(name, list(known), 1, 0.7)
    return f"Did you mean {near[0]!r}?" if near else None
