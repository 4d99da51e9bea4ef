from __future__ import annotations

from pathlib import Path

import pytest

from hvbackup.errors import InvalidRequest
from hvbackup.jobs.requests import BackupRequest
from hvbackup.jobs.results import JobError, JobResult, RunResult
from hvbackup.jobs.run_record import load_run, rerun_request, save_run
from hvbackup.models import JobStatus


def run(*statuses: str, run_id: str = "20261125T010000Z-00000000", cancelled: bool = False) -> RunResult:
    jobs = tuple(
        JobResult(
            vm_id=f"vm{number}",
            vm_name=f"vm{number}",
            status=JobStatus(status.split(":")[0]),
            reason=status.split(":")[1] if ":" in status else None,
        )
        for number, status in enumerate(statuses)
    )
    return RunResult(
        run_id=run_id,
        host="HV01",
        started_at="2026-11-25T01:00:00Z",
        finished_at="2026-11-25T01:01:00Z",
        jobs=jobs,
        cancelled=cancelled,
    )


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        (("ok", "warning", "skipped"), 0),
        (("ok", "failed"), 3),
        (("failed", "skipped"), 1),
        (("failed", "failed"), 1),
        ((), 0),
    ],
)
def test_the_exit_code_tells_partial_from_total_failure(statuses: tuple[str, ...], code: int) -> None:
    assert code == run(*statuses).exit_code


def test_a_stopped_run_says_so_whatever_was_done() -> None:
    assert 130 == run("ok", cancelled=True).exit_code


def test_only_failed_jobs_and_those_of_an_aborted_run_are_run_again(tmp_path: Path) -> None:
    result = run("ok", "failed", "skipped:run aborted", "skipped:it would be paused")
    save_run(BackupRequest(exclude=("x",), allow_offline=True), result, tmp_path)

    again = rerun_request(load_run("20261125T01", tmp_path))

    assert BackupRequest(include=("vm1", "vm2"), allow_offline=True) == again


def test_last_is_the_latest_run(tmp_path: Path) -> None:
    save_run(BackupRequest(), run("ok", run_id="20261125T010000Z-00000000"), tmp_path)
    save_run(BackupRequest(), run("failed", run_id="20261126T010000Z-00000000"), tmp_path)

    assert "20261126T010000Z-00000000" == load_run("last", tmp_path).result.run_id


def test_an_ambiguous_or_unknown_run_and_one_without_failures_are_refused(tmp_path: Path) -> None:
    save_run(BackupRequest(), run("ok", run_id="20261125T010000Z-00000000"), tmp_path)
    save_run(BackupRequest(), run("ok", run_id="20261126T010000Z-00000000"), tmp_path)

    with pytest.raises(InvalidRequest, match="2 runs"):
        load_run("2026", tmp_path)
    with pytest.raises(InvalidRequest, match="no run"):
        load_run("1999", tmp_path)
    with pytest.raises(InvalidRequest, match="no job of run"):
        rerun_request(load_run("20261125", tmp_path))


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "20261125.json").write_text("{")

    with pytest.raises(InvalidRequest, match=r"20261125\.json is damaged"):
        load_run("last", tmp_path)


def test_a_run_that_failed_only_because_others_have_the_vms_ends_with_the_code_for_locked() -> None:
    def failed(kind: str) -> JobResult:
        return JobResult(vm_id="1", vm_name="a", status=JobStatus.FAILED, error=JobError(type=kind, message="no"))

    def code(*jobs: JobResult) -> int:
        return RunResult(run_id="r", host="h", started_at="", finished_at="", jobs=jobs).exit_code

    ok = JobResult(vm_id="2", vm_name="b", status=JobStatus.OK)
    assert 6 == code(failed("RepositoryLocked"), failed("LeaseLost"))
    assert 1 == code(failed("RepositoryLocked"), failed("ImageDamaged"))
    assert 3 == code(failed("RepositoryLocked"), ok)
