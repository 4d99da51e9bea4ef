"""Files of a restore point to a folder of the host, without VSS."""

from __future__ import annotations

from hvbackup.errors import InvalidRequest
from hvbackup.events import Cancellation, EventSink, StepFinished, StepStarted, discard
from hvbackup.jobs.journal import Journal, SideEffect
from hvbackup.jobs.paths import below_folder, is_absolute
from hvbackup.jobs.point_files import choose_files
from hvbackup.jobs.requests import RestoreRequest
from hvbackup.jobs.restore_local import RestoredFile, RestoreResult
from hvbackup.jobs.staging import (
    StagedFile,
    Staging,
    discard_quietly,
    part_files,
    plan_staging,
    refuse_files_of_others,
    require_room,
)
from hvbackup.models import HostFacts
from hvbackup.remote.calls import GetVm
from hvbackup.remote.session import Transport
from hvbackup.repository.seams import PointReader


def plan_host_restore(
    transport: Transport, facts: HostFacts, reader: PointReader, request: RestoreRequest
) -> tuple[StagedFile, ...]:
    """Return each file and where it would go on the host.

    Raises:
        InvalidRequest: The folder is no absolute Windows path, or no file of the point is meant.
        RestoreRefused: Files are in the way, or belong to a VM, or the volume has no room.
    """
    if not is_absolute(request.to):
        raise InvalidRequest(f"{request.to!r} is no full Windows path", hint=r"Such as D:\Restore.")
    chosen = choose_files(reader.point, request.files)
    pairs = [(file, below_folder(request.to, file.name)) for file in chosen]
    staged = plan_staging(transport, pairs, replace=request.replace)
    if any(each.existed for each in staged) and facts.hyper_v.installed:
        refuse_files_of_others(staged, transport.call(GetVm()).data.vms)
    require_room(staged, reader, facts.volumes)
    return staged


def restore_to_host(
    transport: Transport,
    facts: HostFacts,
    reader: PointReader,
    request: RestoreRequest,
    *,
    journal: Journal,
    events: EventSink = discard,
    cancel: Cancellation | None = None,
) -> RestoreResult:
    """Write the chosen files below a folder of the host; every byte is read back there before a file gets its name.

    Raises:
        InvalidRequest, RestoreRefused: See `plan_host_restore`.
        VerificationFailed: The host does not hold what was sent; what was written is removed.
        RemoteError, RepositoryError, Cancelled: As they come, after clean-up.
    """
    staged = plan_host_restore(transport, facts, reader, request)
    vm = reader.point.vm_name
    events(
        StepStarted(host=transport.host, vm=vm, step="restore", text=f"restoring {len(staged)} files to {request.to}")
    )
    number = journal.begin(SideEffect(kind="files", host=transport.host, port=transport.port, files=part_files(staged)))
    staging = Staging(transport, reader, staged, lanes=request.lanes, events=events, cancel=cancel or Cancellation())
    try:
        staging.write_all()
        staging.name_all()
    except BaseException as error:
        discard_quietly(staging, error)
        if staging.discarded:
            journal.undone(number)
        raise
    journal.undone(number)
    events(StepFinished(host=transport.host, vm=vm, step="restore"))
    return RestoreResult(
        point_id=reader.point.id,
        vm_name=vm,
        files=tuple(
            RestoredFile(name=each.file.name, path=each.path, size_bytes=each.file.size_bytes) for each in staged
        ),
    )
