"""The metadata of a VHDX file as bytes, packed and parsed; no I/O ([MS-VHDX] 2.6)."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import NamedTuple
from uuid import UUID

from hvbackup.errors import ImageDamaged, ImageUnsupported
from hvbackup.images.vhdx_layout import MIB, BatShape

METADATA_TABLE_SIZE = 64 * 1024
MAX_METADATA_ITEMS = 2047
MAX_METADATA_ITEM = MIB
MAX_VIRTUAL_SIZE = 64 << 40

FILE_PARAMETERS = UUID("caa16737-fa36-4d43-b3b6-33f0aa44e76b")
VIRTUAL_DISK_SIZE = UUID("2fa54224-cd1b-4876-b211-5dbed83bf4b8")
VIRTUAL_DISK_ID = UUID("beca12ab-b2e6-4523-93ef-c309e000c746")
LOGICAL_SECTOR_SIZE = UUID("8141bf1d-a96f-4709-ba47-f233a8faab5f")
PHYSICAL_SECTOR_SIZE = UUID("cda348c7-445d-4471-9cc9-e9885251c556")
PARENT_LOCATOR = UUID("a8d35f2d-b30b-454d-abf7-d3d84834ab0c")
PARENT_LOCATOR_TYPE = UUID("b04aefb7-d19e-4a81-b789-25b8e9445913")

_IS_VIRTUAL_DISK = 2
_IS_REQUIRED = 4


class Metadata(NamedTuple):
    """The known metadata items of a file (2.6.2)."""

    block_size: int
    leave_blocks_allocated: bool
    has_parent: bool
    virtual_size: int
    disk_id: UUID
    logical_sector_size: int
    physical_sector_size: int
    parent_locator: Mapping[str, str]

    @property
    def bat_shape(self) -> BatShape:
        """The shape of the BAT that goes with it."""
        return BatShape(self.virtual_size, self.block_size, self.logical_sector_size, self.has_parent)


def pack_parent_locator(entries: Mapping[str, str]) -> bytes:
    """A parent locator (2.6.2.6)."""
    position = 20 + 12 * len(entries)
    table, texts = b"", b""
    for key, value in entries.items():
        key_bytes, value_bytes = key.encode("utf-16-le"), value.encode("utf-16-le")
        at = position + len(texts)
        table += struct.pack("<IIHH", at, at + len(key_bytes), len(key_bytes), len(value_bytes))
        texts += key_bytes + value_bytes
    return PARENT_LOCATOR_TYPE.bytes_le + struct.pack("<HH", 0, len(entries)) + table + texts


def pack_metadata(metadata: Metadata) -> bytes:
    """The metadata region up to the end of its last item: the table of 64 KiB, then the items."""
    flags = int(metadata.leave_blocks_allocated) | int(metadata.has_parent) << 1
    items = [
        (FILE_PARAMETERS, struct.pack("<II", metadata.block_size, flags), _IS_REQUIRED),
        (VIRTUAL_DISK_SIZE, struct.pack("<Q", metadata.virtual_size), _IS_REQUIRED | _IS_VIRTUAL_DISK),
        (VIRTUAL_DISK_ID, metadata.disk_id.bytes_le, _IS_REQUIRED | _IS_VIRTUAL_DISK),
        (LOGICAL_SECTOR_SIZE, struct.pack("<I", metadata.logical_sector_size), _IS_REQUIRED | _IS_VIRTUAL_DISK),
        (PHYSICAL_SECTOR_SIZE, struct.pack("<I", metadata.physical_sector_size), _IS_REQUIRED | _IS_VIRTUAL_DISK),
    ]
    if metadata.has_parent:
        items.append((PARENT_LOCATOR, pack_parent_locator(metadata.parent_locator), _IS_REQUIRED))
    table, values = struct.pack("<8sHH20x", b"metadata", 0, len(items)), b""
    for guid, value, item_flags in items:
        table += guid.bytes_le + struct.pack("<III4x", METADATA_TABLE_SIZE + len(values), len(value), item_flags)
        values += value
    return table.ljust(METADATA_TABLE_SIZE, b"\0") + values


class _Item(NamedTuple):
    offset: int
    length: int


_KNOWN_LENGTHS = {
    FILE_PARAMETERS: 8,
    VIRTUAL_DISK_SIZE: 8,
    VIRTUAL_DISK_ID: 16,
    LOGICAL_SECTOR_SIZE: 4,
    PHYSICAL_SECTOR_SIZE: 4,
}


def parse_metadata_table(raw: bytes, region_length: int) -> dict[UUID, _Item]:
    """Parse the table of the metadata region (2.6.1): where in the region the known items are.

    Raises:
        ImageDamaged: The table is none, or names an item outside the region.
        ImageUnsupported: An item is marked as required, and is not known.
    """
    signature, count = struct.unpack_from("<8s2xH", raw)
    if len(raw) != METADATA_TABLE_SIZE or signature != b"metadata" or count > MAX_METADATA_ITEMS:
        raise ImageDamaged("VHDX metadata table is not valid")
    items: dict[UUID, _Item] = {}
    for index in range(count):
        at = 32 + 32 * index
        guid = UUID(bytes_le=raw[at : at + 16])
        offset, length, flags = struct.unpack_from("<III", raw, at + 16)
        is_user = bool(flags & 1)
        if is_user or guid not in (*_KNOWN_LENGTHS, PARENT_LOCATOR):
            if flags & _IS_REQUIRED:
                raise ImageUnsupported(f"VHDX metadata item {guid} is required to read the disk, and not known")
            continue
        if guid in items:
            raise ImageDamaged(f"VHDX metadata item {guid} is listed twice")
        if not METADATA_TABLE_SIZE <= offset <= offset + length <= region_length or length > MAX_METADATA_ITEM:
            raise ImageDamaged(f"VHDX metadata item {guid} lies outside its region")
        if length < _KNOWN_LENGTHS.get(guid, 20):
            raise ImageDamaged(f"VHDX metadata item {guid} is cut short")
        items[guid] = _Item(offset, length)
    for guid in _KNOWN_LENGTHS:
        if guid not in items:
            raise ImageDamaged(f"VHDX metadata item {guid} is missing")
    return items


def parse_metadata(values: Mapping[UUID, bytes]) -> Metadata:
    """Parse the known metadata items by their bytes.

    Raises:
        ImageDamaged: A value that no valid file has.
    """
    block_size, flags = struct.unpack_from("<II", values[FILE_PARAMETERS])
    has_parent = bool(flags & 2)
    if has_parent and PARENT_LOCATOR not in values:
        raise ImageDamaged("a differencing VHDX without a parent locator")
    metadata = Metadata(
        block_size=block_size,
        leave_blocks_allocated=bool(flags & 1),
        has_parent=has_parent,
        virtual_size=struct.unpack_from("<Q", values[VIRTUAL_DISK_SIZE])[0],
        disk_id=UUID(bytes_le=values[VIRTUAL_DISK_ID][:16]),
        logical_sector_size=struct.unpack_from("<I", values[LOGICAL_SECTOR_SIZE])[0],
        physical_sector_size=struct.unpack_from("<I", values[PHYSICAL_SECTOR_SIZE])[0],
        parent_locator=parse_parent_locator(values[PARENT_LOCATOR]) if has_parent else {},
    )
    if not MIB <= block_size <= 256 * MIB or block_size & (block_size - 1):
        raise ImageDamaged(f"VHDX block size of {block_size} bytes; it is a power of two from 1 MiB to 256 MiB")
    if metadata.logical_sector_size not in (512, 4096):
        raise ImageDamaged(f"VHDX logical sector size of {metadata.logical_sector_size} bytes; it is 512 or 4096")
    size = metadata.virtual_size
    if not 0 < size <= MAX_VIRTUAL_SIZE or size % metadata.logical_sector_size:
        raise ImageDamaged(f"VHDX virtual disk size of {size} bytes; it is whole sectors, at most 64 TiB")
    return metadata


def parse_parent_locator(raw: bytes) -> dict[str, str]:
    """Parse a parent locator (2.6.2.6).

    Raises:
        ImageDamaged: Keys or values lie outside the item, are no UTF-16, or a key is there twice.
        ImageUnsupported: It is of a kind other than VHDX.
    """
    if raw[:16] != PARENT_LOCATOR_TYPE.bytes_le:
        raise ImageUnsupported(f"VHDX parent locator of the unknown type {UUID(bytes_le=raw[:16])}")
    count = struct.unpack_from("<H", raw, 18)[0]
    entries: dict[str, str] = {}
    for index in range(count):
        if 20 + 12 * (index + 1) > len(raw):
            raise ImageDamaged("VHDX parent locator is cut short")
        key_at, value_at, key_length, value_length = struct.unpack_from("<IIHH", raw, 20 + 12 * index)
        if max(key_at + key_length, value_at + value_length) > len(raw):
            raise ImageDamaged("VHDX parent locator has an entry outside of it")
        try:
            key = raw[key_at : key_at + key_length].decode("utf-16-le")
            value = raw[value_at : value_at + value_length].decode("utf-16-le")
        except UnicodeDecodeError:
            raise ImageDamaged("VHDX parent locator has an entry that is no UTF-16") from None
        if key in entries:
            raise ImageDamaged(f"VHDX parent locator has the entry {key!r} twice")
        entries[key] = value
    return entries
