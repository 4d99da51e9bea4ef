"""When a call must end: its deadline, the user's wish, or the closing of its lane."""

from __future__ import annotations

import time

from hvbackup.errors import CallTimeout, Cancelled
from hvbackup.events import Cancellation

#: Longest time without a look at the watch, in seconds.
LOOK_SECONDS = 1


class EitherCancellation(Cancellation):
    """Set when it is set itself or one of `others` is."""

    def __init__(self, *others: Cancellation | None) -> None:
        super().__init__()
        self._others = [other for other in others if other is not None]

    @property
    def is_set(self) -> bool:
        """Whether a stop was asked for, here or there."""
        return self._event.is_set() or any(other.is_set for other in self._others)

    def wait(self, seconds: float) -> bool:
        """Wait at most `seconds`; return whether a stop was asked for."""
        end = time.monotonic() + seconds
        while not self.is_set:
            left = end - time.monotonic()
            if left <= 0:
                return False
            self._event.wait(min(left, 0.1))
        return True

    def check(self) -> None:
        """Raise `Cancelled` if a stop was asked for."""
        if self.is_set:
            raise Cancelled("stopped by the user")


class Watch:
    """Looks after one call.

    Attributes:
        stop: Set when the call has to stop; may be set from any thread.
        begun: Whether anything of the call has reached the host, so that there is something to stop.
    """

    def __init__(
        self,
        *,
        timeout: float,
        cancel: Cancellation | None = None,
        closing: Cancellation | None = None,
        what: str = "the call",
        host: str = "",
        port: int | None = None,
    ) -> None:
        self.stop = EitherCancellation(cancel, closing)
        self.begun = False
        self.timeout = timeout
        self._what, self._host, self._port = what, host, port
        self._end = time.monotonic() + timeout

    def restart(self) -> None:
        """Begin the time anew: something came."""
        self._end = time.monotonic() + self.timeout

    @property
    def left(self) -> float:
        """Seconds until the deadline; 0 when it is past."""
        return max(0.0, self._end - time.monotonic())

    def check(self) -> None:
        """Raise `Cancelled` or `CallTimeout` when the call has to end."""
        self.stop.check()
        if self.left <= 0:
            raise self.timed_out()

    def timed_out(self) -> CallTimeout:
        """Return the error for a deadline that has passed."""
        return CallTimeout(
            f"{self._what} on {self._host or 'the host'} did not answer within {self.timeout:g} s and was stopped",
            host=self._host,
            port=self._port,
            hint="Look at the load of the host, or allow more time.",
        )
