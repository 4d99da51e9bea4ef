"""The volumes of a disk: partitions, a disk that is one volume, and logical volumes of LVM2, by names to type."""

from __future__ import annotations

from typing import NamedTuple

from hvbackup.images.partitions import PartitionTable
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
        return self.source.read_at(self.offset + offset, max(0, min(size, self.size - offset)))
