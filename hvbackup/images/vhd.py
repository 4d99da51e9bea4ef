"""Read a VHD file: fixed, dynamic or differencing (Virtual Hard Disk Image Format Specification 1.0)."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator

from hvbackup.errors import ImageDamaged
from hvbackup.images import vhd_layout as layout
from hvbackup.images.disk import Extent, Kind, VirtualDisk, read_extents, resolve_parent
from hvbackup.images.source import Pages, Source, read_exactly
from hvbackup.images.vhd_layout import ABSENT, SECTOR, DiskType, DynamicHeader, Footer

_TABLE_PAGE_ENTRIES = 16384
_TABLE_PAGES_KEPT = 64
_BITMAPS_KEPT = 64
_MAX_LOCATOR = 64 * 1024
_BIT_BYTES = tuple(bytes(value >> bit & 1 for bit in range(7, -1, -1)) for value in range(256))


class Vhd:
    """A VHD file as a virtual disk.

    Args:
        source: The file.
        parent: The disk that a differencing disk lies on. Without it, sectors that are the parent's cannot be read.

    Attributes:
        footer: Type, size and identity; from the copy at the beginning of the file when the one at its end is damaged.
        footer_intact: False when the copy had to be used.
        header: Block size and parent of a dynamic or differencing disk; None for a fixed one.
        parent_paths: The paths of the parent by their code: `W2ru` relative, `W2ku` absolute.

    Raises:
        ImageDamaged: A structure or a checksum is wrong, or the file is too short.
        ImageUnsupported: It needs something that is not known here.
    """

    sector_size = SECTOR

    def __init__(self, source: Source, parent: VirtualDisk | None = None) -> None:
        self.source = source
        self.parent = parent
        self.footer, self.footer_intact = _read_footer(source)
        self.header: DynamicHeader | None = None
        self._block_size = self._bitmap_size = self._table_offset = 0
        self.parent_paths: dict[str, str] = {}
        self._whole = b""  # the bitmap of a block whose sectors are all its own
        self._tables = Pages(self._load_table_page, _TABLE_PAGES_KEPT)
        self._bitmaps = Pages(self._load_bitmap, _BITMAPS_KEPT)
        if self.footer.disk_type is DiskType.FIXED:
            if self.footer.virtual_size > source.size - layout.FOOTER_SIZE + 1:  # old footers have 511 bytes
                raise ImageDamaged(
                    f"fixed VHD of {self.footer.virtual_size} bytes, in a file of {source.size}",
                    hint="The file was cut short, perhaps by a copy that did not end.",
                )
            return
        raw = read_exactly(source, self.footer.header_offset, layout.HEADER_SIZE, "the VHD header")
        self.header = header = layout.parse_dynamic_header(raw)
        self._block_size, self._bitmap_size = header.block_size, header.bitmap_size
        self._table_offset = header.table_offset
        self._whole = b"\xff" * max(1, header.block_size // SECTOR // 8)
        if self.footer.virtual_size > layout.MAX_VIRTUAL_SIZE:
            raise ImageDamaged(f"dynamic VHD of {self.footer.virtual_size} bytes; there are none above 2040 GiB")
        if header.entry_count * header.block_size < self.footer.virtual_size:
            raise ImageDamaged(f"VHD block allocation table of {header.entry_count} entries is too small for the disk")
        if self.footer.disk_type is DiskType.DIFFERENCING:
            self.parent_paths = _read_parent_paths(source, header)

    @property
    def size(self) -> int:
        """Bytes of the virtual disk."""
        return self.footer.virtual_size

    @property
    def block_count(self) -> int:
        """Number of blocks of the disk; 0 for a fixed one."""
        return -(-self.size // self._block_size) if self._block_size else 0

    def read_at(self, offset: int, size: int) -> bytes:
        """The bytes of the virtual disk at `offset`; fewer at its end.

        Raises:
            ImageDamaged: An entry of the block allocation table points behind the end of the file.
            ParentMissing: The bytes are the parent's, and there is no parent.
        """
        end = min(offset + size, self.size)
        if offset < 0 or end <= offset:
            return b""
        if self._block_size:
            block, within = divmod(offset, self._block_size)
            place = self._place(block)
            fits = within + end - offset <= self._block_size
            if fits and place is not None and self._bitmaps.get(place) is self._whole:  # the common case, straight on
                start = place + self._bitmap_size + within
                return read_exactly(self.source, start, end - offset, "a block of the disk")
        return read_extents(self._own_extents(offset, end), self.source, self.parent)

    def extents(self, start: int = 0, end: int | None = None) -> Iterator[Extent]:
        """The allocation map; see `VirtualDisk.extents`."""
        end = self.size if end is None else min(end, self.size)
        return resolve_parent(self._own_extents(start, end), self.parent, start, end)

    def block_places(self) -> Iterator[tuple[int, int]]:
        """The blocks that are present, ascending: number, and where in the file its sector bitmap begins."""
        for first in range(0, self.block_count, _TABLE_PAGE_ENTRIES):
            page = self._tables.get(first // _TABLE_PAGE_ENTRIES)
            yield from ((first + at, place * SECTOR) for at, place in enumerate(page) if place != ABSENT)

    # ------------------------------------------------------------ tables

    def _load_table_page(self, number: int) -> array[int]:
        first = number * _TABLE_PAGE_ENTRIES
        count = min(_TABLE_PAGE_ENTRIES, self.block_count - first)
        raw = read_exactly(self.source, self._table_offset + first * 4, count * 4, "the block allocation table")
        page = array("I", raw)
        if struct.pack("=H", 1) == struct.pack("<H", 1):
            page.byteswap()
        return page

    def _place(self, block: int) -> int | None:
        """Where in the file the bitmap of a block begins; None when the block is absent."""
        page, at = divmod(block, _TABLE_PAGE_ENTRIES)
        place = self._tables.get(page)[at]
        return None if place == ABSENT else place * SECTOR

    def _load_bitmap(self, place: int) -> bytes:
        bitmap = read_exactly(self.source, place, self._bitmap_size, "a sector bitmap")
        return self._whole if bitmap.startswith(self._whole) else bitmap

    # ------------------------------------------------------------ what is where

    def _own_extents(self, offset: int, end: int) -> Iterator[Extent]:
        """What this file says of a stretch; not merged."""
        if self.header is None:
            yield Extent(offset, end - offset, Kind.DATA, offset)
            return
        block_size = self._block_size
        while offset < end:
            block = offset // block_size
            stop = min(end, (block + 1) * block_size)
            place = self._place(block)
            if place is None:
                yield Extent(offset, stop - offset, self._absent)
            else:
                yield from self._sector_extents(block, offset, stop, place)
            offset = stop

    @property
    def _absent(self) -> Kind:
        return Kind.PARENT if self.footer.disk_type is DiskType.DIFFERENCING else Kind.ZERO

    def _sector_extents(self, block: int, offset: int, end: int, place: int) -> Iterator[Extent]:
        """The stretches of a block, by its sector bitmap; a clear bit is the parent's sector, or zeros."""
        start = block * self._block_size
        data = place + self._bitmap_size - start
        bitmap = self._bitmaps.get(place)
        if bitmap is self._whole:
            yield Extent(offset, end - offset, Kind.DATA, data + offset)
            return
        first, last = (offset - start) // SECTOR, -(-(end - start) // SECTOR)
        bits = b"".join([_BIT_BYTES[byte] for byte in bitmap[first >> 3 : (last + 7) >> 3]])
        base = first & ~7
        while offset < end:
            index = (offset - start) // SECTOR - base
            other = bits.find(b"\0" if bits[index] else b"\1", index)
            stop = end if other < 0 else min(end, start + (base + other) * SECTOR)
            if bits[index]:
                yield Extent(offset, stop - offset, Kind.DATA, data + offset)
            else:
                yield Extent(offset, stop - offset, self._absent)
            offset = stop


