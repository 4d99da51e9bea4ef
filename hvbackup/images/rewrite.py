"""Make one sound VHDX out of others: a chain flattened, a dirty log written back. Inputs are never written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from uuid import uuid4

from hvbackup.errors import InvalidRequest
from hvbackup.events import Cancellation, EventSink, Progress, discard
from hvbackup.images import vhdx_layout as layout
from hvbackup.images.disk import Kind, VirtualDisk
from hvbackup.images.source import FileSource, Source
from hvbackup.images.vhdx import Vhdx
from hvbackup.images.vhdx_layout import MIB
from hvbackup.images.writer import create_vhdx, new_file, write_sparse

_PIECE = 4 * MIB


def flatten(
    disk: VirtualDisk,
    target: str | os.PathLike[str],
    *,
    block_size: int = 32 * MIB,
    disk_id: str | None = None,
    events: EventSink = discard,
    cancel: Cancellation | None = None,
) -> str:
    """Write a disk, with all that it lies on, into one dynamic VHDX; return its DataWriteGuid.

    Blocks that hold only zeros are left out. The new file is a new disk for Windows (its own ids) unless `disk_id`
    says otherwise.

    Raises:
        ImageDamaged, ParentMissing: The disk cannot be read; nothing is left behind.
        InvalidRequest: The target exists.
        Cancelled: Nothing is left behind.
    """
    return create_vhdx(
        target,
        disk.size,
        _blocks(disk, block_size, events, cancel or Cancellation()),
        block_size=block_size,
        logical_sector_size=disk.sector_size,
        disk_id=disk_id,
    )


def _blocks(
    disk: VirtualDisk, block_size: int, events: EventSink, cancel: Cancellation
) -> Iterator[tuple[int, bytes | bytearray]]:
    """The blocks of `disk` that are not all zeros, in order; each is read once, holes are not read."""
    number, block = -1, bytearray()
    for offset, length in _data_pieces(disk, block_size):
        cancel.check()
        if offset // block_size != number:
            if block.strip(b"\0"):
                yield number, block
            number, block = offset // block_size, bytearray()
            events(Progress(activity="flatten", done=offset, total=disk.size))
        at = offset - number * block_size
        block.extend(bytes(at - len(block)))
        block += disk.read_at(offset, length)
    if block.strip(b"\0"):
        yield number, block
    events(Progress(activity="flatten", done=disk.size, total=disk.size))


def _data_pieces(disk: VirtualDisk, block_size: int) -> Iterator[tuple[int, int]]:
    """The stretches with data, cut where a block of the target ends, and into pieces of a bounded size."""
    for extent in disk.extents():
        if extent.kind is Kind.ZERO:
            continue
        at = extent.offset
        while at < extent.end:
            length = min(_PIECE, extent.end - at, block_size - at % block_size)
            yield at, length
            at += length


def bake_log(
    source: str | os.PathLike[str] | Source,
    target: str | os.PathLike[str],
    *,
    events: EventSink = discard,
    cancel: Cancellation | None = None,
) -> int:
    """Copy a VHDX file with its dirty log written back; return the number of log entries.

    Windows does the same when it opens a file to write. The disk keeps its id and its DataWriteGuid: its contents are
    the same, so a child still fits. The FileWriteGuid is a new one ([MS-VHDX] 2.2.2.1).

    Raises:
        ImageDamaged, ImageUnsupported: The source is damaged, or its log cannot be replayed; nothing is left behind.
        InvalidRequest: The target exists, or the source has no dirty log.
        Cancelled: Nothing is left behind.
    """
    cancel = cancel or Cancellation()
    with ExitStack() as files:
        opened = files.enter_context(FileSource(source)) if isinstance(source, (str, os.PathLike)) else source
        disk = Vhdx(opened)
        if disk.log is None:
            name = source if isinstance(source, (str, os.PathLike)) else "the image"
            raise InvalidRequest(f"{name} has no log to write back", hint="It can be used as it is.")
        with new_file(target) as file:
            for offset in range(layout.REGION_TABLE_OFFSETS[0], disk.file.size, _PIECE):
                cancel.check()
                write_sparse(file, offset, disk.file.read_at(offset, _PIECE))
                events(Progress(activity="bake-log", done=offset, total=disk.file.size))
            file.truncate(disk.file.size)
            file.seek(0)
            file.write(opened.read_at(0, layout.HEADER_OFFSETS[0]))  # the signature, and who made the file
            clean = disk.header._replace(file_write_guid=uuid4(), log_guid=layout.NO_GUID)
            for number, offset in enumerate(layout.HEADER_OFFSETS, start=1):
                file.seek(offset)
                file.write(layout.pack_header(clean._replace(sequence=clean.sequence + number)))
        return disk.log_entries
