"""The disk files of the simulated host: made from the small disk that ships, described, read and changed in place."""

from __future__ import annotations

import contextlib
import ntpath
import uuid
import zlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from hvbackup.errors import ImageError
from hvbackup.images.chain import Image, open_chain, open_image, parent_paths
from hvbackup.images.source import FileSource
from hvbackup.images.vhd import Vhd
from hvbackup.images.vhd_layout import DiskType
from hvbackup.images.vhdx import Vhdx
from hvbackup.images.vhdx_layout import BlockState
from hvbackup.images.writer import VhdxParent, create_vhdx
from hvbackup.simulator.small_disk import (
    OWN_CONTENT_OFFSET,
    OWN_CONTENT_SIZE,
    SMALL_DISK_BLOCK,
    SMALL_DISK_SIZE,
    own_content,
    small_disk_blocks,
)

_OWN_BLOCK, _OWN_PLACE = divmod(OWN_CONTENT_OFFSET, SMALL_DISK_BLOCK)


class DiskFile(NamedTuple):
    """What Get-VHD says of a VHD or VHDX file; sizes in bytes."""

    format: str
    type: str
    size: int
    file_size: int
    identifier: str
    block_size: int
    logical_sector: int
    physical_sector: int
    parent: str | None


def variant(identity: str) -> int:
    """The number of the small disk's variant that belongs to a text."""
    return zlib.crc32(identity.encode())


@lru_cache(maxsize=1)
def _common_blocks() -> dict[int, bytes]:
    """The blocks that all variants share, and one that each changes."""
    return dict(small_disk_blocks(0))


def _own_block(number: int) -> bytes:
    block = _common_blocks()[_OWN_BLOCK]
    return block[:_OWN_PLACE] + own_content(number) + block[_OWN_PLACE + OWN_CONTENT_SIZE :]


def write_disk(path: Path, identity: str) -> None:
    """Write a dynamic VHDX with GPT and NTFS, nearly all of whose blocks are the same for every identity."""
    _create(path, identity, {**_common_blocks(), _OWN_BLOCK: _own_block(variant(identity))}, None)


def write_child(path: Path, identity: str, parent: Path, parent_path: str, *, empty: bool = False) -> None:
    """Write a differencing VHDX over `parent` (Windows path `parent_path`) that changes one block, or none."""
    with FileSource(parent) as source:
        image = open_image(source)
    link = VhdxParent(
        data_write_guid=str(image.header.data_write_guid) if isinstance(image, Vhdx) else str(uuid.UUID(int=0)),
        relative_path=".\\" + ntpath.basename(parent_path),
        absolute_path=parent_path,
    )
    _create(path, identity, {} if empty else {_OWN_BLOCK: _own_block(variant(identity))}, link)


def _create(path: Path, identity: str, blocks: dict[int, bytes], parent: VhdxParent | None) -> None:
    """Write a VHDX whose GUIDs depend on the identity alone, so that a host is built alike each time."""

    def guid(name: str) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{identity}/{name}"))

    create_vhdx(
        path,
        SMALL_DISK_SIZE,
        blocks,
        block_size=SMALL_DISK_BLOCK,
        parent=parent,
        disk_id=guid("disk"),
        data_write_guid=guid("data"),
        file_write_guid=guid("file"),
    )


def change_content(path: Path, seed: str) -> int:
    """Overwrite the disk's file `machine.txt` in place, as a guest at work does; return how many bytes that are.

    Raises:
        ValueError: The file does not hold that part of its disk itself.
    """
    with FileSource(path) as source:
        image = open_image(source)
        place = _own_place(image) if isinstance(image, Vhdx) else None
    if place is None:
        raise ValueError(f"{path.name} does not hold the place to change")
    with path.open("r+b") as file:
        file.seek(place)
        file.write(own_content(variant(seed)))
    return OWN_CONTENT_SIZE


def _own_place(image: Vhdx) -> int | None:
    """Where in the file the cluster of `machine.txt` is, or None when its block is not the file's own."""
    index = image.shape.payload_entry(_OWN_BLOCK)
    for first, page in image.bat_pages():
        if first <= index < first + len(page):
            entry = page[index - first]
            return (entry >> 20 << 20) + _OWN_PLACE if entry & 7 == BlockState.FULLY_PRESENT else None
    return None


def describe(path: Path) -> DiskFile:
    """Return what Get-VHD would say; `ValueError` when the file is no VHDX or VHD."""
    with FileSource(path) as source:
        try:
            image = open_image(source)
        except ImageError as error:
            raise ValueError(f"The file or directory is corrupted and unreadable. ({error.message})") from None
        parent = next((name for name in parent_paths(image) if name[1:3] == ":\\"), None)
        if isinstance(image, Vhdx):
            return _describe_vhdx(image, source.size, parent)
        if isinstance(image, Vhd):
            return _describe_vhd(image, source.size, parent)
    raise ValueError("The file or directory is corrupted and unreadable.")


def _describe_vhd(image: Vhd, file_size: int, parent: str | None) -> DiskFile:
    kind = image.footer.disk_type
    return DiskFile(
        format="VHD",
        type=kind.name.capitalize(),
        size=image.size,
        file_size=file_size,
        identifier=str(image.footer.disk_id),
        block_size=0 if kind is DiskType.FIXED else 2 << 20,
        logical_sector=512,
        physical_sector=512,
        parent=parent,
    )


def _describe_vhdx(image: Vhdx, file_size: int, parent: str | None) -> DiskFile:
    metadata = image.metadata
    fixed = metadata.leave_blocks_allocated
    return DiskFile(
        format="VHDX",
        type="Differencing" if metadata.has_parent else "Fixed" if fixed else "Dynamic",
        size=metadata.virtual_size,
        file_size=file_size,
        identifier=str(metadata.disk_id),
        block_size=0 if fixed else metadata.block_size,
        logical_sector=metadata.logical_sector_size,
        physical_sector=metadata.physical_sector_size,
        parent=parent,
    )


@contextlib.contextmanager
def opened(chain: Sequence[Path]) -> Iterator[Image]:
    """Open a disk to read it; `chain` is leaf first. `ValueError` when it cannot be read."""
    with contextlib.ExitStack() as files:
        sources = [files.enter_context(FileSource(path)) for path in chain]
        try:
            yield open_chain(sources)
        except ImageError as error:
            raise ValueError(error.message) from None
