"""Repair: what is good is saved, what is hurt is named and put aside, nothing is deleted, nothing becomes worse."""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from faulty_store import ClockStore, CountingStore
from repository_points import CHEAP, PASSPHRASE, restore_file, store_files

from hvbackup.errors import HvBackupError, PointNotFound, RepositoryDamaged, StoreUnavailable
from hvbackup.repository import Repository
from hvbackup.repository import extract as extract_module
from hvbackup.repository import format as f
from hvbackup.repository.seams import Grid
from hvbackup.repository.store import Store, open_store

GRID = Grid(block_size=512)
CHANCE = random.Random(9)  # noqa: S311
BIG, SMALL, OTHER = CHANCE.randbytes(40 * 512), CHANCE.randbytes(4 * 512), CHANCE.randbytes(8 * 512)


class Damaged:
    """A repository with two points of `TestVM` and one of `other`, and ways to hurt it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        with Repository.init(store, passphrase=PASSPHRASE, pack_size=5000, scrypt_log_n=CHEAP) as repository:
            self.first = store_files(repository, {"big": BIG, "small": SMALL}, GRID)[0].id
            self.second = store_files(repository, {"big": BIG + OTHER}, GRID)[0].id
            self.other = store_files(repository, {"other": OTHER}, GRID, vm_name="other")[0].id
        self.files = {
            self.first: {"big": BIG, "small": SMALL},
            self.second: {"big": BIG + OTHER},
            self.other: {"other": OTHER},
        }

    def open(self, store: Store | None = None) -> Repository:
        return Repository.open(store or self.store, passphrase=PASSPHRASE)

    def packs(self) -> list[str]:
        return sorted(info.name for info in self.store.list(f.PACKS))

    def pack_with(self, data: bytes) -> tuple[str, int]:
        """The pack that holds a block, and where it begins in it."""
        with self.open() as repository:
            repository._load()
            place = repository._index.find(repository._keys.block_id(hashlib.sha256(data).digest()))
        assert place is not None
        return f.pack_name(place.pack), place.offset

    def flip(self, name: str, position: int) -> None:
        data = bytearray(self.store.get(name))
        data[position] ^= 1
        self.store.put(name, data)

    def restorable(self) -> set[str]:
        """The files that come back right, `point/file`; no file comes back wrong."""
        whole = set()
        with self.open() as repository:
            for point in repository.points(on_damage=lambda _error: None):
                for name, data in self.files[point.id].items():
                    try:
                        assert restore_file(repository.read(point), name) == data
                    except RepositoryDamaged:
                        continue
                    whole.add(f"{point.id}/{name}")
        return whole

    @property
    def everything(self) -> set[str]:
        return {f"{point}/{name}" for point, files in self.files.items() for name in files}


@pytest.fixture
def damaged() -> Damaged:
    return Damaged(open_store("memory:"))


def test_a_sound_repository_is_left_as_it_is(damaged: Damaged) -> None:
    before = {info.name for info in damaged.store.list("") if not info.name.startswith(f.LEASES)}

    with damaged.open() as repository:
        report = repository.repair()

    assert (report.problems, report.hurt, report.segments) == ((), (), 0)
    assert {info.name for info in damaged.store.list("") if not info.name.startswith(f.LEASES)} == before


def test_the_good_blocks_of_a_hurt_pack_are_saved_and_the_bad_one_is_named_by_its_files(damaged: Damaged) -> None:
    pack, offset = damaged.pack_with(SMALL[:512])
    damaged.flip(pack, offset + 5)
    whole = damaged.restorable()

    with damaged.open() as repository:
        report = repository.repair()
        again = repository.check(read_data=True)

    assert [problem.object for problem in report.problems] == [pack]
    assert [(hurt.point_id, hurt.files) for hurt in report.hurt] == [(damaged.first, ("small",))]
    assert report.packs_aside == (pack,)
    assert report.salvaged_blocks >= 3
    assert damaged.restorable() == whole == damaged.everything - {f"{damaged.first}/small"}
    assert {problem.points for problem in again.problems} == {(damaged.first,)}
    assert damaged.store.get(f"{f.PACKS_ASIDE}{pack[-32:]}") == damaged.store.get(pack)


@pytest.mark.parametrize("position", [3, -3, -30], ids=["header", "tail", "footer"])
def test_a_pack_whose_frame_is_hurt_loses_no_block(damaged: Damaged, position: int) -> None:
    pack, _ = damaged.pack_with(SMALL[:512])
    damaged.flip(pack, position)

    with damaged.open() as repository:
        report = repository.repair()
        again = repository.check(read_data=True)

    assert report.packs_aside == (pack,)
    assert report.hurt == ()
    assert again.problems == ()
    assert damaged.restorable() == damaged.everything


def test_what_is_left_of_a_pack_that_was_cut_short_is_saved(damaged: Damaged) -> None:
    pack, _ = damaged.pack_with(BIG[:512])
    data = damaged.store.get(pack)
    damaged.store.put(pack, data[: len(data) // 2])

    with damaged.open() as repository:
        report = repository.repair()

    assert report.packs_aside == (pack,)
    assert report.salvaged_blocks >= 2
    assert {hurt.point_id for hurt in report.hurt} == {damaged.first, damaged.second}
    assert damaged.restorable() == {f"{damaged.first}/small", f"{damaged.other}/other"}


def test_the_next_backup_brings_lost_blocks_again_and_all_points_are_whole(damaged: Damaged) -> None:
    lost, _ = damaged.pack_with(BIG[:512])
    damaged.store.delete(lost)
    with damaged.open() as repository:
        report = repository.repair()
        assert report.missing_packs == (lost,)
        assert {hurt.point_id for hurt in report.hurt} == {damaged.first, damaged.second}

        _, travelled = store_files(repository, {"big": BIG}, GRID)

        assert 0 < travelled < 12
        damaged.files[repository.points()[-1].id] = {"big": BIG}
        assert repository.check(read_data=True).problems == ()
    assert damaged.restorable() == damaged.everything


def test_hurt_points_are_put_aside_and_come_back_when_they_are_whole_again(damaged: Damaged) -> None:
    lost, _ = damaged.pack_with(BIG[:512])
    damaged.store.delete(lost)
    with damaged.open() as repository:
        report = repository.repair(move_points=True)

        assert report.points_aside == (damaged.first, damaged.second)
        assert repository.points_aside() == [damaged.first, damaged.second]
        assert [point.id for point in repository.points()] == [damaged.other]
        assert repository.check(read_data=True).problems == ()
        reader = repository.read(damaged.first, aside=True)
        assert restore_file(reader, "small") == SMALL

        new, _ = store_files(repository, {"big": BIG}, GRID)
        damaged.files[new.id] = {"big": BIG}
        second = repository.repair()

        assert second.points_back == (damaged.first, damaged.second)
        assert repository.points_aside() == []
        assert repository.check(read_data=True).problems == ()
    assert damaged.restorable() == damaged.everything


def test_blocks_of_points_that_are_aside_are_not_collected_until_they_are_discarded() -> None:
    store = ClockStore()
    damaged = Damaged(store)
    lost, _ = damaged.pack_with(BIG[:512])
    store.delete(lost)
    with damaged.open() as repository:
        repository.repair(move_points=True)
        store.now += 1e6
        for _ in range(3):
            repository.collect()
            store.now += 1e6
        assert restore_file(repository.read(damaged.first, aside=True), "small") == SMALL

        repository.put_back(damaged.first)
        assert damaged.first in [point.id for point in repository.points()]
        repository.repair(move_points=True)
        before = sum(info.size for info in store.list(f.PACKS))
        for point in (damaged.first, damaged.second):
            repository.discard_aside(point)
        for _ in range(3):
            repository.collect()
            store.now += 1e6
        assert sum(info.size for info in store.list(f.PACKS)) < before / 2
        for work in (repository.put_back, repository.discard_aside):
            with pytest.raises(PointNotFound, match="put aside"):
                work(damaged.first)
    assert f"{damaged.other}/other" in damaged.restorable()


def test_a_dry_run_says_what_is_hurt_and_changes_nothing(damaged: Damaged) -> None:
    pack, offset = damaged.pack_with(SMALL[:512])
    damaged.flip(pack, offset + 5)
    before = {info.name: damaged.store.get(info.name) for info in damaged.store.list("")}

    with damaged.open() as repository:
        report = repository.repair(dry_run=True, move_points=True)

    assert {info.name: damaged.store.get(info.name) for info in damaged.store.list("")} == before
    assert report.packs_aside == (pack,)
    assert [hurt.point_id for hurt in report.hurt] == [damaged.first]
    assert report.points_aside == ()


@pytest.mark.parametrize("loss", ["missing", "damaged"])
def test_a_lost_index_is_built_again_from_the_packs(damaged: Damaged, loss: str) -> None:
    names = [info.name for info in damaged.store.list(f.INDEX)]
    for name in names:
        if loss == "missing":
            damaged.store.delete(name)
        else:
            damaged.flip(name, 60)

    with damaged.open() as repository:
        report = repository.repair()
        assert repository.check(read_data=True).problems == ()

    assert report.hurt == ()
    assert report.objects_aside == (() if loss == "missing" else tuple(sorted(names)))
    assert damaged.restorable() == damaged.everything


def test_a_point_that_cannot_be_read_is_named_and_put_aside_so_that_work_goes_on(damaged: Damaged) -> None:
    damaged.flip(f"points/{damaged.first}", 70)
    with damaged.open() as repository:
        report = repository.repair(move_points=True)

        assert [(hurt.point_id, hurt.files) for hurt in report.hurt] == [(damaged.first, ())]
        assert report.points_aside == (damaged.first,)
        assert repository.check(read_data=True).problems == ()
        assert [point.id for point in repository.points()] == [damaged.second, damaged.other]
        repository.collect(dry_run=True)


def test_a_point_that_somebody_removed_is_named_once_and_then_known(damaged: Damaged) -> None:
    damaged.store.delete(f"points/{damaged.first}")
    with damaged.open() as repository:
        report = repository.repair(move_points=True)

        assert [(hurt.point_id, hurt.files) for hurt in report.hurt] == [(damaged.first, ())]
        assert report.points_aside == ()
        assert repository.check(read_data=True).problems == ()


def test_damaged_marks_leases_and_notes_are_mended_and_a_pin_stays_a_pin(damaged: Damaged) -> None:
    with damaged.open() as repository:
        repository.pin(damaged.first)
        repository.mark_verified(damaged.second)
        repository.repair()  # leaves a lease behind
        repository._delete_point(damaged.other)
    del damaged.files[damaged.other]
    write = [f"pins/{damaged.first}", f"verified/{damaged.second}", f"deleted/{damaged.other}"]
    write += [info.name for info in damaged.store.list(f.LEASES)]
    for name in write:
        damaged.flip(name, 55)

    with damaged.open() as repository:
        assert {problem.object for problem in repository.check().problems} == set(write)
        report = repository.repair()
        assert list(repository.pins()) == [damaged.first]
        assert repository.verified() == {}
        assert repository.check(read_data=True).problems == ()

    assert report.objects_aside == tuple(sorted(f"{name}" for name in write[:3]))
    assert damaged.restorable() == damaged.everything


def test_a_damaged_sentence_is_put_aside_and_its_number_does_not_come_again() -> None:
    store = ClockStore()
    damaged = Damaged(store)
    with damaged.open() as repository:
        repository._delete_point(damaged.first)
        del damaged.files[damaged.first]
        store.now += 1e6
        repository.collect()
    (name,) = [info.name for info in store.list(f.CONDEMNED)]
    damaged.flip(name, 50)
    with damaged.open() as repository:
        with pytest.raises(RepositoryDamaged):
            repository.begin(host="HV01", vm_id="1", vm_name="x")
        report = repository.repair()
        assert report.objects_aside == (name,)
        assert max(info.name for info in store.list(f.CONDEMNED)) > name
        assert repository.check(read_data=True).problems == ()
    assert damaged.restorable() == damaged.everything


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["some", "every"])
def test_a_repair_that_dies_at_any_store_call_makes_nothing_worse_and_the_next_one_ends_it(every: bool) -> None:
    step, died = 0, True
    while died:
        damaged = Damaged(ClockStore())
        pack, offset = damaged.pack_with(SMALL[:512])
        damaged.flip(pack, offset + 5)
        damaged.flip(next(info.name for info in damaged.store.list(f.INDEX)), 60)
        whole = damaged.everything - {f"{damaged.first}/small"}
        counting = CountingStore(damaged.store)
        repository = damaged.open(counting)
        counting.calls.clear()

        def fail(number: int, what: str, name: str, step: int = step) -> None:
            if number >= step:
                raise StoreUnavailable(f"{what} {name}: no answer")

        counting.fail = fail
        died = False
        try:
            repository.repair(move_points=True)
        except HvBackupError:
            died = True
        damaged.store.now += 2000  # type: ignore[attr-defined]
        with damaged.open() as repository:
            repository.repair()
            left = {hurt.point_id for problem in repository.check().problems for hurt in repository.repair().hurt}
            assert left <= {damaged.first}
            aside = repository.points_aside()
            assert aside in ([], [damaged.first])
            if aside:
                assert restore_file(repository.read(damaged.first, aside=True), "big") == BIG
        assert damaged.restorable() == {name for name in whole if name.split("/")[0] not in aside}
        step += 1 if every else 6


def corrupt(damaged: Damaged, chance: random.Random) -> None:
    """Hurt one object in a way that storage can."""
    prefixes = (f.PACKS, f.INDEX, f.POINTS)
    names = sorted(info.name for info in damaged.store.list("") if info.name.startswith(prefixes))
    name = chance.choice(names)
    data = bytearray(damaged.store.get(name))
    what = chance.randrange(4)
    if what == 0:
        damaged.store.delete(name)
    elif what == 1:
        damaged.store.put(name, data[: chance.randrange(len(data))])
    else:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        damaged.store.put(name, data)


@pytest.mark.parametrize("seeds", [range(12), pytest.param(range(300), marks=pytest.mark.slow)], ids=["some", "many"])
def test_after_any_damage_a_repair_keeps_what_could_be_restored_and_the_repository_works_again(seeds: range) -> None:
    for seed in seeds:
        chance = random.Random(seed)  # noqa: S311
        damaged = Damaged(open_store("memory:"))
        for _ in range(chance.randrange(1, 4)):
            corrupt(damaged, chance)
        with damaged.open() as repository:
            before = set()
            for point, files in damaged.files.items():
                for name, data in files.items():
                    try:
                        if restore_file(repository.read(point), name) == data:
                            before.add(f"{point}/{name}")
                    except HvBackupError:
                        continue
            repository.repair(move_points=True)
        after = damaged.restorable()
        with damaged.open() as repository:
            for point in repository.points_aside():
                for name, data in damaged.files[point].items():
                    try:
                        assert restore_file(repository.read(point, aside=True), name) == data
                    except RepositoryDamaged:
                        continue
                    after.add(f"{point}/{name}")
            assert before <= after, seed
            assert repository.check(read_data=True).problems == (), seed
            new, _ = store_files(repository, {"big": BIG + OTHER}, GRID)
            damaged.files[new.id] = {"big": BIG + OTHER}
            repository.collect()
        assert f"{new.id}/big" in damaged.restorable(), seed


def test_the_extractor_restores_a_point_that_was_put_aside(
    tmp_path: Path, make: Callable[[], Repository], folder: Path
) -> None:
    with make() as repository:
        point, _ = store_files(repository, {"small": SMALL}, GRID)
        repository._aside.put(point.id)
    secret = tmp_path / "passphrase"
    secret.write_text("correct horse battery staple\n")
    program = [sys.executable, extract_module.__file__, str(folder), "--passphrase-file", str(secret)]

    listed = subprocess.run(program, capture_output=True, text=True, check=True, timeout=60)
    subprocess.run([*program, point.id, "--to", str(tmp_path / "out")], capture_output=True, check=True, timeout=60)

    assert listed.stdout == f"{point.id}\tHV01\tTestVM\t2026-11-25T01:30:05Z\tput aside: it is hurt\n"
    assert (tmp_path / "out/small").read_bytes() == SMALL
