"""The small sealed objects beside points: leases, condemned packs, marks, notes of deletion. Are they what they say?"""

from __future__ import annotations

from collections.abc import Iterator

from hvbackup.errors import RepositoryDamaged
from hvbackup.repository import format as f
from hvbackup.repository.crypto import Keys
from hvbackup.repository.store import ObjectMissing, Store

KINDS = {
    f.LEASES: f.SEALED_LEASE,
    f.CONDEMNED: f.SEALED_CONDEMNED,
    f.DELETED: f.SEALED_DELETED,
    f.VERIFIED: f.SEALED_VERIFIED,
    f.PINS: f.SEALED_PIN,
}
#: Empty objects are reserved names here, and nothing to open; elsewhere they are damage.
MAY_BE_EMPTY = (f.LEASES, f.CONDEMNED)


def damaged_small_objects(store: Store, keys: Keys) -> Iterator[tuple[str, RepositoryDamaged]]:
    """Yield the names of those that cannot be opened, and why."""
    for prefix, kind in KINDS.items():
        for info in store.list(prefix):
            if not info.size and prefix in MAY_BE_EMPTY:
                continue
            try:
                keys.unseal(kind, info.name, store.get(info.name))
            except RepositoryDamaged as error:
                yield info.name, error
            except ObjectMissing:
                continue
