"""Clusters of FAT and exFAT: chains of them, and files made of chains."""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from itertools import accumulate

from hvbackup.errors import ImageDamaged
from hvbackup.images.filesystems.adapter import Guard, SourceFile


class FatTable:
    """The file allocation table and the clusters that it chains.

    Args:
        bits: 12, 16 or 32; the four upper bits of FAT32 do not count, exFAT uses all of them.
        place: Of the table, in bytes.
        heap: Of cluster 2, in bytes.
        clusters: How many there are.
    """

    def __init__(
        self, file: SourceFile, *, bits: int, place: int, heap: int, cluster: int, clusters: int, whole: bool = False
    ) -> None:
        self.file = file
        self.cluster = cluster
        self.clusters = clusters
        self.heap = heap
        self._bits = bits
        self._place = place
        self._mask = 0xFFFFFFFF if whole else 0x0FFFFFFF

    def offset(self, cluster: int) -> int:
        """Where a cluster lies.

        Raises:
            ImageDamaged: There is no such cluster.
        """
        if not 2 <= cluster < self.clusters + 2:
            raise ImageDamaged(f"a chain of clusters leads to the cluster {cluster}, which is none")
        return self.heap + (cluster - 2) * self.cluster

    def chain(self, first: int) -> Iterator[int]:
        """The clusters of a chain.

        Raises:
            ImageDamaged: It turns in a circle, leads to nowhere, or into a bad or free cluster.
        """
        cluster = first
        seen = bytearray(self.clusters // 8 + 1)
        while True:
            self.offset(cluster)
            at, bit = divmod(cluster - 2, 8)
            if seen[at] >> bit & 1:
                raise ImageDamaged("a chain of clusters turns in a circle")
            seen[at] |= 1 << bit
            yield cluster
            cluster = self._next(cluster)
            if self._is_end(cluster):
                return

    def _is_end(self, value: int) -> bool:
        return value >= {12: 0xFF8, 16: 0xFFF8}.get(self._bits, self._mask & 0xFFFFFFF8)

    def _next(self, cluster: int) -> int:
        at = cluster * self._bits // 8
        raw = int.from_bytes(self.file.read_at(self._place + at, 4 if self._bits == 32 else 2), "little")
        if self._bits == 12:
            return raw >> 4 if cluster & 1 else raw & 0xFFF
        return raw & self._mask if self._bits == 32 else raw

    def extents(self, first: int, size: int) -> list[tuple[int, int]]:
        """Place and length of the pieces of a chain that hold `size` bytes, neighbours joined.

        Raises:
            ImageDamaged: The chain is too short.
        """
        wanted = -(-size // self.cluster)
        found: list[tuple[int, int]] = []
        for number, cluster in enumerate(self.chain(first), start=1):
            offset = self.offset(cluster)
            if found and found[-1][0] + found[-1][1] == offset:
                found[-1] = (found[-1][0], found[-1][1] + self.cluster)
            else:
                found.append((offset, self.cluster))
            if number == wanted:
                return found
        raise ImageDamaged("a chain of clusters is shorter than its file")

    def run(self, first: int, size: int) -> list[tuple[int, int]]:
        """The same for a file that needs no chain: it lies in one piece."""
        length = -(-size // self.cluster) * self.cluster
        offset = self.offset(first)
        self.offset(first + length // self.cluster - 1)
        return [(offset, length)]


class PieceContents:
    """A file that lies in pieces; what is behind `valid` bytes was never written, and is zeros for the guest."""

    def __init__(self, file: SourceFile, pieces: list[tuple[int, int]], size: int, valid: int, guard: Guard) -> None:
        self._file = file
        self._pieces = pieces
        self._starts = list(accumulate((length for _, length in pieces), initial=0))
        self._size = size
        self._valid = min(valid, size)
        self._guard = guard

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self._size

    def read_at(self, offset: int, size: int) -> bytes:
        """The bytes at `offset`."""
        end = min(offset + size, self._size)
        written = min(end, self._valid)
        found: list[bytes] = []
        with self._guard("a file"):
            while offset < written:
                number = bisect.bisect_right(self._starts, offset) - 1
                inside = offset - self._starts[number]
                place, length = self._pieces[number]
                found.append(self._file.read_at(place + inside, min(written - offset, length - inside)))
                offset += len(found[-1])
        if end > offset:
            found.append(bytes(end - offset))
        return found[0] if len(found) == 1 else b"".join(found)
