"""What jobs and runs end with: each VM its own true status."""

from __future__ import annotations

from hvbackup.models import JobStatus, Method, Model


class JobError(Model, frozen=True, kw_only=True):
    """An error as a result: class name, sentence, what to do."""

    type: str
    message: str
    hint: str | None = None


class JobResult(Model, frozen=True, kw_only=True):
    """How the backup of one VM ended.

    Attributes:
        status: `ok` (a checked restore point), `warning` (a checked restore point, and something to look at),
            `failed` (no restore point), `skipped` (not tried, `reason` says why).
        read_bytes: Bytes of the VM's files that were hashed on the host.
        sent_bytes: Plain bytes of the blocks that had to travel.
        stored_bytes: Bytes added to the repository.
        log: What happened, line by line, with times.
    """

    vm_id: str
    vm_name: str
    status: JobStatus
    method: Method = Method.UNKNOWN
    consistency: str | None = None
    point_id: str | None = None
    reason: str | None = None
    warnings: tuple[str, ...] = ()
    error: JobError | None = None
    started_at: str | None = None
    finished_at: str | None = None
    read_bytes: int = 0
    sent_bytes: int = 0
    stored_bytes: int = 0
    log: tuple[str, ...] = ()


#: Errors that say that another run has the VM.
_LOCKED = frozenset({"RepositoryLocked", "LeaseLost"})


class RunResult(Model, frozen=True, kw_only=True):
    """How a run ended: one result for each VM, in the order of the plan."""

    run_id: str
    host: str
    started_at: str
    finished_at: str
    jobs: tuple[JobResult, ...]
    cancelled: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 all good (warnings and skips included), 3 some failed, 1 all failed, 130 stopped by the user.

        6 instead of 1 when all failed because somebody else has their leases.
        """
        if self.cancelled:
            return 130
        failed = sum(job.status is JobStatus.FAILED for job in self.jobs)
        tried = sum(job.status is not JobStatus.SKIPPED for job in self.jobs)
        if not failed:
            return 0
        if failed != tried:
            return 3
        locked = all(job.error and job.error.type in _LOCKED for job in self.jobs if job.status is JobStatus.FAILED)
        return 6 if locked else 1

    def failed_vm_ids(self) -> tuple[str, ...]:
        """Ids of the VMs that need another try: failed ones, and those skipped because a run was aborted."""
        return tuple(
            job.vm_id
            for job in self.jobs
            if job.status is JobStatus.FAILED or (job.status is JobStatus.SKIPPED and job.reason == "run aborted")
        )
