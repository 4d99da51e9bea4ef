"""The structures of a VHDX file as bytes, packed and parsed; no I/O.

Source of all facts: [MS-VHDX] "Virtual Hard Disk v2 (VHDX) File Format", sections 2.1 to 2.6. Numbers are
little-endian. Parsers of checksummed structures return None when signature or checksum are wrong, since each of them
exists twice and the caller may take the other; all else that is wrong raises `ImageDamaged`.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from enum import IntEnum
from typing import NamedTuple
from uuid import UUID

from hvbackup.errors import ImageDamaged, ImageUnsupported
from hvbackup.images.crc32c import crc32c

KIB = 1024
MIB = 1024 * KIB

FILE_SIGNATURE = b"vhdxfile"
HEADER_OFFSETS = (64 * KIB, 128 * KIB)
HEADER_SIZE = 4 * KIB
REGION_TABLE_OFFSETS = (192 * KIB, 256 * KIB)
REGION_TABLE_SIZE = 64 * KIB
METADATA_TABLE_SIZE = 64 * KIB
MAX_REGIONS = 2047
MAX_METADATA_ITEMS = 2047
MAX_METADATA_ITEM = MIB
MAX_VIRTUAL_SIZE = 64 << 40
NO_GUID = UUID(int=0)

BAT_REGION = UUID("2dc27766-f623-4200-9d64-115e9bfd4a08")
METADATA_REGION = UUID("8b7ca206-4790-4b9a-b8fe-575f050f886e")

FILE_PARAMETERS = UUID("caa16737-fa36-4d43-b3b6-33f0aa44e76b")
VIRTUAL_DISK_SIZE = UUID("2fa54224-cd1b-4876-b211-5dbed83bf4b8")
VIRTUAL_DISK_ID = UUID("beca12ab-b2e6-4523-93ef-c309e000c746")
LOGICAL_SECTOR_SIZE = UUID("8141bf1d-a96f-4709-ba47-f233a8faab5f")
PHYSICAL_SECTOR_SIZE = UUID("cda348c7-445d-4471-9cc9-e9885251c556")
PARENT_LOCATOR = UUID("a8d35f2d-b30b-454d-abf7-d3d84834ab0c")
PARENT_LOCATOR_TYPE = UUID("b04aefb7-d19e-4a81-b789-25b8e9445913")

_IS_VIRTUAL_DISK = 2
_IS_REQUIRED = 4


class BlockState(IntEnum):
    """States of a BAT entry (2.5.1.1); bitmap blocks use NOT_PRESENT and FULLY_PRESENT only."""

    NOT_PRESENT = 0
    UNDEFINED = 1
    ZERO = 2
    UNMAPPED = 3
    FULLY_PRESENT = 6
    PARTIALLY_PRESENT = 7


class Header(NamedTuple):
    """The header of a VHDX file (2.2.2)."""

    sequence: int
    file_write_guid: UUID
    data_write_guid: UUID
    log_guid: UUID
    log_length: int
    log_offset: int
    log_version: int = 0
    version: int = 1


class Region(NamedTuple):
    """Where a region lies in the file (2.2.3.2)."""

    offset: int
    length: int


class BatShape(NamedTuple):
    """How payload and sector bitmap entries interleave in the BAT (2.5)."""

    virtual_size: int
    block_size: int
    sector_size: int
    differencing: bool

    @property
    def chunk_ratio(self) -> int:
        """Payload blocks that share one sector bitmap block."""
        return (self.sector_size << 23) // self.block_size

    @property
    def block_count(self) -> int:
        """Number of payload blocks."""
        return -(-self.virtual_size // self.block_size)

    @property
    def entry_count(self) -> int:
        """Number of BAT entries."""
        if self.differencing:
            return -(-self.block_count // self.chunk_ratio) * (self.chunk_ratio + 1)
        return self.block_count + (self.block_count - 1) // self.chunk_ratio

    def payload_entry(self, block: int) -> int:
        """Index in the BAT of the entry of a payload block."""
        return block + block // self.chunk_ratio

    def bitmap_entry(self, block: int) -> int:
        """Index in the BAT of the entry of the sector bitmap that speaks of a payload block."""
        return (block // self.chunk_ratio + 1) * (self.chunk_ratio + 1) - 1


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


# ---------------------------------------------------------------- packing


def with_checksum(structure: bytes | bytearray) -> bytes:
    """Return the structure with its CRC-32C in bytes 4 to 7, computed as if they were zeros."""
    zeroed = bytearray(structure)
    zeroed[4:8] = bytes(4)
    struct.pack_into("<I", zeroed, 4, crc32c(zeroed))
    return bytes(zeroed)


def pack_file_identifier(creator: str) -> bytes:
    """The file type identifier (2.2.1); `creator` is for people."""
    return FILE_SIGNATURE + creator.encode("utf-16-le")[:510].ljust(512, b"\0")


def pack_header(header: Header) -> bytes:
    """A header with its checksum."""
    guids = header.file_write_guid.bytes_le + header.data_write_guid.bytes_le + header.log_guid.bytes_le
    fixed = struct.pack("<4sIQ", b"head", 0, header.sequence) + guids
    log = struct.pack("<HHIQ", header.log_version, header.version, header.log_length, header.log_offset)
    return with_checksum((fixed + log).ljust(HEADER_SIZE, b"\0"))


def pack_region_table(regions: Mapping[UUID, Region]) -> bytes:
    """A region table with its checksum; all regions are marked as required."""
    entries = b"".join(
        guid.bytes_le + struct.pack("<QII", region.offset, region.length, 1) for guid, region in regions.items()
    )
    table = struct.pack("<4sIII", b"regi", 0, len(regions), 0) + entries
    return with_checksum(table.ljust(REGION_TABLE_SIZE, b"\0"))


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


# ---------------------------------------------------------------- parsing


def has_good_checksum(structure: bytes) -> bool:
    """Whether bytes 4 to 7 are the CRC-32C of the structure."""
    stored: int = struct.unpack_from("<I", structure, 4)[0]
    return stored == crc32c(structure[:4] + bytes(4) + structure[8:])


def parse_header(raw: bytes) -> Header | None:
    """Parse one of the two headers; None when it is not valid."""
    if len(raw) != HEADER_SIZE or raw[:4] != b"head" or not has_good_checksum(raw):
        return None
    sequence = struct.unpack_from("<Q", raw, 8)[0]
    file_write, data_write, log = (UUID(bytes_le=raw[at : at + 16]) for at in (16, 32, 48))
    log_version, version, log_length, log_offset = struct.unpack_from("<HHIQ", raw, 64)
    return Header(sequence, file_write, data_write, log, log_length, log_offset, log_version, version)


def parse_region_table(raw: bytes) -> dict[UUID, Region] | None:
    """Parse one of the two region tables; None when it is not valid.

    Raises:
        ImageDamaged: Entries that no valid file has.
        ImageUnsupported: A region is marked as required, and is not known.
    """
    if len(raw) != REGION_TABLE_SIZE or raw[:4] != b"regi" or not has_good_checksum(raw):
        return None
    count = struct.unpack_from("<I", raw, 8)[0]
    if count > MAX_REGIONS:
        raise ImageDamaged(f"VHDX region table has {count} entries; {MAX_REGIONS} are allowed")
    regions: dict[UUID, Region] = {}
    for index in range(count):
        at = 16 + 32 * index
        guid = UUID(bytes_le=raw[at : at + 16])
        offset, length, flags = struct.unpack_from("<QII", raw, at + 16)
        if guid in regions:
            raise ImageDamaged(f"VHDX region {guid} is listed twice")
        if flags & 1 and guid not in (BAT_REGION, METADATA_REGION):
            raise ImageUnsupported(f"VHDX region {guid} is required to read the disk, and not known")
        if offset % MIB or length % MIB or offset < MIB:
            raise ImageDamaged(f"VHDX region {guid} at {offset}, {length} bytes long, is not aligned to 1 MiB")
        regions[guid] = Region(offset, length)
    return regions


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
