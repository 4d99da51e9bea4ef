"""Builds one restore point: knows which blocks are there, promised or lacking, and commits last of all."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Protocol

import msgspec

from hvbackup._version import __version__
from hvbackup.errors import (
    HvBackupError,
    InvalidRequest,
    RepositoryExists,
    StoreUnavailable,
    VerificationFailed,
)
from hvbackup.models import PointFile, RestorePoint
from hvbackup.repository import format as f
from hvbackup.repository.crypto import Keys
from hvbackup.repository.filewriter import BlockFileWriter
from hvbackup.repository.footing import Footing
from hvbackup.repository.geometry import Layout
from hvbackup.repository.index import Index
from hvbackup.repository.packs import PackPool
from hvbackup.repository.points import (
    PointShelf,
    check_file_name,
    decode_point,
    encode_point,
    new_point_id,
    point_name,
    restore_guide,
)
from hvbackup.repository.seams import Grid
from hvbackup.repository.store import ObjectExists, ObjectMissing, Store


class Checkable(Protocol):
    """A lease, as far as a commit needs it."""

    def check(self) -> None:
        """Raise `LeaseLost` unless it is still ours."""


class BlockPointWriter:
    """A restore point in the making. Thread-safe; see `hvbackup.repository.seams.PointWriter`.

    Attributes:
        id: The id that the point will have, unless the one that is committed brings its own.
    """

    def __init__(
        self,
        store: Store,
        keys: Keys,
        index: Index,
        pool: PackPool,
        footing: Footing,
        *,
        host: str,
        vm_id: str,
        vm_name: str,
        lease: Checkable | None = None,
        closed: Callable[[], None] = lambda: None,
    ) -> None:
        self._store, self._keys, self._index, self._pool, self._footing = store, keys, index, pool, footing
        self._host, self._vm_id, self._vm_name, self._lease = host, vm_id, vm_name, lease
        self._closed = closed
        self.id = new_point_id()
        self._lock = threading.Lock()
        self._names: set[str] = set()
        self._files: dict[str, tuple[PointFile, f.StoredFile]] = {}
        self._awaited: dict[bytes, tuple[str, int]] = {}
        self._failures = pool.failures
        self._ended = False

    # ------------------------------------------------------------ the files' desk

    def claim(self, sha256: bytes, file: str, block: int) -> bool:
        """Return whether a block is lacking, and promise it to this file if it is."""
        self._footing.look_now_and_then()
        block_id = self._keys.block_id(sha256)
        with self._lock:
            if block_id in self._awaited or self._footing.has(block_id):
                return False
            self._awaited[block_id] = (file, block)
            return True

    def bring(self, sha256: bytes, data: bytes | bytearray | memoryview) -> int:
        """Store a promised block."""
        self._check_alive()
        block_id = self._keys.block_id(sha256)
        stored = self._pool.add(block_id, data)
        with self._lock:
            self._awaited.pop(block_id, None)
        return stored

    def keep_list(self, sha256: bytes, data: bytes) -> int:
        """Store a list unless it is there."""
        self._check_alive()
        block_id = self._keys.block_id(sha256)
        with self._lock:
            if self._footing.has(block_id):
                return 0
        return self._pool.add(block_id, data, f.PACK_LISTS)

    def finished(self, file: PointFile, stored: f.StoredFile) -> None:
        """Take a file that is complete."""
        with self._lock:
            self._files[file.name] = (file, stored)

    def _check_alive(self) -> None:
        if self._ended:
            raise InvalidRequest("the restore point was committed or given up already")
        if self._pool.failures != self._failures:
            cause = self._pool.failure
            raise StoreUnavailable(
                f"blocks could not be stored: {cause}", hint=cause.hint if cause else None
            ) from cause

    # ------------------------------------------------------------ the point

    def file(
        self,
        name: str,
        size: int,
        *,
        source: str,
        kind: str,
        grid: Grid | None = None,
        modified_at: str | None = None,
    ) -> BlockFileWriter:
        """Begin a file.

        Raises:
            InvalidRequest: The name is refused or there already, or size and grid do not fit.
        """
        self._check_alive()
        check_file_name(name)
        layout = Layout(size, grid or Grid())
        with self._lock:
            if name.casefold() in self._names:
                raise InvalidRequest(f"the restore point has a file {name!r} already")
            self._names.add(name.casefold())
        return BlockFileWriter(self, name, layout, source=source, kind=kind, modified_at=modified_at)

    def commit(self, point: RestorePoint) -> RestorePoint:
        """Make everything durable, check the lease, write the point, read it back, and return it.

        An empty `point.id` gets `self.id`. On any error there is no point.

        Raises:
            InvalidRequest: The point is of another VM, or has no id of the right form.
            VerificationFailed: A file is not finished, or the point does not read back as it was written.
            StoreUnavailable: Something could not be stored.
            LeaseLost: Somebody else has the lease now.
            RepositoryExists: There is a point with this id.
        """
        document = self._document(point)
        try:
            self._settle()
            if self._lease is not None:
                self._lease.check()
            self._write(document)
            self._stand(document)
        finally:
            self._end()
        return document.point

    def _document(self, point: RestorePoint) -> f.PointDocument:
        self._check_alive()
        if (point.host, point.vm_id, point.vm_name) != (self._host, self._vm_id, self._vm_name):
            raise InvalidRequest(f"this restore point was begun for {self._vm_name} on {self._host}")
        point_id = point.id or self.id
        if not f.POINT_ID.fullmatch(point_id):
            raise InvalidRequest(f"{point_id!r} is no id of a restore point")
        with self._lock:
            unfinished = sorted(self._names - {name.casefold() for name in self._files})
            if unfinished:
                raise VerificationFailed(f"the file {unfinished[0]} is not finished")
            if self._awaited:
                file, block = next(iter(self._awaited.values()))
                raise VerificationFailed(f"{file}: block {block} was lacking and was never brought")
            files = [self._files[name] for name in sorted(self._files)]
        point = msgspec.structs.replace(
            point, id=point_id, files=tuple(file for file, _ in files), tool_version=__version__
        )
        return f.PointDocument(
            version=f.FORMAT_VERSION,
            point=point,
            files=tuple(stored for _, stored in files),
            guide=restore_guide(point),
            previous=max(PointShelf(self._store, self._keys).ids(), default=""),
        )

    def _store_all(self) -> None:
        """Make every block durable and findable."""
        self._pool.flush()
        self._check_alive()
        self._index.flush()

    def _settle(self) -> None:
        """Make every block durable and findable, in packs that nobody has condemned."""
        self._store_all()
        while self._footing.look():
            self._store_all()

    def _stand(self, document: f.PointDocument) -> None:
        """Look once more, now that collections see the point: one that did not may have condemned its packs."""
        try:
            while self._footing.look():
                self._store_all()
        except HvBackupError:
            with contextlib.suppress(HvBackupError):
                PointShelf(self._store, self._keys).delete(document.point.id)
            raise

    def _write(self, document: f.PointDocument) -> None:
        name = point_name(document.point.id)
        data = encode_point(self._keys, document)
        existed = False
        try:
            try:
                self._store.put(name, data, create=True)
            except ObjectExists:
                existed = True  # perhaps our own: a create is retried when its answer was lost
            found = self._store.get(name)
        except ObjectMissing as error:
            raise VerificationFailed(f"{name}: the point was written, but is not there") from error
        except StoreUnavailable:
            self._withdraw(name, data)
            raise
        if found != data:
            if existed:
                raise RepositoryExists(f"{name}: there is a restore point with this id; it was left alone")
            self._withdraw(name, found)
            raise VerificationFailed(f"{name}: the point does not read back as it was written")
        decode_point(self._keys, document.point.id, found)

    def _withdraw(self, name: str, data: bytes) -> None:
        """Delete our own point that could not be proven, as far as the store lets us."""
        with contextlib.suppress(HvBackupError, ObjectMissing):
            if self._store.get(name) == data:
                self._store.delete(name)

    def abort(self) -> None:
        """Give up. Blocks that are stored stay for later points."""
        self._end()

    def _end(self) -> None:
        if not self._ended:
            self._ended = True
            self._closed()
