"""What both views of a mount share: open files, attributes, errors as numbers.

The names of the methods and their arguments are those of mfusepy, and the numbers those of errno.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hvbackup.errors import EntryNotFound, HvBackupError, ImageUnsupported
from hvbackup.events import EventSink, Note
from hvbackup.images.fuse.names import LINUX_NAMES
from hvbackup.images.source import Source

FOLDER_MODE = stat.S_IFDIR | 0o555
FILE_MODE = stat.S_IFREG | 0o444

_BLOCK = 4096
NO_ATTRIBUTE = getattr(errno, "ENOATTR", errno.ENODATA)


class View:
    """Base of the views: read-only, owned by who mounts.

    Args:
        events: Gets a note for each read that failed, from other threads.
        size: Bytes of what is shown, for `df`.
    """

    #: Times are whole nanoseconds.
    use_ns = True
    #: How names that are not Unicode become bytes: an error handler for UTF-8.
    name_errors = LINUX_NAMES

    def __init__(self, events: EventSink, size: int) -> None:
        self._events = events
        self._size = size
        self._open: dict[int, Source] = {}
        self._next_handle = 1
        self._opening = threading.Lock()
        self._owner = (os.getuid(), os.getgid()) if hasattr(os, "getuid") else (0, 0)
        self.mounted: Callable[[], None] = lambda: None

    def init(self, _path: str) -> None:
        """The kernel is there."""
        self.mounted()

    def read(self, path: str, size: int, offset: int, handle: int) -> bytes:
        """Bytes of an open file."""
        with self._as_numbers(path):
            return self._open[handle].read_at(offset, size)

    def release(self, _path: str, handle: int) -> int:
        """An open file is closed."""
        with self._opening:
            self._open.pop(handle, None)
        return 0

    def statfs(self, _path: str) -> dict[str, int]:
        """Size of the whole; nothing is free."""
        blocks = -(-self._size // _BLOCK)
        return {"f_bsize": _BLOCK, "f_frsize": _BLOCK, "f_blocks": blocks, "f_namemax": 255}

    def _keep(self, source: Source) -> int:
        with self._opening:
            handle = self._next_handle
            self._next_handle += 1
            self._open[handle] = source
        return handle

    def _attributes(self, mode: int, size: int, **others: int) -> dict[str, int]:
        user, group = self._owner
        common = {"st_mode": mode, "st_size": size, "st_uid": user, "st_gid": group}
        return {**common, "st_nlink": 1, "st_blocks": -(-size // 512), **others}

    @contextmanager
    def _as_numbers(self, path: str) -> Iterator[None]:
        """Make errors the numbers that a program on the mount gets; tell people the rest."""
        try:
            yield
        except EntryNotFound:
            raise OSError(errno.ENOENT, path) from None
        except ImageUnsupported as error:
            self._warn(path, error)
            raise OSError(errno.ENOTSUP, path) from error
        except HvBackupError as error:
            self._warn(path, error)
            raise OSError(errno.EIO, path) from error

    def _warn(self, path: str, error: HvBackupError) -> None:
        self._events(Note(text=f"{path}: {error.message}", level="warning"))


def no_attribute(path: str) -> OSError:
    """What to raise for an extended attribute that is not there."""
    return OSError(NO_ATTRIBUTE, path)
