"""The structures of a VHDX file as bytes, packed and parsed; no I/O.

Source of all facts: [MS-VHDX] "Virtual Hard Disk v2 (VHDX) File Format", sections 2.1 to 2.5. Numbers are
little-endian. The metadata items have a module of their own, `vhdx_metadata`. Parsers of checksummed structures return
None when signature or checksum are wrong, since each of them exists twice and the caller may take the other; all else
that is wrong raises `ImageDamaged`.
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
MAX_REGIONS = 2047
NO_GUID = UUID(int=0)

BAT_REGION = UUID("2dc27766-f623-4200-9d64-115e9bfd4a08")
METADATA_REGION = UUID("8b7ca206-4790-4b9a-b8fe-575f050f886e")


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
