"""What past runs ended with, kept on this machine, so that only the failed jobs of a run can be run again."""

from __future__ import annotations

from pathlib import Path

import msgspec

from hvbackup.errors import InvalidRequest
from hvbackup.jobs.journal import state_folder
from hvbackup.jobs.requests import BackupRequest
from hvbackup.jobs.results import RunResult
from hvbackup.models import Model, decodable

#: Records kept for each machine; older ones are removed.
KEPT = 500


class RunRecord(Model, frozen=True, kw_only=True):
    """A run's request and result."""

    request: BackupRequest
    result: RunResult


def save_run(request: BackupRequest, result: RunResult, folder: Path | None = None) -> Path:
    """Write the record of a run and return its file."""
    place = (folder or state_folder()) / "runs"
    place.mkdir(parents=True, exist_ok=True)
    file = place / f"{result.run_id}.json"
    partial = file.with_suffix(".partial")
    partial.write_bytes(msgspec.json.format(msgspec.json.encode(RunRecord(request=request, result=result)), indent=1))
    partial.replace(file)
    for old in sorted(place.glob("*.json"))[:-KEPT]:
        old.unlink(missing_ok=True)
    return file


def load_run(run_id: str, folder: Path | None = None) -> RunRecord:
    """Return the record of a run by its id, by an unambiguous beginning of it, or `last`.

    Raises:
        InvalidRequest: No such run, or several.
    """
    files = sorted(((folder or state_folder()) / "runs").glob("*.json"))
    if run_id == "last":
        files = files[-1:]
    else:
        files = [file for file in files if file.stem.startswith(run_id)]
    if len(files) != 1:
        found = "no run" if not files else f"{len(files)} runs"
        raise InvalidRequest(
            f"{found} on this machine begin with {run_id!r}" if run_id != "last" else "no run on this machine yet",
            hint="The id of a run is printed at its end; only runs of this machine and user can be run again.",
        )
    try:
        return msgspec.json.decode(files[0].read_bytes(), type=decodable(RunRecord))
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"{files[0]} is damaged: {error}", hint="Name the VMs with --include instead.") from None


def rerun_request(record: RunRecord) -> BackupRequest:
    """Return the request for the jobs of a run that need another try.

    Raises:
        InvalidRequest: None does.
    """
    failed = record.result.failed_vm_ids()
    if not failed:
        raise InvalidRequest(f"no job of run {record.result.run_id} failed")
    return msgspec.structs.replace(record.request, include=failed, exclude=())
