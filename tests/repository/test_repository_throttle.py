"""Limits on the bytes per second, on a clock of the test's own."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from repository_points import CHEAP, PASSPHRASE, restore_file, store_files

from hvbackup.events import Cancellation
from hvbackup.repository import Repository
from hvbackup.repository.folder import FolderStore
from hvbackup.repository.store import BucketStore, ObjectMissing, open_store
from hvbackup.repository.throttle import SMALL_BYTES, Throttle, ThrottledStore, limited

MB = 1_000_000


class Time:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waits: list[float] = []
        self.lock = threading.Lock()

    def clock(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        with self.lock:
            self.waits.append(round(seconds, 6))
            self.now += seconds

    def throttle(self, rate: float, stop: Cancellation | None = None) -> Throttle:
        return Throttle(rate, stop=stop, clock=self.clock, wait=self.wait)


@pytest.fixture
def time() -> Time:
    return Time()


def test_each_transfer_waits_for_the_time_that_those_before_it_take(time: Time) -> None:
    throttle = time.throttle(2 * MB)

    for _ in range(4):
        throttle.pass_through(MB)

    assert time.waits == [0.5, 0.5, 0.5]
    assert time.now == 101.5


def test_idle_time_is_not_saved_up(time: Time) -> None:
    throttle = time.throttle(MB)
    time.now += 1000

    for _ in range(3):
        throttle.pass_through(MB)

    assert time.waits == [1.0, 1.0]


def test_threads_share_the_rate() -> None:
    waits: list[float] = []
    throttle = Throttle(10 * MB, clock=lambda: 0.0, wait=waits.append)

    with ThreadPoolExecutor(4) as executor:
        list(executor.map(lambda _: throttle.pass_through(MB), range(8)))

    assert [round(wait, 6) for wait in sorted(waits)] == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]


def test_small_objects_never_wait_but_count(time: Time) -> None:
    throttle = time.throttle(SMALL_BYTES)
    throttle.pass_through(10 * SMALL_BYTES)

    throttle.pass_through(SMALL_BYTES)

    assert time.waits == []
    throttle.pass_through(SMALL_BYTES + 1)
    assert time.waits == [11.0]


def test_a_stop_ends_the_waiting_at_once() -> None:
    stop = Cancellation()
    throttle = Throttle(1, stop=stop)
    throttle.pass_through(100 * MB)
    waiting = threading.Thread(target=throttle.pass_through, args=(100 * MB,))
    waiting.start()

    stop.set()
    waiting.join(20)

    assert not waiting.is_alive()
    throttle.pass_through(100 * MB)


@pytest.mark.parametrize("rate", [0, -1])
def test_a_rate_that_lets_nothing_through_is_a_mistake(rate: float) -> None:
    with pytest.raises(ValueError, match="lets nothing through"):
        Throttle(rate)


def test_directions_are_limited_by_themselves(time: Time, tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store", create=True)
    up = ThrottledStore(store, upload=time.throttle(MB))
    for name in ("a", "b"):
        up.put(name, bytes(MB))
    assert (up.get("a"), up.get_range("b", 0, MB)) == (bytes(MB), bytes(MB))
    assert time.waits == [1.0]
    down = ThrottledStore(store, download=time.throttle(MB))
    down.get("a")
    down.get_range("b", 0, MB)
    down.put("c", bytes(MB))

    assert time.waits == [1.0, 1.0]
    assert sorted(info.name for info in down.list("")) == ["a", "b", "c"]
    down.delete("c")
    with pytest.raises(ObjectMissing):
        down.head("c")
    assert down.location == store.location


def test_options_of_a_place_limit_its_store(tmp_path: Path) -> None:
    plain = open_store(tmp_path / "one", create=True)
    store = open_store(tmp_path / "two", {"limit_upload": 5, "limit_download": None}, create=True)
    memory = open_store("memory:", {"limit_download": 7})

    assert isinstance(plain, FolderStore)
    assert isinstance(limited(plain, None, None), FolderStore)
    assert isinstance(store, ThrottledStore)
    assert (store._upload and store._upload.rate, store._download) == (5, None)
    assert isinstance(memory, ThrottledStore)
    assert isinstance(memory._store, BucketStore)


def test_a_repository_works_behind_limits(time: Time, tmp_path: Path) -> None:
    data = bytes(range(256)) * 4000
    store = ThrottledStore(
        FolderStore(tmp_path / "repository", create=True), upload=time.throttle(MB), download=time.throttle(MB)
    )
    with Repository.init(store, passphrase=PASSPHRASE, scrypt_log_n=CHEAP) as repository:
        point, _ = store_files(repository, {"disk": data})

        assert restore_file(repository.read(point), "disk") == data
        assert repository.check(read_data=True).ok
