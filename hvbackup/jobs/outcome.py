"""How what became of a job is told: a `JobResult` from a copy or an error (pure but for the time)."""

from __future__ import annotations

import msgspec

from hvbackup.errors import Cancelled, HvBackupError
from hvbackup.jobs.clock import now_text
from hvbackup.jobs.job_log import JobLog
from hvbackup.jobs.plan import JobPlan
from hvbackup.jobs.results import JobError, JobResult
from hvbackup.jobs.vm_copy import CopiedVm
from hvbackup.models import JobStatus


def result_of(job: JobPlan, outcome: CopiedVm | BaseException, log: JobLog, started: str) -> JobResult:
    """Return the result of a job that was tried."""
    base = JobResult(
        vm_id=job.vm.id,
        vm_name=job.vm.name,
        status=JobStatus.FAILED,
        method=job.classification.method,
        warnings=log.warnings,
        started_at=started,
        finished_at=now_text(),
        log=log.lines,
    )
    if isinstance(outcome, CopiedVm):
        point = outcome.point
        return msgspec.structs.replace(
            base,
            status=JobStatus.WARNING if log.warnings else JobStatus.OK,
            method=point.method,
            consistency=point.consistency,
            point_id=point.id,
            read_bytes=outcome.read_bytes,
            sent_bytes=outcome.sent_bytes,
            stored_bytes=sum(file.stored_bytes for file in point.files),
        )
    if isinstance(outcome, Cancelled | KeyboardInterrupt):
        return msgspec.structs.replace(base, reason=STOPPED, error=_as_error(Cancelled(STOPPED)))
    return msgspec.structs.replace(base, error=_as_error(outcome))


#: Reasons of jobs that were not tried because of what happened before.
STOPPED = "stopped by the user"
ABORTED = "run aborted"


def skipped(job: JobPlan, reason: str) -> JobResult:
    """Return the result of a job that was not tried."""
    return JobResult(
        vm_id=job.vm.id,
        vm_name=job.vm.name,
        status=JobStatus.SKIPPED,
        method=job.classification.method,
        reason=reason,
    )


def not_run(job: JobPlan) -> JobResult:
    """Return the result of a job that the plan does not run: skipped, or failed because it cannot work."""
    reason = job.reason or ""
    if job.action == "refuse":
        error = JobError(type="BackupError", message=reason, hint=job.hint)
        return msgspec.structs.replace(skipped(job, reason), status=JobStatus.FAILED, error=error)
    return msgspec.structs.replace(skipped(job, reason), warnings=(job.hint,) if job.hint else ())


def _as_error(error: BaseException) -> JobError:
    if isinstance(error, HvBackupError):
        return JobError(type=type(error).__name__, message=error.message, hint=error.hint)
    return JobError(
        type=type(error).__name__,
        message=f"{type(error).__name__}: {error}",
        hint="This is a bug of hvbackup; please report it with the job's log.",
    )
