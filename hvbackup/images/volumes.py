"""The volumes of a disk: partitions, a disk that is one volume, and logical volumes of LVM2, by names to type."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from hvbackup.errors import EntryNotFound, ImageError, ImageUnsupported
from hvbackup.images.lvm2 import LogicalSource, PhysicalVolume, logical_volumes, read_physical_volume
from hvbackup.images.partitions import Partition, PartitionTable, read_partitions
from hvbackup.images.signatures import look_into
from hvbackup.images.source import Source
from hvbackup.models import Model


class Volume(Model, frozen=True, kw_only=True):
    """A part of a disk that may hold a file system.

    Attributes:
        name: `1` for partition 1, `0` for a disk that is one volume, `GROUP/NAME` for a logical volume of LVM2.
        kind: What is in it: `ntfs`, `fat12`, `fat16`, `fat32`, `exfat`, `ext2`, `ext3`, `ext4`, `xfs`; `lvm2` (its
            logical volumes follow), `swap`, `empty`, `unknown`; or what cannot be read here: `refs`, `storage-spaces`,
            `bitlocker`, `ldm`, `luks`, `btrfs` and so on.
        label: Label of the file system, else name of the partition.
        unreadable: Why its files cannot be read here, and the way that works; None when they can.
    """

    name: str
    kind: str
    size_bytes: int
    offset_bytes: int | None = None
    label: str = ""
    partition_type: str | None = None
    unreadable: str | None = None
    notes: tuple[str, ...] = ()


class DiskLayout(Model, frozen=True, kw_only=True):
    """What a disk holds; `notes` are what is unusual about it."""

    table: PartitionTable
    volumes: tuple[Volume, ...]
    notes: tuple[str, ...] = ()


class Window(NamedTuple):
    """A part of a source, as a source."""

    source: Source
    offset: int
    size: int

    def read_at(self, offset: int, size: int) -> bytes:
        """The bytes at `offset` of the part."""
        size = min(size, self.size - offset)
        return self.source.read_at(self.offset + offset, size) if size > 0 else b""


class _Found(NamedTuple):
    """A volume and its bytes; None where they cannot be had."""

    volume: Volume
    source: Source | None


def read_layout(disk: Source, *, sector_size: int = 512, companions: Sequence[Source] = ()) -> DiskLayout:
    """Return what a disk holds. Damaged or unreadable volumes are in it, with the reason.

    Args:
        sector_size: Bytes of a logical sector of the disk.
        companions: Other disks of the same VM (512-byte sectors), on which parts of logical volumes may lie.

    Raises:
        ImageDamaged: The partition table, or the image itself, cannot be read.
    """
    table = read_partitions(disk, sector_size=sector_size)
    found, notes = _find(disk, table, companions)
    return DiskLayout(table=table, volumes=tuple(each.volume for each in found), notes=(*table.notes, *notes))


def open_volume(
    disk: Source, name: str, *, sector_size: int = 512, companions: Sequence[Source] = ()
) -> tuple[Volume, Source]:
    """Return a volume of a disk and its bytes; what is in it may still be `unreadable`.

    Args:
        name: As in `Volume.name`.
        sector_size: As for `read_layout`.
        companions: As for `read_layout`.

    Raises:
        EntryNotFound: The disk has no such volume; the hint names those that it has.
        ImageUnsupported: It is a logical volume whose bytes cannot be put together here.
        ImageDamaged: The partition table, or the image itself, cannot be read.
    """
    found, _ = _find(disk, read_partitions(disk, sector_size=sector_size), companions)
    for volume, source in found:
        if volume.name == name:
            if source is None:
                raise ImageUnsupported(f"the volume {name} cannot be read: {volume.unreadable}")
            return volume, source
    names = ", ".join(f"{volume.name} ({volume.kind})" for volume, _ in found)
    raise EntryNotFound(
        f"the disk has no volume `{name}`", hint=f"It has: {names}." if names else "It has no volumes at all."
    )


def _find(disk: Source, table: PartitionTable, companions: Sequence[Source]) -> tuple[list[_Found], list[str]]:
    found = list(_plain_volumes(disk, table))
    physical: list[PhysicalVolume] = []
    for number, (volume, source) in enumerate(found):
        if volume.kind == "lvm2" and source is not None:
            try:
                physical.append(read_physical_volume(source))
            except ImageError as error:
                found[number] = _Found(_with_reason(volume, error.message), source)
    if not physical:
        return found, []
    try:
        return found + list(_logical(physical + _of_companions(companions))), []
    except ImageError as error:
        return found, [error.message]


def _plain_volumes(disk: Source, table: PartitionTable) -> Iterator[_Found]:
    """The partitions, or the disk itself where it has none.

    The first sector of a volume may end in the same two bytes as a partition table.
    """
    if not table.partitions:
        whole = _found("0", disk, offset=0)
        if table.style == "none" or (table.style == "mbr" and whole.volume.kind not in ("empty", "unknown")):
            yield whole
    for partition in table.partitions:
        yield _of_partition(disk, partition)


def _of_partition(disk: Source, partition: Partition) -> _Found:
    window = Window(disk, partition.offset_bytes, partition.size_bytes)
    cut = partition.offset_bytes + partition.size_bytes - disk.size
    notes = (f"the last {min(cut, partition.size_bytes)} bytes lie behind the end of the disk",) if cut > 0 else ()
    return _found(str(partition.number), window, offset=partition.offset_bytes, partition=partition, notes=notes)


def _found(
    name: str,
    source: Source,
    *,
    offset: int | None = None,
    partition: Partition | None = None,
    notes: tuple[str, ...] = (),
) -> _Found:
    kind = partition.type if partition else None
    contents = look_into(source, kind)
    volume = Volume(
        name=name,
        kind=contents.kind,
        size_bytes=source.size,
        offset_bytes=offset,
        label=contents.label or (partition.name if partition else ""),
        partition_type=kind,
        unreadable=contents.unreadable,
        notes=notes,
    )
    return _Found(volume, source)


def _with_reason(volume: Volume, reason: str) -> Volume:
    return msgspec.structs.replace(volume, unreadable=reason)


def _of_companions(companions: Sequence[Source]) -> list[PhysicalVolume]:
    """The physical volumes of other disks; what is wrong with those disks is shown when they are looked at."""
    physical: list[PhysicalVolume] = []
    for disk in companions:
        try:
            for volume, source in _plain_volumes(disk, read_partitions(disk)):
                if volume.kind == "lvm2" and source is not None:
                    physical.append(read_physical_volume(source))
        except ImageError:
            continue
    return physical


def _logical(physical: Sequence[PhysicalVolume]) -> Iterator[_Found]:
    for logical in logical_volumes(physical):
        name = f"{logical.group}/{logical.name}"
        if logical.refused is None:
            yield _found(name, LogicalSource(logical))
        else:
            volume = Volume(name=name, kind="unknown", size_bytes=logical.size, unreadable=logical.refused)
            yield _Found(volume, None)
