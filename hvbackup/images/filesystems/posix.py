"""ext and XFS by libyal's libraries, and what those get wrong by our own look at the inodes.

Seen with libfsext 20260821 and libfsxfs 20260901: names that are not UTF-8 cannot be had; inline data of ext beyond 60
bytes come as zeros, and inodes with up to 60 or nearly full of them are refused; times of ext after 2038 are wrong; the
target of a long XFS link is its block header, and places of extents of XFS are numbers of blocks as XFS writes them,
with a gap after each allocation group.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any, NamedTuple, Protocol

from hvbackup.errors import HvBackupError, ImageDamaged, ImageUnsupported
from hvbackup.images.filesystems.adapter import Contents, Guard, shortened
from hvbackup.images.filesystems.contract import Entry, EntryKind, FileSystemInfo
from hvbackup.images.filesystems.tree import Child
from hvbackup.images.source import BytesSource, Source

_KINDS = {stat.S_IFREG: EntryKind.FILE, stat.S_IFDIR: EntryKind.FOLDER, stat.S_IFLNK: EntryKind.SYMLINK}
_HOLE = 1


#: Place in the volume, length, and whether it is a hole.
Extent = tuple[int, int, int]


class Times(NamedTuple):
    """Times of an inode, in nanoseconds since 1970; None for one that it does not have."""

    modified: int
    accessed: int
    changed: int
    created: int | None


class InodeFile(NamedTuple):
    """A file or link all of which lies in its inode, with the questions that the libraries' own entries answer."""

    number: int
    mode: int
    size: int
    links: int
    owner: int
    group: int

    def get_inode_number(self) -> int:
        """The inode."""
        return self.number

    def get_file_mode(self) -> int:
        """Type and permission bits."""
        return self.mode

    def get_size(self) -> int:
        """Length in bytes."""
        return self.size

    def get_number_of_links(self) -> int:
        """How many names it has."""
        return self.links

    def get_owner_identifier(self) -> int:
        """The user."""
        return self.owner

    def get_group_identifier(self) -> int:
        """The group."""
        return self.group

    def get_number_of_extents(self) -> int:
        """None."""
        return 0


class Inodes(Protocol):
    """What is read from inodes directly."""

    def inode_file(self, number: int) -> InodeFile | None:
        """A file or link that lies in its inode, which the library may refuse; None for all others."""

    def place(self, offset: int) -> int:
        """Where in the volume an extent lies, from what the library says of it."""

    def times(self, number: int) -> Times:
        """The times of an inode."""

    def unreadable(self, number: int) -> str | None:
        """Why the contents of an inode cannot be read, or None."""

    def inline(self, number: int, size: int) -> bytes | None:
        """The contents that lie in the inode itself, where the library is not to be trusted with them."""

    def target(self, number: int, size: int, extents: list[Extent]) -> bytes:
        """Where a link leads."""

    def names(self, number: int, extents: list[Extent]) -> Iterator[tuple[bytes, int]]:
        """The names of a folder, with their inodes."""


