"""Reads one restore point: at random through a small cache, or whole in the order of the packs."""

from __future__ import annotations

import threading
from array import array
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

from hvbackup.errors import InvalidRequest, RepositoryDamaged
from hvbackup.events import Cancellation
from hvbackup.models import RestorePoint
from hvbackup.repository import format as f
from hvbackup.repository.blocks import BlockSource
from hvbackup.repository.geometry import Layout
from hvbackup.repository.pointfile import OpenedPointFile
from hvbackup.repository.seams import Grid
from hvbackup.repository.trees import Tree

#: Plain blocks that are kept for `read_at`.
CACHED_BLOCKS = 64
#: Blocks that are put in the order of their packs at once: 4 GiB of a file.
WINDOW = 16384
#: One read of a pack takes at most this much, and reads through a gap of at most that much.
RANGE_SIZE, GAP_SIZE = 4 * 1024 * 1024, 256 * 1024
RESTORE_THREADS = 3


class _Piece(NamedTuple):
    """A block to restore, and every number in the file at which it is wanted."""

    sha256: bytes
    place: f.Place
    blocks: list[int]


class _File(NamedTuple):
    layout: Layout
    tree: Tree


class BlockPointReader:
    """One restore point. Thread-safe; see `hvbackup.repository.seams.PointReader`."""

    def __init__(self, document: f.PointDocument, source: BlockSource) -> None:
        self.point: RestorePoint = document.point
        self.guide = document.guide
        self._source = source
        self._stored = {file.name: file for file in document.files}
        self._files: dict[str, _File] = {}
        self._cache: OrderedDict[bytes, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def _file(self, name: str) -> _File:
        found = self._files.get(name)
        if found is not None:
            return found
        stored = self._stored.get(name)
        if stored is None:
            raise InvalidRequest(
                f"restore point {self.point.id} has no file {name!r}",
                hint=f"it has {', '.join(sorted(self._stored)) or 'no files at all'}",
            )
        layout = Layout(stored.size_bytes, Grid(block_size=stored.block_size, cuts=self._cuts(stored)))
        if layout.blocks != stored.blocks:
            raise RepositoryDamaged(f"{self.point.id}: {name} has other blocks than its grid says")
        found = self._files[name] = _File(layout, Tree(bytes.fromhex(stored.root), stored.blocks, self._block_by_hash))
        return found

    def _cuts(self, stored: f.StoredFile) -> tuple[int, ...]:
        if not stored.cuts_count:
            return ()
        pieces = -(-stored.cuts_count * 8 // f.BLOCK_SIZE)
        tree = Tree(bytes.fromhex(stored.cuts_root), pieces, self._block_by_hash)
        joined = b"".join(tree.hashes())
        data = b"".join(self._source.read(joined[at : at + 32]) for at in range(0, len(joined), 32))
        numbers = array("Q", data)
        if array("H", [1]).tobytes() != b"\1\0":
            numbers.byteswap()
        return tuple(numbers)

    def _block_by_hash(self, sha256: bytes) -> bytes:
        with self._lock:
            data = self._cache.get(sha256)
            if data is not None:
                self._cache.move_to_end(sha256)
                return data
        data = self._source.read(sha256)
        with self._lock:
            self._cache[sha256] = data
            while len(self._cache) > CACHED_BLOCKS:
                self._cache.popitem(last=False)
        return data

    def grid(self, name: str) -> Grid:
        """Return the grid of a file, without cuts that make no difference."""
        return self._file(name).layout.grid

    def hashes(self, name: str) -> bytes:
        """Return the SHA-256 of all blocks of a file; 32 zero bytes for a block of zeros."""
        return b"".join(self._file(name).tree.hashes())

    def iterate_hashes(self, name: str) -> Iterator[bytes]:
        """Yield the same in parts, for files that are large."""
        yield from self._file(name).tree.hashes()

    def block(self, name: str, block: int) -> bytes:
        """Return the bytes of one block.

        Raises:
            IndexError: There is no such block.
            RepositoryDamaged: It cannot be had whole.
        """
        file = self._file(name)
        _, length = file.layout.extent(block)
        sha256 = b"".join(file.tree.hashes(block, 1))
        return self._plain(name, block, sha256, length)

    def _plain(self, name: str, block: int, sha256: bytes, length: int) -> bytes:
        data = bytes(length) if sha256 == f.ZERO_HASH else self._block_by_hash(sha256)
        self._check_length(name, block, data, length)
        return data

    def _check_length(self, name: str, block: int, data: bytes, length: int) -> None:
        if len(data) != length:
            raise RepositoryDamaged(f"{self.point.id}: block {block} of {name} has another length than its grid says")

    def read_at(self, name: str, offset: int, size: int) -> bytes:
        """Return bytes of a file; fewer at its end.

        Raises:
            InvalidRequest: A negative offset or size.
            RepositoryDamaged: A block cannot be had whole.
        """
        if offset < 0 or size < 0:
            raise InvalidRequest(f"cannot read {size} bytes at {offset}")
        file = self._file(name)
        end = min(offset + size, file.layout.size)
        parts = []
        while offset < end:
            block = file.layout.block_at(offset)
            start, length = file.layout.extent(block)
            data = self.block(name, block)
            parts.append(data[offset - start : end - start])
            offset = start + length
        return b"".join(parts)

    def open(self, name: str) -> OpenedPointFile:
        """Open a file as a seekable, read-only file object that reads ahead and keeps what it read last.

        Raises:
            InvalidRequest: The point has no such file; the hint names those that it has.
            RepositoryDamaged: What is known of its blocks cannot be read.
        """
        file = self._file(name)
        return OpenedPointFile(name, file.layout, lambda first, count: self._joined(name, file, first, count))

    def _joined(self, name: str, file: _File, first: int, count: int) -> bytes:
        """Return consecutive blocks in one piece; those that lie together in a pack are fetched together."""
        joined = b"".join(file.tree.hashes(first, count))
        hashes = [joined[at : at + 32] for at in range(0, len(joined), 32)]
        start = file.layout.extent(first)[0]
        last, length = file.layout.extent(first + count - 1)
        page = bytearray(last + length - start)
        for pieces in self._plan(range(first, first + count), hashes):
            for piece, data in zip(pieces, self._read_range(pieces), strict=True):
                for block in piece.blocks:
                    offset, length = file.layout.extent(block)
                    self._check_length(name, block, data, length)
                    page[offset - start : offset - start + length] = data
        return bytes(page)

    def restore(
        self,
        name: str,
        sink: Callable[[int, bytes], None],
        *,
        blocks: Sequence[int] | None = None,
        cancel: Cancellation | None = None,
    ) -> None:
        """Give (offset, bytes) of every block that is not zeros, or of chosen `blocks`, in the order of the packs.

        `sink` is called from this thread only. Chosen blocks that are zeros are given too.

        Raises:
            RepositoryDamaged: A block cannot be had whole.
            Cancelled: `cancel` was set.
        """
        file = self._file(name)
        with ThreadPoolExecutor(RESTORE_THREADS, thread_name_prefix="hvbackup-restore") as executor:
            for numbers, hashes in _windows(file, blocks):
                if blocks is not None:
                    for block, sha256 in zip(numbers, hashes, strict=True):
                        if sha256 == f.ZERO_HASH:
                            offset, length = file.layout.extent(block)
                            sink(offset, bytes(length))
                self._restore_window(executor, name, file, self._plan(numbers, hashes), sink, cancel)

    def _plan(self, numbers: Sequence[int], hashes: list[bytes]) -> list[list[_Piece]]:
        """Return what to read, range by range."""
        wanted: dict[bytes, list[int]] = {}
        for block, sha256 in zip(numbers, hashes, strict=True):
            if sha256 != f.ZERO_HASH:
                wanted.setdefault(sha256, []).append(block)
        pieces = [_Piece(sha256, self._source.place(sha256), at) for sha256, at in wanted.items()]
        pieces.sort(key=lambda piece: piece.place[:2])
        ranges: list[list[_Piece]] = []
        for piece in pieces:
            if ranges:
                first, last = ranges[-1][0].place, ranges[-1][-1].place
                gap = piece.place.offset - (last.offset + last.length)
                length = piece.place.offset + piece.place.length - first.offset
                if piece.place.pack == first.pack and gap <= GAP_SIZE and length <= RANGE_SIZE:
                    ranges[-1].append(piece)
                    continue
            ranges.append([piece])
        return ranges

    def _restore_window(
        self,
        executor: ThreadPoolExecutor,
        name: str,
        file: _File,
        ranges: list[list[_Piece]],
        sink: Callable[[int, bytes], None],
        cancel: Cancellation | None,
    ) -> None:
        running: deque[tuple[list[_Piece], Future[list[bytes]]]] = deque()
        waiting = iter(ranges)
        try:
            while True:
                while len(running) <= RESTORE_THREADS and (pieces := next(waiting, None)):
                    running.append((pieces, executor.submit(self._read_range, pieces)))
                if not running:
                    return
                if cancel is not None:
                    cancel.check()
                pieces, future = running.popleft()
                for piece, data in zip(pieces, future.result(), strict=True):
                    for block in piece.blocks:
                        offset, length = file.layout.extent(block)
                        self._check_length(name, block, data, length)
                        sink(offset, data)
        finally:
            for _, future in running:
                future.cancel()

    def _read_range(self, pieces: list[_Piece]) -> list[bytes]:
        first, last = pieces[0].place, pieces[-1].place
        try:
            stored = memoryview(self._source.fetch(first.pack, first.offset, last.offset + last.length - first.offset))
            return [
                self._source.open(piece.sha256, piece.place, stored[at : at + piece.place.length])
                for piece in pieces
                for at in (piece.place.offset - first.offset,)
            ]
        except RepositoryDamaged:
            # One by one: another pack may have what is hurt here.
            return [self._source.read(piece.sha256) for piece in pieces]


def _windows(file: _File, blocks: Sequence[int] | None) -> Iterator[tuple[Sequence[int], list[bytes]]]:
    """Yield block numbers with their hashes, a bounded number at a time."""
    if blocks is None:
        for start, count in f.pieces(file.layout.blocks, WINDOW):
            joined = b"".join(file.tree.hashes(start, count))
            yield range(start, start + count), [joined[at : at + 32] for at in range(0, len(joined), 32)]
        return
    chosen = sorted(set(blocks))
    if chosen and not 0 <= chosen[0] <= chosen[-1] < file.layout.blocks:
        raise InvalidRequest(f"there are {file.layout.blocks} blocks; {chosen[0]} to {chosen[-1]} were asked for")
    for start, count in f.pieces(len(chosen), WINDOW):
        part = chosen[start : start + count]
        yield part, [b"".join(file.tree.hashes(block, 1)) for block in part]
