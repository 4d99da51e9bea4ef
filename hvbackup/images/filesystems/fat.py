"""FAT12, FAT16 and FAT32 (Microsoft, FAT32 File System Specification 1.03), and the parser that exFAT shares.

Read by our own code: libfsfat 20260826 gives times one month late, U+FFFD for what is not ASCII in short names, and
13 characters of a long name when an entry is opened by its number.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import NamedTuple, Protocol

from hvbackup.errors import ImageDamaged
from hvbackup.images.filesystems.adapter import Guard, SourceFile
from hvbackup.images.filesystems.contract import Entry, EntryKind, FileSystemInfo
from hvbackup.images.filesystems.fat_chain import FatTable, PieceContents
from hvbackup.images.filesystems.tree import Child
from hvbackup.images.labels import read_label
from hvbackup.images.source import Source

ENTRY_BYTES = 32
FOLDER_ATTRIBUTE = 0x10
LOCAL_TIMES = "its times are local times of the guest, shown as if they were UTC"
DIRTY = "the volume is marked dirty: Windows would check it (chkdsk)"
_LABEL_ATTRIBUTE, _LONG_NAME = 0x08, 0x0F
_ATTRIBUTES = {0x1: "read_only", 0x2: "hidden", 0x4: "system"}
_LOWER_BASE, _LOWER_EXTENSION = 0x08, 0x10
#: Bytes of short names that are not ASCII; Windows takes the code page of the machine that wrote them.
_CODE_PAGE = "cp850"
_MAX_FOLDER_BYTES = 256 * 1024 * 1024

#: An entry of a folder and where it lies in the volume.
Raw = tuple[int, bytes]


class FatNode(NamedTuple):
    """An entry of FAT or exFAT.

    Attributes:
        key: Where the entry lies in the volume; 0 for the root.
        valid: Bytes that were ever written.
        in_a_run: The clusters follow each other, the table says nothing of them (exFAT).
    """

    name: str
    key: int
    attributes: int
    first: int
    size: int
    valid: int
    in_a_run: bool = False
    modified: datetime | None = None
    accessed: datetime | None = None
    created: datetime | None = None


class Folders(Protocol):
    """How entries are written in folders: not the same in FAT and exFAT."""

    def nodes(self, entries: Iterator[Raw]) -> Iterator[Child[FatNode]]:
        """The files of a folder."""

    def node(self, key: int) -> FatNode:
        """The file of a key; its name may be missing."""


class FatParser:
    """The parser of a FAT or exFAT volume."""

    def __init__(
        self, table: FatTable, root: FatNode, root_area: tuple[int, int] | None, folders: Folders, info: FileSystemInfo
    ) -> None:
        self._table = table
        self._root = root
        self._root_area = root_area
        self._folders = folders
        self.info = info

    def root(self) -> FatNode:
        """The root folder."""
        return self._root

    def children(self, folder: FatNode) -> Iterator[Child[FatNode]]:
        """What is in a folder, read piece by piece."""
        yield from self._folders.nodes(self._entries(folder))

    def _entries(self, folder: FatNode) -> Iterator[Raw]:
        for count, (place, length) in enumerate(self._pieces(folder)):
            if count * length > _MAX_FOLDER_BYTES:
                raise ImageDamaged("a folder has more clusters than a folder can have")
            data = self._table.file.read_at(place, length)
            for at in range(0, length - ENTRY_BYTES + 1, ENTRY_BYTES):
                yield place + at, data[at : at + ENTRY_BYTES]

    def _pieces(self, folder: FatNode) -> Iterator[tuple[int, int]]:
        cluster = self._table.cluster
        if folder is self._root and self._root_area:
            yield self._root_area
        elif folder.in_a_run:
            ((place, length),) = self._table.run(folder.first, folder.size)
            for at in range(0, length, cluster):
                yield place + at, cluster
        else:
            for number in self._table.chain(folder.first):
                yield self._table.offset(number), cluster

    def key(self, node: FatNode) -> int:
        """Where the entry lies."""
        return node.key

    def node(self, key: int) -> FatNode:
        """The file of a key."""
        return self._folders.node(key) if key else self._root

    def is_folder(self, node: FatNode) -> bool:
        """Whether its attribute says so."""
        return bool(node.attributes & FOLDER_ATTRIBUTE)

    def fold(self, name: str) -> str:
        """Upper case, letter by letter."""
        if name.isascii():
            return name.upper()
        return "".join(upper if len(upper := letter.upper()) == 1 else letter for letter in name)

    def close(self) -> None:
        """Nothing is held."""

    def describe(self, node: FatNode, path: str, name: str, *, streams: bool) -> Entry:
        """All that is known of an entry."""
        is_file = not self.is_folder(node)
        size = node.size if is_file else 0
        has_cluster = size and 2 <= node.first < self._table.clusters + 2
        return Entry(
            path=path,
            name=name,
            kind=EntryKind.FILE if is_file else EntryKind.FOLDER,
            size_bytes=size,
            id=(node.key & ((1 << 64) - 1)) // ENTRY_BYTES,
            modified_at=node.modified,
            accessed_at=node.accessed,
            created_at=node.created,
            first_extent=self._table.offset(node.first) if has_cluster else None,
            allocated_bytes=-(-size // self._table.cluster) * self._table.cluster,
            attributes=tuple(word for bit, word in _ATTRIBUTES.items() if node.attributes & bit),
        )

    def contents(self, node: FatNode, entry: Entry, stream: str | None, guard: Guard) -> Source:
        """The contents of a file."""
        pieces: list[tuple[int, int]] = []
        if node.size:
            pieces = (self._table.run if node.in_a_run else self._table.extents)(node.first, node.size)
        return PieceContents(self._table.file, pieces, node.size, node.valid, guard)


def open_fat(file: SourceFile, kind: str) -> FatParser:
    """Open a volume of FAT12, FAT16 or FAT32.

    Raises:
        ImageDamaged: Its boot sector makes no sense.
    """
    head = file.read_at(0, 512)
    sector, per_cluster, reserved, tables, root_entries, total, _, length = struct.unpack_from("<HBHBHHBH", head, 11)
    length = length or struct.unpack_from("<I", head, 36)[0]
    total = total or struct.unpack_from("<I", head, 32)[0]
    cluster = sector * per_cluster
    root_place = (reserved + tables * length) * sector
    heap = root_place + -(-root_entries * ENTRY_BYTES // max(1, sector)) * sector
    if not 512 <= sector <= 4096 or not cluster or not length or heap >= total * sector:
        raise ImageDamaged("the boot sector of FAT makes no sense")
    bits = int(kind[3:])
    clusters = min((total * sector - heap) // cluster, length * sector * 8 // bits - 2)
    place = (reserved + _active_table(head, bits) * length) * sector
    table = FatTable(file, bits=bits, place=place, heap=heap, cluster=cluster, clusters=clusters)
    first = struct.unpack_from("<I", head, 44)[0] if bits == 32 else 0
    info = FileSystemInfo(
        kind=kind,
        label=read_label(file, head, kind),
        id=head[67:71][::-1].hex() if bits == 32 else head[39:43][::-1].hex(),
        block_bytes=cluster,
        notes=(LOCAL_TIMES, *([DIRTY] if _is_dirty(file.read_at(place, 8), bits) else [])),
    )
    root = FatNode("", 0, FOLDER_ATTRIBUTE, first, 0, 0)
    return FatParser(
        table, root, None if bits == 32 else (root_place, root_entries * ENTRY_BYTES), _Folders(file), info
    )


def _active_table(head: bytes, bits: int) -> int:
    """The table in use: another than the first only where FAT32 does not keep them alike."""
    flags = struct.unpack_from("<H", head, 40)[0] if bits == 32 else 0
    return flags & 0xF if flags & 0x80 else 0


def _is_dirty(table: bytes, bits: int) -> bool:
    if bits == 12:
        return False
    second = struct.unpack_from("<I", table, 4)[0] if bits == 32 else struct.unpack_from("<H", table, 2)[0]
    return not second & (0x08000000 if bits == 32 else 0x8000)


class _Folders:
    def __init__(self, file: SourceFile) -> None:
        self._file = file

    def node(self, key: int) -> FatNode:
        return _short_node(key, self._file.read_at(key, ENTRY_BYTES), "")

    def nodes(self, entries: Iterator[Raw]) -> Iterator[Child[FatNode]]:
        long = _LongName()
        for place, raw in entries:
            if not raw[0]:
                return
            if raw[0] == 0xE5:
                long = _LongName()
            elif raw[11] & 0x3F == _LONG_NAME:
                long.add(raw)
            elif raw[11] & _LABEL_ATTRIBUTE:
                long = _LongName()
            else:
                name = long.name_for(raw) or _short_name(raw)
                long = _LongName()
                yield Child(name, _short_node(place, raw, name))


class _LongName:
    """The entries before a short one, which hold its long name from the end on."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._expected = 0
        self._checksum = 0

    def add(self, raw: bytes) -> None:
        number = raw[0] & 0x3F
        if raw[0] & 0x40:
            self._parts, self._expected, self._checksum = [], number, raw[13]
        if not number or number != self._expected or raw[13] != self._checksum:
            self._parts, self._expected = [], 0
            return
        self._parts.append(raw[1:11] + raw[14:26] + raw[28:32])
        self._expected -= 1

    def name_for(self, short: bytes) -> str | None:
        """The name, if it is complete and belongs to this short one."""
        if not self._parts or self._expected:
            return None
        checksum = 0
        for byte in short[:11]:
            checksum = ((checksum >> 1) + ((checksum & 1) << 7) + byte) & 0xFF
        if checksum != self._checksum:
            return None
        units = b"".join(reversed(self._parts)).decode("utf-16-le", "surrogatepass")
        return units.split("\0")[0]


