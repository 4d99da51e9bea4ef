"""The files of a volume, as they are in the guest."""

from __future__ import annotations

import errno
import stat
from collections import OrderedDict
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

from hvbackup.errors import ImageUnsupported
from hvbackup.events import EventSink
from hvbackup.images.filesystems.contract import Entry, EntryKind, FileSystem
from hvbackup.images.fuse.links import shown_target
from hvbackup.images.fuse.names import LINUX_NAMES, WINDOWS_NAMES
from hvbackup.images.fuse.view import FOLDER_MODE, View, no_attribute

#: Named streams of NTFS are extended attributes with this before their name.
STREAM = "user.ads."
#: Linux has no longer names and values of extended attributes (limits.h).
_MAX_ATTRIBUTE_NAME = 255
_MAX_ATTRIBUTE = 64 * 1024
_REMEMBERED = 20_000
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)
_WINDOWS = ("ntfs", "fat12", "fat16", "fat32", "exfat")


class FilesView(View):
    """Shows a file system. What cannot be read is listed, and refuses to be opened.

    Everything belongs to who mounts, and can be read by them: the guest's rights are not those of this machine.
    """

    def __init__(self, files: FileSystem, events: EventSink, size: int = 0) -> None:
        super().__init__(events, size)
        self._files = files
        self._windows = files.info.kind in _WINDOWS
        self.name_errors = WINDOWS_NAMES if self._windows else LINUX_NAMES
        self._remembered: OrderedDict[str, Entry] = OrderedDict()

    def getattr(self, path: str, _handle: int | None = None) -> dict[str, int]:
        """Attributes of an entry."""
        entry = self._entry(path)
        size = len(self._target(entry).encode("utf-8", self.name_errors)) if _is_link(entry) else entry.size_bytes
        others = {"st_nlink": max(1, entry.links)}
        if entry.allocated_bytes is not None:
            # a file without blocks is all holes to GNU tar, which then does not read it
            others["st_blocks"] = max(-(-entry.allocated_bytes // 512), min(1, size))
        if entry.kind is EntryKind.FOLDER:
            size, others = 0, {"st_nlink": 2}
        modified = entry.modified_at or entry.created_at
        others["st_mtime"] = _nanoseconds(modified)
        others["st_atime"] = _nanoseconds(entry.accessed_at or modified)
        others["st_ctime"] = _nanoseconds(entry.changed_at or modified)
        return self._attributes(_mode(entry), size, **others)

    def readdir(self, path: str, _handle: int) -> Iterator[tuple[str, int, int]]:
        """Names in a folder, while it is being read."""
        yield from ((name, FOLDER_MODE, 0) for name in (".", ".."))
        with self._as_numbers(path):
            for entry in self._files.entries(path):
                if entry.name in ("", ".", "..") or "/" in entry.name or "\0" in entry.name:
                    continue  # the kernel would refuse the whole folder
                self._remember(f"{path.rstrip('/')}/{entry.name}", entry)
                yield entry.name, _mode(entry), 0

    def readlink(self, path: str) -> str:
        """Where a link leads inside the mount."""
        entry = self._entry(path)
        if not _is_link(entry):
            raise OSError(errno.EINVAL, path)
        return self._target(entry)

    def open(self, path: str, _flags: int) -> int:
        """Open a file."""
        with self._as_numbers(path):
            entry = self._entry(path)
            if entry.unreadable:
                raise ImageUnsupported(entry.unreadable)
            return self._keep(self._files.open(path))

    def listxattr(self, path: str) -> list[str]:
        """The named streams, as far as their names fit."""
        with self._as_numbers(path):
            names = [STREAM + stream.name for stream in self._files.entry(path).streams]
        return [name for name in names if len(name.encode("utf-8", self.name_errors)) <= _MAX_ATTRIBUTE_NAME]

    def getxattr(self, path: str, name: str, _position: int = 0) -> bytes:
        """The contents of a named stream of up to 64 KiB; longer ones are no extended attributes."""
        if not name.startswith(STREAM):
            raise no_attribute(path)
        wanted = name[len(STREAM) :]
        with self._as_numbers(path):
            if all(stream.name != wanted for stream in self._files.entry(path).streams):
                raise no_attribute(path)
            stream = self._files.open(path, stream=wanted)
            if stream.size > _MAX_ATTRIBUTE:
                raise OSError(errno.E2BIG, path)
            return stream.read_at(0, stream.size)

    # ------------------------------------------------------------ entries

    def _entry(self, path: str) -> Entry:
        with self._opening:
            entry = self._remembered.get(path)
        if entry is None:
            with self._as_numbers(path):
                entry = self._files.entry(path)
            self._remember(path, entry)
        return entry

    def _remember(self, path: str, entry: Entry) -> None:
        """The kernel asks for each entry of a folder after its name was listed."""
        with self._opening:
            self._remembered[path] = entry
            while len(self._remembered) > _REMEMBERED:
                self._remembered.popitem(last=False)

    def _target(self, entry: Entry) -> str:
        return shown_target(entry.path, entry.target or "", windows=self._windows)


def _is_link(entry: Entry) -> bool:
    return entry.kind in (EntryKind.SYMLINK, EntryKind.JUNCTION)


def _mode(entry: Entry) -> int:
    if entry.kind is EntryKind.FOLDER:
        return FOLDER_MODE
    if _is_link(entry):
        return stat.S_IFLNK | 0o777
    # a device or a pipe of the guest is an empty file that refuses to be opened: a real one would be this machine's
    return stat.S_IFREG | 0o444 | (entry.mode or 0) & 0o111


def _nanoseconds(moment: datetime | None) -> int:
    if moment is None:
        return 0
    if moment.tzinfo is None:  # FAT keeps the guest's local time
        moment = moment.replace(tzinfo=timezone.utc)
    return (moment - _EPOCH) // _MICROSECOND * 1000
