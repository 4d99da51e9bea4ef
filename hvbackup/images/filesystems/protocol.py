"""What the limited process that parses a file system and the process that uses it say to each other.

A frame is two 32-bit numbers (little endian), the length of a message (MessagePack) and of the bytes that go with it;
then the message, then the bytes. One side speaks at a time: the user asks, the parser answers, and while it works on an
answer it may ask for pieces of the volume (`ReadVolume`). The user keeps no number that means something to one parser
only: paths say it all, so that a new process can go on where one died.

What comes from the parser is untrusted: every number has bounds here, every text a length. Text travels as bytes
(UTF-8 that may hold lone surrogates), because names in disks need not be valid Unicode.
"""

from __future__ import annotations

import struct
from datetime import datetime
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from hvbackup.images.filesystems.contract import Entry, EntryKind, FileSystemInfo, Stream
from hvbackup.models import decodable

#: Lengths of a message and of the bytes that go with it.
HEADER = struct.Struct("<II")
#: Longest message; a batch of entries is cut long before.
MAX_MESSAGE = 4 * 1024 * 1024
#: Most bytes that go with a message: a piece of a file, or of the volume.
MAX_BYTES = 1024 * 1024
#: A batch of entries ends with this many, or with this many bytes of text.
BATCH_ENTRIES = 256
BATCH_BYTES = 256 * 1024

Number: TypeAlias = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Text: TypeAlias = Annotated[bytes, Meta(max_length=128 * 1024)]
Name: TypeAlias = Annotated[bytes, Meta(min_length=1, max_length=4096)]
Short: TypeAlias = Annotated[bytes, Meta(max_length=1024)]


class ProtocolViolated(Exception):
    """The other side said what nobody should say; it never leaves the sandbox, who sees it ends the parser."""


