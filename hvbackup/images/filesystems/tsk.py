"""The Sleuth Kit as a second engine for NTFS, ext, FAT and exFAT: a witness for the first ones, chosen by hand.

It knows neither WOF nor EFS and gives zeros or ciphertext for them without a word, so every reparse tag and every
encrypted file is unreadable here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any

import pytsk3

from hvbackup.errors import ImageDamaged
from hvbackup.images.filesystems.adapter import Contents, Guard, SourceFile
from hvbackup.images.filesystems.contract import Entry, EntryKind, FileSystemInfo, Stream
from hvbackup.images.filesystems.tree import Child
from hvbackup.images.source import Source

KINDS = frozenset(("ntfs", "fat12", "fat16", "fat32", "exfat", "ext2", "ext3", "ext4"))
_DATA, _REPARSE_POINT, _LOGGED_STREAM = 128, 192, 256
_FIRST_NTFS_FILE = 16
_LABEL_MARK = " (Volume Label Entry)"
_SECOND_ENGINE = "the second engine does not read what has a reparse tag or is encrypted: use the first one"


class _Image(pytsk3.Img_Info):  # type: ignore[misc]  # no types
    def __init__(self, file: SourceFile) -> None:
        self._file = file
        super().__init__(url="", type=pytsk3.TSK_IMG_TYPE_EXTERNAL)

    def close(self) -> None:
        """Nothing is held."""

    def read(self, offset: int, size: int) -> bytes:
        return self._file.read_at(offset, max(0, min(size, self._file.size - offset)))

    def get_size(self) -> int:
        return self._file.size


class TskParser:
    """The parser of a volume, by pytsk3."""

    def __init__(self, file: SourceFile, kind: str) -> None:
        self._volume: Any = pytsk3.FS_Info(_Image(file))
        self._is_ntfs = kind == "ntfs"
        self._exact = kind.startswith("ext")
        self.info = FileSystemInfo(kind=kind, block_bytes=int(self._volume.info.block_size))

    def root(self) -> Any:
        """The root folder."""
        return self._volume.open_meta(self._volume.info.root_inum)

    def children(self, folder: Any) -> Iterator[Child[Any]]:
        """What is in a folder; deleted entries and those that the library invents are left out."""
        for file in folder.as_directory():
            name, meta = file.info.name, file.info.meta
            if meta is None or not int(name.flags) & int(pytsk3.TSK_FS_NAME_FLAG_ALLOC):
                continue
            text = name.name.decode("utf-8", "surrogateescape")
            invented = meta.type in (pytsk3.TSK_FS_META_TYPE_VIRT, pytsk3.TSK_FS_META_TYPE_VIRT_DIR)
            # the library lists labels of FAT and streams of NTFS as files of their own
            if invented or text.endswith(_LABEL_MARK):
                continue
            if self._is_ntfs and (meta.addr < _FIRST_NTFS_FILE or ":" in text):
                continue
            yield Child(text, file)

    def key(self, node: Any) -> int:
        """The number of the inode, or what the library takes for one."""
        return int(node.info.meta.addr)

    def node(self, key: int) -> Any:
        """The file of a number."""
        return self._volume.open_meta(key)

    def is_folder(self, node: Any) -> bool:
        """Whether the library says so."""
        return bool(node.info.meta.type == pytsk3.TSK_FS_META_TYPE_DIR)

    def fold(self, name: str) -> str:
        """Upper case as far as it is one letter for one; ext compares exactly."""
        if self._exact:
            return name
        return "".join(upper if len(upper := letter.upper()) == 1 else letter for letter in name)

    def close(self) -> None:
        """Nothing is held."""

    def describe(self, node: Any, path: str, name: str, *, streams: bool) -> Entry:
        """What the library knows of a file."""
        meta = node.info.meta
        attributes = list(node) if self._is_ntfs else []
        special = any(int(each.info.type) in (_REPARSE_POINT, _LOGGED_STREAM) for each in attributes)
        kind = self._kind(node, special=special)
        is_link = kind is EntryKind.SYMLINK and not self._is_ntfs
        return Entry(
            path=path,
            name=name,
            kind=kind,
            size_bytes=_size(node, attributes) if kind is EntryKind.FILE else 0,
            id=int(meta.addr),
            links=int(meta.nlink),
            modified_at=_time(meta.mtime, meta.mtime_nano),
            mode=int(meta.mode) & 0o7777 if self._exact else None,
            owner=str(meta.uid) if self._exact else None,
            group=str(meta.gid) if self._exact else None,
            target=_target(meta) if is_link else None,
            streams=tuple(_streams(attributes)) if streams else (),
            unreadable=_SECOND_ENGINE if special and kind is EntryKind.FILE else None,
        )

    def _kind(self, node: Any, *, special: bool) -> EntryKind:
        kind = node.info.meta.type
        if kind == pytsk3.TSK_FS_META_TYPE_REG:
            return EntryKind.FILE
        if kind == pytsk3.TSK_FS_META_TYPE_DIR:
            return EntryKind.JUNCTION if special else EntryKind.FOLDER
        return EntryKind.SYMLINK if kind == pytsk3.TSK_FS_META_TYPE_LNK else EntryKind.OTHER

    def contents(self, node: Any, entry: Entry, stream: str | None, guard: Guard) -> Source:
        """The contents of a file or stream."""
        if stream is None:
            return Contents(entry.size_bytes, node.read_random, guard, entry.path)
        for attribute in node:
            if int(attribute.info.type) == _DATA and _name(attribute) == stream:
                read = _stream_reader(node, attribute.info.type, attribute.info.id)
                return Contents(int(attribute.info.size), read, guard, f"the stream `{stream}` of {entry.path}")
        raise ImageDamaged(f"the stream `{stream}` of {entry.path} is named, and not there")


def _stream_reader(node: Any, kind: Any, number: int) -> Callable[[int, int], bytes]:
    def read(offset: int, size: int) -> bytes:
        data: bytes = node.read_random(offset, size, kind, number)
        return data

    return read


def _size(node: Any, attributes: list[Any]) -> int:
    for attribute in attributes:
        if int(attribute.info.type) == _DATA and not _name(attribute):
            return int(attribute.info.size)
    return 0 if attributes else int(node.info.meta.size)


def _streams(attributes: list[Any]) -> Iterator[Stream]:
    for attribute in attributes:
        if int(attribute.info.type) == _DATA and _name(attribute):
            yield Stream(name=_name(attribute), size_bytes=int(attribute.info.size))


def _name(attribute: Any) -> str:
    raw = attribute.info.name
    # the unnamed stream has the name that the library gives it, or none
    text: str = raw.decode("utf-8", "surrogateescape") if raw else ""
    return "" if text == "$Data" else text


def _target(meta: Any) -> str | None:
    link = meta.link
    return link.decode("utf-8", "surrogateescape") if link else None


def _time(seconds: int, nanoseconds: int) -> datetime | None:
    if not seconds:
        return None
    return datetime.fromtimestamp(int(seconds), timezone.utc).replace(microsecond=int(nanoseconds) // 1000 % 1_000_000)
