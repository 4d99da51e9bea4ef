r"""Windows paths over the simulated host's folder, and copies of whole volumes.

`D:\a\b` is `FOLDER/D/a/b`, `\\?\Volume{guid}\x` is `FOLDER/Volume{guid}/x`, and
`\\?\GLOBALROOT\Device\HarddiskVolumeShadowCopy1\x` is `FOLDER/GLOBALROOT/Device/HarddiskVolumeShadowCopy1/x`.
Names have no case.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

_ROOT = re.compile(
    r"(?:\\\\[?.]\\)?(?P<drive>[A-Za-z]:)(?=\\|$)"
    r"|\\\\[?.]\\(?P<volume>Volume\{[0-9A-Fa-f-]{36}\})(?=\\|$)"
    r"|\\\\[?.]\\(?P<shadow>GLOBALROOT\\Device\\HarddiskVolumeShadowCopy\d+)(?=\\|$)",
    re.IGNORECASE,
)
_INVALID = re.compile(r'[<>:"|?*/\x00-\x1f]')
_CHUNK = 1 << 20


class MalformedPath(ValueError):
    """A path that is relative, has `..`, or is no Windows path."""


def split_path(path: str) -> tuple[str, list[str]]:
    r"""Return the root of a Windows path as a folder name (`D`, `Volume{..}`, `GLOBALROOT/Device/..`) and its names.

    Raises:
        MalformedPath: The path is relative, of an unknown kind, or has `.`, `..` or characters that no name has.
    """
    match = _ROOT.match(path)
    if match is None:
        raise MalformedPath(f"not a full path: {path}")
    root = match["drive"][0].upper() if match["drive"] else match["volume"] or match["shadow"].replace("\\", "/")
    names = [name for name in path[match.end() :].split("\\") if name]
    for name in names:
        if name in (".", "..") or _INVALID.search(name) or name != name.rstrip(" ."):
            raise MalformedPath(f"not a plain path: {path}")
    return root, names


def local_path(folder: Path, path: str) -> Path:
    """Return where a Windows path lies on this machine; what does not exist keeps its own case.

    Raises:
        MalformedPath: See `split_path`.
    """
    root, names = split_path(path)
    local = folder
    for name in [*root.split("/"), *names]:
        local = child(local, name)
    return local


def windows_path(folder: Path, local: Path) -> str | None:
    """Return the Windows path of a place below the host's folder, or None when it lies elsewhere."""
    try:
        names = local.resolve().relative_to(folder).parts
    except ValueError:
        return None
    if not names:
        return None
    root = f"{names[0]}:" if len(names[0]) == 1 else f"\\\\?\\{names[0]}"
    return "\\".join([root, *names[1:]]) if len(names) > 1 else root + "\\"


def child(folder: Path, name: str) -> Path:
    """Return the entry of a folder with this name in any case, or where it would be."""
    exact = folder / name
    if os.path.lexists(exact) or not folder.is_dir():
        return exact
    wanted = name.casefold()
    return next((entry for entry in folder.iterdir() if entry.name.casefold() == wanted), exact)


def has_link(folder: Path, path: str) -> bool:
    """Whether a name of the path below its root is a link (a mount point, a symbolic link)."""
    root, names = split_path(path)
    local = folder
    for name in root.split("/"):
        local = child(local, name)
    for name in names:
        local = child(local, name)
        if local.is_symlink():
            return True
    return False


def make_link(link: Path, target: Path) -> None:
    """Make a relative link, so that the whole host may be moved."""
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(os.path.relpath(target, link.parent), target_is_directory=True)


def copy_volume(source: Path, target: Path) -> None:
    """Copy all files of a volume with their times; holes stay holes, links (mount points) are left out."""
    target.mkdir(parents=True)
    for entry in os.scandir(source):
        if entry.is_symlink():
            continue
        if entry.is_dir():
            copy_volume(Path(entry.path), target / entry.name)
        elif entry.is_file():
            copy_sparse(Path(entry.path), target / entry.name)
    shutil.copystat(source, target)


def copy_sparse(source: Path, target: Path) -> None:
    """Copy one file and its times, without writing what is zeros."""
    with source.open("rb") as reader, target.open("wb") as writer:
        size = os.fstat(reader.fileno()).st_size
        for start, end in _data_ranges(reader.fileno(), size):
            position = start
            while position < end:
                reader.seek(position)
                data = reader.read(min(_CHUNK, end - position))
                if not data:
                    break
                if data.count(0) != len(data):
                    writer.seek(position)
                    writer.write(data)
                position += len(data)
        writer.truncate(size)
    shutil.copystat(source, target)


def _data_ranges(descriptor: int, size: int) -> list[tuple[int, int]]:
    """The parts of a file that are not holes, as far as the file system tells."""
    if not hasattr(os, "SEEK_DATA"):
        return [(0, size)]
    ranges, position = [], 0
    while position < size:
        try:
            start = os.lseek(descriptor, position, os.SEEK_DATA)
            position = os.lseek(descriptor, start, os.SEEK_HOLE)
        except OSError:  # no data after `position`
            break
        ranges.append((start, position))
    return ranges
