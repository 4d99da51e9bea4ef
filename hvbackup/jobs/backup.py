"""A backup run: one job for each VM, each with its own true status.

For each shadow set: leases, journal, shadow set, then its jobs, and on every path the set is deleted again. Only one
shadow set of a host can be created at a time (VSS_E_SNAPSHOT_SET_IN_PROGRESS), so creation is serialised; copying is
not.
"""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TypeAlias

import msgspec

from hvbackup.errors import BackupError, CallTimeout, ConnectionLost, HostUnreachable, HvBackupError
from hvbackup.events import Cancellation, EventSink, JobFinished, Note, StepFinished, StepStarted, discard
from hvbackup.jobs.cleanup import clean_abandoned
from hvbackup.jobs.clock import new_run_id, now_text
from hvbackup.jobs.host_view import HostView
from hvbackup.jobs.job_lanes import JobLanes, LanePool
from hvbackup.jobs.job_log import JobLog
from hvbackup.jobs.journal import Journal, SideEffect, marker
from hvbackup.jobs.listener import Listener
from hvbackup.jobs.outcome import ABORTED, STOPPED, not_run, result_of, skipped
from hvbackup.jobs.plan import BackupPlan, JobPlan
from hvbackup.jobs.requests import BackupRequest
from hvbackup.jobs.results import JobResult, RunResult
from hvbackup.jobs.run_record import save_run
from hvbackup.jobs.vm_copy import CopiedVm, ShadowView, VmCopy
from hvbackup.jobs.vm_lease import vm_lease
from hvbackup.models import JobStatus
from hvbackup.remote.calls import GetVm
from hvbackup.remote.session import Transport
from hvbackup.repository.lease import Lease
from hvbackup.repository.repository import Repository
from hvbackup.vss.retry import RetryPolicy
from hvbackup.vss.session import (
    ShadowSetRequest,
    create_shadow_set,
    list_writers,
    remove_leftover,
    scratch_folder,
)
from hvbackup.vss.writers import require_hyperv_writer

#: Seconds between the tries to remove a shadow set over a connection that breaks: a shadow copy that stays costs room.
_REMOVAL_WAITS = (2.0, 10.0)

_Outcomes: TypeAlias = dict[str, CopiedVm | BaseException]


def run_backup(
    transport: Transport,
    repository: Repository,
    request: BackupRequest,
    *,
    events: EventSink = discard,
    cancel: Cancellation | None = None,
    state_folder: Path | None = None,
) -> RunResult:
    """Back up the VMs that the request means; return one result for each.

    What an earlier run of this machine left on the host is removed first. The result is kept on this machine, so that
    the failed jobs can be run again.

    Raises:
        RemoteError, WriterUnavailable, InvalidRequest: Before any job has begun. From then on every error is the
            result of its job.
    """
    cancel = cancel or Cancellation()
    listener = Listener(events, cancel)
    left = clean_abandoned(transport, repository=repository, events=listener, folder=state_folder)
    listener(StepStarted(host=transport.host, step="look", text="looking at the host, its VMs and its writers"))
    view = HostView(transport, cancel=cancel)
    plan = view.plan(request, transport.host)
    for text in plan.warnings:
        listener(Note(host=transport.host, text=text, level="warning"))
    listener(StepFinished(host=transport.host, step="look"))
    run = _Run(transport, repository, request, view, plan, listener, cancel, state_folder)
    result = _kept(request, run.run((*left, *plan.warnings)), listener, state_folder)
    listener.raise_failure()
    return result


def _kept(request: BackupRequest, result: RunResult, events: EventSink, folder: Path | None) -> RunResult:
    """Keep the record of a run; what is done is done, whether or not this machine can write it down."""
    try:
        save_run(request, result, folder)
    except OSError as error:
        text = f"the record of the run was not kept, so --rerun does not know it: {error.strerror or error}"
        events(Note(host=result.host, text=text, level="warning"))
        return msgspec.structs.replace(result, warnings=(*result.warnings, text))
    return result


