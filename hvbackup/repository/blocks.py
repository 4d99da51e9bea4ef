"""Reading blocks: find, fetch, decrypt, decompress, compare with the hash."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable

from hvbackup.errors import RepositoryDamaged
from hvbackup.repository import format as f
from hvbackup.repository.crypto import Cipher, Damaged, Keys
from hvbackup.repository.index import Index
from hvbackup.repository.packs import open_block
from hvbackup.repository.store import ObjectMissing, Store

CHECK_HINT = "run `hvbackup repository check --read-data` to see which restore points are hurt"
#: Block ciphers that are kept: making one costs a key derivation.
CIPHERS = 64


class BlockSource:
    """Gives blocks by their SHA-256, each checked against it. Thread-safe.

    Args:
        find_again: Called once for a block that the index lacks; it may load what was written since, and returns
            whether it found anything new.
    """

    def __init__(self, store: Store, keys: Keys, index: Index, find_again: Callable[[], bool]) -> None:
        self.store = store
        self._keys, self._index, self._find_again = keys, index, find_again
        self._ciphers: OrderedDict[bytes, Cipher] = OrderedDict()
        self._lock = threading.Lock()

    def place(self, sha256: bytes) -> f.Place:
        """Return where a block is.

        Raises:
            RepositoryDamaged: No pack that is there holds it.
        """
        block_id = self._keys.block_id(sha256)
        place = self._index.find(block_id)
        if place is None and self._find_again():
            place = self._index.find(block_id)
        if place is None:
            raise RepositoryDamaged(f"block {block_id.hex()[:16]} is in no pack of the repository", hint=CHECK_HINT)
        return place

    def cipher(self, pack: bytes) -> Cipher:
        """Return what protects the blocks of a pack."""
        with self._lock:
            cipher = self._ciphers.pop(pack, None) or self._keys.cipher(pack)
            self._ciphers[pack] = cipher
            if len(self._ciphers) > CIPHERS:
                self._ciphers.popitem(last=False)
            return cipher

    def fetch(self, pack: bytes, start: int, length: int) -> bytes:
        """Return a range of a pack.

        Raises:
            RepositoryDamaged: The pack is missing.
        """
        try:
            return self.store.get_range(f.pack_name(pack), start, length)
        except ObjectMissing as error:
            raise RepositoryDamaged(f"{f.pack_name(pack)}: the pack is missing", hint=CHECK_HINT) from error

    def open(self, sha256: bytes, place: f.Place, stored: bytes | memoryview) -> bytes:
        """Return the plain bytes of a block from its stored ones.

        Raises:
            RepositoryDamaged: They are not those of this block.
        """
        try:
            plain = open_block(self.cipher(place.pack), self._keys.block_id(sha256), place, stored)
        except Damaged as error:
            name = f"{f.pack_name(place.pack)} at {place.offset}"
            raise RepositoryDamaged(f"{name}: {error}", hint=CHECK_HINT) from error
        if hashlib.sha256(plain).digest() != sha256:
            name = f"{f.pack_name(place.pack)} at {place.offset}"
            raise RepositoryDamaged(f"{name}: a block does not have its hash", hint=CHECK_HINT)
        return plain

    def read(self, sha256: bytes) -> bytes:
        """Return the plain bytes of a block that is not zeros, from any pack that has it whole.

        Raises:
            RepositoryDamaged: No pack has it whole.
        """
        self.place(sha256)
        try:
            return self._read(sha256)
        except RepositoryDamaged:
            # A collection may have moved it since the index was read.
            if not self._find_again():
                raise
            return self._read(sha256)

    def _read(self, sha256: bytes) -> bytes:
        damage: RepositoryDamaged | None = None
        for place in list(self._index.places(self._keys.block_id(sha256))):
            try:
                return self.open(sha256, place, self.fetch(place.pack, place.offset, place.length))
            except RepositoryDamaged as error:
                damage = damage or error
        raise damage or RepositoryDamaged("a block vanished while it was looked for", hint=CHECK_HINT)
