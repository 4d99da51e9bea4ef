"""Several machines back up, prune and collect in any order; each may die, or sleep while others work, at any call.

What must hold after every step: every restore point that exists restores byte for byte, and no point that was committed
is gone unless it was deleted. In the end, when all is quiet: nothing is left that no point needs.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timezone
from typing import Any

import pytest
from faulty_store import ClockStore, CountingStore
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule
from repository_points import CHEAP, PASSPHRASE, cut, hash_block, make_point, restore_file, store_files

from hvbackup.errors import HvBackupError, StoreUnavailable
from hvbackup.repository import Repository
from hvbackup.repository import format as f
from hvbackup.repository.points import new_point_id
from hvbackup.repository.retention import RetentionPolicy
from hvbackup.repository.seams import Grid
from hvbackup.repository.writer import BlockPointWriter

GRID = Grid(block_size=512)
GRACE = 3600.0
#: Few blocks, so that points share most of theirs, and what is deleted is soon wanted again.
BLOCKS = [bytes(512), *(random.Random(seed).randbytes(512) for seed in range(1, 16))]  # noqa: S311
disks = st.lists(st.integers(0, len(BLOCKS) - 1), min_size=1, max_size=10)
#: Chooses one of what is there; what there is depends on random pack ids, and draws must not depend on that.
choices = st.integers(0, 99)
#: What happens at the store call of this number.
moments = st.integers(0, 45)


def join(blocks: list[int]) -> bytes:
    return b"".join(BLOCKS[number] for number in blocks)


class Machine:
    """A machine: its own connection to the store, which can be disturbed."""

    def __init__(self, world: ClockStore) -> None:
        self.store = CountingStore(world)
        self.repository = Repository.open(self.store, passphrase=PASSPHRASE)

    def disturb(self, moment: int, work: Callable[[], None]) -> None:
        """Let something happen once, at the store call `moment` from now on."""
        at, done = len(self.store.calls) + moment, False

        def fail(number: int, _what: str, _name: str) -> None:
            nonlocal done
            if number >= at and not done:
                done = True
                work()

        self.store.fail = fail

    def die(self, moment: int) -> None:
        """From that store call on, nothing this machine does has any effect."""
        at = len(self.store.calls) + moment

        def fail(number: int, what: str, name: str) -> None:
            if number >= at:
                raise StoreUnavailable(f"{what} {name}: no answer")

        self.store.fail = fail

    def calm(self) -> None:
        self.store.fail = lambda _number, _what, _name: None


class Backup:
    """A point that is being made: the bytes of its disk, and what it still has to bring."""

    def __init__(self, machine: Machine, disk: bytes, name: str) -> None:
        self.machine, self.disk, self.name = machine, disk, name
        self.writer: BlockPointWriter = machine.repository.begin(host="HV01", vm_id=make_point().vm_id, vm_name=name)
        self.file = self.writer.file("disk", len(disk), source="x", kind="disk", grid=GRID)
        blocks = cut(disk, GRID)
        self.lacking = {block: blocks[block] for block in self.file.offer(0, [hash_block(block) for block in blocks])}


class Upkeep(RuleBasedStateMachine):
    backups: Any = Bundle("backups")

    def __init__(self) -> None:
        super().__init__()
        self.world = ClockStore()
        Repository.init(self.world, passphrase=PASSPHRASE, pack_size=1500, scrypt_log_n=CHEAP).close()
        #: What each point that was ever tried must hold, if it is there; and those that must be there.
        self.disks: dict[str, bytes] = {}
        self.committed: set[str] = set()
        self.count = 0

    def name(self) -> str:
        self.count += 1
        return f"vm{self.count}"

    # ------------------------------------------------------------ what others do meanwhile

    def whole_backup(self, blocks: list[int]) -> None:
        disk = join(blocks)
        with Repository.open(self.world, passphrase=PASSPHRASE) as repository:
            point, _ = store_files(repository, {"disk": disk}, GRID, vm_name=self.name())
        self.disks[point.id] = disk
        self.committed.add(point.id)

    def collect_quietly(self) -> None:
        self.world.now += 2 * GRACE
        with Repository.open(self.world, passphrase=PASSPHRASE) as repository:
            try:
                repository.collect(grace_seconds=GRACE)
            except HvBackupError:
                return

    def collect_twice(self) -> None:
        self.collect_quietly()
        self.collect_quietly()

    def meanwhile(self, data: st.DataObject) -> Callable[[], None]:
        disk = data.draw(disks, label="disk of another backup")
        steps: list[Callable[[], None]] = data.draw(
            st.lists(
                st.sampled_from([self.collect_quietly, self.collect_twice, lambda: self.whole_backup(disk)]),
                min_size=1,
                max_size=3,
            )
        )

        def work() -> None:
            for step in steps:
                step()

        return work

    # ------------------------------------------------------------ rules

    @rule(target=backups, disk=disks)
    def begin(self, disk: list[int]) -> Backup:
        return Backup(Machine(self.world), join(disk), self.name())

    @rule(backup=backups, choice=choices)
    def bring(self, backup: Backup, choice: int) -> None:
        if backup.lacking:
            block = sorted(backup.lacking)[choice % len(backup.lacking)]
            backup.file.put(block, backup.lacking.pop(block))

    @rule(backup=backups)
    def look_around(self, backup: Backup) -> None:
        """What a long backup does every ten minutes."""
        try:
            backup.writer._footing.look()
        except HvBackupError:
            backup.machine.die(0)

    def finish(self, backup: Backup) -> None:
        point = make_point(new_point_id(), vm_name=backup.name)
        self.disks[point.id] = backup.disk
        try:
            for block, data in backup.lacking.items():
                backup.file.put(block, data)
            backup.file.finish()
            backup.writer.commit(point)
        except HvBackupError:
            return
        self.committed.add(point.id)

    @rule(backup=consumes(backups))
    def commit(self, backup: Backup) -> None:
        self.finish(backup)

    @rule(backup=consumes(backups), moment=moments, data=st.data())
    def commit_while_others_work(self, backup: Backup, moment: int, data: st.DataObject) -> None:
        backup.machine.disturb(moment, self.meanwhile(data))
        self.finish(backup)
        backup.machine.calm()

    @rule(backup=consumes(backups), moment=moments)
    def die_in_a_commit(self, backup: Backup, moment: int) -> None:
        backup.machine.die(moment)
        self.finish(backup)

    @rule(disk=disks)
    def back_up(self, disk: list[int]) -> None:
        self.whole_backup(disk)

    @rule(choice=choices)
    def delete(self, choice: int) -> None:
        there = sorted(self.there())
        if there:
            point = there[choice % len(there)]
            with Repository.open(self.world, passphrase=PASSPHRASE) as repository:
                repository._delete_point(point)
            self.committed.discard(point)

    @rule(last=st.integers(1, 3))
    def prune(self, last: int) -> None:
        self.world.now += 2 * GRACE  # whoever died in it has lost its lease
        with Repository.open(self.world, passphrase=PASSPHRASE) as repository:
            plan = repository.prune(RetentionPolicy(last=last), zone=timezone.utc)
        self.committed -= {decision.point_id for decision in plan.removed}

    @rule(hours=st.integers(0, 4))
    def time_passes(self, hours: int) -> None:
        self.world.now += hours * GRACE / 2

    @rule(repack_above=st.sampled_from([0.1, 0.5, 1.0]))
    def collect(self, repack_above: float) -> None:
        self.world.now += 1000  # more than a lease
        with Repository.open(self.world, passphrase=PASSPHRASE) as repository:
            repository.collect(grace_seconds=GRACE, repack_above=repack_above)

    @rule(moment=moments, data=st.data())
    def collect_while_others_work(self, moment: int, data: st.DataObject) -> None:
        self.world.now += 2 * GRACE
        machine = Machine(self.world)
        machine.disturb(moment, self.meanwhile(data))
        try:
            machine.repository.collect(grace_seconds=GRACE, repack_above=0.3)
        except HvBackupError:
            return
        finally:
            machine.calm()

    @rule(moment=moments)
    def die_in_a_collection(self, moment: int) -> None:
        self.world.now += 2 * GRACE
        machine = Machine(self.world)
        machine.die(moment)
        try:
            machine.repository.collect(grace_seconds=GRACE, repack_above=0.3)
        except HvBackupError:
            return

    @rule()
    def lose_the_index(self) -> None:
        for info in list(self.world.list(f.INDEX)):
            self.world.delete(info.name)

    # ------------------------------------------------------------ what must hold

    def there(self) -> set[str]:
        return {info.name.removeprefix(f.POINTS) for info in self.world.list(f.POINTS)}

    @invariant()
    def every_point_is_whole(self) -> None:
        assert self.committed <= self.there()
        with Repository.open(self.world, passphrase=PASSPHRASE) as repository:
            for point in repository.points():
                assert restore_file(repository.read(point), "disk") == self.disks[point.id]

    def teardown(self) -> None:
        for _ in range(3):
            self.collect_quietly()
        self.every_point_is_whole()
        with Repository.open(self.world, passphrase=PASSPHRASE) as repository:
            assert repository.check(read_data=True).problems == ()
            left = repository.collect(grace_seconds=0, dry_run=True)
        assert (left.condemned_packs, left.waiting_bytes, left.hurt_packs, left.lost_blocks) == (0, 0, (), 0)
        assert len(list(self.world.list(f.CONDEMNED))) <= 1


QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
TestUpkeep = Upkeep.TestCase
TestUpkeep.settings = settings(max_examples=8, stateful_step_count=15, deadline=None, suppress_health_check=QUIET)


@pytest.mark.slow
@pytest.mark.timeout(1800)
class TestUpkeepForLong(Upkeep.TestCase):  # type: ignore[misc,valid-type]
    settings = settings(max_examples=200, stateful_step_count=40, deadline=None, suppress_health_check=QUIET)
