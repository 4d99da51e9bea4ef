"""Names of files for this machine, made of names that a disk gives them: none leads out of its folder, no two are one.

A name is kept wherever the machine can hold it. What it cannot hold is written visibly: a character as `%3A` or
`%uD800`, a device's name as `CON_.txt`, the end of a name that is too long as `~` and eight digits of its SHA-256, and
the second of two names that would be one as `name~2.txt`. Who extracts reports every such change.

Windows' rules are those of "Naming Files, Paths, and Namespaces" (Microsoft).
"""

from __future__ import annotations

import os
import re
import sys
import unicodedata
from hashlib import sha256
from typing import NamedTuple

#: Longest name: bytes on Linux and macOS, units of UTF-16 on Windows.
LONGEST_NAME = 255
_LONGEST_SUFFIX = 16

_NEVER = re.compile(r"[\x00-\x1f/\x7f]")
_NEVER_ON_WINDOWS = re.compile(r'[\x00-\x1f/\x7f<>:"\\|?*]')
_SURROGATES = re.compile("[\ud800-\udfff]")
#: What a byte that is no UTF-8 becomes (`surrogateescape`), and becomes again.
_OTHER_SURROGATES = re.compile("[\ud800-\udc7f\udd00-\udfff]")
_DEVICE = re.compile(r"(?:CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(?:COM|LPT)[0-9¹²³])(?=$| *\.| +$)", re.IGNORECASE)


class NameRules(NamedTuple):
    """What the names of a destination must be like.

    Attributes:
        windows: Only names that Windows can hold.
        one_case: Names that differ in case only are the same there.
        one_form: Names that differ in the normal form of Unicode only are the same there.
        bytes_allowed: A name may hold bytes that are no UTF-8.
    """

    windows: bool = sys.platform == "win32"
    one_case: bool = sys.platform in ("win32", "darwin")
    one_form: bool = sys.platform == "darwin"
    bytes_allowed: bool = sys.platform not in ("win32", "darwin")

    def portable(self) -> NameRules:
        """The rules that every machine can live with."""
        return NameRules(windows=True, one_case=True, one_form=True, bytes_allowed=False)


def safe_name(name: str, rules: NameRules) -> str:
    """Return the name, or the nearest one that a file can have."""
    safe = (_NEVER_ON_WINDOWS if rules.windows else _NEVER).sub(_written_out, name)
    safe = (_OTHER_SURROGATES if rules.bytes_allowed else _SURROGATES).sub(_written_out, safe)
    if not safe.strip("."):
        safe = safe[:-1] + "%2E" if rules.windows or safe in (".", "..") else safe or "%"
    if rules.windows:
        if safe[-1] in ". ":
            safe = safe[:-1] + _written_out(safe[-1])
        device = _DEVICE.match(safe)
        if device:
            safe = f"{device[0]}_{safe[device.end() :]}"
    return _shortened(safe, rules)


def _written_out(character: re.Match[str] | str) -> str:
    number = ord(character if isinstance(character, str) else character[0])
    return f"%{number:02X}" if number < 0x100 else f"%u{number:04X}"


def _length(name: str, rules: NameRules) -> int:
    in_bytes = len(name.encode("utf-8", "surrogateescape" if rules.bytes_allowed else "surrogatepass"))
    in_units = len(name.encode("utf-16-le", "surrogatepass")) // 2
    if os.name == "nt":
        return in_units
    return max(in_bytes, in_units)


def _shortened(name: str, rules: NameRules) -> str:
    if len(name) * 4 <= LONGEST_NAME or _length(name, rules) <= LONGEST_NAME:
        return name
    return _with_mark(name, "~" + sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8], rules)


def _with_mark(name: str, mark: str, rules: NameRules) -> str:
    """The name with a mark before its suffix, cut so that it fits."""
    stem, dot, suffix = name.rpartition(".")
    if not stem or len(suffix) > _LONGEST_SUFFIX:
        stem, dot, suffix = name, "", ""
    end = mark + dot + suffix
    room = LONGEST_NAME - _length(end, rules)
    stem = stem[:room]
    while _length(stem, rules) > room:
        stem = stem[:-1]
    return stem + end


class FolderNames:
    """The names in one folder of the destination. Asked twice for the same name, it answers the same."""

    def __init__(self, rules: NameRules) -> None:
        self._rules = rules
        self._owners: dict[str, str] = {}
        self._renamed: dict[str, str] = {}
        self._next: dict[str, int] = {}

    def name_for(self, name: str, *, owner: str | None = None) -> str:
        """Return the name here for a name there.

        Args:
            name: As the disk gives it.
            owner: What stands behind it, where two things of the same name come into one folder.
        """
        owner = owner or name
        if owner in self._renamed:
            return self._renamed[owner]
        safe = safe_name(name, self._rules)
        key = self._key(safe)
        holder = self._owners.setdefault(key, owner)
        if holder != owner:
            safe = self._numbered(safe, key)
            self._owners[self._key(safe)] = owner
        if safe != owner:
            self._renamed[owner] = safe
        return safe

    def _numbered(self, safe: str, key: str) -> str:
        number = self._next.get(key, 2)
        while True:
            candidate = _with_mark(safe, f"~{number}", self._rules)
            number += 1
            if self._key(candidate) not in self._owners:
                self._next[key] = number
                return candidate

    def _key(self, name: str) -> str:
        """What is equal for names that the destination takes for one."""
        if name.isascii():
            return name.lower() if self._rules.one_case else name
        if self._rules.bytes_allowed and _SURROGATES.search(name):
            name = name.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
        if self._rules.one_case:
            name = unicodedata.normalize("NFD", name).casefold()
        return unicodedata.normalize("NFC", name) if self._rules.one_form or self._rules.one_case else name
