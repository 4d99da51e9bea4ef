"""The limited process that parses a file system for another one: asks for bytes, gives entries and contents.

It is started by `worker_process`, never by people. It imports all it needs, limits itself, and only then is told to
open the volume; each byte of it comes over the pipe.
"""

from __future__ import annotations

import codecs
import os
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NamedTuple, TypeAlias

from msgspec import structs

from hvbackup.errors import EntryNotFound, ImageDamaged, ImageError, ImageUnsupported
from hvbackup.images.filesystems.channel import Channel
from hvbackup.images.filesystems.confinement import allow_processor, confine
from hvbackup.images.filesystems.contract import Entry, FileSystem
from hvbackup.images.filesystems.protocol import (
    BATCH_BYTES,
    BATCH_ENTRIES,
    MAX_BYTES,
    Contents,
    Found,
    GetEntry,
    Listed,
    ListFolder,
    Message,
    OpenVolume,
    Problem,
    ProtocolViolated,
    ReadContents,
    ReadVolume,
    Ready,
    SentEntry,
    Setup,
    VolumeBytes,
    decode_question,
    pack_entry,
    pack_info,
    to_bytes,
    to_text,
)
from hvbackup.images.source import BytesSource, Source

#: Opens a file system of a kind; the engines' `open_file_system`.
Opener: TypeAlias = Callable[[Source, str], FileSystem]

_CODECS = ("ascii", "latin-1", "utf-8", "utf-16", "utf-16-le", "utf-16-be", "cp437", "cp850", "cp1252", "idna")

#: The volume is kept in pieces of this size, so many of them; bigger reads go past them.
_PIECE = 64 * 1024
_PIECES = 512
_DIRECT = 256 * 1024
_OPEN_FILES = 32
_OPEN_LISTINGS = 64
#: Holes are looked for this long in one request.
_ZEROS_SECONDS = 0.2
_ZEROS = bytes(MAX_BYTES)
_SHOWN = {0: "\N{SYMBOL FOR NULL}", ord("/"): "\N{DIVISION SLASH}"}


def main() -> None:
    """Parse with the engines."""
    from hvbackup.images.filesystems.engines import open_file_system

    serve(open_file_system)


def serve(opener: Opener) -> None:
    """Answer questions from standard input until it ends."""
    channel = _take_standard_files()
    setup = decode_question(channel.receive()[0])
    if not isinstance(setup, Setup):
        raise ProtocolViolated("the first message must say what is to be parsed")
    _import_all(opener, setup.kind)
    _silence()
    taken = confine(setup.memory_bytes, setup.seconds)
    with suppress(EOFError, OSError):  # the other side has gone
        channel.send(Ready(taken))
        _Parser(channel, setup, opener).run()


def _take_standard_files() -> Channel:
    """Make the standard files the channel, and let what C code prints go to standard error."""
    reader = os.fdopen(os.dup(0), "rb", buffering=0)
    writer = os.fdopen(os.dup(1), "wb", buffering=0)
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    os.dup2(2, 1)
    return Channel(reader, writer)


