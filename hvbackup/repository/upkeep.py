"""Looking after a repository: check, verify marks, pins, prune, collect, repair. The upper half of `Repository`."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime, tzinfo

from hvbackup._version import __version__
from hvbackup.errors import InvalidRequest, PointNotFound
from hvbackup.events import Cancellation, EventSink, Progress, discard
from hvbackup.repository import format as f
from hvbackup.repository.aside import PointsAside
from hvbackup.repository.check import Checker, CheckReport
from hvbackup.repository.collect import GRACE_SECONDS, REPACK_ABOVE, Collector, CollectReport
from hvbackup.repository.crypto import Keys
from hvbackup.repository.founding import now_text
from hvbackup.repository.lease import MARGIN_SECONDS, TTL_SECONDS, Lease, LeaseBook
from hvbackup.repository.marks import Pin, Verified, pin_marks, verified_marks
from hvbackup.repository.points import PointShelf
from hvbackup.repository.repair import Repairer, RepairReport
from hvbackup.repository.retention import RetentionPlan, RetentionPolicy, plan_retention
from hvbackup.repository.small_objects import damaged_small_objects
from hvbackup.repository.store import Store

#: Whoever prunes, collects or repairs has this lease, so that no two do at once. Backups need none of it.
UPKEEP_SCOPE = "repository upkeep"


class Upkeep:
    """What `Repository` does besides storing and reading points. All methods may raise `StoreUnavailable`."""

    def __init__(self, store: Store, config: f.Config, keys: Keys) -> None:
        self.config = config
        self._store, self._keys = store, keys
        self._shelf = PointShelf(store, keys)
        self._leases = LeaseBook(store, keys)
        self._verified = verified_marks(store, keys)
        self._pins = pin_marks(store, keys)
        self._aside = PointsAside(store, self._shelf)

    @contextmanager
    def _alone(self) -> Iterator[Lease]:
        owner = f"upkeep on {platform.node() or 'an unnamed machine'}"
        with self._leases.acquire(UPKEEP_SCOPE, owner=owner, ttl_seconds=TTL_SECONDS) as lease:
            yield lease

    # ------------------------------------------------------------ marks

    def mark_verified(self, point: str, verified: bool = True) -> None:
        """Remember that a point was just read back whole; with `verified=False`, that it was not.

        Args:
            point: Its full id.

        Raises:
            PointNotFound: It is not there.
        """
        self._shelf.read(point)
        if verified:
            self._verified.write(point, Verified(verified_at=now_text(), tool_version=__version__))
        else:
            self._verified.remove(point)

    def verified(self) -> dict[str, Verified]:
        """Return when each point was last read back whole, by id; those that never were are not named."""
        return self._verified.read_all()

    def pin(self, point: str, reason: str = "") -> None:
        """Keep a point whatever the retention policy says, until it is unpinned.

        Args:
            point: Its full id.

        Raises:
            PointNotFound: It is not there.
        """
        self._pins.write(point, Pin(pinned_at=now_text(), reason=reason))
        try:
            self._shelf.read(point)  # after the pin: a prune that did not see it may just have deleted the point
        except PointNotFound:
            self._pins.remove(point)
            raise

    def unpin(self, point: str) -> bool:
        """Let the retention policy decide on a point again; return whether it was pinned."""
        pinned = self._pins.read(point) is not None
        self._pins.remove(point)
        return pinned

    def pins(self) -> dict[str, Pin]:
        """Return the pins by the ids of their points."""
        return self._pins.read_all()

    # ------------------------------------------------------------ retention

    def prune(
        self,
        policy: RetentionPolicy,
        *,
        zone: tzinfo,
        dry_run: bool = False,
        host: str | None = None,
        vm: str | None = None,
        events: EventSink = discard,
        cancel: Cancellation | None = None,
    ) -> RetentionPlan:
        """Delete the points that the policy does not keep; return what became of each point.

        Blocks stay until `collect`. Points of a VM go oldest first. Do not call this after a backup that failed. It can
        be stopped at any time: what is deleted then is deleted, the rest stays.

        Args:
            zone: The calendar in which the policy counts days, weeks ...
            dry_run: Decide only; delete nothing.
            host: Only VMs of this host, without case.
            vm: Only this VM, by id or by name, without case.

        Raises:
            InvalidRequest: The policy keeps nothing.
            RepositoryDamaged: A point or a mark cannot be read, so what to keep is not known; nothing was deleted.
            RepositoryLocked: Somebody else prunes, collects or repairs.
        """
        if dry_run:
            return self._plan(policy, zone, host, vm)
        with self._alone():
            plan = self._plan(policy, zone, host, vm)
            for number, decision in enumerate(plan.removed, 1):
                if cancel is not None:
                    cancel.check()
                self._delete_point(decision.point_id)
                events(
                    Progress(
                        activity="prune", done=number, total=len(plan.removed), unit="points", item=decision.point_id
                    )
                )
        return plan

    def _plan(self, policy: RetentionPolicy, zone: tzinfo, host: str | None, vm: str | None) -> RetentionPlan:
        points = self._shelf.select(host=host, vm=vm)
        return plan_retention(points, policy, zone=zone, verified=self.verified(), pinned=self.pins())

    def _delete_point(self, point: str) -> None:
        self._shelf.delete(point)
        # Marks of a point that is gone mean nothing; `collect` clears what a crash leaves here.
        self._verified.remove(point)
        self._pins.remove(point)

    # ------------------------------------------------------------ collection

    def collect(
        self,
        *,
        grace_seconds: float = GRACE_SECONDS,
        repack_above: float = REPACK_ABOVE,
        dry_run: bool = False,
        events: EventSink = discard,
        cancel: Cancellation | None = None,
    ) -> CollectReport:
        """Free what no point needs: condemn packs now, delete those that an earlier collection condemned.

        Backups and restores may go on beside it; it may be stopped at any moment and run again.

        Args:
            grace_seconds: A pack must have been condemned this long before it is deleted, and be this old before it is
                condemned. A backup or restore that takes longer than this may have to be run again, no more.
            repack_above: A pack of which more than this share is not needed is copied without it.
            dry_run: Say what would be done; do nothing.

        Raises:
            InvalidRequest: A negative grace time, or a share that is not between 0 and 1.
            RepositoryDamaged: What points need is not known, because a point, a list or a segment cannot be read.
            RepositoryLocked: Somebody else prunes, collects or repairs.
            LeaseLost: Somebody took that over; what is deleted was not needed.
            Cancelled: `cancel` was set.
        """
        if grace_seconds < 0 or not 0 < repack_above <= 1:
            raise InvalidRequest(
                f"cannot collect with a grace time of {grace_seconds} s and a share of {repack_above}",
                hint="the grace time is 0 or more, the share above 0 and at most 1",
            )
        with nullcontext() if dry_run else self._alone() as lease:
            now = self._leases.store_clock()
            collector = Collector(
                self._store,
                self._keys,
                self.config,
                now=now,
                grace_seconds=grace_seconds,
                running_since=self._running_since(now),
                repack_above=repack_above,
                still_ours=lambda: lease.check() if lease else None,
                events=events,
                cancel=cancel or Cancellation(),
            )
            return collector.run(dry_run=dry_run)

    def _running_since(self, now: float) -> float | None:
        """Return when the oldest backup that holds a lease began, by its own clock."""
        running = [
            datetime.fromisoformat(lease.record.taken_at).timestamp()
            for lease in self._leases.held()
            if lease.record.scope != UPKEEP_SCOPE and now - lease.modified < lease.record.ttl_seconds + MARGIN_SECONDS
        ]
        return min(running, default=None)

    # ------------------------------------------------------------ repair

    def repair(
        self,
        *,
        read_data: bool = True,
        move_points: bool = False,
        dry_run: bool = False,
        events: EventSink = discard,
        cancel: Cancellation | None = None,
    ) -> RepairReport:
        """Save what can be saved; delete nothing: what is hurt is put aside.

        Blocks that are lost are brought again by the next backup that has them; a point that lacked them is whole then.

        Args:
            read_data: Read every byte of every pack, as `check` does; else only the structure is looked at.
            move_points: Put points aside that are hurt, so that `collect` and `prune` work again.
            dry_run: Say what is wrong and what would be put aside; change nothing.

        Raises:
            RepositoryLocked: Somebody else prunes, collects or repairs.
            Cancelled: `cancel` was set. What was done is sound; run it again.
        """
        repairer = Repairer(self._store, self._keys, self.config, events, cancel or Cancellation())
        if dry_run:
            return repairer.run(read_data=read_data, move_points=move_points, dry_run=True)
        self._drop_damaged_leases()
        with self._alone():
            return repairer.run(read_data=read_data, move_points=move_points, dry_run=False)

    def _drop_damaged_leases(self) -> None:
        """Delete leases that cannot be read: nobody can hold, renew or take them any more."""
        for name, _ in list(damaged_small_objects(self._store, self._keys)):
            if name.startswith(f.LEASES):
                self._store.delete(name)

    def points_aside(self) -> list[str]:
        """Return the ids of points that a repair put aside, sorted by time."""
        return self._aside.ids()

    def put_back(self, point: str) -> None:
        """Put a point back that a repair put aside, whole or not.

        Args:
            point: Its full id.

        Raises:
            PointNotFound: It is not aside.
        """
        self._aside.put_back(point)

    def discard_aside(self, point: str) -> None:
        """Delete a point that a repair put aside; `collect` then frees what only it needed.

        Args:
            point: Its full id.

        Raises:
            PointNotFound: It is not aside.
        """
        self._aside.discard(point)

    # ------------------------------------------------------------ check

    def check(
        self,
        read_data: bool = False,
        *,
        percent: float = 100.0,
        since: datetime | None = None,
        events: EventSink = discard,
        cancel: Cancellation | None = None,
    ) -> CheckReport:
        """Check that everything fits together, and that every point can be restored; changes nothing.

        Args:
            read_data: Read the packs as well, every byte of them.
            percent: Read only this share of them, by chance.
            since: Read only those that were stored since then, by the store's clock.
        """
        checker = Checker(self._store, self._keys, self.config, events, cancel or Cancellation())
        return checker.run(read_data=read_data, percent=percent, since=since.timestamp() if since else None)
