"""Labels of file systems, read straight from the few bytes that hold them."""

from __future__ import annotations

import struct

from hvbackup.images.ntfs_record import attributes
from hvbackup.images.source import Source

#: Kind -> place and length of a label that lies in the first sectors, ended by zeros.
_PLACES = {
    "ext2": (1024 + 120, 16),
    "ext3": (1024 + 120, 16),
    "ext4": (1024 + 120, 16),
    "xfs": (108, 12),
    "swap": (1024 + 28, 16),
    "btrfs": (65536 + 0x12B, 256),
}
_VOLUME_NAME = 0x60
_ROOT_BYTES = 64 * 1024
_FAT_VOLUME_LABEL = 0x08
_FAT_LONG_NAME = 0x0F


def read_label(volume: Source, head: bytes, kind: str) -> str:
    """Return the label of a volume, empty where it has none or where it cannot be told.

    Args:
        head: The first sectors of the volume.
        kind: What is in it, as `hvbackup.images.signatures` says.
    """
    if kind in _PLACES:
        place, length = _PLACES[kind]
        return head[place : place + length].split(b"\0")[0].decode("utf-8", "replace").strip()
    if kind == "ntfs":
        return _ntfs_label(volume, head)
    if kind == "exfat":
        return _exfat_label(volume, head)
    if kind in ("fat12", "fat16", "fat32"):
        return _fat_label(volume, head, kind)
    return ""


def _ntfs_label(volume: Source, head: bytes) -> str:
    """The attribute $VOLUME_NAME (0x60) of MFT record 3."""
    sector, per_cluster, mft, record = _ntfs_geometry(head)
    if not sector or not 256 <= record <= 65536:
        return ""
    place = mft * sector * per_cluster + 3 * record
    raw = volume.read_at(place, record) if place < volume.size else b""
    for attribute in attributes(raw):
        if attribute.kind == _VOLUME_NAME and attribute.value is not None:
            return attribute.value.decode("utf-16-le", "replace")
    return ""


def _ntfs_geometry(head: bytes) -> tuple[int, int, int, int]:
    """Bytes of a sector, sectors of a cluster, first cluster of the MFT, bytes of an MFT record."""
    sector, per_cluster = struct.unpack_from("<HB", head, 11)
    mft, record = struct.unpack_from("<Q8xb", head, 48)
    if per_cluster > 0x80:
        per_cluster = 1 << (256 - per_cluster)
    size = 1 << -record if record < 0 else record * sector * per_cluster
    return sector, per_cluster, mft, size


def _exfat_label(volume: Source, head: bytes) -> str:
    """The entry 0x83 of the root folder (exFAT specification 7.3)."""
    heap, _, root, *_ = struct.unpack_from("<III", head, 88)
    shift, per_cluster_shift = head[108], head[109]
    if shift > 12 or shift + per_cluster_shift > 25 or root < 2:
        return ""
    cluster = 1 << (shift + per_cluster_shift)
    entries = volume.read_at((heap << shift) + (root - 2) * cluster, min(cluster, _ROOT_BYTES))
    for at in range(0, len(entries) - 31, 32):
        if entries[at] == 0x83:
            return entries[at + 2 : at + 2 + 2 * min(entries[at + 1], 11)].decode("utf-16-le", "replace")
    return ""


def _fat_label(volume: Source, head: bytes, kind: str) -> str:
    """The label in the root folder, which Windows keeps; the one of the boot sector is only written by format."""
    sector, per_cluster, reserved, tables, root_entries = struct.unpack_from("<HBHBH", head, 11)
    table = struct.unpack_from("<H", head, 22)[0] or struct.unpack_from("<I", head, 36)[0]
    place = (reserved + tables * table) * sector
    length = root_entries * 32
    if kind == "fat32":
        length = sector * per_cluster
        place += (max(2, struct.unpack_from("<I", head, 44)[0]) - 2) * length
    root = volume.read_at(place, min(length, _ROOT_BYTES))
    for at in range(0, len(root) - 31, 32):
        entry = root[at : at + 32]
        if not entry[0]:
            break
        if entry[0] != 0xE5 and entry[11] & _FAT_LONG_NAME != _FAT_LONG_NAME and entry[11] & _FAT_VOLUME_LABEL:
            return entry[:11].decode("cp437").rstrip()
    return ""
