"""Read a VHDX file: dynamic, fixed or differencing, with its log replayed in memory ([MS-VHDX])."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator
from uuid import UUID

from hvbackup.errors import ImageDamaged, ImageUnsupported
from hvbackup.images import vhdx_layout as layout
from hvbackup.images.disk import Extent, Kind, VirtualDisk, read_extents, resolve_parent
from hvbackup.images.source import Pages, Source, read_exactly
from hvbackup.images.vhdx_layout import MIB, BlockState, Header, Region
from hvbackup.images.vhdx_log import LoggedSource, replay
from hvbackup.images.vhdx_metadata import METADATA_TABLE_SIZE, Metadata, parse_metadata, parse_metadata_table

_BAT_PAGE_ENTRIES = 8192
_BAT_PAGES_KEPT = 64
_BITMAPS_KEPT = 8
_ZEROS = bytes(8 * _BAT_PAGE_ENTRIES)
_EMPTY_PAGE = array("Q", _ZEROS)
_BIT_BYTES = tuple(bytes(value >> bit & 1 for bit in range(8)) for value in range(256))


class Vhdx:
    """A VHDX file as a virtual disk.

    Opening reads the headers, the log if it is dirty, the region tables and the metadata, and checks each checksum;
    the block allocation table is read in pieces as it is needed, so that memory stays small for any disk.

    Args:
        source: The file.
        parent: The disk that a differencing disk lies on. Without it, stretches that are the parent's cannot be read.

    Attributes:
        header: The current header.
        metadata: Virtual size, block size, ids, parent locator.
        log_entries: Entries of a dirty log that were replayed in memory; 0 for a clean file.
        file: The file with its log laid over it.

    Raises:
        ImageDamaged: A structure or a checksum is wrong, or the file is too short.
        ImageUnsupported: It needs something that is not known here.
    """

    def __init__(self, source: Source, parent: VirtualDisk | None = None) -> None:
        self.source = source
        self.parent = parent
        self.creator = _read_creator(source)
        self.header = _read_header(source)
        self.file: Source = source
        self.log_entries = 0
        if self.header.log_guid != layout.NO_GUID:
            logged = replay(source, self.header)
            self.file, self.log_entries = logged, logged.entries
        self.regions = _read_regions(self.file)
        self.metadata = _read_metadata(self.file, self.regions[layout.METADATA_REGION])
        self.shape = self.metadata.bat_shape
        self._size, self._block_size = self.shape.virtual_size, self.shape.block_size
        self._chunk_ratio = self.shape.chunk_ratio
        self._bat = self.regions[layout.BAT_REGION]
        needed = self.shape.entry_count * 8
        if self._bat.length < needed:
            raise ImageDamaged(f"VHDX block allocation table has {self._bat.length} bytes, and the disk needs {needed}")
        self._bat_pages = Pages(self._load_bat_page, _BAT_PAGES_KEPT)
        self._bitmaps = Pages(self._load_bitmap, _BITMAPS_KEPT)

    @property
    def size(self) -> int:
        """Bytes of the virtual disk."""
        return self._size

    @property
    def sector_size(self) -> int:
        """Bytes of a logical sector."""
        return self.metadata.logical_sector_size

    @property
    def log(self) -> LoggedSource | None:
        """What the dirty log changes; None for a clean file."""
        return self.file if isinstance(self.file, LoggedSource) else None

    def read_at(self, offset: int, size: int) -> bytes:
        """The bytes of the virtual disk at `offset`; fewer at its end.

        Raises:
            ImageDamaged: An entry of the block allocation table is not valid, or points behind the end of the file.
            ParentMissing: The bytes are the parent's, and there is no parent.
        """
        end = min(offset + size, self._size)
        if offset < 0 or end <= offset:
            return b""
        block, within = divmod(offset, self._block_size)
        if within + end - offset <= self._block_size:  # the common case, straight on
            entry = self._entry(block + block // self._chunk_ratio)
            if entry & 7 == BlockState.FULLY_PRESENT:
                return read_exactly(self.file, _place(entry) + within, end - offset, "a block of the disk")
        return read_extents(self._own_extents(offset, end), self.file, self.parent)

    def extents(self, start: int = 0, end: int | None = None) -> Iterator[Extent]:
        """The allocation map; see `VirtualDisk.extents`."""
        end = self.size if end is None else min(end, self.size)
        return resolve_parent(self._own_extents(start, end), self.parent, start, end)

    def bat_pages(self) -> Iterator[tuple[int, array[int]]]:
        """The block allocation table, in pieces: index of the first entry, entries. Pieces of zeros are left out."""
        for number in range(-(-self.shape.entry_count // _BAT_PAGE_ENTRIES)):
            page = self._bat_pages.get(number)
            if page is not _EMPTY_PAGE:
                yield number * _BAT_PAGE_ENTRIES, page

    # ------------------------------------------------------------ tables

    def _load_bat_page(self, number: int) -> array[int]:
        first = number * _BAT_PAGE_ENTRIES
        count = min(_BAT_PAGE_ENTRIES, self.shape.entry_count - first)
        raw = read_exactly(self.file, self._bat.offset + first * 8, count * 8, "the block allocation table")
        if raw == _ZEROS[: len(raw)]:
            return _EMPTY_PAGE
        page = array("Q", raw)
        if struct.pack("=H", 1) != struct.pack("<H", 1):
            page.byteswap()
        return page

    def _entry(self, index: int) -> int:
        page, at = divmod(index, _BAT_PAGE_ENTRIES)
        return self._bat_pages.get(page)[at]

    def _load_bitmap(self, index: int) -> bytes:
        entry = self._entry(index)
        if entry & 7 != BlockState.FULLY_PRESENT:
            raise ImageDamaged("VHDX block is partially present, and its sector bitmap is missing")
        return read_exactly(self.file, _place(entry), MIB, "a sector bitmap")

    # ------------------------------------------------------------ what is where

    def _own_extents(self, offset: int, end: int) -> Iterator[Extent]:
        """What this file says of a stretch; not merged."""
        block_size = self._block_size
        while offset < end:
            block = offset // block_size
            count = self._alike(block, -(-end // block_size))
            stop = min(end, (block + count) * block_size)
            yield from self._block_extents(block, offset, stop)
            offset = stop

    @property
    def _absent(self) -> Kind:
        return Kind.PARENT if self.shape.differencing else Kind.ZERO

    def _alike(self, block: int, end: int) -> int:
        """How many blocks from `block` on, at least 1, continue each other: in the file, or in having nothing there."""
        number, at = divmod(block + block // self._chunk_ratio, _BAT_PAGE_ENTRIES)
        page = self._bat_pages.get(number)
        limit = min(end - block, _BAT_PAGE_ENTRIES - at, self._chunk_ratio - block % self._chunk_ratio)
        if page is _EMPTY_PAGE:
            return limit
        entry, count = page[at], 1
        if entry & 7 == BlockState.FULLY_PRESENT:
            while count < limit and page[at + count] == entry + count * self._block_size:
                count += 1
        elif entry & 7 != BlockState.PARTIALLY_PRESENT:
            while count < limit and page[at + count] & 7 == entry & 7:
                count += 1
        return count

    def _block_extents(self, block: int, offset: int, end: int) -> Iterator[Extent]:
        """The stretches from `offset`, in `block`, to `end`, in a block that is like it."""
        entry = self._entry(self.shape.payload_entry(block))
        state, within = entry & 7, offset - block * self._block_size
        if state == BlockState.FULLY_PRESENT:
            yield Extent(offset, end - offset, Kind.DATA, _place(entry) + within)
        elif state == BlockState.NOT_PRESENT:
            yield Extent(offset, end - offset, self._absent)
        elif state == BlockState.PARTIALLY_PRESENT and self.shape.differencing:
            yield from self._sector_extents(block, offset, end, _place(entry) + within)
        elif state in (BlockState.UNDEFINED, BlockState.ZERO, BlockState.UNMAPPED):
            yield Extent(offset, end - offset, Kind.ZERO)
        else:
            raise ImageDamaged(f"VHDX block {block} has the state {state}, which no such file has")

    def _sector_extents(self, block: int, offset: int, end: int, place: int) -> Iterator[Extent]:
        """The stretches of a partially present block, by its sector bitmap (2.4)."""
        sector, ratio = self.sector_size, self._chunk_ratio
        bitmap = self._bitmaps.get(self.shape.bitmap_entry(block))
        chunk_start = block // ratio * ratio * self._block_size
        first, last = (offset - chunk_start) // sector, -(-(end - chunk_start) // sector)
        bits = b"".join([_BIT_BYTES[byte] for byte in bitmap[first >> 3 : (last + 7) >> 3]])
        base = first & ~7
        at = offset
        while at < end:
            index = (at - chunk_start) // sector - base
            other = bits.find(b"\0" if bits[index] else b"\1", index)
            stop = end if other < 0 else min(end, chunk_start + (base + other) * sector)
            if bits[index]:
                yield Extent(at, stop - at, Kind.DATA, place + at - offset)
            else:
                yield Extent(at, stop - at, Kind.PARENT)
            at = stop


def _place(entry: int) -> int:
    """Where in the file the block of a BAT entry begins."""
    if not entry >> 20:
        raise ImageDamaged("VHDX block lies where the file's header is")
    return (entry >> 20) * MIB


def _read_creator(source: Source) -> str:
    identifier = source.read_at(0, 520)
    if identifier[:8] != layout.FILE_SIGNATURE:
        raise ImageDamaged("the file does not begin as a VHDX")
    return identifier[8:].decode("utf-16-le", "replace").split("\0")[0]


def _read_header(source: Source) -> Header:
    """The current one of the two headers: the valid one of the higher sequence number (2.2.2)."""
    raws = (source.read_at(offset, layout.HEADER_SIZE) for offset in layout.HEADER_OFFSETS)
    headers = [header for header in map(layout.parse_header, raws) if header]
    if not headers:
        raise ImageDamaged("both headers of the VHDX are damaged")
    header = max(headers, key=lambda header: header.sequence)
    if header.version != 1:
        raise ImageUnsupported(f"VHDX of the unknown version {header.version}")
    return header


def _read_regions(source: Source) -> dict[UUID, Region]:
    for offset in layout.REGION_TABLE_OFFSETS:
        regions = layout.parse_region_table(source.read_at(offset, layout.REGION_TABLE_SIZE))
        if regions is None:
            continue
        if layout.BAT_REGION not in regions or layout.METADATA_REGION not in regions:
            raise ImageDamaged("VHDX region table lacks the block allocation table or the metadata")
        return regions
    raise ImageDamaged("both region tables of the VHDX are damaged")


def _read_metadata(source: Source, region: Region) -> Metadata:
    table = read_exactly(source, region.offset, METADATA_TABLE_SIZE, "the metadata table")
    items = parse_metadata_table(table, region.length)
    return parse_metadata(
        {
            guid: read_exactly(source, region.offset + item.offset, item.length, "a metadata item")
            for guid, item in items.items()
        }
    )
