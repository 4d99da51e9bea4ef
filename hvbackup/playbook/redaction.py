"""Decrypted texts: masked wherever they would be shown, true where they are used."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, NoReturn

from hvbackup.secrets import Secret

MASK = "********"
#: Shorter secrets are not looked for inside other texts: `a` would be masked in every word.
_SHORTEST = 4
#: Words that are in vaulted files as values, and in everything else as well.
_NO_SECRETS = frozenset({"true", "false", "none", "null"})


class SecretText(str):
    """A text out of a vault, or computed from one.

    Its characters are true, so that libraries which take text get the real one (`==`, `len`, `encode`, slices, and
    JSON encoders: data that is shown passes `Redactor.masked` first). What shows it as text (`str`, `repr`, `format`,
    f-strings, `%s`) shows a mask. Code that needs the plain text calls `reveal`.
    """

    __slots__ = ()

    def reveal(self) -> str:
        """Return the plain text. Keep it in no variable."""
        return str.__str__(self)

    def secret(self) -> Secret:
        """The same as the kind of secret that the rest of hvbackup takes."""
        return Secret(str.__str__(self))

    def __str__(self) -> str:
        return MASK

    def __repr__(self) -> str:
        return f"SecretText({MASK})"

    def __format__(self, _specification: str) -> str:
        return MASK

    def __reduce_ex__(self, _protocol: Any) -> NoReturn:
        raise TypeError("a secret is not pickled or copied")


def revealed(value: Any) -> Any:
    """Return a copy of `value` with plain texts in place of secret ones, to be handed to a module and never shown."""
    if isinstance(value, SecretText):
        return value.reveal()
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, Mapping):
        return {revealed(key): revealed(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [revealed(item) for item in value]
    return value


class Redactor:
    """Knows the secrets of a run, and masks them in what is to be shown. May be used from any thread."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._longest_first: tuple[str, ...] = ()
        self._lock = threading.Lock()

    def add(self, secret: str | Secret) -> None:
        """Mask this text from now on, and each of its lines, where it is four characters or longer."""
        text = secret.reveal() if isinstance(secret, (Secret, SecretText)) else secret
        parts = {text, text.strip(), *text.splitlines()}
        new = {part for part in parts if len(part.strip()) >= _SHORTEST and part.lower() not in _NO_SECRETS}
        with self._lock:
            if not new <= self._known:
                self._known |= new
                self._longest_first = tuple(sorted(self._known, key=len, reverse=True))

    def mask(self, text: str) -> str:
        """Return `text` with every known secret masked."""
        if isinstance(text, SecretText):
            plain = text.reveal()
            masked = self.mask(plain)
            # Computed from a secret, and the secret is not to be seen in it as it was: all of it is hidden.
            return MASK if masked == plain else masked
        for known in self._longest_first:
            if known in text:
                text = text.replace(known, MASK)
        return text

    def masked(self, value: Any) -> Any:
        """Return a copy of `value` (mappings, lists, texts) that may be shown or written as JSON."""
        if isinstance(value, str):
            return self.mask(value)
        if isinstance(value, Secret):
            return MASK
        if isinstance(value, Mapping):
            return {self.masked(key): self.masked(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.masked(item) for item in value]
        return value
