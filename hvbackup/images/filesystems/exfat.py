"""exFAT (Microsoft, exFAT file system specification, revision 1.00)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from hvbackup.errors import ImageDamaged
from hvbackup.images.filesystems.adapter import SourceFile
from hvbackup.images.filesystems.contract import FileSystemInfo
from hvbackup.images.filesystems.fat import DIRTY, ENTRY_BYTES, FOLDER_ATTRIBUTE, FatNode, FatParser, Raw, moment
from hvbackup.images.filesystems.fat_chain import FatTable
from hvbackup.images.filesystems.tree import Child
from hvbackup.images.labels import read_label

_FILE, _STREAM, _NAME = 0x85, 0xC0, 0xC1
_NO_CHAIN = 0x02
_NAME_BYTES = 30
_KEY_BITS = 64


def open_exfat(file: SourceFile) -> FatParser:
    """Open a volume.

    Raises:
        ImageDamaged: Its boot sector makes no sense.
    """
    head = file.read_at(0, 512)
    table_place, table_length, heap, clusters, root = struct.unpack_from("<IIIII", head, 80)
    flags, sector_shift, cluster_shift, tables = struct.unpack_from("<HBBB", head, 106)
    if not 9 <= sector_shift <= 12 or sector_shift + cluster_shift > 25:
        raise ImageDamaged("the boot sector of exFAT makes no sense")
    if flags & 1 and tables == 2:
        table_place += table_length
    table = FatTable(
        file,
        bits=32,
        place=table_place << sector_shift,
        heap=heap << sector_shift,
        cluster=1 << (sector_shift + cluster_shift),
        clusters=min(clusters, (table_length << sector_shift) // 4 - 2),
        whole=True,
    )
    info = FileSystemInfo(
        kind="exfat",
        label=read_label(file, head, "exfat"),
        id=head[100:104][::-1].hex(),
        block_bytes=table.cluster,
        notes=(DIRTY,) if flags & 2 else (),
    )
    return FatParser(table, FatNode("", 0, FOLDER_ATTRIBUTE, root, 0, 0), None, _Folders(file), info)


class _Folders:
    """Sets of entries: the file, its stream, its name. A key holds the places of the first two: they may lie apart."""

    def __init__(self, file: SourceFile) -> None:
        self._file = file

    def node(self, key: int) -> FatNode:
        stream, place = key >> _KEY_BITS, key & ((1 << _KEY_BITS) - 1)
        return _node(key, self._file.read_at(place, ENTRY_BYTES), self._file.read_at(stream, ENTRY_BYTES), "")

    def nodes(self, entries: Iterator[Raw]) -> Iterator[Child[FatNode]]:
        for place, first in entries:
            if not first[0]:
                return
            if first[0] != _FILE:
                continue
            raw = [(place, first)]
            for following in entries:
                raw.append(following)
                if len(raw) == first[1] + 1:
                    break
            yield _child(raw)


def _child(raw: list[Raw]) -> Child[FatNode]:
    places, entries = [place for place, _ in raw], [entry for _, entry in raw]
    if len(entries) < 3 or entries[1][0] != _STREAM:
        return Child(f"\\x entry {places[0] // ENTRY_BYTES}", ImageDamaged("it is damaged: it has no stream"))
    named = b"".join(entry[2 : 2 + _NAME_BYTES] for entry in entries[2:] if entry[0] == _NAME)
    name = named[: 2 * entries[1][3]].decode("utf-16-le", "surrogatepass")
    if _checksum(b"".join(entries)) != struct.unpack_from("<H", entries[0], 2)[0]:
        return Child(name, ImageDamaged("its entry in the folder has a wrong checksum"))
    return Child(name, _node(places[1] << _KEY_BITS | places[0], entries[0], entries[1], name))


def _checksum(entries: bytes) -> int:
    """Of a set of entries (section 6.3.3), without the checksum itself."""
    checksum = 0
    for at, byte in enumerate(entries):
        if at not in (2, 3):
            checksum = ((checksum << 15 | checksum >> 1) + byte) & 0xFFFF
    return checksum


def _node(key: int, file: bytes, stream: bytes, name: str) -> FatNode:
    attributes, _, created, modified, accessed, created_more, modified_more, *zones = struct.unpack_from(
        "<HHIIIBBBBB", file, 4
    )
    valid, _, first, size = struct.unpack_from("<QIIQ", stream, 8)
    return FatNode(
        name=name,
        key=key,
        attributes=attributes,
        first=first,
        size=size,
        valid=valid,
        in_a_run=bool(stream[1] & _NO_CHAIN),
        created=moment(created >> 16, created & 0xFFFF, created_more, _minutes(zones[0])),
        modified=moment(modified >> 16, modified & 0xFFFF, modified_more, _minutes(zones[1])),
        accessed=moment(accessed >> 16, accessed & 0xFFFF, 0, _minutes(zones[2])),
    )


def _minutes(zone: int) -> int:
    """Minutes east of UTC: quarters of an hour in seven bits with a sign; none where the eighth is not set."""
    if not zone & 0x80:
        return 0
    quarters = zone & 0x7F
    return 15 * (quarters - 128 if quarters & 0x40 else quarters)
