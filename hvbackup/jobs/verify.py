"""Whether a restore point can really be restored: every byte read back, every disk image checked."""

from __future__ import annotations

import msgspec

from hvbackup.errors import RepositoryError
from hvbackup.events import Cancellation, EventSink, Progress, StepFinished, StepStarted, discard
from hvbackup.images.source import Source
from hvbackup.jobs.disk_check import check_chains, check_disk
from hvbackup.jobs.image_source import PointSource
from hvbackup.models import Model
from hvbackup.repository.repository import Repository
from hvbackup.repository.seams import PointReader


class VerifyResult(Model, frozen=True, kw_only=True):
    """What reading a whole point back has shown; good exactly when `problems` is empty."""

    point_id: str
    vm_name: str
    files: int
    size_bytes: int
    read_bytes: int
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def verify_point(
    reader: PointReader, *, events: EventSink = discard, cancel: Cancellation | None = None
) -> VerifyResult:
    """Read every block of a point (each is checked against its hash) and check the structure of every disk image."""
    point = reader.point
    total = sum(file.size_bytes for file in point.files)
    events(StepStarted(vm=point.vm_name, step="verify", text=f"reading {len(point.files)} files back"))
    problems: list[str] = []
    notes: list[str] = []
    disks: dict[str, Source] = {}
    done = read = 0
    for file in point.files:
        fresh = 0

        def sink(_offset: int, data: bytes) -> None:
            nonlocal fresh
            fresh += len(data)
            events(Progress(vm=point.vm_name, activity="verify", done=done + fresh, total=total, item=file.name))  # noqa: B023

        try:
            reader.restore(file.name, sink, cancel=cancel)
            if file.kind == "disk":
                disks[file.source.lower()] = source = PointSource(reader, file.name)
                found = check_disk(source)
                problems += [f"{file.name}: {text}" for text in found.problems]
                notes += [f"{file.name}: {text}" for text in found.notes]
        except RepositoryError as error:
            problems.append(f"{file.name}: {error}")
        read += fresh
        done += file.size_bytes
    if point.vm is not None:
        chains = check_chains(point.vm, disks)
        problems += chains.problems
        notes += [f"doubtful: {text}" for text in chains.doubts]
    events(StepFinished(vm=point.vm_name, step="verify"))
    return VerifyResult(
        point_id=point.id,
        vm_name=point.vm_name,
        files=len(point.files),
        size_bytes=total,
        read_bytes=read,
        problems=tuple(problems),
        notes=tuple(notes),
    )


def remember(repository: Repository, result: VerifyResult) -> VerifyResult:
    """Mark the point as verified when it was wholly good, else take such a mark away; return the result.

    A store that cannot be written to is no reason to doubt the point: a note says that nothing was remembered.
    """
    try:
        repository.mark_verified(result.point_id, verified=not result.problems)
    except RepositoryError as error:
        return msgspec.structs.replace(result, notes=(*result.notes, f"the verification was not remembered: {error}"))
    return result
