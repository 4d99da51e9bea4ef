"""The small disk that ships with the simulator: a GPT with one NTFS volume and a few files, as real programs make them.

`scripts/make-small-disk` makes it. Each variant has ids of its own and one cluster of own content (`machine.txt`), so
that the disks of several VMs differ, and share nearly all of their blocks.
"""

from __future__ import annotations

import lzma
import os
from collections.abc import Iterator
from importlib.resources import files
from uuid import UUID, uuid5

from hvbackup.images.disk import Kind
from hvbackup.images.source import BytesSource
from hvbackup.images.vhdx import Vhdx
from hvbackup.images.writer import create_vhdx

SMALL_DISK_SIZE = 64 * 1024 * 1024
SMALL_DISK_BLOCK = 1024 * 1024
#: Where on the disk the cluster of `machine.txt` is, the only one that differs between variants.
OWN_CONTENT_OFFSET = 35893248
OWN_CONTENT_SIZE = 4096

_IDS = UUID("0d15c0de-0000-4000-8000-000000000000")


def write_small_disk(path: str | os.PathLike[str], *, variant: int) -> str:
    """Write one variant of the small disk as a dynamic VHDX; return its DataWriteGuid.

    The same variant is the same file each time.

    Raises:
        InvalidRequest: The file exists.
    """
    return create_vhdx(
        path,
        SMALL_DISK_SIZE,
        small_disk_blocks(variant),
        block_size=SMALL_DISK_BLOCK,
        disk_id=str(uuid5(_IDS, f"{variant}/disk")),
        data_write_guid=str(uuid5(_IDS, f"{variant}/data")),
        file_write_guid=str(uuid5(_IDS, f"{variant}/file")),
    )


def small_disk_blocks(variant: int) -> Iterator[tuple[int, bytes]]:
    """The blocks of one variant that are not zeros, `SMALL_DISK_BLOCK` bytes each, by number."""
    disk = Vhdx(BytesSource(lzma.decompress(files(__package__).joinpath("small-ntfs.vhdx.xz").read_bytes())))
    for extent in disk.extents():
        if extent.kind is not Kind.DATA:
            continue
        for offset in range(extent.offset, extent.end, SMALL_DISK_BLOCK):
            block = disk.read_at(offset, SMALL_DISK_BLOCK)
            at = OWN_CONTENT_OFFSET - offset
            if 0 <= at < SMALL_DISK_BLOCK:
                block = block[:at] + own_content(variant) + block[at + OWN_CONTENT_SIZE :]
            yield offset // SMALL_DISK_BLOCK, block


def own_content(variant: int) -> bytes:
    """What a variant has in `machine.txt`."""
    lines = (f"machine {variant}, line {line}: {uuid5(_IDS, f'{variant}/{line}')}\r\n" for line in range(100))
    return "".join(lines).encode("ascii")[:OWN_CONTENT_SIZE].ljust(OWN_CONTENT_SIZE, b".")
