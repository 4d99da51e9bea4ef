"""The key tables of a configuration container: entries that name their parents, made into a tree.

A key table has a header of 10 bytes (u16 2, u16 index, u16 sequence, u32 CRC of these 10), then entries one behind the
other. An entry: u16 type (low byte: 1 free, 3 i64, 4 u64, 5 double, 6 UTF-16 text, 7 bytes, 8 u32 as a boolean, 9 node;
high byte: bit 0 the value lies in a file object, bit 1 seen on texts of `.VMRS` files, meaning unknown), u32 size,
u16 and u32 index of the parent's table and offset of the parent in it (0: the root), u32 CRC, u32 order of insertion,
u8 length of the name with its NUL; the name; the value. Texts and bytes begin with their u32 length. A node's value is
12 bytes whose meaning is not needed. The CRC is over the entry up to the end of its value, without what follows it
(verified on all 679 entries of the files named in `container.py`). Free entries have none: the ten that were seen have
no parent, no name and a CRC of 0, so that an entry in use that a wrong bit has made free is told from them.

A value in a file object is a u32 size and a u64 offset instead. No file at hand has one: that its CRC covers these 12
bytes is a guess, so that a wrong one leaves this value unread and not the file damaged. Nothing is known to protect the
contents of a file object.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from hvbackup.errors import ImageDamaged, ImageUnsupported
from hvbackup.images.vmconfig.tree import MAX_DEPTH, MAX_VALUES, Tree, Unread, Value, damaged

_ENTRY = struct.Struct("<HIHIIIB")
_TABLE_HEADER_SIZE = 10
_FREE, _INTEGER, _UNSIGNED, _DOUBLE, _TEXT, _BYTES, _BOOLEAN, _NODE = 1, 3, 4, 5, 6, 7, 8, 9
_FIXED_SIZES = {_INTEGER: 8, _UNSIGNED: 8, _DOUBLE: 8, _BOOLEAN: 4, _NODE: 12}
_IN_FILE_OBJECT = 0x100
_POINTER = struct.Struct("<IQ")


class KeyTable(NamedTuple):
    """Where a key table lies in the container."""

    number: int
    offset: int
    size: int


class FileObject(NamedTuple):
    """Where a file object lies in the container."""

    offset: int
    size: int


class _Entry(NamedTuple):
    """An entry: `key` and `parent` are (index of the table, offset in it)."""

    key: tuple[int, int]
    parent: tuple[int, int]
    order: int
    name: str
    value: Value


def read_tree(data: bytearray, tables: list[KeyTable], files: list[FileObject]) -> Tree:
    """Return the tree that the entries of `tables` make.

    Raises:
        ImageDamaged: An entry, its checksum or its parent is not valid.
        ImageUnsupported: There are more than `MAX_VALUES` entries.
    """
    reader = _Reader(data, files)
    entries = list(islice((entry for table in tables for entry in reader.entries(table)), MAX_VALUES + 1))
    if len(entries) > MAX_VALUES:
        raise ImageUnsupported(f"a VM configuration file with more than {MAX_VALUES} values")
    nodes: dict[tuple[int, int], Tree] = {each.key: each.value for each in entries if isinstance(each.value, dict)}
    root: Tree = {}
    children: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for entry in sorted(entries, key=lambda each: (each.order, each.key)):
        at_top = entry.parent[0] == 0
        parent = root if at_top else nodes.get(entry.parent)
        if parent is None:
            raise _damaged(f"the parent of {entry.name!r}", entry.key, "is not there")
        parent[entry.name] = entry.value
        if entry.key in nodes:
            children.setdefault((0, 0) if at_top else entry.parent, []).append(entry.key)
    _require_tree(nodes, children)
    return root


def _require_tree(nodes: dict[tuple[int, int], Tree], children: dict[tuple[int, int], list[tuple[int, int]]]) -> None:
    """Refuse nodes that are each other's parents, and nodes too deep for those who walk the tree."""
    level, reached = children.get((0, 0), []), 0
    for _ in range(MAX_DEPTH):
        reached += len(level)
        level = [child for key in level for child in children.get(key, ())]
    if level or reached != len(nodes):
        raise damaged("its nodes make no tree, or a very deep one")


