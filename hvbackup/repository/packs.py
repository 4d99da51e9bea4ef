"""Packs: where blocks lie, about 16 MiB at a time. A pack's footer alone tells what is in it.

`PackBuilder` fills one pack in memory; `PackPool` lets many threads fill a few packs and makes them durable.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from hvbackup.errors import HvBackupError, RepositoryDamaged, StoreUnavailable
from hvbackup.repository import format as f
from hvbackup.repository.crypto import Cipher, Damaged, Keys, pack_zstd, unpack_zstd
from hvbackup.repository.store import ObjectMissing, Store

#: A block is stored compressed only when that saves at least 3 %.
WORTH_COMPRESSING = 0.97
#: At most this many entries, whatever their size.
MAX_ENTRIES = 65536


class PackBuilder:
    """One pack being filled; used by one thread at a time."""

    def __init__(self, keys: Keys, kind: int, buffer: bytearray) -> None:
        self.id = secrets.token_bytes(16)
        self.kind = kind
        self.entries: list[f.Entry] = []
        self.buffer = buffer
        self._keys = keys
        self._cipher = keys.cipher(self.id)
        self._header = f.PACK_HEADER.pack(f.PACK_MAGIC, kind, f.FLAG_ENCRYPTED if keys.encrypted else 0, self.id)
        self.buffer[: len(self._header)] = self._header
        self.used = len(self._header)

    def append(self, id: bytes, body: bytes | memoryview, size: int, *, zstd: bool) -> int:
        """Encrypt a block into the pack; return the stored length."""
        stored = self._cipher.encrypt(self.used, body, id)
        end = self.used + len(stored)
        self.buffer[self.used : end] = stored
        self.entries.append(f.Entry(id, self.used, len(stored), size, zstd))
        self.used = end
        return len(stored)

    def close(self) -> int:
        """Write footer and tail; return the length of the whole pack."""
        entries = f.write_entries(self.entries)
        footer = self._keys.seal_footer(self._cipher, self._header, self.used, entries)
        tail = footer + f.PACK_TAIL.pack(len(footer), len(self.entries), f.PACK_END)
        end = self.used + len(tail)
        self.buffer[self.used : end] = tail
        return end


class PackPool:
    """Fills packs from several threads, with at most `buffers` packs in memory, and stores the full ones.

    No lock is held while a block is compressed or encrypted: a thread takes an open pack, appends, and gives it back.

    Args:
        stored: Told of each pack once it is durable.
    """

    def __init__(
        self,
        store: Store,
        keys: Keys,
        *,
        level: int,
        pack_size: int,
        stored: Callable[[f.PackInfo, list[f.Entry]], None],
        buffers: int = 4,
    ) -> None:
        self._store, self._keys, self._level, self._pack_size = store, keys, level, pack_size
        self._stored = stored
        self._changed = threading.Condition()
        self._free = buffers
        self._spare: list[bytearray] = []
        self._open: list[PackBuilder] = []
        self._filling: set[PackBuilder] = set()
        self._draining: set[PackBuilder] = set()
        self._flushing: set[PackBuilder] = set()
        self._executor = ThreadPoolExecutor(2, thread_name_prefix="hvbackup-pack")
        #: Ids of blocks that are in a pack that is not durable yet. Look here before looking in the index.
        self.pending: set[bytes] = set()
        #: Packs that were made durable, in that order.
        self.stored_packs: list[bytes] = []
        #: How many packs could not be stored, and why the last could not.
        self.failures = 0
        self.failure: HvBackupError | None = None

    def add(self, id: bytes, data: bytes | bytearray | memoryview, kind: int = f.PACK_DATA) -> int:
        """Compress, encrypt and pack one block; return the stored length. Waits while all packs are being stored."""
        body: bytes | memoryview = memoryview(data)
        zstd = False
        if kind == f.PACK_DATA:
            frame = pack_zstd(body, self._level)
            zstd = len(frame) < len(body) * WORTH_COMPRESSING
            body = frame if zstd else body
        builder = self._take(kind)
        try:
            self.pending.add(id)
            return builder.append(id, body, len(data), zstd=zstd)
        finally:
            self._give_back(builder)

    def _take(self, kind: int) -> PackBuilder:
        with self._changed:
            while True:
                builder = next((known for known in self._open if known.kind == kind), None)
                if builder is not None:
                    self._open.remove(builder)
                    break
                if self._free:
                    self._free -= 1
                    buffer = self._spare.pop() if self._spare else bytearray(self._pack_size + f.MAX_BLOCK_SIZE)
                    builder = PackBuilder(self._keys, kind, buffer)
                    break
                # Every buffer is in use. Packs of the other kind that lie open would never be given up by themselves.
                while self._open:
                    self._submit(self._open.pop())
                self._changed.wait()
            self._filling.add(builder)
            return builder

    def _give_back(self, builder: PackBuilder) -> None:
        with self._changed:
            self._filling.discard(builder)
            full = builder.used >= self._pack_size or len(builder.entries) >= MAX_ENTRIES
            if full or builder in self._draining:
                self._draining.discard(builder)
                self._submit(builder)
            else:
                self._open.append(builder)
            self._changed.notify_all()

    def _submit(self, builder: PackBuilder) -> None:
        self._flushing.add(builder)
        self._executor.submit(self._flush, builder)

    def _flush(self, builder: PackBuilder) -> None:
        failure: HvBackupError | None = None
        try:
            end = builder.close()
            with memoryview(builder.buffer) as whole:
                self._store.put(f.pack_name(builder.id), whole[:end])
            self.stored_packs.append(builder.id)
            self._stored(f.PackInfo(builder.id, end, builder.kind), builder.entries)
        except HvBackupError as error:
            failure = error
        except Exception as error:  # noqa: BLE001 - whatever it was, no point may rely on this pack
            failure = StoreUnavailable(f"{self._store.location}: a pack could not be stored: {error!r}")
        with self._changed:
            if failure is not None:
                self.failures += 1
                self.failure = failure
            self.pending.difference_update([entry.id for entry in builder.entries])
            self._spare.append(builder.buffer)
            self._free += 1
            self._flushing.discard(builder)
            self._changed.notify_all()

    def flush(self) -> None:
        """Store every pack that has something in it now, and wait until all are durable or failed (`failures`)."""
        with self._changed:
            waiting = {*self._filling, *self._flushing, *self._open}
            self._draining |= self._filling
            while self._open:
                self._submit(self._open.pop())
            self._changed.wait_for(lambda: not waiting & (self._filling | self._flushing))

    def settle(self) -> None:
        """Wait for the packs that are being stored now: whatever becomes of them is no matter of who comes later."""
        with self._changed:
            waiting = set(self._flushing)
            self._changed.wait_for(lambda: not waiting & self._flushing)

    def close(self) -> None:
        """Drop the open packs and wait for those that are being stored."""
        with self._changed:
            self._open.clear()
        self._executor.shutdown(wait=True)


def read_footer(store: Store, keys: Keys, pack: bytes, size: int) -> tuple[int, list[f.Entry]]:
    """Return kind and entries of a pack of `size` bytes, from its header and footer.

    Raises:
        RepositoryDamaged: The pack is cut short, altered or missing.
    """
    name = f.pack_name(pack)
    try:
        header = store.get_range(name, 0, f.PACK_HEADER.size)
        tail = store.get_range(name, max(0, size - f.PACK_TAIL.size), f.PACK_TAIL.size)
        kind, length, count = check_frame(header, tail, pack, size, encrypted=keys.encrypted)
        start = size - f.PACK_TAIL.size - length
        footer = store.get_range(name, start, length)
        return kind, open_entries(keys, keys.cipher(pack), header, start, footer, count)
    except ObjectMissing as error:
        raise RepositoryDamaged(f"{name}: the pack is missing") from error
    except Damaged as error:
        raise RepositoryDamaged(f"{name}: {error}", hint="run `hvbackup repository check --read-data`") from error


def check_frame(header: bytes, tail: bytes, pack: bytes, size: int, *, encrypted: bool) -> tuple[int, int, int]:
    """Return kind, footer length and entry count of a pack from its first and last bytes; raises `Damaged`."""
    if len(header) < f.PACK_HEADER.size or len(tail) < f.PACK_TAIL.size:
        raise Damaged("it is cut short")
    magic, kind, flags, found = f.PACK_HEADER.unpack(header)
    length, count, end = f.PACK_TAIL.unpack(tail)
    if header != f.PACK_HEADER.pack(f.PACK_MAGIC, kind, flags, found) or magic != f.PACK_MAGIC or found != pack:
        raise Damaged("its header is not that of this pack")
    if flags != (f.FLAG_ENCRYPTED if encrypted else 0) or kind not in (f.PACK_DATA, f.PACK_LISTS):
        raise Damaged("its header is not that of a pack of this repository")
    if end != f.PACK_END or length > size - f.PACK_HEADER.size - f.PACK_TAIL.size:
        raise Damaged("its end is not that of a pack; it is cut short or was altered")
    return kind, length, count


def open_entries(keys: Keys, cipher: Cipher, header: bytes, start: int, footer: bytes, count: int) -> list[f.Entry]:
    """Return the entries of a footer that begins at `start`; raises `Damaged`."""
    plain = keys.open_footer(cipher, header, start, footer)
    if len(plain) != count * f.PACK_ENTRY.size:
        raise Damaged("its footer has another length than it says")
    entries = f.read_entries(plain)
    end = f.PACK_HEADER.size
    for entry in entries:
        if entry.offset != end:
            raise Damaged("the blocks that its footer lists do not fill it")
        end += entry.length
    if end != start:
        raise Damaged("the blocks that its footer lists do not fill it")
    return entries


def open_block(cipher: Cipher, id: bytes, place: f.Place | f.Entry, stored: bytes | memoryview) -> bytes:
    """Return the plain bytes of a block from its stored ones; the caller compares them with its hash.

    Raises:
        Damaged: They are cut short or altered.
    """
    if len(stored) != place.length:
        raise Damaged("the pack is cut short")
    body = cipher.decrypt(place.offset, stored, id)
    if place.zstd:
        return unpack_zstd(body, f.MAX_BLOCK_SIZE, exactly=place.size)
    if len(body) != place.size:
        raise Damaged("a block has another size than listed")
    return body
