"""Hosts beside each other: so many threads, no more, and none is begun after a stop."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from hvbackup.events import Cancellation

ResultT = TypeVar("ResultT")

#: Seconds after which the main thread looks up, so that Ctrl-C is heard on Windows as well.
_LOOK_UP = 0.5


def run_each(
    pool: ThreadPoolExecutor,
    hosts: Iterable[str],
    work: Callable[[str], ResultT],
    *,
    limit: int,
    cancel: Cancellation,
    ended: Callable[[str, ResultT], None],
) -> dict[str, ResultT]:
    """Run `work` for each host, at most `limit` at a time; return what each gave.

    After a stop no further host is begun: those that are missing in the result were not touched. `ended` is called
    in this thread, as hosts end.
    """
    waiting = iter(hosts)
    running: dict[Future[ResultT], str] = {}
    results: dict[str, ResultT] = {}
    while True:
        while len(running) < limit and not cancel.is_set:
            host = next(waiting, None)
            if host is None:
                break
            running[pool.submit(work, host)] = host
        if not running:
            return results
        done, _ = wait(running, timeout=_LOOK_UP, return_when=FIRST_COMPLETED)
        for future in done:
            host = running.pop(future)
            results[host] = future.result()
            ended(host, results[host])
