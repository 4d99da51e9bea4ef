"""Ctrl-C stops in order: the first one asks the work to stop and clean up, a second one does not wait for it."""

from __future__ import annotations

import signal
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

    def stop(_number: int, _frame: FrameType | None) -> None:
        if cancel.is_set:
            raise KeyboardInterrupt
        cancel.set()
        output.talk("stopping; what was begun is being cleaned up (press Ctrl-C again to leave at once)", fg="yellow")

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield cancel
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
