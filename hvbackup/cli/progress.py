"""Progress: live bars on a terminal, a line now and then elsewhere, records for programs."""

from __future__ import annotations

import re
import sys
import threading
import time
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any

from hvbackup.cli.output import Output, clean
from hvbackup.cli.sizes import size_text
from hvbackup.events import Event, JobFinished, Note, Progress, StepFinished, StepStarted
from hvbackup.models import JobStatus

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

#: Seconds between two lines, or two records, of progress about one thing.
_LINE_SECONDS = 10.0
_RECORD_SECONDS = 1.0

_COLOURS = {JobStatus.OK: "green", JobStatus.WARNING: "yellow", JobStatus.FAILED: "red", JobStatus.SKIPPED: "cyan"}


class ProgressDisplay(AbstractContextManager["ProgressDisplay"]):
    """Shows events while a command works; call it with each event. Thread-safe.

    Args:
        bars: Allow bars on a terminal. Bars take standard output over as well while they are shown, so a command that
            writes results meanwhile must not have them where its results go elsewhere.
    """

    def __init__(self, output: Output, *, bars: bool = True) -> None:
        self._output = output
        self._wants_bars = bars
        self._lock = threading.Lock()
        self._last: dict[tuple[str, str, str], float] = {}
        self._told: set[tuple[str, str, str]] = set()
        self._bars: RichProgress | None = None
        self._tasks: dict[tuple[str, str], TaskID] = {}

    def __enter__(self) -> ProgressDisplay:
        """Begin to show."""
        if self._wants_bars and sys.stderr.isatty() and not self._output.json and not self._output.quiet:
            self._bars = _make_bars()
            self._bars.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Stop showing; the terminal is as it was."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    def __call__(self, event: Event) -> None:
        """Take an event."""
        with self._lock:
            if self._output.json:
                self._as_record(event)
            elif isinstance(event, Progress):
                self._as_progress(event)
            else:
                self._as_line(event)

    def _as_record(self, event: Event) -> None:
        kind = re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower()
        if isinstance(event, Progress) and not self._is_due(event, _RECORD_SECONDS):
            return
        self._output.record(kind, event)

    def _as_progress(self, event: Progress) -> None:
        if self._bars is None:
            if self._is_due(event, _LINE_SECONDS):
                self._say(event, f"{event.activity} {event.item}: {_amount(event)}")
            return
        key = (event.vm, event.activity)
        text = f"{event.vm or event.host} {event.activity} {event.item}".strip()
        if key not in self._tasks:
            self._tasks[key] = self._bars.add_task("", total=event.total, amount="", unit=event.unit)
        self._bars.update(
            self._tasks[key],
            completed=event.done,
            total=event.total,
            description=_short(clean(text)),
            amount=_amount(event),
        )

    def _as_line(self, event: Event) -> None:
        if isinstance(event, StepStarted):
            self._say(event, event.text)
        elif isinstance(event, StepFinished) and event.text:
            self._say(event, event.text)
        elif isinstance(event, Note):
            if event.level == "warning":
                self._say(event, f"warning: {event.text}", fg="yellow")
            elif self._output.verbose:
                self._say(event, event.text)
        elif isinstance(event, JobFinished):
            self._end_bars(event.vm)
            tail = f": {event.text}" if event.text else ""
            self._say(event, f"{event.status.value}{tail}", fg=_COLOURS[event.status])

    def _end_bars(self, vm: str) -> None:
        for key in [key for key in self._tasks if key[0] == vm]:
            task = self._tasks.pop(key)
            if self._bars is not None:
                self._bars.remove_task(task)

    def _say(self, event: Event, text: str, **style: Any) -> None:
        who = event.vm or event.host
        line = f"{who}: {text}" if who else text
        if self._bars is not None:
            self._bars.console.print(clean(line), style=style.get("fg"), markup=False, highlight=False)
        else:
            self._output.talk(line, **style)

    def _is_due(self, event: Progress, seconds: float) -> bool:
        """Whether to tell: every `seconds`, never at once, and at the end of what was told of before."""
        key = (event.host, event.vm, event.activity)
        now = time.monotonic()
        last = self._last.setdefault(key, now)
        if now - last < seconds and not (event.done == event.total and key in self._told):
            return False
        self._last[key] = now
        self._told.add(key)
        return True


def _amount(event: Progress) -> str:
    done = size_text(event.done) if event.unit == "bytes" else f"{event.done} {event.unit}"
    if not event.total:
        return done
    return f"{done} of {size_text(event.total) if event.unit == 'bytes' else event.total}"


def _short(text: str, limit: int = 60) -> str:
    return text if len(text) <= limit else "…" + text[1 - limit :]


def _make_bars() -> RichProgress:
    from rich.console import Console
    from rich.progress import BarColumn, Task, TextColumn, TimeElapsedColumn, TransferSpeedColumn
    from rich.progress import Progress as RichProgress
    from rich.text import Text

    class Speed(TransferSpeedColumn):
        """Bytes per second; nothing for what is not counted in bytes."""

        def render(self, task: Task) -> Text:
            return super().render(task) if task.fields["unit"] == "bytes" else Text("")

    return RichProgress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[amount]}", markup=False),
        Speed(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
