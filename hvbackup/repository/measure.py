"""What dedup and what compression save, per VM and together: counted over the distinct blocks of the points.

All hashes of a big repository do not fit into memory. So the distinct blocks are counted by a sample: those whose hash
ends in so many zero bits. It holds all blocks of a small repository, and is halved each time when it grows too large;
hashes are as good as random, so that 50 000 blocks give sums within about half a percent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from hvbackup.errors import RepositoryDamaged
from hvbackup.events import Cancellation, EventSink, Progress, discard
from hvbackup.models import Model, RestorePoint
from hvbackup.repository import format as f
from hvbackup.repository.seams import PointReader

SAMPLE_BLOCKS = 100_000


class BlockMeasure(Model, frozen=True, kw_only=True):
    """What some points hold.

    Attributes:
        source_bytes: Sizes of all their files.
        distinct_bytes: Plain bytes of their blocks, each different one once, zeros not at all.
        stored_bytes: What these blocks take in the packs.
        exact: Whether every block was counted; else distinct and stored bytes are an estimate.
    """

    source_bytes: int
    distinct_bytes: int
    stored_bytes: int
    exact: bool

    @property
    def dedup(self) -> float:
        """How many times smaller dedup makes it."""
        return self.source_bytes / self.distinct_bytes if self.distinct_bytes else 1.0

    @property
    def compression(self) -> float:
        """How many times smaller compression makes what dedup leaves."""
        return self.distinct_bytes / self.stored_bytes if self.stored_bytes else 1.0


class VmMeasure(Model, frozen=True, kw_only=True):
    """What all points of one VM hold; blocks that it shares with others count here in full."""

    host: str
    vm_id: str
    vm_name: str
    blocks: BlockMeasure


class RepositoryMeasure(Model, frozen=True, kw_only=True):
    """A whole repository; `skipped` names points that could not be read."""

    total: BlockMeasure
    vms: tuple[VmMeasure, ...]
    skipped: tuple[str, ...] = ()


class _Sample:
    """Distinct blocks by hash, with their plain and stored sizes."""

    def __init__(self, find: Callable[[bytes], f.Place | None]) -> None:
        self._find = find
        self._sizes: dict[bytes, tuple[int, int]] = {}
        self._mask = 0
        self.source_bytes = 0

    def add(self, joined: bytes) -> None:
        mask = self._mask
        for end in range(f.HASH_SIZE, len(joined) + 1, f.HASH_SIZE):
            if mask and int.from_bytes(joined[end - 4 : end], "big") & mask:
                continue
            sha256 = joined[end - f.HASH_SIZE : end]
            if sha256 not in self._sizes and sha256 != f.ZERO_HASH:
                place = self._find(sha256)
                self._sizes[sha256] = (place.size, place.length) if place else (0, 0)
        while len(self._sizes) > SAMPLE_BLOCKS:
            self._halve()

    def _halve(self) -> None:
        self._mask = self._mask << 1 | 1
        kept = self._sizes.items()
        self._sizes = {sha: sizes for sha, sizes in kept if not int.from_bytes(sha[-4:], "big") & self._mask}

    def result(self) -> BlockMeasure:
        factor = self._mask + 1
        return BlockMeasure(
            source_bytes=self.source_bytes,
            distinct_bytes=factor * sum(size for size, _ in self._sizes.values()),
            stored_bytes=factor * sum(length for _, length in self._sizes.values()),
            exact=not self._mask,
        )


def measure(
    points: Iterable[RestorePoint],
    read: Callable[[RestorePoint], PointReader],
    find: Callable[[bytes], f.Place | None],
    *,
    events: EventSink = discard,
    cancel: Cancellation | None = None,
) -> RepositoryMeasure:
    """Read the lists of blocks of all points, and add up.

    Args:
        find: Where the block of a SHA-256 is.

    Raises:
        Cancelled: `cancel` was set.
    """
    by_vm: dict[tuple[str, str], list[RestorePoint]] = {}
    for point in points:
        by_vm.setdefault((point.host, point.vm_id), []).append(point)
    total, done, count = _Sample(find), 0, sum(map(len, by_vm.values()))
    rows: list[VmMeasure] = []
    skipped: list[str] = []
    for own in by_vm.values():
        sample = _Sample(find)
        known: set[str] = set()
        for point in own:
            try:
                _take(read(point), known, (sample, total), cancel)
            except RepositoryDamaged:
                skipped.append(point.id)
            done += 1
            events(Progress(activity="measure", done=done, total=count, unit="points", item=point.id))
        last = own[-1]
        rows.append(VmMeasure(host=last.host, vm_id=last.vm_id, vm_name=last.vm_name, blocks=sample.result()))
    rows.sort(key=lambda row: (row.vm_name.casefold(), row.host, row.vm_id))
    return RepositoryMeasure(total=total.result(), vms=tuple(rows), skipped=tuple(skipped))


def _take(reader: PointReader, known: set[str], samples: tuple[_Sample, ...], cancel: Cancellation | None) -> None:
    """Count one point; `known` are the hashes of files that were counted, which need no second look."""
    for file in reader.point.files:
        for sample in samples:
            sample.source_bytes += file.size_bytes
        if file.hash in known:
            continue
        for joined in reader.iterate_hashes(file.name):
            if cancel is not None:
                cancel.check()
            for sample in samples:
                sample.add(joined)
        known.add(file.hash)
