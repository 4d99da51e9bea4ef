"""Where objects are kept: one small protocol, over obstore for folders, memory and buckets. Only this imports obstore.

A folder gets its objects by our own durable steps (`FolderStore.put`), because obstore's local store does not fsync.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from hvbackup.errors import InvalidRequest, StoreUnavailable

if TYPE_CHECKING:
    from obstore.store import ObjectStore

ResultT = TypeVar("ResultT")

#: One write call takes at most this much: very large ones cost ten times the system time on ext4 with large folios.
WRITE_SIZE = 1024 * 1024
SCHEMES = ("s3", "s3a", "gs", "az", "azure", "abfs", "abfss", "adl", "memory", "file")
STAGING = "staging"
STALE_SECONDS = 86400


class ObjectInfo(NamedTuple):
    """An object of a store; `modified` is the store's own clock, in seconds since 1970."""

    name: str
    size: int
    modified: float


class ObjectMissing(Exception):
    """There is no object of this name."""


class ObjectExists(Exception):
    """An object of this name is there already, and was not to be replaced."""


class Store(Protocol):
    """Keeps named objects. Thread-safe. What `put` returned from is durable.

    Raises (all methods): `StoreUnavailable`.
    """

    @property
    def location(self) -> str:
        """Where it is, for people; no secret in it."""

    def put(self, name: str, data: bytes | bytearray | memoryview, *, create: bool = False) -> None:
        """Store an object whole or not at all; with `create`, raises `ObjectExists` instead of replacing one."""

    def get(self, name: str) -> bytes:
        """Return an object; raises `ObjectMissing`."""

    def get_range(self, name: str, start: int, length: int) -> bytes:
        """Return a part of an object, less at its end; raises `ObjectMissing`."""

    def head(self, name: str) -> ObjectInfo:
        """Return what is known of an object; raises `ObjectMissing`."""

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Name the objects whose name begins with `prefix`, which ends with a slash or is empty."""

    def delete(self, name: str) -> None:
        """Delete an object; no error when it is not there."""


def open_store(location: str | Path, options: Mapping[str, Any] | None = None, *, create: bool = False) -> Store:
    """Return the store for a folder or a URL (`s3://bucket/prefix`, `az://...`, `gs://...`, `memory:`).

    Args:
        options: obstore's configuration for the URL's kind (endpoint, region, ...); credentials come from the
            environment, as that cloud's own tools read them.
        create: Make a missing folder.

    Raises:
        InvalidRequest: The location is of no known kind.
        StoreUnavailable: The folder is missing, or is no folder.
    """
    text = str(location)
    scheme = text.split(":", 1)[0].lower() if ":" in text else ""
    if scheme == "memory":
        from obstore.store import MemoryStore

        return BucketStore(MemoryStore(), "memory")
    if scheme == "file" and text.startswith("file://"):
        text = text[len("file://") :]
    elif scheme in SCHEMES and "://" in text:
        return BucketStore(_from_url(text, options or {}), text)
    elif "://" in text:
        raise InvalidRequest(
            f"{text}: {scheme} is no kind of repository location",
            hint=f"use a folder, or a URL that begins with one of {', '.join(f'{name}:' for name in SCHEMES)}",
        )
    return FolderStore(Path(text), create=create)


def _from_url(url: str, options: Mapping[str, Any]) -> ObjectStore:
    from obstore.exceptions import BaseError
    from obstore.store import from_url

    settings = dict(options)
    client = {"timeout": timedelta(seconds=600), "connect_timeout": timedelta(seconds=20)}
    client.update(settings.pop("client_options", {}))
    retry = settings.pop("retry_config", {"max_retries": 8, "retry_timeout": timedelta(seconds=180)})
    try:
        make: Any = from_url  # its overloads know each kind of bucket's settings; ours are the user's
        store: ObjectStore = make(url, client_options=client, retry_config=retry, **settings)
    except (BaseError, ValueError) as error:
        raise InvalidRequest(f"{url}: {_first_line(error)}", hint="check the URL and the store's options") from error
    return store


class BucketStore:
    """Objects in an obstore store."""

    def __init__(self, store: ObjectStore, location: str) -> None:
        import obstore

        self._obstore = obstore
        self._store = store
        self._location = location

    @property
    def location(self) -> str:
        """Where it is."""
        return self._location

    def _guarded(self, name: str, work: Callable[[], ResultT]) -> ResultT:
        from obstore import exceptions

        try:
            return work()
        except FileNotFoundError as error:
            raise ObjectMissing(name) from error
        except exceptions.AlreadyExistsError as error:
            raise ObjectExists(name) from error
        except exceptions.PreconditionError as error:
            raise ObjectExists(name) from error
        except (exceptions.BaseError, OSError) as error:
            raise unavailable(self._location, name, error) from error

    def put(self, name: str, data: bytes | bytearray | memoryview, *, create: bool = False) -> None:
        """Store an object; one request, so that it is there whole or not at all."""
        mode: Any = "create" if create else "overwrite"
        self._guarded(name, lambda: self._obstore.put(self._store, name, bytes(data), mode=mode, use_multipart=False))

    def get(self, name: str) -> bytes:
        """Return an object."""
        return self._guarded(name, lambda: bytes(self._obstore.get(self._store, name).bytes()))

    def get_range(self, name: str, start: int, length: int) -> bytes:
        """Return a part of an object."""
        try:
            return self._guarded(
                name, lambda: bytes(self._obstore.get_range(self._store, name, start=start, length=length))
            )
        except StoreUnavailable:
            if start >= self.head(name).size:
                return b""  # stores refuse a range that begins behind the end
            raise

    def head(self, name: str) -> ObjectInfo:
        """Return what is known of an object."""
        meta = self._guarded(name, lambda: self._obstore.head(self._store, name))
        return ObjectInfo(name, meta["size"], meta["last_modified"].timestamp())

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Name the objects below a prefix."""
        pages = iter(self._guarded(prefix, lambda: self._obstore.list(self._store, prefix or None, chunk_size=1000)))
        while True:
            page = self._guarded(prefix, lambda: next(pages, None))
            if page is None:
                return
            for meta in page:
                yield ObjectInfo(meta["path"], meta["size"], meta["last_modified"].timestamp())

    def delete(self, name: str) -> None:
        """Delete an object."""
        with contextlib.suppress(ObjectMissing):
            self._guarded(name, lambda: self._obstore.delete(self._store, name))


