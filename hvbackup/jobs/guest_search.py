"""Find files and folders in a file system by a path as people write it, with `*`, `?` and `**`."""

from __future__ import annotations

from collections.abc import Iterator

from hvbackup.events import Cancellation
from hvbackup.images.filesystems.contract import Entry, EntryKind, FileSystem
from hvbackup.images.walk import CASELESS, Unreadable, has_wildcards, walk


def find(
    files: FileSystem,
    path: str,
    *,
    inside: bool = False,
    recursive: bool = False,
    streams: bool = False,
    on_error: Unreadable | None = None,
    cancel: Cancellation | None = None,
) -> Iterator[Entry]:
    """Yield what a path means, a folder before what is in it. Links are not followed.

    Args:
        path: A path from the root of the volume, which may hold patterns.
        inside: Where a path without patterns leads to a folder, yield what the folder holds instead of itself.
        recursive: All that is below the folders that fit, too.
        streams: Look up named streams too.
        on_error: Told of each folder that cannot be read, as (path, error); without it the error is raised.

    Raises:
        EntryNotFound: There is nothing at a path without patterns. A pattern that nothing fits yields nothing.
        ImageError: A folder cannot be read, and there is no `on_error`.
        Cancelled: `cancel` was set.
    """
    path = as_path(path, files.info.kind)
    if not has_wildcards(path):
        entry = files.entry(path)
        is_folder = entry.kind is EntryKind.FOLDER
        if not (inside and is_folder):
            yield entry
        if not (is_folder and (inside or recursive)):
            return
        path = entry.path.rstrip("/") + ("/**" if recursive else "/*")
        recursive = False  # `**` has said it
    yield from walk(files, path, recursive=recursive, streams=streams, unreadable=on_error, cancel=cancel)


def as_path(path: str, kind: str) -> str:
    """Return a path as a file system of this kind has it: in the file systems of Windows no name holds a backslash."""
    return path.replace("\\", "/") if kind in CASELESS else path
