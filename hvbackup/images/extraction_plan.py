"""Where each entry of a disk goes below the destination, folder by folder, and when a folder is complete."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from hvbackup.images.destination import Parts
from hvbackup.images.filesystems.contract import Entry, EntryKind
from hvbackup.images.names import FolderNames, NameRules

#: Folders whose names are remembered: far more than lie above one another.
_KNOWN_FOLDERS = 4096


class Item(NamedTuple):
    """An entry, and where it goes.

    Attributes:
        parts: Names below the destination; empty for the destination itself.
        renamed: Whether its own name, or that of a folder above it, had to be changed.
        side: Name of the folder beside it for named streams that nothing else holds.
    """

    entry: Entry
    parts: Parts
    renamed: bool
    side: str


class _Place(NamedTuple):
    """A folder of the destination, and the names given in it."""

    parts: Parts
    renamed: bool
    names: FolderNames


class Targets:
    """Finds the place of each entry. What two patterns bring to one name is told apart by a number."""

    def __init__(self, rules: NameRules) -> None:
        self._rules = rules
        self._root = _Place((), False, FolderNames(rules))
        self._places: OrderedDict[tuple[str, str], _Place] = OrderedDict()

    def item(self, entry: Entry, base: str) -> Item:
        """Where an entry goes; its path below `base` is its path below the destination."""
        base = base.rstrip("/")
        if entry.path == (base or "/"):
            return Item(entry, (), False, "")
        above, _, name = entry.path.rpartition("/")
        place = self._place(above, base)
        owner = entry.path if place is self._root else name
        here = place.names.name_for(name, owner=owner)
        side = place.names.name_for(f"{here}.ads", owner=f"{owner}\0ads") if entry.streams else ""
        return Item(entry, (*place.parts, here), place.renamed or here != name, side)

    def _place(self, folder: str, base: str) -> _Place:
        """A folder of the disk here. Who is above it is looked at, too, so that it is not forgotten before."""
        if folder == base:
            return self._root
        place = self._places.get((base, folder))
        if place is not None:
            self._places.move_to_end((base, folder))
            return place
        above, _, name = folder.rpartition("/")
        upper = self._place(above, base)
        here = upper.names.name_for(name, owner=folder if upper is self._root else name)
        place = _Place((*upper.parts, here), upper.renamed or here != name, FolderNames(self._rules))
        self._places[base, folder] = place
        if len(self._places) > _KNOWN_FOLDERS:
            self._places.popitem(last=False)
        return place


class Window(NamedTuple):
    """What is written in one go.

    Attributes:
        items: What is no folder, in the order in which it is best read.
        complete: Folders of which nothing follows after this window, the innermost first.
    """

    items: list[Item]
    complete: list[Item]


def windows(items: Iterable[Item], size: int) -> Iterator[Window]:
    """Cut a walk into windows, so that memory stays the same for any number of files.

    Folders are to be created by who makes the items. Within a window files come in the order in which they lie in the
    volume (many times faster from a repository, whose blocks are then read once); links come last.
    """
    steps = iter(items)
    open_folders: list[Item] = []
    while taken := list(islice(steps, size)):
        complete: list[Item] = []
        for item in taken:
            while open_folders and not _is_below(item, open_folders[-1]):
                complete.append(open_folders.pop())
            if item.entry.kind is EntryKind.FOLDER:
                open_folders.append(item)
        yield Window(sorted((item for item in taken if item.entry.kind is not EntryKind.FOLDER), key=_order), complete)
    yield Window([], open_folders[::-1])


def _is_below(item: Item, folder: Item) -> bool:
    above = folder.parts
    return len(item.parts) > len(above) and item.parts[: len(above)] == above


def _order(item: Item) -> tuple[bool, bool, int]:
    entry = item.entry
    known = entry.first_extent is not None
    return (entry.kind is not EntryKind.FILE, known, entry.first_extent or 0 if known else entry.id)