class FolderStore(BucketStore):
    """Objects as files below a folder: a local disk, or a share that is mounted.

    An object is written beside (`staging/`), flushed to the disk, given its name, and then the folder of its name is
    flushed: after a power cut it is there whole, or not at all.
    """

    def __init__(self, folder: Path, *, create: bool = False) -> None:
        from obstore.store import LocalStore

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
        super().__init__(self._on_disk("", lambda: LocalStore(self._folder)), self._location)

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


class LookFirst:
    """A store that does not refuse a second "create" of a name: look before, and hope for the instant between."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.location = store.location
        self.get, self.get_range, self.head = store.get, store.get_range, store.head
        self.list, self.delete = store.list, store.delete

    def put(self, name: str, data: bytes | bytearray | memoryview, *, create: bool = False) -> None:
        """Store an object."""
        if create:
            try:
                self.head(name)
            except ObjectMissing:
                pass
            else:
                raise ObjectExists(name)
        self._store.put(name, data)


def unavailable(location: str, name: str, error: Exception) -> StoreUnavailable:
    """Return the error for what a store refused, with its cause and cure."""
    code, text = getattr(error, "errno", None), _first_line(error)
    lowered = str(error).lower()  # the server's own code is in its later lines
    what = f"{location}: {name or 'the store'}"
    if code in (errno.ENOSPC, errno.EDQUOT) or "no space" in lowered or "os error 28" in lowered:
        return StoreUnavailable(f"{what}: no space is left", hint="make room, then run again; stored blocks are reused")
    if isinstance(error, PermissionError) or "permission" in lowered or "accessdenied" in lowered or " 403" in lowered:
        return StoreUnavailable(f"{what}: access is refused", hint="check the account's rights on the store")
    if code == errno.EROFS:
        return StoreUnavailable(f"{what}: the store is read-only")
    if "nosuchbucket" in lowered:
        return StoreUnavailable(f"{what}: the bucket does not exist", hint="create it, or check the URL")
    if "requesttimetooskewed" in lowered:
        return StoreUnavailable(f"{what}: this machine's clock is wrong", hint="set the clock")
    return StoreUnavailable(f"{what}: {text}")


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0] or type(error).__name__
