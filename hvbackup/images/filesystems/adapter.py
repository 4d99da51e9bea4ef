"""Between a `Source` and the parsers' libraries: an open file for them to read, and their errors as ours."""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hvbackup.errors import HvBackupError, ImageDamaged
from hvbackup.images.source import ReadAhead, Source

_PIECE_BYTES = 64 * 1024
_KEPT_PIECES = 128
#: What a library, or our own code on bytes that make no sense, may raise.
_PARSER_ERRORS = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    RuntimeError,
    SystemError,
    MemoryError,
    struct.error,
)


class SourceFile:
    """A source as the file object that libyal's libraries take.

    They read metadata in many small pieces, so those come from larger ones that are kept. What a read raises is kept
    too: the libraries make their own error of it, or go on without the bytes.
    """

    def __init__(self, source: Source) -> None:
        self.failure: BaseException | None = None
        self._source = source
        self._small = ReadAhead(source, piece=_PIECE_BYTES, keep=_KEPT_PIECES)
        self._at = 0

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self._source.size

    def get_size(self) -> int:
        """Length in bytes, as libyal asks for it."""
        return self._source.size

    def tell(self) -> int:
        """Where the next read begins."""
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to a place counted from the beginning (0), from here (1), or from the end (2)."""
        self._at = offset + (0, self._at, self._source.size)[whence]
        return self._at

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        left = max(0, self._source.size - self._at)
        data = self.read_at(self._at, left if size < 0 else min(size, left))
        self._at += len(data)
        return data

    def read_at(self, offset: int, size: int) -> bytes:
        """Bytes at a place.

        Raises:
            ImageDamaged: The source does not hold them all.
        """
        try:
            source = self._small if size < _PIECE_BYTES else self._source
            data = source.read_at(offset, size) if size > 0 else b""
            if len(data) != max(0, size):
                raise ImageDamaged(f"the volume ends inside the {size} bytes at {offset}")  # noqa: TRY301
        except BaseException as error:
            self.failure = error
            raise
        return data


class Guard:
    """One use of a library at a time; what it raises becomes our error."""

    def __init__(self, file: SourceFile) -> None:
        self._file = file
        self._lock = threading.RLock()

    @contextmanager
    def __call__(self, what: str) -> Iterator[None]:
        """Guard a `with` block.

        Args:
            what: What cannot be read when the library fails, for the message.

        Raises:
            ImageDamaged: The library could not make sense of what it read.
            BaseException: What reading the volume raised, as it was.
        """
        with self._lock:
            self._file.failure = None
            try:
                yield
            except HvBackupError:
                self.check()
                raise
            except _PARSER_ERRORS as error:
                self.check()
                raise ImageDamaged(f"{what} cannot be read: {shortened(error)}") from error
            self.check()

    def check(self) -> None:
        """Raise what reading the volume raised since the guard was entered."""
        if self._file.failure is not None:
            raise self._file.failure


class Contents:
    """The contents of a file, read by a function of a library; it must give all bytes or raise."""

    def __init__(self, size: int, read: Callable[[int, int], bytes], guard: Guard, what: str) -> None:
        self._size = size
        self._read = read
        self._guard = guard
        self._what = what

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self._size

    def read_at(self, offset: int, size: int) -> bytes:
        """The bytes at `offset`.

        Raises:
            ImageDamaged: They are not all there.
        """
        end = min(offset + size, self._size)
        pieces: list[bytes] = []
        while offset < end:
            with self._guard(self._what):
                piece = self._read(offset, end - offset)
            if not piece:
                raise ImageDamaged(f"{self._what} ends at {offset}, and should be {self._size} bytes")
            pieces.append(piece)
            offset += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def shortened(error: BaseException) -> str:
    """What a library says, without its chain of function names."""
    text = " ".join(str(error).split())
    text = text.split(": ", 1)[-1]
    return text if len(text) <= 160 else f"{text[:157]}..."
