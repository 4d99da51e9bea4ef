"""What runs have left on a host, found and removed: by the next run, or by `hvbackup cleanup`.

Two records tell what there is. The journal on this machine: its lock says for certain whether the run still lives. The
markers on the host: they tell of runs of other machines too, of which nobody here can know whether they live; those
are removed only when it is asked for by name or by age.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

from hvbackup.errors import HvBackupError
from hvbackup.events import EventSink, Note, discard
from hvbackup.jobs.journal import AbandonedRun, SideEffect, abandoned_runs, run_is_alive, workstation
from hvbackup.models import HostFacts, Model
from hvbackup.remote.calls import GetHost, GetLeftover, Leftover, RemoveFile
from hvbackup.remote.session import Transport
from hvbackup.repository.repository import Repository
from hvbackup.vss.session import remove_leftover


class FoundLeftover(Model, frozen=True, kw_only=True):
    """Something of hvbackup on a host.

    Attributes:
        owner: `this machine`, the name of another machine, or `unknown`.
        alive: True when its run is at work, False when not, None when nobody here can know.
    """

    scratch: str
    run_id: str
    owner: str
    created_at: str
    alive: bool | None
    removed: bool = False
    error: str | None = None


class CleanupResult(Model, frozen=True, kw_only=True):
    """What was found on a host, and what became of it; `removed_files` are those of unfinished restores."""

    host: str
    leftovers: tuple[FoundLeftover, ...] = ()
    removed_files: tuple[str, ...] = ()
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
        repository: Leases that they left in it are released too; those in others run out by themselves.
    """
    problems: list[str] = []
    for run in abandoned_runs(transport.host, folder):
        try:
            for number, effect in list(run.effects.items()):
                if effect.host.casefold() != transport.host.casefold():
                    continue
                problem = _undo(transport, repository, run, number, effect)
                text = problem or f"removed what run {run.run_id} had left: {_name(effect)}"
                events(Note(host=transport.host, text=text, level="warning" if problem else "info"))
                if problem:
                    problems.append(problem)
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
        if not dry_run and _may_go(each, run_id, older_than):
            each = _remove(transport, facts, each)
            if each.error:
                problems.append(each.error)
        found.append(each)
    return CleanupResult(host=transport.host, leftovers=tuple(found), problems=tuple(problems))


def _undo(
    transport: Transport, repository: Repository | None, run: AbandonedRun, number: int, effect: SideEffect
) -> str | None:
    try:
        if effect.kind == "scratch" and effect.scratch:
            remove_leftover(transport, transport.call(GetHost()).data, effect.scratch)
        elif effect.kind == "files":
            transport.call(RemoveFile(files=effect.files))
        elif effect.kind == "lease" and effect.scope and repository and repository.config.id == effect.repository:
            repository.forget_lease(effect.scope, owner=effect.owner)
        run.undone(number)
    except HvBackupError as error:
        return f"{_name(effect)} of run {run.run_id} could not be removed: {error}"
    return None


def _name(effect: SideEffect) -> str:
    if effect.kind == "lease":
        return f"the lease {effect.scope}"
    return effect.scratch or f"{len(effect.files)} file(s) of an unfinished restore"


def _describe(leftover: Leftover, folder: Path | None) -> FoundLeftover:
    marker = leftover.marker or {}
    machine = marker.get("workstation") or {}
    run_id = str(marker.get("runId") or "")
    ours = machine.get("id") == workstation()["id"]
    return FoundLeftover(
        scratch=leftover.scratch,
        run_id=run_id,
        owner="this machine" if ours else str(machine.get("name") or "unknown"),
        created_at=leftover.created_at,
        alive=run_is_alive(run_id, folder) if ours else None,
    )


def _may_go(found: FoundLeftover, run_id: str | None, older_than: timedelta | None) -> bool:
    if found.alive:
        return False
    if found.alive is False:
        return True
    if run_id is not None and found.run_id == run_id:
        return True
    if older_than is None:
        return False
    try:
        created = datetime.fromisoformat(found.created_at.replace("Z", "+00:00"))
    except ValueError:
        return False
    return datetime.now(timezone.utc) - created > older_than


def _remove(transport: Transport, facts: HostFacts, found: FoundLeftover) -> FoundLeftover:
    import msgspec

    try:
        remove_leftover(transport, facts, found.scratch)
    except HvBackupError as error:
        return msgspec.structs.replace(found, error=str(error))
    return msgspec.structs.replace(found, removed=True)
