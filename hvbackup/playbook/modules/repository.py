"""`repository`: make a repository, prune it, free its space, check it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, Field

from hvbackup.errors import ConfigurationError, InvalidRequest, RepositoryNotFound, StoreUnavailable
from hvbackup.playbook.modules.arguments import RepositoryArguments, Results
from hvbackup.playbook.modules.contract import ModuleContext
from hvbackup.playbook.modules.definition import Failure, Module, Ran
from hvbackup.playbook.modules.opening import open_place, open_repository, passphrase
from hvbackup.playbook.modules.rows import row

if TYPE_CHECKING:
    from hvbackup.repository.retention import RetentionPolicy


class RepositoryModuleArguments(RepositoryArguments):
    """What is done with it."""

    state: Literal["present", "prune", "collect", "check"] = Field(
        default="present",
        description="V(present) makes it if there is none, and opens it; V(prune) deletes the restore points that no "
        "C(keep_) rule keeps; V(collect) frees the space of blocks that no restore point needs; V(check) proves that "
        "everything is there and fits together.",
    )
    zstd_level: int = Field(
        default=3, ge=1, le=19, description="With V(present), compression of a new one: 1 is fast, 19 small."
    )
    keep_last: int = Field(default=0, ge=0, description="With V(prune), keep this many newest points of each VM.")
    keep_hourly: int = Field(default=0, ge=0, description="With V(prune), keep one for each of this many hours.")
    keep_daily: int = Field(default=0, ge=0, description="With V(prune), keep one for each of this many days.")
    keep_weekly: int = Field(default=0, ge=0, description="With V(prune), keep one for each of this many weeks.")
    keep_monthly: int = Field(default=0, ge=0, description="With V(prune), keep one for each of this many months.")
    keep_yearly: int = Field(default=0, ge=0, description="With V(prune), keep one for each of this many years.")
    keep_within: str | None = Field(
        default=None,
        description="With V(prune), keep all that are at most this much older than the newest: V(30d), V(12h).",
    )
    keep_tags: list[str] = Field(default=[], description="With V(prune), keep all with one of these tags.")
    vm: str | None = Field(default=None, description="With V(prune), only points of this VM, by name or GUID.")
    from_host: str | None = Field(default=None, description="With V(prune), only points of this host.")
    timezone: str | None = Field(
        default=None,
        description="With V(prune), the calendar, such as V(Europe/Berlin) or V(UTC); by default that of this machine.",
    )
    grace: str = Field(default="24h", description="With V(collect), how long a pack is condemned before it goes.")
    read_data: bool = Field(default=False, description="With V(check), read every byte, not only the structure.")
    percent: float = Field(
        default=100.0, gt=0, le=100, description="With O(read_data=true), read only this share of the packs, by chance."
    )
    since: str | None = Field(
        default=None, description="With O(read_data=true), read only what was stored in this last time, such as V(7d)."
    )


class DecisionRow(BaseModel):
    """What became of one restore point."""

    point_id: str = Field(description="The restore point.")
    host: str = Field(description="Its host.")
    vm_name: str = Field(description="Its VM.")
    time: str = Field(description="When the VM was as the point has it, in the calendar of the policy.")
    kept_by: list[str] = Field(description="The rules that keep it; empty when it goes.")


class RepositoryResults(Results):
    """What was done, or in check mode would be; what does not belong to the state is none or empty."""

    location: str = Field(description="The repository.")
    created: bool = Field(default=False, description="Whether it was made.")
    kept: list[DecisionRow] = Field(default=[], description="Restore points that stay, after V(prune).")
    removed: list[DecisionRow] = Field(default=[], description="Restore points that are gone, after V(prune).")
    collected: dict[str, Any] | None = Field(
        default=None,
        description="After V(collect): C(packs), C(pack_bytes), C(needed_bytes), C(condemned_bytes), C(deleted_bytes), "
        "C(waiting_bytes), C(next_at) and others.",
    )
    problems: list[dict[str, Any]] = Field(
        default=[], description="After V(check): what is wrong, each with C(object), C(text) and the hurt C(files)."
    )
    points: int | None = Field(default=None, description="After V(check): restore points that were looked at.")
    read_bytes: int | None = Field(default=None, description="After V(check): bytes that were read of the packs.")


def run(arguments: RepositoryModuleArguments, context: ModuleContext) -> Ran:
    """Do what the state says; nothing connects to the host."""
    states: dict[str, Callable[[RepositoryModuleArguments, ModuleContext], Ran]] = {
        "present": _present,
        "prune": _prune,
        "collect": _collect,
        "check": _check,
    }
    return states[arguments.state](arguments, context)


def _present(arguments: RepositoryModuleArguments, context: ModuleContext) -> Ran:
    from hvbackup.repository.repository import Repository

    place = arguments.repository
    try:
        with open_repository(arguments, context) as there:
            return Ran(RepositoryResults(location=there.location))
    except (RepositoryNotFound, StoreUnavailable) as error:
        if isinstance(error, StoreUnavailable) and ("://" in place or Path(place).exists()):
            raise
        secret = passphrase(arguments)
    if not context.check:
        store = open_place(arguments, context, create=True)
        with Repository.init(store, passphrase=secret, zstd_level=arguments.zstd_level) as made:
            place = made.location
    results = RepositoryResults(location=place, created=True)
    return Ran(results, changed=True, before="no repository\n", after=f"a repository at {place}\n")


def _prune(arguments: RepositoryModuleArguments, context: ModuleContext) -> Ran:
    policy = _policy(arguments)
    with open_repository(arguments, context) as repository:
        plan = repository.prune(
            policy,
            zone=_zone(arguments.timezone),
            dry_run=context.check,
            host=arguments.from_host,
            vm=arguments.vm,
            events=context.events,
            cancel=context.cancel,
        )
        location = repository.location
    told = [(each, DecisionRow.model_validate({**row(each), "kept_by": list(each.kept_by)})) for each in plan.decisions]
    results = RepositoryResults(
        location=location,
        kept=[shown for each, shown in told if each.kept],
        removed=[shown for each, shown in told if not each.kept],
    )
    lines = {each.point_id: f"{each.point_id}: {each.vm_name} of {each.host}\n" for each in plan.decisions}
    return Ran(
        results,
        changed=bool(plan.removed),
        before="".join(lines.values()),
        after="".join(lines[each.point_id] for each in plan.kept),
    )


def _policy(arguments: RepositoryModuleArguments) -> RetentionPolicy:
    from hvbackup.jobs.quantities import time_span
    from hvbackup.repository.retention import RetentionPolicy

    policy = RetentionPolicy(
        last=arguments.keep_last,
        hourly=arguments.keep_hourly,
        daily=arguments.keep_daily,
        weekly=arguments.keep_weekly,
        monthly=arguments.keep_monthly,
        yearly=arguments.keep_yearly,
        within=time_span(arguments.keep_within) if arguments.keep_within is not None else None,
        tags=tuple(arguments.keep_tags),
    )
    if policy.empty:
        raise ConfigurationError(
            "no rule says what to keep", hint="Such as keep_last: 3, keep_daily: 7, keep_weekly: 4, keep_monthly: 12."
        )
    return policy


def _zone(name: str | None) -> tzinfo:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    from hvbackup.jobs.local_zone import LocalZone

    if name is None:
        return LocalZone()
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidRequest(f"{name!r} is no time zone known here", hint="Such as Europe/Berlin or UTC.") from None


def _collect(arguments: RepositoryModuleArguments, context: ModuleContext) -> Ran:
    from hvbackup.jobs.quantities import time_span

    seconds = time_span(arguments.grace).total_seconds()
    with open_repository(arguments, context) as repository:
        report = repository.collect(
            grace_seconds=seconds, dry_run=context.check, events=context.events, cancel=context.cancel
        )
        location = repository.location
    after = report.pack_bytes - report.deleted_bytes + report.copied_bytes
    waited = report.waiting_bytes - report.condemned_bytes + report.deleted_bytes
    return Ran(
        RepositoryResults(location=location, collected=row(report)),
        changed=bool(report.deleted_packs or report.condemned_packs),
        before=f"{report.pack_bytes} bytes of packs, {waited} of them condemned\n",
        after=f"{after} bytes of packs, {report.waiting_bytes} of them condemned\n",
    )


def _check(arguments: RepositoryModuleArguments, context: ModuleContext) -> Ran:
    from hvbackup.jobs.quantities import time_span

    since = None if arguments.since is None else datetime.now(timezone.utc) - time_span(arguments.since)
    with open_repository(arguments, context) as repository:
        report = repository.check(
            read_data=arguments.read_data,
            percent=arguments.percent,
            since=since,
            events=context.events,
            cancel=context.cancel,
        )
        location = repository.location
    problems = row(report.problems)
    failure = None
    if problems:
        first = report.problems[0]
        failure = Failure(
            f"{len(problems)} problem(s), the first: {first.object}: {first.text}",
            1,
            "`hvbackup repository repair --dry-run` shows what can be saved.",
        )
    results = RepositoryResults(
        location=location, problems=problems, points=report.points, read_bytes=report.bytes_read
    )
    return Ran(results, failure=failure)


MODULE = Module(
    name="repository",
    summary="Make, prune, collect or check a repository",
    description="""\
Looks after a repository, on this machine (the control node) only: the host of the task is not connected to, so that it
runs on C(localhost) as well, or once for all hosts with C(run_once).

Pruning judges each VM by itself; a point stays if any rule keeps it. Pinned points, the newest point of a VM and its
last verified one always stay. Space comes back with O(state=collect): packs that nobody needs are condemned first, and
deleted by a later run when O(grace) has passed. Do not prune after a backup that failed.

A check that finds something fails the task, with all that it found in RV(problems).
""",
    arguments=RepositoryModuleArguments,
    results=RepositoryResults,
    run=run,
    examples="""\
- name: There is a repository
  hvbackup.hyperv.repository:
    repository: /srv/hvbackup
    passphrase: "{{ repository_passphrase }}"
  run_once: true

- name: Keep a week of days, a month of weeks, a year of months
  hvbackup.hyperv.repository:
    repository: /srv/hvbackup
    passphrase: "{{ repository_passphrase }}"
    state: prune
    keep_daily: 7
    keep_weekly: 4
    keep_monthly: 12
  run_once: true
""",
    needs_host=False,
)
