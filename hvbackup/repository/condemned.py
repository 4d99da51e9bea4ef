"""Packs that are condemned: to be deleted once a grace time has passed, unless a point needs them by then.

A collection deletes in two phases. What a writer owes it: blocks of condemned packs count as lacking from the begin of
a point on, and before a point is written no pack that it relies on may be condemned: such blocks are stored anew.
"""

from __future__ import annotations

from collections.abc import Iterable

from hvbackup.errors import RepositoryDamaged
from hvbackup.repository import format as f
from hvbackup.repository.crypto import Damaged, Keys
from hvbackup.repository.packs import PackPool, open_block, read_footer
from hvbackup.repository.store import ObjectMissing, Store


def read_condemned(store: Store, keys: Keys) -> set[bytes]:
    """Return the ids of all condemned packs."""
    packs: set[bytes] = set()
    for info in store.list(f.CONDEMNED):
        if not info.size:
            continue
        try:
            payload = keys.unseal(f.SEALED_CONDEMNED, info.name, store.get(info.name))
        except ObjectMissing:
            continue
        packs.update(payload[start : start + 16] for start in range(0, len(payload), 16))
    return packs


def rescue(store: Store, keys: Keys, packs: Iterable[bytes], pool: PackPool) -> None:
    """Store the blocks of condemned packs anew.

    Raises:
        RepositoryDamaged: A pack is gone or hurt.
    """
    for pack in packs:
        name = f.pack_name(pack)
        try:
            kind, entries = read_footer(store, keys, pack, store.head(name).size)
            cipher = keys.cipher(pack)
            for entry in entries:
                plain = open_block(cipher, entry.id, entry, store.get_range(name, entry.offset, entry.length))
                pool.add(entry.id, plain, kind)
        except (ObjectMissing, Damaged) as error:
            raise RepositoryDamaged(
                f"{name}: the pack was collected while the backup relied on it", hint="run the backup again"
            ) from error
