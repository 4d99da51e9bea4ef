"""The files below a folder of this machine, as a restore point will name them; nothing that cannot come back."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from hvbackup.errors import BackupError, InvalidRequest
from hvbackup.events import Cancellation
from hvbackup.repository.points import check_file_name


class LocalFile(NamedTuple):
    """A file as it was seen.

    Attributes:
        name: Its name in the restore point: the path below the folder, with `/`.
        stamp: What a write to the file would change.
    """

    name: str
    path: Path
    size: int
    stamp: tuple[int, int]


class Listing(NamedTuple):
    """The files, sorted by name, and the empty folders, which a restore point does not keep."""

    files: tuple[LocalFile, ...]
    empty_folders: tuple[str, ...]


def list_folder(folder: Path, *, cancel: Cancellation | None = None) -> Listing:
    """Return all files below `folder`.

    Links are refused, not followed: what they lead to may lie elsewhere, or be there twice, and a restore point holds
    no links to bring back. `folder` itself may be one.

    Raises:
        InvalidRequest: `folder` is no folder, or holds a link, a device, a pipe, or a name that a restore point cannot
            hold.
        BackupError: A folder cannot be read.
    """
    if not folder.is_dir():
        raise InvalidRequest(f"{folder} is not a folder of this machine")
    files: list[LocalFile] = []
    empty: list[str] = []
    names: dict[str, str] = {}
    for place, below, entries in _walk(folder):
        if cancel is not None:
            cancel.check()
        if not entries and place != folder:
            empty.append(place.relative_to(folder).as_posix())
        for entry in entries:
            status = _status(entry)
            if _is_link(status):
                raise InvalidRequest(
                    f"{entry} is a link; links are not imported",
                    hint="Put the file itself in its place, or import the folder that it leads to.",
                )
            if stat.S_ISDIR(status.st_mode):
                below.append(entry)
            else:
                files.append(_file(folder, entry, status, names))
    return Listing(tuple(sorted(files)), tuple(sorted(empty)))


def unreadable(path: Path, error: OSError) -> BackupError:
    """Return the error for a file or folder that cannot be read."""
    return BackupError(
        f"{path} cannot be read: {error.strerror or error}",
        hint="Check its rights, and that no running VM has it open. Nothing was imported.",
    )


def _walk(folder: Path) -> Iterator[tuple[Path, list[Path], list[Path]]]:
    """Yield each folder, a list to put the folders below it in, and its entries."""
    waiting = [folder]
    while waiting:
        place = waiting.pop()
        try:
            entries = list(place.iterdir())
        except OSError as error:
            raise unreadable(place, error) from error
        yield place, waiting, entries


def _status(path: Path) -> os.stat_result:
    try:
        return path.lstat()
    except OSError as error:
        raise unreadable(path, error) from error


def _is_link(status: os.stat_result) -> bool:
    # On Windows junctions lead elsewhere too; other reparse points (deduplicated files) are read as what they are.
    mount_point = getattr(stat, "IO_REPARSE_TAG_MOUNT_POINT", None)
    return stat.S_ISLNK(status.st_mode) or getattr(status, "st_reparse_tag", 0) == mount_point


def _file(folder: Path, path: Path, status: os.stat_result, names: dict[str, str]) -> LocalFile:
    if not stat.S_ISREG(status.st_mode):
        raise InvalidRequest(f"{path} is no file (a device, a pipe or a socket)", hint="Take it out of the folder.")
    name = path.relative_to(folder).as_posix()
    try:
        name.encode()
        check_file_name(name)
    except (UnicodeEncodeError, InvalidRequest):
        raise InvalidRequest(
            f"{path!r} has a name that Windows, and so a restore point, cannot hold", hint="Rename it."
        ) from None
    twin = names.setdefault(name.casefold(), name)
    if twin != name:
        raise InvalidRequest(f"{twin!r} and {name!r} differ in case only", hint="Rename one: Windows cannot hold both.")
    return LocalFile(name, path, status.st_size, (status.st_mtime_ns, status.st_ctime_ns))
