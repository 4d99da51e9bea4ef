"""`vm_backup`: VMs of a host into a repository, a result for each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, Field

from hvbackup.models import JobStatus, RestorePoint
from hvbackup.playbook.modules.arguments import RepositoryArguments, Results
from hvbackup.playbook.modules.contract import ModuleContext, VmOutcome
from hvbackup.playbook.modules.definition import Failure, Module, Ran
from hvbackup.playbook.modules.opening import open_host, open_repository

if TYPE_CHECKING:
    from hvbackup.jobs.plan import BackupPlan, JobPlan
    from hvbackup.jobs.requests import BackupRequest
    from hvbackup.jobs.results import JobResult, RunResult


class VmBackupArguments(RepositoryArguments):
    """Which VMs, how, and where to."""

    include: list[str] = Field(
        default=[],
        description="VMs by name with C(*) and C(?), without case, by GUID, or with the method as in C(Online/*). "
        "All by default. A pattern that fits no VM is an error. Quote names that look like numbers.",
    )
    exclude: list[str] = Field(default=[], description="VMs to leave out; patterns as in O(include).")
    allow_offline: bool = Field(
        default=False,
        description="Allow VMs to be PAUSED (saved and resumed) while the shadow copy is made, where the method is "
        "Offline. Without it they are skipped.",
    )
    abort_on_error: bool = Field(default=False, description="Start no further VM after one has failed.")
    jobs: int = Field(default=1, ge=1, le=16, description="VMs copied at the same time.")
    lanes: int = Field(default=2, ge=1, le=8, description="Connections that read at the same time, for each VM.")
    compress: bool = Field(default=True, description="Let the host compress blocks before they travel.")
    shadow_set: Literal["each", "shared"] = Field(
        default="each",
        description="A shadow set for each VM, so that one fails alone, or one for all: one moment for all.",
    )
    attempts: int = Field(default=3, ge=1, le=10, description="Tries to create a shadow set.")
    longest_wait: float = Field(
        default=120.0, ge=0, description="Seconds between two tries; VSS wants 600 after time-outs and vetoes."
    )
    host_component: bool = Field(
        default=False, description="Keep the host's own Hyper-V configuration in each point too."
    )
    tags: list[str] = Field(
        default=[], description="Kept in the restore points; M(hvbackup.hyperv.repository) can keep by tag."
    )


class VmBackupRow(BaseModel):
    """What became of one VM."""

    vm_id: str = Field(description="Its GUID.")
    vm_name: str = Field(description="Its name.")
    status: Literal["ok", "warning", "failed", "skipped", "planned"] = Field(
        description="V(ok) a checked restore point; V(warning) the same, and something to look at; V(failed) none; "
        "V(skipped) not tried; V(planned) in check mode, would be backed up."
    )
    method: Literal["online", "offline", "unknown"] = Field(description="The method that was used, or is planned.")
    pauses: bool = Field(description="Whether the VM was, or would be, paused.")
    consistency: str | None = Field(
        default=None,
        description="What is in the point: V(guest) quiesced in the guest, V(saved-state), V(off), or V(crash) as "
        "after a power cut.",
    )
    point_id: str | None = Field(default=None, description="The restore point.")
    reason: str | None = Field(default=None, description="Why it failed or was skipped.")
    hint: str | None = Field(default=None, description="What to do about it.")
    error_type: str | None = Field(default=None, description="Class of the error.")
    warnings: list[str] = Field(default=[], description="What to look at.")
    read_bytes: int = Field(default=0, description="Bytes that were hashed on the host, or would be.")
    sent_bytes: int = Field(default=0, description="Bytes of the blocks that had to travel.")
    stored_bytes: int = Field(default=0, description="Bytes added to the repository.")
    started_at: str | None = Field(default=None, description="ISO 8601, UTC.")
    finished_at: str | None = Field(default=None, description="ISO 8601, UTC.")


class VmBackupResults(Results):
    """What became of all VMs."""

    vms: list[VmBackupRow] = Field(description="A row for each VM that was meant, in the order of the run.")
    summary: dict[str, int] = Field(
        description="How many VMs had each status: C(ok), C(warning), C(failed), C(skipped), C(planned)."
    )
    run_id: str | None = Field(default=None, description="Id of the run; none in check mode.")


def run(arguments: VmBackupArguments, context: ModuleContext) -> Ran:
    """Back up, or in check mode plan; one VM's failure leaves the others alone."""
    request = _request(arguments)
    with open_repository(arguments, context) as repository, open_host(context) as host:
        plan = host.plan_backup(request) if context.check or context.diff else None
        before = _newest(repository.points()) if plan is not None and context.diff else {}
        if plan is not None and context.check:
            return _ran([_planned(job) for job in plan.jobs], context, plan=plan, before=before)
        result = host.backup(repository, request, events=context.events, cancel=context.cancel)
    for text in result.warnings:
        _warn(context, text)
    return _ran([_done(job) for job in result.jobs], context, plan=plan, before=before, result=result)


def _request(arguments: VmBackupArguments) -> BackupRequest:
    from hvbackup.jobs.requests import BackupRequest, Grouping

    return BackupRequest(
        include=tuple(arguments.include),
        exclude=tuple(arguments.exclude),
        allow_offline=arguments.allow_offline,
        abort_on_error=arguments.abort_on_error,
        jobs=arguments.jobs,
        lanes=arguments.lanes,
        compress=arguments.compress,
        grouping=Grouping(arguments.shadow_set),
        create_attempts=arguments.attempts,
        longest_wait_seconds=arguments.longest_wait,
        host_component=arguments.host_component,
        tags=tuple(arguments.tags),
    )


