"""Small objects that have outlived what they were about: marks of deleted points, old notes of deletion, probes."""

from __future__ import annotations

from hvbackup.repository import format as f
from hvbackup.repository.crypto import Keys
from hvbackup.repository.marks import pin_marks, verified_marks
from hvbackup.repository.store import ObjectInfo, Store

PROBE_SECONDS = 86400.0


class Clutter:
    """What a collection may sweep away besides packs."""

    def __init__(self, store: Store, keys: Keys) -> None:
        self._store = store
        self._marks = (verified_marks(store, keys), pin_marks(store, keys))
        self._marked: list[tuple[str, str]] = []
        self._deleted: list[ObjectInfo] = []
        self._points: set[str] = set()
        self._previous: set[str] = set()

    def look(self) -> None:
        """List what there is; before the points are listed, so that no mark of a new point is taken for an old one."""
        self._marked = [(shelf.prefix, point_id) for shelf in self._marks for point_id in shelf.ids()]
        self._deleted = list(self._store.list(f.DELETED))

    def keep(self, point_id: str, previous: str) -> None:
        """Learn of a point that is there, and of the one that it says was there before it."""
        self._points.add(point_id)
        self._previous.add(previous)

    def clear(self, older_than: float) -> None:
        """Delete marks of points that are gone, and notes of deletion that no point refers to any more.

        Args:
            older_than: Only what was written before this time, by the store's clock: a backup that is just ending may
                refer to a point that was deleted a moment ago.
        """
        for prefix, point_id in self._marked:
            if point_id not in self._points:
                self._store.delete(prefix + point_id)
        for info in self._deleted:
            if info.modified < older_than and info.name.removeprefix(f.DELETED) not in self._points | self._previous:
                self._store.delete(info.name)
        for info in list(self._store.list(f.PROBES)):
            if info.modified < older_than - PROBE_SECONDS:
                self._store.delete(info.name)
