"""A file system that is parsed in a limited process of its own, and looks like any other.

The parsers are C and a disk is untrusted input, so they run where they can do no harm: see `limits` for what each
platform gives. A crash, a request that takes too long or too much memory is `ReaderDied` for this one request; the next
one starts a new process by itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from hvbackup.errors import EntryNotFound, ImageDamaged, ImageError, ImageUnsupported, ReaderDied
from hvbackup.events import Cancellation
from hvbackup.images.filesystems.contract import Entry, FileSystem, FileSystemInfo
from hvbackup.images.filesystems.limits import Limits
from hvbackup.images.filesystems.protocol import (
    MAX_BYTES,
    Answer,
    Contents,
    Found,
    GetEntry,
    Listed,
    ListFolder,
    Message,
    Opened,
    OpenVolume,
    Problem,
    ProtocolViolated,
    ReadContents,
    to_bytes,
    to_text,
    unpack_entry,
    unpack_info,
)
from hvbackup.images.filesystems.worker_process import WorkerProcess, worker_command
from hvbackup.images.source import ReadAhead, Source

ResultT = TypeVar("ResultT")
_ZEROS = bytes(MAX_BYTES)
_ERRORS = {kind.__name__: kind for kind in (ImageDamaged, ImageUnsupported, EntryNotFound)}


def open_in_sandbox(
    volume: Source, kind: str, *, limits: Limits | None = None, cancel: Cancellation | None = None
) -> FileSystem:
    """Open the file system of a volume, parsed in a process of its own.

    Args:
        volume: Read by this process, for the other one.
        kind: As in `hvbackup.images.volumes.Volume`.
        limits: What the other process may use.
        cancel: Stops at once whatever it does.

    Raises:
        ImageDamaged: The file system is damaged.
        ImageUnsupported: It is sound, and cannot be read here.
        ReaderDied: The process did not start, crashed, or hit a limit.
        Cancelled: `cancel` was set.
    """
    return SandboxedFileSystem(volume, kind, limits or Limits(), cancel, worker_command())


class Piece(NamedTuple):
    """A piece of a file, the length of the file, and how many zeros there are from the piece on, if it is a hole."""

    file_bytes: int
    data: bytes
    zeros: int


class SandboxedFileSystem:
    """See `open_in_sandbox`. Requests of several threads wait for each other.

    Attributes:
        limits_taken: Names of the limits that the system took.
    """

    def __init__(
        self, volume: Source, kind: str, limits: Limits, cancel: Cancellation | None, command: Sequence[str]
    ) -> None:
        self._volume = volume
        self._kind = kind
        self._limits = limits
        self._cancel = cancel
        self._command = command
        self._lock = threading.Lock()
        self._worker: WorkerProcess | None = None
        self._deaths = 0
        self._closed = False
        self.limits_taken: tuple[str, ...] = ()
        with self._lock:
            self.info: FileSystemInfo = self._start()

    def entry(self, path: str) -> Entry:
        """Return the entry at a path, streams included; links are not followed."""
        return self._ask(GetEntry(to_bytes(path)), _found)

    def entries(self, folder: str, *, streams: bool = False) -> Iterator[Entry]:
        """Yield what is in a folder, batch by batch; nothing is read before it is wanted."""
        base = folder.rstrip("/")
        asked = to_bytes(folder)
        given, last, more = 0, b"", True
        while more:
            batch, more = self._ask(ListFolder(asked, streams, given, last), lambda *answer: _listed(base, *answer))
            yield from batch
            if batch:
                given += len(batch)
                last = to_bytes(batch[-1].name)

    def open(self, path: str, *, stream: str | None = None) -> Source:
        """Return the contents of a file, or of one of its streams; the first piece is read at once."""
        name = None if stream is None else to_bytes(stream)
        return ReadAhead(_Contents(self, to_bytes(path), name), piece=MAX_BYTES, keep=2)

    def read_contents(self, path: bytes, stream: bytes | None, offset: int) -> Piece:
        """Return a piece of a file, `MAX_BYTES` long where the file does not end."""
        question = ReadContents(path, stream, offset, MAX_BYTES)
        return self._ask(question, lambda *answer: _contents(offset, *answer))

    def close(self) -> None:
        """End the process; closing twice is no error."""
        with self._lock:
            self._closed = True
            self._end()

    def __enter__(self) -> SandboxedFileSystem:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _ask(self, question: Message, read: Callable[[Answer, bytes], ResultT]) -> ResultT:
        with self._lock:
            if self._closed:
                raise ValueError("the file system is closed")
            if self._cancel is not None:
                self._cancel.check()
            if self._worker is None:
                self._start()
            return self._exchange(question, read)

    def _start(self) -> FileSystemInfo:
        if self._deaths > self._limits.restarts:
            raise ReaderDied(
                f"the process that reads the {self._kind} file system died {self._deaths} times; it is left at that",
                hint="The file system is badly damaged, or made to harm.",
            )
        try:
            self._worker = WorkerProcess(self._command, self._kind, self._volume, self._limits, self._cancel)
        except ReaderDied:
            self._deaths += 1
            raise
        self.limits_taken = self._worker.limits
        try:
            return self._exchange(OpenVolume(), _info)
        except BaseException:
            self._end()
            raise

    def _exchange(self, question: Message, read: Callable[[Answer, bytes], ResultT]) -> ResultT:
        assert self._worker is not None  # noqa: S101  # started before
        try:
            try:
                return read(*self._worker.ask(question))
            except ProtocolViolated as error:
                raise self._worker.broken(str(error)) from error
        except (ImageDamaged, ImageUnsupported, EntryNotFound):
            raise
        except BaseException as error:
            self._deaths += isinstance(error, ReaderDied)
            self._end()
            raise

    def _end(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.end()


class _Contents:
    """The contents of a file, a piece for each request."""

    def __init__(self, files: SandboxedFileSystem, path: bytes, stream: bytes | None) -> None:
        self._files = files
        self._path = path
        self._stream = stream
        piece = files.read_contents(path, stream, 0)
        self.size = piece.file_bytes
        self._first = piece.data
        self._zeros = (0, piece.zeros)

    def read_at(self, offset: int, _size: int) -> bytes:
        """The piece at `offset`, as `ReadAhead` asks for it."""
        first, self._first = self._first, b""
        if offset == 0 and first:
            return first
        size = min(MAX_BYTES, self.size - offset)
        if size <= 0:
            return b""
        first_zero, end = self._zeros
        if first_zero <= offset and offset + size <= end:
            return _ZEROS[:size]
        piece = self._files.read_contents(self._path, self._stream, offset)
        if piece.file_bytes != self.size:
            length = f"{self.size} bytes when it was opened, and {piece.file_bytes} now"
            raise ImageDamaged(f"{to_text(self._path)} had {length}")
        if piece.zeros:
            self._zeros = (offset, offset + piece.zeros)
        return piece.data


def _expect(kind: type[ResultT], answer: Answer) -> ResultT:
    """The answer, if it is of the kind that the question wants.

    Raises:
        ImageError: The other side says that it could not be done.
        ProtocolViolated: It is of another kind.
    """
    if isinstance(answer, kind):
        return answer
    if isinstance(answer, Problem):
        raise _error(answer)
    raise ProtocolViolated("an answer out of turn")


def _error(problem: Problem) -> ImageError:
    text, hint = _printable(problem.text), None if problem.hint is None else _printable(problem.hint)
    if problem.kind in _ERRORS:
        return _ERRORS[problem.kind](text, hint=hint)
    return ReaderDied(f"the process that reads the file system failed: {text}", hint=hint)


def _printable(text: bytes) -> str:
    """A text for people, without what a terminal could take for a command."""
    return "".join(each if each.isprintable() else "?" for each in to_text(text))


def _info(answer: Answer, _data: bytes) -> FileSystemInfo:
    return unpack_info(_expect(Opened, answer))


def _found(answer: Answer, _data: bytes) -> Entry:
    found = _expect(Found, answer)
    path = to_text(found.path)
    names = path.split("/")
    plain = path == "/" or (names[0] == "" and not {"", ".", ".."} & set(names[1:]) and "\0" not in path)
    entry = unpack_entry(found.entry, path)
    if not plain or entry.name != names[-1]:
        raise ProtocolViolated("a path that no file can have")
    return entry


def _listed(base: str, answer: Answer, _data: bytes) -> tuple[list[Entry], bool]:
    listed = _expect(Listed, answer)
    if listed.more and not listed.entries:
        raise ProtocolViolated("a batch of nothing")
    if not all(each.name for each in listed.entries):
        raise ProtocolViolated("a name that no file can have")
    return [unpack_entry(each, f"{base}/{to_text(each.name)}") for each in listed.entries], listed.more


def _contents(offset: int, answer: Answer, data: bytes) -> Piece:
    contents = _expect(Contents, answer)
    left = max(0, contents.size_bytes - offset)
    expected = min(MAX_BYTES, left)
    if contents.zeros and not data and expected <= contents.zeros <= left:
        data = _ZEROS[:expected]
    if len(data) != expected:
        raise ProtocolViolated("more or fewer bytes than the file has there")
    return Piece(contents.size_bytes, data, contents.zeros)
