"""Where objects are kept: one small protocol over obstore. Nothing else in this room imports obstore."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from hvbackup.errors import InvalidRequest, StoreUnavailable

if TYPE_CHECKING:
    from obstore.store import ObjectStore

ResultT = TypeVar("ResultT")

SCHEMES = ("s3", "s3a", "gs", "az", "azure", "abfs", "abfss", "adl", "memory", "file")


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
            environment, as that cloud's own tools read them. For any kind of place, `limit_upload` and
            `limit_download` are bytes per second.
        create: Make a missing folder.

    Raises:
        InvalidRequest: The location is of no known kind.
        StoreUnavailable: The folder is missing, or is no folder.
    """
    from hvbackup.repository.throttle import limited

    settings = dict(options or {})
    upload, download = settings.pop("limit_upload", None), settings.pop("limit_download", None)
    return limited(_open(str(location), settings, create=create), upload, download)


def _open(text: str, options: Mapping[str, Any], *, create: bool) -> Store:
    scheme = text.split(":", 1)[0].lower() if ":" in text else ""
    if scheme == "memory":
        from obstore.store import MemoryStore

        return BucketStore(MemoryStore(), "memory")
    if scheme == "file" and text.startswith("file://"):
        text = text[len("file://") :]
    elif scheme in SCHEMES and "://" in text:
        return BucketStore(_from_url(text, options), text)
    elif "://" in text:
        raise InvalidRequest(
            f"{text}: {scheme} is no kind of repository location",
            hint=f"use a folder, or a URL that begins with one of {', '.join(f'{name}:' for name in SCHEMES)}",
        )
    from hvbackup.repository.folder import FolderStore

    return FolderStore(Path(text), create=create)


def local_store(folder: Path) -> ObjectStore:
    """Return obstore's store for a folder."""
    from obstore.store import LocalStore

    return LocalStore(folder)


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
