"""Leases: who works on what. They keep two jobs from backing up one VM; the data path needs no lock.

A lease is a row of objects `leases/<scope>/<number>`, and only the highest number counts: it is the fencing token.
Taking a lease over means creating the next number, which a store grants once. Only its owner rewrites an object
(renewal), so nobody needs compare-and-swap. All times are the store's own (`modified`), so the clocks of the machines
do not matter; a margin is added for stores whose clock jumps.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from types import TracebackType
from typing import NamedTuple

import msgspec

from hvbackup.errors import HvBackupError, LeaseLost, RepositoryLocked, StoreUnavailable
from hvbackup.models import Model
from hvbackup.repository import format as f
from hvbackup.repository.crypto import Keys
from hvbackup.repository.store import ObjectExists, ObjectInfo, ObjectMissing, Store

TTL_SECONDS = 900.0
#: Added to an expired lease before it is taken over.
MARGIN_SECONDS = 60.0
_TOKEN = re.compile(r"[0-9a-f]{16}")


class LeaseRecord(Model, frozen=True, kw_only=True):
    """What the object of a lease says. `claim` tells two owners of one name apart."""

    scope: str
    owner: str
    claim: str
    taken_at: str
    ttl_seconds: float
    released: bool = False


class Held(NamedTuple):
    """The newest object of a lease."""

    token: int
    name: str
    record: LeaseRecord
    modified: float


class LeaseBook:
    """The leases of a repository."""

    def __init__(self, store: Store, keys: Keys) -> None:
        self._store, self._keys = store, keys

    def folder(self, scope: str) -> str:
        """Return where the objects of a scope lie."""
        return f"{f.LEASES}{self._keys.scope_name(scope)}/"

    def _tokens(self, scope: str) -> Iterator[tuple[int, ObjectInfo]]:
        folder = self.folder(scope)
        for info in self._store.list(folder):
            if _TOKEN.fullmatch(info.name.removeprefix(folder)):
                yield int(info.name.removeprefix(folder), 16), info

    def newest(self, scope: str) -> Held | None:
        """Return the newest object of a scope, or None when nobody ever had it.

        Raises:
            RepositoryDamaged: It cannot be read.
        """
        _, info = max(self._tokens(scope), default=(0, None))
        if info is None:
            return None
        return self._read(info) or self.newest(scope)

    def held(self) -> list[Held]:
        """Return the newest object of every scope that is not released, sorted by scope; some may have run out.

        Raises:
            RepositoryDamaged: One cannot be read.
        """
        newest: dict[str, ObjectInfo] = {}
        for info in self._store.list(f.LEASES):
            folder, _, token = info.name.rpartition("/")
            if info.size and _TOKEN.fullmatch(token) and (folder not in newest or info.name > newest[folder].name):
                newest[folder] = info
        found = [held for info in newest.values() if (held := self._read(info)) and not held.record.released]
        return sorted(found, key=lambda held: held.record.scope)

    def _read(self, info: ObjectInfo) -> Held | None:
        try:
            payload = self._keys.unseal(f.SEALED_LEASE, info.name, self._store.get(info.name))
        except ObjectMissing:
            return None
        record = f.decode_json(payload, LeaseRecord, f"{info.name}: the lease")
        return Held(int(info.name.rpartition("/")[2], 16), info.name, record, info.modified)

    def write(self, scope: str, token: int, record: LeaseRecord, *, create: bool) -> str:
        """Write the object of a token and return its name; raises `ObjectExists`."""
        name = f"{self.folder(scope)}{token:016x}"
        payload = self._keys.seal(f.SEALED_LEASE, name, msgspec.json.encode(record), compress=False)
        self._store.put(name, payload, create=create)
        return name

    def store_clock(self) -> float:
        """Return what the store takes for the time, in seconds since 1970."""
        name = f"{f.PROBES}{secrets.token_hex(8)}"
        self._store.put(name, b"clock")
        try:
            return self._store.head(name).modified
        finally:
            with contextlib.suppress(StoreUnavailable):
                self._store.delete(name)

    def forget_older(self, scope: str, token: int) -> None:
        """Delete the objects of a scope that no longer count."""
        for number, info in list(self._tokens(scope)):
            if number < token:
                self._store.delete(info.name)

    def acquire(self, scope: str, *, owner: str, ttl_seconds: float) -> Lease:
        """Take a lease.

        Raises:
            RepositoryLocked: Somebody has it.
        """
        held = self.newest(scope)
        if held is not None and not held.record.released:
            age = self.store_clock() - held.modified
            if age < held.record.ttl_seconds + MARGIN_SECONDS:
                raise _locked(scope, held, age)
        record = LeaseRecord(
            scope=scope,
            owner=owner,
            claim=secrets.token_hex(16),
            taken_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            ttl_seconds=ttl_seconds,
        )
        token = (held.token if held else 0) + 1
        # A name that exists is another's claim, or our own whose answer was lost: reading back tells.
        with contextlib.suppress(ObjectExists):
            self.write(scope, token, record, create=True)
        # Read back before anything relies on it: a store without conditional create lets the last writer win.
        winner = self.newest(scope)
        if winner is None or winner.record.claim != record.claim:
            raise _locked(scope, winner, 0.0)
        self.forget_older(scope, token)
        return Lease(self, record, token)

    def forget(self, scope: str, *, owner: str | None = None) -> bool:
        """Release a lease; return whether it was held. Its owner will find it lost.

        Args:
            owner: Only if this owner has it; None: whoever has it.
        """
        held = self.newest(scope)
        if held is None or held.record.released or owner not in {None, held.record.owner}:
            return False
        record = msgspec.structs.replace(held.record, released=True, claim=secrets.token_hex(16))
        self.write(scope, held.token + 1, record, create=True)
        self.forget_older(scope, held.token + 1)
        return True


class Lease:
    """A lease that is ours, until it is released or lost. A thread renews it; use it as a context manager.

    Attributes:
        token: The fencing token: a later owner of the same scope has a higher one.
    """

    def __init__(self, book: LeaseBook, record: LeaseRecord, token: int) -> None:
        self._book, self._record, self.token = book, record, token
        self._renewed = time.monotonic()
        self._stop = threading.Event()
        self._lost = False
        self._thread = threading.Thread(target=self._keep, name="hvbackup-lease", daemon=True)
        self._thread.start()

    @property
    def scope(self) -> str:
        """What it is about."""
        return self._record.scope

    def check(self) -> None:
        """Ask the store whether the lease is still ours.

        Raises:
            LeaseLost: It ran out without renewal, was released, forgotten, or taken over.
            StoreUnavailable: The store does not answer.
        """
        if self._lost or self._stop.is_set():
            raise self._lost_error("it was released or taken over")
        if time.monotonic() - self._renewed > self._record.ttl_seconds:
            raise self._lost_error("it could not be renewed in time")
        held = self._book.newest(self.scope)
        if held is None or held.record.claim != self._record.claim or held.record.released:
            self._lost = True
            raise self._lost_error(f"{held.record.owner} has it now" if held else "it was removed")

    def _lost_error(self, why: str) -> LeaseLost:
        return LeaseLost(f"the lease on {self.scope} is lost: {why}", hint="nothing was committed; run it again")

    def renew(self) -> None:
        """Renew now.

        Raises:
            LeaseLost: It is ours no more.
            StoreUnavailable: The store does not answer.
        """
        self.check()
        self._book.write(self.scope, self.token, self._record, create=False)
        self._renewed = time.monotonic()

    def _keep(self) -> None:
        while not self._stop.wait(self._record.ttl_seconds / 4):
            try:
                self.renew()
            except LeaseLost:
                return
            except HvBackupError:
                continue  # the next try may do; `check` says when it is too late

    def release(self) -> None:
        """Give the lease back; what is lost already is left alone. Never raises for a store that is gone."""
        if self._stop.is_set():
            return
        with contextlib.suppress(HvBackupError):
            self.check()
            self._stop.set()
            self._thread.join()
            self._book.write(self.scope, self.token, msgspec.structs.replace(self._record, released=True), create=False)
        self._stop.set()

    def __enter__(self) -> Lease:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _locked(scope: str, held: Held | None, age: float) -> RepositoryLocked:
    if held is None:
        return RepositoryLocked(f"somebody took {scope} at the same moment", hint="try again")
    return RepositoryLocked(
        f"{scope} is in use by {held.record.owner} since {held.record.taken_at}, renewed {max(age, 0):.0f} s ago",
        hint=f"wait for it; or, when it is surely dead: hvbackup repository forget-lease {scope!r}",
    )
