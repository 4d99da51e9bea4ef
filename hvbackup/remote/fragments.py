"""Fragments and messages of the PowerShell Remoting Protocol, joined without copying more than once.

Format: MS-PSRP 2.2.1 (message: destination u32, type u32, both little endian, pool id and pipeline id as GUIDs, data)
and 2.2.4 (fragment: object id u64, fragment id u64, flags u8, length u32, all big endian, then that many bytes).
A `byte[]` travels as `<BA>base64</BA>` (MS-PSRP 2.2.5.1.17). Nothing here knows a transport; wrong bytes raise
`BytesBroken`, and the caller says of which host they were.
"""

from __future__ import annotations

import struct
from binascii import Error as Base64Error
from collections.abc import Iterator
from typing import TypeAlias
from uuid import UUID

from pybase64 import b64decode, b64encode

#: Message types (MS-PSRP 2.2.1); the ones that this room looks at itself.
PIPELINE_INPUT = 0x00041002
END_OF_PIPELINE_INPUT = 0x00041003
PIPELINE_OUTPUT = 0x00041004
PIPELINE_STATE = 0x00041006

FRAGMENT_HEADER = struct.Struct(">QQBI")
MESSAGE_HEADER = struct.Struct("<II16s16s")
_TYPE = struct.Struct("<I")
_START, _END = 1, 2
#: Destination of a message that a client sends.
_SERVER = 2

#: A message may not grow beyond this: frames are a few MiB, everything else is small.
MAXIMUM_MESSAGE = 96 << 20

#: (message type, the message's data, the whole message with its header)
Message: TypeAlias = "tuple[int, memoryview, bytes | memoryview]"


class BytesBroken(Exception):
    """Bytes that are not what the protocol says, or with a gap; `lost` tells a gap from nonsense."""

    def __init__(self, reason: str, *, lost: bool = False) -> None:
        super().__init__(reason)
        self.lost = lost


class FragmentJoiner:
    """Turns the bytes of one stream into messages. The bytes may be cut anywhere.

    Fragments of one message come one after the other; a message that began before another ended is a gap (PowerShell's
    own receiver says the same).
    """

    def __init__(self) -> None:
        self._rest = b""
        self._parts: list[memoryview] = []
        self._held = 0
        self._object_id = 0
        self._next_fragment = 0

    @property
    def is_between_messages(self) -> bool:
        """Whether nothing of a message is held back: the only place where a stream may end."""
        return not self._rest and not self._parts

    def feed(self, data: bytes) -> Iterator[Message]:
        """Take the next bytes of the stream and yield the messages that they complete.

        Raises:
            BytesBroken: At the first header that cannot be meant, or when a fragment is missing.
        """
        if self._rest:
            data = self._rest + data
            self._rest = b""
        view, position, end = memoryview(data), 0, len(data)
        while position < end:
            body = position + FRAGMENT_HEADER.size
            if body > end:
                break
            object_id, fragment_id, flags, length = FRAGMENT_HEADER.unpack_from(data, position)
            self._check(object_id, fragment_id, flags, length)
            if body + length > end:
                break
            position = body + length
            self._parts.append(view[body:position])
            self._held += length
            self._object_id, self._next_fragment = object_id, fragment_id + 1
            if flags & _END:
                yield self._take()
        self._rest = bytes(view[position:])

    def _check(self, object_id: int, fragment_id: int, flags: int, length: int) -> None:
        if flags & ~(_START | _END) or bool(flags & _START) != (fragment_id == 0):
            raise BytesBroken(f"a fragment with id {fragment_id} and flags {flags:#x}")
        if self._held + length > MAXIMUM_MESSAGE:
            raise BytesBroken(f"a message longer than {MAXIMUM_MESSAGE} bytes")
        if not self._parts:
            if fragment_id:
                raise BytesBroken(f"fragment {fragment_id} of a message whose beginning is missing", lost=True)
        elif (object_id, fragment_id) != (self._object_id, self._next_fragment):
            raise BytesBroken(
                f"fragment {fragment_id} of message {object_id} instead of fragment {self._next_fragment} of "
                f"message {self._object_id}",
                lost=True,
            )

    def _take(self) -> Message:
        whole: bytes | memoryview = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()
        self._held = 0
        if len(whole) < MESSAGE_HEADER.size:
            raise BytesBroken(f"a message of {len(whole)} bytes, shorter than its header")
        (kind,) = _TYPE.unpack_from(whole, 4)
        return kind, memoryview(whole)[MESSAGE_HEADER.size :], whole


def decode_base64(text: bytes | memoryview) -> bytes:
    """Decode base64: the quick way first, then the one that allows line breaks."""
    try:
        return b64decode(text, validate=True)
    except Base64Error:
        pass
    try:
        return b64decode(bytes(text).translate(None, b" \t\r\n"), validate=True)
    except Base64Error:
        raise BytesBroken("bytes that are not base64") from None


def read_byte_array(body: memoryview) -> bytes | None:
    """Return the bytes when an output message is a plain `byte[]`, else None."""
    head = bytes(body[:12]).removeprefix(b"\xef\xbb\xbf")
    if head.startswith(b"<BA>"):
        start = 7 if body[0] == 0xEF else 4
        return decode_base64(body[start : -len(b"</BA>")])
    return b"" if head in (b"<BA/>", b"<BA />") else None


def byte_array_message(header: bytes, frame: bytes) -> bytes:
    """Return the message that gives a `byte[]` to a pipeline."""
    return b"".join((header, b"<BA>", b64encode(frame), b"</BA>"))


def whole_fragment(object_id: int, message: bytes | memoryview) -> bytes:
    """Return a message as one single fragment."""
    return FRAGMENT_HEADER.pack(object_id, 0, _START | _END, len(message)) + bytes(message)


def message_header(kind: int, pool_id: str, pipeline_id: str) -> bytes:
    """Return the header of a message to the host."""
    return MESSAGE_HEADER.pack(_SERVER, kind, UUID(pool_id).bytes_le, UUID(pipeline_id).bytes_le)


class FragmentPacker:
    """Cuts messages into fragments and fills each envelope to its brim.

    Fragments of several messages share an envelope, as MS-PSRP 3.1.5.1 allows: one round trip carries all it can.
    """

    def __init__(self, room: int, first_object_id: int) -> None:
        self._room = room
        self._object_id = first_object_id
        self._parts: list[bytes | memoryview] = []
        self._used = 0

    def add(self, message: bytes) -> Iterator[bytes]:
        """Take one message and yield the envelopes' contents that it fills."""
        view, position, fragment_id = memoryview(message), 0, 0
        while True:
            free = self._room - self._used - FRAGMENT_HEADER.size
            if free <= 0:
                yield self.flush()
                continue
            part = view[position : position + free]
            position += len(part)
            flags = (_START if fragment_id == 0 else 0) | (_END if position == len(view) else 0)
            self._parts += (FRAGMENT_HEADER.pack(self._object_id, fragment_id, flags, len(part)), part)
            self._used += FRAGMENT_HEADER.size + len(part)
            fragment_id += 1
            if position == len(view):
                self._object_id += 1
                return

    def flush(self) -> bytes:
        """Return what has gathered, empty when nothing has."""
        content = b"".join(self._parts)
        self._parts.clear()
        self._used = 0
        return content
