"""The index: in which pack each block lies. Sorted packed records, searched in place; never a Python object each.

A block is in the index only when its pack is durable.
"""

from __future__ import annotations

import mmap
import secrets
import tempfile
import threading
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from hvbackup.errors import RepositoryDamaged
from hvbackup.repository import format as f
from hvbackup.repository.crypto import Keys
from hvbackup.repository.packs import read_footer
from hvbackup.repository.store import ObjectInfo, ObjectMissing, Store

RECORD = f.SEGMENT_RECORD.size
#: Records in one segment, at most; 60 bytes each, and a few segments are opened at once.
SEGMENT_RECORDS = 65536
#: A lookup searches every run. This many small ones, and this many that were merged from small ones, are let be.
SMALL_RUNS, MERGED_RUNS = 8, 12
#: A segment that vanishes between listing and reading makes the index list them again, this often at most.
LISTINGS = 20
#: While a repository is opened, this many small runs are merged in one go: each record is merged once, not often.
LOADED_RUNS = 64
#: A run larger than this lies in a file without a name, mapped, so that the system can take its memory back.
MAPPED_SIZE = 256 * 1024


class SortedRun:
    """Records sorted by block id, with a table of where each first byte pair begins."""

    def __init__(self, records: memoryview | bytes | mmap.mmap, count: int) -> None:
        self._records = records
        self.count = count
        self._bits = 16 if count > 16384 else 8
        self._fan_out = self._make_fan_out()

    def _key(self, position: int) -> bytes:
        start = position * RECORD
        return bytes(self._records[start : start + 32])

    def _slot(self, id: bytes) -> int:
        return int.from_bytes(id[:2], "big") >> (16 - self._bits)

    def _make_fan_out(self) -> array[int]:
        # Found by searching for each border, not by walking: cheap for huge runs, and touches few pages.
        borders = array("Q", [0])
        for slot in range(1, 1 << self._bits):
            first = (slot << (16 - self._bits)).to_bytes(2, "big")
            borders.append(self._search(first, borders[-1], self.count))
        borders.append(self.count)
        return borders

    def _search(self, key: bytes, low: int, high: int) -> int:
        while low < high:
            middle = (low + high) // 2
            if self._key(middle) < key:
                low = middle + 1
            else:
                high = middle
        return low

    def find(self, id: bytes) -> Iterator[tuple[int, f.Place]]:
        """Yield every place of a block, and the number of its record."""
        slot = self._slot(id)
        position = self._search(id, self._fan_out[slot], self._fan_out[slot + 1])
        while position < self.count and self._key(position) == id:
            start = position * RECORD
            yield position, f.read_place(bytes(self._records[start : start + RECORD]))
            position += 1

    def part(self, first: int, last: int) -> Iterator[bytes]:
        """Yield the records whose first id byte is in `first` .. `last`, in order."""
        start = self._search(bytes([first]), 0, self.count)
        end = self.count if last >= 255 else self._search(bytes([last + 1]), start, self.count)
        chunk = bytes(self._records[start * RECORD : end * RECORD])
        for position in range(0, len(chunk), RECORD):
            yield chunk[position : position + RECORD]