class _Reader:
    """Reads entries. The values of file objects together may not be longer than the file: then some would overlap."""

    def __init__(self, data: bytearray, files: list[FileObject]) -> None:
        self._data = data
        self._files = {each.offset: each.size for each in files}
        self._allowance = len(data)

    def entries(self, table: KeyTable) -> Iterator[_Entry]:
        """Yield the entries of a table that are in use."""
        raw = bytes(self._data[table.offset : table.offset + table.size])
        at = _TABLE_HEADER_SIZE
        while at + _ENTRY.size <= len(raw):
            kind, size, parent_table, parent_offset, stored, order, name_size = _ENTRY.unpack_from(raw, at)
            if kind == 0 and size == 0:
                break  # what was never written
            key = (table.number, at)
            entry = raw[at : at + size]
            if size < _ENTRY.size or len(entry) < size:
                raise _damaged("the size of an entry", key)
            if kind & 0xFF == _FREE:
                if parent_table or parent_offset or stored or name_size:
                    raise _damaged("an entry that is marked as free", key)
            else:
                name, value = self._name_and_value(key, entry, kind, stored, name_size)
                yield _Entry(key, (parent_table, parent_offset), order, name, value)
            at += size

    def _name_and_value(
        self, key: tuple[int, int], entry: bytes, kind: int, stored: int, name_size: int
    ) -> tuple[str, Value]:
        start = _ENTRY.size + name_size
        if not name_size or start > len(entry) or entry[start - 1]:
            raise _damaged("the name of an entry", key)
        name = entry[_ENTRY.size : start - 1].decode("utf-8", "replace")
        if kind & 0xFF not in (*_FIXED_SIZES, _TEXT, _BYTES):
            return name, Unread(f"a value of the unknown type {kind & 0xFF}")
        length = _value_size(key, entry, start, kind)
        good = stored == zlib.crc32(entry[:12] + bytes(4) + entry[16 : start + length])
        value = entry[start : start + length]
        if kind & _IN_FILE_OBJECT:
            return name, self._from_file_object(key, kind & 0xFF, *_POINTER.unpack(value)) if good else Unread(
                "a value in a file object whose checksum does not fit the rule that is known"
            )
        if not good:
            raise _damaged(f"the checksum of {name!r}", key)
        return name, _decode(kind & 0xFF, value)

    def _from_file_object(self, key: tuple[int, int], kind: int, size: int, offset: int) -> Value:
        if size > self._files.get(offset, -1) or offset + size > len(self._data):
            raise _damaged("the file object of a value", key)
        self._allowance -= size
        if self._allowance < 0:
            raise _damaged("the file object of a value", key, "is shared with other values")
        return _decode(kind, struct.pack("<I", size) + bytes(self._data[offset : offset + size]))


def _value_size(key: tuple[int, int], entry: bytes, start: int, kind: int) -> int:
    """Return the length of the value that begins at `start`."""
    size = _FIXED_SIZES.get(kind & 0xFF)
    if kind & _IN_FILE_OBJECT:
        if size is not None:
            raise _damaged("the type of an entry", key)
        size = _POINTER.size
    elif size is None:
        size = 4 + int.from_bytes(entry[start : start + 4], "little")
    if start + size > len(entry):
        raise _damaged("the length of a value", key)
    return size


def _decode(kind: int, value: bytes) -> Value:
    if kind == _NODE:
        return {}
    if kind == _TEXT:
        return value[4:].decode("utf-16-le", "replace").removesuffix("\0")
    if kind == _BYTES:
        return value[4:]
    if kind == _BOOLEAN:
        return value != bytes(4)
    number: int | float = struct.unpack({_INTEGER: "<q", _UNSIGNED: "<Q", _DOUBLE: "<d"}[kind], value)[0]
    return number


def _damaged(what: str, key: tuple[int, int], wrong: str = "is wrong") -> ImageDamaged:
    return damaged(f"{what} {wrong} (key table {key[0]}, byte {key[1]})")
