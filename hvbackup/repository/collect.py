"""Deletes what no restore point needs. Safe beside running backups, and may be stopped at any moment.

A collection marks what points need, copies the rest of packs that are mostly unneeded, and condemns them and those that
nobody needs. Packs that an earlier collection condemned, a grace time ago, are deleted. `hvbackup.repository.condemned`
says why nothing that is needed can be lost, whatever the clocks say: the grace time spares running backups and restores
trouble, no more.

Marking reads the lists of blocks of all points, each once; everything after that costs as much as is deleted. Memory is
a few bits for each record of the index, and some numbers for each pack.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from datetime import datetime, timezone

from hvbackup.errors import FormatUnsupported, PointNotFound, RepositoryDamaged
from hvbackup.events import Cancellation, EventSink, Progress
from hvbackup.models import Model
from hvbackup.repository import format as f
from hvbackup.repository.blocks import BlockSource
from hvbackup.repository.clutter import Clutter
from hvbackup.repository.condemned import read_sentences, write_sentence
from hvbackup.repository.crypto import Keys
from hvbackup.repository.index import Index, list_packs
from hvbackup.repository.marking import Marking
from hvbackup.repository.packs import PackPool, read_footer
from hvbackup.repository.points import PointShelf
from hvbackup.repository.salvage import copy_blocks
from hvbackup.repository.segments import rewrite_segments
from hvbackup.repository.store import ObjectInfo, Store

GRACE_SECONDS = 86400.0
#: A pack is copied when more than this share of it is not needed: it frees at least as much as it writes.
REPACK_ABOVE = 0.5
#: Packs smaller than this share of the usual size are joined once there are this many of a kind.
SMALL_SHARE, SMALL_PACKS = 1 / 8, 16
#: Added to the age of running backups: they say by their own clocks when they began.
CLOCK_MARGIN_SECONDS = 3600.0


class CollectReport(Model, frozen=True, kw_only=True):
    """What a collection did, or, for a dry run, would do.

    Attributes:
        points: Points whose needs were marked, without those that were put aside.
        packs: Packs that were there before, with `pack_bytes` bytes, of which `needed_bytes` are needed.
        condemned_packs: Packs condemned now, to be deleted by a later collection.
        copied_bytes: Needed stored bytes of condemned packs that were stored anew.
        deleted_packs: Packs deleted now; an earlier collection had condemned them.
        waiting_bytes: Bytes of condemned packs that are still there, those of `condemned_packs` included.
        young_bytes: Bytes that no point needs in packs too young to be judged: running backups may need them.
        hurt_packs: Packs that would be copied, but cannot be read whole; they were left alone.
        lost_blocks: Blocks that points need and no pack holds; `check` tells which.
        next_at: From when on a collection will delete what is condemned, ISO 8601; None when nothing waits.
    """

    dry_run: bool
    points: int
    packs: int
    pack_bytes: int
    needed_bytes: int
    condemned_packs: int = 0
    condemned_bytes: int = 0
    copied_bytes: int = 0
    deleted_packs: int = 0
    deleted_bytes: int = 0
    waiting_bytes: int = 0
    young_bytes: int = 0
    hurt_packs: tuple[str, ...] = ()
    lost_blocks: int = 0
    next_at: str | None = None


class Collector:
    """One collection of one repository.

    Args:
        now: The store's clock, in seconds since 1970.
        running_since: When the oldest backup that is running began, or None.
        still_ours: Called before the first deletion; raises `LeaseLost` when another collection may be at work.
    """

    def __init__(
        self,
        store: Store,
        keys: Keys,
        config: f.Config,
        *,
        now: float,
        grace_seconds: float,
        running_since: float | None,
        repack_above: float,
        still_ours: Callable[[], None],
        events: EventSink,
        cancel: Cancellation,
    ) -> None:
        self._store, self._keys, self._config = store, keys, config
        self._grace, self._repack_above = grace_seconds, repack_above
        self._ripe_until = self._horizon = now - grace_seconds
        if running_since is not None:
            self._horizon = min(self._horizon, running_since - CLOCK_MARGIN_SECONDS)
        self._still_ours, self._events, self._cancel = still_ours, events, cancel
        self._shelf = PointShelf(store, keys)
        self._clutter = Clutter(store, keys)
        self._index = Index(store, keys)
        self._there: dict[bytes, ObjectInfo] = {}
        self._dead: set[bytes] = set()
        self._sparse: set[bytes] = set()
        self._hurt: set[bytes] = set()
        self._points = self._young_bytes = self._copied_bytes = 0

    def run(self, *, dry_run: bool) -> CollectReport:
        """Collect.

        Raises:
            RepositoryDamaged: What points need is not known, because a point, a list or a segment cannot be read.
            FormatUnsupported: A point needs what this version does not know.
            LeaseLost: Another collection may be at work; nothing was deleted.
            StoreUnavailable: The store does not answer.
            Cancelled: A stop was asked for.
        """
        # The order matters: what is condemned, then the points, then the segments, then the packs.
        self._sentences = read_sentences(self._store, self._keys)
        self._doomed = frozenset(pack for sentence in self._sentences for pack in sentence.packs)
        self._ripe = [sentence for sentence in self._sentences if sentence.modified <= self._ripe_until]
        self._due = {pack for sentence in self._ripe for pack in sentence.packs}
        self._clutter.look()
        ids, aside = self._shelf.ids_and_aside()
        self._load(adopt=not dry_run)
        self._mark(ids, aside)
        self._judge()
        if not dry_run:
            self._copy()
            self._condemn()
            self._delete()
        return self._report(dry_run)

    def _load(self, *, adopt: bool) -> None:
        self._index.load()
        self._there = dict(list_packs(self._store))
        unknown = self._index.compare_packs({pack: info.size for pack, info in self._there.items()})
        unknown, condemned = self._index.split_unknown(unknown, self._doomed)
        self._index.adopt(condemned, to_read=True)
        self._index.adopt(pack for pack in unknown if not self._is_young(pack.id))
        if adopt:
            self._index.flush()
        # Backups that are running will write the segments of these themselves.
        self._index.adopt(pack for pack in unknown if self._is_young(pack.id))

    def _is_young(self, pack: bytes) -> bool:
        return self._there[pack].modified > self._horizon

    # ------------------------------------------------------------ what is needed

    def _mark(self, ids: list[str], aside: list[str]) -> None:
        source = BlockSource(self._store, self._keys, self._index, lambda: False)
        self._marking = Marking(self._keys, self._index, source, self._doomed)
        for point_id in ids:
            self._tell("marking", self._points, len(ids), point_id)
            try:
                document = self._shelf.read(point_id)
                self._marking.mark(document.files, self._cancel)
            except PointNotFound:
                continue
            except (RepositoryDamaged, FormatUnsupported) as error:
                raise type(error)(
                    f"{point_id}: {error}; nothing was deleted",
                    hint="run `hvbackup repository repair`: what a point needs must be known before anything goes",
                ) from error
            self._clutter.keep(point_id, document.previous)
            self._points += 1
        for point_id in aside:
            self._clutter.keep(point_id, "")
            # As far as it can be read: it was put aside because it is hurt.
            with contextlib.suppress(PointNotFound, RepositoryDamaged, FormatUnsupported):
                for file in self._shelf.read_aside(point_id).files:
                    with contextlib.suppress(RepositoryDamaged):
                        self._marking.mark([file], self._cancel)

    def _judge(self) -> None:
        """Tell the packs that nobody needs (`dead`) and those that are to be copied (`sparse`) from those that stay."""
        small: dict[int, list[bytes]] = {}
        for pack, info in self._there.items():
            known = self._index.packs.get(pack)
            if known is None or pack in self._doomed:
                continue
            needed = self._marking.needed_bytes.get(pack, 0)
            if self._is_young(pack):
                self._young_bytes += info.size - needed
            elif not needed:
                self._dead.add(pack)
            elif pack in self._index.unusable:
                continue
            elif needed < info.size * (1 - self._repack_above) and self._pays(pack, needed):
                self._sparse.add(pack)
            elif info.size < self._config.pack_size * SMALL_SHARE:
                small.setdefault(known.kind, []).append(pack)
        for packs in small.values():
            if len(packs) >= SMALL_PACKS:
                self._sparse.update(packs)

    def _pays(self, pack: bytes, needed: int) -> bool:
        """Return whether copying a pack frees enough: header and footer do not count, every pack has them."""
        try:
            _, entries = read_footer(self._store, self._keys, pack, self._there[pack].size)
        except RepositoryDamaged:
            self._hurt.add(pack)
            return False
        return needed < sum(entry.length for entry in entries) * (1 - self._repack_above)

    # ------------------------------------------------------------ what is done about it

    def _copy(self) -> None:
        """Store anew what is needed of packs that go, and what is needed of condemned ones and has no other home."""
        homeless = {pack for pack in self._doomed & self._there.keys() if self._marking.needed_bytes.get(pack)}
        copies = Index(self._store, self._keys)
        pool = PackPool(
            self._store,
            self._keys,
            level=self._config.zstd_level,
            pack_size=self._config.pack_size,
            stored=copies.add,
        )
        try:
            for done, pack in enumerate(sorted(self._sparse | homeless)):
                self._cancel.check()
                self._tell("copying", done, len(self._sparse | homeless), f.pack_name(pack))
                self._copy_pack(pack, pool)
            pool.flush()
        finally:
            pool.close()
        if pool.failure is not None:
            raise pool.failure
        copies.flush()
        self._index.segments.update(copies.segments)
        # What cannot be copied stays: `repair` may do better.
        self._sparse -= self._hurt

    def _copy_pack(self, pack: bytes, pool: PackPool) -> None:
        try:
            kind, entries = read_footer(self._store, self._keys, pack, self._there[pack].size)
        except RepositoryDamaged:
            self._hurt.add(pack)
            return
        needed = [entry for entry in entries if self._marking.needs(entry, pack)]
        if copy_blocks(self._store, self._keys, pack, kind, needed, pool):
            self._hurt.add(pack)
        else:
            self._copied_bytes += sum(entry.length for entry in needed)

    def _condemn(self) -> None:
        """Condemn what goes, under a new number; the highest number must stay when others go."""
        packs = self._dead | self._sparse | (self._due & self._hurt)
        if packs or (self._due and self._ripe[-1] == self._sentences[-1]):
            write_sentence(self._store, self._keys, packs)
        elif self._ripe and self._ripe[-1] == self._sentences[-1]:
            self._ripe.pop()

    def _delete(self) -> None:
        """Delete what was condemned a grace time ago: its records, then its packs, then the sentence."""
        self._due -= self._hurt
        vanished = {pack for pack in self._index.packs.keys() - self._there if pack not in self._marking.needed_bytes}
        self._still_ours()
        rewrite_segments(self._store, self._keys, self._index.segments, self._due | vanished, self._cancel)
        due = sorted(self._due & self._there.keys())
        for done, pack in enumerate(due):
            self._cancel.check()
            self._tell("deleting", done, len(due), f.pack_name(pack))
            self._store.delete(f.pack_name(pack))
        for sentence in self._ripe:
            self._store.delete(sentence.name)
        self._clutter.clear(self._ripe_until)

    # ------------------------------------------------------------ what is told

    def _tell(self, activity: str, done: int, total: int, item: str) -> None:
        unit = "points" if activity == "marking" else "packs"
        self._events(Progress(activity=activity, done=done, total=total, unit=unit, item=item))

    def _size(self, packs: Iterable[bytes]) -> int:
        return sum(self._there[pack].size for pack in packs if pack in self._there)

    def _report(self, dry_run: bool) -> CollectReport:
        condemned = self._dead | self._sparse
        waiting = (self._doomed - self._due) & self._there.keys()
        begins = [sentence.modified for sentence in self._sentences if sentence.packs and sentence not in self._ripe]
        first = min(begins, default=self._ripe_until + self._grace if condemned else None)
        return CollectReport(
            dry_run=dry_run,
            points=self._points,
            packs=len(self._there),
            pack_bytes=self._size(self._there),
            needed_bytes=sum(self._marking.needed_bytes.values()),
            condemned_packs=len(condemned),
            condemned_bytes=self._size(condemned),
            copied_bytes=self._copied_bytes,
            deleted_packs=len(self._due & self._there.keys()),
            deleted_bytes=self._size(self._due),
            waiting_bytes=self._size(waiting | condemned),
            young_bytes=self._young_bytes,
            hurt_packs=tuple(sorted(f.pack_name(pack) for pack in self._hurt)),
            lost_blocks=self._marking.lost,
            next_at=None
            if first is None
            else datetime.fromtimestamp(first + self._grace, timezone.utc).isoformat(timespec="seconds"),
        )
