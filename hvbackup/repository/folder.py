"""A folder as a store: a local disk, or a share that is mounted.

Objects are listed by obstore, and written by our own durable steps: its local store does not fsync.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from hvbackup.errors import StoreUnavailable
from hvbackup.repository.store import BucketStore, ObjectExists, ObjectMissing, local_store, unavailable

ResultT = TypeVar("ResultT")

#: One write call takes at most this much: very large ones cost ten times the system time on ext4 with large folios.
WRITE_SIZE = 1024 * 1024
STAGING = "staging"
STALE_SECONDS = 86400


class FolderStore(BucketStore):
    """Objects as files below a folder: a local disk, or a share that is mounted.

    An object is written beside (`staging/`), flushed to the disk, given its name, and then the folder of its name is
    flushed: after a power cut it is there whole, or not at all.
    """

    def __init__(self, folder: Path, *, create: bool = False) -> None:
        self._folder = Path(os.path.abspath(folder))  # noqa: PTH100 - resolve() would follow links
        self._counter = itertools.count()
        self._synced: set[Path] = set()
        self._location = str(self._folder)
        if create:
            self._on_disk("", lambda: self._folder.mkdir(parents=True, exist_ok=True))
        if not self._folder.is_dir():
            raise StoreUnavailable(
                f"{self._folder}: there is no such folder", hint="check the path, and that the share is mounted"
            )
        super().__init__(self._on_disk("", lambda: local_store(self._folder)), self._location)

    def _on_disk(self, name: str, work: Callable[[], ResultT]) -> ResultT:
        try:
            return work()
        except FileExistsError as error:
            raise ObjectExists(name) from error
        except FileNotFoundError as error:
            raise ObjectMissing(name) from error
        except OSError as error:
            raise unavailable(self._location, name, error) from error

    def get_range(self, name: str, start: int, length: int) -> bytes:
        """Return a part of a file; straight from the file, which saves a copy of it."""

        def read() -> bytes:
            with (self._folder / name).open("rb", buffering=0) as file:
                file.seek(start)
                parts = []
                missing = length
                while missing and (part := file.read(missing)):
                    parts.append(part)
                    missing -= len(part)
                return parts[0] if len(parts) == 1 else b"".join(parts)

        return self._on_disk(name, read)

    def put(self, name: str, data: bytes | bytearray | memoryview, *, create: bool = False) -> None:
        """Store an object durably."""
        self._on_disk(name, lambda: self._put(name, memoryview(data), create=create))

    def _put(self, name: str, data: memoryview, *, create: bool) -> None:
        target = self._folder / name
        staged = self._folder / STAGING / f"{os.getpid()}-{next(self._counter)}-{secrets.token_hex(4)}"
        self._clear_staging(staged.parent)
        self._make_folder(staged.parent)
        self._make_folder(target.parent)
        try:
            self._write(staged, data)
            if create:
                self._give_new_name(staged, target)
            else:
                staged.replace(target)
        finally:
            staged.unlink(missing_ok=True)
        self._sync_folder(target.parent)

    def _clear_staging(self, staging: Path) -> None:
        """Remove what a process that died left in staging, once; a day is longer than any write takes."""
        if staging in self._synced or not staging.is_dir():
            return
        for path in staging.iterdir():
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < time.time() - STALE_SECONDS:
                    path.unlink()

    def _write(self, path: Path, data: memoryview) -> None:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0), 0o600)
        try:
            done = 0
            while done < len(data):
                done += os.write(descriptor, data[done : done + WRITE_SIZE])
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _give_new_name(self, staged: Path, target: Path) -> None:
        try:
            os.link(staged, target)
        except FileExistsError:
            raise
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL):
                raise
            # No hard links here (exFAT, some shares): reserve the name by an empty file, which readers take for
            # nothing, then put the whole object in its place.
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            staged.replace(target)

    def _make_folder(self, folder: Path) -> None:
        if folder in self._synced:
            return
        missing = [parent for parent in (folder, *folder.parents) if self._folder in parent.parents]
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for parent in reversed(missing):
            self._sync_folder(parent.parent)
        self._synced.add(folder)

    def _sync_folder(self, folder: Path) -> None:
        try:
            descriptor = os.open(folder, os.O_RDONLY)
        except OSError:
            return  # Windows opens no folders; its file system journals names by itself.
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
                raise
        finally:
            os.close(descriptor)