def _planned(job: JobPlan) -> VmBackupRow:
    status: dict[str, Literal["planned", "skipped", "failed"]] = {"run": "planned", "skip": "skipped"}
    return VmBackupRow(
        vm_id=job.vm.id,
        vm_name=job.vm.name,
        status=status.get(job.action, "failed"),
        method=job.classification.method.value,
        pauses=job.pauses,
        reason=job.reason,
        hint=job.hint,
        warnings=list(job.warnings),
        read_bytes=job.size_bytes if job.action == "run" else 0,
    )


def _done(job: JobResult) -> VmBackupRow:
    error = job.error
    skipped = job.status is JobStatus.SKIPPED
    return VmBackupRow(
        vm_id=job.vm_id,
        vm_name=job.vm_name,
        status=job.status.value,
        method=job.method.value,
        pauses=job.consistency == "saved-state",
        consistency=job.consistency,
        point_id=job.point_id,
        reason=error.message if error else job.reason,
        hint=error.hint if error else next(iter(job.warnings), None) if skipped else None,
        error_type=error.type if error else None,
        warnings=[] if skipped else list(job.warnings),
        read_bytes=job.read_bytes,
        sent_bytes=job.sent_bytes,
        stored_bytes=job.stored_bytes,
        started_at=job.started_at,
        finished_at=job.finished_at,
    )


def _ran(
    rows: list[VmBackupRow],
    context: ModuleContext,
    *,
    plan: BackupPlan | None,
    before: dict[str, str],
    result: RunResult | None = None,
) -> Ran:
    for text in plan.warnings if plan is not None and context.check else ():
        _warn(context, text)
    counts = {
        name: sum(each.status == name for each in rows) for name in ("ok", "warning", "failed", "skipped", "planned")
    }
    gained = [each for each in rows if each.status in ("ok", "warning", "planned")]
    after = before | {each.vm_id: each.point_id or "a new restore point" for each in gained}
    return Ran(
        VmBackupResults(vms=rows, summary=counts, run_id=result.run_id if result else None),
        changed=bool(gained),
        outcomes=tuple(_outcome(each, context) for each in rows if each.status != "planned"),
        failure=_failure(rows, result),
        before=_lines(rows, before) if context.diff else "",
        after=_lines(rows, after) if context.diff else "",
    )


def _outcome(each: VmBackupRow, context: ModuleContext) -> VmOutcome:
    return VmOutcome(
        host=context.inventory_hostname,
        vm_id=each.vm_id,
        vm_name=each.vm_name,
        status=JobStatus(each.status),
        message=each.reason or next(iter(each.warnings), None),
    )


def _failure(rows: list[VmBackupRow], result: RunResult | None) -> Failure | None:
    failed = [each for each in rows if each.status == "failed"]
    if result is not None and result.cancelled:
        return Failure("stopped by the user; what was begun has been cleaned up", 130)
    if not failed:
        return None
    tried = sum(each.status != "skipped" for each in rows)
    told = "; ".join(f"{each.vm_name}: {each.reason}" for each in failed)
    code = result.exit_code if result is not None else 1 if len(failed) == tried else 3
    return Failure(f"{len(failed)} of {tried} VMs failed: {told}", code, failed[0].hint if len(failed) == 1 else None)


def _newest(points: Iterable[RestorePoint]) -> dict[str, str]:
    return {point.vm_id: point.id for point in points}


def _lines(rows: list[VmBackupRow], points: dict[str, str]) -> str:
    return "".join(f"{each.vm_name} ({each.vm_id}): {points.get(each.vm_id, 'no restore point')}\n" for each in rows)


def _warn(context: ModuleContext, text: str) -> None:
    from hvbackup.events import Note

    context.events(Note(host=context.inventory_hostname, text=text, level="warning"))


MODULE = Module(
    name="vm_backup",
    summary="Back up VMs of a Hyper-V host through VSS",
    description="""\
Backs up virtual machines of a Hyper-V host into a repository, each with a result of its own: one that fails leaves the
others alone. Nothing is installed on the host, and what is needed there is removed again.

The result is C(changed) exactly when at least one restore point was made. Every run makes new points, so the module is
not idempotent; blocks that the repository has already are neither sent nor stored again.

The task fails when at least one VM failed; the results of all VMs are kept in RV(vms). Skipped VMs do not fail it. A
C(rescue) makes the play go on, but no backup.

All VMs of a host are backed up in one task: raise O(jobs) rather than looping over VMs.
""",
    arguments=VmBackupArguments,
    results=VmBackupResults,
    run=run,
    examples="""\
- name: Back up all VMs that keep running meanwhile
  hvbackup.hyperv.vm_backup:
    repository: /srv/hvbackup
    passphrase: "{{ repository_passphrase }}"
    jobs: 2
  register: backup

- name: Back up two VMs, and pause them if need be
  hvbackup.hyperv.vm_backup:
    repository: s3://backups/hyperv
    passphrase_from: keyring:hvbackup/repository
    include: [web01, "2024"]
    allow_offline: true
    tags: [before-upgrade]
""",
)
