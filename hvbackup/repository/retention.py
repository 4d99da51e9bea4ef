"""Which restore points stay and which go: a pure decision over what is there. Nothing is deleted here.

Every VM is judged by itself, in the caller's calendar. A rule such as `daily=7` goes back from the newest point and
keeps the newest one of each of the last 7 days *that have a point*; a rule that has not met its number keeps the oldest
point as well, so that a history can grow to its full length. `within` is measured from the VM's newest point, not from
today: a VM that is not backed up any more loses nothing by waiting.

Whatever the policy says, these stay: a pinned point, the newest point of a VM, and its last verified point. When no
point of a VM was ever verified, the newest is all there is to trust, and it stays anyhow.

Callers must not prune after a backup that failed: the points that it should have replaced are then worth more.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta, timezone, tzinfo
from typing import TypeAlias

from hvbackup.errors import InvalidRequest
from hvbackup.models import Model, RestorePoint

#: A number for a rule that keeps one point of every period there ever was.
UNLIMITED = 2**31 - 1

#: Tells periods apart: two local times with one key are in one period.
PeriodKey: TypeAlias = Callable[[datetime], object]


def _hour(time: datetime) -> object:
    # With the offset: when clocks are set back, one hour of the day comes twice.
    return time.date(), time.hour, time.utcoffset()


_PERIODS: dict[str, PeriodKey] = {
    "hourly": _hour,
    "daily": lambda time: time.date(),
    "weekly": lambda time: time.isocalendar()[:2],
    "monthly": lambda time: (time.year, time.month),
    "yearly": lambda time: time.year,
}


class RetentionPolicy(Model, frozen=True, kw_only=True):
    """What to keep of each VM. A point stays if any rule keeps it; 0 and None mean that the rule says nothing.

    Attributes:
        last: This many newest points.
        hourly: The newest point of each of this many hours; the same for the longer periods. Weeks are those of
            ISO 8601. `UNLIMITED` for all.
        within: Every point that is at most this much older than the newest one.
        tags: Every point that has one of these tags.
    """

    last: int = 0
    hourly: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0
    within: timedelta | None = None
    tags: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether no rule says anything."""
        return self == RetentionPolicy()


class Decision(Model, frozen=True, kw_only=True):
    """What becomes of one point.

    Attributes:
        time: When the VM was as the point has it, in the caller's time zone, ISO 8601.
        kept_by: Every reason to keep it: `newest`, `last verified`, `pinned`, `within`, `tag X`, `last`, `hourly` ...
            `yearly`, and `yearly, oldest` and the like when a rule has not met its number. Empty: it goes.
    """

    point_id: str
    host: str
    vm_id: str
    vm_name: str
    time: str
    kept_by: tuple[str, ...] = ()

    @property
    def kept(self) -> bool:
        """Whether it stays."""
        return bool(self.kept_by)


class RetentionPlan(Model, frozen=True, kw_only=True):
    """What becomes of every point, sorted by VM and then by time."""

    decisions: tuple[Decision, ...] = ()

    @property
    def kept(self) -> tuple[Decision, ...]:
        """The points that stay."""
        return tuple(decision for decision in self.decisions if decision.kept)

    @property
    def removed(self) -> tuple[Decision, ...]:
        """The points that go."""
        return tuple(decision for decision in self.decisions if not decision.kept)


def plan_retention(
    points: Iterable[RestorePoint],
    policy: RetentionPolicy,
    *,
    zone: tzinfo,
    verified: Collection[str] = (),
    pinned: Collection[str] = (),
) -> RetentionPlan:
    """Decide for each point whether it stays.

    Args:
        zone: The calendar in which hours, days, weeks ... are counted.
        verified: Ids of the points that were read back whole.
        pinned: Ids of the points that stay in any case.

    Raises:
        InvalidRequest: The policy says nothing at all, or has a negative number.
    """
    _check_policy(policy)
    by_vm: dict[tuple[str, str], list[tuple[datetime, RestorePoint]]] = {}
    for point in points:
        by_vm.setdefault((point.host.casefold(), point.vm_id), []).append((point_time(point), point))
    decisions: list[Decision] = []
    for own in by_vm.values():
        own.sort(key=lambda item: (item[0], item[1].id))
        reasons = _reasons(own, policy, zone, verified, pinned)
        decisions += [
            Decision(
                point_id=point.id,
                host=point.host,
                vm_id=point.vm_id,
                vm_name=point.vm_name,
                time=time.astimezone(zone).isoformat(timespec="seconds"),
                kept_by=tuple(reasons[point.id]),
            )
            for time, point in own
        ]
    # By the newest name of a VM, so that one that was renamed stays together; the sort is stable.
    names = {(host, vm_id): own[-1][1].vm_name.casefold() for (host, vm_id), own in by_vm.items()}
    decisions.sort(key=lambda row: (names[row.host.casefold(), row.vm_id], row.host.casefold(), row.vm_id))
    return RetentionPlan(decisions=tuple(decisions))


def _check_policy(policy: RetentionPolicy) -> None:
    for name in ("last", *_PERIODS):
        if getattr(policy, name) < 0:
            raise InvalidRequest(f"cannot keep {getattr(policy, name)} {name} restore points")
    if policy.within is not None and policy.within < timedelta(0):
        raise InvalidRequest(f"cannot keep restore points within {policy.within}")
    if policy.empty:
        raise InvalidRequest(
            "the retention policy keeps nothing", hint="say at least one of last, hourly ... yearly, within, tags"
        )


def point_time(point: RestorePoint) -> datetime:
    """Return the time at which the VM was as the point has it: that of the snapshot, else the one in the point's id."""
    try:
        time = datetime.fromisoformat(point.snapshot_at.replace("Z", "+00:00"))
    except ValueError:
        time = datetime.strptime(point.id[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
    return time if time.tzinfo else time.replace(tzinfo=timezone.utc)


def _reasons(
    own: list[tuple[datetime, RestorePoint]],
    policy: RetentionPolicy,
    zone: tzinfo,
    verified: Collection[str],
    pinned: Collection[str],
) -> dict[str, list[str]]:
    """Return why each point of one VM stays; `own` is sorted by time."""
    reasons: dict[str, list[str]] = {point.id: [] for _, point in own}
    newest_time, newest = own[-1]
    # Also the one that was written last: the host's clock may have been wrong.
    for point_id in dict.fromkeys((newest.id, max(reasons))):
        reasons[point_id].append("newest")
    sound = [point.id for _, point in own if point.id in verified]
    if sound:
        reasons[sound[-1]].append("last verified")
    for time, point in own:
        if point.id in pinned:
            reasons[point.id].append("pinned")
        reasons[point.id] += [f"tag {tag}" for tag in policy.tags if tag in point.tags]
        if policy.within is not None and newest_time - time <= policy.within:
            reasons[point.id].append("within")
    for _, point in own[max(0, len(own) - policy.last) :]:
        reasons[point.id].append("last")
    for rule, period in _PERIODS.items():
        for position, text in _one_each([time.astimezone(zone) for time, _ in own], getattr(policy, rule), period):
            reasons[own[position][1].id].append(rule + text)
    return reasons


def _one_each(times: list[datetime], number: int, period: PeriodKey) -> list[tuple[int, str]]:
    """Return the positions of the newest time of each of the last `number` periods, and of the oldest if these lack."""
    if not number:
        return []
    newest: dict[object, int] = {period(time): position for position, time in enumerate(times)}
    chosen = sorted(newest.values(), reverse=True)[:number]
    found = [(position, "") for position in chosen]
    if len(chosen) < number and chosen[-1] != 0:
        found.append((0, ", oldest"))
    return found
