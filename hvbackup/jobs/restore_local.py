"""Files of a restore point to a folder of this machine: no host, no VSS."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from hvbackup.errors import InvalidRequest, RestoreRefused, StoreUnavailable
from hvbackup.events import Cancellation, EventSink, Progress, StepFinished, StepStarted, discard
from hvbackup.jobs.flushing import Flusher
from hvbackup.jobs.point_files import choose_files, is_device_name
from hvbackup.jobs.requests import RestoreRequest
from hvbackup.models import Model, PointFile
from hvbackup.repository.seams import PointReader

#: Very large writes cost ten times the system time on ext4 with large folios (measured with the repository prototype).
_WRITE_BYTES = 1 << 20


class RestoredFile(Model, frozen=True, kw_only=True):
    """A file that is back: its name in the point, and where it is now."""

    name: str
    path: str
    size_bytes: int


class RestoreResult(Model, frozen=True, kw_only=True):
    """What a restore has put where."""

    point_id: str
    vm_name: str
    files: tuple[RestoredFile, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes of all files together."""
        return sum(file.size_bytes for file in self.files)


def plan_local_restore(reader: PointReader, request: RestoreRequest) -> list[tuple[PointFile, Path]]:
    """Return each file and where it would go.

    Raises:
        InvalidRequest: The target is a file, or no file of the point is meant.
        RestoreRefused: Files are in the way and `replace` is off; the message names them.
    """
    folder = Path(request.to)
    chosen = choose_files(reader.point, request.files)
    if os.name == "nt" and (devices := [file.name for file in chosen if is_device_name(file.name)]):
        raise InvalidRequest(f"{devices[0]} is the name of a device on this machine, not of a file")
    try:
        if folder.exists() and not folder.is_dir():
            raise InvalidRequest(f"{folder} is not a folder")
        pairs = [(file, folder.joinpath(*file.name.split("/"))) for file in chosen]
        in_the_way = [str(path) for _, path in pairs if path.exists() or path.is_symlink()]
    except OSError as error:
        raise StoreUnavailable(f"{folder} cannot be looked at: {error.strerror or error}") from error
    if in_the_way and not request.replace:
        raise RestoreRefused(
            f"{len(in_the_way)} file(s) are there already, the first is {in_the_way[0]}",
            hint="Choose an empty folder, or allow it with --replace.",
        )
    return pairs


def restore_to_folder(
    reader: PointReader,
    request: RestoreRequest,
    *,
    events: EventSink = discard,
    cancel: Cancellation | None = None,
) -> RestoreResult:
    """Write the chosen files below a folder of this machine, each complete or not at all.

    Every block is checked against its hash on the way. A file is written beside its final name and renamed when it is
    complete and durable; what was begun is removed when something goes wrong.

    Raises:
        InvalidRequest, RestoreRefused: See `plan_local_restore`.
        StoreUnavailable: The folder cannot be written to, or is full.
        RepositoryError: The point cannot be read.
    """
    pairs = plan_local_restore(reader, request)
    vm = reader.point.vm_name
    events(StepStarted(vm=vm, step="restore", text=f"restoring {len(pairs)} files to {request.to}"))
    done = 0
    total = sum(file.size_bytes for file, _ in pairs)
    restored = []
    for file, path in pairs:
        try:
            done = _write_file(reader, file, path, events=events, cancel=cancel, done=done, total=total)
        except OSError as error:
            raise StoreUnavailable(
                f"{path} cannot be written: {error.strerror or error}",
                hint="Files that were complete before it are kept.",
            ) from error
        restored.append(RestoredFile(name=file.name, path=str(path), size_bytes=file.size_bytes))
    events(StepFinished(vm=vm, step="restore"))
    return RestoreResult(point_id=reader.point.id, vm_name=vm, files=tuple(restored))


def _write_file(
    reader: PointReader,
    file: PointFile,
    path: Path,
    *,
    events: EventSink,
    cancel: Cancellation | None,
    done: int,
    total: int,
) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".hvbpart")
    written = 0
    told = Progress(vm=reader.point.vm_name, activity="restore", done=done, total=total, item=file.name)
    # Not through a link: somebody may have put one into a folder that others can write to.
    flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(part, flags, 0o600)
    try:
        os.ftruncate(descriptor, file.size_bytes)

        with Flusher(descriptor) as flusher:

            def sink(offset: int, data: bytes) -> None:
                nonlocal written
                _write_at(descriptor, offset, data)
                flusher.wrote(len(data))
                written += len(data)
                events(msgspec.structs.replace(told, done=done + written))

            reader.restore(file.name, sink, cancel=cancel)
        os.close(descriptor)
        descriptor = -1
        part.replace(path)
    except BaseException:
        if descriptor >= 0:
            os.close(descriptor)
        part.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)
    events(msgspec.structs.replace(told, done=done + file.size_bytes))
    return done + file.size_bytes


def _write_at(descriptor: int, offset: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        piece = view[:_WRITE_BYTES]
        if hasattr(os, "pwrite"):
            count = os.pwrite(descriptor, piece, offset)
        else:  # Windows; blocks come from one thread at a time
            os.lseek(descriptor, offset, os.SEEK_SET)
            count = os.write(descriptor, piece)
        view = view[count:]
        offset += count


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
