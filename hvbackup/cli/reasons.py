"""Why a VM is Online or Offline, in one line (pure)."""

from __future__ import annotations

from hvbackup.hyperv.classify import main_reason
from hvbackup.models import Classification


def why(classification: Classification) -> str:
    """Return the main reason, and whether writer and conditions disagree."""
    if classification.agree:
        return main_reason(classification)
    seen = classification.by_conditions.value
    return f"what the host shows says {seen}; {main_reason(classification)}"
