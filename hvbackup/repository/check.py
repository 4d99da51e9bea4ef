"""Checks a repository: what is there fits together, and, if asked, every byte is what it was."""

from __future__ import annotations

import contextlib
import hashlib
import random
from collections.abc import Iterator

from hvbackup.errors import FormatUnsupported, PointNotFound, RepositoryDamaged
from hvbackup.events import Cancellation, EventSink, Progress
from hvbackup.models import Model
from hvbackup.repository import format as f
from hvbackup.repository.blocks import BlockSource
from hvbackup.repository.condemned import read_sentences
from hvbackup.repository.crypto import Damaged, Keys
from hvbackup.repository.index import Index
from hvbackup.repository.keyslots import encode_slot, read_slots, slot_proof
from hvbackup.repository.packs import check_frame, open_block, open_entries
from hvbackup.repository.points import PointShelf, point_name
from hvbackup.repository.small_objects import damaged_small_objects
from hvbackup.repository.store import ObjectMissing, Store
from hvbackup.repository.trees import Tree


class Problem(Model, frozen=True, kw_only=True):
    """Something that is wrong with one object of the repository.

    Attributes:
        object: Name of the object in the store.
        text: What is wrong.
        points: Restore points that cannot be restored whole because of it.
        files: Their files that are hurt, as `point id/file name`.
    """

    object: str
    text: str
    points: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


class CheckReport(Model, frozen=True, kw_only=True):
    """What a check found. `blocks` and `bytes_read` count what `read_data` read of the packs."""

    problems: tuple[Problem, ...]
    points: int
    packs: int
    blocks: int = 0
    bytes_read: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


