"""Marks on restore points: read back whole (`verified/`), and to be kept whatever the policy (`pins/`).

Each mark is a small sealed object that has the point's id as its name. Points never change, so marks lie beside them.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

import msgspec

from hvbackup.models import Model
from hvbackup.repository import format as f
from hvbackup.repository.crypto import Keys
from hvbackup.repository.store import ObjectMissing, Store


class Verified(Model, frozen=True, kw_only=True):
    """A point was read back, and all was well.

    Attributes:
        verified_at: By the clock of the machine that read it, ISO 8601.
    """

    verified_at: str
    tool_version: str = ""


class Pin(Model, frozen=True, kw_only=True):
    """A point is to be kept until it is unpinned."""

    pinned_at: str
    reason: str = ""


MarkT = TypeVar("MarkT", bound=Model)


class MarkShelf(Generic[MarkT]):
    """All marks of one kind. Damaged ones raise `RepositoryDamaged`: who decides by marks must know them all."""

    def __init__(self, store: Store, keys: Keys, prefix: str, kind: int, type_: type[MarkT]) -> None:
        self._store, self._keys = store, keys
        self.prefix, self._kind, self._type = prefix, kind, type_

    def ids(self) -> list[str]:
        """Return the names of all marks, which are the ids of their points, sorted."""
        return sorted(info.name.removeprefix(self.prefix) for info in self._store.list(self.prefix))

    def read(self, point_id: str) -> MarkT | None:
        """Return the mark of a point, or None when it has none."""
        name = self.prefix + point_id
        try:
            payload = self._keys.unseal(self._kind, name, self._store.get(name))
        except ObjectMissing:
            return None
        return f.decode_json(payload, self._type, f"{name}: the mark")

    def read_all(self) -> dict[str, MarkT]:
        """Return all marks by the ids of their points."""
        ids = self.ids()
        with ThreadPoolExecutor(8, thread_name_prefix="hvbackup-marks") as executor:
            marks = list(executor.map(self.read, ids))
        return {point_id: mark for point_id, mark in zip(ids, marks, strict=True) if mark is not None}

    def write(self, point_id: str, mark: MarkT) -> None:
        """Mark a point; replaces its mark of this kind."""
        name = self.prefix + point_id
        self._store.put(name, self._keys.seal(self._kind, name, msgspec.json.encode(mark), compress=False))

    def remove(self, point_id: str) -> None:
        """Take the mark from a point; no error when it has none."""
        self._store.delete(self.prefix + point_id)


def verified_marks(store: Store, keys: Keys) -> MarkShelf[Verified]:
    """Return the marks of points that were read back whole."""
    return MarkShelf(store, keys, f.VERIFIED, f.SEALED_VERIFIED, Verified)


def pin_marks(store: Store, keys: Keys) -> MarkShelf[Pin]:
    """Return the pins."""
    return MarkShelf(store, keys, f.PINS, f.SEALED_PIN, Pin)
