"""One thread that owns a connection: others give it work and wait. WinRM libraries are not made for two threads."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from hvbackup.errors import Cancelled
from hvbackup.remote.watch import Watch

ResultT = TypeVar("ResultT")

#: How long a call that has to stop may take to stop what runs on the host, before it is left to its own thread.
STOP_SECONDS = 30.0
_LOOK_SECONDS = 0.2


class _Work(Generic[ResultT]):
    """A piece of work and, later, its result or error."""

    def __init__(self, task: Callable[[], ResultT], watch: Watch) -> None:
        self.task, self.watch = task, watch
        self.done = threading.Event()
        self.result: ResultT | None = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.watch.check()
            self.result = self.task()
        except BaseException as error:  # noqa: BLE001 - it is raised again where the work was asked for
            self.error = error
        self.done.set()

    def outcome(self) -> ResultT:
        error, self.error = self.error, None
        if error is not None:
            raise error
        return self.result  # type: ignore[return-value]


class Lane:
    """Runs pieces of work one after the other in a thread of its own, which starts with the first one."""

    def __init__(self, name: str, *, dispose: Callable[[], None]) -> None:
        """`dispose` runs last in the lane's thread, and frees what that thread owns."""
        self._name, self._dispose = name, dispose
        self._queue: queue.SimpleQueue[_Work[Any] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False

    def run(self, task: Callable[[], ResultT], watch: Watch) -> ResultT:
        """Run `task` in the lane's thread and return its result or raise its error.

        When `watch` says stop and nothing has reached the host yet, this returns at once; else when the task has
        stopped what runs there, at the latest after `STOP_SECONDS`. An interruption (Ctrl-C) stops the task too.
        """
        work = _Work(task, watch)
        with self._lock:
            if self._closed:
                raise Cancelled("the connection is closed")
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop, name=f"hvbackup {self._name}", daemon=True)
                self._thread.start()
            self._queue.put(work)
        try:
            self._wait(work)
        except Cancelled:
            raise
        except BaseException:
            watch.stop.set()
            if watch.begun:
                work.done.wait(STOP_SECONDS)
            raise
        return work.outcome()

    def _wait(self, work: _Work[Any]) -> None:
        give_up: float | None = None
        while not work.done.wait(_LOOK_SECONDS):
            if not work.watch.stop.is_set:
                continue
            now = time.monotonic()
            give_up = give_up or now + STOP_SECONDS
            if not work.watch.begun or now > give_up:
                raise Cancelled("stopped by the user")

    def _loop(self) -> None:
        while (work := self._queue.get()) is not None:
            work.run()
        self._dispose()

    def close(self) -> None:
        """Let no more work in, wait for what runs (the caller has asked it to stop), and free everything."""
        with self._lock:
            thread, closed, self._closed = self._thread, self._closed, True
            if not closed and thread is not None:
                self._queue.put(None)
        if thread is not None and thread is not threading.current_thread():
            thread.join(STOP_SECONDS)