class Message(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """Base of all messages."""


# ---------------------------------------------------------------- the user asks


class Setup(Message, frozen=True, array_like=True, tag=True, gc=False):
    """The first message: what is to be parsed, and the limits that the process is to set itself."""

    kind: str
    volume_bytes: int
    memory_bytes: int
    seconds: float


class OpenVolume(Message, frozen=True, array_like=True, tag=True, gc=False):
    """Open the file system; before this the process has not seen a byte of the volume."""


class GetEntry(Message, frozen=True, array_like=True, tag=True, gc=False):
    """The entry at a path."""

    path: bytes


class ListFolder(Message, frozen=True, array_like=True, tag=True, gc=False):
    """The entries of a folder from number `skip` on; `last` is the name of the one before, as a proof of the place."""

    folder: bytes
    streams: bool
    skip: int
    last: bytes


class ReadContents(Message, frozen=True, array_like=True, tag=True, gc=False):
    """Bytes of a file or of one of its streams."""

    path: bytes
    stream: bytes | None
    offset: int
    size: int


class VolumeBytes(Message, frozen=True, array_like=True, tag=True, gc=False):
    """The bytes of the volume that were asked for go with this."""


# ---------------------------------------------------------------- the parser answers


class Ready(Message, frozen=True, array_like=True, tag=True, gc=False):
    """The limits are set; `limits` names those that the system took."""

    limits: tuple[str, ...]


class Opened(Message, frozen=True, array_like=True, tag=True, gc=False):
    """The file system is open."""

    kind: Short
    label: Short
    id: Short | None
    block_bytes: Number | None
    notes: Annotated[tuple[Text, ...], Meta(max_length=100)]


class SentStream(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A `Stream`."""

    name: Name
    size_bytes: Number


class SentEntry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An `Entry` without its path: who asked for a folder knows it."""

    name: Annotated[bytes, Meta(max_length=4096)]
    kind: EntryKind
    size_bytes: Number
    id: Annotated[int, Meta(ge=0)]
    links: Annotated[int, Meta(ge=0, le=2**32 - 1)]
    modified_at: datetime | None
    accessed_at: datetime | None
    changed_at: datetime | None
    created_at: datetime | None
    mode: Annotated[int, Meta(ge=0, le=0o7777)] | None
    owner: Short | None
    group: Short | None
    target: Text | None
    streams: Annotated[tuple[SentStream, ...], Meta(max_length=10_000)]
    first_extent: Number | None
    allocated_bytes: Number | None
    unreadable: Text | None
    attributes: Annotated[tuple[Short, ...], Meta(max_length=100)]


class Found(Message, frozen=True, array_like=True, tag=True, gc=False):
    """One entry, and where it is by the file system's own spelling."""

    path: Text
    entry: SentEntry


class Listed(Message, frozen=True, array_like=True, tag=True, gc=False):
    """Some entries of a folder; `more` says that others may follow."""

    entries: Annotated[tuple[SentEntry, ...], Meta(max_length=BATCH_ENTRIES)]
    more: bool


class Contents(Message, frozen=True, array_like=True, tag=True, gc=False):
    """The length of the whole file or stream; the bytes asked for go with this.

    Where they are those of the last `VolumeBytes` (`as_sent`), they are not sent back: the user has them. Nor are
    zeros that lie nowhere in the volume: `zeros` says how many there are, which may be more than were asked for.
    """

    size_bytes: Number
    as_sent: bool = False
    zeros: Number = 0


class Problem(Message, frozen=True, array_like=True, tag=True, gc=False):
    """It could not be done: `kind` is the name of an error of the images room, or `died` when the process ends now."""

    kind: str
    text: Text
    hint: Text | None


class ReadVolume(Message, frozen=True, array_like=True, tag=True, gc=False):
    """The parser needs bytes of the volume; they come as `VolumeBytes`, fewer only at the end of the volume."""

    offset: Number
    size: Annotated[int, Meta(ge=1, le=MAX_BYTES)]


Question: TypeAlias = Setup | OpenVolume | GetEntry | ListFolder | ReadContents | VolumeBytes
Answer: TypeAlias = Ready | Opened | Found | Listed | Contents | Problem | ReadVolume

_MESSAGES: tuple[type[Message], ...] = (Setup, OpenVolume, GetEntry, ListFolder, ReadContents, VolumeBytes)
_MESSAGES += (Ready, Opened, Found, Listed, Contents, Problem, ReadVolume)
for _message in _MESSAGES:
    decodable(_message)
_questions = msgspec.msgpack.Decoder(Question)
_answers = msgspec.msgpack.Decoder(Answer)
encode = msgspec.msgpack.Encoder().encode


def decode_question(data: bytes) -> Question:
    """Read a message of the user."""
    question: Question = _questions.decode(data)
    return question


def decode_answer(data: bytes) -> Answer:
    """Read a message of the parser.

    Raises:
        ProtocolViolated: It is none, or a field is out of its bounds.
    """
    try:
        answer: Answer = _answers.decode(data)
    except (msgspec.MsgspecError, ValueError, OverflowError) as error:
        raise ProtocolViolated(f"an answer that is none: {error}") from error
    return answer


# ---------------------------------------------------------------- text and entries


def to_bytes(text: str) -> bytes:
    """Text for a message; what is not valid Unicode stays as it is."""
    return text.encode("utf-8", "surrogatepass")


def to_text(data: bytes) -> str:
    """Text from a message.

    Raises:
        ProtocolViolated: It is not UTF-8, even with lone surrogates.
    """
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise ProtocolViolated("a text that is not UTF-8") from error


def _maybe_bytes(text: str | None) -> bytes | None:
    return None if text is None else to_bytes(text)


def _maybe_text(data: bytes | None) -> str | None:
    return None if data is None else to_text(data)


def pack_entry(entry: Entry) -> SentEntry:
    """An entry for a message."""
    return SentEntry(
        name=to_bytes(entry.name),
        kind=entry.kind,
        size_bytes=entry.size_bytes,
        id=entry.id,
        links=entry.links,
        modified_at=entry.modified_at,
        accessed_at=entry.accessed_at,
        changed_at=entry.changed_at,
        created_at=entry.created_at,
        mode=None if entry.mode is None else entry.mode & 0o7777,
        owner=_maybe_bytes(entry.owner),
        group=_maybe_bytes(entry.group),
        target=_maybe_bytes(entry.target),
        streams=tuple(SentStream(to_bytes(each.name), each.size_bytes) for each in entry.streams),
        first_extent=entry.first_extent,
        allocated_bytes=entry.allocated_bytes,
        unreadable=_maybe_bytes(entry.unreadable),
        attributes=tuple(map(to_bytes, entry.attributes)),
    )


def unpack_entry(sent: SentEntry, path: str) -> Entry:
    """An entry from a message.

    Raises:
        ProtocolViolated: Its name is none, or a text in it.
    """
    name = to_text(sent.name)
    if name in (".", "..") or "/" in name or "\0" in name or (not name and path != "/"):
        raise ProtocolViolated("a name that no file can have")
    return Entry(
        path=path,
        name=name,
        kind=sent.kind,
        size_bytes=sent.size_bytes,
        id=sent.id,
        links=sent.links,
        modified_at=sent.modified_at,
        accessed_at=sent.accessed_at,
        changed_at=sent.changed_at,
        created_at=sent.created_at,
        mode=sent.mode,
        owner=_maybe_text(sent.owner),
        group=_maybe_text(sent.group),
        target=_maybe_text(sent.target),
        streams=tuple(Stream(name=to_text(each.name), size_bytes=each.size_bytes) for each in sent.streams),
        first_extent=sent.first_extent,
        allocated_bytes=sent.allocated_bytes,
        unreadable=_maybe_text(sent.unreadable),
        attributes=tuple(map(to_text, sent.attributes)),
    )


def pack_info(info: FileSystemInfo) -> Opened:
    """A file system's word on itself, for a message."""
    return Opened(
        kind=to_bytes(info.kind),
        label=to_bytes(info.label)[:1024],
        id=_maybe_bytes(info.id),
        block_bytes=info.block_bytes,
        notes=tuple(map(to_bytes, info.notes)),
    )


def unpack_info(sent: Opened) -> FileSystemInfo:
    """A file system's word on itself, from a message."""
    return FileSystemInfo(
        kind=to_text(sent.kind),
        label=to_text(sent.label),
        id=_maybe_text(sent.id),
        block_bytes=sent.block_bytes,
        notes=tuple(map(to_text, sent.notes)),
    )