class _Run:
    """The jobs of one invocation."""

    def __init__(
        self,
        transport: Transport,
        repository: Repository,
        request: BackupRequest,
        view: HostView,
        plan: BackupPlan,
        events: EventSink,
        cancel: Cancellation,
        folder: Path | None,
    ) -> None:
        self._transport = transport
        self._repository = repository
        self._request = request
        self._view = view
        self._plan = plan
        self._events = events
        self._cancel = cancel
        self._id = new_run_id()
        self._marker = marker(self._id, "backup", folder)
        self._asked_at = now_text()
        self._creation = threading.Lock()
        self._numbers = itertools.count(1)
        self._aborted = threading.Event()
        self._folder = folder
        self._results: dict[str, JobResult] = {}

    def run(self, warnings: tuple[str, ...]) -> RunResult:
        """Run every shadow set of the plan; the host is as it was, or the journal says what is left."""
        for job in self._plan.jobs:
            if job.action != "run":
                self._record(not_run(job))
        workers = max(1, self._request.jobs)
        with (
            Journal(self._id, self._folder) as journal,
            LanePool(self._transport, reading=self._request.lanes) as pool,
            ThreadPoolExecutor(max_workers=workers, thread_name_prefix="set") as threads,
        ):
            for future in [threads.submit(self._run_set, ids, journal, pool) for ids in self._plan.sets]:
                future.result()
        return RunResult(
            run_id=self._id,
            host=self._transport.host,
            started_at=self._asked_at,
            finished_at=now_text(),
            jobs=tuple(self._results[job.vm.id] for job in self._plan.jobs),
            cancelled=self._cancel.is_set,
            warnings=(*warnings, *self._look_again()),
        )

    # ------------------------------------------------------------ one shadow set

    def _run_set(self, vm_ids: tuple[str, ...], journal: Journal, pool: LanePool) -> None:
        jobs = [self._plan.job(vm_id) for vm_id in vm_ids]
        if self._cancel.is_set or self._aborted.is_set():
            for job in jobs:
                self._record(skipped(job, STOPPED if self._cancel.is_set else ABORTED))
            return
        started = now_text()
        logs = {job.vm.id: JobLog(self._transport.host, job.vm, self._events) for job in jobs}
        outcomes: _Outcomes = {}
        try:
            with ExitStack() as leases:
                held = self._take_leases(jobs, leases, outcomes, journal)
                if held:
                    self._with_shadow_set(held, logs, outcomes, journal, pool)
        except BaseException as error:  # noqa: BLE001 - the end of the fan-out: every error is the result of its jobs
            for job in jobs:
                if isinstance(outcomes.setdefault(job.vm.id, error), CopiedVm):
                    logs[job.vm.id].warning(f"after the restore point was written: {type(error).__name__}: {error}")
        for job in jobs:
            result = result_of(job, outcomes[job.vm.id], logs[job.vm.id], started)
            if result.status is JobStatus.FAILED and self._request.abort_on_error:
                self._aborted.set()
            self._record(result)

    def _take_leases(
        self, jobs: list[JobPlan], leases: ExitStack, outcomes: _Outcomes, journal: Journal
    ) -> dict[str, Lease]:
        held = {}
        for job in jobs:
            lease = vm_lease(self._repository, journal, host=self._transport.host, vm_id=job.vm.id)
            try:
                held[job.vm.id] = leases.enter_context(lease)
            except HvBackupError as error:
                outcomes[job.vm.id] = error
        return held

    def _with_shadow_set(
        self,
        leases: dict[str, Lease],
        logs: dict[str, JobLog],
        outcomes: _Outcomes,
        journal: Journal,
        pool: LanePool,
    ) -> None:
        jobs = [self._plan.job(vm_id) for vm_id in leases]
        scratch = scratch_folder(self._view.facts, f"{self._id}-{next(self._numbers)}")
        host, port = self._transport.host, self._transport.port
        number = journal.begin(SideEffect(kind="scratch", host=host, port=port, scratch=scratch))
        try:
            with pool.borrowed() as lanes:
                jobs = self._planned_again(lanes.control, jobs, outcomes)
                if not jobs:
                    return
                view = self._create(lanes.control, scratch, jobs, logs)
                if len(jobs) == 1:
                    self._copy(jobs[0], view, leases[jobs[0].vm.id], logs[jobs[0].vm.id], lanes, outcomes)
                    return
            self._copy_side_by_side(view, jobs, leases, logs, outcomes, pool)
        finally:
            left = self._remove(scratch, list(leases), logs, pool)
            if left is None:
                journal.undone(number)
            else:
                for vm_id in leases:
                    logs[vm_id].warning(left)

    def _planned_again(self, control: Transport, jobs: list[JobPlan], outcomes: _Outcomes) -> list[JobPlan]:
        """Plan from the VMs as they are now: in a long run hours may lie between the first look and this set."""
        ids = tuple(job.vm.id for job in jobs)
        now = {vm.id: vm for vm in control.call(GetVm(ids=ids), cancel=self._cancel).data.vms}
        fresh = []
        for job in jobs:
            try:
                fresh.append(self._view.plan_again(job, now.get(job.vm.id), self._request))
            except BackupError as error:
                outcomes[job.vm.id] = error
        return fresh

    def _create(self, control: Transport, scratch: str, jobs: list[JobPlan], logs: dict[str, JobLog]) -> ShadowView:
        needed = dict.fromkeys(volume for job in jobs for volume in job.volumes)
        chosen = {job.vm.id for job in jobs}
        others = [vm_id for vm_id in (*self._plan.other_vm_ids, *self._plan.running_ids) if vm_id not in chosen]
        request = ShadowSetRequest(
            vm_ids=tuple(job.vm.id for job in jobs),
            other_vm_ids=tuple(dict.fromkeys(others)),
            other_writer_ids=tuple(w.id for w in self._view.writers if w.id != self._view.writer.id),
            volumes=tuple(needed),
            host_component=self._request.host_component,
        )
        with self._creation:
            self._cancel.check()
            for job in jobs:
                pause = "; the VM is paused for it" if job.pauses else ""
                logs[job.vm.id].step("shadow", f"creating the shadow set of {len(needed)} volume(s){pause}")
            shadow = create_shadow_set(
                control,
                self._view.facts,
                request,
                scratch=scratch,
                marker=self._marker,
                policy=RetryPolicy(
                    attempts=self._request.create_attempts, longest_wait_seconds=self._request.longest_wait_seconds
                ),
                events=self._events,
                cancel=self._cancel,
            )
        return ShadowView(mounts=shadow.mounts, created_at=shadow.created_at, evidence=shadow.evidence)

    def _copy_side_by_side(
        self,
        view: ShadowView,
        jobs: list[JobPlan],
        leases: dict[str, Lease],
        logs: dict[str, JobLog],
        outcomes: _Outcomes,
        pool: LanePool,
    ) -> None:
        def copy(job: JobPlan) -> None:
            try:
                with pool.borrowed() as lanes:
                    self._copy(job, view, leases[job.vm.id], logs[job.vm.id], lanes, outcomes)
            except BaseException as error:  # noqa: BLE001 - the result of this job, not of its neighbours
                outcomes[job.vm.id] = error

        with ThreadPoolExecutor(max_workers=max(1, self._request.jobs), thread_name_prefix="vm") as threads:
            list(threads.map(copy, jobs))

    def _copy(
        self,
        job: JobPlan,
        view: ShadowView,
        lease: Lease,
        log: JobLog,
        lanes: JobLanes,
        outcomes: _Outcomes,
    ) -> None:
        self._cancel.check()
        for text in job.warnings:
            log.warning(text)
        host = self._view.facts.computer_name
        copy = VmCopy(
            job,
            self._view.facts,
            view,
            lanes=lanes,
            compress=self._request.compress,
            log=log,
            cancel=self._cancel,
        )
        writer = self._repository.begin(host=host, vm_id=job.vm.id, vm_name=job.vm.name, lease=lease)
        try:
            outcomes[job.vm.id] = copy.into(
                writer, host=host, run_id=self._id, asked_at=self._asked_at, tags=self._request.tags
            )
        except BaseException:
            writer.abort()
            raise

    def _remove(self, scratch: str, vm_ids: list[str], logs: dict[str, JobLog], pool: LanePool) -> str | None:
        """Delete the shadow set and the scratch folder; return what is left when it cannot be done."""
        for vm_id in vm_ids:
            logs[vm_id].step("remove", "deleting the shadow set and the scratch folder")
        for wait in (*_REMOVAL_WAITS, None):
            try:
                # Lanes that broke are not in the pool any more, so this is a sound one or a new one. And no `cancel`:
                # who stops a run wants the host as it was. Every step of the removal may be done twice.
                with pool.borrowed() as lanes:
                    remove_leftover(lanes.control, self._view.facts, scratch)
            except HvBackupError as error:
                if wait is not None and isinstance(error, ConnectionLost | HostUnreachable | CallTimeout):
                    Cancellation().wait(wait)
                    continue
                return (
                    f"the shadow set in {scratch} could not be removed: {error}. "
                    "The next run or `hvbackup cleanup` will."
                )
            else:
                break
        return None

    # ------------------------------------------------------------ after the jobs

    def _look_again(self) -> tuple[str, ...]:
        """Look at the Hyper-V writer after the run: what it has become does not undo restore points, but counts."""
        if self._cancel.is_set or not self._plan.sets:
            return ()
        try:
            require_hyperv_writer(list_writers(self._transport, self._view.facts))
        except HvBackupError as error:
            text = f"after the run: {error}"
            self._events(Note(host=self._transport.host, text=text, level="warning"))
            return (text,)
        return ()

    def _record(self, result: JobResult) -> None:
        self._results[result.vm_id] = result
        self._events(
            JobFinished(
                host=self._transport.host,
                vm=result.vm_name,
                status=result.status,
                text=result.error.message if result.error else result.reason or "",
                point_id=result.point_id,
            )
        )
