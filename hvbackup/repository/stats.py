"""What a repository holds, in numbers."""

from __future__ import annotations

from datetime import datetime

from hvbackup.models import Model, RestorePoint


class VmStats(Model, frozen=True, kw_only=True):
    """One VM of a repository.

    Attributes:
        source_bytes: Sizes of all files of all its points.
        stored_bytes: What its points added to the repository when they were made.
        history: What each of them added, oldest first.
    """

    host: str
    vm_id: str
    vm_name: str
    points: int
    first: str
    last: str
    source_bytes: int
    stored_bytes: int
    history: tuple[int, ...] = ()


class PeriodStats(Model, frozen=True, kw_only=True):
    """The restore points of one day (`2026-11-25`) or month (`2026-11`) in UTC, by their ids."""

    period: str
    points: int
    source_bytes: int
    stored_bytes: int


class RepositoryStats(Model, frozen=True, kw_only=True):
    """A whole repository; `pack_bytes` is what lies in packs now."""

    id: str
    created_at: str
    encryption: str
    points: int
    packs: int
    pack_bytes: int
    blocks: int
    source_bytes: int
    vms: tuple[VmStats, ...]
    periods: tuple[PeriodStats, ...] = ()


def count_vms(points: list[RestorePoint]) -> tuple[VmStats, ...]:
    """Return the numbers of each VM, sorted by name; a VM keeps its row when it is renamed."""
    by_vm: dict[tuple[str, str], list[RestorePoint]] = {}
    for point in sorted(points, key=lambda point: point.id):
        by_vm.setdefault((point.host, point.vm_id), []).append(point)
    rows = [
        VmStats(
            host=host,
            vm_id=vm_id,
            vm_name=own[-1].vm_name,
            points=len(own),
            first=own[0].id,
            last=own[-1].id,
            source_bytes=sum(file.size_bytes for point in own for file in point.files),
            stored_bytes=sum(file.stored_bytes for point in own for file in point.files),
            history=tuple(sum(file.stored_bytes for file in point.files) for point in own),
        )
        for (host, vm_id), own in by_vm.items()
    ]
    return tuple(sorted(rows, key=lambda row: (row.vm_name.casefold(), row.host, row.vm_id)))


#: Histories up to this many days are told by day, longer ones by month.
DAYS = 31


def count_periods(points: list[RestorePoint]) -> tuple[PeriodStats, ...]:
    """Return what was stored when: by day, or by month when it is more than a month; empty periods are left out."""
    days = sorted({point.id[:8] for point in points})
    span = (datetime.strptime(days[-1], "%Y%m%d") - datetime.strptime(days[0], "%Y%m%d")).days if days else 0  # noqa: DTZ007
    by_period: dict[str, list[RestorePoint]] = {}
    for point in sorted(points, key=lambda point: point.id):
        year, month, day = point.id[:4], point.id[4:6], point.id[6:8]
        period = f"{year}-{month}-{day}" if span <= DAYS else f"{year}-{month}"
        by_period.setdefault(period, []).append(point)
    return tuple(
        PeriodStats(
            period=period,
            points=len(own),
            source_bytes=sum(file.size_bytes for point in own for file in point.files),
            stored_bytes=sum(file.stored_bytes for point in own for file in point.files),
        )
        for period, own in by_period.items()
    )
