"""What a volume holds, told by its signatures, and why its files cannot be read here if they cannot.

Places and values: boot sectors of NTFS, FAT and exFAT as Microsoft documents them, those of the others as libblkid
(util-linux, `libblkid/src/superblocks`) knows them.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from hvbackup.images import labels
from hvbackup.images.source import Source

#: The kinds that `hvbackup.images.filesystems.engines` opens.
READABLE = frozenset(("ntfs", "fat12", "fat16", "fat32", "exfat", "ext2", "ext3", "ext4", "xfs"))

_HEAD_BYTES = 128 * 1024
_SHORTEST_HEAD_BYTES = 2048
_EMPTY_HEAD_BYTES = 1024 * 1024
_EMPTY_TAIL_BYTES = 64 * 1024
_MOUNT = "attach a copy of the disk on a Windows host (Mount-VHD -ReadOnly)"
_LINUX = "attach a copy of the disk to a Linux machine (hvbackup image serve helps)"

_REASONS = {
    "lvm2": "it is a physical volume of LVM2: its logical volumes are volumes of their own",
    "swap": "it is swap space, and holds no files",
    "empty": "it holds nothing but zeros where a file system would begin and end",
    "unknown": "nothing that is known was found in it",
    "reserved": "it is reserved for the system, and holds no files",
    "ext-journal": "it is the journal of another volume, and holds no files",
    "refs": f"ReFS is read by Windows only: {_MOUNT}",
    "storage-spaces": "it is part of a pool of Storage Spaces, which is read by Windows only: "
    "attach copies of all disks of the pool to one Windows host",
    "bitlocker": f"it is locked by BitLocker: {_MOUNT} and unlock it there (manage-bde -unlock)",
    "ldm": f"it is part of a dynamic disk (LDM), which is read by Windows only: {_MOUNT} and import the foreign disk",
    "luks": f"it is encrypted with LUKS: {_LINUX} and open it there (cryptsetup)",
    "linux-raid": f"it is part of a Linux RAID: {_LINUX} with the other disks of the array (mdadm --readonly)",
    "apfs": "APFS is read by macOS only",
    "hfsplus": "HFS+ is not read here: use a Mac, or a Linux machine",
    "iso9660": "it is an ISO 9660 image: use 7-Zip, or mount it",
    **{kind: f"{kind} is not read here: {_LINUX}" for kind in ("btrfs", "f2fs", "jfs", "reiserfs", "squashfs", "zfs")},
}

#: Kind, place, bytes; the first that fits is taken. What wraps a file system stands before what may be left of one.
_MAGICS: tuple[tuple[str, int, bytes], ...] = (
    ("bitlocker", 3, b"-FVE-FS-"),
    # BitLocker To Go looks like FAT32 but for this GUID (4967d63b-2e29-4ad8-8399-f6a339e3d001)
    ("bitlocker", 424, bytes.fromhex("3bd66749292ed84a8399f6a339e3d001")),
    ("luks", 0, b"LUKS\xba\xbe"),
    ("linux-raid", 0, b"\xfc\x4e\x2b\xa9"),
    ("linux-raid", 4096, b"\xfc\x4e\x2b\xa9"),
    ("lvm2", 0, b"LABELONE"),
    ("lvm2", 512, b"LABELONE"),
    ("lvm2", 1024, b"LABELONE"),
    ("lvm2", 1536, b"LABELONE"),
    ("ntfs", 3, b"NTFS    "),
    ("exfat", 3, b"EXFAT   "),
    ("refs", 3, b"ReFS\0\0\0\0"),
    ("xfs", 0, b"XFSB"),
    ("apfs", 32, b"NXSB"),
    ("squashfs", 0, b"hsqs"),
    ("btrfs", 65536 + 64, b"_BHRfS_M"),
    ("ext", 1080, b"\x53\xef"),
    ("hfsplus", 1024, b"H+\0\x04"),
    ("hfsplus", 1024, b"HX\0\x05"),
    ("f2fs", 1024, b"\x10\x20\xf5\xf2"),
    ("reiserfs", 65536 + 52, b"ReIsEr"),
    ("jfs", 32768, b"JFS1"),
    ("iso9660", 32769, b"CD001"),
    *(("swap", page - 10, magic) for page in (4096, 8192, 16384, 65536) for magic in (b"SWAPSPACE2", b"SWAP-SPACE")),
)

#: Partition types that say more than the first sectors do: GPT GUIDs, and two digits for an MBR.
_BY_TYPE = {
    "e75caf8f-f680-4cee-afa3-b001e56efc2d": "storage-spaces",
    "5808c8aa-7e8f-42e0-85d2-e1e90434cfb3": "ldm",
    "af9b60a0-1431-4f62-bc68-3311714a69ad": "ldm",
    "42": "ldm",
    "e3c9e316-0b5c-4db8-817d-f92df00215ae": "reserved",
    "21686148-6449-6e6f-744e-656564454649": "reserved",
}


class Contents(NamedTuple):
    """What is in a volume; the fields are those of `hvbackup.images.volumes.Volume`."""

    kind: str
    label: str = ""
    unreadable: str | None = None


def look_into(volume: Source, partition_type: str | None = None) -> Contents:
    """Tell what a volume holds.

    Args:
        partition_type: Type GUID (GPT), two hex digits (MBR), or None where there is no partition.
    """
    head = volume.read_at(0, min(_HEAD_BYTES, volume.size)).ljust(_SHORTEST_HEAD_BYTES, b"\0")
    kind = _BY_TYPE.get(partition_type or "") or _by_magic(head) or _fat_kind(head) or _without_signature(volume)
    unreadable = None if kind in READABLE else _REASONS[kind]
    if kind == "unknown" and _ntfs_backup(volume):
        unreadable = (
            "its first sector is lost; its last one is a copy of that of an NTFS volume: repair a copy of the disk"
        )
    return Contents(kind, labels.read_label(volume, head, kind), unreadable)


def _by_magic(head: bytes) -> str | None:
    for kind, place, magic in _MAGICS:
        if head.startswith(magic, place):
            return _ext_kind(head) if kind == "ext" else kind
    return None


def _ext_kind(head: bytes) -> str:
    """ext2, ext3 or ext4, by the features that only the later ones have (Linux, Documentation/filesystems/ext4)."""
    compatible, incompatible, read_only = struct.unpack_from("<III", head, 1024 + 92)
    if incompatible & 0x8:
        return "ext-journal"
    if incompatible & ~0x16 or read_only & ~0x7:
        return "ext4"
    return "ext3" if compatible & 0x4 else "ext2"


def _fat_kind(head: bytes) -> str | None:
    """FAT has no signature of its own: all fields of its boot sector must make sense (FAT specification 1.03, 3.5)."""
    if len(head) < 512 or head[510:512] != b"\x55\xaa" or head[0] not in (0xEB, 0xE9):
        return None
    sector, per_cluster, reserved, tables, root_entries, small_total, media, table16 = struct.unpack_from(
        "<HBHBHHBH", head, 11
    )
    total, table32 = struct.unpack_from("<II", head, 32)
    powers = sector in (512, 1024, 2048, 4096) and per_cluster and per_cluster & (per_cluster - 1) == 0
    if not powers or not reserved or tables not in (1, 2) or (media != 0xF0 and media < 0xF8):
        return None
    root_sectors = -(-root_entries * 32 // sector)
    data = (small_total or total) - reserved - tables * (table16 or table32) - root_sectors
    if data <= 0 or not (table16 or table32):
        return None
    if not table16:
        return "fat32"
    return "fat12" if data // per_cluster < 4085 else "fat16"


def _without_signature(volume: Source) -> str:
    tail_at = max(0, volume.size - _EMPTY_TAIL_BYTES)
    if any(volume.read_at(0, min(_EMPTY_HEAD_BYTES, volume.size))) or any(volume.read_at(tail_at, _EMPTY_TAIL_BYTES)):
        return "unknown"
    return "empty"


def _ntfs_backup(volume: Source) -> bool:
    return volume.size >= 1024 and volume.read_at(volume.size - 512, 512)[3:11] == b"NTFS    "
