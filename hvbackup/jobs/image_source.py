"""Disk images where they are: in a shadow copy on the host, or in a restore point, as the images room reads them."""

from __future__ import annotations

from collections import OrderedDict

from hvbackup.remote.fanout import read_blocks
from hvbackup.remote.session import Transport
from hvbackup.repository.seams import PointReader

_PIECE = 1 << 20
_KEPT_PIECES = 16


class PointSource:
    """A file of a restore point as random-access bytes."""

    def __init__(self, reader: PointReader, name: str) -> None:
        self._reader = reader
        self._name = name
        self.size = next(file.size_bytes for file in reader.point.files if file.name == name)

    def read_at(self, offset: int, size: int) -> bytes:
        """Return the bytes at `offset`, fewer at the end."""
        return self._reader.read_at(self._name, offset, size)


class HostSource:
    """A file on the host as random-access bytes: each read costs a round trip, so it reads and keeps 1 MiB pieces."""

    def __init__(self, transport: Transport, path: str, size: int) -> None:
        self._transport = transport
        self._path = path
        self._pieces: OrderedDict[int, bytes] = OrderedDict()
        self.size = size

    def read_at(self, offset: int, size: int) -> bytes:
        """Return the bytes at `offset`, fewer at the end."""
        end = min(offset + size, self.size)
        if offset >= end:
            return b""
        first, last = offset // _PIECE, (end - 1) // _PIECE
        data = b"".join(self._piece(number) for number in range(first, last + 1))
        return data[offset - first * _PIECE : end - first * _PIECE]

    def _piece(self, number: int) -> bytes:
        if number in self._pieces:
            self._pieces.move_to_end(number)
            return self._pieces[number]
        start = number * _PIECE
        found: list[bytes] = []
        read_blocks(
            self._transport,
            self._path,
            [(start, min(_PIECE, self.size - start))],
            lambda _index, data: found.append(data),
            lanes=1,
            compress=True,
        )
        self._pieces[number] = found[0]
        while len(self._pieces) > _KEPT_PIECES:
            self._pieces.popitem(last=False)
        return found[0]
