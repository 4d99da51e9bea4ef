"""The disk images among files of this machine: whole, with all their parents, or not worth a restore point."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from hvbackup.errors import ImageDamaged, ImageUnsupported, ParentMissing
from hvbackup.images.chain import is_differencing, open_disk, open_image
from hvbackup.images.check import check_chain
from hvbackup.images.grid import grid_cuts
from hvbackup.images.source import FileSource
from hvbackup.jobs.disk_check import DiskFindings, check_disk
from hvbackup.jobs.local_folder import LocalFile, unreadable
from hvbackup.repository.seams import Grid


def check_disks(disks: Iterable[LocalFile]) -> DiskFindings:
    """Check each image, and that the parents of differencing disks are among the files.

    Raises:
        BackupError: A file cannot be read.
    """
    disks = list(disks)
    problems: list[str] = []
    doubts: list[str] = []
    notes: list[str] = []
    for disk in disks:
        try:
            with FileSource(disk.path) as source:
                found = check_disk(source)
            if not found.problems:
                doubts += [f"{disk.name}: {text}" for text in _chain_doubts(disk, disks)]
        except OSError as error:
            raise unreadable(disk.path, error) from error
        except (ParentMissing, ImageDamaged) as error:
            found = DiskFindings(problems=(str(error),))
        problems += [f"{disk.name}: {text}" for text in found.problems]
        notes += [f"{disk.name}: {text}" for text in found.notes]
    return DiskFindings(problems=tuple(problems), doubts=tuple(doubts), notes=tuple(notes))


def disk_grid(disk: LocalFile) -> Grid:
    """Return the grid on which the blocks of an image are found again when it grows or is compacted.

    Raises:
        BackupError: The file cannot be read.
    """
    try:
        with FileSource(disk.path) as source:
            return Grid(cuts=grid_cuts(source))
    except OSError as error:
        raise unreadable(disk.path, error) from error
    except ImageUnsupported:
        return Grid()


def _chain_doubts(disk: LocalFile, disks: list[LocalFile]) -> tuple[str, ...]:
    """Return what does not fit between a differencing disk and its parents.

    Raises:
        ParentMissing: A parent is not among the files.
    """
    folders = sorted({each.path.parent for each in disks})
    try:
        with FileSource(disk.path) as source:
            if not is_differencing(open_image(source)):
                return ()
        with open_disk(disk.path, folders=folders, allow_mismatch=True) as opened:
            paths = opened.paths
    except ImageUnsupported:
        return ()  # told of by `check_disk`
    _refuse_strangers(paths, disks)
    with ExitStack() as files:
        return check_chain([files.enter_context(FileSource(path)) for path in paths]).link_problems


def _refuse_strangers(paths: Iterable[Path], disks: list[LocalFile]) -> None:
    known = {disk.path.resolve() for disk in disks}
    for path in paths:
        if path.resolve() not in known:
            raise ParentMissing(f"its parent {path} lies outside the folder that is imported")
