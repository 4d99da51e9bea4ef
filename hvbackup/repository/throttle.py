"""A limit on the bytes per second to and from a store, shared by all threads of a repository."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from hvbackup.events import Cancellation
from hvbackup.repository.store import ObjectInfo, Store

#: Objects up to this size never wait, but count: a lease must be renewed in time, whatever packs are under way.
SMALL_BYTES = 64 * 1024


class Throttle:
    """Lets bytes through at a rate. Thread-safe: all threads share it.

    Each transfer books the time that its bytes take at this rate, and begins when the time booked before it is over.
    So the rate holds on average over a few packs; one pack by itself goes as fast as the line does.

    Args:
        rate: Bytes per second, above zero.
        stop: Once it is set, nobody waits any more: work that is being stopped must not take minutes to end.
        clock: A clock that never goes back, in seconds.
        wait: Waits so many seconds, or until `stop` is set.
    """

    def __init__(
        self,
        rate: float,
        *,
        stop: Cancellation | None = None,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        if rate <= 0:
            raise ValueError(f"a rate of {rate} bytes per second lets nothing through")
        self.rate = rate
        self._stop = stop or Cancellation()
        self._clock = clock
        self._wait = wait or self._stop.wait
        self._free_at = clock()
        self._lock = threading.Lock()

    def pass_through(self, size: int) -> None:
        """Book `size` bytes, and wait until they may go."""
        with self._lock:
            now = self._clock()
            begin = max(now, self._free_at)
            self._free_at = begin + size / self.rate
        if begin > now and size > SMALL_BYTES and not self._stop.is_set:
            self._wait(begin - now)


class ThrottledStore:
    """A store behind a `Throttle` for each direction; None is no limit."""

    def __init__(self, store: Store, *, upload: Throttle | None = None, download: Throttle | None = None) -> None:
        self._store, self._upload, self._download = store, upload, download
        self.head, self.list, self.delete = store.head, store.list, store.delete

    head: Callable[[str], ObjectInfo]
    list: Callable[[str], Iterator[ObjectInfo]]
    delete: Callable[[str], None]

    @property
    def location(self) -> str:
        """Where it is."""
        return self._store.location

    def put(self, name: str, data: bytes | bytearray | memoryview, *, create: bool = False) -> None:
        """Store an object, when its turn has come."""
        if self._upload is not None:
            self._upload.pass_through(len(data))
        self._store.put(name, data, create=create)

    def get(self, name: str) -> bytes:
        """Return an object; how large it is shows only then, so that it delays what comes after it."""
        data = self._store.get(name)
        if self._download is not None:
            self._download.pass_through(len(data))
        return data

    def get_range(self, name: str, start: int, length: int) -> bytes:
        """Return a part of an object, when its turn has come."""
        if self._download is not None:
            self._download.pass_through(length)
        return self._store.get_range(name, start, length)


def limited(store: Store, upload: float | None, download: float | None, *, stop: Cancellation | None = None) -> Store:
    """Return the store with limits in bytes per second; without any, the store itself."""
    if upload is None and download is None:
        return store
    return ThrottledStore(
        store,
        upload=None if upload is None else Throttle(upload, stop=stop),
        download=None if download is None else Throttle(download, stop=stop),
    )
