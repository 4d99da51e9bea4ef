"""Ctrl-C stops in order: the first one asks the work to stop and clean up, a second one does not wait for it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from hvbackup.cli.output import Output
from hvbackup.events import Cancellation


@contextmanager
def interruptible(output: Output, cancel: Cancellation | None = None) -> Iterator[Cancellation]:
    """Give a `Cancellation`, the given one or a new one, that SIGINT (and SIGTERM) set."""
    cancel = cancel or Cancellation()
    if threading.current_thread() is not threading.main_thread():
        yield cancel
        return

    asked = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            _leave(output)
        asked = True
        cancel.set()
        output.talk("stopping; what was begun is being cleaned up (press Ctrl-C again to leave at once)", fg="yellow")

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield cancel
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _leave(output: Output) -> None:
    """End the process now: threads that wait for a host that hangs would keep it for as long as they may wait.

    It is as if it had been killed, which the journal is made for: the next run finds what is left.
    """
    with contextlib.suppress(Exception):  # nothing may keep us, a closed pipe neither
        if sys.stderr.isatty():
            sys.stderr.write("\x1b[?25h")  # the bars hide the cursor
        output.talk("left at once; the next run, or `hvbackup cleanup HOST`, removes what is left", fg="yellow")
        output.summary(130)
        sys.stdout.flush()
    os._exit(130)