def _silence() -> None:
    """Let nothing more be printed: a full pipe would stop the process."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def _import_all(opener: Opener, kind: str) -> None:
    """Let the engine import what it needs for this kind: nothing can be imported once the limits are set."""
    with suppress(ImageError):
        opener(BytesSource(b""), kind)
    for name in _CODECS:
        codecs.lookup(name)


class _Listing(NamedTuple):
    """A folder that is being listed: what follows, and how much was given."""

    entries: Iterator[Entry]
    given: int


class _Parser:
    """Answers the questions."""

    def __init__(self, channel: Channel, setup: Setup, opener: Opener) -> None:
        self._channel = channel
        self._setup = setup
        self._opener = opener
        self._files: FileSystem | None = None
        self._volume = _Volume(channel, setup.volume_bytes)
        self._contents: OrderedDict[tuple[bytes, bytes | None], Source] = OrderedDict()
        self._listings: OrderedDict[tuple[bytes, bool, int], _Listing] = OrderedDict()

    def run(self) -> None:
        """Answer until the other side ends, or something happens after which nothing is sure any more."""
        while True:
            question = decode_question(self._channel.receive()[0])
            allow_processor(self._setup.seconds)
            data = b""
            try:
                answer, data = self._answer(question)
            except ImageError as error:
                answer = _problem(error)
            except Exception as error:  # noqa: BLE001  # said to the other side, which ends this process
                answer = Problem("died", _cut(f"{type(error).__name__}: {error}"), None)
            self._channel.send(answer, data)
            if isinstance(answer, Problem) and answer.kind == "died":
                sys.exit(1)

    def _answer(self, question: Message) -> tuple[Message, bytes]:
        if isinstance(question, OpenVolume):
            self._files = self._opener(self._volume, self._setup.kind)
            return pack_info(self._files.info), b""
        if self._files is None:
            raise ProtocolViolated("the volume is not open")
        if isinstance(question, GetEntry):
            entry = self._files.entry(to_text(question.path))
            return Found(to_bytes(entry.path), pack_entry(entry)), b""
        if isinstance(question, ListFolder):
            return self._list(self._files, question), b""
        if isinstance(question, ReadContents):
            return self._read(self._files, self._volume, question)
        raise ProtocolViolated("a question out of turn")

    def _list(self, files: FileSystem, question: ListFolder) -> Listed:
        listing = self._listings.pop((question.folder, question.streams, question.skip), None)
        if listing is None or not question.skip:
            listing = _Listing(_listed_again(files, question), question.skip)
        batch: list[SentEntry] = []
        size = 0
        for entry in listing.entries:
            batch.append(visible(entry))
            size += len(entry.name) + len(entry.target or "") + 64 * len(entry.streams) + 128
            if len(batch) == BATCH_ENTRIES or size >= BATCH_BYTES:
                given = listing.given + len(batch)
                self._listings[question.folder, question.streams, given] = _Listing(listing.entries, given)
                if len(self._listings) > _OPEN_LISTINGS:
                    self._listings.popitem(last=False)
                return Listed(tuple(batch), more=True)
        return Listed(tuple(batch), more=False)

    def _read(self, files: FileSystem, volume: _Volume, question: ReadContents) -> tuple[Contents, bytes]:
        key = (question.path, question.stream)
        source = self._contents.pop(key, None)
        if source is None:
            stream = None if question.stream is None else to_text(question.stream)
            source = files.open(to_text(question.path), stream=stream)
        size = max(0, min(question.size, MAX_BYTES, source.size - question.offset))
        before = volume.reads
        data = _read_all(source, question.offset, size)
        if question.offset + size < source.size:  # else it was read to its end: nobody will come back
            self._contents[key] = source
            if len(self._contents) > _OPEN_FILES:
                self._contents.popitem(last=False)
        if size and volume.sent_last == data:
            return Contents(source.size, as_sent=True), b""
        if size >= _PIECE and volume.reads == before and data == _ZEROS[:size]:
            return Contents(source.size, zeros=size + _zeros_at(source, question.offset + size, volume)), b""
        return Contents(source.size), data


def _read_all(source: Source, offset: int, size: int) -> bytes:
    data = source.read_at(offset, size) if size else b""
    if len(data) != size:
        raise ImageDamaged(f"it ends at {offset + len(data)} bytes, before its length of {source.size}")
    return data


def _zeros_at(source: Source, offset: int, volume: _Volume) -> int:
    """How many zeros follow that lie nowhere in the volume, as far as that is found out in a moment."""
    start, before, end = offset, volume.reads, time.monotonic() + _ZEROS_SECONDS
    while offset < source.size and time.monotonic() < end:
        size = min(MAX_BYTES, source.size - offset)
        if _read_all(source, offset, size) != _ZEROS[:size] or volume.reads != before:
            break
        offset += size
    return offset - start


def _listed_again(files: FileSystem, question: ListFolder) -> Iterator[Entry]:
    """List a folder from the place on where it was left, which must look as it did."""
    entries = iter(files.entries(to_text(question.folder), streams=question.streams))
    last = b""
    for _ in range(question.skip):
        entry = next(entries, None)
        last = b"" if entry is None else visible(entry).name
    if last != question.last:
        raise ImageDamaged(f"{to_text(question.folder)} does not look the same when it is listed again")
    return entries


def visible(entry: Entry) -> SentEntry:
    """An entry for a message; one whose name no file can have is shown by a name that can be, and cannot be opened."""
    sent = pack_entry(entry)
    if entry.path == "/" or (entry.name not in ("", ".", "..") and "/" not in entry.name and "\0" not in entry.name):
        return sent
    shown = "\N{REPLACEMENT CHARACTER}" + entry.name.translate(_SHOWN)
    reason = f"the disk gives it the name {entry.name!r}, which no file can have"
    return structs.replace(sent, name=to_bytes(shown), unreadable=to_bytes(reason))


def _problem(error: ImageError) -> Problem:
    known = (EntryNotFound, ImageUnsupported, ImageDamaged)
    kind = next((each.__name__ for each in known if isinstance(error, each)), "ImageDamaged")
    return Problem(kind, _cut(error.message), None if error.hint is None else _cut(error.hint))


def _cut(text: str) -> bytes:
    return to_bytes(text[:4000])


class _Volume:
    """The volume, read over the channel; what was read last is kept in pieces, as parsers read little and often.

    Attributes:
        sent_last: The bytes that came last.
        reads: How often bytes were asked for.
    """

    def __init__(self, channel: Channel, size: int) -> None:
        self._channel = channel
        self._size = size
        self._pieces: OrderedDict[int, bytes] = OrderedDict()
        self._following = -1
        self._ahead = 1
        self.sent_last = b""
        self.reads = 0

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self._size

    def read_at(self, offset: int, size: int) -> bytes:
        """The bytes at `offset`."""
        end = min(offset + size, self._size)
        if end <= offset or offset < 0:
            return b""
        if end - offset >= _DIRECT:
            pieces = [self._fetch(at, min(MAX_BYTES, end - at)) for at in range(offset, end, MAX_BYTES)]
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)
        first, last = offset // _PIECE, (end - 1) // _PIECE
        if first == last:
            return self._piece(first)[offset - first * _PIECE : end - first * _PIECE]
        data = b"".join([self._piece(number) for number in range(first, last + 1)])
        return data[offset - first * _PIECE : end - first * _PIECE]

    def _piece(self, number: int) -> bytes:
        piece = self._pieces.get(number)
        if piece is None:
            return self._load(number)
        self._pieces.move_to_end(number)
        return piece

    def _load(self, number: int) -> bytes:
        """Fetch a piece that is not here, and more of what follows the longer the reader goes straight on."""
        self._ahead = min(2 * self._ahead, MAX_BYTES // _PIECE) if number == self._following else 1
        self._following = number + self._ahead
        at = number * _PIECE
        data = self._fetch(at, min(self._ahead * _PIECE, self._size - at))
        for index in range(0, len(data), _PIECE):
            self._pieces[number + index // _PIECE] = data[index : index + _PIECE]
        while len(self._pieces) > _PIECES:
            self._pieces.popitem(last=False)
        return data[:_PIECE]

    def _fetch(self, offset: int, size: int) -> bytes:
        self._channel.send(ReadVolume(offset, size))
        message, data = self._channel.receive()
        if not isinstance(decode_question(message), VolumeBytes):
            raise ProtocolViolated("bytes of the volume were asked for, and something else came")
        self.sent_last = data
        self.reads += 1
        return data
