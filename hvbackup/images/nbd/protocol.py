"""The messages of NBD, as bytes: no sockets here.

All numbers are big-endian. Source: the NBD protocol document (NetworkBlockDevice/nbd, `doc/proto.md`), sections
"Newstyle negotiation", "Transmission phase", "Structured reply types" and "Metadata querying".
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from enum import IntEnum, IntFlag
from typing import NamedTuple

MIB = 1024 * 1024

GREETING = b"NBDMAGIC" + b"IHAVEOPT" + struct.pack(">H", 0b11)  # fixed newstyle, no zeroes
OPTION_MAGIC = 0x49484156454F5054  # IHAVEOPT
OPTION_REPLY_MAGIC = 0x3E889045565A9
REQUEST_MAGIC = 0x25609513
SIMPLE_REPLY_MAGIC = 0x67446698
STRUCTURED_REPLY_MAGIC = 0x668E33EF

CLIENT_FLAGS = struct.Struct(">I")
OPTION_HEADER = struct.Struct(">QII")
REQUEST_HEADER = struct.Struct(">IHHQQI")

#: Strings are at most this long ("Values").
MAX_NAME = 4096
#: Data of an option that is read at all; a name and some queries are far smaller.
MAX_OPTION = 64 * 1024
#: What a client may ask for at once; also what clients take for granted ("Block sizes").
MAX_PAYLOAD = 32 * MIB
MINIMUM_BLOCK = 1
PREFERRED_BLOCK = 4096

ALLOCATION = "base:allocation"
ALLOCATION_ID = 1
#: Flags of a stretch in `base:allocation`.
STATE_HOLE, STATE_ZERO = 1, 2


class ClientFlag(IntFlag):
    """What a client answers to the greeting."""

    FIXED_NEWSTYLE = 1
    NO_ZEROES = 2


class ExportFlag(IntFlag):
    """What an export can do (transmission flags)."""

    HAS_FLAGS = 1 << 0
    READ_ONLY = 1 << 1
    SEND_FLUSH = 1 << 2
    SEND_DF = 1 << 7
    CAN_MULTI_CONN = 1 << 8


class Option(IntEnum):
    """Options of the negotiation that are understood here."""

    EXPORT_NAME = 1
    ABORT = 2
    LIST = 3
    INFO = 6
    GO = 7
    STRUCTURED_REPLY = 8
    LIST_META_CONTEXT = 9
    SET_META_CONTEXT = 10


class OptionReply(IntEnum):
    """Kinds of replies to an option."""

    ACK = 1
    SERVER = 2
    INFO = 3
    META_CONTEXT = 4
    UNSUPPORTED = 1 << 31 | 1
    INVALID = 1 << 31 | 3
    UNKNOWN = 1 << 31 | 6


class Info(IntEnum):
    """Kinds of information about an export."""

    EXPORT = 0
    NAME = 1
    DESCRIPTION = 2
    BLOCK_SIZE = 3


class Command(IntEnum):
    """Requests of the transmission phase."""

    READ = 0
    WRITE = 1
    DISCONNECT = 2
    FLUSH = 3
    TRIM = 4
    CACHE = 5
    WRITE_ZEROES = 6
    BLOCK_STATUS = 7
    RESIZE = 8


class CommandFlag(IntFlag):
    """Flags of requests that mean something to a reader."""

    FUA = 1 << 0
    NO_HOLE = 1 << 1
    DF = 1 << 2
    REQ_ONE = 1 << 3
    FAST_ZERO = 1 << 4


class ErrorCode(IntEnum):
    """Errors of requests."""

    PERMISSION = 1
    IO = 5
    INVALID = 22


class ChunkKind(IntEnum):
    """Kinds of chunks of a structured reply."""

    NONE = 0
    OFFSET_DATA = 1
    OFFSET_HOLE = 2
    BLOCK_STATUS = 5
    ERROR = 1 << 15 | 1


class Malformed(Exception):
    """A client sent what no client sends; the text says what. Never leaves the room."""


class Request(NamedTuple):
    """A request of the transmission phase; `command` may be one that is not known."""

    flags: int
    command: int
    cookie: int
    offset: int
    length: int


class GoOption(NamedTuple):
    """What a client sends with INFO or GO."""

    export: str
    infos: tuple[int, ...]


class MetaOption(NamedTuple):
    """What a client sends with LIST_META_CONTEXT or SET_META_CONTEXT."""

    export: str
    queries: tuple[str, ...]


# ---------------------------------------------------------------- from the client


def parse_client_flags(raw: bytes) -> ClientFlag:
    """The answer to the greeting.

    Raises:
        Malformed: It has flags that this server did not offer.
    """
    (value,) = CLIENT_FLAGS.unpack(raw)
    if value & ~0b11:
        raise Malformed(f"client flags 0x{value:x} that were not offered")
    return ClientFlag(value)


def parse_option_header(raw: bytes) -> tuple[int, int]:
    """The number of an option and the length of its data.

    Raises:
        Malformed: It is no option, or has more data than is read.
    """
    magic, option, length = OPTION_HEADER.unpack(raw)
    if magic != OPTION_MAGIC:
        raise Malformed("an option that does not begin as one")
    if length > MAX_OPTION:
        raise Malformed(f"option {option} with {length} bytes")
    return option, length


def parse_name(raw: bytes) -> str:
    """The name of an export.

    Raises:
        Malformed: It is too long, or not UTF-8.
    """
    if len(raw) > MAX_NAME:
        raise Malformed(f"a name of {len(raw)} bytes")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise Malformed("a name that is not UTF-8") from None


def parse_go(raw: bytes) -> GoOption:
    """The data of INFO and GO.

    Raises:
        Malformed: The lengths in it do not fit its own.
    """
    name, rest = _take_string(raw)
    if len(rest) < 2 or len(rest) != 2 + 2 * int.from_bytes(rest[:2], "big"):
        raise Malformed("a wrong number of information requests")
    return GoOption(name, struct.unpack(f">{len(rest) // 2 - 1}H", rest[2:]))


def parse_meta(raw: bytes) -> MetaOption:
    """The data of LIST_META_CONTEXT and SET_META_CONTEXT.

    Raises:
        Malformed: The lengths in it do not fit its own.
    """
    name, rest = _take_string(raw)
    if len(rest) < 4:
        raise Malformed("no number of queries")
    count, rest = int.from_bytes(rest[:4], "big"), rest[4:]
    queries = []
    for _ in range(min(count, MAX_OPTION)):
        query, rest = _take_string(rest)
        queries.append(query)
    if rest or count > MAX_OPTION:
        raise Malformed("a wrong number of queries")
    return MetaOption(name, tuple(queries))


def _take_string(raw: bytes) -> tuple[str, bytes]:
    end = 4 + int.from_bytes(raw[:4], "big")
    if len(raw) < 4 or len(raw) < end:
        raise Malformed("a string that is longer than the message")
    return parse_name(raw[4:end]), raw[end:]


def parse_request(raw: bytes) -> Request:
    """A request of the transmission phase.

    Raises:
        Malformed: It does not begin as one.
    """
    magic, flags, command, cookie, offset, length = REQUEST_HEADER.unpack(raw)
    if magic != REQUEST_MAGIC:
        raise Malformed("a request that does not begin as one")
    return Request(flags, command, cookie, offset, length)


# ---------------------------------------------------------------- to the client


def pack_option_reply(option: int, kind: OptionReply, data: bytes = b"") -> bytes:
    """A reply to an option."""
    return struct.pack(">QIII", OPTION_REPLY_MAGIC, option, kind, len(data)) + data


def pack_export_name(size: int, flags: ExportFlag, *, zeroes: bool) -> bytes:
    """The answer to EXPORT_NAME, which has no header."""
    return struct.pack(">QH", size, flags) + (bytes(124) if zeroes else b"")


def pack_info_export(size: int, flags: ExportFlag) -> bytes:
    """The information every export gives."""
    return struct.pack(">HQH", Info.EXPORT, size, flags)


def pack_info_text(kind: Info, text: str) -> bytes:
    """The name or the description of an export."""
    return struct.pack(">H", kind) + _cut(text)


def pack_info_block_size() -> bytes:
    """Any byte can be read; whole pages are better."""
    return struct.pack(">HIII", Info.BLOCK_SIZE, MINIMUM_BLOCK, PREFERRED_BLOCK, MAX_PAYLOAD)


def pack_server(name: str, description: str) -> bytes:
    """One export of a list."""
    raw = _cut(name)
    return struct.pack(">I", len(raw)) + raw + _cut(description)


def pack_meta_context(context_id: int, name: str) -> bytes:
    """One metadata context."""
    return struct.pack(">I", context_id) + _cut(name)


def pack_simple_reply(cookie: int, error: int = 0) -> bytes:
    """A simple reply; the data of a read follow it."""
    return struct.pack(">IIQ", SIMPLE_REPLY_MAGIC, error, cookie)


def pack_chunk_header(kind: ChunkKind, cookie: int, length: int, *, done: bool) -> bytes:
    """The header of a chunk of a structured reply."""
    return struct.pack(">IHHQI", STRUCTURED_REPLY_MAGIC, done, kind, cookie, length)


def pack_data_header(cookie: int, offset: int, length: int, *, done: bool) -> bytes:
    """What goes before the data of a chunk."""
    return pack_chunk_header(ChunkKind.OFFSET_DATA, cookie, 8 + length, done=done) + struct.pack(">Q", offset)


def pack_hole(cookie: int, offset: int, length: int, *, done: bool) -> bytes:
    """A chunk for a stretch of zeros."""
    header = pack_chunk_header(ChunkKind.OFFSET_HOLE, cookie, 12, done=done)
    return header + struct.pack(">QI", offset, length)


def pack_done(cookie: int) -> bytes:
    """A structured reply without content: done, and well."""
    return pack_chunk_header(ChunkKind.NONE, cookie, 0, done=True)


def pack_error(cookie: int, code: ErrorCode, message: str) -> bytes:
    """The last chunk of a structured reply to a request that failed."""
    text = _cut(message)
    header = pack_chunk_header(ChunkKind.ERROR, cookie, 6 + len(text), done=True)
    return header + struct.pack(">IH", code, len(text)) + text


def pack_block_status(cookie: int, stretches: Sequence[tuple[int, int]]) -> bytes:
    """The chunk of `base:allocation`: length and flags of each stretch."""
    data = struct.pack(">I", ALLOCATION_ID) + b"".join(struct.pack(">II", *stretch) for stretch in stretches)
    return pack_chunk_header(ChunkKind.BLOCK_STATUS, cookie, len(data), done=True) + data


def chosen_contexts(queries: Iterable[str], *, listing: bool) -> bool:
    """Whether queries mean `base:allocation`; a list may ask for all, or for all of a namespace."""
    wanted = tuple(queries)
    if listing:
        return not wanted or any(query in (ALLOCATION, "base:") for query in wanted)
    return ALLOCATION in wanted


def _cut(text: str) -> bytes:
    """UTF-8, no longer than a string may be, and cut between characters."""
    raw = text.encode("utf-8", "replace")
    return raw if len(raw) <= MAX_NAME else raw[:MAX_NAME].decode("utf-8", "ignore").encode()
