"""One file into one folder: under a temporary name until it is whole."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from typing import BinaryIO, Protocol

from hvbackup.images.destination import Folder, temporary_name
from hvbackup.images.filesystems.contract import Entry
from hvbackup.images.source import MIB

#: Zeros in such pieces become holes in a file that is sparse on the disk.
_HOLE_BYTES = 64 * 1024
_ZEROS = bytes(MIB)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Seen(Protocol):
    """Who looks at every piece before it is written: counts, hashes, raises to stop."""

    def __call__(self, data: bytes, /) -> object:
        """Look at a piece."""


@contextmanager
def whole_file(folder: Folder, name: str, mode: int, entry: Entry) -> Iterator[tuple[BinaryIO, str]]:
    """Open a file under a temporary name, which is also given; at the end of the block it gets its times and its own.

    What raises in the block leaves nothing behind, and what had the name before as it was.
    """
    temporary = temporary_name()
    descriptor = folder.create(temporary, mode)
    try:
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            yield file, temporary
        set_times(folder, temporary, entry)  # after it is closed: Windows sets the time of the last write then
        folder.rename(temporary, name)
    except BaseException:
        with suppress(OSError):
            folder.remove(temporary)
        raise


def copy_contents(pieces: Iterable[bytes], size: int, file: BinaryIO, seen: Seen, *, sparse: bool) -> None:
    """Write the pieces of a file of `size` bytes; where `sparse`, zeros are left out and become holes.

    Raises:
        OSError: They could not be written.
    """
    for data in pieces:
        seen(data)
        if sparse:
            _write_around_holes(file, data)
        else:
            write_all(file, data)
    if sparse:
        file.truncate(size)


def write_all(file: BinaryIO, data: bytes | memoryview) -> None:
    """Write all of it, in as many steps as the system wants."""
    written = file.write(data)
    while written < len(data):
        data = memoryview(data)[written:]
        written = file.write(data)


def _write_around_holes(file: BinaryIO, data: bytes) -> None:
    if data == _ZEROS[: len(data)]:
        file.seek(len(data), os.SEEK_CUR)
        return
    view = memoryview(data)
    for at in range(0, len(data), _HOLE_BYTES):
        piece = view[at : at + _HOLE_BYTES]
        if piece == _ZEROS[: len(piece)]:
            file.seek(len(piece), os.SEEK_CUR)
        else:
            write_all(file, piece)


def is_sparse(entry: Entry) -> bool:
    """Whether the disk holds fewer bytes of a file than it is long."""
    short = entry.allocated_bytes is not None and entry.allocated_bytes < entry.size_bytes
    return entry.size_bytes >= _HOLE_BYTES and (short or "sparse" in entry.attributes)


def nanoseconds(time: datetime) -> int:
    """Nanoseconds since 1970, exactly; a time without a zone is taken as UTC."""
    if time.tzinfo is None:
        time = time.replace(tzinfo=timezone.utc)
    passed = time - _EPOCH
    return (passed.days * 86_400 + passed.seconds) * 1_000_000_000 + passed.microseconds * 1000


def set_times(folder: Folder, name: str, entry: Entry) -> None:
    """Set the times of the entry; a file system that cannot hold them does not make the file a failure."""
    if entry.modified_at is not None:
        modified = nanoseconds(entry.modified_at)
        accessed = modified if entry.accessed_at is None else nanoseconds(entry.accessed_at)
        with suppress(OSError, OverflowError):
            folder.set_times(name, accessed, modified)


def is_same(size: int, modified_at: datetime | None, there: os.stat_result) -> bool:
    """Whether what is there is a file of this length and time.

    A file system that keeps whole seconds (or two of them) cannot show more.
    """
    if not stat.S_ISREG(there.st_mode) or there.st_size != size or modified_at is None:
        return False
    wanted = nanoseconds(modified_at)
    late = wanted - there.st_mtime_ns
    return 0 <= late < 1000 or (there.st_mtime_ns % 1_000_000_000 == 0 and 0 <= late < 2_000_000_000)
