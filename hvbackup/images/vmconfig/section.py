"""A node of the tree, asked for values of a type: what is missing is absent, what is of another type is unknown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

from hvbackup.images.vmconfig.facts import Fact, Unknown
from hvbackup.images.vmconfig.tree import Tree, Unread, Value

MIB = 1024 * 1024
#: Numbers that any reader of JSON takes exactly.
_LARGEST = 1 << 53
_GUID = re.compile(r"\{?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\}?")
_NUMBERED = re.compile(r"([a-z]+)([0-9]{1,6})")
_FILETIME_BEGIN = datetime(1601, 1, 1, tzinfo=timezone.utc)


class Section:
    """A node, or the place where one might be; `place` is its path."""

    def __init__(self, tree: Tree, place: str = "") -> None:
        self._tree = tree
        self.place = place

    def __bool__(self) -> bool:
        return bool(self._tree)

    def __contains__(self, name: str) -> bool:
        return name in self._tree

    def names(self) -> list[str]:
        """The names in this node."""
        return list(self._tree)

    def section(self, path: str) -> Section:
        """Return the node at `path` below this one; an empty one when it is not there."""
        tree = self._tree
        for name in path.split("/"):
            below = tree.get(name)
            tree = below if isinstance(below, dict) else {}
        return Section(tree, f"{self.place}/{path}".lstrip("/"))

    def numbered(self, prefix: str) -> Iterator[tuple[int, Section]]:
        """Yield the nodes with a name such as `drive0`, with their numbers, by number."""
        found = []
        for name, value in self._tree.items():
            parts = _NUMBERED.fullmatch(name)
            if parts and parts[1] == prefix and isinstance(value, dict):
                found.append((int(parts[2]), name))
        for number, name in sorted(found):
            yield number, self.section(name)

    def text(self, name: str) -> Fact[str]:
        """Return a text; one that is empty is absent."""
        value = self._tree.get(name)
        if value is None or value == "" or value == {}:
            return None
        return value if isinstance(value, str) else self._unknown(name, value, "a text")

    def integer(self, name: str, *, largest: int = _LARGEST) -> Fact[int]:
        """Return a whole number, from 0 to `largest`."""
        value = self._tree.get(name)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool):
            return self._unknown(name, value, "a number")
        if not 0 <= value <= largest:
            return Unknown(reason=f"{self._path(name)} is {value}, which cannot be meant")
        return value

    def mebibytes(self, name: str) -> Fact[int]:
        """Return a number of MiB, in bytes."""
        value = self.integer(name, largest=_LARGEST // MIB)
        return value * MIB if isinstance(value, int) else value

    def scaled(self, name: str, divisor: int) -> Fact[int]:
        """Return a number of parts, in hundredths of the whole, rounded."""
        value = self.integer(name)
        return round(value / divisor) if isinstance(value, int) else value

    def boolean(self, name: str) -> Fact[bool]:
        """Return yes or no."""
        value = self._tree.get(name)
        if value is None or isinstance(value, bool):
            return value
        return self._unknown(name, value, "yes or no")

    def guid(self, name: str) -> Fact[str]:
        """Return a GUID in lower case without braces; one of zeros is absent."""
        value = self.text(name)
        if not isinstance(value, str):
            return value
        found = as_guid(value)
        if found is None:
            return Unknown(reason=f"{self._path(name)} is {value!r}, which is no GUID")
        return found if found.strip("0-") else None

    def choice(self, name: str, words: dict[int, str]) -> Fact[str]:
        """Return the word for a number."""
        value = self.integer(name)
        if not isinstance(value, int):
            return value
        return words.get(value) or Unknown(reason=f"{self._path(name)} is {value}, whose meaning is not known")

    def file_time(self, name: str) -> Fact[str]:
        """Return a Windows file time (8 bytes, tenths of microseconds since 1601), as ISO 8601 in UTC."""
        value = self._tree.get(name)
        if value is None:
            return None
        if not isinstance(value, bytes) or len(value) != 8:
            return self._unknown(name, value, "a time")
        try:
            time = _FILETIME_BEGIN + timedelta(microseconds=int.from_bytes(value, "little") // 10)
        except OverflowError:
            return Unknown(reason=f"{self._path(name)} is no time")
        return time.strftime("%Y-%m-%dT%H:%M:%SZ")

    def _unknown(self, name: str, value: Value, expected: str) -> Unknown:
        if isinstance(value, Unread):
            return Unknown(reason=f"{self._path(name)} is {value.reason}")
        return Unknown(reason=f"{self._path(name)} is of the type {type(value).__name__}, and should be {expected}")

    def _path(self, name: str) -> str:
        return f"{self.place}/{name}".lstrip("/")


def as_guid(text: str) -> str | None:
    """Return a GUID in lower case and without braces, or None."""
    found = _GUID.fullmatch(text.strip().lower())
    return found[1] if found else None