def _short_name(raw: bytes) -> str:
    base, extension = raw[:8], raw[8:11]
    if base[0] == 0x05:
        base = b"\xe5" + base[1:]
    text, suffix = base.decode(_CODE_PAGE).rstrip(" "), extension.decode(_CODE_PAGE).rstrip(" ")
    text = text.lower() if raw[12] & _LOWER_BASE else text
    suffix = suffix.lower() if raw[12] & _LOWER_EXTENSION else suffix
    return f"{text}.{suffix}" if suffix else text


def _short_node(place: int, raw: bytes, name: str) -> FatNode:
    tenths, created_time, created_date, accessed, high, time, date, low, size = struct.unpack_from(
        "<BHHHHHHHI", raw, 13
    )
    return FatNode(
        name=name,
        key=place,
        attributes=raw[11],
        first=high << 16 | low,
        size=size,
        valid=size,
        modified=moment(date, time),
        accessed=moment(accessed, 0),
        created=moment(created_date, created_time, tenths),
    )


def moment(date: int, time: int, hundredths: int = 0, offset: int = 0) -> datetime | None:
    """A time of FAT as it is written; None for one that is no time.

    Args:
        hundredths: More than `time` says: it counts two seconds.
        offset: Minutes east of UTC, to be taken off.
    """
    try:
        known = datetime(
            1980 + (date >> 9),
            date >> 5 & 15,
            date & 31,
            time >> 11,
            time >> 5 & 63,
            (time & 31) * 2,
            tzinfo=timezone.utc,
        )
        return known + timedelta(milliseconds=10 * hundredths) - timedelta(minutes=offset)
    except (ValueError, OverflowError):
        return None
