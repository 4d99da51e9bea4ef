"""A lane runs pieces of work one after the other in its own thread, and lets nobody wait without end."""

from __future__ import annotations

import threading

import pytest

from hvbackup.errors import CallTimeout, Cancelled
from hvbackup.events import Cancellation
from hvbackup.remote.lane import Lane
from hvbackup.remote.watch import EitherCancellation, Watch


def test_work_runs_in_one_thread_and_the_thread_disposes_last() -> None:
    seen: list[int] = []
    lane = Lane("test", dispose=lambda: seen.append(threading.get_ident()))
    for _ in range(3):
        lane.run(lambda: seen.append(threading.get_ident()), Watch(timeout=10))
    lane.close()

    assert len(seen) == 4
    assert set(seen) - {threading.get_ident()} == set(seen)
    assert len(set(seen)) == 1


def test_a_stop_frees_the_caller_at_once_while_nothing_has_reached_the_host() -> None:
    lane, gate, cancel = Lane("test", dispose=lambda: None), threading.Event(), Cancellation()
    opened: list[bool] = []

    def connect() -> None:
        cancel.set()
        opened.append(gate.wait(30))

    with pytest.raises(Cancelled):
        lane.run(connect, Watch(timeout=10, cancel=cancel))
    assert opened == []
    gate.set()
    lane.close()
    assert opened == [True]


def test_a_stop_waits_for_what_has_reached_the_host() -> None:
    lane, cancel, ended = Lane("test", dispose=lambda: None), Cancellation(), []
    watch = Watch(timeout=10, cancel=cancel)

    def work() -> None:
        watch.begun = True
        cancel.set()
        threading.Event().wait(0.5)
        ended.append(True)
        watch.check()

    with pytest.raises(Cancelled):
        lane.run(work, watch)
    assert ended == [True]
    lane.close()


def test_an_interruption_stops_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    lane = Lane("test", dispose=lambda: None)
    watch = Watch(timeout=10)
    watch.begun = True

    def interrupt(_work: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(lane, "_wait", interrupt)
    with pytest.raises(KeyboardInterrupt):
        lane.run(lambda: watch.stop.wait(10), watch)
    assert watch.stop.is_set
    lane.close()


def test_a_closed_lane_takes_no_work() -> None:
    lane = Lane("test", dispose=lambda: None)
    lane.close()
    lane.close()

    with pytest.raises(Cancelled, match="closed"):
        lane.run(lambda: None, Watch(timeout=10))


def test_a_watch_says_when_time_is_up_and_begins_anew() -> None:
    watch = Watch(timeout=0.0, what="Get-HvbVm", host="hv01", port=5986)

    with pytest.raises(CallTimeout, match="Get-HvbVm on hv01 did not answer within 0 s"):
        watch.check()
    watch.timeout = 10
    watch.restart()
    watch.check()


@pytest.mark.parametrize("which", [0, 1, 2])
def test_either_cancellation_is_enough(which: int) -> None:
    first, second = Cancellation(), Cancellation()
    either = EitherCancellation(first, None, second)

    before = (either.is_set, either.wait(0.01))
    (first, second, either)[which].set()

    assert before == (False, False)
    assert (either.is_set, either.wait(10)) == (True, True)
    with pytest.raises(Cancelled):
        either.check()
