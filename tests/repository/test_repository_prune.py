"""Pruning, pins and marks in a real repository."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timezone
from pathlib import Path

import msgspec
import pytest
from faulty_store import CountingStore, PowerCut
from repository_points import CHEAP, PASSPHRASE, make_point, restore_file, store_files

from hvbackup.errors import Cancelled, InvalidRequest, PointNotFound, RepositoryDamaged, RepositoryLocked
from hvbackup.events import Cancellation, Event, Progress
from hvbackup.repository import Repository
from hvbackup.repository.retention import RetentionPolicy
from hvbackup.repository.seams import Grid
from hvbackup.repository.store import open_store
from hvbackup.repository.upkeep import UPKEEP_SCOPE

SMALL = Grid(block_size=512)
LAST = RetentionPolicy(last=1)
UTC = timezone.utc


def store_day(repository: Repository, day: int, data: bytes = b"x" * 2000) -> str:
    """Make a point of one November day."""
    point = make_point(f"202611{day:02}T013000Z-{day:08x}")
    point = msgspec.structs.replace(point, snapshot_at=f"2026-11-{day:02}T01:30:05Z")
    writer = repository.begin(host=point.host, vm_id=point.vm_id, vm_name=point.vm_name)
    file = writer.file("disk", len(data), source="x", kind="disk", grid=SMALL)
    for block, start in enumerate(range(0, len(data), 512)):
        file.add(block, data[start : start + 512])
    file.finish()
    return writer.commit(point).id


def ids(repository: Repository) -> list[str]:
    return [point.id for point in repository.points()]


def test_prune_deletes_what_the_policy_does_not_keep_and_a_check_finds_nothing_wrong(repository: Repository) -> None:
    days = [store_day(repository, day) for day in (1, 2, 3)]
    events: list[Event] = []

    plan = repository.prune(LAST, zone=UTC, events=events.append)

    assert [decision.point_id for decision in plan.removed] == days[:2]
    assert ids(repository) == days[2:]
    assert repository.check(read_data=True).problems == ()
    assert [event.done for event in events if isinstance(event, Progress)] == [1, 2]


def test_a_dry_run_says_the_same_and_deletes_nothing(repository: Repository) -> None:
    days = [store_day(repository, day) for day in (1, 2, 3)]

    plan = repository.prune(LAST, zone=UTC, dry_run=True)

    assert ids(repository) == days
    assert repository.prune(LAST, zone=UTC) == plan


def test_a_pin_keeps_a_point_until_it_is_taken_away(repository: Repository) -> None:
    days = [store_day(repository, day) for day in (1, 2, 3)]
    repository.pin(days[0], "before the upgrade")

    assert repository.pins()[days[0]].reason == "before the upgrade"
    repository.prune(LAST, zone=UTC)
    assert ids(repository) == [days[0], days[2]]

    assert repository.unpin(days[0])
    assert not repository.unpin(days[0])
    repository.prune(LAST, zone=UTC)
    assert ids(repository) == [days[2]]
    assert repository.pins() == {}


def test_the_last_verified_point_stays_until_a_later_one_is_verified(repository: Repository) -> None:
    days = [store_day(repository, day) for day in (1, 2, 3, 4)]
    repository.mark_verified(days[0])
    repository.mark_verified(days[2])
    repository.mark_verified(days[2], verified=False)  # it turned out damaged

    repository.prune(LAST, zone=UTC)
    assert ids(repository) == [days[0], days[3]]
    assert list(repository.verified()) == [days[0]]

    repository.mark_verified(days[3])
    repository.prune(LAST, zone=UTC)
    assert ids(repository) == [days[3]]
    assert list(repository.verified()) == [days[3]]


def test_only_points_that_are_there_can_be_marked(repository: Repository) -> None:
    for mark in (repository.pin, repository.mark_verified):
        with pytest.raises(PointNotFound):
            mark("20261101T013000Z-00000001")

    assert repository.pins() == {}
    assert repository.verified() == {}


def test_only_the_chosen_vm_is_pruned(repository: Repository) -> None:
    for _ in range(2):
        store_files(repository, {"disk": b"1"}, SMALL, vm_name="other")
    days = [store_day(repository, day) for day in (1, 2)]

    plan = repository.prune(LAST, zone=UTC, vm="testvm")

    assert [decision.point_id for decision in plan.decisions] == days
    assert len(repository.points(vm="other")) == 2


def test_nothing_is_deleted_while_a_point_or_a_mark_cannot_be_read(
    make: Callable[[], Repository], folder: Path
) -> None:
    with make() as repository:
        days = [store_day(repository, day) for day in (1, 2, 3)]
        repository.mark_verified(days[1])
        repository.pin(days[0])
        for name, left in ((f"points/{days[0]}", 99), (f"verified/{days[1]}", 99), (f"pins/{days[0]}", 0)):
            whole = (folder / name).read_bytes()
            (folder / name).write_bytes(whole[:left])
            with pytest.raises(RepositoryDamaged, match=name):
                repository.prune(LAST, zone=UTC)
            (folder / name).write_bytes(whole)

        assert ids(repository) == days


def test_two_cannot_prune_at_once_and_a_policy_that_keeps_nothing_is_refused(repository: Repository) -> None:
    day = store_day(repository, 1)

    with repository.lease(UPKEEP_SCOPE, owner="another"), pytest.raises(RepositoryLocked, match="another"):
        repository.prune(LAST, zone=UTC)
    with pytest.raises(InvalidRequest, match="keeps nothing"):
        repository.prune(RetentionPolicy(), zone=UTC)

    assert ids(repository) == [day]


def test_a_prune_can_be_stopped_between_two_points(repository: Repository) -> None:
    days = [store_day(repository, day) for day in (1, 2, 3)]
    cancel = Cancellation()

    with pytest.raises(Cancelled):
        repository.prune(LAST, zone=UTC, events=lambda _event: cancel.set(), cancel=cancel)

    assert ids(repository) == days[1:]


def test_a_prune_that_dies_at_any_store_call_leaves_whole_points_and_can_be_run_again() -> None:
    step, died = 0, True
    while died:
        counting = CountingStore(open_store("memory:"))
        with Repository.init(counting, passphrase=PASSPHRASE, scrypt_log_n=CHEAP) as repository:
            days = [store_day(repository, day) for day in (1, 2, 3)]
            counting.calls.clear()

            def fail(number: int, _what: str, _name: str, step: int = step) -> None:
                if number >= step:
                    raise PowerCut

            counting.fail = fail
            died = False
            try:
                repository.prune(LAST, zone=UTC)
            except PowerCut:
                died = True
        counting.fail = lambda _number, _what, _name: None
        with Repository.open(counting, passphrase=PASSPHRASE) as repository:
            assert days[2] in ids(repository)
            assert repository.check(read_data=True).problems == ()
            assert all(restore_file(repository.read(point), "disk") == b"x" * 2000 for point in repository.points())
            repository.forget_lease(UPKEEP_SCOPE)
            repository.prune(LAST, zone=UTC)
            assert ids(repository) == [days[2]]
        step += 1

    assert step > 15
