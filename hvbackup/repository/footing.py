"""The packs that a point in the making stands on, and how they are kept from being collected under it."""

from __future__ import annotations

import threading
import time

from hvbackup.errors import RepositoryDamaged
from hvbackup.repository import format as f
from hvbackup.repository.condemned import CondemnedWatch
from hvbackup.repository.crypto import Keys
from hvbackup.repository.index import Index, list_packs
from hvbackup.repository.packs import PackPool, read_footer
from hvbackup.repository.salvage import copy_blocks
from hvbackup.repository.store import ObjectMissing, Store

#: A long backup looks this often whether packs that it relies on were condemned: while they are still there.
LOOK_SECONDS = 600.0


class Footing:
    """What one point relies on. Thread-safe. `hvbackup.repository.condemned` says why this is enough.

    Args:
        names: The names below `condemned/`, as they were before the packs were listed.
    """

    def __init__(
        self, store: Store, keys: Keys, index: Index, pool: PackPool, watch: CondemnedWatch, names: frozenset[str]
    ) -> None:
        self._store, self._keys, self._index, self._pool, self._watch = store, keys, index, pool, watch
        self._names = names
        self._relied: set[bytes] = set()
        #: Packs whose blocks were stored anew, so that it does not matter any more what becomes of them.
        self._left: set[bytes] = set()
        self._first_own = len(pool.stored_packs)
        self._looking = threading.Lock()
        self._next_look = time.monotonic() + LOOK_SECONDS

    def has(self, block_id: bytes) -> bool:
        """Return whether a block is there, and rely on it if it is."""
        # `pending` before the index: a block goes from the one to the other, never back.
        if block_id in self._pool.pending:
            return True
        place = self._index.dependable(block_id)
        if place is None:
            return False
        self._relied.add(place.pack)
        return True

    def look_now_and_then(self) -> None:
        """Look if the last time is a while ago; the caller holds no lock."""
        if time.monotonic() >= self._next_look and self._looking.acquire(blocking=False):
            try:
                self._look()
                self._next_look = time.monotonic() + LOOK_SECONDS
            finally:
                self._looking.release()

    def look(self) -> bool:
        """Store anew the blocks of condemned packs; return whether there were any. Flush the pool then, look again.

        Raises:
            RepositoryDamaged: A pack that the point relies on is gone or hurt.
        """
        with self._looking:
            return self._look()

    def _look(self) -> bool:
        names = self._watch.look()
        relied = self._packs()
        condemned = relied & self._watch.packs
        for pack in condemned:
            self._store_anew(pack)
            self._left.add(pack)
        if names != self._names:
            # A collection was at work. After the names: whatever it deletes later, it condemned before.
            gone = (relied - condemned).difference(pack for pack, _ in list_packs(self._store))
            if gone:
                raise _collected(f.pack_name(min(gone)))
            self._names = names
        return bool(condemned)

    def _packs(self) -> set[bytes]:
        own = self._pool.stored_packs[self._first_own :]
        return {*self._relied.copy(), *own} - self._left

    def _store_anew(self, pack: bytes) -> None:
        name = f.pack_name(pack)
        try:
            kind, entries = read_footer(self._store, self._keys, pack, self._store.head(name).size)
        except (ObjectMissing, RepositoryDamaged) as error:
            raise _collected(name) from error
        lacking = [entry for entry in entries if not self.has(entry.id)]
        if copy_blocks(self._store, self._keys, pack, kind, lacking, self._pool):
            raise _collected(name)


def _collected(name: str) -> RepositoryDamaged:
    return RepositoryDamaged(
        f"{name}: the pack was collected or repaired while the backup relied on it", hint="run the backup again"
    )