def make_run(parts: Iterable[bytes | memoryview], size: int) -> SortedRun:
    """Return a run from pieces of sorted records that are `size` bytes together."""
    if size <= MAPPED_SIZE:
        return SortedRun(b"".join(parts), size // RECORD)
    with tempfile.TemporaryFile(prefix="hvbackup-index-") as file:
        for part in parts:
            file.write(part)
        file.flush()
        return SortedRun(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ), size // RECORD)


def merge_runs(runs: list[SortedRun]) -> SortedRun:
    """Return one run with the records of several; memory for one 64th of them at a time."""

    def parts() -> Iterator[bytes]:
        for first in range(0, 256, 4):
            records = [record for run in runs for record in run.part(first, first + 3)]
            records.sort()
            yield b"".join(records)

    return make_run(parts(), sum(run.count for run in runs) * RECORD)


def list_packs(store: Store) -> Iterator[tuple[bytes, ObjectInfo]]:
    """Yield the packs that are there."""
    for info in store.list(f.PACKS):
        pack = f.pack_of(info.name)
        if pack is not None:
            yield pack, info


class Segment(NamedTuple):
    """What is remembered of a segment that was read."""

    packs: tuple[bytes, ...]
    records: int


class Index:
    """All segments of a repository, and the packs that this process stored since. Thread-safe.

    Args:
        condemned: Packs that will be deleted (the set may grow): good for reading, not for relying on.
    """

    def __init__(self, store: Store, keys: Keys, condemned: Set[bytes] = frozenset()) -> None:
        self._store, self._keys, self._condemned = store, keys, condemned
        self._lock = threading.RLock()
        #: Runs that were merged, then small ones. The list is replaced, never changed: lookups take no lock.
        self._runs: list[SortedRun] = []
        self._merged = 0
        #: The segments that were read or written, by name.
        self.segments: dict[str, Segment] = {}
        self._fresh: dict[bytes, f.Place] = {}
        self._fresh_packs: list[tuple[f.PackInfo, list[f.Entry]]] = []
        self.packs: dict[bytes, f.PackInfo] = {}
        #: Packs that the index names and that cannot be used: missing, or of another length.
        self.unusable: set[bytes] = set()

    def load(self, on_damage: Callable[[str, RepositoryDamaged], None] | None = None) -> int:
        """Read the segments that are new since the last time; return how many.

        Args:
            on_damage: Told of each segment that cannot be read, which is then left out.

        Raises:
            RepositoryDamaged: A segment cannot be read, and nobody listens.
        """
        count = 0
        for _ in range(LISTINGS):
            names = [info.name for info in self._store.list(f.INDEX) if info.size and info.name not in self.segments]
            read, vanished = self._load(names, on_damage)
            count += read
            # What vanished was replaced by a segment that this listing may not have seen.
            if not vanished:
                break
        self._merge(SMALL_RUNS)
        return count

    def _load(self, names: list[str], on_damage: Callable[[str, RepositoryDamaged], None] | None) -> tuple[int, int]:
        """Read segments; return how many were read, and how many were gone."""
        read = vanished = 0
        with ThreadPoolExecutor(4, thread_name_prefix="hvbackup-index") as executor:
            for start in range(0, len(names), 16):
                part = names[start : start + 16]
                for name, segment in zip(part, executor.map(self._read, part), strict=True):
                    if segment is None:
                        vanished += 1
                    elif not isinstance(segment, RepositoryDamaged):
                        read += 1
                        self._take(name, *segment)
                        self._merge(LOADED_RUNS)
                    elif on_damage is not None:
                        on_damage(name, segment)
                    else:
                        raise segment
        return read, vanished

    def _read(self, name: str) -> tuple[list[f.PackInfo], SortedRun] | RepositoryDamaged | None:
        try:
            packs, records = f.read_segment(self._keys.unseal(f.SEALED_INDEX, name, self._store.get(name)), name)
            return packs, make_run([records], len(records))
        except RepositoryDamaged as error:
            return error
        except ObjectMissing:
            return None

    def _take(self, name: str, packs: list[f.PackInfo], run: SortedRun) -> None:
        with self._lock:
            known = [self.packs.setdefault(pack.id, pack) for pack in packs]
            self.segments[name] = Segment(tuple(pack.id for pack in known), run.count)
            if run.count:
                self._runs = [*self._runs, run]

    def _merge(self, small_runs: int) -> None:
        """Merge the small runs if there are more than `small_runs`, and the merged ones if those are too many."""
        with self._lock:
            merged, small = self._runs[: self._merged], self._runs[self._merged :]
            if len(small) <= small_runs:
                return
            merged.append(merge_runs(small))
            if len(merged) > MERGED_RUNS:
                merged = [merge_runs(merged)]
            self._runs, self._merged = merged, len(merged)

    def named_places(self, id: bytes) -> Iterator[f.Place]:
        """Yield every place of a block, even in packs that may not be used."""
        fresh = self._fresh.get(id)
        if fresh is not None:
            yield fresh
        for run in self._runs:
            for _, place in run.find(id):
                yield place

    def places(self, id: bytes) -> Iterator[f.Place]:
        """Yield every usable place of a block."""
        return (place for place in self.named_places(id) if place.pack not in self.unusable)

    def find(self, id: bytes) -> f.Place | None:
        """Return where a block can be read, or None."""
        return self.dependable(id) or next(self.places(id), None)

    def dependable(self, id: bytes) -> f.Place | None:
        """Return where a block is and stays, or None: a place that a new point may rely on."""
        return next((place for place in self.places(id) if place.pack not in self._condemned), None)

    def runs(self) -> list[SortedRun]:
        """Return all records as sorted runs, those that no segment holds yet as well."""
        with self._lock:
            fresh = sorted(f.write_record(entry, pack.id) for pack, entries in self._fresh_packs for entry in entries)
            return [*self._runs, *([make_run(fresh, len(fresh) * RECORD)] if fresh else [])]

    def add(self, pack: f.PackInfo, entries: list[f.Entry]) -> None:
        """Take in a pack that is durable now."""
        with self._lock:
            self.packs[pack.id] = pack
            self._fresh_packs.append((pack, entries))
            for entry in entries:
                self._fresh[entry.id] = f.Place(pack.id, entry.offset, entry.length, entry.size, entry.zstd)

    @property
    def count(self) -> int:
        """How many records there are; a block that several packs hold counts several times."""
        return sum(run.count for run in self._runs) + len(self._fresh)

    @property
    def fresh_records(self) -> int:
        """How many records no segment holds yet."""
        return len(self._fresh)

    @property
    def fresh_packs(self) -> int:
        """How many packs no segment names yet."""
        return len(self._fresh_packs)

    def flush(self) -> list[str]:
        """Write the records that no segment holds yet as segments; return their names."""
        with self._lock:
            names = []
            while self._fresh_packs:
                count, taken = 0, 0
                for _, entries in self._fresh_packs:
                    if taken and count + len(entries) > SEGMENT_RECORDS:
                        break
                    count, taken = count + len(entries), taken + 1
                names.append(self._write(self._fresh_packs[:taken]))
                del self._fresh_packs[:taken]
            self._fresh.clear()
            return names

    def _write(self, packs: list[tuple[f.PackInfo, list[f.Entry]]]) -> str:
        records = sorted(f.write_record(entry, pack.id) for pack, entries in packs for entry in entries)
        name = f"{f.INDEX}{secrets.token_hex(16)}"
        payload = f.write_segment([pack for pack, _ in packs], records)
        self._store.put(name, self._keys.seal(f.SEALED_INDEX, name, payload, compress=False))
        self.segments[name] = Segment(tuple(pack.id for pack, _ in packs), len(records))
        if records:
            self._runs = [*self._runs, make_run(records, len(records) * RECORD)]
            self._merge(SMALL_RUNS)
        return name

    def compare_packs(self, there: Mapping[bytes, int] | None = None) -> list[f.PackInfo]:
        """List the packs that are really there; shut out those that are missing or of another length.

        Args:
            there: The sizes of those that are there, from who has listed them already.

        Returns:
            Packs that are there and that no segment names (their kind is not known yet, and given as 0).
        """
        known = list(self.packs.values())  # before listing: what is stored meanwhile is not missing
        if there is None:
            there = {pack: info.size for pack, info in list_packs(self._store)}
        with self._lock:
            self.unusable = {pack.id for pack in known if there.get(pack.id) != pack.size}
            return [f.PackInfo(pack, size, 0) for pack, size in there.items() if pack not in self.packs]

    def split_unknown(
        self, unknown: Iterable[f.PackInfo], condemned: Set[bytes]
    ) -> tuple[list[f.PackInfo], list[f.PackInfo]]:
        """Split packs that no segment names into those to adopt, and condemned ones that may be adopted `to_read`.

        A pack that a repair put aside is neither: its good blocks are elsewhere, its bad ones are to be brought again.
        """
        unknown = list(unknown)
        doomed = [pack for pack in unknown if pack.id in condemned]
        if doomed:
            aside = {info.name.removeprefix(f.PACKS_ASIDE) for info in self._store.list(f.PACKS_ASIDE)}
            doomed = [pack for pack in doomed if pack.id.hex() not in aside]
        return [pack for pack in unknown if pack.id not in condemned], doomed

    def adopt(
        self, packs: Iterable[f.PackInfo], *, to_read: bool = False
    ) -> list[tuple[f.PackInfo, RepositoryDamaged]]:
        """Take in packs by their own footers; return those that cannot be read, and why.

        Args:
            to_read: Only for reading: no segment will name them.
        """
        refused: list[tuple[f.PackInfo, RepositoryDamaged]] = []
        for pack in packs:
            try:
                kind, entries = read_footer(self._store, self._keys, pack.id, pack.size)
            except RepositoryDamaged as error:
                refused.append((pack, error))
            else:
                pack = pack._replace(kind=kind)  # noqa: PLW2901
                if to_read:
                    self._add_to_read(pack, entries)
                else:
                    self.add(pack, entries)
        return refused

    def _add_to_read(self, pack: f.PackInfo, entries: list[f.Entry]) -> None:
        records = sorted(f.write_record(entry, pack.id) for entry in entries)
        with self._lock:
            self.packs[pack.id] = pack
            if records:
                self._runs = [*self._runs, make_run(records, len(records) * RECORD)]

    def records(self) -> Iterator[bytes]:
        """Yield every record, run by run; a block that several packs hold comes several times."""
        for run in list(self._runs):
            for first in range(256):
                yield from run.part(first, first)
        for block_id, place in list(self._fresh.items()):
            yield f.write_record(f.Entry(block_id, *place[1:]), place.pack)
