"""A folder of this machine into a repository: an exported VM, or a folder of disk images. No host is needed."""

from __future__ import annotations

import socket
import threading
import uuid
from pathlib import Path

import msgspec

from hvbackup._version import __version__
from hvbackup.errors import ImageDamaged, InvalidRequest, SourceChanged
from hvbackup.events import Cancellation, EventSink, Note, Progress, StepFinished, StepStarted, discard
from hvbackup.jobs.clock import new_run_id, now_text
from hvbackup.jobs.import_record import ImportedRecord, read_record
from hvbackup.jobs.journal import Journal
from hvbackup.jobs.local_disks import check_disks, disk_grid
from hvbackup.jobs.local_folder import Listing, LocalFile, list_folder, unreadable
from hvbackup.jobs.requests import ImportRequest
from hvbackup.jobs.sources import kind_of
from hvbackup.jobs.vm_lease import release_leases_of_the_dead, vm_lease
from hvbackup.models import Method, Model, RestorePoint
from hvbackup.repository.localfile import store_local_file
from hvbackup.repository.repository import Repository
from hvbackup.repository.seams import Grid
from hvbackup.repository.writer import BlockPointWriter

#: Makes the id of a VM that has none: the same host and name give the same id, so that its points belong together.
_NAMESPACE = uuid.UUID("7a7f6f5e-6f1c-4b52-9a0e-0d2b6a3c9d11")


class ImportResult(Model, frozen=True, kw_only=True):
    """The restore point that a folder has become; `notes` is what is only worth knowing."""

    point: RestorePoint
    read_bytes: int
    stored_bytes: int
    notes: tuple[str, ...] = ()


def import_folder(
    repository: Repository,
    request: ImportRequest,
    *,
    state_folder: Path | None = None,
    events: EventSink = discard,
    cancel: Cancellation | None = None,
) -> ImportResult:
    """Make a restore point of all files of a folder.

    Nothing is known of how the files were made: the point says method `unknown` and consistency `crash`, and its
    evidence says that it was imported. Disk images are checked first; a damaged one, or one whose parent is not in the
    folder, is refused, because its restore point would only look like a backup. Where the folder holds the VM's
    configuration, the point gets its record of the VM from it, so that it can be rebuilt.

    Raises:
        InvalidRequest: The folder is none, is empty, holds what cannot be imported, or holds the repository itself.
        BackupError: A file cannot be read; the message names it.
        ImageDamaged: A disk image is damaged or lacks its parent.
        SourceChanged: A file was written to, came or went while the folder was read.
        RepositoryLocked: Somebody else works on this VM.
        RepositoryError: The repository refuses.
        Cancelled: `cancel` was set. In all these cases there is no point.
    """
    asked_at = now_text()
    if not request.vm_name.strip():
        raise InvalidRequest("the VM has no name", hint="Name the VM that the folder is a backup of.")
    folder = Path(request.folder)
    listing = _look(repository, folder, cancel)
    host = request.host or socket.gethostname()
    vm_id = _vm_id(request, host, listing)
    release_leases_of_the_dead(repository, host, state_folder)
    with (
        Journal(new_run_id(), state_folder) as journal,
        vm_lease(repository, journal, host=host, vm_id=vm_id) as lease,
    ):
        snapshot_at = now_text()
        listing = _look(repository, folder, cancel)
        doubts, notes = _check(request, listing, events)
        record = _record(request, listing, vm_id, events)
        writer = repository.begin(host=host, vm_id=vm_id, vm_name=request.vm_name, lease=lease)
        try:
            _store(writer, request, listing, record, events, cancel)
            if list_folder(folder, cancel=cancel) != listing:
                raise SourceChanged(
                    f"{folder} changed while it was read",
                    hint="Turn the VM off, or import an export of it (Export-VM).",
                )
            point = writer.commit(
                RestorePoint(
                    id="",
                    host=host,
                    vm_id=vm_id,
                    vm_name=request.vm_name,
                    asked_at=asked_at,
                    snapshot_at=snapshot_at,
                    finished_at=now_text(),
                    method_asked=Method.UNKNOWN,
                    method=Method.UNKNOWN,
                    consistency="crash",
                    evidence=(*_evidence(folder, listing), *record.evidence),
                    warnings=(*doubts, *record.doubts),
                    vm=record.vm,
                    run_id=journal.run_id,
                    tags=request.tags,
                )
            )
        finally:
            writer.abort()  # does nothing after a commit
    return ImportResult(
        point=point,
        read_bytes=sum(file.size_bytes for file in point.files),
        stored_bytes=sum(file.stored_bytes for file in point.files),
        notes=notes,
    )