class Checker:
    """One check of one repository."""

    def __init__(self, store: Store, keys: Keys, config: f.Config, events: EventSink, cancel: Cancellation) -> None:
        self._store, self._keys, self._config = store, keys, config
        self._events, self._cancel = events, cancel
        self._index = Index(store, keys)
        self._source = BlockSource(store, keys, self._index, lambda: False)
        self._texts: dict[str, list[str]] = {}
        self._hurt: dict[str, set[tuple[str, str]]] = {}
        #: Blocks that were read and found bad, by pack and id.
        self._bad: set[tuple[bytes, bytes]] = set()
        self._adopted: set[bytes] = set()
        self._condemned: set[bytes] = set()
        #: For each list that was walked: the objects that hurt what is below it.
        self._walked: dict[bytes, frozenset[str]] = {}
        self._blocks = self._bytes = self._points = 0

    def run(self, *, read_data: bool, percent: float, since: float | None) -> CheckReport:
        """Check all, and return what was found.

        Raises:
            StoreUnavailable: The store does not answer.
            Cancelled: A stop was asked for.
        """
        self._check_slots()
        self._check_help(self._config.help_hashes)
        for name, error in damaged_small_objects(self._store, self._keys):
            self._note(name, str(error))
        self._look_at_condemned()
        self._index.load(lambda name, error: self._note(name, str(error)))
        packs = self._check_packs()
        if read_data:
            self._read_packs(packs, percent, since)
        self._check_points()
        problems = tuple(
            Problem(
                object=name,
                text="; ".join(dict.fromkeys(self._texts.get(name, ["it does not hold what points need of it"]))),
                points=tuple(sorted({point for point, _ in self._hurt.get(name, ())})),
                files=tuple(sorted(f"{point}/{file}" for point, file in self._hurt.get(name, ()) if file)),
            )
            # A condemned pack is going to be deleted: it matters only as far as points still need it.
            for name in sorted({*self._texts.keys() - set(map(f.pack_name, self._condemned)), *self._hurt})
        )
        return CheckReport(
            problems=problems, points=self._points, packs=len(packs), blocks=self._blocks, bytes_read=self._bytes
        )

    def _note(self, name: str, text: str) -> None:
        self._texts.setdefault(name, []).append(text.removeprefix(f"{name}: "))

    def _check_slots(self) -> None:
        slots = read_slots(self._store, self._config.id, lambda name, error: self._note(name, str(error)))
        if self._keys.encrypted and not slots:
            self._note(f.KEYS, "the repository is encrypted, but has no key slot")
        for name, slot in slots.items():
            # The proof is that of the slot as it was understood: a key of its JSON that nobody knows would go unseen.
            if slot.proof != slot_proof(self._keys, slot) or self._store.get(name) != encode_slot(slot):
                self._note(name, "the key slot was altered")

    def _check_help(self, help_hashes: dict[str, str]) -> None:
        for name, digest in help_hashes.items():
            try:
                if hashlib.sha256(self._store.get(name)).hexdigest() != digest:
                    self._note(name, "it is not the file that was laid here with the repository; do not run it")
            except ObjectMissing:
                self._note(name, "it is missing; restoring without hvbackup needs it from elsewhere")

    def _look_at_condemned(self) -> None:
        with contextlib.suppress(RepositoryDamaged):  # noted already
            for sentence in read_sentences(self._store, self._keys):
                self._condemned |= sentence.packs

    # ------------------------------------------------------------ packs

    def _check_packs(self) -> dict[bytes, f.PackInfo]:
        """Compare the packs that are there with those that the index names; return those that are there."""
        there = {}
        modified = {}
        for info in self._store.list(f.PACKS):
            pack = f.pack_of(info.name)
            if pack is None:
                self._note(info.name, "it is not the name of a pack")
            else:
                there[pack], modified[pack] = info.size, info.modified
        self._modified = modified
        missing = [pack for pack in self._index.packs if pack not in there]
        if missing:
            # Unless a collection was at work, which takes a pack from the index before it deletes it.
            again = Index(self._store, self._keys)
            again.load(lambda _name, _error: None)
            for pack in missing:
                if pack in again.packs:
                    self._note(f.pack_name(pack), "the pack is missing")
        for known in self._index.packs.values():
            size = there.get(known.id, known.size)
            if size != known.size:
                self._note(f.pack_name(known.id), f"the pack has {size} bytes; it was written with {known.size}")
        unknown, condemned = self._index.split_unknown(self._index.compare_packs(), self._condemned)
        self._index.adopt(condemned, to_read=True)
        for lost, error in self._index.adopt(unknown):
            self._note(f.pack_name(lost.id), f"no index segment names the pack, and {str(error).split(': ', 1)[-1]}")
        self._adopted = {pack.id for pack in (*unknown, *condemned)}
        return {pack: f.PackInfo(pack, size, 0) for pack, size in there.items()}

    def _read_packs(self, packs: dict[bytes, f.PackInfo], percent: float, since: float | None) -> None:
        chosen = [pack for pack in packs.values() if since is None or self._modified[pack.id] >= since]
        if percent < 100:
            count = max(1, round(len(chosen) * percent / 100)) if chosen else 0
            chosen = random.sample(chosen, count)
        total = sum(pack.size for pack in chosen)
        for pack in sorted(chosen):
            self._cancel.check()
            self._read_pack(pack)
            self._bytes += pack.size
            self._events(Progress(activity="check", done=self._bytes, total=total, item=f.pack_name(pack.id)))

    def _read_pack(self, pack: f.PackInfo) -> None:
        name = f.pack_name(pack.id)
        try:
            data = memoryview(self._store.get(name))
        except ObjectMissing:
            self._note(name, "the pack vanished while it was looked at")
            return
        entries = self._entries_of(pack.id, name, data)
        cipher = self._keys.cipher(pack.id)
        for entry in entries:
            self._blocks += 1
            try:
                plain = open_block(cipher, entry.id, entry, data[entry.offset : entry.offset + entry.length])
                if self._keys.block_id(hashlib.sha256(plain).digest()) == entry.id:
                    continue
                text = "a block does not have its hash"
            except Damaged as error:
                text = str(error)
            self._bad.add((pack.id, entry.id))
            self._note(name, f"the block at {entry.offset}: {text}")

    def _entries_of(self, pack: bytes, name: str, data: memoryview) -> list[f.Entry]:
        """Return the entries by the footer; when that is hurt, what the index says of the pack."""
        header, tail = bytes(data[: f.PACK_HEADER.size]), bytes(data[-f.PACK_TAIL.size :])
        try:
            _, length, count = check_frame(header, tail, pack, len(data), encrypted=self._keys.encrypted)
            start = len(data) - f.PACK_TAIL.size - length
            footer = bytes(data[start : start + length])
            return open_entries(self._keys, self._keys.cipher(pack), header, start, footer, count)
        except Damaged as error:
            self._note(name, str(error))
        entries = []
        for record in self._index.records():
            place = f.read_place(record)
            if place.pack == pack:
                entries.append(f.Entry(record[:32], *place[1:]))
        return entries

    # ------------------------------------------------------------ points

    def _check_points(self) -> None:
        shelf = PointShelf(self._store, self._keys)
        ids = shelf.ids()
        deleted = set(self._deleted_points())
        for info in self._store.list(f.POINTS):
            if not f.POINT_ID.fullmatch(info.name.removeprefix(f.POINTS)):
                self._note(info.name, "it is not the name of a restore point")
        for point_id in ids:
            self._cancel.check()
            try:
                document = shelf.read(point_id)
            except (RepositoryDamaged, FormatUnsupported) as error:
                self._note(point_name(point_id), str(error))
                self._hurt.setdefault(point_name(point_id), set()).add((point_id, ""))
                continue
            except PointNotFound:
                continue
            self._points += 1
            self._events(Progress(activity="check", done=self._points, total=len(ids), unit="points", item=point_id))
            if document.previous and document.previous not in ids and document.previous not in deleted:
                self._note(point_name(document.previous), f"the restore point is missing; {point_id} knows of it")
                self._hurt.setdefault(point_name(document.previous), set()).add((document.previous, ""))
            for file in document.files:
                self._check_file(point_id, file)

    def _deleted_points(self) -> Iterator[str]:
        """Yield the ids of points that were deleted on purpose: a sealed object of their name says so."""
        for info in self._store.list(f.DELETED):
            with contextlib.suppress(RepositoryDamaged, ObjectMissing):  # noted already
                self._keys.unseal(f.SEALED_DELETED, info.name, self._store.get(info.name))
                yield info.name.removeprefix(f.DELETED)

    def blame(self, document: f.PointDocument) -> set[str]:
        """Return the objects that hurt a point; to be called after `run`, which has read all that this looks at."""
        return {blamed for file in document.files for blamed in self._blame_file(file)}

    def _blame_file(self, file: f.StoredFile) -> Iterator[str]:
        trees = [Tree(bytes.fromhex(file.root), file.blocks, self._source.read)]
        if file.cuts_count:
            pieces = -(-file.cuts_count * 8 // f.BLOCK_SIZE)
            trees.append(Tree(bytes.fromhex(file.cuts_root), pieces, self._source.read))
        for tree in trees:
            yield from self._blame_tree(tree)

    def _check_file(self, point_id: str, file: f.StoredFile) -> None:
        for blamed in self._blame_file(file):
            self._hurt.setdefault(blamed, set()).add((point_id, file.name))

    def _blame_tree(self, tree: Tree) -> Iterator[str]:
        """Yield the objects that hurt a file."""
        levels = len(f.tree_levels(tree.blocks))
        if not levels:
            return
        yield from self._blame_node(tree.root, levels - 1, tree)

    def _blame_node(self, node: bytes, level: int, tree: Tree) -> frozenset[str]:
        """Return the objects that hurt a node of a list tree, or anything below it."""
        if node == f.ZERO_HASH:
            return frozenset()
        if level == 0:
            blamed = self._blame_block(node)
            return frozenset((blamed,)) if blamed else frozenset()
        known = self._walked.get(node)
        if known is None:
            known = self._walked[node] = self._blame_list(node, level, tree)
        return known

    def _blame_list(self, node: bytes, level: int, tree: Tree) -> frozenset[str]:
        blamed = self._blame_block(node)
        if blamed:
            return frozenset((blamed,))
        try:
            data = self._source.read(node)
        except RepositoryDamaged as error:
            name = f.pack_name(self._source.place(node).pack)
            self._note(name, str(error).split(": ", 1)[-1])
            return frozenset((name,))
        found: set[str] = set()
        for start in range(0, len(data), f.HASH_SIZE):
            found |= self._blame_node(data[start : start + f.HASH_SIZE], level - 1, tree)
        return frozenset(found)

    def _blame_block(self, sha256: bytes) -> str | None:
        """Return the object that is to blame when a block cannot be had, or None when it can."""
        block_id = self._keys.block_id(sha256)
        good = [place for place in self._index.places(block_id) if (place.pack, block_id) not in self._bad]
        if good:
            if all(place.pack in self._adopted for place in good):
                self._note(f.INDEX, "a segment is missing: points use packs that none names (packs are found without)")
            return None
        named = next(self._index.named_places(block_id), None)
        return f.pack_name(named.pack) if named else f"block {block_id.hex()}"