class PosixParser:
    """The parser of an ext or XFS volume."""

    def __init__(self, volume: Any, inodes: Inodes, info: FileSystemInfo) -> None:
        self._volume = volume
        self._inodes = inodes
        self.info = info

    def root(self) -> Any:
        """The root folder."""
        root = self._volume.get_root_directory()
        if root is None:
            raise ImageDamaged("the root folder is missing")
        return root

    def children(self, folder: Any) -> Iterator[Child[Any]]:
        """What is in a folder; the library holds the whole of it in memory.

        What the library cannot name, or not open, comes last.
        """
        seen: set[str] = set()
        failure: OSError | None = None
        for number in range(folder.get_number_of_sub_file_entries()):
            try:
                node = folder.get_sub_file_entry(number)
                name = node.get_name()
            except OSError as error:
                failure = error
                continue
            seen.add(name)
            yield Child(name, node)
        if failure is not None:
            yield from self._others(folder, seen, failure)

    def _others(self, folder: Any, seen: set[str], failure: OSError) -> Iterator[Child[Any]]:
        found = False
        for raw, number in self._inodes.names(folder.get_inode_number(), self._extents_if_any(folder)):
            name = raw.decode("utf-8", "surrogateescape")
            if name not in seen:
                found = True
                yield Child(name, self._node_or_error(number))
        if not found:
            yield Child("\\x entries", ImageDamaged(f"not all of the folder can be read: {shortened(failure)}"))

    def _node_or_error(self, number: int) -> Any | HvBackupError:
        try:
            return self.node(number)
        except OSError as error:
            unreadable = self._inodes.unreadable(number)
            if unreadable:
                return ImageUnsupported(unreadable)
            return ImageDamaged(f"its inode {number} cannot be read: {shortened(error)}")

    def key(self, node: Any) -> int:
        """The inode number."""
        number: int = node.get_inode_number()
        return number

    def node(self, key: int) -> Any:
        """The file of an inode number."""
        try:
            node = self._volume.get_file_entry_by_inode(key)
        except OSError:
            node = self._inodes.inode_file(key)
            if node is None:
                raise
        if node is None:
            raise ImageDamaged(f"a folder names the inode {key}, which is not there")
        return node

    def is_folder(self, node: Any) -> bool:
        """Whether the mode says so."""
        return stat.S_ISDIR(node.get_file_mode())

    def fold(self, name: str) -> str:
        """Names are compared exactly."""
        return name

    def close(self) -> None:
        """Close the volume."""
        self._volume.close()

    def describe(self, node: Any, path: str, name: str, *, streams: bool) -> Entry:
        """All that is known of an inode."""
        mode = node.get_file_mode()
        kind = _KINDS.get(stat.S_IFMT(mode), EntryKind.OTHER)
        number = node.get_inode_number()
        size = node.get_size() if kind in (EntryKind.FILE, EntryKind.SYMLINK) else 0
        extents = self._extents(node) if kind is EntryKind.FILE and size else []
        unreadable = self._inodes.unreadable(number) if kind is not EntryKind.OTHER else None
        target, times = None, self._inodes.times(number)
        if kind is EntryKind.SYMLINK and unreadable is None:
            target = self._target(node, number, size)
        return Entry(
            path=path,
            name=name,
            kind=kind,
            size_bytes=size,
            id=number,
            links=node.get_number_of_links(),
            modified_at=_time(times.modified),
            accessed_at=_time(times.accessed),
            changed_at=_time(times.changed),
            created_at=_time(times.created),
            mode=stat.S_IMODE(mode),
            owner=str(node.get_owner_identifier()),
            group=str(node.get_group_identifier()),
            target=target,
            first_extent=next((offset for offset, _, flags in extents if not flags & _HOLE), None),
            allocated_bytes=sum(length for _, length, flags in extents if not flags & _HOLE),
            unreadable=unreadable,
            attributes=("encrypted",) if unreadable and "encrypted" in unreadable else (),
        )

    def _target(self, node: Any, number: int, size: int) -> str:
        return self._inodes.target(number, size, self._extents_if_any(node)).decode("utf-8", "surrogateescape")

    def _extents(self, node: Any) -> list[Extent]:
        extents = [node.get_extent(number) for number in range(node.get_number_of_extents())]
        return [(self._inodes.place(offset), length, flags) for offset, length, flags in extents]

    def _extents_if_any(self, node: Any) -> list[Extent]:
        """The extents of a folder or link; what lies in its inode has no list of them."""
        try:
            return self._extents(node)
        except OSError:
            return []

    def contents(self, node: Any, entry: Entry, stream: str | None, guard: Guard) -> Source:
        """The contents of a file; there are no streams."""
        inline = self._inodes.inline(entry.id, entry.size_bytes)
        if inline is not None:
            return BytesSource(inline)
        return Contents(
            entry.size_bytes, lambda offset, size: node.read_buffer_at_offset(size, offset), guard, entry.path
        )


def _time(nanoseconds: int | None) -> datetime | None:
    if nanoseconds is None:
        return None
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).replace(microsecond=rest // 1000)
    except (ValueError, OverflowError, OSError):
        return None
