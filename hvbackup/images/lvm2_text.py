"""The text in which LVM2 keeps its metadata: sections in braces, values, lists; and typed looks into it."""

from __future__ import annotations

import re
from typing import TypeAlias, Union

from hvbackup.errors import ImageDamaged

Value: TypeAlias = Union[int, str, "list[int | str]", "Section"]
Section: TypeAlias = "dict[str, Value]"

_TOKEN = re.compile(r'\s+|#[^\n]*|"((?:[^"\\]|\\.)*)"|([A-Za-z0-9_.+/-]+)|([{}\[\]=,])')
_NUMBER = re.compile(r"-?[0-9]{1,20}\Z")
_NAME = re.compile(r"[A-Za-z0-9+_.][A-Za-z0-9+_.-]{0,127}\Z")
_MAX_DEPTH = 16


def parse(text: str) -> Section:
    """Parse a text of metadata.

    Raises:
        ImageDamaged: It is no such text.
    """
    return _Parser(text).section(0, closed=False)


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def _next(self) -> tuple[str, str]:
        """The next token: `string`, `word`, a sign, or `end`."""
        while self._at < len(self._text):
            match = _TOKEN.match(self._text, self._at)
            if match is None:
                raise ImageDamaged(f"the metadata of LVM2 cannot be read at character {self._at}")
            self._at = match.end()
            string, word, sign = match.groups()
            if string is not None:
                return "string", string.replace('\\"', '"').replace("\\\\", "\\")
            if word is not None:
                return "word", word
            if sign is not None:
                return sign, sign
        return "end", ""

    def section(self, depth: int, *, closed: bool) -> Section:
        if depth > _MAX_DEPTH:
            raise ImageDamaged("the metadata of LVM2 are nested too deeply")
        found: Section = {}
        while True:
            kind, key = self._next()
            if kind == ("}" if closed else "end"):
                return found
            if kind not in ("word", "string"):
                raise self._unexpected(key)
            kind, sign = self._next()
            if kind == "{":
                found[key] = self.section(depth + 1, closed=True)
            elif kind == "=":
                found[key] = self._value()
            else:
                raise self._unexpected(sign)

    def _value(self) -> Value:
        kind, text = self._next()
        if kind == "[":
            return self._list()
        return self._plain(kind, text)

    def _list(self) -> list[int | str]:
        values: list[int | str] = []
        while True:
            kind, text = self._next()
            if kind == "]":
                return values
            if kind != ",":
                values.append(self._plain(kind, text))

    def _plain(self, kind: str, text: str) -> int | str:
        if kind == "string":
            return text
        if kind != "word":
            raise self._unexpected(text)
        return int(text) if _NUMBER.match(text) else text

    def _unexpected(self, text: str) -> ImageDamaged:
        return ImageDamaged(f"the metadata of LVM2 hold `{text[:40] or 'their end'}` in a wrong place")


def number(section: Section, key: str) -> int:
    """Return a number that must be there, zero or more."""
    value = section.get(key)
    if not isinstance(value, int) or value < 0:
        raise ImageDamaged(f"the metadata of LVM2 have no number `{key}` where one is due")
    return value


def words(section: Section, key: str) -> list[str]:
    """Return a list of words, empty if there is none."""
    value = section.get(key)
    return [str(word) for word in value] if isinstance(value, list) else []


def section(parent: Section, key: str, *, missing_ok: bool = False) -> Section:
    """Return a section; it must be there unless `missing_ok`."""
    value = parent.get(key, {} if missing_ok else None)
    if not isinstance(value, dict):
        raise ImageDamaged(f"the metadata of LVM2 have no section `{key}` where one is due")
    return value


def segments(volume: Section) -> list[Section]:
    """Return the sections `segment1`, `segment2` and so on of a logical volume."""
    return [value for key, value in volume.items() if key.startswith("segment") and isinstance(value, dict)]


def check_name(name: str) -> None:
    """Refuse what cannot be the name of a group or volume; it becomes part of what people type.

    Raises:
        ImageDamaged: It is none (lvm(8), "Valid names").
    """
    if not _NAME.match(name) or name in (".", ".."):
        raise ImageDamaged(f"the metadata of LVM2 hold {name[:40]!r} as a name")
