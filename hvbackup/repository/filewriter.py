"""Takes one file of a restore point: hashes first, then the bytes that are lacking."""

from __future__ import annotations

import hashlib
import threading
from array import array
from collections.abc import Callable, Sequence
from typing import Protocol

from hvbackup.errors import InvalidRequest, VerificationFailed
from hvbackup.models import PointFile
from hvbackup.repository import format as f
from hvbackup.repository.geometry import Layout
from hvbackup.repository.trees import build_tree, list_hash


class BlockDesk(Protocol):
    """What a file needs of its point. Thread-safe."""

    def claim(self, sha256: bytes, file: str, block: int) -> bool:
        """Return whether the block is lacking; if so, it is now promised by this file."""

    def bring(self, sha256: bytes, data: bytes | bytearray | memoryview) -> int:
        """Store a promised block and return the stored length."""

    def keep_list(self, sha256: bytes, data: bytes) -> int:
        """Store a list unless it is there; return the stored length."""

    def finished(self, file: PointFile, stored: f.StoredFile) -> None:
        """Take a file that is complete."""


_ZEROS = bytes(f.BLOCK_SIZE)


class _List:
    """One list of hashes, being filled."""

    def __init__(self, count: int) -> None:
        self.hashes = bytearray(count * f.HASH_SIZE)
        self.seen = bytearray(count)
        self.lacking = count


