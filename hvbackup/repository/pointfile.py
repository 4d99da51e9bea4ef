"""A file of a restore point as a file object of Python: seekable, read-only, for several threads."""

from __future__ import annotations

import io
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from hvbackup.errors import HvBackupError, InvalidRequest
from hvbackup.repository.geometry import Layout

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

#: A page is read from the store in one request where its blocks lie together, as they do after a first backup.
PAGE_BYTES = 1024 * 1024
#: Pages that are kept: 16 MiB for each open file.
KEPT_PAGES = 16
#: Pages that are fetched ahead of a reader that goes straight on, and the threads that fetch them.
AHEAD_PAGES = 3
AHEAD_THREADS = 2


class OpenedPointFile(io.RawIOBase):
    """One file of a restore point, opened for reading; every byte is checked against its hash. Use it in `with`.

    Wrap it in `io.BufferedReader` for many small reads. `read` and `seek` share one position and are safe to call from
    several threads; `read_at` has no position, and its calls run side by side. It is a `Source` for the images room.

    Reads raise `RepositoryDamaged` when a block cannot be had whole, `StoreUnavailable` when the store does not answer,
    and ValueError when the file is closed.

    Args:
        read_blocks: Gives the bytes of (first block, count) in one piece.
    """

    def __init__(self, name: str, layout: Layout, read_blocks: Callable[[int, int], bytes]) -> None:
        super().__init__()
        self.name = name
        self.size = layout.size
        self._layout = layout
        self._read_blocks = read_blocks
        self._page_blocks = max(1, PAGE_BYTES // layout.block_size)
        self._last_page = (layout.blocks - 1) // self._page_blocks
        self._position = 0
        self._position_lock = threading.Lock()
        self._lock = threading.Lock()
        self._pages: OrderedDict[int, bytes] = OrderedDict()
        self._coming: dict[int, Future[bytes]] = {}
        self._previous = self._last_page + 1  # nowhere: the first page alone says nothing of where a reader goes
        self._executor: ThreadPoolExecutor | None = None

    # ------------------------------------------------------------ what a file object does

    def readable(self) -> bool:
        """Whether it can be read: yes."""
        self._check_open()
        return True

    def seekable(self) -> bool:
        """Whether its position can be moved: yes."""
        self._check_open()
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move the position, also behind the end, and return it."""
        self._check_open()
        with self._position_lock:
            base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size}.get(whence)
            if base is None or base + offset < 0:
                raise ValueError(f"cannot seek to {offset} (whence {whence})")
            self._position = base + offset
            return self._position

    def tell(self) -> int:
        """Return the position."""
        self._check_open()
        return self._position

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill `buffer` from the position on and move it; return how many bytes there were: fewer at the end only."""
        self._check_open()
        with self._position_lock, memoryview(buffer).cast("B") as view:
            data = self.read_at(self._position, len(view))
            view[: len(data)] = data
            self._position += len(data)
            return len(data)

    def readall(self) -> bytes:
        """Return everything from the position on."""
        self._check_open()
        with self._position_lock:
            data = self.read_at(self._position, max(0, self.size - self._position))
            self._position += len(data)
            return data

    def close(self) -> None:
        """Forget the pages and stop reading ahead; closing twice is no error."""
        if not self.closed:
            super().close()
            with self._lock:
                executor, self._executor = self._executor, None
                self._pages.clear()
                self._coming.clear()
            if executor is not None:
                executor.shutdown(wait=False, cancel_futures=True)

    # ------------------------------------------------------------ what others need

    def read_at(self, offset: int, size: int) -> bytes:
        """Return the bytes at `offset`, fewer at the end; the position stays where it is.

        Raises:
            InvalidRequest: A negative offset or size.
        """
        self._check_open()
        if offset < 0 or size < 0:
            raise InvalidRequest(f"cannot read {size} bytes at {offset}")
        end = min(offset + size, self.size)
        parts = []
        while offset < end:
            number = self._layout.block_at(offset) // self._page_blocks
            start = self._layout.extent(number * self._page_blocks)[0]
            page = self._page(number)
            part = page[offset - start : end - start]
            parts.append(part)
            offset += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    # ------------------------------------------------------------ pages

    def _page(self, number: int) -> bytes:
        with self._lock:
            straight_on = number == self._previous + 1
            self._previous = number
            page = self._pages.get(number)
            if page is not None:
                self._pages.move_to_end(number)
            coming = self._coming.get(number)
            if straight_on:
                self._fetch_ahead(number)
        if page is None:
            page = self._await(number, coming) if coming is not None else self._load(number)
            self._keep(number, page)
        return page

    def _await(self, number: int, coming: Future[bytes]) -> bytes:
        try:
            return coming.result()
        except (HvBackupError, CancelledError):
            return self._load(number)  # what failed a while ago may do now; else this error is the fresh one

    def _load(self, number: int) -> bytes:
        first = number * self._page_blocks
        return self._read_blocks(first, min(self._page_blocks, self._layout.blocks - first))

    def _keep(self, number: int, page: bytes) -> None:
        with self._lock:
            self._coming.pop(number, None)
            if self.closed:
                return
            self._pages[number] = page
            while len(self._pages) > KEPT_PAGES:
                self._pages.popitem(last=False)

    def _fetch_ahead(self, number: int) -> None:
        """Begin to fetch the pages after `number`; the lock is held."""
        if self.closed:
            return
        for stale in [known for known in self._coming if not number <= known <= number + AHEAD_PAGES]:
            self._coming.pop(stale).cancel()  # the reader has gone elsewhere
        for following in range(number + 1, min(number + AHEAD_PAGES, self._last_page) + 1):
            if following not in self._pages and following not in self._coming:
                if self._executor is None:
                    self._executor = ThreadPoolExecutor(AHEAD_THREADS, thread_name_prefix="hvbackup-ahead")
                self._coming[following] = self._executor.submit(self._load, following)

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")
