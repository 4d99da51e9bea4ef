"""Write new VHDX files: dynamic, fixed and differencing, from the blocks that hold something.

What is written follows [MS-VHDX]; the order of the regions (headers, log, metadata, BAT, payload) is that of files
written by Hyper-V. Files of older servers (VHD) are written by `vhd_writer`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Literal, NamedTuple, TypeAlias
from uuid import UUID, uuid4

from hvbackup.errors import InvalidRequest
from hvbackup.images import vhdx_layout as layout
from hvbackup.images.vhdx_layout import MIB, BatShape, BlockState
from hvbackup.images.vhdx_metadata import MAX_VIRTUAL_SIZE, Metadata, pack_metadata
from hvbackup.models import Model

_LOG = layout.Region(MIB, MIB)
_METADATA = layout.Region(2 * MIB, MIB)
_BAT_OFFSET = 3 * MIB
_BAT_PAGE = 64 * 1024
_ZEROS = bytes(64 * 1024)


class VhdxParent(Model, frozen=True, kw_only=True):
    r"""What a differencing VHDX says of its parent; at least one of the paths is needed.

    Attributes:
        data_write_guid: The parent's DataWriteGuid at this time: the linkage that proves it is the right parent.
        relative_path: From the child's folder, such as `.\base.vhdx`.
        absolute_path: Full Windows path.
        volume_path: Path by volume GUID.
    """

    data_write_guid: str
    relative_path: str | None = None
    absolute_path: str | None = None
    volume_path: str | None = None

    def locator(self) -> dict[str, str]:
        """The entries of the parent locator ([MS-VHDX] 2.6.2.6.3)."""
        entries = {"parent_linkage": "{" + str(UUID(self.data_write_guid)) + "}"}
        paths = {
            "relative_path": self.relative_path,
            "volume_path": self.volume_path,
            "absolute_win32_path": self.absolute_path,
        }
        entries.update({key: value for key, value in paths.items() if value})
        if len(entries) == 1:
            raise InvalidRequest("a differencing VHDX needs a path to its parent")
        return entries


class PartialBlock(NamedTuple):
    """A block of a differencing disk of which only some sectors are its own.

    `sectors` has one bit for each logical sector of the block, least significant bit of the first byte first; a set
    bit means that `data` holds the sector, a clear one that the parent does. Missing bytes at the end are clear bits.
    """

    data: bytes
    sectors: bytes


#: What a block holds: its bytes (zeros are added at the end), some of its sectors, or a state without bytes.
Block: TypeAlias = (
    bytes | bytearray | memoryview | PartialBlock | Literal[BlockState.UNDEFINED, BlockState.ZERO, BlockState.UNMAPPED]
)


def create_vhdx(
    path: str | os.PathLike[str],
    virtual_size: int,
    blocks: Mapping[int, Block] | Iterable[tuple[int, Block]],
    *,
    block_size: int = MIB,
    logical_sector_size: int = 512,
    physical_sector_size: int = 4096,
    fixed: bool = False,
    parent: VhdxParent | None = None,
    disk_id: str | None = None,
    data_write_guid: str | None = None,
    file_write_guid: str | None = None,
    creator: str = "hvbackup",
) -> str:
    """Create a VHDX file and return its DataWriteGuid.

    Args:
        virtual_size: Bytes of the virtual disk; a multiple of the logical sector size, at most 64 TiB.
        blocks: Content by block number; blocks that are not named are not present (zeros, or the parent's). They are
            laid into the file in the order given, so one pass over an iterator is enough, in little memory.
        block_size: Bytes of a block: a power of two from 1 MiB to 256 MiB.
        fixed: Give every block its place in the file, in ascending order.
        disk_id: Identity of the virtual disk, kept by copies; random by default, as the other GUIDs are.

    Raises:
        InvalidRequest: The file exists, or the request makes no valid VHDX. Nothing is left behind.
        OSError: The file cannot be written. Nothing is left behind.
    """
    shape = BatShape(virtual_size, block_size, logical_sector_size, parent is not None)
    _check_shape(shape, physical_sector_size, fixed)
    metadata = Metadata(
        block_size=block_size,
        leave_blocks_allocated=fixed,
        has_parent=parent is not None,
        virtual_size=virtual_size,
        disk_id=UUID(disk_id) if disk_id else uuid4(),
        logical_sector_size=logical_sector_size,
        physical_sector_size=physical_sector_size,
        parent_locator=parent.locator() if parent else {},
    )
    header = layout.Header(
        sequence=1,
        file_write_guid=UUID(file_write_guid) if file_write_guid else uuid4(),
        data_write_guid=UUID(data_write_guid) if data_write_guid else uuid4(),
        log_guid=layout.NO_GUID,
        log_length=_LOG.length,
        log_offset=_LOG.offset,
    )
    with new_file(path) as file:
        payload = _Payload(file, shape, fixed=fixed)
        for block, content in blocks.items() if isinstance(blocks, Mapping) else blocks:
            payload.add(block, content)
        bat = payload.finish()
        file.seek(_METADATA.offset)
        file.write(pack_metadata(metadata))
        _write_structures(file, header, bat, creator)
    return str(header.data_write_guid)


def _check_shape(shape: BatShape, physical_sector_size: int, fixed: bool) -> None:
    sector = shape.sector_size
    if sector not in (512, 4096) or physical_sector_size not in (512, 4096):
        raise InvalidRequest("a VHDX has sectors of 512 or 4096 bytes")
    if not 0 < shape.virtual_size <= MAX_VIRTUAL_SIZE or shape.virtual_size % sector:
        raise InvalidRequest(f"a VHDX of {shape.virtual_size} bytes: its size is a multiple of {sector}, to 64 TiB")
    if not MIB <= shape.block_size <= 256 * MIB or shape.block_size & (shape.block_size - 1):
        raise InvalidRequest(f"a VHDX block of {shape.block_size} bytes: it is a power of two, 1 MiB to 256 MiB")
    if fixed and shape.differencing:
        raise InvalidRequest("a fixed VHDX has no parent")


@contextmanager
def new_file(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Create a file for writing; remove it again when the work on it fails.

    Raises:
        InvalidRequest: Something is at this place already.
    """
    target = Path(path)
    try:
        file = target.open("xb")
    except FileExistsError:
        raise InvalidRequest(f"{target} exists already", hint="Choose another name, or remove it first.") from None
    try:
        with file:
            yield file
    except BaseException:
        with suppress(OSError):
            target.unlink()
        raise


def write_sparse(file: IO[bytes], offset: int, data: bytes | bytearray | memoryview) -> None:
    """Write bytes at a place where the file holds nothing yet; zeros become holes where the file system has holes."""
    view = memoryview(data)
    for at in range(0, len(view), len(_ZEROS)):
        piece = view[at : at + len(_ZEROS)]
        if piece != _ZEROS[: len(piece)]:
            file.seek(offset + at)
            file.write(piece)


class _Payload:
    """Lays blocks into the file one after the other and remembers where, for the BAT."""

    def __init__(self, file: IO[bytes], shape: BatShape, *, fixed: bool) -> None:
        self._file = file
        self._shape = shape
        self._fixed = fixed
        self._bat_region = layout.Region(_BAT_OFFSET, -(-shape.entry_count * 8 // MIB) * MIB)
        self._first = _BAT_OFFSET + self._bat_region.length
        self._end = self._first
        self._bitmaps: dict[int, bytearray] = {}
        self._entries: dict[int, int] = {}

    def add(self, block: int, content: Block) -> None:
        """Take the content of one block."""
        shape, entry = self._shape, self._shape.payload_entry(block)
        if not 0 <= block < shape.block_count:
            raise InvalidRequest(f"block {block} lies outside the disk of {shape.block_count} blocks")
        if entry in self._entries:
            raise InvalidRequest(f"block {block} was given twice")
        if isinstance(content, BlockState):
            if self._fixed:
                raise InvalidRequest("every block of a fixed VHDX is present")
            self._entries[entry] = int(content)
        elif isinstance(content, PartialBlock):
            self._mark(block, content.sectors)
            self._entries[entry] = self._store(block, content.data) | BlockState.PARTIALLY_PRESENT
        else:
            self._entries[entry] = self._store(block, content) | BlockState.FULLY_PRESENT

    def _store(self, block: int, data: bytes | bytearray | memoryview) -> int:
        shape = self._shape
        if len(data) > shape.block_size:
            raise InvalidRequest(f"block {block} has {len(data)} bytes; a block has {shape.block_size}")
        offset = self._first + block * shape.block_size if self._fixed else self._end
        write_sparse(self._file, offset, data)
        self._end = max(self._end, offset + shape.block_size)
        return offset

    def _mark(self, block: int, sectors: bytes) -> None:
        shape = self._shape
        length = shape.block_size // shape.sector_size // 8
        if not shape.differencing:
            raise InvalidRequest(f"block {block} cannot be partial: the disk has no parent")
        if len(sectors) > length:
            raise InvalidRequest(f"block {block} has a bitmap of {len(sectors)} bytes; it needs {length}")
        bitmap = self._bitmaps.setdefault(shape.bitmap_entry(block), bytearray(MIB))
        at = block % shape.chunk_ratio * length
        bitmap[at : at + len(sectors)] = sectors

    def finish(self) -> tuple[layout.Region, dict[int, int]]:
        """Write the sector bitmaps, set the file's length, and return the BAT."""
        shape, entries = self._shape, self._entries
        if self._fixed:
            places = ((n, self._first + n * shape.block_size) for n in range(shape.block_count))
            entries = {shape.payload_entry(n): place | BlockState.FULLY_PRESENT for n, place in places}
            self._end = self._first + shape.block_count * shape.block_size
        for entry, bitmap in self._bitmaps.items():
            self._file.seek(self._end)
            self._file.write(bitmap)
            entries[entry] = self._end | BlockState.FULLY_PRESENT
            self._end += MIB
        self._file.truncate(self._end)
        return self._bat_region, entries


def _write_structures(
    file: IO[bytes], header: layout.Header, bat: tuple[layout.Region, dict[int, int]], creator: str
) -> None:
    """Write BAT, region tables and headers; the headers come last: until then the file is no VHDX."""
    bat_region, entries = bat
    pages: dict[int, bytearray] = {}
    for entry, value in entries.items():
        page, at = divmod(entry * 8, _BAT_PAGE)
        pages.setdefault(page, bytearray(_BAT_PAGE))[at : at + 8] = value.to_bytes(8, "little")
    for page, content in pages.items():
        file.seek(bat_region.offset + page * _BAT_PAGE)
        file.write(content)
    regions = layout.pack_region_table({layout.BAT_REGION: bat_region, layout.METADATA_REGION: _METADATA})
    for offset in layout.REGION_TABLE_OFFSETS:
        file.seek(offset)
        file.write(regions)
    file.seek(0)
    file.write(layout.pack_file_identifier(creator))
    file.flush()
    for sequence, offset in enumerate(layout.HEADER_OFFSETS, start=header.sequence):
        file.seek(offset)
        file.write(layout.pack_header(header._replace(sequence=sequence)))
