"""Records of NTFS's master file table, as far as they are read without a library."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

_END = 0xFFFFFFFF
_STRIDE = 512


class Run(NamedTuple):
    """So many clusters of an attribute that lie together; `first` is None for a hole."""

    first: int | None
    clusters: int


class Attribute(NamedTuple):
    """An attribute of a record.

    Attributes:
        value: None where it lies outside the record, in `runs`.
        size: Bytes of the value; 0 in the later pieces of one whose runs do not fit into one record.
        first: The first cluster of the value that `runs` are about.
    """

    kind: int
    value: bytes | None
    name: str = ""
    size: int = 0
    first: int = 0
    runs: tuple[Run, ...] = ()


def attributes(record: bytes) -> Iterator[Attribute]:
    """Yield the attributes of a record; nothing for what is no record, and no more where it makes no sense."""
    if len(record) < 48 or record[:4] != b"FILE":
        return
    raw = without_fixups(record)
    at = struct.unpack_from("<H", raw, 20)[0]
    while at + 24 <= len(raw):
        kind, length = struct.unpack_from("<II", raw, at)
        if kind == _END or length < 24:
            return
        yield _attribute(kind, bytes(raw[at : at + length]))
        at += length


def _attribute(kind: int, raw: bytes) -> Attribute:
    name = raw[(start := struct.unpack_from("<H", raw, 10)[0]) : start + 2 * raw[9]].decode("utf-16-le", "replace")
    if not raw[8]:
        size, place = struct.unpack_from("<IH", raw, 16)
        return Attribute(kind, raw[place : place + size], name, size)
    if len(raw) < 64:
        return Attribute(kind, None, name)
    first, place, size = (
        *struct.unpack_from("<Q", raw, 16),
        *struct.unpack_from("<H", raw, 32),
        *struct.unpack_from("<Q", raw, 48),
    )
    return Attribute(kind, None, name, 0 if first else size, first, tuple(_runs(raw[place:])))


def _runs(pairs: bytes) -> Iterator[Run]:
    """Decode mapping pairs: a byte with two lengths, then so many bytes of a count and of a distance."""
    at = cluster = 0
    while at < len(pairs) and pairs[at]:
        count_bytes, distance_bytes = pairs[at] & 15, pairs[at] >> 4
        end = at + 1 + count_bytes + distance_bytes
        if end > len(pairs):
            return
        count = int.from_bytes(pairs[at + 1 : at + 1 + count_bytes], "little")
        cluster += int.from_bytes(pairs[at + 1 + count_bytes : end], "little", signed=True)
        yield Run(cluster if distance_bytes else None, count)
        at = end


def without_fixups(record: bytes) -> bytearray:
    """Put back the last two bytes of every 512, which the update sequence stands in for."""
    raw = bytearray(record)
    at, count = struct.unpack_from("<HH", raw, 4)
    for number in range(1, count):
        end, saved = number * _STRIDE, at + 2 * number
        if end <= len(raw) and saved + 2 <= len(raw):
            raw[end - 2 : end] = raw[saved : saved + 2]
    return raw
