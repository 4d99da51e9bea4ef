"""The container of `.vmcx`, `.VMRS` and `data.vmcx`: headers, replay log, object tables.

Microsoft publishes nothing about this format (its code is VmDataStore.dll). What stands here was worked out from files
of real hosts: three of configuration version 9.0 (two `.vmcx`, one `.VMRS`) and one `data.vmcx`. All checksums are
CRC-32 (zlib) with the field of the checksum zeroed. Verified on all of these files: both headers, the log header, the
227 entries of each object table, every key table and each of their 679 entries. NOT verified, because no file showed
it: a log with entries to replay (29 of 30 entries left over from earlier transactions do verify), further object
tables, two generations of one key table, values in file objects.

Layout, little endian:

==========  =====================================================================================================
0, 0x1000   header, 46 bytes: u32 0x01282014, u32 CRC, u16 sequence, u32 version 0x400, u64, u32 alignment,
            u64 log offset, u64 log size, u32 header size. The valid one with the later sequence counts.
log         34 bytes: u32 0x01110003, u32 CRC, u32 entries, u8, u32 most entries, 17 bytes; then entries of 28
            bytes: u64 target, u32 size, u64 data (from the begin of the log), u32 CRC of these 28, u32 CRC of the data
0x2000      object table: u32 0x01110001, u32 entries; then entries of 18 bytes: u8 kind (1 object table, 2 key table,
            3 file, 4 free, 6 log), u32 CRC, u64 offset, u32 size, u8 allocated
==========  =====================================================================================================

Key tables are read by `key_tables.py`. The file is read whole and never written: a log is applied in memory.
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

from hvbackup.errors import ImageUnsupported
from hvbackup.images.source import Source, read_exactly
from hvbackup.images.vmconfig.key_tables import FileObject, KeyTable, read_tree
from hvbackup.images.vmconfig.tree import MAX_FILE_SIZE, Tree, damaged

SIGNATURE = struct.pack("<I", 0x01282014)
VERSION = 0x400
_HEADER = struct.Struct("<4sIHIQIQQI")
_HEADERS_AT = (0, 0x1000)
_LOG_SIGNATURE = 0x01110003
_LOG_HEADER = struct.Struct("<IIIBI17s")
_LOG_ENTRY = struct.Struct("<QIQII")
_OBJECTS_AT = 0x2000
_OBJECTS_SIGNATURE = 0x01110001
_OBJECT = struct.Struct("<BIQIB")
#: An object table of 64 KiB; real ones are 4 KiB.
_MOST_OBJECTS = 3640
_MOST_TABLES = 1024
_KEY_TABLE_HEADER = struct.Struct("<HHHI")


class Container(NamedTuple):
    """What a container holds. `replayed`: entries of its log that were applied in memory."""

    tree: Tree
    replayed: int


class _Header(NamedTuple):
    sequence: int
    version: int
    log_offset: int
    log_size: int


class _Object(NamedTuple):
    kind: int
    offset: int
    size: int


def read_container(source: Source) -> Container:
    """Read a container with all its values.

    Raises:
        ImageDamaged: A checksum or a structure is wrong; the message names the place.
        ImageUnsupported: The container is of an unknown version, or too large for a configuration.
    """
    if source.size > MAX_FILE_SIZE:
        raise ImageUnsupported(
            f"a configuration container of {source.size} bytes; they are read up to {MAX_FILE_SIZE}",
            hint="Such a size is that of the memory of a saved VM (.VMRS); its configuration is the .vmcx file.",
        )
    data = bytearray(read_exactly(source, 0, source.size, "the container"))
    header = _newest_header(data)
    if header.version != VERSION:
        raise ImageUnsupported(f"a configuration container of the unknown format version {header.version:#x}")
    replayed = _replay(data, header)
    objects = _read_objects(data)
    tables = _key_tables(data, [each for each in objects if each.kind == 2])
    files = [FileObject(each.offset, each.size) for each in objects if each.kind == 3]
    return Container(read_tree(data, tables, files), replayed)


def checksum(raw: bytes | bytearray, at: int) -> int:
    """Return the CRC-32 of `raw` with the four bytes at `at` zeroed."""
    return zlib.crc32(b"".join((raw[:at], bytes(4), raw[at + 4 :])))


def later(one: int, other: int) -> bool:
    """Tell whether the 16-bit sequence number `one` comes after `other`; they wrap around."""
    ahead = (one - other) & 0xFFFF
    return 0 < ahead < 0x8000


def _newest_header(data: bytearray) -> _Header:
    newest: _Header | None = None
    for at in _HEADERS_AT:
        raw = data[at : at + _HEADER.size]
        if len(raw) < _HEADER.size:
            continue
        signature, stored, sequence, version, _, _, log_offset, log_size, _ = _HEADER.unpack(raw)
        if signature != SIGNATURE or stored != checksum(raw, 4):
            continue
        if newest is None or later(sequence, newest.sequence):
            newest = _Header(sequence, version, log_offset, log_size)
    if newest is None:
        raise damaged("none of its two headers is valid")
    return newest


def _replay(data: bytearray, header: _Header) -> int:
    """Apply the log to `data`; return the number of its entries. The copy of a file in use can need it."""
    if header.log_size == 0:
        return 0
    # The last bytes of the log may lie behind the end of the file, as long as nobody needs them.
    log = bytes(data[header.log_offset : header.log_offset + header.log_size])
    if len(log) < _LOG_HEADER.size:
        raise damaged(f"its log should be at {header.log_offset}, and the file ends at {len(data)}")
    count: int
    signature, stored, count, _, most, _ = _LOG_HEADER.unpack_from(log)
    if signature != _LOG_SIGNATURE or stored != checksum(log[: _LOG_HEADER.size], 4):
        raise damaged(f"the header of its log at {header.log_offset} is not valid")
    if count > most or _LOG_HEADER.size + count * _LOG_ENTRY.size > len(log):
        raise damaged(f"its log at {header.log_offset} cannot hold {count} entries")
    for index in range(count):
        _apply(data, log, index)
    return count


def _apply(data: bytearray, log: bytes, index: int) -> None:
    at = _LOG_HEADER.size + index * _LOG_ENTRY.size
    raw = log[at : at + _LOG_ENTRY.size]
    target, size, start, stored, stored_for_data = _LOG_ENTRY.unpack(raw)
    new = log[start : start + size]
    if stored != checksum(raw, 20) or len(new) != size or stored_for_data != zlib.crc32(new):
        raise damaged(f"entry {index} of its log is not valid")
    if target + size > MAX_FILE_SIZE:
        raise damaged(f"entry {index} of its log leads to {target}")
    if len(data) < target + size:
        data.extend(bytes(target + size - len(data)))
    data[target : target + size] = new


def _read_objects(data: bytearray) -> list[_Object]:
    """Return the allocated objects of all object tables."""
    found: list[_Object] = []
    waiting, seen = [_OBJECTS_AT], {_OBJECTS_AT}
    while waiting:
        for each in _read_object_table(data, waiting.pop()):
            found.append(each)
            if each.kind == 1:
                if each.offset in seen or len(seen) == _MOST_TABLES:
                    raise damaged(f"its object tables lead to {each.offset} again, or are too many")
                seen.add(each.offset)
                waiting.append(each.offset)
    return found


def _read_object_table(data: bytearray, at: int) -> list[_Object]:
    if at + 8 > len(data):
        raise damaged(f"an object table should be at {at}, and the file ends at {len(data)}")
    signature, count = struct.unpack_from("<II", data, at)
    if signature != _OBJECTS_SIGNATURE or count > _MOST_OBJECTS or at + 8 + count * _OBJECT.size > len(data):
        raise damaged(f"there is no valid object table at {at}")
    found = []
    for index in range(count):
        place = at + 8 + index * _OBJECT.size
        raw = data[place : place + _OBJECT.size]
        kind, stored, offset, size, allocated = _OBJECT.unpack(raw)
        if stored != checksum(raw, 1):
            raise damaged(f"entry {index} of the object table at {at} has a wrong checksum")
        if allocated:
            found.append(_Object(kind, offset, size))
    return found


def _key_tables(data: bytearray, objects: list[_Object]) -> list[KeyTable]:
    """Return the key tables by index; of two with one index the later one counts."""
    newest: dict[int, tuple[int, KeyTable]] = {}
    end = 0
    for _, offset, size in sorted(objects):
        if offset < end or offset + size > len(data) or size < _KEY_TABLE_HEADER.size:
            raise damaged(f"the key table at {offset} overlaps another one, or the end of the file")
        end = offset + size
        raw = data[offset : offset + _KEY_TABLE_HEADER.size]
        signature, index, sequence, stored = _KEY_TABLE_HEADER.unpack(raw)
        if signature != 2 or stored != checksum(raw, 6):
            raise damaged(f"the header of the key table at {offset} is not valid")
        known = newest.get(index)
        if known is None or later(sequence, known[0]):
            newest[index] = (sequence, KeyTable(index, offset, size))
    return [table for _, (_, table) in sorted(newest.items())]
