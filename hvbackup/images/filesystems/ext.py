"""ext2, ext3 and ext4 (Linux, Documentation/filesystems/ext4)."""

from __future__ import annotations

import stat
import struct
from collections.abc import Iterator
from uuid import UUID

import pyfsext

from hvbackup.errors import ImageDamaged, ImageUnsupported
from hvbackup.images.filesystems.adapter import SourceFile
from hvbackup.images.filesystems.contract import FileSystemInfo
from hvbackup.images.filesystems.posix import Extent, InodeFile, PosixParser, Times

_SUPERBLOCK = 1024
_FAST_LINK_BYTES = 60
_ENCRYPTED_FLAG, _INLINE_FLAG = 0x800, 0x10000000
_NEEDS_RECOVERY, _META_BG, _64BIT = 0x4, 0x10, 0x80
_ATTRIBUTES_MAGIC = 0xEA020000
_ENCRYPTED = "it is encrypted by Linux (fscrypt): attach a copy of the disk to a Linux machine, and unlock it there"


def open_ext(file: SourceFile, kind: str) -> PosixParser:
    """Open a volume; errors of the library may leave this function."""
    volume = pyfsext.volume()
    volume.open_file_object(file)
    inodes = ExtInodes(file)
    info = FileSystemInfo(
        kind=kind,
        label=inodes.label,
        id=str(UUID(bytes=inodes.identifier)),
        block_bytes=inodes.block,
        notes=tuple(inodes.notes()),
    )
    return PosixParser(volume, inodes, info)


