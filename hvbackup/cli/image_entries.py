"""Entries of a guest's folders as lines: written one by one, so that a million files need no memory."""

from __future__ import annotations

import stat
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from hvbackup.cli.output import Output, one_line
from hvbackup.cli.sizes import size_text
from hvbackup.images.filesystems.contract import Entry, EntryKind

if TYPE_CHECKING:
    from hvbackup.errors import ImageError
    from hvbackup.jobs.guest_disk import Found

_TYPE_BITS = {
    EntryKind.FILE: stat.S_IFREG,
    EntryKind.FOLDER: stat.S_IFDIR,
    EntryKind.SYMLINK: stat.S_IFLNK,
    EntryKind.JUNCTION: stat.S_IFLNK,
    EntryKind.OTHER: 0,
}


class EntryLines:
    """Writes entries as they come, and counts them.

    Attributes:
        whole_paths: Write `VOLUME:/PATH`, which can be given to every command, instead of the name.
        first: The place of the first entry.
        unreadable: Folders that could not be read.
    """

    def __init__(self, output: Output, *, long: bool = False) -> None:
        self.whole_paths = False
        self.count = 0
        self.first: str | None = None
        self.unreadable = 0
        self._output = output
        self._long = long

    def entry(self, found: Found) -> None:
        """Write one entry."""
        self.count += 1
        self.first = self.first or found.place
        entry = found.entry
        if self._output.json:
            self._output.record("entry", {"volume": found.volume, "place": found.place, **entry.to_dict()})
            return
        name = one_line(found.place if self.whole_paths else entry.name or "/")
        line = _long(entry, name) if self._long else _short(entry, name)
        self._output.line(line, fg="blue" if entry.kind is EntryKind.FOLDER else None)
        for stream in entry.streams:
            self._output.line(f"{size_text(stream.size_bytes):>10}  {'stream':<17}  {name}:{one_line(stream.name)}")

    def trouble(self, path: str, error: ImageError) -> None:
        """Tell of a folder that could not be read; the listing goes on."""
        self.unreadable += 1
        self._output.record("unreadable", {"path": path, "error": type(error).__name__, "message": error.message})
        if not self._output.json:
            self._output.talk(one_line(f"warning: {path}: {error.message}"), fg="yellow")


def _short(entry: Entry, name: str) -> str:
    return f"{_size(entry):>10}  {_time(entry.modified_at, 'minutes'):<17}  {name}{_tail(entry)}"


def _long(entry: Entry, name: str) -> str:
    mode = "-" if entry.mode is None else stat.filemode(_TYPE_BITS[entry.kind] | entry.mode)
    owner = entry.owner or "-"
    group = f" {entry.group}" if entry.group else ""
    size = str(entry.size_bytes) if entry.kind is EntryKind.FILE else entry.kind.value
    notes = f"  [{', '.join(entry.attributes)}]" if entry.attributes else ""
    unreadable = f"  (cannot be read: {entry.unreadable})" if entry.unreadable else ""
    time = _time(entry.modified_at, "seconds")
    who = f"{mode:<10}  {entry.links:>2}  {owner}{group}"
    return f"{who}  {size:>13}  {time:<20}  {name}{_tail(entry)}{notes}{unreadable}"


def _size(entry: Entry) -> str:
    return size_text(entry.size_bytes) if entry.kind is EntryKind.FILE else entry.kind.value


def _tail(entry: Entry) -> str:
    if entry.kind is EntryKind.FOLDER:
        return "" if entry.path == "/" else "/"
    if entry.target is not None:
        return f" -> {one_line(entry.target)}"
    return "  (cannot be read, see -l)" if entry.unreadable else ""


def _time(moment: datetime | None, spec: str) -> str:
    """As in the guest: UTC with a Z; without one it is the local time that FAT keeps."""
    if moment is None:
        return "-"
    text = moment.replace(tzinfo=None).isoformat(" ", spec)
    return text + "Z" if moment.utcoffset() == timedelta(0) else text
