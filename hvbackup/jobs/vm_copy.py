"""One VM out of a shadow set into a restore point: find its files, check its disks, copy, commit."""

from __future__ import annotations

import ntpath
from collections.abc import Mapping, Sequence

from hvbackup._version import __version__
from hvbackup.errors import FileMissing, ImageDamaged, ImageError
from hvbackup.events import Cancellation
from hvbackup.images.grid import grid_cuts
from hvbackup.images.source import Source
from hvbackup.jobs.clock import now_text
from hvbackup.jobs.copying import FileCopy, FileToCopy
from hvbackup.jobs.disk_check import DiskFindings, check_chains, check_disk
from hvbackup.jobs.image_source import HostSource
from hvbackup.jobs.job_lanes import JobLanes
from hvbackup.jobs.job_log import JobLog
from hvbackup.jobs.paths import below_volume, in_shadow, name_in_point, volume_of
from hvbackup.jobs.plan import JobPlan
from hvbackup.jobs.sources import FilePlace, kind_of
from hvbackup.models import HostFacts, Method, Model, RestorePoint, Volume
from hvbackup.remote.calls import FileEntry, FileRoot, GetFile
from hvbackup.remote.session import Transport
from hvbackup.repository.seams import Grid, PointWriter


class ShadowedFile(Model, frozen=True, kw_only=True):
    """A file of the VM: where it was on the host, where its shadow copy can be read."""

    source: str
    shadow_path: str
    kind: str
    size_bytes: int
    modified_at: str


class CopiedVm(Model, frozen=True, kw_only=True):
    """A committed restore point and what it took."""

    point: RestorePoint
    read_bytes: int
    sent_bytes: int


class ShadowView(Model, frozen=True, kw_only=True):
    """What a job needs to know of the shadow set it reads from.

    Attributes:
        mounts: Volume id -> folder on the host at which its shadow copy is.
        evidence: Lines that prove that the set is what it should be.
    """

    mounts: dict[str, str]
    created_at: str
    evidence: tuple[str, ...]


def list_files(
    transport: Transport, job: JobPlan, volumes: Sequence[Volume], mounts: Mapping[str, str]
) -> tuple[ShadowedFile, ...]:
    """Find the VM's files in the shadow set.

    Raises:
        VolumeNotCovered: A place where an indispensable file must be is not in the set.
        FileMissing: An indispensable file is not there.
    """
    places: list[tuple[FilePlace, str]] = []
    for source in job.sources:
        volume = volume_of(source.path, volumes)
        if volume is None and not source.required:
            continue
        places.append((source, in_shadow(source.path, volumes, mounts)))
    roots = tuple(FileRoot(path=path, filespec=s.filespec, recurse=s.recursive) for s, path in places)
    listing = transport.call(GetFile(roots=roots)).data
    for index in listing.missing_roots:
        source = places[index][0]
        if source.required:
            raise FileMissing(
                f"{ntpath.join(source.path, source.filespec)} is not in the shadow copy",
                script="Get-HvbFile",
                error_id="FileMissing",
                host=transport.host,
                port=transport.port,
                hint="Without it the VM could not be restored, so there is no restore point. "
                "Was the file moved or the VM deleted meanwhile?",
            )
    return tuple(_shadowed(entry, places[entry.root], volumes) for entry in listing.files)


def _shadowed(entry: FileEntry, place: tuple[FilePlace, str], volumes: Sequence[Volume]) -> ShadowedFile:
    source, shadow_folder = place
    relative = ntpath.relpath(entry.path, shadow_folder)
    # `D:` and a name without a backslash would be a place below the current folder of the drive.
    path = ntpath.normpath(f"{source.path}\\{relative}")
    return ShadowedFile(
        source=below_volume(path, volumes),
        shadow_path=entry.path,
        kind=source.kind or kind_of(path),
        size_bytes=entry.size_bytes,
        modified_at=entry.modified_at,
    )


