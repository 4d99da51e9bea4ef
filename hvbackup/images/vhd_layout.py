"""The structures of a VHD file as bytes, packed and parsed; no I/O.

Source of all facts: "Virtual Hard Disk Image Format Specification", version 1.0 (Microsoft, 2006). Numbers are
big-endian. GUIDs are kept as Windows keeps them in memory (first three fields little-endian): files written by Hyper-V
show it by the version digit of their random ids.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from enum import IntEnum
from typing import NamedTuple
from uuid import UUID

from hvbackup.errors import ImageDamaged, ImageUnsupported

SECTOR = 512
FOOTER_SIZE = 512
FOOTER_COOKIE = b"conectix"
HEADER_SIZE = 1024
HEADER_COOKIE = b"cxsparse"
NO_OFFSET = 0xFFFF_FFFF_FFFF_FFFF
ABSENT = 0xFFFF_FFFF
MAX_VIRTUAL_SIZE = 2040 << 30
MAX_BLOCK_SIZE = 256 << 20
LOCATORS = 8
RELATIVE_PATH = b"W2ru"
ABSOLUTE_PATH = b"W2ku"

_FOOTER = struct.Struct(">8sIIQI4sI4sQQIII16sB")
_HEADER = struct.Struct(">8sQQIIII16sII")
_LOCATOR = struct.Struct(">4sIIIQ")


class DiskType(IntEnum):
    """Kinds of VHD."""

    FIXED = 2
    DYNAMIC = 3
    DIFFERENCING = 4


class Footer(NamedTuple):
    """The footer of a VHD; `timestamp` in seconds since 2000-01-01 UTC."""

    disk_type: DiskType
    virtual_size: int
    disk_id: UUID
    header_offset: int = NO_OFFSET
    timestamp: int = 0
    creator: bytes = b"win "
    saved_state: bool = False


class Locator(NamedTuple):
    """Where in the file the path of a parent is kept, and in which manner."""

    code: bytes
    offset: int
    length: int


class DynamicHeader(NamedTuple):
    """The header of a dynamic or differencing VHD."""

    table_offset: int
    entry_count: int
    block_size: int
    parent_id: UUID = UUID(int=0)
    parent_timestamp: int = 0
    parent_name: str = ""
    locators: tuple[Locator, ...] = ()

    @property
    def bitmap_size(self) -> int:
        """Bytes of the sector bitmap before the bytes of each block: whole sectors."""
        return -(-self.block_size // SECTOR // 8 // SECTOR) * SECTOR


def checksum(structure: bytes | bytearray, at: int) -> int:
    """One's complement of the sum of all bytes but the four of the checksum itself."""
    return ~(sum(structure) - sum(structure[at : at + 4])) & 0xFFFF_FFFF


