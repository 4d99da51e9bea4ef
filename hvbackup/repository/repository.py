"""A repository that is open: the one door to this room."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from hvbackup.errors import (
    HvBackupError,
    InvalidRequest,
    KeyRefused,
    RepositoryDamaged,
    RepositoryNotFound,
)
from hvbackup.events import Cancellation, EventSink, discard
from hvbackup.models import RestorePoint
from hvbackup.repository import format as f
from hvbackup.repository import keyslots
from hvbackup.repository.blocks import BlockSource
from hvbackup.repository.condemned import CondemnedWatch
from hvbackup.repository.crypto import Keys
from hvbackup.repository.footing import Footing
from hvbackup.repository.founding import found, now_text
from hvbackup.repository.index import Index
from hvbackup.repository.lease import TTL_SECONDS, Held, Lease
from hvbackup.repository.measure import RepositoryMeasure, measure
from hvbackup.repository.packs import PackPool
from hvbackup.repository.reader import BlockPointReader
from hvbackup.repository.stats import RepositoryStats, count_periods, count_vms
from hvbackup.repository.store import LookFirst, ObjectMissing, Store, open_store
from hvbackup.repository.upkeep import Upkeep
from hvbackup.repository.writer import BlockPointWriter, Checkable
from hvbackup.secrets import Secret

#: Records after which a segment is written although no point is finished, so that a crash leaves them findable.
FLUSH_RECORDS = 16384
#: Packs that no segment names are looked for at most this often: each time lists all packs.
SEARCH_SECONDS = 30.0


class Repository(Upkeep):
    """An open repository. Thread-safe; a context manager.

    Make one with `Repository.init` or `Repository.open`. All methods may raise `StoreUnavailable`.
    """

    def __init__(self, store: Store, config: f.Config, master: bytes | None) -> None:
        keys = Keys(master)
        store = store if config.conditional_create else LookFirst(store)
        super().__init__(store, config, keys)
        self._master = master
        self._watch = CondemnedWatch(store, keys)
        self._index = Index(store, keys, self._watch.packs)
        self._source = BlockSource(store, keys, self._index, self._find_again)
        self._lock = threading.RLock()
        self._pool: PackPool | None = None
        self._searched = -SEARCH_SECONDS

    # ------------------------------------------------------------ making and opening

    @classmethod
    def init(
        cls,
        location: str | Path | Store,
        *,
        passphrase: Secret | None,
        zstd_level: int = 3,
        pack_size: int = f.PACK_SIZE,
        options: Mapping[str, Any] | None = None,
        scrypt_log_n: int = keyslots.SCRYPT_LOG_N,
    ) -> Repository:
        """Make a repository in an empty place, and open it.

        Args:
            passphrase: Opens it later; None makes a repository without encryption, which anybody can read.
            zstd_level: 1 (fast) to 19 (small).
            options: Settings of a bucket's store, see `open_store`.
            scrypt_log_n: Cost of trying a passphrase: 2 to this power.

        Raises:
            RepositoryExists: There is a repository, or something else, at this place.
            InvalidRequest: An empty passphrase, or a level that is none.
        """
        store = _store(location, options, create=True)
        config, master = found(store, passphrase, zstd_level=zstd_level, pack_size=pack_size, scrypt_log_n=scrypt_log_n)
        return cls(store, config, master)

    @classmethod
    def open(
        cls, location: str | Path | Store, *, passphrase: Secret | None, options: Mapping[str, Any] | None = None
    ) -> Repository:
        """Open a repository.

        Raises:
            RepositoryNotFound: There is none at this place.
            KeyRefused: The passphrase does not open it, is needed, or is for no encryption at all.
            FormatUnsupported: It is of a newer version, or needs a feature that this version does not know.
            RepositoryDamaged: Its configuration was altered.
        """
        store = _store(location, options, create=False)
        try:
            data = store.get(f.CONFIG_NAME)
        except ObjectMissing as error:
            raise RepositoryNotFound(
                f"{store.location}: there is no repository",
                hint="check the place, or make one: hvbackup repository init",
            ) from error
        line, _, rest = data.partition(b"\n")
        config = f.parse_config(line, store.location)
        master = _master(store, config, passphrase)
        if Keys(master).config_proof(line).encode() + b"\n" != rest:
            raise RepositoryDamaged(f"{store.location}: {f.CONFIG_NAME} was altered")
        return cls(store, config, master)

    @property
    def location(self) -> str:
        """Where it is, for people."""
        return self._store.location

    def close(self) -> None:
        """Wait for what is being stored, and make it findable for later points. Closing twice is no error."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()
            # What fails here hurts unfinished points only: their packs are found again by their footers.
            with contextlib.suppress(HvBackupError):
                self._index.flush()

    def __enter__(self) -> Repository:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ------------------------------------------------------------ points

    def points(
        self,
        *,
        host: str | None = None,
        vm: str | None = None,
        on_damage: Callable[[RepositoryDamaged], None] | None = None,
    ) -> list[RestorePoint]:
        """Return the restore points, sorted by time.

        Args:
            host: Only those of this host, without case.
            vm: Only those of this VM, by id or by name, without case.
            on_damage: Told of each point that cannot be read, which is then left out.

        Raises:
            RepositoryDamaged: A point cannot be read, and nobody listens.
        """
        return self._shelf.select(host=host, vm=vm, on_damage=on_damage)

    def point(self, id_or_prefix: str) -> RestorePoint:
        """Return one point by its id, the beginning of it, or the beginning of its last eight digits.

        Raises:
            PointNotFound: None fits, or several.
            RepositoryDamaged: It cannot be read.
        """
        return self._shelf.read(self._shelf.resolve(id_or_prefix)).point

    def begin(self, *, host: str, vm_id: str, vm_name: str, lease: Checkable | None = None) -> BlockPointWriter:
        """Begin a restore point. Several may be made at once; blocks that they share are stored once.

        Args:
            lease: Checked right before the point is written.
        """
        if self._pool is not None:
            self._pool.settle()  # a point that was given up may have left packs that are still to fail
        with self._lock:
            # Before the packs are listed: a pack that is deleted after this has changed these names.
            names = self._watch.look()
            self._load()
            # A pack that cannot be read is nobody's yet, or hurt: `check` tells. Its blocks are stored anew.
            self._index.adopt(self._unknown_packs())
            if self._pool is None:
                self._pool = PackPool(
                    self._store,
                    self._keys,
                    level=self.config.zstd_level,
                    pack_size=self.config.pack_size,
                    stored=self._stored,
                )
            return BlockPointWriter(
                self._store,
                self._keys,
                self._index,
                self._pool,
                Footing(self._store, self._keys, self._index, self._pool, self._watch, names),
                host=host,
                vm_id=vm_id,
                vm_name=vm_name,
                lease=lease,
            )

    def read(self, point: RestorePoint | str, *, aside: bool = False) -> BlockPointReader:
        """Open a restore point for reading.

        Args:
            aside: One that a repair put aside: the files of it that are not hurt can be restored.

        Raises:
            PointNotFound: It is not there any more.
            RepositoryDamaged: It cannot be read.
        """
        point_id = point if isinstance(point, str) else point.id
        document = self._shelf.read_aside(point_id) if aside else self._shelf.read(point_id)
        self._load()
        return BlockPointReader(document, self._source)

    def _stored(self, pack: f.PackInfo, entries: list[f.Entry]) -> None:
        self._index.add(pack, entries)
        if self._index.fresh_records >= FLUSH_RECORDS:
            self._index.flush()

    def _load(self) -> None:
        with self._lock:
            self._index.load()

    def _unknown_packs(self) -> list[f.PackInfo]:
        """List the packs that no segment names and nobody has condemned."""
        return self._index.split_unknown(self._index.compare_packs(), self._watch.packs)[0]

    def _find_again(self) -> bool:
        """Look for blocks that the index lacks: in newer segments, then in packs that no segment names."""
        with self._lock:
            if time.monotonic() - self._searched < SEARCH_SECONDS:
                return False
            loaded = self._index.load()
            unknown = self._index.compare_packs()
            self._searched = time.monotonic()
            self._watch.look()
            free, condemned = self._index.split_unknown(unknown, self._watch.packs)
            refused = [*self._index.adopt(free), *self._index.adopt(condemned, to_read=True)]
            return len(refused) < len(free) + len(condemned) or loaded > 0

    # ------------------------------------------------------------ looking after it

    def rebuild_index(self) -> int:
        """Write index segments for the packs that none names, from the packs' own footers; return how many."""
        with self._lock:
            self._watch.look()
            self._index.load(lambda _name, _error: None)
            self._index.adopt(self._unknown_packs())
            count = self._index.fresh_packs
            self._index.flush()
            return count

    def stats(self) -> RepositoryStats:
        """Return what the repository holds, in numbers."""
        self._load()
        points = self.points()
        packs = [info.size for info in self._store.list(f.PACKS)]
        return RepositoryStats(
            id=self.config.id,
            created_at=self.config.created_at,
            encryption=self.config.encryption,
            points=len(points),
            packs=len(packs),
            pack_bytes=sum(packs),
            blocks=self._index.count,
            source_bytes=sum(file.size_bytes for point in points for file in point.files),
            vms=count_vms(points),
            periods=count_periods(points),
        )

    def measure(self, *, events: EventSink = discard, cancel: Cancellation | None = None) -> RepositoryMeasure:
        """Return what dedup and compression save; reads the lists of blocks of all points."""
        points = self.points()
        self._load()
        return measure(
            points,
            self.read,
            lambda sha256: self._index.find(self._keys.block_id(sha256)),
            events=events,
            cancel=cancel,
        )

    # ------------------------------------------------------------ passphrases

    def key_slots(self) -> dict[str, keyslots.KeySlot]:
        """Return the key slots by name."""
        return keyslots.read_slots(self._store, self.config.id)

    def opened_slots(self, passphrase: Secret) -> list[str]:
        """Return the names of the key slots that a passphrase opens."""
        return keyslots.slots_opened_by(self._store, passphrase, self.config.id)

    def add_passphrase(self, passphrase: Secret, *, label: str = "", scrypt_log_n: int = keyslots.SCRYPT_LOG_N) -> str:
        """Let another passphrase open the repository; return the name of its slot.

        Raises:
            InvalidRequest: The repository is not encrypted, or the passphrase is empty.
        """
        if self._master is None or not passphrase:
            raise InvalidRequest("only an encrypted repository takes passphrases, and none of them may be empty")
        return keyslots.write_slot(
            self._store,
            self._master,
            passphrase,
            repository_id=self.config.id,
            created_at=now_text(),
            label=label,
            log_n=scrypt_log_n,
        )

    def remove_passphrase(self, slot: str) -> None:
        """Remove a key slot. Whoever copied the slot before, and knows its passphrase, can still open the repository.

        Raises:
            InvalidRequest: There is no such slot, or it is the last.
        """
        slots = self.key_slots()
        if slot not in slots:
            raise InvalidRequest(f"there is no key slot {slot!r}", hint=f"there are {', '.join(slots)}")
        if len(slots) == 1:
            raise InvalidRequest("the last key slot cannot be removed: nothing could open the repository any more")
        self._store.delete(slot)

    # ------------------------------------------------------------ leases

    def lease(self, scope: str, *, owner: str, ttl_seconds: float = TTL_SECONDS) -> Lease:
        """Take the lease on `scope` and keep it renewed until it is released.

        Args:
            scope: What nobody else may do meanwhile, such as `host/vm id`.
            owner: Who we are, for the message that others get.
            ttl_seconds: How long after the last renewal others may take it over.

        Raises:
            RepositoryLocked: Somebody has it.
        """
        return self._leases.acquire(scope, owner=owner, ttl_seconds=ttl_seconds)

    def held_leases(self) -> list[Held]:
        """Return the leases that nobody has released, sorted by scope; those of the dead run out by themselves.

        Raises:
            RepositoryDamaged: One cannot be read.
        """
        return self._leases.held()

    def forget_lease(self, scope: str, *, owner: str | None = None) -> bool:
        """Take a lease from `owner`, or from whoever has it; return whether it was held."""
        return self._leases.forget(scope, owner=owner)


def _store(location: str | Path | Store, options: Mapping[str, Any] | None, *, create: bool) -> Store:
    return open_store(location, options, create=create) if isinstance(location, (str, Path)) else location


def _master(store: Store, config: f.Config, passphrase: Secret | None) -> bytes | None:
    if not config.encrypted:
        if passphrase is not None:
            raise KeyRefused(
                f"{store.location}: the repository says that it is not encrypted, but a passphrase was given",
                hint="give none if that is right; else somebody replaced the repository",
            )
        return None
    if passphrase is None:
        raise KeyRefused(f"{store.location}: the repository is encrypted", hint="give its passphrase")
    return keyslots.find_master(store, passphrase, config.id)
