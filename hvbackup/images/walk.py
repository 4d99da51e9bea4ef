"""Going through the folders of a file system: everything below a path, or what a pattern with wildcards means."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

from hvbackup.errors import EntryNotFound, ImageDamaged, ImageError, InvalidRequest
from hvbackup.events import Cancellation
from hvbackup.images.filesystems.contract import Entry, EntryKind, FileSystem

#: Folders below folders; deeper than any path that Windows or Linux can open by name.
MAX_DEPTH = 2048
#: File systems that find `README.TXT` by `readme.txt`.
CASELESS = frozenset({"ntfs", "fat12", "fat16", "fat32", "exfat"})

#: Told of a folder that cannot be listed, by its path.
Unreadable: TypeAlias = Callable[[str, ImageError], None]


class Pattern(NamedTuple):
    """A path with wildcards, split where the first wildcard is.

    Attributes:
        fixed: The path before the first name with a wildcard; the whole path when there is none.
        parts: The names from there on, as they were written.
    """

    fixed: str
    parts: tuple[str, ...]


def has_wildcards(text: str) -> bool:
    """Whether a path, or a name in it, may mean several. Nothing else is special: `report [1].docx` means itself."""
    return "*" in text or "?" in text


def parse_pattern(text: str) -> Pattern:
    """Split a path that may hold `*` and `?` within names, and `**` for any number of folders.

    Raises:
        InvalidRequest: It climbs by `..`, or holds a NUL.
    """
    names = [name for name in text.split("/") if name not in ("", ".")]
    if ".." in names or "\0" in text:
        raise InvalidRequest(f"{text!r} is no path inside a volume", hint="Write the path from the root, without '..'.")
    if names and names[-1] == "**":
        names.append("*")  # what is in a folder, not the folder itself
    first = next((index for index, name in enumerate(names) if has_wildcards(name)), len(names))
    return Pattern("/" + "/".join(names[:first]), tuple(names[first:]))


def walk(
    files: FileSystem,
    pattern: str = "/",
    *,
    recursive: bool = True,
    streams: bool = False,
    max_depth: int = MAX_DEPTH,
    unreadable: Unreadable | None = None,
    cancel: Cancellation | None = None,
) -> Iterator[Entry]:
    """Yield what a path or pattern means, each folder before what is in it; links are not followed.

    Names are compared as the file system does. A folder is entered once, however many names lead to it, so that a
    damaged or hostile disk cannot make the walk endless.

    Args:
        pattern: See `parse_pattern`.
        recursive: What matches and is a folder means everything below it, too.
        streams: Look up named streams (costs time on NTFS).
        max_depth: Folders this far below the pattern's fixed part are not entered.
        unreadable: Told of folders that could not be listed; without it the first one ends the walk with its error.

    Raises:
        EntryNotFound: The part without wildcards leads nowhere. That nothing matches the rest is no error.
        InvalidRequest: The pattern cannot be meant.
        ImageError: A folder could not be listed, and `unreadable` was not given.
        Cancelled: `cancel` was set.
    """
    wanted = parse_pattern(pattern)
    start = files.entry(wanted.fixed)
    if not wanted.parts:
        yield start
        if not recursive:
            return
    if start.kind is EntryKind.FOLDER:
        matcher = _Matcher(wanted.parts, caseless=files.info.kind in CASELESS)
        yield from _Walk(files, matcher, recursive, streams, max_depth, unreadable, cancel).below(start)


_Places: TypeAlias = frozenset[int]


class _Matcher:
    """The names of a pattern; a folder is described by the places in the pattern that its path may stand at."""

    def __init__(self, parts: tuple[str, ...], *, caseless: bool) -> None:
        self.end = len(parts)
        self._any = {index for index, part in enumerate(parts) if part == "**"}
        flags = re.DOTALL | (re.IGNORECASE if caseless else 0)
        self._names = [re.compile(_expression(part), flags).fullmatch for part in parts]
        self._plain = [None if has_wildcards(part) else part for part in parts]
        self.start = self._closed({0})

    def _closed(self, places: set[int]) -> _Places:
        """Add the places that are reached because `**` may mean no folder at all."""
        for place in sorted(places):
            following = place
            while following in self._any:
                following += 1
                places.add(following)
        return frozenset(places)

    def after(self, places: _Places, name: str) -> _Places:
        """The places after one more name."""
        reached = set()
        for place in places - {self.end}:
            if place in self._any:
                reached.add(place)
            elif self._names[place](name):
                reached.add(place + 1)
        return self._closed(reached)

    def only_name(self, places: _Places) -> str | None:
        """The one name that can match next, if there is but one."""
        return self._plain[next(iter(places))] if len(places) == 1 and self.end not in places else None


def _expression(part: str) -> str:
    return re.escape(part).replace(r"\*", ".*").replace(r"\?", ".")


class _Level(NamedTuple):
    """A folder that is being listed: its entries, where it stands in the pattern, whether all below is wanted."""

    path: str
    entries: Iterator[Entry]
    places: _Places
    everything: bool


class _Walk:
    """One walk, and the folders that it has been in."""

    def __init__(
        self,
        files: FileSystem,
        matcher: _Matcher,
        recursive: bool,
        streams: bool,
        max_depth: int,
        unreadable: Unreadable | None,
        cancel: Cancellation | None,
    ) -> None:
        self._files = files
        self._matcher = matcher
        self._recursive = recursive
        self._streams = streams
        self._max_depth = max_depth
        self._unreadable = unreadable
        self._cancel = cancel
        self._entered: set[int] = set()

    def below(self, start: Entry) -> Iterator[Entry]:
        """Yield what matches below a folder."""
        everything = self._matcher.end == 0 and self._recursive
        levels = [self._level(start, self._matcher.start, everything)]
        while levels:
            level = levels[-1]
            entry = self._next(level)
            if entry is None:
                levels.pop()
                continue
            places = self._matcher.after(level.places, entry.name)
            matched = self._matcher.end in places
            if matched or level.everything:
                yield entry
            everything = level.everything or (matched and self._recursive)
            if entry.kind is EntryKind.FOLDER and (everything or places - {self._matcher.end}):
                if len(levels) >= self._max_depth:
                    self._failed(entry.path, ImageDamaged(f"{entry.path[:200]} lies more than {len(levels)} deep"))
                elif self._enter(entry):
                    levels.append(self._level(entry, places, everything))

    def _enter(self, folder: Entry) -> bool:
        """Whether the folder was not entered before. A folder without a number is bounded by the depth alone."""
        if folder.id in self._entered:
            self._failed(folder.path, ImageDamaged(f"{folder.path} is a folder that has another path, too"))
            return False
        return True

    def _level(self, folder: Entry, places: _Places, everything: bool) -> _Level:
        if folder.id:
            self._entered.add(folder.id)
        return _Level(folder.path, self._entries(folder.path, places, everything), places, everything)

    def _entries(self, folder: str, places: _Places, everything: bool) -> Iterator[Entry]:
        name = None if everything else self._matcher.only_name(places)
        if name is None:
            yield from self._files.entries(folder, streams=self._streams)
            return
        try:
            yield self._files.entry(f"{folder.rstrip('/')}/{name}")
        except EntryNotFound:
            return

    def _next(self, level: _Level) -> Entry | None:
        if self._cancel is not None:
            self._cancel.check()
        try:
            return next(level.entries, None)
        except ImageError as error:
            self._failed(level.path, error)
            return None

    def _failed(self, path: str, error: ImageError) -> None:
        if self._unreadable is None:
            raise error
        self._unreadable(path, error)
