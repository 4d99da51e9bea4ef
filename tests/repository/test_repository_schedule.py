"""Several machines, one repository, any order of events: what was committed stays whole."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule
from repository_points import CHEAP, PASSPHRASE, cut, hash_block, make_point, restore_file

from hvbackup.errors import LeaseLost, RepositoryLocked
from hvbackup.models import RestorePoint
from hvbackup.repository import Repository
from hvbackup.repository import format as f
from hvbackup.repository.crypto import Keys
from hvbackup.repository.seams import Grid
from hvbackup.repository.store import Store, open_store
from hvbackup.repository.writer import BlockPointWriter

GRID = Grid(block_size=512)
#: Few blocks, so that points share most of theirs.
BLOCKS = [bytes(512), *(random.Random(seed).randbytes(512) for seed in range(1, 12))]  # noqa: S311
#: Chooses one of what is there; what there is depends on random pack ids, and draws must not depend on that.
choices = st.integers(0, 99)
disks = st.lists(st.sampled_from(BLOCKS), max_size=8).map(b"".join)


class Backup:
    """A point that is being made: the bytes of its disk, and what it still has to bring."""

    def __init__(self, repository: Repository, disk: bytes, name: str) -> None:
        self.disk, self.name = disk, name
        self.writer: BlockPointWriter = repository.begin(host="HV01", vm_id=make_point().vm_id, vm_name=name)
        self.file = self.writer.file("disk", len(disk), source="x", kind="disk", grid=GRID)
        blocks = cut(disk, GRID)
        self.lacking = {block: blocks[block] for block in self.file.offer(0, [hash_block(block) for block in blocks])}


class Machines(RuleBasedStateMachine):
    repositories: Any = Bundle("repositories")
    backups: Any = Bundle("backups")

    def __init__(self) -> None:
        super().__init__()
        self.store: Store = open_store("memory:")
        first = Repository.init(self.store, passphrase=PASSPHRASE, pack_size=1200, scrypt_log_n=CHEAP)
        self.keys: Keys = first._keys
        first.close()
        self.committed: dict[str, bytes] = {}
        self.count = 0

    @rule(target=repositories)
    def open(self) -> Repository:
        return Repository.open(self.store, passphrase=PASSPHRASE)

    @rule(target=backups, repository=repositories, disk=disks)
    def begin(self, repository: Repository, disk: bytes) -> Backup:
        self.count += 1
        return Backup(repository, disk, f"vm{self.count}")

    @rule(backup=backups, choice=choices)
    def bring(self, backup: Backup, choice: int) -> None:
        if backup.lacking:
            block = sorted(backup.lacking)[choice % len(backup.lacking)]
            backup.file.put(block, backup.lacking.pop(block))

    @rule(backup=consumes(backups))
    def commit(self, backup: Backup) -> None:
        for block, data in backup.lacking.items():
            backup.file.put(block, data)
        backup.file.finish()
        point: RestorePoint = backup.writer.commit(make_point(vm_name=backup.name))
        self.committed[point.id] = backup.disk

    @rule(backup=consumes(backups))
    def die(self, backup: Backup) -> None:
        """Nothing is said to anybody: that backup simply goes on no more."""

    @rule(backup=consumes(backups))
    def give_up(self, backup: Backup) -> None:
        backup.writer.abort()

    @rule(chosen=st.lists(choices, max_size=3))
    def condemn_what_no_point_needs(self, chosen: list[int]) -> None:
        """A collection's first phase may name any pack: points that are being made must not come to harm by it."""
        packs = sorted(pack for info in self.store.list(f.PACKS) if (pack := f.pack_of(info.name)))
        if packs:
            name = f"{f.CONDEMNED}{self.count:016x}"
            payload = b"".join(packs[choice % len(packs)] for choice in chosen)
            self.store.put(name, self.keys.seal(f.SEALED_CONDEMNED, name, payload))

    @rule()
    def lose_the_index(self) -> None:
        for info in list(self.store.list(f.INDEX)):
            self.store.delete(info.name)

    @rule(repository=repositories, other=repositories)
    def take_one_lease_twice(self, repository: Repository, other: Repository) -> None:
        with repository.lease("vm/1", owner="one") as lease:
            with pytest.raises(RepositoryLocked):
                other.lease("vm/1", owner="two")
            assert other.forget_lease("vm/1")
            with pytest.raises(LeaseLost):
                lease.check()

    @invariant()
    def every_committed_point_is_whole(self) -> None:
        with Repository.open(self.store, passphrase=PASSPHRASE) as repository:
            points = repository.points()

            assert [point.id for point in points] == sorted(self.committed)
            for point in points:
                assert restore_file(repository.read(point), "disk") == self.committed[point.id]
            hurt = [problem for problem in repository.check(read_data=True).problems if problem.object != f.INDEX]
            assert hurt == []


QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large]
TestMachines = Machines.TestCase
TestMachines.settings = settings(max_examples=6, stateful_step_count=15, deadline=None, suppress_health_check=QUIET)


@pytest.mark.slow
class TestMachinesForLong(Machines.TestCase):  # type: ignore[misc,valid-type]
    settings = settings(max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=QUIET)
