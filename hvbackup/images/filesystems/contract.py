"""What every reader of a file system gives: entries, and the contents of files.

Readers are made by `hvbackup.images.filesystems.engines.open_file_system`, in this process, or by
`hvbackup.images.filesystems.sandbox.open_in_sandbox`, in a limited process of their own: the parsers are C, and a disk
is untrusted input.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from enum import Enum
from typing import Protocol

from hvbackup.images.source import Source
from hvbackup.models import Model


class EntryKind(str, Enum):
    """What an entry is. A `junction` is NTFS's link to a folder; `other` is a device, a pipe or a socket."""

    FILE = "file"
    FOLDER = "folder"
    SYMLINK = "symlink"
    JUNCTION = "junction"
    OTHER = "other"


class Stream(Model, frozen=True, kw_only=True):
    """A named stream of a file or folder (NTFS alternate data stream)."""

    name: str
    size_bytes: int


class Entry(Model, frozen=True, kw_only=True):
    """One entry of a folder.

    Attributes:
        path: From the root of the volume, `/` between names; the root is `/`. What is not valid Unicode in a name
            is kept by `surrogateescape` (bytes) or as a lone surrogate (UTF-16), so that no two names become one.
        name: Its last part; empty for the root.
        size_bytes: Length of the contents, as the guest sees it.
        id: Inode or MFT number: equal for hard links to the same file.
        links: Names that the file has.
        mode: POSIX permission bits, where the file system has them.
        owner: User number or Windows SID; None where unknown.
        target: Where a link leads, as it is written there.
        streams: Named streams, when asked for.
        first_extent: Byte in the volume at which the contents begin; None when they lie in the metadata, or unknown.
            Reading many files in this order is many times faster.
        allocated_bytes: Bytes that the contents take in the volume; None when unknown.
        unreadable: Why the contents cannot be read here, with the way that works; None when they can.
        attributes: What is special: `compressed`, `sparse`, `encrypted`, `wof`, `hidden`, `system`, `read_only`.
    """

    path: str
    name: str
    kind: EntryKind
    size_bytes: int = 0
    id: int = 0
    links: int = 1
    modified_at: datetime | None = None
    accessed_at: datetime | None = None
    changed_at: datetime | None = None
    created_at: datetime | None = None
    mode: int | None = None
    owner: str | None = None
    group: str | None = None
    target: str | None = None
    streams: tuple[Stream, ...] = ()
    first_extent: int | None = None
    allocated_bytes: int | None = None
    unreadable: str | None = None
    attributes: tuple[str, ...] = ()


class FileSystemInfo(Model, frozen=True, kw_only=True):
    """What a volume's file system says of itself.

    Attributes:
        kind: `ntfs`, `fat12`, `fat16`, `fat32`, `exfat`, `ext2`, `ext3`, `ext4`, `xfs`.
        notes: What the reader should know: a journal that was not replayed, a volume marked dirty.
    """

    kind: str
    label: str = ""
    id: str | None = None
    block_bytes: int | None = None
    notes: tuple[str, ...] = ()


class FileSystem(Protocol):
    """A file system, open for reading. Thread-safe. Use it in `with`, or close it.

    All methods raise `ImageDamaged` for what is damaged, `ImageUnsupported` for what is sound and cannot be read here,
    and `EntryNotFound` for a path that leads nowhere. Paths are compared as the file system does: NTFS and FAT without
    regard to case, the others exactly.
    """

    info: FileSystemInfo

    def entry(self, path: str) -> Entry:
        """Return the entry at a path, streams included; links are not followed."""

    def entries(self, folder: str, *, streams: bool = False) -> Iterator[Entry]:
        """Yield what is in a folder, without `.` and `..`, in the order of the disk, while it is being read.

        Args:
            streams: Look up named streams too (costs time on NTFS).
        """

    def open(self, path: str, *, stream: str | None = None) -> Source:
        """Return the contents of a file, or of one of its streams. Never zeros in the place of what cannot be read.

        Raises:
            ImageUnsupported: The entry has `unreadable`; or what is read there cannot be decoded.
        """

    def close(self) -> None:
        """Give everything back; closing twice is no error."""

    def __enter__(self) -> FileSystem: ...

    def __exit__(self, *exc: object) -> None: ...
