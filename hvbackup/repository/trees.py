"""List trees: the hashes of a file's blocks, stored as blocks themselves.

The SHA-256 of a file's blocks, 32 bytes each, are cut into lists of 1024 hashes; the SHA-256 of the lists into lists
again, and so on until one hash is left: the root. A list of zeros only is stored as nothing and its hash is 32 zero
bytes, like a block of zeros; so an unchanged part of a disk, and an empty one, cost nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

from hvbackup.errors import RepositoryDamaged
from hvbackup.repository import format as f

#: Stores one list (its hash, its bytes).
KeepList = Callable[[bytes, bytes], None]
#: Gives a stored list or block by its hash.
ReadBlock = Callable[[bytes], bytes]


def list_hash(hashes: bytes | bytearray) -> bytes:
    """Return the hash of a list; zeros for a list of zeros."""
    return hashlib.sha256(hashes).digest() if any(hashes) else f.ZERO_HASH


def build_tree(hashes: bytes | bytearray, keep: KeepList) -> bytes:
    """Store the lists above `hashes` (one level, 32 bytes each) and return the root."""
    level = bytes(hashes)
    while len(level) > f.HASH_SIZE:
        level = build_level(level, keep)
    return level or f.ZERO_HASH


def build_level(level: bytes, keep: KeepList) -> bytes:
    """Store one level of lists and return their hashes."""
    above = bytearray()
    for start in range(0, len(level), f.FAN_OUT * f.HASH_SIZE):
        part = level[start : start + f.FAN_OUT * f.HASH_SIZE]
        node = list_hash(part)
        if node != f.ZERO_HASH:
            keep(node, part)
        above += node
    return bytes(above)


class Tree:
    """The list tree of one file, for reading.

    Raises (all methods): `RepositoryDamaged`.
    """

    def __init__(self, root: bytes, blocks: int, read: ReadBlock) -> None:
        self.root, self._read = root, read
        self._levels = f.tree_levels(blocks)
        self.blocks = blocks

    def _list(self, hash: bytes, count: int) -> bytes:
        if hash == f.ZERO_HASH:
            return bytes(count * f.HASH_SIZE)
        data = self._read(hash)
        if len(data) != count * f.HASH_SIZE:
            raise RepositoryDamaged("a list of blocks has another length than its file says")
        return data

    def lists(self, level: int, first: int, last: int) -> Iterator[tuple[int, bytes]]:
        """Yield (number, hash) of the nodes `first` .. `last` of a level; level 0 are the blocks themselves."""
        if level == len(self._levels) - 1:
            yield 0, self.root
            return
        for number, node_hash in self.lists(level + 1, first // f.FAN_OUT, last // f.FAN_OUT):
            start = number * f.FAN_OUT
            data = self._list(node_hash, min(f.FAN_OUT, self._levels[level] - start))
            for node in range(max(first, start), min(last + 1, start + len(data) // f.HASH_SIZE)):
                position = (node - start) * f.HASH_SIZE
                yield node, data[position : position + f.HASH_SIZE]

    def hashes(self, first: int = 0, count: int | None = None) -> Iterator[bytes]:
        """Yield the hashes of `count` blocks from `first` on, joined by list."""
        end = self.blocks if count is None else min(self.blocks, first + count)
        if first >= end:
            return
        if len(self._levels) == 1:
            yield self.root
            return
        for number, node_hash in self.lists(1, first // f.FAN_OUT, (end - 1) // f.FAN_OUT):
            start = number * f.FAN_OUT
            data = self._list(node_hash, min(f.FAN_OUT, self.blocks - start))
            yield data[max(first - start, 0) * f.HASH_SIZE : (end - start) * f.HASH_SIZE]
