"""One owner at a time, whatever the clocks say."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from repository_points import CHEAP, PASSPHRASE, make_point, store_files

from hvbackup.errors import LeaseLost, RepositoryLocked, StoreUnavailable
from hvbackup.repository import Repository
from hvbackup.repository.lease import Lease
from hvbackup.repository.store import ObjectInfo, Store, open_store


class ClockStore:
    """A store with a clock of its own, which the test moves."""

    location = "memory with a clock"

    def __init__(self) -> None:
        self.store: Store = open_store("memory:")
        self.now = 1_000_000.0
        self.times: dict[str, float] = {}
        self.down = False
        #: An object and its time appear together, as in any store.
        self.lock = threading.Lock()

    def put(self, name: str, data: Any, *, create: bool = False) -> None:
        if self.down:
            raise StoreUnavailable("no answer")
        with self.lock:
            self.store.put(name, data, create=create)
            self.times[name] = self.now

    def get(self, name: str) -> bytes:
        return self.store.get(name)

    def get_range(self, name: str, start: int, length: int) -> bytes:
        return self.store.get_range(name, start, length)

    def head(self, name: str) -> ObjectInfo:
        return self.store.head(name)._replace(modified=self.times[name])

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        with self.lock:
            return iter([info._replace(modified=self.times[info.name]) for info in self.store.list(prefix)])

    def delete(self, name: str) -> None:
        self.store.delete(name)


@pytest.fixture
def store() -> ClockStore:
    store = ClockStore()
    Repository.init(store, passphrase=PASSPHRASE, scrypt_log_n=CHEAP).close()
    return store


@pytest.fixture
def repository(store: ClockStore) -> Iterator[Repository]:
    with Repository.open(store, passphrase=PASSPHRASE) as opened:
        yield opened


def abandon(lease: Lease) -> None:
    """Die without releasing: the renewals stop."""
    lease._stop.set()
    lease._thread.join()


def test_a_second_owner_is_told_who_has_it_since_when_and_what_to_do(repository: Repository, store: ClockStore) -> None:
    with repository.lease("vm/1", owner="anna on ws1"):
        store.now += 42
        with pytest.raises(RepositoryLocked) as caught:
            repository.lease("vm/1", owner="bob")
        with repository.lease("vm/2", owner="bob"):
            pass

    assert "vm/1 is in use by anna on ws1 since 20" in caught.value.message
    assert "renewed 42 s ago" in caught.value.message
    assert "forget-lease 'vm/1'" in str(caught.value.hint)


def test_a_released_lease_is_free_and_its_token_grows(repository: Repository) -> None:
    tokens = []
    for _ in range(3):
        with repository.lease("vm/1", owner="anna") as lease:
            tokens.append(lease.token)
            lease.check()

    assert tokens == [1, 2, 3]


def test_a_lease_whose_owner_died_runs_out_by_the_clock_of_the_store(repository: Repository, store: ClockStore) -> None:
    dead = repository.lease("vm/1", owner="anna", ttl_seconds=600)
    abandon(dead)
    store.now += 600 + 59
    with pytest.raises(RepositoryLocked):
        repository.lease("vm/1", owner="bob")
    store.now += 2

    with repository.lease("vm/1", owner="bob") as lease:
        assert lease.token == dead.token + 1


def test_renewal_keeps_it(repository: Repository, store: ClockStore) -> None:
    with repository.lease("vm/1", owner="anna", ttl_seconds=600) as lease:
        for _ in range(5):
            store.now += 500
            lease.renew()
        with pytest.raises(RepositoryLocked):
            repository.lease("vm/1", owner="bob")


def test_a_thread_renews_it(repository: Repository, store: ClockStore, monkeypatch: pytest.MonkeyPatch) -> None:
    name = repository._leases.folder("vm/1") + "0000000000000001"
    renewed = threading.Event()
    put = store.put

    def watch(written: str, data: Any, *, create: bool = False) -> None:
        put(written, data, create=create)
        if written == name and not create:
            renewed.set()

    monkeypatch.setattr(store, "put", watch)
    with repository.lease("vm/1", owner="anna", ttl_seconds=0.2):
        assert renewed.wait(10)


def test_who_lost_the_lease_commits_nothing(repository: Repository, store: ClockStore) -> None:
    slow = repository.lease("vm/1", owner="anna", ttl_seconds=600)
    writer = repository.begin(host="HV01", vm_id=make_point().vm_id, vm_name="TestVM", lease=slow)
    store.now += 700
    with repository.lease("vm/1", owner="bob"), pytest.raises(LeaseLost, match="bob has it now"):
        writer.commit(make_point())
    slow.release()

    assert repository.points() == []


def test_a_forgotten_lease_is_lost_to_its_owner(repository: Repository) -> None:
    lease = repository.lease("vm/1", owner="anna")

    assert repository.forget_lease("vm/1")
    with pytest.raises(LeaseLost):
        lease.check()
    assert not repository.forget_lease("vm/1")
    repository.lease("vm/1", owner="bob").release()


def test_a_lease_that_cannot_be_renewed_in_time_is_lost(
    repository: Repository, store: ClockStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = repository.lease("vm/1", owner="anna", ttl_seconds=600)
    monkeypatch.setattr(lease, "_renewed", lease._renewed - 601)

    with pytest.raises(LeaseLost, match="could not be renewed in time"):
        lease.check()
    store.down = True
    lease.release()


def test_of_many_who_take_it_at_once_one_gets_it(store: ClockStore) -> None:
    repositories = [Repository.open(store, passphrase=PASSPHRASE) for _ in range(8)]
    barrier = threading.Barrier(8)

    def take(repository: Repository) -> Lease | None:
        barrier.wait()
        try:
            return repository.lease("vm/1", owner=str(id(repository)))
        except RepositoryLocked:
            return None

    with ThreadPoolExecutor(8) as executor:
        leases = [lease for lease in executor.map(take, repositories) if lease is not None]

    assert len(leases) == 1
    leases[0].check()
    leases[0].release()


def test_the_scope_cannot_be_read_from_the_store(repository: Repository, store: ClockStore) -> None:
    with repository.lease("vm/payroll-server", owner="anna"):
        names = [info.name for info in store.list("leases/")]
        stored = b"".join(store.get(name) for name in names)

    assert len(names) == 1
    assert "payroll" not in names[0]
    assert b"payroll" not in stored
    assert b"anna" not in stored


def test_points_go_in_under_a_lease(repository: Repository) -> None:
    with repository.lease("vm/1", owner="anna"):
        point, _ = store_files(repository, {"f": b"1"})

    assert repository.points() == [point]
