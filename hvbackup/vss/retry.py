"""When creating a shadow set is tried again (pure)."""

from __future__ import annotations

from hvbackup.models import Model
from hvbackup.vss.hresults import meaning_of


class RetryPolicy(Model, frozen=True, kw_only=True):
    """How often, and for what.

    Attributes:
        attempts: Tries in all, the first included (Microsoft's advice for time-outs and vetoes: three).
        longest_wait_seconds: What needs a longer wait than this is not tried again. The default waits for another
            backup that is just being created; somebody may sit at the terminal.
    """

    attempts: int = 3
    longest_wait_seconds: float = 120.0

    def wait_seconds(self, hresult: int | None, attempt: int) -> float | None:
        """Return how long to wait after the failed `attempt` (from 1), or None when it is not tried again."""
        known = meaning_of(hresult)
        if known is None or known.retry_seconds is None or attempt >= self.attempts:
            return None
        return known.retry_seconds if known.retry_seconds <= self.longest_wait_seconds else None


#: Never again: for those who do their own trying.
ONCE = RetryPolicy(attempts=1)
#: For the night: time-outs, vetoes and retryable writer errors too, ten minutes apart.
PATIENT = RetryPolicy(longest_wait_seconds=600.0)
