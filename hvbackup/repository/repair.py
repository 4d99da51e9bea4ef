"""Saves what can be saved of a damaged repository. Nothing is lost by it: what is hurt is put aside, not deleted.

- The index is rebuilt from the packs' own footers; segments that cannot be read are put aside.
- Of a hurt pack every good block is stored anew; the pack is copied aside and condemned. Its bad blocks, and those of
  missing packs, vanish from the index, so that the next backup that has them brings them again: then the points that
  lacked them are whole again.
- Points that are hurt are named, and, if asked, put aside: then `prune` does not count them and `collect` works again.
  One that is aside and whole again is put back.
"""

from __future__ import annotations

import contextlib

from hvbackup.errors import HvBackupError, PointNotFound, RepositoryDamaged
from hvbackup.events import Cancellation, EventSink, Progress
from hvbackup.models import Model
from hvbackup.repository import format as f
from hvbackup.repository.aside import PointsAside, copy_aside
from hvbackup.repository.check import Checker, CheckReport, Problem
from hvbackup.repository.condemned import read_sentences, write_sentence
from hvbackup.repository.crypto import Keys
from hvbackup.repository.founding import now_text
from hvbackup.repository.index import Index, list_packs
from hvbackup.repository.marks import Pin, pin_marks
from hvbackup.repository.packs import PackPool, read_footer
from hvbackup.repository.points import PointShelf
from hvbackup.repository.salvage import copy_blocks
from hvbackup.repository.segments import rewrite_segments
from hvbackup.repository.small_objects import damaged_small_objects
from hvbackup.repository.store import ObjectMissing, Store

#: Where damaged small objects and index segments go.
ASIDE = "aside/"


class HurtPoint(Model, frozen=True, kw_only=True):
    """A point that cannot be restored whole.

    Attributes:
        files: Its files that are hurt; empty when the point itself cannot be read, or is gone.
    """

    point_id: str
    files: tuple[str, ...] = ()


class RepairReport(Model, frozen=True, kw_only=True):
    """What a repair found and did, or, for a dry run, found and would do.

    Attributes:
        problems: What was wrong before, as `check` tells it.
        hurt: Points that cannot be restored whole, after the repair if there was one.
        salvaged_blocks: Good blocks of hurt packs that were stored anew, and `salvaged_bytes` stored bytes of them.
        packs_aside: Hurt packs, by object name.
        missing_packs: Packs that are gone, by object name.
        segments: Index segments that were written anew or put aside.
        points_aside: Points that were put aside now.
        points_back: Points that were aside, are whole again, and were put back.
        objects_aside: Small objects that could not be read.
    """

    dry_run: bool
    problems: tuple[Problem, ...]
    hurt: tuple[HurtPoint, ...] = ()
    salvaged_blocks: int = 0
    salvaged_bytes: int = 0
    packs_aside: tuple[str, ...] = ()
    missing_packs: tuple[str, ...] = ()
    segments: int = 0
    points_aside: tuple[str, ...] = ()
    points_back: tuple[str, ...] = ()
    objects_aside: tuple[str, ...] = ()