def geometry(virtual_size: int) -> tuple[int, int, int]:
    """Cylinders, heads and sectors of a disk by the specification's appendix."""
    sectors = min(virtual_size // SECTOR, 65535 * 16 * 255)
    if sectors >= 65535 * 16 * 63:
        heads, per_track = 16, 255
        return sectors // per_track // heads, heads, per_track
    per_track = 17
    tracks = sectors // per_track
    heads = max(4, (tracks + 1023) // 1024)
    if tracks >= heads * 1024 or heads > 16:
        per_track, heads = 31, 16
        tracks = sectors // per_track
    if tracks >= heads * 1024:
        per_track, heads = 63, 16
        tracks = sectors // per_track
    return tracks // heads, heads, per_track


def pack_footer(footer: Footer) -> bytes:
    """A footer with its checksum."""
    cylinders, heads, per_track = geometry(footer.virtual_size)
    raw = bytearray(FOOTER_SIZE)
    _FOOTER.pack_into(
        raw, 0, FOOTER_COOKIE, 2, 0x10000, footer.header_offset, footer.timestamp, footer.creator, 0xA0000, b"Wi2k",
        footer.virtual_size, footer.virtual_size, cylinders << 16 | heads << 8 | per_track, footer.disk_type, 0,
        footer.disk_id.bytes_le, footer.saved_state,
    )  # fmt: skip
    struct.pack_into(">I", raw, 64, checksum(raw, 64))
    return bytes(raw)


def parse_footer(raw: bytes) -> Footer | None:
    """Parse a footer, or its copy at the beginning of the file; None when cookie or checksum are wrong.

    Raises:
        ImageUnsupported: A version or type that is not known.
        ImageDamaged: A size that no disk has.
    """
    if len(raw) != FOOTER_SIZE or raw[:8] != FOOTER_COOKIE:
        return None
    fields = _FOOTER.unpack_from(raw)
    version, header_offset, timestamp, creator = fields[2], fields[3], fields[4], fields[5]
    virtual_size, disk_type, stored, disk_id, saved_state = fields[9], *fields[11:]
    if stored != checksum(raw, 64):
        return None
    if version >> 16 != 1:
        raise ImageUnsupported(f"VHD of the unknown version {version >> 16}.{version & 0xFFFF}")
    if disk_type not in DiskType.__members__.values():
        raise ImageUnsupported(f"VHD of the unknown type {disk_type}")
    if not virtual_size or virtual_size % SECTOR:
        raise ImageDamaged(f"VHD of {virtual_size} bytes; a disk has whole sectors")
    return Footer(
        DiskType(disk_type), virtual_size, UUID(bytes_le=disk_id), header_offset, timestamp, creator, bool(saved_state)
    )


def pack_dynamic_header(header: DynamicHeader) -> bytes:
    """A dynamic header with its checksum."""
    raw = bytearray(HEADER_SIZE)
    _HEADER.pack_into(
        raw, 0, HEADER_COOKIE, NO_OFFSET, header.table_offset, 0x10000, header.entry_count, header.block_size, 0,
        header.parent_id.bytes_le, header.parent_timestamp, 0,
    )  # fmt: skip
    raw[64:576] = header.parent_name.encode("utf-16-be")[:510].ljust(512, b"\0")
    for number, locator in enumerate(header.locators[:LOCATORS]):
        sectors = -(-locator.length // SECTOR)
        at = 576 + number * _LOCATOR.size
        _LOCATOR.pack_into(raw, at, locator.code, sectors, locator.length, 0, locator.offset)
    struct.pack_into(">I", raw, 36, checksum(raw, 36))
    return bytes(raw)


def parse_dynamic_header(raw: bytes) -> DynamicHeader:
    """Parse the header of a dynamic or differencing VHD.

    Raises:
        ImageDamaged: It is none, its checksum is wrong, or a value is one that no valid file has.
        ImageUnsupported: A version that is not known.
    """
    if len(raw) != HEADER_SIZE or raw[:8] != HEADER_COOKIE:
        raise ImageDamaged("VHD header of the block allocation table is not there")
    _, _, table, version, count, block_size, stored, parent_id, parent_timestamp, _ = _HEADER.unpack_from(raw)
    if stored != checksum(raw, 36):
        raise ImageDamaged("VHD header of the block allocation table has a wrong checksum")
    if version >> 16 != 1:
        raise ImageUnsupported(f"VHD header of the unknown version {version >> 16}.{version & 0xFFFF}")
    if not SECTOR <= block_size <= MAX_BLOCK_SIZE or block_size & (block_size - 1):
        raise ImageDamaged(f"VHD block size of {block_size} bytes; it is a power of two, 512 to 256 Mi")
    locators = (Locator(*_pick_locator(raw, number)) for number in range(LOCATORS))
    name = raw[64:576].decode("utf-16-be", "replace").split("\0")[0]
    return DynamicHeader(
        table, count, block_size, UUID(bytes_le=parent_id), parent_timestamp, name, tuple(x for x in locators if x.code)
    )


def _pick_locator(raw: bytes, number: int) -> tuple[bytes, int, int]:
    code, _space, length, _, offset = _LOCATOR.unpack_from(raw, 576 + number * _LOCATOR.size)
    return code.rstrip(b"\0"), offset, length


def pack_locators(paths: Mapping[bytes, str], offset: int) -> tuple[tuple[Locator, ...], bytes]:
    """Locators for paths (`RELATIVE_PATH`, `ABSOLUTE_PATH`), and the bytes to put at `offset`: whole sectors."""
    locators, texts = [], b""
    for code, path in paths.items():
        text = path.encode("utf-16-le")
        locators.append(Locator(code, offset + len(texts), len(text)))
        texts += text.ljust(-(-len(text) // SECTOR) * SECTOR, b"\0")
    return tuple(locators), texts