class VmCopy:
    """Copies one VM over lanes that are this job's alone."""

    def __init__(
        self,
        job: JobPlan,
        facts: HostFacts,
        view: ShadowView,
        *,
        lanes: JobLanes,
        compress: bool,
        log: JobLog,
        cancel: Cancellation,
    ) -> None:
        self._job = job
        self._facts = facts
        self._view = view
        self._lanes = lanes
        self._compress = compress
        self._log = log
        self._cancel = cancel

    def into(self, writer: PointWriter, *, host: str, run_id: str, asked_at: str, tags: tuple[str, ...]) -> CopiedVm:
        """Copy everything and commit the restore point; nothing exists when this raises."""
        files = list_files(self._lanes.control, self._job, self._facts.volumes, self._view.mounts)
        self._log.note(f"{len(files)} files, {sum(file.size_bytes for file in files)} bytes")
        self._log.step("check", "looking into the disks")
        grids = self._look_into_disks(files)
        read = sent = 0
        for file in files:
            self._cancel.check()
            totals = self._copy(file, grids.get(file.source, Grid()), writer)
            read += totals[0]
            sent += totals[1]
        self._log.step("commit", "writing the restore point and reading it back")
        point = writer.commit(self._draft(host=host, run_id=run_id, asked_at=asked_at, tags=tags))
        return CopiedVm(point=point, read_bytes=read, sent_bytes=sent)

    def _copy(self, file: ShadowedFile, grid: Grid, writer: PointWriter) -> tuple[int, int]:
        self._log.step("copy", f"copying {file.source}")
        target = writer.file(
            name_in_point(file.source),
            file.size_bytes,
            source=file.source,
            kind=file.kind,
            grid=grid,
            modified_at=file.modified_at,
        )
        totals = FileCopy(
            self._lanes,
            FileToCopy(path=file.shadow_path, label=file.source, size_bytes=file.size_bytes, grid=grid),
            target,
            compress=self._compress,
            events=self._log,
            cancel=self._cancel,
        ).run()
        target.finish()
        return totals.read_bytes, totals.sent_bytes

    def _look_into_disks(self, files: Sequence[ShadowedFile]) -> dict[str, Grid]:
        """Refuse broken disk images before anything is copied; return the grid that fits the blocks of each."""
        grids: dict[str, Grid] = {}
        sources: dict[str, Source] = {}
        for file in files:
            if file.kind != "disk":
                continue
            source = HostSource(self._lanes.reader, file.shadow_path, file.size_bytes)
            sources[file.source.lower()] = source
            found = check_disk(source)
            self._refuse_broken(found, file.source)
            for note in found.notes:
                self._log.note(f"{file.source}: {note}")
            try:
                grids[file.source] = Grid(cuts=grid_cuts(source))
            except ImageError:
                grids[file.source] = Grid()  # not looked into, as has been noted
        chains = check_chains(self._job.vm, sources)
        self._refuse_broken(chains, self._job.vm.name)
        for doubt in chains.doubts:
            self._log.warning(doubt)
        return grids

    def _refuse_broken(self, found: DiskFindings, what: str) -> None:
        if found.problems:
            raise ImageDamaged(
                f"{what} is damaged in the shadow copy: {found.problems[0]}",
                hint="Check the disk on the host with Test-VHD; there is no restore point of a broken disk.",
            )

    def _draft(self, *, host: str, run_id: str, asked_at: str, tags: tuple[str, ...]) -> RestorePoint:
        job = self._job
        method = job.classification.method
        evidence = (
            f"writer's caption: {job.component.caption if job.component else '(none)'}",
            f"state before the shadow copy: {job.vm.state}",
            *self._view.evidence,
        )
        return RestorePoint(
            id="",
            host=host,
            vm_id=job.vm.id,
            vm_name=job.vm.name,
            asked_at=asked_at,
            snapshot_at=self._view.created_at,
            finished_at=now_text(),
            method_asked=method,
            method=method,
            consistency=consistency_of(method, job.vm.state),
            evidence=evidence,
            warnings=self._log.warnings,
            vm=job.vm,
            component=job.component,
            run_id=run_id,
            tool_version=__version__,
            tags=tags,
        )


def consistency_of(method: Method, state: str) -> str:
    """Return what a copy made by `method` of a VM in `state` promises at least about the guest's data."""
    if state == "Off":
        return "off"
    if method is Method.ONLINE:
        return "guest"
    if method is Method.OFFLINE:
        return "saved-state"
    return "crash"  # unknown method: nothing more can be promised
