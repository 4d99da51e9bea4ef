"""Collection: what nobody needs vanishes, what anybody needs stays, whoever else is at work, wherever it is cut off."""

from __future__ import annotations

import contextlib
import hashlib
import random
import secrets
import time
import tracemalloc
from collections.abc import Callable
from datetime import timezone
from typing import Any

import pytest
from faulty_store import ClockStore, CountingStore
from repository_points import CHEAP, PASSPHRASE, cut, make_point, restore_file, store_files, write_blocks

from hvbackup.errors import (
    Cancelled,
    HvBackupError,
    InvalidRequest,
    RepositoryDamaged,
    RepositoryLocked,
    StoreUnavailable,
)
from hvbackup.events import Cancellation
from hvbackup.repository import Repository
from hvbackup.repository import collect as collect_module
from hvbackup.repository import format as f
from hvbackup.repository import segments as segments_module
from hvbackup.repository.condemned import write_sentence
from hvbackup.repository.crypto import Keys
from hvbackup.repository.retention import RetentionPolicy
from hvbackup.repository.seams import Grid
from hvbackup.repository.upkeep import UPKEEP_SCOPE

GRID = Grid(block_size=512)
UTC = timezone.utc
GRACE = 3600.0


def noise(blocks: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(blocks * 512)  # noqa: S311


ALPHA, BETA, GAMMA = noise(12, 1), noise(12, 2), noise(12, 3)


class World:
    """A store with a clock, the machines that open it, and the disks that were committed."""

    def __init__(self) -> None:
        self.store = ClockStore()
        self.disks: dict[str, bytes] = {}
        Repository.init(self.store, passphrase=PASSPHRASE, pack_size=2500, scrypt_log_n=CHEAP).close()

    def machine(self, store: Any = None) -> Repository:
        return Repository.open(store or self.store, passphrase=PASSPHRASE)

    def back_up(self, disk: bytes, name: str, store: Any = None) -> str:
        with self.machine(store) as repository:
            point, _ = store_files(repository, {"disk": disk}, GRID, vm_name=name)
        self.disks[point.id] = disk
        return point.id

    def forget(self, point: str) -> None:
        with self.machine() as repository:
            repository._delete_point(point)
        del self.disks[point]

    def collect(self, *, hours: float = 0, store: Any = None, **options: Any) -> collect_module.CollectReport:
        self.store.now += hours * 3600
        with self.machine(store) as repository:
            return repository.collect(grace_seconds=GRACE, **options)

    def cycle(self) -> None:
        """Time passes, packs are condemned, time passes, they are deleted; whoever died has lost its lease by then."""
        self.collect(hours=2)
        self.collect(hours=2)

    def assert_whole(self) -> None:
        with self.machine() as repository:
            points = repository.points()
            assert {point.id for point in points} <= self.disks.keys()
            for point in points:
                assert restore_file(repository.read(point), "disk") == self.disks[point.id]

    def assert_clean(self) -> None:
        """After some collections nothing is left that no point needs, and a check finds nothing wrong."""
        for _ in range(3):
            self.collect(hours=2)
        with self.machine() as repository:
            report = repository.check(read_data=True)
            assert report.problems == ()
            needed = repository.collect(dry_run=True, grace_seconds=0)
        assert (needed.condemned_packs, needed.waiting_bytes, needed.lost_blocks) == (0, 0, 0)
        self.assert_whole()


@pytest.fixture
def world() -> World:
    return World()


def packs(world: World) -> int:
    return sum(info.size for info in world.store.list(f.PACKS))


def test_what_a_deleted_point_needed_is_condemned_first_and_deleted_a_grace_time_later(world: World) -> None:
    first = world.back_up(ALPHA, "alpha")
    world.back_up(BETA, "beta")
    before = packs(world)
    world.forget(first)

    one = world.collect(hours=2)
    two = world.collect(hours=0.5)
    three = world.collect(hours=1)

    assert one.condemned_packs > 0
    assert one.deleted_packs == two.deleted_packs == 0
    assert one.next_at == "2026-09-21T17:13:20+00:00"
    assert two.waiting_bytes == one.condemned_bytes
    assert (three.deleted_packs, three.deleted_bytes) == (one.condemned_packs, one.condemned_bytes)
    assert packs(world) == before - three.deleted_bytes
    assert three.next_at is None
    world.assert_clean()


def test_a_repository_without_anything_to_free_is_left_as_it_is(world: World) -> None:
    world.back_up(ALPHA, "alpha")
    names = {info.name for info in world.store.list("") if not info.name.startswith(f.LEASES)}

    report = world.collect(hours=100)

    assert (report.condemned_packs, report.copied_bytes, report.points) == (0, 0, 1)
    assert {info.name for info in world.store.list("") if not info.name.startswith(f.LEASES)} == names


def test_a_dry_run_says_what_would_be_done_and_does_nothing(world: World) -> None:
    world.forget(world.back_up(ALPHA, "alpha"))
    world.store.now += 7200
    names = {info.name for info in world.store.list("")}

    dry = world.collect(dry_run=True)
    assert {info.name for info in world.store.list("")} == names

    real = world.collect()
    assert dry.condemned_packs == real.condemned_packs > 0
    assert dry.dry_run
    assert not real.dry_run


def test_young_packs_are_left_alone_and_so_are_those_of_a_backup_that_holds_a_lease(world: World) -> None:
    world.store.now = time.time()  # a lease says by the clock of its owner when it was taken
    with world.machine() as repository, repository.lease("HV01/vm", owner="a long backup"):
        world.forget(world.back_up(ALPHA, "alpha"))

        young = world.collect(hours=0.5)
        world.store.now += 2 * 3600
        for name in world.store.times:
            if name.startswith(f.LEASES):
                world.store.times[name] = world.store.now  # it is being renewed
        running = world.collect()

    ended = world.collect()

    assert young.condemned_packs == running.condemned_packs == 0
    assert young.young_bytes > 6000
    assert running.young_bytes > 6000
    assert ended.condemned_packs > 0


def test_blocks_that_another_point_shares_are_copied_out_of_packs_that_are_mostly_unneeded(world: World) -> None:
    point = world.back_up(ALPHA + BETA, "both")
    world.back_up(ALPHA[:1024] + GAMMA, "shares two blocks")
    world.forget(point)

    report = world.collect(hours=2)

    assert 1024 < report.copied_bytes < 3000
    with world.machine() as repository:
        assert repository.check(read_data=True).problems == ()
        repository._load()
        assert repository._unknown_packs() == []  # the copies are in segments already
    world.assert_whole()
    world.assert_clean()


def test_a_pack_of_which_little_is_unneeded_is_not_worth_copying(world: World) -> None:
    point = world.back_up(ALPHA, "alpha")
    world.back_up(ALPHA[:-512], "most of it")
    world.forget(point)

    report = world.collect(hours=2)

    assert report.copied_bytes < 600
    world.assert_whole()


def test_a_pack_that_is_mostly_its_own_footer_is_not_copied_over_and_over(world: World) -> None:
    world.back_up(noise(2, 7), "tiny")

    reports = [world.collect(hours=2, repack_above=0.05) for _ in range(3)]

    assert [report.condemned_packs for report in reports] == [0, 0, 0]


def test_many_small_packs_are_joined(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collect_module, "SMALL_SHARE", 0.5)
    for number in range(20):
        world.back_up(noise(2, number + 50), f"vm{number}")
    before = sum(1 for _ in world.store.list(f.PACKS))

    world.cycle()

    assert sum(1 for _ in world.store.list(f.PACKS)) < before / 2
    world.assert_clean()


def test_many_small_segments_are_joined_and_every_block_is_found_without_footers(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segments_module, "SMALL_SEGMENTS", 8)
    for number in range(10):
        world.back_up(noise(2, number + 50), f"vm{number}")

    world.collect()

    assert sum(1 for _ in world.store.list(f.INDEX)) == 1
    with world.machine() as repository:
        assert repository.check().problems == ()
    world.assert_whole()


def test_an_unfinished_backup_leaves_nothing_for_ever(world: World) -> None:
    with world.machine() as repository:
        writer = repository.begin(host="HV01", vm_id="1", vm_name="alpha")
        write_blocks(writer.file("disk", len(ALPHA), source="x", kind="disk", grid=GRID), cut(ALPHA, GRID))
        repository._pool.flush()  # type: ignore[union-attr]
    assert packs(world) > 6000

    world.cycle()

    assert packs(world) == 0


def test_nothing_is_deleted_while_a_point_cannot_be_read(world: World) -> None:
    world.forget(world.back_up(ALPHA, "alpha"))
    hurt = world.back_up(BETA, "beta")
    data = world.store.get(f"points/{hurt}")
    world.store.put(f"points/{hurt}", data[:-1])
    before = packs(world)

    with pytest.raises(RepositoryDamaged, match="nothing was deleted") as caught:
        world.collect(hours=2)

    assert "repair" in str(caught.value.hint)
    assert packs(world) == before
    assert list(world.store.list(f.CONDEMNED)) == []


def test_nothing_is_deleted_while_a_list_of_blocks_is_lost(world: World) -> None:
    world.forget(world.back_up(ALPHA, "alpha"))
    world.back_up(BETA, "beta")
    world.store.now += 7200
    with world.machine() as repository:
        repository._load()
        lists = [pack.id for pack in repository._index.packs.values() if pack.kind == f.PACK_LISTS]
    world.store.delete(f.pack_name(lists[-1]))
    world.store.delete(f.pack_name(lists[0]))

    with pytest.raises(RepositoryDamaged, match="nothing was deleted"):
        world.collect(hours=2)


def test_a_lost_index_is_no_obstacle_however_young_the_packs_are(world: World) -> None:
    world.back_up(ALPHA, "alpha")
    for info in list(world.store.list(f.INDEX)):
        world.store.delete(info.name)

    young, old = world.collect(), world.collect(hours=2)

    assert (young.condemned_packs, old.condemned_packs, young.lost_blocks) == (0, 0, 0)
    world.assert_clean()


def test_a_lost_block_does_not_keep_the_rest_from_being_collected(world: World) -> None:
    world.forget(world.back_up(ALPHA, "alpha"))
    world.store.now += 7200
    world.back_up(BETA, "beta")
    with world.machine() as repository:
        repository._load()
        place = repository._index.find(repository._keys.block_id(hashlib.sha256(BETA[:512]).digest()))
    assert place is not None
    world.store.delete(f.pack_name(place.pack))

    report = world.collect(hours=2)

    assert report.condemned_packs > 0
    with world.machine() as repository:
        assert [problem.object for problem in repository.check().problems] == [f.pack_name(place.pack)]


def test_impossible_options_a_second_collection_and_a_stop_are_clear(world: World) -> None:
    world.back_up(ALPHA, "alpha")
    cancel = Cancellation()
    cancel.set()
    with world.machine() as repository:
        for options in ({"grace_seconds": -1}, {"repack_above": 0}, {"repack_above": 1.5}):
            with pytest.raises(InvalidRequest, match="cannot collect"):
                repository.collect(**options)
        with repository.lease(UPKEEP_SCOPE, owner="another"), pytest.raises(RepositoryLocked):
            repository.collect()
        with pytest.raises(Cancelled):
            repository.collect(cancel=cancel)


def test_a_condemned_pack_that_is_needed_again_and_cannot_be_read_whole_is_not_deleted(world: World) -> None:
    point = world.back_up(ALPHA, "alpha")
    name, disk = f"points/{point}", world.disks[point]
    saved = world.store.get(name)
    world.forget(point)
    world.collect(hours=2)
    world.store.put(name, saved)  # somebody brought the point back from a copy of the folder
    world.disks[point] = disk
    with world.machine() as repository:
        repository._load()
        place = repository._index.find(repository._keys.block_id(hashlib.sha256(ALPHA[:512]).digest()))
    assert place is not None
    pack = f.pack_name(place.pack)
    data = bytearray(world.store.get(pack))
    data[place.offset] ^= 1
    world.store.put(pack, data)

    reports = [world.collect(hours=2) for _ in range(3)]

    assert [report.hurt_packs for report in reports] == [(pack,)] * 3
    assert world.store.get(pack) == data
    with world.machine() as repository:
        assert [problem.points for problem in repository.check(read_data=True).problems] == [(point,)]


def test_needed_blocks_of_condemned_packs_are_found_and_saved_although_the_index_is_lost(world: World) -> None:
    point = world.back_up(ALPHA, "alpha")
    saved = world.store.get(f"points/{point}")
    world.forget(point)
    world.collect(hours=2)
    world.store.put(f"points/{point}", saved)
    world.disks[point] = ALPHA
    for info in list(world.store.list(f.INDEX)):
        world.store.delete(info.name)

    world.assert_whole()
    world.collect(hours=0.5)
    world.assert_whole()
    world.assert_clean()


def test_marks_of_deleted_points_and_old_notes_of_deletion_are_swept_away(world: World) -> None:
    first, second, third = (world.back_up(disk, "vm") for disk in (ALPHA, BETA, GAMMA))
    with world.machine() as repository:
        for point in (first, second):
            repository.mark_verified(point)
            repository.pin(point)
        repository._shelf.delete(second)
        del world.disks[second]
    world.forget(first)
    with world.machine() as repository:
        repository.pin(third)

    world.collect(hours=2)

    left = {info.name for prefix in (f.VERIFIED, f.PINS, f.DELETED) for info in world.store.list(prefix)}
    assert left == {f"pins/{third}", f"deleted/{second}"}  # the third point names the second as the one before it
    with world.machine() as repository:
        assert repository.check().problems == ()


# ---------------------------------------------------------------- beside running backups


def prepared() -> World:
    """A world in which ALPHA's blocks lie in packs that no point needs any more; the next collection condemns them."""
    world = World()
    world.back_up(BETA, "beta")
    world.forget(world.back_up(ALPHA, "alpha"))
    world.store.now += 7200
    return world


DISK = ALPHA + GAMMA


def back_up_through(world: World, hook: Callable[[int], None]) -> int:
    """Back up a disk that relies on blocks of ALPHA; call `hook` at every store call; return how many there were."""
    counting = CountingStore(world.store)
    busy = False

    def fail(number: int, _what: str, _name: str) -> None:
        nonlocal busy
        if not busy:
            busy = True
            hook(number)
            busy = False

    counting.fail = fail
    # What it may fail with: a pack was collected that it relied on.
    with contextlib.suppress(RepositoryDamaged), world.machine(counting) as repository:
        point, _ = store_files(repository, {"disk": DISK}, GRID, vm_name="gamma")
        world.disks[point.id] = DISK
    return len(counting.calls)


def test_a_whole_collection_at_any_moment_of_a_backup_never_hurts_a_point() -> None:
    total, failed = back_up_through(prepared(), lambda _number: None), 0
    for step in range(total + 2):
        world = prepared()

        def collect(number: int, step: int = step, world: World = world) -> None:
            if number == step:
                world.cycle()

        back_up_through(world, collect)

        world.assert_whole()
        failed += len(world.disks) == 1
        world.back_up(DISK, "gamma")
        world.assert_clean()
    assert 0 < failed < total  # its old blocks were deleted under it, and it said so


@pytest.mark.parametrize("stride", [7, pytest.param(1, marks=pytest.mark.slow)], ids=["some", "every"])
def test_condemning_at_one_moment_and_deleting_at_a_later_one_never_hurts_a_point(stride: int) -> None:
    total = back_up_through(prepared(), lambda _number: None)
    pairs = [(first, second) for first in range(total) for second in range(first + 1, total + 1)]
    for first, second in pairs[::stride]:
        world = prepared()

        def collect(number: int, first: int = first, second: int = second, world: World = world) -> None:
            if number in (first, second):
                world.collect(hours=2)

        back_up_through(world, collect)

        world.assert_whole()
        world.assert_clean()


@pytest.mark.parametrize("phase", [1, 2], ids=["condemning", "deleting"])
def test_a_whole_backup_at_any_moment_of_a_collection_is_never_hurt(phase: int) -> None:
    step, total = 0, 1
    while step <= total:
        world = prepared()
        if phase == 2:
            world.collect()
        counting = CountingStore(world.store)

        def back_up(number: int, _what: str, _name: str, step: int = step, world: World = world) -> None:
            if number == step:
                world.back_up(DISK, "gamma")

        counting.fail = back_up
        world.collect(hours=2, store=counting)
        world.assert_whole()
        if step % 4 == 0:
            world.assert_clean()
        total = len(counting.calls)
        step += 1

    assert total > 30


@pytest.mark.parametrize("phase", [1, 2], ids=["condemning", "deleting"])
def test_a_collection_that_dies_at_any_store_call_hurts_nothing_and_the_next_one_ends_it(phase: int) -> None:
    step, died = 0, True
    while died:
        world = prepared()
        world.back_up(ALPHA[:1024] + GAMMA, "shares two blocks")
        world.store.now += 7200
        if phase == 2:
            world.collect()
        counting = CountingStore(world.store)

        def fail(number: int, what: str, name: str, step: int = step) -> None:
            if number >= step:
                raise StoreUnavailable(f"{what} {name}: no answer")

        counting.fail = fail
        died = False
        try:
            world.collect(hours=2, store=counting)
        except HvBackupError:
            died = True
        world.assert_whole()
        with world.machine() as repository:
            assert repository.check(read_data=True).problems == ()
        world.back_up(DISK, "gamma")
        world.assert_clean()
        step += 1

    assert step > 30


def test_a_collection_that_slept_through_another_one_deletes_nothing_that_is_needed() -> None:
    """Its lease ran out; the other one and a backup were there meanwhile. It wakes at any store call of its own."""
    step, total = 0, 1
    while step <= total:
        world = prepared()
        world.collect()
        counting = CountingStore(world.store)

        def sleep(number: int, _what: str, _name: str, step: int = step, world: World = world) -> None:
            if number == step:
                world.collect(hours=2)
                world.back_up(DISK, "gamma")
                world.collect(hours=2)

        counting.fail = sleep
        with contextlib.suppress(HvBackupError):
            world.collect(hours=2, store=counting)
        world.assert_whole()
        if step % 4 == 0:
            world.assert_clean()
        total = len(counting.calls)
        step += 1

    assert total > 30


def test_a_long_backup_stores_anew_what_is_condemned_under_it_while_it_is_there(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hvbackup.repository.footing.LOOK_SECONDS", -1.0)
    world = prepared()
    with world.machine() as repository:
        writer = repository.begin(host="HV01", vm_id=make_point().vm_id, vm_name="gamma")
        file = writer.file("disk", len(DISK), source="x", kind="disk", grid=GRID)
        blocks = cut(DISK, GRID)
        file.add(0, blocks[0])
        world.collect()
        file.add(1, blocks[1])
        repository._pool.flush()  # type: ignore[union-attr]
        world.collect(hours=2)
        for number in range(2, len(blocks)):
            file.add(number, blocks[number])
        file.finish()
        point = writer.commit(make_point(vm_name="gamma"))
    world.disks[point.id] = DISK

    world.assert_clean()


@pytest.mark.parametrize("collections", [1, 2], ids=["condemned", "deleted"])
def test_packs_that_a_backup_without_a_lease_made_itself_long_ago_do_not_vanish_unnoticed(
    world: World, collections: int
) -> None:
    with world.machine() as repository:
        writer = repository.begin(host="HV01", vm_id=make_point().vm_id, vm_name="gamma")
        file = writer.file("disk", len(DISK), source="x", kind="disk", grid=GRID)
        write_blocks(file, cut(DISK, GRID))
        file.finish()
        repository._pool.flush()  # type: ignore[union-attr]
        for _ in range(collections):
            world.collect(hours=2)

        if collections == 2:
            with pytest.raises(RepositoryDamaged, match="was collected or repaired while the backup relied on it"):
                writer.commit(make_point(vm_name="gamma"))
        else:
            world.disks[writer.commit(make_point(vm_name="gamma")).id] = DISK
    world.assert_whole()
    world.back_up(DISK, "gamma")
    world.assert_clean()


def test_a_backup_that_dies_while_its_point_is_written_leaves_none_whose_blocks_were_deleted_before() -> None:
    world = prepared()
    counting = CountingStore(world.store)
    repository = world.machine(counting)
    writer = repository.begin(host="HV01", vm_id=make_point().vm_id, vm_name="gamma")
    file = writer.file("disk", len(DISK), source="x", kind="disk", grid=GRID)
    write_blocks(file, cut(DISK, GRID))
    file.finish()
    world.collect()
    world.collect(hours=2)

    def die_once_the_point_is_there(number: int, what: str, name: str) -> None:
        if ("put done", f"points/{writer.id}") in counting.calls[:number]:
            raise StoreUnavailable(f"{what} {name}: no answer")

    counting.fail = die_once_the_point_is_there
    with pytest.raises(RepositoryDamaged, match="was collected"):
        writer.commit(make_point(vm_name="gamma"))

    world.assert_whole()
    world.assert_clean()


def test_a_restore_goes_on_when_its_blocks_move(world: World) -> None:
    point = world.back_up(ALPHA + BETA, "both")
    kept = world.back_up(ALPHA[:1024] + GAMMA, "shares two blocks")
    with world.machine() as repository:
        reader = repository.read(kept)
        reader.hashes("disk")
        world.forget(point)
        world.cycle()

        assert restore_file(reader, "disk") == world.disks[kept]


def test_a_check_beside_a_collection_finds_nothing_missing() -> None:
    step, total = 0, 1
    while step <= total:
        world = prepared()
        world.collect()
        counting = CountingStore(world.store)

        def collect(number: int, _what: str, _name: str, step: int = step, world: World = world) -> None:
            if number == step:
                world.collect(hours=2)

        counting.fail = collect
        with world.machine(counting) as repository:
            counting.calls.clear()
            problems = repository.check().problems
        assert [problem for problem in problems if problem.points] == []
        assert problems == (), step
        total = len(counting.calls)
        step += 1


def test_prune_and_collect_together_free_what_the_policy_gives_up(world: World) -> None:
    for number in range(4):
        world.back_up(noise(10, 100 + number), "vm")
    with world.machine() as repository:
        removed = repository.prune(RetentionPolicy(last=1), zone=UTC).removed
    for decision in removed:
        del world.disks[decision.point_id]
    before = packs(world)

    world.cycle()

    assert len(removed) == 3
    assert packs(world) < before / 2
    world.assert_clean()


def write_segment(world: World, keys: Keys, *, records: int) -> None:
    """Write a segment of blocks that do not exist, and something in the place of their pack."""
    pack = f.PackInfo(secrets.token_bytes(16), 1000, f.PACK_DATA)
    world.store.put(f.pack_name(pack.id), bytes(1000))
    entries = [f.Entry(secrets.token_bytes(32), 32, 100, 512, True) for _ in range(records)]
    name = f"{f.INDEX}{secrets.token_hex(16)}"
    payload = f.write_segment([pack], [f.write_record(entry, pack.id) for entry in entries])
    world.store.put(name, keys.seal(f.SEALED_INDEX, name, payload, compress=False))


def test_the_memory_of_a_collection_does_not_grow_with_the_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hvbackup.repository.index.LOADED_RUNS", 8)
    monkeypatch.setattr("hvbackup.repository.index.MAPPED_SIZE", 16384)
    monkeypatch.setattr(segments_module, "SMALL_SEGMENTS", 4)
    monkeypatch.setattr(segments_module, "SEGMENT_RECORDS", 2400)
    peaks = []
    for segments in (24, 72):
        world = World()
        world.back_up(ALPHA, "alpha")
        with world.machine() as repository:
            for _ in range(segments):
                write_segment(world, repository._keys, records=1200)
            world.store.now += 2 * GRACE
            tracemalloc.start()
            report = repository.collect(grace_seconds=GRACE)
            kept, peak = tracemalloc.get_traced_memory()
            peaks.append(peak - kept)  # the store in memory keeps the segments that are written
            tracemalloc.stop()
        assert report.condemned_packs == segments

    assert peaks[1] < peaks[0] * 1.6, peaks


def test_condemning_takes_the_next_number(world: World) -> None:
    with world.machine() as repository:
        names = [write_sentence(world.store, repository._keys, []) for _ in range(3)]

    assert [name[-2:] for name in names] == ["01", "02", "03"]
