"""What runs have left on a host, found and removed: by the next run, or by `hvbackup cleanup`.

Two records tell what there is. The journal on this machine: its lock says for certain whether the run still lives. The
markers on the host: they tell of runs of other machines too, of which nobody here can know whether they live; those
are removed only when it is asked for by name or by age.
"""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import msgspec

from hvbackup.errors import HvBackupError
from hvbackup.events import EventSink, Note, discard
from hvbackup.jobs.journal import AbandonedRun, SideEffect, abandoned_runs, run_is_alive, workstation
from hvbackup.jobs.staging import PART
from hvbackup.models import HostFacts, Model
from hvbackup.remote.calls import GetHost, GetLeftover, Leftover, RemoveFile
from hvbackup.remote.session import Transport
from hvbackup.repository.repository import Repository
from hvbackup.vss.session import remove_leftover

#: A lease that nobody has renewed for so long has run out (`hvbackup.repository.lease`: 15 minutes and a margin).
_LEASE_SECONDS = 3600.0


class FoundLeftover(Model, frozen=True, kw_only=True):
    """Something of hvbackup on a host.

    Attributes:
        owner: `this machine`, the name of another machine, or `unknown`.
        alive: True when its run is at work, False when not, None when nobody here can know.
        due: Whether it is to be removed, by what was asked for.
    """

    scratch: str
    run_id: str
    owner: str
    created_at: str
    alive: bool | None
    due: bool = False
    removed: bool = False
    error: str | None = None


class CleanupResult(Model, frozen=True, kw_only=True):
    """What was found on a host, and what became of it."""

    host: str
    leftovers: tuple[FoundLeftover, ...] = ()
    problems: tuple[str, ...] = ()


def clean_abandoned(
    transport: Transport,
    *,
    repository: Repository | None = None,
    events: EventSink = discard,
    folder: Path | None = None,
) -> tuple[str, ...]:
    """Remove what dead runs of this machine left on the host; return warnings about what could not be removed.

    Costs nothing when the journal knows of nothing.

    Args:
        repository: Leases that they left in it are released too; those in others stay noted until they have run out.
    """
    problems: list[str] = []
    for run in abandoned_runs(transport.host, folder, port=transport.port):
        try:
            for number, effect in list(run.effects.items()):
                if not effect.is_on(transport.host, transport.port):
                    continue
                try:
                    done = _undo(transport, repository, run, effect)
                    if done is None:
                        continue
                    run.undone(number)
                    problem = effect.kind == "build"
                except HvBackupError as error:
                    done, problem = f"{_name(effect)} of run {run.run_id} could not be removed: {error}", True
                events(Note(host=transport.host, text=done, level="warning" if problem else "info"))
                if problem:
                    problems.append(done)
        finally:
            run.close()
    return tuple(problems)


def clean_host(
    transport: Transport,
    *,
    run_id: str | None = None,
    older_than: timedelta | None = None,
    dry_run: bool = False,
    events: EventSink = discard,
    folder: Path | None = None,
) -> CleanupResult:
    """Find everything of hvbackup on a host and remove what is certainly, or by wish, left over.

    Args:
        run_id: Remove what this run left, whoever started it, unless it is alive on this machine.
        older_than: Remove what is older than this, whoever started it, unless it is alive on this machine.
        dry_run: Only look.
    """
    problems = [] if dry_run else list(clean_abandoned(transport, events=events, folder=folder))
    facts = transport.call(GetHost()).data
    found = []
    for leftover in transport.call(GetLeftover()).data.leftovers:
        each = _describe(leftover, folder)
        each = msgspec.structs.replace(each, due=_may_go(each, run_id, older_than, facts.time))
        if each.due and not dry_run:
            each = _remove(transport, facts, each)
            if each.error:
                problems.append(each.error)
        found.append(each)
    return CleanupResult(host=transport.host, leftovers=tuple(found), problems=tuple(problems))


def _undo(transport: Transport, repository: Repository | None, run: AbandonedRun, effect: SideEffect) -> str | None:
    """Undo one effect and return what was done; None when it must stay noted."""
    if effect.kind == "scratch" and effect.scratch:
        remove_leftover(transport, transport.call(GetHost()).data, effect.scratch)
    elif effect.kind == "files":
        transport.call(RemoveFile(files=effect.files))
    elif effect.kind == "build":
        # Complete files, and nobody here can know whether they are a VM's by now, on this host or, in a cluster, on
        # another one. So they are never removed.
        transport.call(RemoveFile(files=tuple(path + PART for path in effect.files)))
        return (
            f"run {run.run_id} died while it made a VM. Whether it is there, `hvbackup vms` tells; its files were "
            f"left alone: {', '.join(effect.files)}"
        )
    elif effect.kind == "lease":
        if repository is not None and repository.config.id == effect.repository and effect.scope:
            repository.forget_lease(effect.scope, owner=effect.owner)
        elif time.time() - run.last_words < _LEASE_SECONDS:
            return None  # the next job with this repository gives it back
    return f"removed what run {run.run_id} had left: {_name(effect)}"


def _name(effect: SideEffect) -> str:
    if effect.kind == "lease":
        return f"the lease {effect.scope}"
    return effect.scratch or f"{len(effect.files)} file(s) of an unfinished restore"


def _describe(leftover: Leftover, folder: Path | None) -> FoundLeftover:
    marker = leftover.marker or {}
    machine = marker.get("workstation") or {}
    run_id = str(marker.get("runId") or "")
    ours = machine.get("id") == workstation(folder)["id"]
    return FoundLeftover(
        scratch=leftover.scratch,
        run_id=run_id,
        owner="this machine" if ours else str(machine.get("name") or "unknown"),
        created_at=leftover.created_at,
        alive=run_is_alive(run_id, folder) if ours else None,
    )


def _may_go(found: FoundLeftover, run_id: str | None, older_than: timedelta | None, now: str) -> bool:
    if found.alive:
        return False
    if found.alive is False:
        return True
    if run_id is not None and found.run_id == run_id:
        return True
    if older_than is None:
        return False
    created, present = _moment(found.created_at), _moment(now)
    return created is not None and present is not None and present - created > older_than


def _moment(text: str) -> datetime | None:
    """Read a time of the host; both are by the host's clock, whatever this machine's says."""
    plain = re.sub(r"\.\d+", "", text).replace("Z", "+00:00")
    try:
        moment = datetime.fromisoformat(plain)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def _remove(transport: Transport, facts: HostFacts, found: FoundLeftover) -> FoundLeftover:
    try:
        remove_leftover(transport, facts, found.scratch)
    except HvBackupError as error:
        return msgspec.structs.replace(found, error=str(error))
    return msgspec.structs.replace(found, removed=True)
