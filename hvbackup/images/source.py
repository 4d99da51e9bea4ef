"""Where the bytes of an image come from: anything with `size` and `read_at`.

A file of this machine, bytes in memory, a file of a host or of a restore point: the readers of this room ask for no
more than `Source`. A virtual disk is a `Source` itself, so that readers stack up.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Generic, Protocol, TypeVar

from hvbackup.errors import ImageDamaged

MIB = 1024 * 1024
PageT = TypeVar("PageT")


class Source(Protocol):
    """Random access to some bytes; reads may come from several threads."""

    @property
    def size(self) -> int:
        """Length in bytes."""

    def read_at(self, offset: int, size: int) -> bytes:
        """The `size` bytes at `offset`; fewer at the end, none behind it."""


def read_exactly(source: Source, offset: int, size: int, what: str) -> bytes:
    """Read `size` bytes that must be there.

    Raises:
        ImageDamaged: The source ends before; the message names `what`.
    """
    data = source.read_at(offset, size) if 0 <= offset <= source.size else b""
    if len(data) != size:
        raise ImageDamaged(
            f"{what} should be {size} bytes at {offset}, and the file ends at {source.size}",
            hint="The file was cut short, perhaps by a copy that did not end.",
        )
    return data


class BytesSource:
    """Bytes in memory."""

    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        self._view = memoryview(data)

    @property
    def size(self) -> int:
        """Length in bytes."""
        return len(self._view)

    def read_at(self, offset: int, size: int) -> bytes:
        """The bytes at `offset`."""
        return bytes(self._view[offset : offset + size])


class FileSource:
    """A file of this machine, opened for reading. Use it in `with`, or close it.

    Raises:
        OSError: The file cannot be opened or read.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._file = self.path.open("rb", buffering=0)
        self._lock = threading.Lock()
        # a block device has no length of its own in fstat: the end is found by seeking
        self._size = self._file.seek(0, os.SEEK_END)

    @property
    def size(self) -> int:
        """Length in bytes when it was opened."""
        return self._size

    def read_at(self, offset: int, size: int) -> bytes:
        """The bytes at `offset`."""
        data = self._read_once(offset, size)
        if len(data) == size or not data:
            return data
        pieces = [data]
        left = size - len(data)
        while left and (data := self._read_once(offset + size - left, left)):
            pieces.append(data)
            left -= len(data)
        return b"".join(pieces)

    def _read_once(self, offset: int, size: int) -> bytes:
        size = max(0, min(size, self._size - offset))
        if hasattr(os, "pread"):
            return os.pread(self._file.fileno(), size, offset)
        with self._lock:
            self._file.seek(offset)
            return self._file.read(size) or b""

    def close(self) -> None:
        """Close the file; closing twice is no error."""
        self._file.close()

    def __enter__(self) -> FileSource:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Pages(Generic[PageT]):
    """Keeps the pages used last, up to a number. Thread-safe; two threads may load the same page at once."""

    def __init__(self, load: Callable[[int], PageT], keep: int) -> None:
        self._load = load
        self._keep = keep
        self._pages: OrderedDict[int, PageT] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, number: int) -> PageT:
        """Return a page, from memory if it is there."""
        with self._lock:
            page = self._pages.get(number)
            if page is not None:
                self._pages.move_to_end(number)
                return page
        page = self._load(number)
        with self._lock:
            self._pages[number] = page
            while len(self._pages) > self._keep:
                self._pages.popitem(last=False)
        return page


class ReadAhead:
    """A source in front of one where each read costs a round trip: reads whole pieces and keeps the last ones."""

    def __init__(self, source: Source, *, piece: int = MIB, keep: int = 16) -> None:
        self._source = source
        self._piece = piece
        self._pieces: Pages[bytes] = Pages(lambda number: source.read_at(number * piece, piece), keep)

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self._source.size

    def read_at(self, offset: int, size: int) -> bytes:
        """The bytes at `offset`."""
        end = min(offset + size, self.size)
        if end <= offset:
            return b""
        first, last = offset // self._piece, (end - 1) // self._piece
        pieces = [self._pieces.get(number) for number in range(first, last + 1)]
        pieces[-1] = pieces[-1][: end - last * self._piece]
        pieces[0] = pieces[0][offset - first * self._piece :]
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
