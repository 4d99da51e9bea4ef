"""Events to somebody who may fail: a full disk, a closed pipe, a bug in a callback must not hinder a clean-up."""

from __future__ import annotations

from hvbackup.events import Cancellation, Event, EventSink


class Listener:
    """Passes events on to a sink; its first failure stops the work in order and is raised at the end, not in between.

    Attributes:
        failure: What the sink raised, or None. From then on it is told nothing any more.
    """

    def __init__(self, sink: EventSink, cancel: Cancellation) -> None:
        self._sink = sink
        self._cancel = cancel
        self.failure: Exception | None = None

    def __call__(self, event: Event) -> None:
        """Take an event; never raises."""
        if self.failure is not None:
            return
        try:
            self._sink(event)
        except Exception as error:  # noqa: BLE001 - whatever a callback raises; `raise_failure` tells
            self.failure = error
            self._cancel.set()

    def raise_failure(self) -> None:
        """Raise what the sink raised, if it did; for the end of the work, when the host is as it should be."""
        if self.failure is not None:
            raise self.failure
