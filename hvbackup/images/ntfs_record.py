"""Records of NTFS's master file table, as far as they are read without a library."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

_END = 0xFFFFFFFF
_STRIDE = 512


class Attribute(NamedTuple):
    """An attribute of a record; `value` is None for one whose value lies outside the record."""

    kind: int
    value: bytes | None


def attributes(record: bytes) -> Iterator[Attribute]:
    """Yield the attributes of a record; nothing for what is no record, and no more where it makes no sense."""
    if len(record) < 48 or record[:4] != b"FILE":
        return
    raw = _without_fixups(record)
    at = struct.unpack_from("<H", raw, 20)[0]
    while at + 24 <= len(raw):
        kind, length = struct.unpack_from("<II", raw, at)
        if kind == _END or length < 24:
            return
        if raw[at + 8]:
            yield Attribute(kind, None)
        else:
            size, place = struct.unpack_from("<IH", raw, at + 16)
            yield Attribute(kind, bytes(raw[at + place : at + place + min(size, length)]))
        at += length


def _without_fixups(record: bytes) -> bytearray:
    """Put back the last two bytes of every 512, which the update sequence stands in for."""
    raw = bytearray(record)
    at, count = struct.unpack_from("<HH", raw, 4)
    for number in range(1, count):
        end, saved = number * _STRIDE, at + 2 * number
        if end <= len(raw) and saved + 2 <= len(raw):
            raw[end - 2 : end] = raw[saved : saved + 2]
    return raw
