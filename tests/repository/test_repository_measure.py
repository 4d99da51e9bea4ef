"""What dedup and compression save, counted and estimated; what was stored when; who holds leases and keys."""

from __future__ import annotations

import random
from collections.abc import Callable

import msgspec
import pytest
from repository_points import CHEAP, PASSPHRASE, make_point, store_files

from hvbackup.errors import Cancelled
from hvbackup.events import Cancellation, Event, Progress
from hvbackup.models import PointFile, RestorePoint
from hvbackup.repository import Repository
from hvbackup.repository import measure as module
from hvbackup.repository.seams import Grid
from hvbackup.repository.stats import count_periods
from hvbackup.secrets import Secret

SMALL = Grid(block_size=4096)


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)  # noqa: S311


def test_each_different_block_counts_once_and_zeros_not_at_all(repository: Repository) -> None:
    store_files(repository, {"a": noise(40_960), "b": noise(40_960) + bytes(40_960)}, SMALL)
    store_files(repository, {"a": noise(40_960), "text": b"0123456789abcdef" * 2560}, SMALL)

    measured = repository.measure()

    assert (4 * 40_960 + 40_960, True) == (measured.total.source_bytes, measured.total.exact)
    assert 40_960 + 4096 == measured.total.distinct_bytes  # the text is one block ten times
    assert 40_960 < measured.total.stored_bytes < 43_000
    assert [measured.total] == [row.blocks for row in measured.vms]
    assert round(204_800 / 45_056, 3) == round(measured.total.dedup, 3)


def test_an_empty_repository_saves_nothing(repository: Repository) -> None:
    measured = repository.measure()

    assert (0, 1.0, 1.0, ()) == (
        measured.total.source_bytes, measured.total.dedup, measured.total.compression, measured.vms,
    )  # fmt: skip


def test_a_sample_that_was_halved_estimates_well(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    store_files(repository, {"a": noise(8_192_000)}, SMALL)
    exact = repository.measure().total
    monkeypatch.setattr(module, "SAMPLE_BLOCKS", 500)

    estimate = repository.measure().total

    assert (True, False) == (exact.exact, estimate.exact)
    assert 8_192_000 == exact.distinct_bytes
    assert abs(estimate.distinct_bytes - exact.distinct_bytes) < exact.distinct_bytes * 0.2
    assert estimate.source_bytes == exact.source_bytes


def test_measuring_tells_of_its_progress_and_can_be_stopped(repository: Repository) -> None:
    store_files(repository, {"a": noise(10_000)}, SMALL)
    store_files(repository, {"a": noise(10_000, 2)}, SMALL)
    events: list[Event] = []
    repository.measure(events=events.append)
    stop = Cancellation()
    stop.set()

    assert [(1, 2), (2, 2)] == [(event.done, event.total) for event in events if isinstance(event, Progress)]
    with pytest.raises(Cancelled):
        repository.measure(cancel=stop)


def point(id: str, stored: int) -> RestorePoint:
    file = PointFile(name="a", source="a", kind="disk", size_bytes=100, hash="", stored_bytes=stored)
    return msgspec.structs.replace(make_point(id), files=(file,))


def test_short_histories_are_told_by_day_and_long_ones_by_month() -> None:
    short = [point("20261102T000000Z-00000000", 2), point("20261101T000000Z-00000000", 1)]
    long = [*short, point("20261102T120000Z-00000000", 3), point("20260101T000000Z-00000000", 4)]

    assert [("2026-11-01", 1, 1), ("2026-11-02", 1, 2)] == [
        (each.period, each.points, each.stored_bytes) for each in count_periods(short)
    ]
    assert [("2026-01", 1, 4), ("2026-11", 3, 6)] == [
        (each.period, each.points, each.stored_bytes) for each in count_periods(long)
    ]
    assert () == count_periods([])


def test_held_leases_are_listed_by_scope_until_they_are_released(repository: Repository) -> None:
    with repository.lease("vm/2", owner="b"), repository.lease("vm/1", owner="a"):
        repository.lease("vm/3", owner="c").release()

        assert [("vm/1", "a"), ("vm/2", "b")] == [
            (held.record.scope, held.record.owner) for held in repository.held_leases()
        ]
    assert [] == repository.held_leases()


def test_the_slots_that_a_passphrase_opens_are_named(
    make: Callable[[], Repository], reopen: Callable[[], Repository]
) -> None:
    with make() as repository:
        second = repository.add_passphrase(Secret("second"), scrypt_log_n=CHEAP)

        assert [second] == repository.opened_slots(Secret("second"))
        assert 1 == len(repository.opened_slots(PASSPHRASE))
        assert [] == repository.opened_slots(Secret("third"))
