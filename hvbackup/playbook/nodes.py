"""What an operator wrote, with the place where it stands.

Only `Text` is ever a template. A plain `str` came from a host or out of a template and is inert, whatever braces are in
it: that is the trust rule of ansible-core 2.19, and the answer to CVE-2023-5764 and CVE-2024-11079.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from hvbackup.secrets import Secret


class Place(NamedTuple):
    """Where something stands in a file; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Text(str):
    """A text that the operator wrote: the only kind that is a template.

    Attributes:
        place: Where it stands, or None where it came from a command line.
        secret: Whether it was decrypted, so that what it gives is masked.
    """

    __slots__ = ("place", "secret")
    place: Place | None
    secret: bool

    def __new__(cls, text: str, place: Place | None = None, *, secret: bool = False) -> Text:
        """Make a text of `text`; `str(text)` gives the plain string again."""
        self = str.__new__(cls, text)
        self.place = place
        self.secret = secret
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _text, (str(self), self.place, self.secret)


def _text(text: str, place: Place | None, secret: bool) -> Text:
    return Text(text, place, secret=secret)


class Map(dict[Any, Any]):
    """A mapping that the operator wrote.

    Attributes:
        place: Where it begins.
        key_places: Where each key stands; merged keys (`<<`) stand where they were written.
    """

    def __init__(self, items: Any = (), place: Place | None = None) -> None:
        super().__init__(items)
        self.place = place
        self.key_places: dict[Any, Place] = {}

    def place_of(self, key: object) -> Place | None:
        """Where `key` stands, or where the mapping begins."""
        return self.key_places.get(key, self.place)


class Seq(list[Any]):
    """A list that the operator wrote, with the `place` where it begins."""

    def __init__(self, items: Iterable[Any] = (), place: Place | None = None) -> None:
        super().__init__(items)
        self.place = place


class EncryptedText:
    """A `!vault` value. It is opened when it is used: who does not use it needs no password.

    Attributes:
        place: Where it stands.
    """

    __slots__ = ("_open", "ciphertext", "place")

    def __init__(self, ciphertext: str, place: Place | None, opener: Callable[[str, Place | None], Secret]) -> None:
        self.ciphertext = ciphertext
        self.place = place
        self._open = opener

    def open(self) -> Secret:
        """Decrypt it; the same ciphertext is decrypted once in a run.

        Raises:
            PlaybookError: No password fits, there is none, or the value is damaged.
        """
        return self._open(self.ciphertext, self.place)

    def __repr__(self) -> str:
        return f"EncryptedText({self.place})"


def place_of(value: object) -> Place | None:
    """Where a value stands, or None for what has no place of its own (numbers, truth values, answers of hosts)."""
    place = getattr(value, "place", None)
    return place if isinstance(place, Place) else None


def place_text(place: Place | None) -> str | None:
    """The `place` that a `PlaybookError` takes."""
    return None if place is None else str(place)
