"""Named streams (NTFS) on a machine that has none: small ones as extended attributes, others as files beside."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from hvbackup.images.destination import Destination, Folder, Parts
from hvbackup.images.extracted_file import Seen, copy_contents, is_same, whole_file
from hvbackup.images.extraction_plan import Item
from hvbackup.images.filesystems.contract import Stream
from hvbackup.images.opened_ahead import read
from hvbackup.images.source import Source

#: Longest stream that becomes an attribute; ext4 has 4 KiB for all attributes of a file.
_LONGEST_ATTRIBUTE = 2048


@contextmanager
def opened(folder: Folder, name: str) -> Iterator[int | None]:
    """Open a file or folder for its attributes; None where there are none."""
    try:
        file = folder.open_there(name) if sys.platform == "linux" else None
    except OSError:
        file = None
    try:
        yield file
    finally:
        if file is not None:
            os.close(file)


def has_attribute(file: int | None, stream: Stream) -> bool:
    """Whether an open file has the attribute of a stream already, of the same length."""
    if sys.platform != "linux" or file is None:
        return False
    try:
        return len(os.getxattr(file, _attribute(stream))) == stream.size_bytes
    except (OSError, ValueError):
        return False


def write_attribute(file: int | None, stream: Stream, source: Source) -> bool:
    """Write a stream as the attribute `user.ads.NAME` of an open file; return whether it could be.

    Raises:
        ImageDamaged: The stream could not be read.
    """
    if sys.platform != "linux" or file is None or source.size > _LONGEST_ATTRIBUTE:
        return False
    data = read(source, 0, source.size) if source.size else b""
    try:
        os.setxattr(file, _attribute(stream), data)
    except (OSError, ValueError):  # the file system has none, or no room; ValueError: a name with NUL
        return False
    return True


def _attribute(stream: Stream) -> str:
    return f"user.ads.{stream.name}"


def write_beside(
    place: Destination, item: Item, name: str, stream: Stream, pieces: Iterable[bytes], seen: Seen, *, replace: bool
) -> tuple[Parts, bool]:
    """Write a stream as a file in the folder beside; return where it is, and whether it was there already.

    Raises:
        ImageDamaged: The stream could not be read.
        OSError: It could not be written; `FileExistsError` if something else has the name, and `replace` is not set.
    """
    parts = (*item.parts[:-1], item.side, name)
    folder = place.folder(parts[:-1])
    there = folder.look(name)
    if there is not None and is_same(stream.size_bytes, item.entry.modified_at, there):
        return parts, True
    if there is not None and not replace:
        raise FileExistsError(f"{'/'.join(parts)} is there, and differs")
    with whole_file(folder, name, 0o666, item.entry) as (file, _):
        copy_contents(pieces, stream.size_bytes, file, seen, sparse=False)
    return parts, False
