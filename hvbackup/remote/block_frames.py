"""The frames of the bulk scripts, packed and unpacked: `Read-HvbBlock`, `Get-HvbBlockHash`, `Write-HvbFile`.

Formats: `ReadBlock`, `GetBlockHash` and `WriteFile` in `hvbackup.remote.calls`. What a host sends is not trusted: a
frame never unpacks to more than the block that was asked for.
"""

from __future__ import annotations

import hashlib
import struct
import zlib

HASH_BYTES = 32
#: Longest block that the scripts take, in bytes.
LONGEST_BLOCK = 64 << 20

_PLAIN, _DEFLATE = 0, 1
_RAW_DEFLATE = -15
_WRITE_HEADER = struct.Struct("<QIB32s")
#: If the beginning of a block does not shrink to this share, the rest is not tried: it would cost more than it saves.
_SAMPLE_BYTES, _WORTHWHILE = 8192, 0.9


class FrameBroken(Exception):
    """A frame that no script of ours sends."""


def unpack_block(frame: bytes, length: int) -> bytes:
    """Return the `length` plain bytes of a frame of `Read-HvbBlock`.

    Raises:
        FrameBroken: An unknown codec, damaged DEFLATE, or fewer or more bytes; more are never unpacked.
    """
    codec = frame[0] if frame else None
    if codec == _PLAIN:
        data = frame[1:]
    elif codec == _DEFLATE:
        data = _inflate(frame, length)
    else:
        raise FrameBroken(f"a frame with codec {codec}")
    if len(data) != length:
        raise FrameBroken(f"a block of {len(data)} bytes instead of {length}")
    return data


def _inflate(frame: bytes, length: int) -> bytes:
    unpacking = zlib.decompressobj(_RAW_DEFLATE)
    try:
        # One byte more than is due, to see that there is none.
        data = unpacking.decompress(memoryview(frame)[1:], length + 1)
    except zlib.error:
        raise FrameBroken("a block whose DEFLATE data are damaged") from None
    if len(data) > length:
        raise FrameBroken(f"a block that unpacks to more than its {length} bytes")
    if not unpacking.eof or unpacking.unused_data:
        raise FrameBroken("a block whose DEFLATE data do not end where they should")
    return data


def pack_block(offset: int, data: bytes, *, compress: bool) -> bytes:
    """Return a frame for `Write-HvbFile`, packed when that is shorter."""
    payload, codec = data, _PLAIN
    if compress and _is_worthwhile(data):
        packed = _deflate(data)
        if len(packed) < len(data):
            payload, codec = packed, _DEFLATE
    return _WRITE_HEADER.pack(offset, len(data), codec, hashlib.sha256(data).digest()) + payload


def _is_worthwhile(data: bytes) -> bool:
    sample = data[:_SAMPLE_BYTES]
    return len(_deflate(sample)) < len(sample) * _WORTHWHILE


def _deflate(data: bytes) -> bytes:
    packing = zlib.compressobj(1, zlib.DEFLATED, _RAW_DEFLATE)
    return packing.compress(data) + packing.flush()
