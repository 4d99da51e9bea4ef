"""Partition tables of a disk: GPT (UEFI specification 2.10, section 5.3) and MBR with extended partitions."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple
from uuid import UUID

from hvbackup.errors import ImageDamaged
from hvbackup.images.source import Source
from hvbackup.models import Model

_GPT_SIGNATURE = b"EFI PART"
_GPT_HEADER = struct.Struct("<8sIIIIQQQQ16sQIII")
_MAX_ENTRIES_BYTES = 4 * 1024 * 1024
_MAX_LOGICAL = 512
_EXTENDED = (0x05, 0x0F, 0x85)
_PROTECTIVE = 0xEE

EFI_SYSTEM = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
MICROSOFT_RESERVED = "e3c9e316-0b5c-4db8-817d-f92df00215ae"
BASIC_DATA = "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7"


class Partition(Model, frozen=True, kw_only=True):
    """A partition; `number` counts as Linux and Windows tools do (logical ones of an MBR from 5 on).

    Attributes:
        offset_bytes: From the beginning of the disk.
        type: GPT: the type GUID. MBR: two hex digits, such as `07`.
        name: GPT only.
        id: GPT: the partition's own GUID.
        active: MBR only: marked as bootable.
    """

    number: int
    offset_bytes: int
    size_bytes: int
    type: str
    name: str = ""
    id: str | None = None
    active: bool = False


class PartitionTable(Model, frozen=True, kw_only=True):
    """The partitions of a disk.

    Attributes:
        style: `gpt`, `mbr`, or `none` for a disk that is one volume, or empty.
        disk_id: GPT: the disk's GUID; MBR: its signature, eight hex digits.
        notes: What is unusual: a backup table used, a partition behind the end of the disk.
    """

    style: str
    disk_id: str | None = None
    partitions: tuple[Partition, ...] = ()
    notes: tuple[str, ...] = ()


class _Gpt(NamedTuple):
    disk_id: UUID
    entries: bytes
    entry_size: int


def read_partitions(disk: Source, *, sector_size: int = 512) -> PartitionTable:
    """Read the partition table of a disk.

    Args:
        sector_size: Bytes of a logical sector of the disk. A GPT that was written with sectors of another size is
            found as well.

    Raises:
        ImageDamaged: There is a GPT, and neither it nor its backup is whole; or the chain of logical partitions of an
            MBR turns in a circle.
    """
    boot = disk.read_at(0, 512)
    if len(boot) < 512 or boot[510:] != b"\x55\xaa":
        # without a protective MBR no system takes the disk for a GPT one; a damaged first sector should still be seen
        return _read_gpt(disk, sector_size) or PartitionTable(style="none")
    types = [boot[at + 4] for at in range(446, 510, 16)]
    if _PROTECTIVE in types:
        table = _read_gpt(disk, sector_size)
        if table is None:
            raise ImageDamaged("the partition table (GPT) and its backup are both damaged")
        return table
    if _is_boot_sector(boot):
        return PartitionTable(style="none")
    return _read_mbr(disk, boot, sector_size)


def _is_boot_sector(boot: bytes) -> bool:
    """Whether it is the first sector of a volume, which ends in the same two bytes as a partition table."""
    return (
        boot[3:11] in (b"NTFS    ", b"EXFAT   ", b"ReFS\0\0\0\0", b"-FVE-FS-")
        or boot[82:87] == b"FAT32"
        or boot[54:57] == b"FAT"
    )


# ---------------------------------------------------------------- GPT


def _read_gpt(disk: Source, sector_size: int) -> PartitionTable | None:
    sizes = tuple(dict.fromkeys((sector_size, 512, 4096)))
    for backup in (False, True):
        for sector in sizes:
            gpt = _gpt_at(disk, disk.size // sector - 1 if backup else 1, sector)
            if gpt is None:
                continue
            partitions = tuple(_gpt_partitions(gpt, sector))
            notes = list(_misplaced(partitions, disk.size))
            if backup:
                notes.insert(0, "the partition table (GPT) is damaged; its backup at the end of the disk was used")
            return PartitionTable(style="gpt", disk_id=str(gpt.disk_id), partitions=partitions, notes=tuple(notes))
    return None


def _gpt_at(disk: Source, place: int, sector: int) -> _Gpt | None:
    """The GPT whose header is in the sector `place`; None when header or entries are not valid."""
    raw = disk.read_at(place * sector, sector)
    if len(raw) < _GPT_HEADER.size or raw[:8] != _GPT_SIGNATURE:
        return None
    fields = _GPT_HEADER.unpack_from(raw)
    header_size, stored, own_place = fields[2], fields[3], fields[5]
    disk_id, entries_place, count, entry_size, entries_checksum = fields[9:]
    if not _GPT_HEADER.size <= header_size <= sector or own_place != place:
        return None
    if zlib.crc32(raw[:16] + bytes(4) + raw[20:header_size]) != stored:
        return None
    if entry_size < 128 or entry_size % 8 or count * entry_size > _MAX_ENTRIES_BYTES:
        return None
    entries = disk.read_at(entries_place * sector, count * entry_size)
    if len(entries) != count * entry_size or zlib.crc32(entries) != entries_checksum:
        return None
    return _Gpt(UUID(bytes_le=disk_id), entries, entry_size)


def _gpt_partitions(gpt: _Gpt, sector: int) -> Iterator[Partition]:
    for number, at in enumerate(range(0, len(gpt.entries), gpt.entry_size), start=1):
        entry = gpt.entries[at : at + 128]
        first, last = struct.unpack_from("<QQ", entry, 32)
        if not any(entry[:16]) or last < first:
            continue
        yield Partition(
            number=number,
            offset_bytes=first * sector,
            size_bytes=(last - first + 1) * sector,
            type=str(UUID(bytes_le=entry[:16])),
            name=entry[56:128].decode("utf-16-le", "replace").split("\0")[0],
            id=str(UUID(bytes_le=entry[16:32])),
        )


# ---------------------------------------------------------------- MBR


def _read_mbr(disk: Source, boot: bytes, sector: int) -> PartitionTable:
    partitions: list[Partition] = []
    for number, (active, kind, first, count) in enumerate(_mbr_entries(boot), start=1):
        if not kind or not count:
            continue
        if kind in _EXTENDED:
            partitions += _logical_partitions(disk, first, sector)
        else:
            partitions.append(_mbr_partition(number, active, kind, first, count, sector))
    partitions.sort(key=lambda partition: partition.number)
    notes = tuple(_misplaced(tuple(partitions), disk.size))
    signature = struct.unpack_from("<I", boot, 440)[0]
    return PartitionTable(style="mbr", disk_id=f"{signature:08x}", partitions=tuple(partitions), notes=notes)


def _mbr_entries(raw: bytes) -> Iterator[tuple[bool, int, int, int]]:
    """Active, type, first sector and number of sectors of the four entries."""
    for at in range(446, 510, 16):
        first, count = struct.unpack_from("<II", raw, at + 8)
        yield raw[at] == 0x80, raw[at + 4], first, count


def _mbr_partition(number: int, active: bool, kind: int, first: int, count: int, sector: int) -> Partition:
    return Partition(
        number=number, offset_bytes=first * sector, size_bytes=count * sector, type=f"{kind:02x}", active=active
    )


def _logical_partitions(disk: Source, extended: int, sector: int) -> Iterator[Partition]:
    """Follow the chain of extended boot records; places are relative to the extended partition."""
    place, number = extended, 5
    seen: set[int] = set()
    while True:
        if place in seen or len(seen) == _MAX_LOGICAL:
            raise ImageDamaged("the chain of logical partitions turns in a circle, or has no end")
        seen.add(place)
        raw = disk.read_at(place * sector, 512)
        if raw[510:] != b"\x55\xaa":
            return
        (active, kind, first, count), (_, next_kind, next_first, _) = list(_mbr_entries(raw))[:2]
        if kind and count and kind not in _EXTENDED:
            yield _mbr_partition(number, active, kind, place + first, count, sector)
            number += 1
        if next_kind not in _EXTENDED or not next_first:
            return
        place = extended + next_first


def _misplaced(partitions: tuple[Partition, ...], size: int) -> Iterator[str]:
    for partition in partitions:
        if partition.offset_bytes + partition.size_bytes > size:
            yield f"partition {partition.number} reaches behind the end of the disk"
