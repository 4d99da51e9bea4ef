"""What a repository holds, in numbers."""

from __future__ import annotations

from hvbackup.models import Model, RestorePoint


class VmStats(Model, frozen=True, kw_only=True):
    """One VM of a repository.

    Attributes:
        source_bytes: Sizes of all files of all its points.
        stored_bytes: What its points added to the repository when they were made.
    """

    host: str
    vm_id: str
    vm_name: str
    points: int
    first: str
    last: str
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
        )
        for (host, vm_id), own in by_vm.items()
    ]
    return tuple(sorted(rows, key=lambda row: (row.vm_name.casefold(), row.host, row.vm_id)))
