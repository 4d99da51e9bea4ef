"""Places inside a disk as people write them: `VOLUME:/PATH`, with `*`, `?` and `**` (pure)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from hvbackup.errors import EntryNotFound, InvalidRequest
from hvbackup.images.volumes import Volume

_VOLUME_AND_PATH = re.compile(r"(?P<volume>[^:\\*?]+):(?P<path>[/\\].*)?", re.DOTALL)
_DRIVE = re.compile(r"[A-Za-z]")


class GuestPath(NamedTuple):
    """A place in a disk.

    Attributes:
        volume: Name of the volume; None: whichever volume has it.
        path: From the root of the volume, `/` between names; its parts may be patterns.
        drive: The drive letter that was written instead of a volume. A disk does not know its letters.
    """

    volume: str | None
    path: str
    drive: str | None = None


def parse_guest_path(text: str, volumes: Sequence[Volume]) -> GuestPath:
    r"""Read `VOLUME:/PATH`, `VOLUME:`, `/PATH` or `**/NAME`; backslashes and drive letters are understood.

    Raises:
        EntryNotFound: The disk has no such volume; the hint names those that it has.
        InvalidRequest: It is no place.
    """
    names = {volume.name for volume in volumes}
    if text in names:
        return GuestPath(text, "/")
    if text.startswith(("/", "\\", "**")):
        return GuestPath(None, _normal(text))
    found = _VOLUME_AND_PATH.fullmatch(text)
    if found is None:
        raise InvalidRequest(
            f"{text!r} is no place in a disk", hint=f"Write VOLUME:/PATH, such as 2:/Users. {volumes_text(volumes)}"
        )
    volume, path = found["volume"], _normal(found["path"] or "/")
    if volume in names:
        return GuestPath(volume, path)
    if _DRIVE.fullmatch(volume):
        return GuestPath(None, path, volume.upper())
    raise EntryNotFound(f"the disk has no volume {volume!r}", hint=volumes_text(volumes))


def looks_like_guest_path(text: str) -> bool:
    """Whether a word can be meant as a place in a disk, and not as the name of a disk."""
    return text.startswith(("/", "\\", "**")) or _VOLUME_AND_PATH.fullmatch(text) is not None or text.isdigit()


def volumes_text(volumes: Sequence[Volume]) -> str:
    """Name the volumes in one sentence."""
    if not volumes:
        return "The disk has no volumes."
    return "Its volumes are " + ", ".join(f"{each.name} ({each.kind})" for each in volumes) + "."


def _normal(path: str) -> str:
    if path.startswith("\\"):
        path = path.replace("\\", "/")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise InvalidRequest(f"{path!r} goes up with `..`", hint="Write the path from the root of the volume.")
    return "/" + "/".join(parts)


def split_stream(path: str, kind: str) -> tuple[str, str | None]:
    """Part the name of a named stream from the path: `/a/b.txt:Zone.Identifier`. Only NTFS has such."""
    folder, slash, name = path.rpartition("/")
    if kind != "ntfs" or ":" not in name:
        return path, None
    name, _, stream = name.partition(":")
    return folder + slash + name, stream or None
