"""Typed progress events and cancellation. The library never prints: it tells an `EventSink`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeAlias

from hvbackup.errors import Cancelled
from hvbackup.models import JobStatus, Model


class Event(Model, frozen=True, kw_only=True):
    """Base of all events.

    Attributes:
        host: Host that it is about, or empty.
        vm: Name of the VM that it is about, or empty.
    """

    host: str = ""
    vm: str = ""


class StepStarted(Event, frozen=True, kw_only=True):
    """A step of a plan begins; `step` is its stable id, `text` for people."""

    step: str
    text: str


class StepFinished(Event, frozen=True, kw_only=True):
    """A step of a plan ended well."""

    step: str
    text: str = ""


class Progress(Event, frozen=True, kw_only=True):
    """How far something is. `total` is None while unknown; `unit` is `bytes`, `blocks`, `files` or `percent`."""

    activity: str
    done: int
    total: int | None = None
    unit: str = "bytes"
    item: str = ""


class Note(Event, frozen=True, kw_only=True):
    """Something worth a line; `level` is `info` or `warning`."""

    text: str
    level: str = "info"


class JobFinished(Event, frozen=True, kw_only=True):
    """A job ended."""

    status: JobStatus
    text: str = ""
    point_id: str | None = None


EventSink: TypeAlias = Callable[[Event], None]


def discard(_event: Event) -> None:
    """Take an event and do nothing: the sink of those who do not listen."""


class Cancellation:
    """A flag that one thread sets and others look at between two steps.

    `set` may be called from any thread and from a signal handler. Who waits for something uses `wait`, not `sleep`.
    """

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        """Ask everybody who holds this object to stop."""
        self._event.set()

    @property
    def is_set(self) -> bool:
        """Whether a stop was asked for."""
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait at most `seconds`; return whether a stop was asked for."""
        return self._event.wait(seconds)

    def check(self) -> None:
        """Raise `Cancelled` if a stop was asked for."""
        if self._event.is_set():
            raise Cancelled("stopped by the user")
