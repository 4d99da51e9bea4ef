"""A disk and its volumes as flat files: `disk.raw`, `1.raw`, `GROUP/NAME.raw`."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping

from hvbackup.events import EventSink
from hvbackup.images.exports import Export
from hvbackup.images.fuse.view import FILE_MODE, FOLDER_MODE, View

_SUFFIX = ".raw"


class RawView(View):
    """Shows exports as files, for whatever reads flat disks: loop mounts, ntfs-3g, 7-Zip, sfdisk."""

    def __init__(self, exports: Mapping[str, Export], events: EventSink) -> None:
        super().__init__(events, max((export.size for export in exports.values()), default=0))
        self._files = {f"/{name}{_SUFFIX}": export for name, export in exports.items() if _is_safe(name)}
        self._folders: dict[str, dict[str, int]] = {"/": {}}
        for path in self._files:
            self._add(path, FILE_MODE)

    @property
    def names(self) -> tuple[str, ...]:
        """The files, from the top of the mount."""
        return tuple(path[1:] for path in self._files)

    def _add(self, path: str, mode: int) -> None:
        parent, _, name = path.rpartition("/")
        if parent and parent not in self._folders:
            self._folders[parent] = {}
            self._add(parent, FOLDER_MODE)
        self._folders[parent or "/"][name] = mode

    def getattr(self, path: str, _handle: int | None = None) -> dict[str, int]:
        """Attributes of a file or folder."""
        if path in self._folders:
            return self._attributes(FOLDER_MODE, 0, st_nlink=2)
        return self._attributes(FILE_MODE, self._file(path).size)

    def readdir(self, path: str, _handle: int) -> Iterator[tuple[str, int, int]]:
        """Names in a folder."""
        if path not in self._folders:
            raise OSError(errno.ENOENT, path)
        yield from ((name, FOLDER_MODE, 0) for name in (".", ".."))
        yield from ((name, mode, 0) for name, mode in self._folders[path].items())

    def open(self, path: str, _flags: int) -> int:
        """Open a file."""
        return self._keep(self._file(path).source)

    def _file(self, path: str) -> Export:
        if path not in self._files:
            raise OSError(errno.ENOENT, path)
        return self._files[path]


def _is_safe(name: str) -> bool:
    """Whether a name, which the disk may have given, is a way down into the mount."""
    return bool(name) and "\0" not in name and not {"", ".", ".."} & set(name.split("/"))
