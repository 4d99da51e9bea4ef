"""Write new VHD files: fixed, dynamic and differencing, as `writer` does for VHDX.

Blocks of dynamic files begin, after their sector bitmap, at whole 4096 bytes, as in files written by Hyper-V.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Mapping
from typing import IO, TypeAlias
from uuid import UUID, uuid4

from hvbackup.errors import InvalidRequest
from hvbackup.images import vhd_layout as layout
from hvbackup.images.vhd_layout import ABSENT, SECTOR, DiskType, DynamicHeader, Footer
from hvbackup.images.writer import PartialBlock, new_file, write_sparse
from hvbackup.models import Model

_TABLE_OFFSET = 1536
_ALIGNMENT = 4096
_MIRRORED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))

#: What a block holds: its bytes (zeros are added at the end), or some of its sectors.
VhdBlock: TypeAlias = bytes | bytearray | memoryview | PartialBlock


class VhdParent(Model, frozen=True, kw_only=True):
    r"""What a differencing VHD says of its parent.

    Attributes:
        disk_id: The parent's unique id: the linkage that proves it is the right parent.
        relative_path: From the child's folder, such as `.\base.vhd`.
        absolute_path: Full Windows path.
        timestamp: The parent's time of change, in seconds since 2000-01-01 UTC.
    """

    disk_id: str
    relative_path: str | None = None
    absolute_path: str | None = None
    timestamp: int = 0


def create_vhd(
    path: str | os.PathLike[str],
    virtual_size: int,
    blocks: Mapping[int, VhdBlock] | Iterable[tuple[int, VhdBlock]],
    *,
    block_size: int = 2 * 1024 * 1024,
    fixed: bool = False,
    parent: VhdParent | None = None,
    disk_id: str | None = None,
    timestamp: int = 0,
    creator: str = "win ",
) -> str:
    """Create a VHD file and return its unique id.

    Args:
        virtual_size: Bytes of the virtual disk; a multiple of 512, at most 2040 GiB.
        blocks: Content by block number, laid into the file in the order given; others are absent (zeros, or the
            parent's).
        block_size: Bytes of a block: a power of two from 4096 to 256 MiB; also of a fixed disk, whose `blocks` it cuts.
        creator: Four letters. Some readers take the size from the geometry, which is rounded, for creators that they
            do not know; so the default is that of Windows.

    Raises:
        InvalidRequest: The file exists, or the request makes no valid VHD. Nothing is left behind.
        OSError: The file cannot be written. Nothing is left behind.
    """
    if not 0 < virtual_size <= layout.MAX_VIRTUAL_SIZE or virtual_size % SECTOR:
        raise InvalidRequest(f"a VHD of {virtual_size} bytes: its size is a multiple of 512, to 2040 GiB")
    if not _ALIGNMENT <= block_size <= layout.MAX_BLOCK_SIZE or block_size & (block_size - 1):
        raise InvalidRequest(f"a VHD block of {block_size} bytes: it is a power of two, 4096 to 256 MiB")
    if fixed and parent:
        raise InvalidRequest("a fixed VHD has no parent")
    kind = DiskType.FIXED if fixed else DiskType.DIFFERENCING if parent else DiskType.DYNAMIC
    footer = Footer(
        disk_type=kind,
        virtual_size=virtual_size,
        disk_id=UUID(disk_id) if disk_id else uuid4(),
        header_offset=layout.NO_OFFSET if fixed else layout.FOOTER_SIZE,
        timestamp=timestamp,
        creator=creator.encode("ascii")[:4].ljust(4),
    )
    pairs = blocks.items() if isinstance(blocks, Mapping) else blocks
    with new_file(path) as file:
        if fixed:
            _write_fixed(file, footer, pairs, block_size)
        else:
            _write_dynamic(file, footer, pairs, block_size, parent)
    return str(footer.disk_id)


def _checked(block: int, data: bytes | bytearray | memoryview, block_size: int, count: int) -> None:
    if not 0 <= block < count:
        raise InvalidRequest(f"block {block} lies outside the disk of {count} blocks")
    if len(data) > block_size:
        raise InvalidRequest(f"block {block} has {len(data)} bytes; a block has {block_size}")


def _write_fixed(file: IO[bytes], footer: Footer, blocks: Iterable[tuple[int, VhdBlock]], block_size: int) -> None:
    for block, content in blocks:
        if isinstance(content, PartialBlock):
            raise InvalidRequest(f"block {block} cannot be partial: the disk has no parent")
        _checked(block, content, block_size, -(-footer.virtual_size // block_size))
        if block * block_size + len(content) > footer.virtual_size:
            raise InvalidRequest(f"block {block} reaches behind the end of the disk")
        write_sparse(file, block * block_size, content)
    file.truncate(footer.virtual_size)
    file.seek(footer.virtual_size)
    file.write(layout.pack_footer(footer))


def _write_dynamic(
    file: IO[bytes], footer: Footer, blocks: Iterable[tuple[int, VhdBlock]], block_size: int, parent: VhdParent | None
) -> None:
    count = -(-footer.virtual_size // block_size)
    locator_offset = -(-(_TABLE_OFFSET + count * 4) // SECTOR) * SECTOR
    paths = {layout.RELATIVE_PATH: parent.relative_path, layout.ABSOLUTE_PATH: parent.absolute_path} if parent else {}
    locators, texts = layout.pack_locators({code: path for code, path in paths.items() if path}, locator_offset)
    header = DynamicHeader(_TABLE_OFFSET, count, block_size, locators=locators)
    if parent:
        name = parent.absolute_path or parent.relative_path or ""
        header = header._replace(
            parent_id=UUID(parent.disk_id), parent_timestamp=parent.timestamp, parent_name=name.rsplit("\\", 1)[-1]
        )
    places: dict[int, int] = {}
    end = locator_offset + len(texts)
    for block, content in blocks:
        data, sectors = _parts(content, header)
        _checked(block, data, block_size, count)
        if block in places:
            raise InvalidRequest(f"block {block} was given twice")
        start = -(-(end + header.bitmap_size) // _ALIGNMENT) * _ALIGNMENT
        file.seek(start - header.bitmap_size)
        file.write(sectors)
        write_sparse(file, start, data)
        places[block] = (start - header.bitmap_size) // SECTOR
        end = start + block_size
    file.truncate(end)
    table = b"".join(struct.pack(">I", places.get(block, ABSENT)) for block in range(count))
    for offset, content in (
        (layout.FOOTER_SIZE, layout.pack_dynamic_header(header)),
        (_TABLE_OFFSET, table.ljust(locator_offset - _TABLE_OFFSET, b"\xff")),
        (locator_offset, texts),
        (0, layout.pack_footer(footer)),
        (end, layout.pack_footer(footer)),
    ):
        file.seek(offset)
        file.write(content)


def _parts(content: VhdBlock, header: DynamicHeader) -> tuple[bytes | bytearray | memoryview, bytes]:
    """The bytes of a block and its sector bitmap, whose first sector is the highest bit of the first byte."""
    if not isinstance(content, PartialBlock):
        return content, b"\xff" * header.bitmap_size
    if len(content.sectors) > header.bitmap_size:
        raise InvalidRequest(f"a bitmap of {len(content.sectors)} bytes; it needs {header.bitmap_size} at most")
    return content.data, content.sectors.translate(_MIRRORED).ljust(header.bitmap_size, b"\0")
