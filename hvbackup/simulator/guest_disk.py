"""What is inside the disks of the simulated VMs: a GUID partition table, and blocks of bytes that repeat or do not.

Facts: UEFI specification 2.10, section 5.3 (GPT); the partition types are Windows' own.
"""

from __future__ import annotations

import hashlib
import struct
import uuid
import zlib
from collections.abc import Callable
from typing import NamedTuple

SECTOR = 512
MIB = 1 << 20
BLOCK = MIB

EFI_SYSTEM = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
BASIC_DATA = "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7"
MICROSOFT_RESERVED = "e3c9e316-0b5c-4db8-817d-f92df00215ae"

#: How Get-Partition's Type names them.
_GPT_NAMES = {EFI_SYSTEM: "System", BASIC_DATA: "Basic", MICROSOFT_RESERVED: "Reserved"}
_MBR_NAMES = {0x07: "IFS", 0x0B: "FAT32", 0x0C: "FAT32 XINT13", 0x05: "Extended", 0x0F: "XINT13 Extended"}

ReadAt = Callable[[int, int], bytes]


class Partition(NamedTuple):
    """A partition as its table describes it; offsets and sizes in bytes."""

    number: int
    start: int
    size: int
    type: str
    gpt_type: str | None


def filler(seed: str, size: int = BLOCK) -> bytes:
    """Return bytes that depend on the seed alone and do not compress."""
    return hashlib.shake_256(seed.encode()).digest(size)


def guest_blocks(identity: str, size: int) -> dict[int, bytes]:
    """Return the blocks (1 MiB each) of a disk of `size` bytes that are not zeros, by their number.

    One MiB is the same on all disks, as an operating system's files are; one belongs to `identity` alone.
    """
    image = _gpt(identity, size)
    shared = filler("operating system")
    blocks = {0: image[:BLOCK], size // BLOCK - 1: image[-BLOCK:]}
    blocks[3] = shared
    blocks[9] = filler(identity)
    return blocks


def _gpt(identity: str, size: int) -> bytes:
    """The first and the last MiB of a disk with an EFI and a data partition."""
    sectors = size // SECTOR
    parts = [
        (EFI_SYSTEM, 2048, 2048 * 4 - 1, "EFI system partition"),
        (BASIC_DATA, 2048 * 4, sectors - 2049, "Basic data partition"),
    ]
    entries = b"".join(
        uuid.UUID(kind).bytes_le
        + uuid.uuid5(uuid.NAMESPACE_OID, f"{identity}/{name}").bytes_le
        + struct.pack("<QQQ", first, last, 0)
        + name.encode("utf-16-le").ljust(72, b"\0")
        for kind, first, last, name in parts
    ).ljust(128 * 128, b"\0")
    disk_id = uuid.uuid5(uuid.NAMESPACE_OID, identity)

    def header(here: int, other: int, table: int) -> bytes:
        def pack(checksum: int) -> bytes:
            return struct.pack(
                "<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, checksum, 0, here, other, 34, sectors - 34,
                disk_id.bytes_le, table, 128, 128, zlib.crc32(entries),
            )  # fmt: skip

        return pack(zlib.crc32(pack(0))).ljust(SECTOR, b"\0")

    protective = bytearray(SECTOR)
    protective[446:462] = struct.pack("<B3sB3sII", 0, b"\0\2\0", 0xEE, b"\xff\xff\xff", 1, min(sectors - 1, 0xFFFFFFFF))
    protective[510:] = b"\x55\xaa"
    front = bytes(protective) + header(1, sectors - 1, 2) + entries
    back = entries + header(sectors - 1, 1, sectors - 33)
    return front.ljust(BLOCK, b"\0") + back.rjust(BLOCK, b"\0")


def partitions(read_at: ReadAt) -> tuple[str, list[Partition]]:
    """Return the style (`GPT`, `MBR` or `RAW`) and the partitions of a disk."""
    boot = read_at(0, SECTOR)
    head = read_at(SECTOR, SECTOR)
    if head[:8] == b"EFI PART":
        return "GPT", _gpt_partitions(head, read_at)
    if boot[510:512] == b"\x55\xaa":
        return "MBR", _mbr_partitions(boot)
    return "RAW", []


def _gpt_partitions(head: bytes, read_at: ReadAt) -> list[Partition]:
    table, count, entry_size = struct.unpack_from("<QII", head, 72)
    raw = read_at(table * SECTOR, min(count, 1024) * entry_size)
    found: list[Partition] = []
    for at in range(0, len(raw) - entry_size + 1, entry_size):
        kind = str(uuid.UUID(bytes_le=raw[at : at + 16]))
        if kind == str(uuid.UUID(int=0)):
            continue
        first, last = struct.unpack_from("<QQ", raw, at + 32)
        size = (last - first + 1) * SECTOR
        found.append(Partition(len(found) + 1, first * SECTOR, size, _GPT_NAMES.get(kind, "Unknown"), kind))
    return found


def _mbr_partitions(boot: bytes) -> list[Partition]:
    found: list[Partition] = []
    for at in range(446, 510, 16):
        kind = boot[at + 4]
        first, length = struct.unpack_from("<II", boot, at + 8)
        if kind:
            name = _MBR_NAMES.get(kind, "Unknown")
            found.append(Partition(len(found) + 1, first * SECTOR, length * SECTOR, name, None))
    return found


def file_system(read_at: ReadAt, partition: Partition) -> str:
    """Return the file system of a partition as Windows would name it, empty when there is none that it knows."""
    boot = read_at(partition.start, SECTOR)
    if boot[3:11] == b"NTFS    ":
        return "NTFS"
    if boot[82:90] == b"FAT32   ":
        return "FAT32"
    return "FAT" if boot[54:57] == b"FAT" else ""
