"""Packs that are condemned: a collection will delete them once a grace time has passed.

**Condemned is for ever.** No pack is acquitted; what is needed of one is copied to another pack. So whoever acts on an
older view than others, however long it slept, can do no harm:

- A collection deletes a pack only when, by a list of points that it read after the pack was condemned, every needed
  block is in a pack that is there and that nobody has condemned; it copies the blocks of which that is not so.
- A writer relies on no block in a condemned pack. It looks again right before its point is written, and once more when
  the point can be seen: a collection that did not see the point has condemned its packs before that second look.

Each object below `condemned/` is written once, under the next number. The one with the highest number stays, so that a
whole collection that came and went between two looks has left another set of names.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable
from typing import NamedTuple

from hvbackup.errors import RepositoryDamaged
from hvbackup.repository import format as f
from hvbackup.repository.crypto import Keys
from hvbackup.repository.store import ObjectExists, ObjectMissing, Store

_NUMBER = re.compile(r"[0-9a-f]{16}")


class Sentence(NamedTuple):
    """One object below `condemned/`: packs that are to be deleted together; `modified` by the store's clock."""

    name: str
    packs: frozenset[bytes]
    modified: float


def read_sentences(store: Store, keys: Keys) -> list[Sentence]:
    """Return all objects below `condemned/`, sorted by number.

    Raises:
        RepositoryDamaged: One of them cannot be read.
    """
    sentences = []
    for info in sorted(store.list(f.CONDEMNED)):
        if not info.size:
            continue
        try:
            payload = keys.unseal(f.SEALED_CONDEMNED, info.name, store.get(info.name))
        except ObjectMissing:
            continue
        if len(payload) % 16:
            raise RepositoryDamaged(f"{info.name}: it is no list of packs")
        packs = frozenset(payload[start : start + 16] for start in range(0, len(payload), 16))
        sentences.append(Sentence(info.name, packs, info.modified))
    return sentences


def write_sentence(store: Store, keys: Keys, packs: Iterable[bytes], *, above: int = 0) -> str:
    """Condemn packs under the next number, above any other and `above`; return the object's name.

    No packs are allowed: then it is only the number that counts.
    """
    payload = b"".join(sorted(packs))
    numbers = [info.name.removeprefix(f.CONDEMNED) for info in store.list(f.CONDEMNED)]
    number = max([above, *(int(text, 16) for text in numbers if _NUMBER.fullmatch(text))])
    while True:
        number += 1
        name = f"{f.CONDEMNED}{number:016x}"
        sealed = keys.seal(f.SEALED_CONDEMNED, name, payload, compress=False)
        try:
            store.put(name, sealed, create=True)
        except ObjectExists:
            # Another's, or our own whose answer was lost: a create is retried.
            if store.get(name) != sealed:
                continue
        return name


class CondemnedWatch:
    """What a process has seen condemned so far. Thread-safe.

    Attributes:
        packs: Every pack that was ever seen condemned; it only grows.
    """

    def __init__(self, store: Store, keys: Keys) -> None:
        self._store, self._keys = store, keys
        self._lock = threading.Lock()
        self._read: set[str] = set()
        self.packs: set[bytes] = set()

    def look(self) -> frozenset[str]:
        """Read what is new; return the names of all that is there.

        Raises:
            RepositoryDamaged: Something cannot be read.
        """
        with self._lock:
            names = frozenset(info.name for info in self._store.list(f.CONDEMNED) if info.size)
            if not names <= self._read:
                for sentence in read_sentences(self._store, self._keys):
                    self._read.add(sentence.name)
                    self.packs |= sentence.packs
                self._read |= names  # one that vanished meanwhile has had its packs deleted
            return names
