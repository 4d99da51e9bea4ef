"""Find files and folders in a file system by a pattern: one walk, entries while they are read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from hvbackup.errors import EntryNotFound, ImageDamaged, ImageError
from hvbackup.events import Cancellation
from hvbackup.images.filesystems.contract import Entry, EntryKind, FileSystem
from hvbackup.jobs.guest_paths import Part, Pattern

#: Deeper than any path of Windows or Linux that a program could open by its name.
MAX_DEPTH = 2048

_ANYTHING = re.compile(r".*", re.DOTALL)

#: Told about a folder that cannot be read; without it the error is raised.
OnError = Callable[[str, ImageError], None]


class _Folder(NamedTuple):
    """A folder to look into: which parts of the pattern may come next, and the folders above it."""

    path: str
    states: frozenset[int]
    ids: tuple[int, ...]


class _Listing(NamedTuple):
    folder: _Folder
    entries: Iterator[Entry]


def find(
    files: FileSystem,
    pattern: Pattern,
    *,
    inside: bool = False,
    recursive: bool = False,
    streams: bool = False,
    on_error: OnError | None = None,
    cancel: Cancellation | None = None,
) -> Iterator[Entry]:
    """Yield what fits the pattern, each entry once, a folder before what is in it. Links are not followed.

    Args:
        inside: Where a path without patterns leads to a folder, yield what the folder holds instead of itself.
        recursive: All that is below the folders that fit, too.

    Raises:
        EntryNotFound: There is nothing at a path without patterns, or the base of a pattern is no folder.
        ImageError: A folder cannot be read, and there is no `on_error`.
        Cancelled: `cancel` was set.
    """
    base = files.entry(pattern.base)
    parts = pattern.parts
    if parts and base.kind is not EntryKind.FOLDER:
        raise EntryNotFound(f"{pattern.base} is no folder but a {base.kind.value}")
    if not parts:
        if not inside or base.kind is not EntryKind.FOLDER:
            yield base
        if base.kind is not EntryKind.FOLDER or not (inside or recursive):
            return
        parts = (None,) if recursive else (_ANYTHING,)
    elif recursive:
        parts = (*parts, None)
    yield from _walk(files, base, parts, streams=streams, on_error=on_error, cancel=cancel)


def _walk(
    files: FileSystem,
    base: Entry,
    parts: tuple[Part, ...],
    *,
    streams: bool,
    on_error: OnError | None,
    cancel: Cancellation | None,
) -> Iterator[Entry]:
    def listing(folder: _Folder) -> _Listing:
        return _Listing(folder, _entries(files, folder.path, streams, on_error))

    open_listings = [listing(_Folder(base.path, _reached(parts, {0}), (base.id,)))]
    while open_listings:
        folder, entries = open_listings[-1]
        if cancel is not None:
            cancel.check()
        entry = next(entries, None)
        if entry is None:
            open_listings.pop()
            continue
        states = _after(parts, folder.states, entry.name)
        if len(parts) in states:
            yield entry
        if entry.kind is EntryKind.FOLDER and any(state < len(parts) for state in states):
            circle = _circle(entry, folder)
            if circle is None:
                open_listings.append(listing(_Folder(entry.path, states, (*folder.ids, entry.id))))
            elif on_error is not None:
                on_error(entry.path, circle)
            else:
                raise circle


def _entries(files: FileSystem, path: str, streams: bool, on_error: OnError | None) -> Iterator[Entry]:
    try:
        yield from files.entries(path, streams=streams)
    except ImageError as error:
        if on_error is None:
            raise
        on_error(path, error)


def _circle(entry: Entry, folder: _Folder) -> ImageDamaged | None:
    """Why a folder is not looked into: a damaged file system may have a folder inside itself."""
    if len(folder.ids) >= MAX_DEPTH:
        return ImageDamaged(f"{entry.path[:80]}... lies more than {MAX_DEPTH} folders deep")
    if entry.id and entry.id in folder.ids:
        return ImageDamaged(f"the folder {entry.path} holds itself")
    return None


def _reached(parts: tuple[Part, ...], states: set[int]) -> frozenset[int]:
    """Add the states that `**` reaches by standing for no folder at all."""
    found = set(states)
    for state in sorted(states):
        at = state
        while at < len(parts) and parts[at] is None:
            at += 1
            found.add(at)
    return frozenset(found)


def _after(parts: tuple[Part, ...], states: frozenset[int], name: str) -> frozenset[int]:
    """Which parts may come next below an entry; `len(parts)` says that the entry itself fits."""
    following: set[int] = set()
    for state in states:
        if state == len(parts):
            continue
        part = parts[state]
        if part is None:
            following.add(state)
        elif part.fullmatch(name):
            following.add(state + 1)
    return _reached(parts, following)
