"""Kills a process that works too long on one request, or when the user wants to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from hvbackup.events import Cancellation

#: How often time and the user's wish are looked at while a request runs.
_TICK_SECONDS = 0.1


class Watchdog:
    """Counts the time that the other side works; `pause` while it waits for this one.

    Attributes:
        expired: Whether it killed because the time was over.
    """

    def __init__(self, kill: Callable[[], None], cancel: Cancellation | None) -> None:
        self.expired = False
        self._kill = kill
        self._cancel = cancel
        self._left = 0.0
        self._deadline: float | None = None
        self._active = False
        self._closed = False
        self._sleeps = False
        self._wake = threading.Condition()
        self._thread = threading.Thread(target=self._watch, name="hvbackup-sandbox-watchdog", daemon=True)
        self._thread.start()

    def start(self, seconds: float) -> None:
        """A request begins."""
        self._deadline = time.monotonic() + seconds
        self._active = True
        if self._sleeps:  # a request begins while it only dozes between two looks: nobody has to be woken
            with self._wake:
                self._wake.notify()

    def pause(self) -> None:
        """The other side waits for this one; its time stands still."""
        if self._deadline is not None:
            self._left = self._deadline - time.monotonic()
            self._deadline = None

    def resume(self) -> None:
        """The other side works again."""
        self._deadline = time.monotonic() + self._left

    def stop(self) -> None:
        """The request is answered."""
        self._active = False
        self._deadline = None

    def close(self) -> None:
        """End the thread."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _watch(self) -> None:
        while self._doze():
            deadline = self._deadline
            if deadline is not None and time.monotonic() >= deadline:
                self.expired = True
                self._kill()
                return
            if self._active and self._cancel is not None and self._cancel.is_set:
                self._kill()
                return

    def _doze(self) -> bool:
        """Wait for the next look; return whether there is to be one."""
        with self._wake:
            self._sleeps = True  # before the question: a request that begins right after it wakes this thread
            self._wake.wait_for(lambda: self._closed or self._active)
            self._sleeps = False
            self._wake.wait_for(lambda: self._closed, _TICK_SECONDS)
            return not self._closed
