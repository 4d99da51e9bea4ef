"""XFS, version 4 and 5 ("XFS Algorithms & Data Structures", 3rd edition)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from uuid import UUID

import pyfsxfs

from hvbackup.errors import ImageDamaged
from hvbackup.images.filesystems.adapter import SourceFile
from hvbackup.images.filesystems.contract import FileSystemInfo
from hvbackup.images.filesystems.posix import Extent, InodeFile, PosixParser, Times
from hvbackup.images.filesystems.xfs_log import log_is_clean

_LOCAL = 1
_REALTIME_FLAG = 1
_REALTIME = "its contents lie on the realtime device of the file system, not in this volume"
_BIG_TIME_FLAG = 8
_BIG_TIME_START = -(1 << 31) * 1_000_000_000
_LINK_MAGIC, _LINK_HEADER_BYTES = b"XSLM", 56
#: Magic of a block of names -> bytes of its header
_FOLDER_HEADERS = {b"XD2B": 16, b"XD2D": 16, b"XDB3": 64, b"XDD3": 64}
_NO_FOLDER_NAMES = (b"XDB3", b"XD2B")


def open_xfs(file: SourceFile, kind: str) -> PosixParser:
    """Open a volume; errors of the library may leave this function."""
    volume = pyfsxfs.volume()
    volume.open_file_object(file)
    inodes = XfsInodes(file)
    notes = []
    if not log_is_clean(file, inodes.log_offset, inodes.log_bytes):
        notes.append("its journal was not closed and is not replayed here: the newest changes may be missing")
    info = FileSystemInfo(
        kind=kind,
        label=inodes.label,
        id=str(UUID(bytes=inodes.identifier)),
        block_bytes=inodes.block,
        notes=tuple(notes),
    )
    return PosixParser(volume, inodes, info)


class XfsInodes:
    """Inodes, found by what their number says of their place."""

    def __init__(self, file: SourceFile) -> None:
        self._file = file
        raw = file.read_at(0, 264)
        self.block = struct.unpack_from(">I", raw, 4)[0]
        self._has_realtime = bool(struct.unpack_from(">Q", raw, 16)[0])
        self._group_blocks = struct.unpack_from(">I", raw, 84)[0]
        self._inode_bytes = struct.unpack_from(">H", raw, 104)[0]
        self._per_block_bits, self._group_bits = raw[123], raw[124]
        self._folder_block = self.block << min(raw[192], 8)
        version, old_features, features = *struct.unpack_from(">H", raw, 100), *struct.unpack_from(">I12xI", raw, 200)
        self._has_types = bool(features & 1 if version & 0xF == 5 else old_features & 0x200)
        self.identifier = raw[32:48]
        self.label = raw[108:120].split(b"\0")[0].decode("utf-8", "replace")
        if not 512 <= self.block <= 65536 or not 256 <= self._inode_bytes <= 2048 or self._group_bits > 40:
            raise ImageDamaged("the superblock of XFS makes no sense")
        log_start, log_blocks = *struct.unpack_from(">Q", raw, 48), *struct.unpack_from(">I", raw, 96)
        self.log_bytes = log_blocks * self.block if log_start else 0
        self.log_offset = self._block_offset(log_start)

    def _block_offset(self, number: int) -> int:
        group, block = number >> self._group_bits, number & ((1 << self._group_bits) - 1)
        return int((group * self._group_blocks + block) * self.block)

    def _inode(self, number: int) -> bytes:
        within = number & ((1 << self._per_block_bits) - 1)
        place = self._block_offset(number >> self._per_block_bits) + within * self._inode_bytes
        inode = self._file.read_at(place, self._inode_bytes)
        if inode[:2] != b"IN":
            raise ImageDamaged(f"the inode {number} of XFS is not where it should be")
        return inode

    @staticmethod
    def _fork(inode: bytes) -> bytes:
        """The data of an inode that lie in it."""
        start = 176 if inode[4] >= 3 else 100
        return inode[start : start + inode[82] * 8 if inode[82] else len(inode)]

    def place(self, offset: int) -> int:
        """Where an extent lies: the library multiplies the number of its block, which has a gap after each group."""
        return self._block_offset(offset // self.block)

    def times(self, number: int) -> Times:
        """The times of an inode: seconds and nanoseconds, or nanoseconds since 1901 (feature `bigtime`)."""
        inode = self._inode(number)
        is_large = inode[4] >= 3
        is_big = is_large and bool(struct.unpack_from(">Q", inode, 120)[0] & _BIG_TIME_FLAG)
        accessed, modified, changed = (_moment(inode, at, is_big) for at in (32, 40, 48))
        return Times(modified, accessed, changed, _moment(inode, 144, is_big) if is_large else None)

    def unreadable(self, number: int) -> str | None:
        """Files on the realtime device."""
        if not self._has_realtime:
            return None
        flags: int = struct.unpack_from(">H", self._inode(number), 90)[0]
        return _REALTIME if flags & _REALTIME_FLAG else None

    def inode_file(self, number: int) -> InodeFile | None:
        """The library reads those that there are."""
        return None

    def inline(self, number: int, size: int) -> bytes | None:
        """Contents of files never lie in the inode."""
        return None

    def target(self, number: int, size: int, extents: list[Extent]) -> bytes:
        """Where a link leads: in the inode, or in blocks, which have headers from version 5 on."""
        inode = self._inode(number)
        if inode[5] == _LOCAL:
            return self._fork(inode)[:size]
        text = b""
        for offset, length, _ in extents:
            for at in range(offset, offset + length, self.block):
                block = self._file.read_at(at, self.block)
                if block[:4] == _LINK_MAGIC:
                    used = struct.unpack_from(">I", block, 8)[0]
                    block = block[_LINK_HEADER_BYTES : _LINK_HEADER_BYTES + used]
                text += block
        if len(text) < size:
            raise ImageDamaged(f"the link with the inode {number} holds {len(text)} of its {size} bytes")
        return text[:size]

    def names(self, number: int, extents: list[Extent]) -> Iterator[tuple[bytes, int]]:
        """The names of a folder."""
        inode = self._inode(number)
        if inode[5] == _LOCAL:
            yield from self._short_names(self._fork(inode))
            return
        pending = b""
        for offset, length, flags in extents:
            for at in range(offset, offset + length, self.block) if not flags else ():
                pending += self._file.read_at(at, self.block)
                if len(pending) == self._folder_block:
                    yield from self._block_names(pending)
                    pending = b""

    def _short_names(self, fork: bytes) -> Iterator[tuple[bytes, int]]:
        count, wide = fork[0], fork[1]
        width = 8 if wide else 4
        at = 2 + width
        for _ in range(count):
            length = fork[at]
            name, at = fork[at + 3 : at + 3 + length], at + 3 + length + self._has_types
            yield name, int.from_bytes(fork[at : at + width], "big")
            at += width

    def _block_names(self, block: bytes) -> Iterator[tuple[bytes, int]]:
        start = _FOLDER_HEADERS.get(block[:4])
        if start is None:
            return
        end = len(block)
        if block[:4] in _NO_FOLDER_NAMES:  # one block only: hashes and a tail of 8 bytes lie behind the names
            end -= 8 + 8 * struct.unpack_from(">I", block, len(block) - 8)[0]
        at = start
        while at + 16 <= end:
            if block[at : at + 2] == b"\xff\xff":
                length = struct.unpack_from(">H", block, at + 2)[0]
            else:
                number, name_length = struct.unpack_from(">QB", block, at)
                yield block[at + 9 : at + 9 + name_length], number
                length = -(-(11 + name_length + self._has_types) // 8) * 8
            if length < 8 or length % 8:
                raise ImageDamaged("a block of names of XFS makes no sense")
            at += length


def _moment(inode: bytes, at: int, is_big: bool) -> int:
    if is_big:
        return int(struct.unpack_from(">Q", inode, at)[0]) + _BIG_TIME_START
    seconds, nanoseconds = struct.unpack_from(">iI", inode, at)
    return int(seconds) * 1_000_000_000 + int(nanoseconds)