class Repairer:
    """One repair of one repository."""

    def __init__(self, store: Store, keys: Keys, config: f.Config, events: EventSink, cancel: Cancellation) -> None:
        self._store, self._keys, self._config = store, keys, config
        self._events, self._cancel = events, cancel
        self._shelf = PointShelf(store, keys)
        self._aside = PointsAside(store, self._shelf)
        self._index = Index(store, keys)
        self._salvaged_blocks = self._salvaged_bytes = self._segments = 0
        self._objects_aside: list[str] = []

    def run(self, *, read_data: bool, move_points: bool, dry_run: bool) -> RepairReport:
        """Repair.

        Raises:
            StoreUnavailable: The store does not answer. What was done so far is sound; run it again.
            Cancelled: A stop was asked for; the same holds.
        """
        found = self._check(read_data=read_data)
        hurt, missing = self._judge_packs(found)
        names = {problem.object for problem in found.problems}
        if dry_run:
            return self._report(found, hurt, missing, dry_run=True, points=(), back=(), left=found)
        self._mend_small_objects()
        self._aside.drop_doubles()
        self._rebuild_index(names)
        self._salvage(hurt)
        self._segments += rewrite_segments(self._store, self._keys, self._index.segments, hurt | missing, self._cancel)
        # Bad blocks are in no index any more, so the structure alone tells which points are hurt.
        left = self._check(read_data=False)
        back = tuple(point for point in self._aside.ids() if self._is_whole(point))
        for point_id in back:
            self._aside.put_back(point_id)
        moved = self._move_points(left) if move_points else ()
        return self._report(found, hurt, missing, dry_run=False, points=moved, back=back, left=left)

    def _check(self, *, read_data: bool) -> CheckReport:
        self._checker = Checker(self._store, self._keys, self._config, self._events, self._cancel)
        return self._checker.run(read_data=read_data, percent=100.0, since=None)

    def _judge_packs(self, found: CheckReport) -> tuple[set[bytes], set[bytes]]:
        """Return the packs that are hurt, and those that are missing."""
        there = {pack for pack, _ in list_packs(self._store)}
        named = {pack for problem in found.problems if (pack := f.pack_of(problem.object))}
        return named & there, named - there

    # ------------------------------------------------------------ small objects and index

    def _mend_small_objects(self) -> None:
        """Put aside what cannot be read. A pin stays a pin, and a deleted point stays deleted: the name says enough."""
        for name, _ in list(damaged_small_objects(self._store, self._keys)):
            self._put_aside(name)
            if name.startswith(f.PINS):
                pin = Pin(pinned_at=now_text(), reason="pinned again by a repair: the pin was damaged")
                pin_marks(self._store, self._keys).write(name.removeprefix(f.PINS), pin)
            elif name.startswith(f.DELETED):
                sealed = self._keys.seal(f.SEALED_DELETED, name, b"", compress=False)
                self._store.put(name, sealed)
            elif name.startswith(f.CONDEMNED):
                # Its number must not come again.
                write_sentence(self._store, self._keys, (), above=int(name.removeprefix(f.CONDEMNED), 16))

    def _put_aside(self, name: str) -> None:
        with contextlib.suppress(ObjectMissing):
            copy_aside(self._store, name, ASIDE + name)
            self._store.delete(name)
            self._objects_aside.append(name)

    def _rebuild_index(self, problems: set[str]) -> None:
        """Put segments aside that cannot be read, and write new ones for packs that none names."""
        damaged: list[str] = []
        self._index.load(lambda name, _error: damaged.append(name))
        condemned = {pack for sentence in read_sentences(self._store, self._keys) for pack in sentence.packs}
        unknown = self._index.compare_packs()
        self._index.adopt(pack for pack in unknown if pack.id not in condemned and f.pack_name(pack.id) not in problems)
        self._segments += len(self._index.flush())
        for name in damaged:
            self._put_aside(name)
        self._segments += len(damaged)

    # ------------------------------------------------------------ packs

    def _salvage(self, hurt: set[bytes]) -> None:
        """Store the good blocks of hurt packs anew, copy the packs aside, and condemn them."""
        if not hurt:
            return
        copies = Index(self._store, self._keys)
        pool = PackPool(
            self._store,
            self._keys,
            level=self._config.zstd_level,
            pack_size=self._config.pack_size,
            stored=copies.add,
        )
        try:
            for done, pack in enumerate(sorted(hurt)):
                self._cancel.check()
                self._events(
                    Progress(activity="repair", done=done, total=len(hurt), unit="packs", item=f.pack_name(pack))
                )
                self._salvage_pack(pack, pool)
            pool.flush()
        finally:
            pool.close()
        if pool.failure is not None:
            raise pool.failure
        copies.flush()
        self._index.segments.update(copies.segments)
        for pack in sorted(hurt):
            copy_aside(self._store, f.pack_name(pack), f"{f.PACKS_ASIDE}{pack.hex()}")
        write_sentence(self._store, self._keys, hurt)

    def _salvage_pack(self, pack: bytes, pool: PackPool) -> None:
        kind, entries = self._entries(pack)
        failed = {entry for entry, _ in copy_blocks(self._store, self._keys, pack, kind, entries, pool)}
        good = [entry for entry in entries if entry not in failed]
        self._salvaged_blocks += len(good)
        self._salvaged_bytes += sum(entry.length for entry in good)

    def _entries(self, pack: bytes) -> tuple[int, list[f.Entry]]:
        """Return kind and entries of a hurt pack: by its footer, else by what the index says of it."""
        try:
            return read_footer(self._store, self._keys, pack, self._store.head(f.pack_name(pack)).size)
        except (RepositoryDamaged, ObjectMissing):
            known = self._index.packs.get(pack)
        places = ((record[:32], f.read_place(record)) for record in self._index.records())
        entries = {f.Entry(block_id, *place[1:]) for block_id, place in places if place.pack == pack}
        return known.kind if known else f.PACK_DATA, sorted(entries, key=lambda entry: entry.offset)

    # ------------------------------------------------------------ points

    def _is_whole(self, point_id: str) -> bool:
        try:
            return not self._checker.blame(self._shelf.read_aside(point_id))
        except HvBackupError:
            return False

    def _move_points(self, left: CheckReport) -> tuple[str, ...]:
        """Put hurt points aside, and note of those that are gone that this is known."""
        moved = []
        ids = set(self._shelf.ids())
        for point_id in sorted({point for problem in left.problems for point in problem.points}):
            if point_id in ids:
                with contextlib.suppress(PointNotFound):
                    self._aside.put(point_id)
                    moved.append(point_id)
            else:
                self._shelf.delete(point_id)
        return tuple(moved)

    def _report(
        self,
        found: CheckReport,
        hurt: set[bytes],
        missing: set[bytes],
        *,
        dry_run: bool,
        points: tuple[str, ...],
        back: tuple[str, ...],
        left: CheckReport,
    ) -> RepairReport:
        return RepairReport(
            dry_run=dry_run,
            problems=found.problems,
            hurt=_hurt_points(left),
            salvaged_blocks=self._salvaged_blocks,
            salvaged_bytes=self._salvaged_bytes,
            packs_aside=tuple(sorted(map(f.pack_name, hurt))),
            missing_packs=tuple(sorted(map(f.pack_name, missing))),
            segments=self._segments,
            points_aside=points,
            points_back=back,
            objects_aside=tuple(sorted(self._objects_aside)),
        )


def _hurt_points(report: CheckReport) -> tuple[HurtPoint, ...]:
    files: dict[str, set[str]] = {}
    for problem in report.problems:
        for point_id in problem.points:
            files.setdefault(point_id, set())
        for name in problem.files:
            point_id, _, file = name.partition("/")
            files.setdefault(point_id, set()).add(file)
    return tuple(HurtPoint(point_id=point, files=tuple(sorted(names))) for point, names in sorted(files.items()))
