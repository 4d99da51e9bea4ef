"""Flushing a file to the disk while it is still being written."""

from __future__ import annotations

import os
import threading
from types import TracebackType

#: The system keeps gigabytes before it begins to write by itself, and a flush at the end would wait for all of them.
FLUSH_EVERY = 64 * 1024 * 1024


class Flusher:
    """Flushes a file from a thread of its own; use it in `with`, which ends with everything on the disk.

    Args:
        descriptor: The file, open for writing; it must stay open until the `with` has ended.
    """

    def __init__(self, descriptor: int, *, every: int = FLUSH_EVERY) -> None:
        self._descriptor, self._every = descriptor, every
        self._waiting = 0
        self._ended = False
        self._failure: OSError | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="hvbackup-flush", daemon=True)

    def wrote(self, size: int) -> None:
        """Say that `size` more bytes were written.

        Raises:
            OSError: An earlier flush failed. The system tells of a failed write once only, so it is kept and told here.
        """
        with self._changed:
            self._check()
            self._waiting += size
            if self._waiting >= self._every:
                self._changed.notify()

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        flush = getattr(os, "fdatasync", os.fsync)
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._ended or self._waiting >= self._every)
                if self._ended:
                    return
                self._waiting = 0
            try:
                flush(self._descriptor)
            except OSError as error:
                with self._changed:
                    self._failure = error
                return

    def __enter__(self) -> Flusher:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._thread.join()
        if kind is None:
            self._check()
            os.fsync(self._descriptor)
