"""Why a VM is Online or Offline, in one line (pure)."""

from __future__ import annotations

from hvbackup.hyperv.classify import main_reason
from hvbackup.models import Classification

#: A line of a table has room for so much; `--explain` shows all of it.
_LONGEST = 100


def why(classification: Classification) -> str:
    """Return the main reason, and whether writer and conditions disagree."""
    text = main_reason(classification)
    if not classification.agree:
        text = f"what the host shows says {classification.by_conditions.value}; {text}"
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