class BlockFileWriter:
    """A file of a point. Thread-safe; see `hvbackup.repository.seams.FileWriter`.

    Only lists that are not complete are in memory, so it stays small however large the file is, as long as the hashes
    come roughly in order. What a block's hash is, its first offer says.
    """

    def __init__(
        self, desk: BlockDesk, name: str, layout: Layout, *, source: str, kind: str, modified_at: str | None
    ) -> None:
        self._desk, self._layout = desk, layout
        self.name, self._source, self._kind, self._modified_at = name, source, kind, modified_at
        self._lock = threading.Lock()
        self._lists: dict[int, _List] = {}
        self._complete: dict[int, bytes] = {}
        self._list_hashes = bytearray(-(-layout.blocks // f.FAN_OUT) * f.HASH_SIZE)
        self._next_list = 0
        self._sum = hashlib.sha256()
        self._pending: dict[int, bytes] = {}
        self._stored_bytes = 0
        self._zeros = hashlib.sha256(bytes(layout.block_size)).digest()
        self._entry: PointFile | None = None

    def offer(self, first_block: int, hashes: Sequence[bytes]) -> list[int]:
        """Name hashes; return the numbers of the blocks that are lacking.

        Raises:
            InvalidRequest: There are no such blocks, or a hash has not 32 bytes.
        """
        if first_block < 0 or first_block + len(hashes) > self._layout.blocks:
            raise InvalidRequest(
                f"{self.name} has {self._layout.blocks} blocks; {first_block + len(hashes)} were named"
            )
        lacking = []
        for block, offered in enumerate(hashes, first_block):
            if len(offered) != f.HASH_SIZE:
                raise InvalidRequest(f"{self.name}: a SHA-256 has 32 bytes, not {len(offered)}")
            sha256 = f.ZERO_HASH if offered == self._zeros else bytes(offered)
            first = self._note(block, sha256)
            if first and sha256 != f.ZERO_HASH and self._desk.claim(sha256, self.name, block):
                self._pending[block] = sha256
            if self._pending.get(block) == sha256:
                lacking.append(block)
        return lacking

    def _note(self, block: int, sha256: bytes) -> bool:
        """Write a hash into its list; return whether this is the block's first offer."""
        number, place = divmod(block, f.FAN_OUT)
        with self._lock:
            if number < self._next_list or number in self._complete:
                return False
            known = self._lists.get(number)
            if known is None:
                known = self._lists[number] = _List(min(f.FAN_OUT, self._layout.blocks - number * f.FAN_OUT))
            if known.seen[place]:
                return False
            known.seen[place] = 1
            known.hashes[place * f.HASH_SIZE : (place + 1) * f.HASH_SIZE] = sha256
            known.lacking -= 1
            if known.lacking:
                return True
            hashes = self._complete[number] = bytes(self._lists.pop(number).hashes)
            while self._next_list in self._complete:
                self._sum.update(self._complete.pop(self._next_list))
                self._next_list += 1
        self._keep(number, hashes)
        return True

    def _keep(self, number: int, hashes: bytes) -> None:
        only_block = len(hashes) == f.HASH_SIZE and self._layout.blocks == 1
        digest = hashes if only_block else list_hash(hashes)
        stored = 0 if only_block or digest == f.ZERO_HASH else self._desk.keep_list(digest, hashes)
        with self._lock:
            self._list_hashes[number * f.HASH_SIZE : (number + 1) * f.HASH_SIZE] = digest
            self._stored_bytes += stored

    def put(self, block: int, data: bytes | bytearray | memoryview) -> None:
        """Bring the bytes of one block. Bringing again a block that is known already does nothing.

        Raises:
            InvalidRequest: The block was never offered.
            VerificationFailed: The bytes do not have the hash that was offered, or not the block's length.
            StoreUnavailable: This or an earlier block could not be stored.
        """
        offset, length = self._layout.extent(block)
        sha256 = self._pending.pop(block, None)
        if sha256 is None:
            if not self._was_offered(block):
                raise InvalidRequest(f"{self.name}: block {block} was brought before it was offered")
            return
        if len(data) != length or hashlib.sha256(data).digest() != sha256:
            self._pending[block] = sha256
            raise VerificationFailed(
                f"{self.name}: the {len(data)} bytes brought for block {block} (at {offset}) do not have the hash that "
                "was offered",
                hint="the source changed while it was read, or the bytes were altered on the way",
            )
        try:
            stored = self._desk.bring(sha256, data)
        except BaseException:
            self._pending[block] = sha256
            raise
        with self._lock:
            self._stored_bytes += stored

    def add(self, block: int, data: bytes | bytearray | memoryview) -> None:
        """Hash, offer and bring one block in one step: for files that are read on this machine.

        Raises:
            VerificationFailed: The bytes have not the block's length.
            StoreUnavailable: This or an earlier block could not be stored.
        """
        offset, length = self._layout.extent(block)
        if len(data) != length:
            raise VerificationFailed(f"{self.name}: block {block} (at {offset}) has {length} bytes, not {len(data)}")
        sha256 = f.ZERO_HASH if is_zero(data) else hashlib.sha256(data).digest()
        if self._note(block, sha256) and sha256 != f.ZERO_HASH and self._desk.claim(sha256, self.name, block):
            stored = self._desk.bring(sha256, data)
            with self._lock:
                self._stored_bytes += stored

    def _was_offered(self, block: int) -> bool:
        number, place = divmod(block, f.FAN_OUT)
        with self._lock:
            known = self._lists.get(number)
            return number < self._next_list or number in self._complete or bool(known and known.seen[place])

    def finish(self) -> PointFile:
        """Check that every block was offered and brought, store the list tree, and return the file's entry.

        Raises:
            VerificationFailed: A block was never offered, or never brought.
        """
        if self._entry is not None:
            return self._entry
        if self._pending:
            raise VerificationFailed(f"{self.name}: block {min(self._pending)} was lacking and was never brought")
        if self._next_list * f.FAN_OUT < self._layout.blocks:
            known = self._lists.get(self._next_list)
            block = self._next_list * f.FAN_OUT + (known.seen.index(0) if known else 0)
            raise VerificationFailed(f"{self.name}: block {block} was never offered")
        keep = self._counting_keep()
        root = build_tree(self._list_hashes, keep)
        cuts = self._layout.cuts
        stored = f.StoredFile(
            name=self.name,
            size_bytes=self._layout.size,
            block_size=self._layout.block_size,
            blocks=self._layout.blocks,
            root=root.hex(),
            cuts_count=len(cuts),
            cuts_root=store_cuts(cuts, keep).hex() if cuts else "",
        )
        self._entry = PointFile(
            name=self.name,
            source=self._source,
            kind=self._kind,
            size_bytes=self._layout.size,
            hash=self._sum.hexdigest(),
            stored_bytes=self._stored_bytes,
            modified_at=self._modified_at,
        )
        self._desk.finished(self._entry, stored)
        return self._entry

    def _counting_keep(self) -> Callable[[bytes, bytes], None]:
        def keep(sha256: bytes, data: bytes) -> None:
            self._stored_bytes += self._desk.keep_list(sha256, data)

        return keep


def store_cuts(cuts: Sequence[int], keep: Callable[[bytes, bytes], None]) -> bytes:
    """Store cuts as a stream of u64 in blocks of 256 KiB, and return the root of their tree."""
    numbers = array("Q", cuts)
    if numbers.itemsize != 8 or array("H", [1]).tobytes() != b"\1\0":
        numbers.byteswap()
    data, hashes = numbers.tobytes(), bytearray()
    for start in range(0, len(data), f.BLOCK_SIZE):
        piece = data[start : start + f.BLOCK_SIZE]
        sha256 = hashlib.sha256(piece).digest()
        keep(sha256, piece)
        hashes += sha256
    return build_tree(hashes, keep)


def is_zero(data: bytes | bytearray | memoryview) -> bool:
    """Return whether there are only zero bytes; looks at a few first, as most blocks are something."""
    middle = len(data) // 2
    if any(data[:16]) or any(data[middle : middle + 16]):
        return False
    return bytes(data) == (_ZEROS if len(data) == len(_ZEROS) else bytes(len(data)))
