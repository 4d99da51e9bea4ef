"""The log of one job: what happened to its VM, with times, and its warnings. Thread-safe."""

from __future__ import annotations

import threading
from datetime import datetime, timezone

import msgspec

from hvbackup.events import Event, EventSink, Note, StepFinished, StepStarted
from hvbackup.models import Vm


class JobLog:
    """Notes what a job does, and passes it on as events of this host and VM."""

    def __init__(self, host: str, vm: Vm, events: EventSink) -> None:
        self._host = host
        self._vm = vm.name
        self._events = events
        self._mutex = threading.Lock()
        self._lines: list[str] = []
        self._warnings: list[str] = []

    def __call__(self, event: Event) -> None:
        """Take an event of this job."""
        if isinstance(event, StepStarted):
            self._line(event.text)
        elif isinstance(event, StepFinished) and event.text:
            self._line(event.text)
        elif isinstance(event, Note):
            self._line(event.text if event.level == "info" else f"warning: {event.text}")
        self._events(msgspec.structs.replace(event, host=self._host, vm=self._vm))

    def step(self, step: str, text: str) -> None:
        """Begin a step."""
        self(StepStarted(step=step, text=text))

    def note(self, text: str) -> None:
        """Note a fact."""
        self(Note(text=text))

    def warning(self, text: str) -> None:
        """Note something to look at; the job's status becomes `warning` at best."""
        with self._mutex:
            self._warnings.append(text)
        self(Note(text=text, level="warning"))

    @property
    def lines(self) -> tuple[str, ...]:
        """What was noted, in order."""
        with self._mutex:
            return tuple(self._lines)

    @property
    def warnings(self) -> tuple[str, ...]:
        """The warnings."""
        with self._mutex:
            return tuple(self._warnings)

    def _line(self, text: str) -> None:
        time = datetime.now(timezone.utc).strftime("%H:%M:%S")
        with self._mutex:
            self._lines.append(f"{time} {text}")