def _look(repository: Repository, folder: Path, cancel: Cancellation | None) -> Listing:
    listing = list_folder(folder, cancel=cancel)
    if not listing.files:
        raise InvalidRequest(f"{folder} holds no files")
    place = Path(repository.location)
    if place.is_dir() and place.resolve().is_relative_to(folder.resolve()):
        raise InvalidRequest(f"{folder} holds the repository itself", hint="Import a folder that it does not lie in.")
    return listing


def _vm_id(request: ImportRequest, host: str, listing: Listing) -> str:
    """Return the id that was given, else that of an exported VM, else one made of host and name."""
    if request.vm_id is not None:
        try:
            return str(uuid.UUID(request.vm_id))
        except ValueError:
            raise InvalidRequest(f"{request.vm_id!r} is no GUID", hint="Get-VM | Format-List Name, Id") from None
    exported = {found for file in listing.files if (found := _exported_id(file))}
    if len(exported) > 1:
        raise InvalidRequest(
            f"{request.folder} holds the configurations of {len(exported)} VMs: {', '.join(sorted(exported))}",
            hint="Import the folder of each VM by itself, or say which it is with its GUID.",
        )
    return exported.pop() if exported else str(uuid.uuid5(_NAMESPACE, f"{host.casefold()}/{request.vm_name}"))


def _exported_id(file: LocalFile) -> str | None:
    """Return the GUID that names a configuration file in `Virtual Machines`; checkpoints lie in `Snapshots`."""
    if file.path.parent.name.casefold() != "virtual machines" or file.path.suffix.lower() not in {".vmcx", ".xml"}:
        return None
    try:
        return str(uuid.UUID(file.path.stem))
    except ValueError:
        return None


def _check(request: ImportRequest, listing: Listing, events: EventSink) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Check the images; return doubts, which the point will tell of, and notes."""
    disks = [file for file in listing.files if kind_of(file.name) == "disk"]
    events(StepStarted(vm=request.vm_name, step="disks", text=f"checking {len(disks)} disk image(s)"))
    found = check_disks(disks)
    for text in (*found.problems, *found.doubts):
        events(Note(vm=request.vm_name, text=text, level="warning"))
    if found.problems:
        raise ImageDamaged(
            f"{len(found.problems)} problem(s) with the disk images, nothing was imported; the first: "
            f"{found.problems[0]}",
            hint="Take a good copy of the image and of all its parents; or take the damaged file out of the folder.",
        )
    events(StepFinished(vm=request.vm_name, step="disks"))
    empty = [f"{name}: an empty folder, which a restore point does not keep" for name in listing.empty_folders]
    return tuple(f"doubtful: {text}" for text in found.doubts), (*found.notes, *empty)


def _record(request: ImportRequest, listing: Listing, vm_id: str, events: EventSink) -> ImportedRecord:
    record = read_record(listing.files, vm_id)
    doubts = tuple(f"doubtful: {text}" for text in record.doubts)
    for text in record.doubts:
        events(Note(vm=request.vm_name, text=text, level="warning"))
    return record._replace(doubts=doubts)


def _store(
    writer: BlockPointWriter,
    request: ImportRequest,
    listing: Listing,
    record: ImportedRecord,
    events: EventSink,
    cancel: Cancellation | None,
) -> None:
    total = sum(file.size for file in listing.files)
    told = Progress(vm=request.vm_name, activity="import", done=0, total=total)
    events(StepStarted(vm=request.vm_name, step="import", text=f"reading {len(listing.files)} files"))
    lock = threading.Lock()
    done = 0

    def progress(size: int) -> None:
        nonlocal done
        with lock:
            done += size
            event = msgspec.structs.replace(told, done=done)
        events(event)

    for file in listing.files:
        if cancel is not None:
            cancel.check()
        told = msgspec.structs.replace(told, item=file.name)
        kind = kind_of(file.name)
        grid = disk_grid(file) if kind == "disk" else Grid()
        try:
            store_local_file(
                writer,
                file.name,
                file.path,
                kind=kind,
                source=record.sources.get(file.name),
                grid=grid,
                threads=request.threads,
                progress=progress,
                cancel=cancel,
            )
        except OSError as error:
            raise unreadable(file.path, error) from error
    events(StepFinished(vm=request.vm_name, step="import"))


def _evidence(folder: Path, listing: Listing) -> tuple[str, ...]:
    disks = sum(kind_of(file.name) == "disk" for file in listing.files)
    return (
        f"imported by hvbackup {__version__} from {folder.resolve()} of {socket.gethostname()}",
        "how these files were made is not known: they are taken for a disk after a power cut",
        f"no file changed while {len(listing.files)} files were read; {disks} disk image(s) checked, none damaged",
    )
