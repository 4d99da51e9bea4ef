r"""A file system out of a parser that knows folders and files, but no paths.

Paths are followed here, name by name, and not by the libraries: libfsntfs takes the first name that differs in case
only, and all of them read a whole folder for every path.

Names from a disk may be anything. Those that cannot be part of a path - empty, or with `/` or NUL in them - are listed
under a name with `\x2f` and the like in their place, marked as unreadable, and lead nowhere; names `.` and `..` are
taken for what they mean, and not listed. A folder inside itself is listed, marked as unreadable, and not entered.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from hvbackup.errors import EntryNotFound, HvBackupError, ImageDamaged, ImageUnsupported
from hvbackup.images.filesystems.adapter import Guard
from hvbackup.images.filesystems.contract import Entry, EntryKind, FileSystemInfo
from hvbackup.images.source import Source

NodeT = TypeVar("NodeT")

_DAMAGED_TOO = "Some entries of this folder cannot be read; list it to see them."
_MAX_DEPTH = 4096
_KEPT_NAMES = 200_000
_UNFIT = re.compile(r"[/\0]")


@dataclass(frozen=True)
class Child(Generic[NodeT]):
    """A name in a folder; `node` is the error where it leads nowhere."""

    name: str
    node: NodeT | HvBackupError


class Parser(Protocol[NodeT]):
    """What is different from file system to file system. One thread at a time; library errors may leave it."""

    info: FileSystemInfo

    def root(self) -> NodeT:
        """The root folder."""

    def children(self, folder: NodeT) -> Iterator[Child[NodeT]]:
        """What is in a folder, in the order of the disk; with or without `.` and `..`."""

    def key(self, node: NodeT) -> int:
        """A number by which the node is found again, the same for all names of a file."""

    def node(self, key: int) -> NodeT:
        """The node of a number."""

    def is_folder(self, node: NodeT) -> bool:
        """Whether it can be entered."""

    def describe(self, node: NodeT, path: str, name: str, *, streams: bool) -> Entry:
        """All that is known of a node."""

    def contents(self, node: NodeT, entry: Entry, stream: str | None, guard: Guard) -> Source:
        """The contents of a file that is readable, or of a stream."""

    def fold(self, name: str) -> str:
        """What a name is compared by."""

    def close(self) -> None:
        """Give everything back."""


@dataclass(frozen=True)
class _Place(Generic[NodeT]):
    path: str
    node: NodeT
    above: frozenset[int]

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


@dataclass(frozen=True)
class _Names(Generic[NodeT]):
    """The names in a folder; its node is kept with them, as the library reads the folder to make it."""

    node: NodeT
    exact: dict[str, int]
    folded: dict[str, str]
    damaged: dict[str, HvBackupError]


class TreeFileSystem(Generic[NodeT]):
    """A `FileSystem` by paths."""

    def __init__(self, parser: Parser[NodeT], guard: Guard) -> None:
        self.info = parser.info
        self._parser = parser
        self._guard = guard
        self._names: OrderedDict[int, _Names[NodeT]] = OrderedDict()
        self._closed = False
        with guard("the root folder"):
            self._root = parser.root()
            if not parser.is_folder(self._root):
                raise ImageDamaged("the root folder is not a folder")

    def entry(self, path: str) -> Entry:
        """Return the entry at a path, streams included; links are not followed."""
        with self._use(path):
            place = self._find(path)
            return self._parser.describe(place.node, place.path, place.name, streams=True)

    def entries(self, folder: str, *, streams: bool = False) -> Iterator[Entry]:
        """Yield what is in a folder, while it is being read."""
        with self._use(folder):
            place = self._find(folder)
            if not self._parser.is_folder(place.node):
                raise EntryNotFound(f"{place.path} is not a folder")
            self._readable(self._parser.describe(place.node, place.path, place.name, streams=False))
            above = place.above | {self._parser.key(place.node)}
            children = self._parser.children(place.node)
        prefix = place.path.rstrip("/")
        while True:
            with self._use(place.path):
                child = next(children, None)
                if child is None:
                    return
                if child.name in (".", ".."):
                    continue
                entry = self._described(child, prefix, above, streams=streams)
            yield entry

    def open(self, path: str, *, stream: str | None = None) -> Source:
        """Return the contents of a file, or of one of its streams."""
        with self._use(path):
            place = self._find(path)
            entry = self._parser.describe(place.node, place.path, place.name, streams=stream is not None)
            if stream is None:
                if entry.kind is not EntryKind.FILE:
                    raise ImageUnsupported(f"{entry.path} is a {entry.kind.value}, and has no contents")
                self._readable(entry)
            elif stream not in {each.name for each in entry.streams}:
                raise EntryNotFound(f"{entry.path} has no stream `{stream}`")
            return self._parser.contents(place.node, entry, stream, self._guard)

    def close(self) -> None:
        """Give everything back."""
        with self._guard("the volume"):
            if not self._closed:
                self._closed = True
                self._names.clear()
                self._parser.close()

    def __enter__(self) -> TreeFileSystem[NodeT]:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # ------------------------------------------------------------ paths

    def _use(self, path: str) -> AbstractContextManager[None]:
        if self._closed:
            raise ValueError("the file system is closed")
        return self._guard(path or "/")

    def _find(self, path: str) -> _Place[NodeT]:
        names = [name for name in path.split("/") if name]
        if len(names) > _MAX_DEPTH:
            raise EntryNotFound(f"a path of {len(names)} names leads nowhere")
        place = _Place("/", self._root, frozenset())
        for name in names:
            place = self._step(place, name)
        return place

    def _step(self, place: _Place[NodeT], name: str) -> _Place[NodeT]:
        if not self._parser.is_folder(place.node):
            raise self._no_folder(place)
        key = self._parser.key(place.node)
        names = self._names_of(key, place)
        folded = self._parser.fold(name)
        real = name if name in names.exact else names.folded.get(folded, folded)
        if name in names.damaged:
            raise type(names.damaged[name])(f"{place.path}: `{name}` cannot be read: {names.damaged[name]}")
        if real not in names.exact:
            raise EntryNotFound(f"{place.path} has no entry `{name}`", hint=_DAMAGED_TOO if names.damaged else None)
        found, above = names.exact[real], place.above | {key}
        if found in above:
            raise ImageDamaged(f"the folder {place.path} has the folder that it is in as `{real}`")
        return _Place(f"{place.path.rstrip('/')}/{real}", self._node(found), above)

    def _node(self, key: int) -> NodeT:
        known = self._names.get(key)
        return known.node if known is not None else self._parser.node(key)

    def _no_folder(self, place: _Place[NodeT]) -> HvBackupError:
        entry = self._parser.describe(place.node, place.path, place.name, streams=False)
        hint = f"It is a link to {entry.target}; links are not followed." if entry.target else None
        return EntryNotFound(f"{place.path} is not a folder", hint=hint)

    def _names_of(self, key: int, place: _Place[NodeT]) -> _Names[NodeT]:
        """The names of a folder; those of the folders used last are kept."""
        names = self._names.get(key)
        if names is not None:
            self._names.move_to_end(key)
            return names
        self._readable(self._parser.describe(place.node, place.path, place.name, streams=False))
        names = _Names(place.node, {}, {}, {})
        for child in self._parser.children(place.node):
            if isinstance(child.node, HvBackupError):
                names.damaged[child.name] = child.node
                continue
            if child.name in (".", "..") or not _fits(child.name):
                continue
            names.exact.setdefault(child.name, self._parser.key(child.node))
            folded = self._parser.fold(child.name)
            if folded != child.name:
                names.folded.setdefault(folded, child.name)
        self._names[key] = names
        while len(self._names) > 1 and sum(len(kept.exact) for kept in self._names.values()) > _KEPT_NAMES:
            self._names.popitem(last=False)
        return names

    # ------------------------------------------------------------ entries

    def _described(self, child: Child[NodeT], prefix: str, above: frozenset[int], *, streams: bool) -> Entry:
        """The entry of a child; one that is damaged hides none of the others."""
        if isinstance(child.node, HvBackupError):
            return _broken(prefix, child.name, child.node.message)
        if not _fits(child.name):
            return _broken(prefix, _escaped(child.name), "its name cannot be part of a path")
        path = f"{prefix}/{child.name}"
        try:
            with self._guard(path):
                if self._parser.is_folder(child.node) and self._parser.key(child.node) in above:
                    return _broken(prefix, child.name, "it is a folder that it lies in itself: the volume is damaged")
                return self._parser.describe(child.node, path, child.name, streams=streams)
        except ImageDamaged as error:
            self._guard.check()
            return _broken(prefix, child.name, error.message)

    @staticmethod
    def _readable(entry: Entry) -> None:
        if entry.unreadable is not None:
            raise ImageUnsupported(f"{entry.path} cannot be read: {entry.unreadable}")


def _broken(prefix: str, name: str, why: str) -> Entry:
    return Entry(path=f"{prefix}/{name}", name=name, kind=EntryKind.OTHER, unreadable=why)


def _fits(name: str) -> bool:
    return bool(name) and not _UNFIT.search(name)


def _escaped(name: str) -> str:
    return _UNFIT.sub(lambda match: f"\\x{ord(match.group()):02x}", name) or "\\x"
