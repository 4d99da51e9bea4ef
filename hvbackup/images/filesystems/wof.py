"""Files that Windows compressed with the Windows Overlay Filter: compact.exe /exe, CompactOS ([MS-FSCC] 2.1.2.9).

The contents are in the stream WofCompressedData: places of chunks, then chunks, each compressed for itself, or stored
as it is when that saves nothing (wimlib, `resource.c`). XPRESS is decoded by libfsntfs, LZX by us.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from enum import IntEnum
from typing import Any

from hvbackup.errors import ImageDamaged, ImageUnsupported
from hvbackup.images.filesystems import lzx, reparse
from hvbackup.images.filesystems.adapter import Contents, Guard, shortened
from hvbackup.images.ntfs_record import attributes
from hvbackup.images.source import Pages, Source

STREAM = "WofCompressedData"
_REPARSE_POINT = 0xC0
_REPARSE_HEADER_BYTES = 8
_FILE_PROVIDER = 2
_WIDE_TABLE_FROM = 1 << 32
_LARGEST_XPRESS_CHUNK = 16384
_KEPT_CHUNKS = 16


class _Algorithm(IntEnum):
    XPRESS4K = 0
    LZX = 1
    XPRESS8K = 2
    XPRESS16K = 3


def open_compressed(node: Any, record: bytes, path: str, guard: Guard) -> Source:
    """Return the contents of a file as the guest sees them.

    Args:
        node: The file, of libfsntfs.
        record: Its record in the master file table.

    Raises:
        ImageUnsupported: It cannot be told how it was compressed.
    """
    algorithm = _algorithm(record, path)
    size = node.get_size()
    if algorithm is not _Algorithm.LZX:
        return Contents(size, _xpress_reader(node, path), guard, path)
    stream = node.get_alternate_data_stream_by_name(STREAM)
    packed = Contents(stream.get_size(), lambda at, wanted: _read(stream, at, wanted), guard, path)
    return _LzxContents(packed, size, path)


def _read(stream: Any, offset: int, size: int) -> bytes:
    data: bytes = stream.read_buffer_at_offset(size, offset)
    return data


def _algorithm(record: bytes, path: str) -> _Algorithm:
    """What the reparse point names; looked up in the record itself, as the library does not tell."""
    for attribute in attributes(record):
        if attribute.kind == _REPARSE_POINT and attribute.value is not None and len(attribute.value) >= 24:
            _, provider, _, algorithm = struct.unpack_from("<IIII", attribute.value, _REPARSE_HEADER_BYTES)
            if provider == _FILE_PROVIDER and algorithm in set(_Algorithm):
                return _Algorithm(algorithm)
    raise ImageUnsupported(f"{path} cannot be read: {reparse.WOF_FAILED}")


def _xpress_reader(node: Any, path: str) -> Callable[[int, int], bytes]:
    """Reads from the beginning of a chunk: libfsntfs 20260827 fails when it is to begin inside the last one."""

    def read(offset: int, size: int) -> bytes:
        inside = offset % _LARGEST_XPRESS_CHUNK
        try:
            return _read(node, offset - inside, inside + size)[inside:]
        except OSError as error:
            raise ImageUnsupported(f"{path} cannot be read: {reparse.WOF_FAILED} ({shortened(error)})") from error

    return read


class _LzxContents:
    def __init__(self, packed: Source, size: int, path: str) -> None:
        self._packed = packed
        self._size = size
        self._path = path
        self._count = -(-size // lzx.CHUNK_BYTES)
        self._width = 8 if size > _WIDE_TABLE_FROM else 4
        self._table_bytes = max(0, self._count - 1) * self._width
        self._chunks: Pages[bytes] = Pages(self._chunk, _KEPT_CHUNKS)

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self._size

    def read_at(self, offset: int, size: int) -> bytes:
        """The bytes at `offset`.

        Raises:
            ImageDamaged: A chunk is damaged.
        """
        end = min(offset + size, self._size)
        if end <= offset:
            return b""
        first, last = offset // lzx.CHUNK_BYTES, (end - 1) // lzx.CHUNK_BYTES
        whole = b"".join(self._chunks.get(number) for number in range(first, last + 1))
        return whole[offset - first * lzx.CHUNK_BYTES : end - first * lzx.CHUNK_BYTES]

    def _chunk(self, number: int) -> bytes:
        size = min(lzx.CHUNK_BYTES, self._size - number * lzx.CHUNK_BYTES)
        start, end = self._place(number), self._place(number + 1)
        if not 0 < end - start <= size:
            raise ImageDamaged(f"{self._path} has a damaged table of chunks")
        packed = self._packed.read_at(self._table_bytes + start, end - start)
        if len(packed) != end - start:
            raise ImageDamaged(f"{self._path} ends inside a chunk")
        return packed if len(packed) == size else lzx.decompress(packed, size)

    def _place(self, number: int) -> int:
        """Where a chunk begins, behind the table; the first one has no entry there."""
        if number == 0:
            return 0
        if number == self._count:
            return self._packed.size - self._table_bytes
        return int.from_bytes(self._packed.read_at((number - 1) * self._width, self._width), "little")