class ExtInodes:
    """Inodes, found by the tables of the block groups."""

    def __init__(self, file: SourceFile) -> None:
        self._file = file
        raw = file.read_at(_SUPERBLOCK, 1024)
        fields = struct.unpack_from("<IIIIIIIIIII", raw)
        self.block = 1024 << min(fields[6], 10)
        self._group_inodes = fields[10]
        self._descriptors = (1024 // self.block + 1) * self.block  # in the block after that of the superblock
        revision, size = struct.unpack_from("<I8xH", raw, 76)
        self._inode_bytes = size if revision else 128
        self._incompatible = struct.unpack_from("<I", raw, 96)[0]
        self._first_meta = struct.unpack_from("<I", raw, 260)[0]
        described = struct.unpack_from("<H", raw, 254)[0]
        self._descriptor_bytes = max(described, 32) if self._incompatible & _64BIT else 32
        self._state = struct.unpack_from("<H", raw, 58)[0]
        self.identifier = raw[104:120]
        self.label = raw[120:136].split(b"\0")[0].decode("utf-8", "replace")
        if not self._group_inodes or self._inode_bytes < 128 or self._inode_bytes > self.block:
            raise ImageDamaged("the superblock of the ext file system makes no sense")

    def notes(self) -> Iterator[str]:
        """What the superblock says of the state of the volume."""
        if self._incompatible & _NEEDS_RECOVERY:
            yield "its journal was not closed and is not replayed here: the newest changes may be missing"
        if self._state & 2:
            yield "the volume is marked as having errors: Linux would check it (fsck)"

    def _inode(self, number: int) -> bytes:
        group, index = divmod(number - 1, self._group_inodes)
        descriptor = self._file.read_at(self._descriptor(group), self._descriptor_bytes)
        table = struct.unpack_from("<I", descriptor, 8)[0]
        if self._descriptor_bytes >= 64:
            table |= struct.unpack_from("<I", descriptor, 40)[0] << 32
        return self._file.read_at(table * self.block + index * self._inode_bytes, self._inode_bytes)

    def _descriptor(self, group: int) -> int:
        """Where the descriptor of a block group lies."""
        meta, index = divmod(group, self.block // self._descriptor_bytes)
        if self._incompatible & _META_BG and meta >= self._first_meta:
            raise ImageUnsupported("the inodes of an ext file system with META_BG are not looked into")
        place: int = self._descriptors + meta * self.block + index * self._descriptor_bytes
        return place

    def place(self, offset: int) -> int:
        """Where an extent lies: where the library says."""
        return offset

    def times(self, number: int) -> Times:
        """The times of an inode; the larger inodes of ext4 hold two bits more of the seconds, and nanoseconds."""
        inode = self._inode(number)
        held = len(inode) if len(inode) <= 128 else 128 + int(struct.unpack_from("<H", inode, 128)[0])
        accessed, changed, modified = (_moment(inode, at, more, held) for at, more in ((8, 140), (12, 132), (16, 136)))
        created = _moment(inode, 144, 148, held) if held >= 152 else None
        return Times(modified, accessed, changed, created)

    def unreadable(self, number: int) -> str | None:
        """Files and folders that fscrypt encrypted."""
        if not self._incompatible & 0x10000:  # INCOMPAT_ENCRYPT
            return None
        flags: int = struct.unpack_from("<I", self._inode(number), 32)[0]
        return _ENCRYPTED if flags & _ENCRYPTED_FLAG else None

    def inode_file(self, number: int) -> InodeFile | None:
        """A file or link with the flag of inline data."""
        inode = self._inode(number)
        mode, owner, size = struct.unpack_from("<HHI", inode)
        group, links, flags = *struct.unpack_from("<HH", inode, 24), *struct.unpack_from("<I", inode, 32)
        if not flags & _INLINE_FLAG or not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
            return None
        owner_high, group_high = struct.unpack_from("<HH", inode, 120)
        return InodeFile(number, mode, size, links, owner | owner_high << 16, group | group_high << 16)

    def inline(self, number: int, size: int) -> bytes | None:
        """The contents that lie in the inode: 60 bytes where the list of extents would be, the rest in an attribute."""
        if not self._incompatible & 0x8000:  # INCOMPAT_INLINE_DATA
            return None
        inode = self._inode(number)
        if not struct.unpack_from("<I", inode, 32)[0] & _INLINE_FLAG:
            return None
        data = inode[40:100] + _inline_attribute(inode)
        if len(data) < size:
            raise ImageDamaged(f"the inode {number} holds {len(data)} of its {size} bytes")
        return data[:size]

    def target(self, number: int, size: int, extents: list[Extent]) -> bytes:
        """Where a link leads: in the inode, or in its first block."""
        if size >= _FAST_LINK_BYTES and extents:
            offset, length, _ = extents[0]
            return self._file.read_at(offset, min(size, length))
        inline = self.inline(number, size)
        return self._inode(number)[40 : 40 + min(size, _FAST_LINK_BYTES)] if inline is None else inline

    def names(self, number: int, extents: list[Extent]) -> Iterator[tuple[bytes, int]]:
        """The names of a folder, block by block; blocks of its hash tree look like unused entries."""
        for offset, length, flags in extents:
            for at in range(offset, offset + length, self.block) if not flags else ():
                yield from _block_names(self._file.read_at(at, self.block), number)


def _moment(inode: bytes, at: int, more_at: int, held: int) -> int:
    seconds: int = struct.unpack_from("<i", inode, at)[0]
    more: int = struct.unpack_from("<I", inode, more_at)[0] if more_at + 4 <= held else 0
    return (seconds + ((more & 3) << 32)) * 1_000_000_000 + (more >> 2)


def _block_names(block: bytes, folder: int) -> Iterator[tuple[bytes, int]]:
    at = 0
    while at + 8 <= len(block):
        number, length, name_length = struct.unpack_from("<IHB", block, at)
        if length in (0, 65535) and len(block) == 65536:
            length = 65536
        if length < 8 or length % 4 or at + length > len(block) or name_length > length - 8:
            raise ImageDamaged(f"an entry of the folder with the inode {folder} makes no sense")
        if number:
            yield block[at + 8 : at + 8 + name_length], number
        at += length


def _inline_attribute(inode: bytes) -> bytes:
    """The value of the extended attribute system.data in the inode, empty if there is none."""
    if len(inode) <= 132:
        return b""
    start = 128 + struct.unpack_from("<H", inode, 128)[0]
    if start + 4 > len(inode) or struct.unpack_from("<I", inode, start)[0] != _ATTRIBUTES_MAGIC:
        return b""
    first = at = start + 4
    while at + 16 <= len(inode) and inode[at : at + 4] != bytes(4):
        length, index, place, _, size = struct.unpack_from("<BBHII", inode, at)
        if index == 7 and inode[at + 16 : at + 16 + length] == b"data":
            return inode[first + place : first + place + size]
        at += 16 + (length + 3) // 4 * 4
    return b""
