"""Why a VM is Online or Offline, in one line (pure)."""

from __future__ import annotations

from hvbackup.models import Classification, Method, Verdict


def why(classification: Classification) -> str:
    """Return the failed conditions, or that writer and conditions disagree, or nothing when all is as it should be."""
    failed = [each.reason for each in classification.conditions if each.verdict is Verdict.FAILED]
    if classification.agree:
        return "; ".join(failed)
    writer, seen = classification.by_writer.value, classification.by_conditions.value
    return "; ".join([f"the writer says {writer}, what the host shows says {seen}: see --explain", *failed])


def why_or_fine(classification: Classification) -> str:
    """Return the same, and a word where there is nothing to say."""
    return why(classification) or (
        "everything that the host shows is as it should be" if classification.method is Method.ONLINE else ""
    )
