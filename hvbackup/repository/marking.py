"""What the points of a repository need: one bit for each record of the index, and some numbers for each pack."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from hvbackup.errors import RepositoryDamaged
from hvbackup.events import Cancellation
from hvbackup.repository import format as f
from hvbackup.repository.blocks import BlockSource
from hvbackup.repository.crypto import Keys
from hvbackup.repository.index import Index, SortedRun


class Bits:
    """A row of bits, all of them off at first."""

    def __init__(self, count: int) -> None:
        self._bytes = bytearray(-(-count // 8))

    def __contains__(self, number: int) -> bool:
        return bool(self._bytes[number >> 3] & (1 << (number & 7)))

    def add(self, number: int) -> bool:
        """Switch a bit on; return whether it was off."""
        fresh = number not in self
        self._bytes[number >> 3] |= 1 << (number & 7)
        return fresh


class Marking:
    """Marks the records that points need; of a block that several packs hold, one record: its *home*.

    The home is in a pack that can be used and is not condemned, if there is one. The index must not change meanwhile.

    Args:
        doomed: Packs that are condemned.

    Attributes:
        needed_bytes: Needed stored bytes of each pack.
        homeless: Needed blocks that are in no pack that can be used and is not condemned, but in another.
        lost: Needed blocks that no pack holds.
    """

    def __init__(self, keys: Keys, index: Index, source: BlockSource, doomed: Collection[bytes]) -> None:
        self._keys, self._source = keys, source
        self._doomed, self._unusable = doomed, index.unusable
        self._runs: list[tuple[int, SortedRun]] = []
        count = 0
        for run in index.runs():
            self._runs.append((count, run))
            count += run.count
        self._needed = Bits(count)
        #: Lists that were walked, by their level: the same bytes may be a list of blocks, a list of lists and a block.
        self._walked: dict[int, Bits] = {}
        self._count = count
        self.needed_bytes: dict[bytes, int] = {}
        self.homeless = 0
        self.lost = 0

    def _records(self, block_id: bytes) -> Iterator[tuple[int, f.Place]]:
        for start, run in self._runs:
            for position, place in run.find(block_id):
                yield start + position, place

    def _rank(self, place: f.Place) -> int:
        if place.pack in self._unusable:
            return 2
        return 1 if place.pack in self._doomed else 0

    def _home(self, block_id: bytes) -> tuple[int, f.Place] | None:
        # By what is the same in every marking, so that each chooses the same home.
        return min(
            self._records(block_id),
            key=lambda record: (self._rank(record[1]), record[1].pack, record[1].offset, record[0]),
            default=None,
        )

    def _need(self, sha256: bytes) -> int | None:
        """Mark a block; return the number of its record, or None when it is lost."""
        home = self._home(self._keys.block_id(sha256))
        if home is None:
            self.lost += 1
            return None
        number, place = home
        if self._needed.add(number):
            self.needed_bytes[place.pack] = self.needed_bytes.get(place.pack, 0) + place.length
            self.homeless += bool(self._rank(place))
        return number

    def mark(self, files: Iterable[f.StoredFile], cancel: Cancellation) -> None:
        """Mark all that files need.

        Raises:
            RepositoryDamaged: A list of blocks cannot be read, so what is below it is not known.
            Cancelled: A stop was asked for.
        """
        for file in files:
            self._mark_tree(bytes.fromhex(file.root), file.blocks, cancel)
            if file.cuts_count:
                pieces = -(-file.cuts_count * 8 // f.BLOCK_SIZE)
                self._mark_tree(bytes.fromhex(file.cuts_root), pieces, cancel)

    def _mark_tree(self, root: bytes, blocks: int, cancel: Cancellation) -> None:
        levels = f.tree_levels(blocks)
        if levels and root != f.ZERO_HASH:
            self._mark_node(root, len(levels) - 1, cancel)

    def _mark_node(self, node: bytes, level: int, cancel: Cancellation) -> None:
        number = self._need(node)
        if level == 0:
            return
        if number is None:
            raise RepositoryDamaged("a list of blocks that a point needs is in no pack")
        if level not in self._walked:
            self._walked[level] = Bits(self._count)
        if not self._walked[level].add(number):
            return
        cancel.check()
        data = self._source.read(node)
        for start in range(0, len(data), f.HASH_SIZE):
            below = data[start : start + f.HASH_SIZE]
            if below != f.ZERO_HASH:
                self._mark_node(below, level - 1, cancel)

    def needs(self, entry: f.Entry, pack: bytes) -> bool:
        """Return whether a block of a pack is needed there: it is the block's home."""
        return any(
            number in self._needed
            for number, place in self._records(entry.id)
            if place.pack == pack and place.offset == entry.offset
        )
