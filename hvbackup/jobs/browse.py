"""Open a disk to look into it: a file of this machine, or a disk inside a restore point. The library's front door."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hvbackup.errors import ImageError
from hvbackup.events import Cancellation
from hvbackup.jobs.disk_chain import DiskChain, open_local_disk
from hvbackup.jobs.guest_disk import GuestDisk

if TYPE_CHECKING:
    from hvbackup.repository.reader import BlockPointReader
    from hvbackup.repository.repository import Repository


def browse(
    path: str | os.PathLike[str],
    *,
    parents: Sequence[str | os.PathLike[str]] = (),
    folders: Sequence[str | os.PathLike[str]] = (),
    companions: Sequence[str | os.PathLike[str]] = (),
    allow_mismatch: bool = False,
    raw: bool = False,
    leaf_at_least: bool = False,
    cancel: Cancellation | None = None,
) -> GuestDisk:
    """Open a VHD, VHDX or flat image of this machine to look into it. It is never written to.

    Args:
        parents: The parents of a differencing disk in order, where they are known; others are looked for.
        folders: Where to look for parents, besides where their child says and the child's own folder.
        companions: Other disks of the same VM, on which parts of logical volumes (LVM2) may lie.
        allow_mismatch: Take parents that are not proven to be the right ones: what is read may be nonsense.
        raw: Take a file without the signature of a VHD or VHDX as a flat disk.
        leaf_at_least: Open the leaf alone where its parents are missing or do not fit; `chain.broken` tells.
        cancel: Stops whatever is done with the disk.

    Raises:
        InvalidRequest: There is no such file.
        ImageError: It is damaged, of a kind that is not read, or lacks a parent.
    """

    def others() -> list[DiskChain]:
        return [open_local_disk(other, folders=folders, allow_mismatch=allow_mismatch, raw=raw) for other in companions]

    chain = open_local_disk(
        path, parents=parents, folders=folders, allow_mismatch=allow_mismatch, raw=raw, leaf_at_least=leaf_at_least
    )
    return GuestDisk(chain, companions=others, cancel=cancel)


def browse_point(
    repository: Repository,
    point: str,
    disk: str | None = None,
    *,
    allow_mismatch: bool = False,
    raw: bool = False,
    cancel: Cancellation | None = None,
) -> GuestDisk:
    """Open a disk inside a restore point to look into it. Only what is looked at is read; nothing is restored.

    Args:
        point: Id of the point, the beginning of it, or `latest:VM`.
        disk: Name of the disk in the point, or the end of it; not needed where there is only one.
        allow_mismatch, raw, cancel: As for `browse`.

    Raises:
        PointNotFound: No point is meant, or several.
        InvalidRequest: No disk of the point is meant, or several; the hint names them.
        ImageError: It is damaged, of a kind that is not read, or lacks a parent.
        RepositoryError: The repository cannot be read.
    """
    from hvbackup.jobs.point_disks import find_point

    reader = repository.read(find_point(repository, point))
    return browse_reader(reader, disk, allow_mismatch=allow_mismatch, raw=raw, cancel=cancel)


def browse_reader(
    reader: BlockPointReader,
    disk: str | None = None,
    *,
    allow_mismatch: bool = False,
    raw: bool = False,
    leaf_at_least: bool = False,
    cancel: Cancellation | None = None,
) -> GuestDisk:
    """Do what `browse_point` does with a point that is open already. Its other disks are the companions."""
    from hvbackup.jobs.point_disks import leaf_disks, open_point_disk

    chain = open_point_disk(reader, disk, allow_mismatch=allow_mismatch, raw=raw, leaf_at_least=leaf_at_least)
    mine = {file.name for file in chain.files}

    def others() -> list[DiskChain]:
        opened = []
        for other in leaf_disks(reader):
            try:
                if other.name not in mine:
                    opened.append(open_point_disk(reader, other.name, allow_mismatch=allow_mismatch))
            except ImageError:
                continue  # told when that disk is looked into
        return opened

    return GuestDisk(chain, companions=others, cancel=cancel)