def _read_footer(source: Source) -> tuple[Footer, bool]:
    """The footer at the end of the file (in very old files of 511 bytes), else its copy at the beginning."""
    size = source.size
    last = source.read_at(max(0, size - layout.FOOTER_SIZE), layout.FOOTER_SIZE)
    footer = layout.parse_footer(last) or layout.parse_footer(last[1:] + b"\0")
    if footer:
        return footer, True
    copy = layout.parse_footer(source.read_at(0, layout.FOOTER_SIZE))
    if copy and copy.disk_type is not DiskType.FIXED:
        return copy, False
    raise ImageDamaged(
        "the file has no valid VHD footer at its end",
        hint="The file was cut short, perhaps by a copy that did not end, or it is no VHD.",
    )


def _read_parent_paths(source: Source, header: DynamicHeader) -> dict[str, str]:
    paths = {}
    for locator in header.locators:
        if locator.code not in (layout.RELATIVE_PATH, layout.ABSOLUTE_PATH):
            continue
        if locator.length > _MAX_LOCATOR:
            raise ImageDamaged("VHD parent locator is longer than any path")
        raw = read_exactly(source, locator.offset, locator.length, "a parent locator")
        paths[locator.code.decode("ascii")] = raw.decode("utf-16-le", "replace").split("\0")[0]
    return paths
