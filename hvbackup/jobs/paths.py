r"""Windows paths of a host, and where they are in a shadow copy and in a restore point (pure)."""

from __future__ import annotations

import ntpath
from collections.abc import Iterable, Mapping

from hvbackup.errors import VolumeNotCovered
from hvbackup.models import Volume


def volume_of(path: str, volumes: Iterable[Volume]) -> Volume | None:
    r"""Return the volume that holds `path`: the longest of all mount points that `path` begins with.

    A volume mounted in a folder (`C:\ClusterStorage\Volume1\`) wins over the drive that the folder is on.
    """
    best: tuple[int, Volume] | None = None
    for volume in volumes:
        for root in (*volume.paths, volume.id):
            if _is_below(path, root) and (best is None or len(root) > best[0]):
                best = (len(root), volume)
    return best[1] if best else None


def relative_to_volume(path: str, volume: Volume) -> str:
    """Return `path` without the mount point of its volume."""
    roots = [root for root in (*volume.paths, volume.id) if _is_below(path, root)]
    root = max(roots, key=len)
    return path[len(root.rstrip("\\")) :].lstrip("\\")


def in_shadow(path: str, volumes: Iterable[Volume], mounts: Mapping[str, str]) -> str:
    """Return where `path` is in the shadow set.

    Args:
        mounts: Volume id -> folder at which its shadow copy is exposed.

    Raises:
        VolumeNotCovered: The volume of `path` has no shadow copy in the set.
    """
    volume = volume_of(path, volumes)
    if volume is None or volume.id not in mounts:
        where = volume.id if volume else "an unknown volume"
        raise VolumeNotCovered(
            f"{path} lies on {where}, which is not in the shadow set",
            hint="A file share or a volume that the host does not list cannot be backed up this way.",
        )
    return ntpath.join(mounts[volume.id], relative_to_volume(path, volume))


def below_volume(path: str, volumes: Iterable[Volume]) -> str:
    r"""Return `path` with the casing and shape in which the host writes the root of its volume (`D:\...`)."""
    volume = volume_of(path, volumes)
    if volume is None or not volume.paths:
        return path
    return ntpath.join(volume.paths[0], relative_to_volume(path, volume))


def name_in_point(path: str) -> str:
    r"""Return the name of a file inside a restore point: `D:\VMs\a.vhdx` is `D/VMs/a.vhdx`."""
    text = path.removeprefix("\\\\?\\")
    if text[1:2] == ":":
        text = text[0].upper() + text[2:]
    return "/".join(part for part in text.split("\\") if part)


def below_folder(folder: str, name: str) -> str:
    r"""Return the Windows path of a point's file below `folder`: the tree of the source is kept."""
    return ntpath.join(folder, *name.split("/"))


def is_absolute(path: str) -> bool:
    r"""Whether a path begins at a drive or a volume (`D:\...`, `\\?\Volume{...}\...`) and has no `..` in it."""
    drive, rest = ntpath.splitdrive(path)
    at_root = path.startswith("\\\\?\\Volume{") or (len(drive) == 2 and rest.startswith("\\"))
    return at_root and ".." not in path.replace("/", "\\").split("\\")


def same_path(left: str, right: str) -> bool:
    """Whether two Windows paths are the same text, without case."""
    return ntpath.normcase(ntpath.normpath(left)) == ntpath.normcase(ntpath.normpath(right))


def _is_below(path: str, root: str) -> bool:
    # Not `casefold`: for Windows `ß` and `ss` are two names, and lengths must stay.
    head = root.rstrip("\\").lower()
    text = path.lower()
    return text == head or text.startswith(head + "\\")
