"""Stores that fail on demand, and a folder that loses what was not flushed when its power is cut."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

from hvbackup.repository.store import ObjectInfo, Store, open_store


class PowerCut(BaseException):
    """The process died here; nothing after this line of it ran."""


class ClockStore:
    """Objects in memory, with a clock that the test moves; several machines may share one."""

    location = "memory with a clock"

    def __init__(self) -> None:
        self.store: Store = open_store("memory:")
        self.now = 1_790_000_000.0
        self.times: dict[str, float] = {}
        self._lock = threading.Lock()

    def put(self, name: str, data: Any, *, create: bool = False) -> None:
        with self._lock:
            self.store.put(name, data, create=create)
            self.times[name] = self.now

    def get(self, name: str) -> bytes:
        return self.store.get(name)

    def get_range(self, name: str, start: int, length: int) -> bytes:
        return self.store.get_range(name, start, length)

    def head(self, name: str) -> ObjectInfo:
        with self._lock:
            return self.store.head(name)._replace(modified=self.times[name])

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        with self._lock:
            return iter([info._replace(modified=self.times[info.name]) for info in self.store.list(prefix)])

    def delete(self, name: str) -> None:
        self.store.delete(name)


class CountingStore:
    """Passes calls on, counts those that change something, and fails at a chosen one."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.calls: list[tuple[str, str]] = []
        self.fail: Callable[[int, str, str], None] = lambda _number, _what, _name: None
        self._lock = threading.Lock()

    @property
    def location(self) -> str:
        return self.store.location

    def _count(self, what: str, name: str) -> None:
        with self._lock:
            number = len(self.calls)
            self.calls.append((what, name))
        self.fail(number, what, name)

    def put(self, name: str, data: Any, *, create: bool = False) -> None:
        self._count("put", name)
        self.store.put(name, data, create=create)
        self._count("put done", name)

    def get(self, name: str) -> bytes:
        self._count("get", name)
        return self.store.get(name)

    def get_range(self, name: str, start: int, length: int) -> bytes:
        self._count("get", name)
        return self.store.get_range(name, start, length)

    def head(self, name: str) -> ObjectInfo:
        self._count("head", name)
        return self.store.head(name)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        self._count("list", prefix)
        return self.store.list(prefix)

    def delete(self, name: str) -> None:
        self._count("delete", name)
        self.store.delete(name)
        self._count("delete done", name)
