"""PSRP messages and the fragments that carry them (MS-PSRP 2.2.1, 2.2.4)."""

from __future__ import annotations

import itertools
import struct
import uuid
from collections.abc import Iterator

_FRAGMENT = struct.Struct(">QQBI")
START, END = 1, 2
_MESSAGE_HEAD = 40
_TO_CLIENT = 1

INIT_RUNSPACEPOOL = 0x00010004
CONNECT_RUNSPACEPOOL = 0x00010008
SET_MAX_RUNSPACES = 0x00021002
SET_MIN_RUNSPACES = 0x00021003
RUNSPACEPOOL_STATE = 0x00021005
APPLICATION_PRIVATE_DATA = 0x00021009
RUNSPACEPOOL_INIT_DATA = 0x0002100B
PIPELINE_INPUT = 0x00041002
END_OF_PIPELINE_INPUT = 0x00041003
PIPELINE_OUTPUT = 0x00041004
PIPELINE_STATE = 0x00041006


class MalformedFragment(Exception):
    """Bytes that are no PSRP fragments or messages."""


def split_fragments(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Yield (object id, fragment id, flags, content) of each fragment in `data`."""
    position, end = 0, len(data)
    while position < end:
        if position + _FRAGMENT.size > end:
            raise MalformedFragment("a fragment header is cut off")
        object_id, fragment_id, flags, length = _FRAGMENT.unpack_from(data, position)
        position += _FRAGMENT.size
        if position + length > end:
            raise MalformedFragment("a fragment is cut off")
        yield object_id, fragment_id, flags, data[position : position + length]
        position += length


def message_type(message: bytes) -> int:
    """Return the type of a message."""
    if len(message) < _MESSAGE_HEAD:
        raise MalformedFragment("a message header is cut off")
    kind: int = struct.unpack_from("<I", message, 4)[0]
    return kind


def message_body(message: bytes) -> bytes:
    """Return the CLIXML of a message, without byte order mark."""
    body = message[_MESSAGE_HEAD:]
    return body[3:] if body.startswith(b"\xef\xbb\xbf") else body


def message_pool(message: bytes) -> uuid.UUID:
    """Return the runspace pool id of a message."""
    return uuid.UUID(bytes_le=message[8:24])


def build_message(kind: int, pool: uuid.UUID, pipeline: uuid.UUID | None, body: bytes) -> bytes:
    """Return a message for the client; without pipeline it is for the pool."""
    target = pipeline.bytes_le if pipeline else bytes(16)
    return b"".join([struct.pack("<II", _TO_CLIENT, kind), pool.bytes_le, target, body])


class Fragmenter:
    """Cuts messages into fragments of at most `size` bytes, each message under an object id of its own."""

    def __init__(self, size: int, first_id: int = 1) -> None:
        self._room = size - _FRAGMENT.size
        self._ids = itertools.count(first_id)

    def fragment(self, message: bytes) -> list[bytes]:
        """Return the fragments of a message."""
        object_id, length, room = next(self._ids), len(message), self._room
        view = memoryview(message)
        fragments = []
        for number, position in enumerate(range(0, max(length, 1), room)):
            content = view[position : position + room]
            flags = (START if position == 0 else 0) | (END if position + room >= length else 0)
            fragments.append(b"".join([_FRAGMENT.pack(object_id, number, flags, len(content)), content]))
        return fragments


class Defragmenter:
    """Joins fragments to messages; a message larger than `limit` bytes is refused."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: dict[int, list[bytes]] = {}
        self._sizes: dict[int, int] = {}

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the messages that `data` completes."""
        for object_id, _, flags, content in split_fragments(data):
            if flags & START and flags & END:
                yield content
                continue
            size = self._sizes[object_id] = self._sizes.get(object_id, 0) + len(content)
            if size > self._limit:
                raise MalformedFragment(f"an object of more than {self._limit} bytes")
            parts = self._parts.setdefault(object_id, [])
            parts.append(content)
            if flags & END:
                del self._parts[object_id], self._sizes[object_id]
                yield b"".join(parts)
