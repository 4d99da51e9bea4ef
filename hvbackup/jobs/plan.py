"""What a backup run will do: decided from facts, before anything is touched (pure). `--dry-run` shows just this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hvbackup.errors import (
    BackupError,
    DiskShadowMissing,
    HyperVMissing,
    NotAdministrator,
    OfflineNotAllowed,
    WriterUnavailable,
)
from hvbackup.jobs.paths import volume_of
from hvbackup.jobs.requests import BackupRequest, Grouping
from hvbackup.jobs.selection import select_vms
from hvbackup.jobs.sources import FilePlace, host_sources, left_out, sources_of
from hvbackup.models import Classification, Component, HostFacts, Method, Model, Vm, Volume

#: VSS needs some 300 MB for a shadow copy's differences (facts: VSS_E_INSUFFICIENT_STORAGE below that).
DIFFERENCE_AREA_BYTES = 320 << 20


class JobPlan(Model, frozen=True, kw_only=True):
    """What will be done with one VM.

    Attributes:
        action: `run`, or `skip` (not allowed: `reason` says why), or `refuse` (cannot work: the job will fail).
        pauses: Whether the VM will be saved and resumed.
        size_bytes: Bytes of its disk files: what the host will read. What travels is known only when it is hashed.
        volumes: Ids of the volumes that must be in the shadow set.
    """

    vm: Vm
    classification: Classification
    component: Component | None
    action: str
    reason: str | None = None
    hint: str | None = None
    pauses: bool = False
    volumes: tuple[str, ...] = ()
    sources: tuple[FilePlace, ...] = ()
    size_bytes: int = 0
    warnings: tuple[str, ...] = ()


class BackupPlan(Model, frozen=True, kw_only=True):
    """What a run will do.

    Attributes:
        sets: Shadow sets in their order; each is the ids of the VMs that it serves.
        other_vm_ids: VMs of the writer that are left out of all sets.
    """

    host: str
    jobs: tuple[JobPlan, ...]
    sets: tuple[tuple[str, ...], ...]
    other_vm_ids: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def job(self, vm_id: str) -> JobPlan:
        """Return the plan of one VM."""
        return next(job for job in self.jobs if job.vm.id == vm_id)

    @property
    def running_ids(self) -> tuple[str, ...]:
        """Ids of the VMs whose jobs will run."""
        return tuple(vm_id for each in self.sets for vm_id in each)

    @property
    def size_bytes(self) -> int:
        """Bytes that the host will read for all jobs that run."""
        return sum(job.size_bytes for job in self.jobs if job.action == "run")


def require_fit(facts: HostFacts) -> None:
    """Raise when the host cannot be backed up through VSS at all.

    Raises:
        NotAdministrator, HyperVMissing, DiskShadowMissing, WriterUnavailable: With the cure.
    """
    name = facts.computer_name
    if not facts.elevated:
        raise NotAdministrator(
            f"{facts.user} is not an administrator of {name} in this session",
            host=name,
            hint="Use a member of the host's Administrators. A local account other than the built-in Administrator "
            "gets a filtered token over the network unless LocalAccountTokenFilterPolicy is 1.",
        )
    if not facts.hyper_v.installed:
        raise HyperVMissing(
            f"{name} has no Hyper-V role",
            host=name,
            hint="Install-WindowsFeature Hyper-V -IncludeManagementTools",
        )
    if facts.product_type == 1:
        raise WriterUnavailable(
            f"{name} runs {facts.os_caption}: client Windows has no Hyper-V VSS writer",
            hint="Only Windows Server can be backed up through VSS.",
        )
    if facts.diskshadow_path is None:
        raise DiskShadowMissing(f"{name} has no diskshadow.exe", host=name, hint="It comes with Windows Server.")


def plan_backup(
    request: BackupRequest,
    *,
    host: str,
    facts: HostFacts,
    vms: Sequence[Vm],
    components: Sequence[Component],
    classifications: Mapping[str, Classification],
) -> BackupPlan:
    """Decide what a backup run will do.

    Args:
        components: The Hyper-V writer's components, as listed now.
        classifications: By VM id.

    Raises:
        InvalidRequest: The selection fits no VM.
    """
    by_name = {component.name.casefold(): component for component in components}
    shared = _shared_sources(components, request)
    methods = {vm_id: each.method for vm_id, each in classifications.items()}
    selection = select_vms(vms, include=request.include, exclude=request.exclude, methods=methods)
    jobs = tuple(
        _plan_job(vm, by_name.get(vm.id), classifications[vm.id], shared, request, facts.volumes)
        for vm in selection.vms
    )
    running = [job.vm.id for job in jobs if job.action == "run"]
    grouped = [tuple(running)] if request.grouping is Grouping.SHARED and running else [(vm_id,) for vm_id in running]
    chosen = set(running)
    warnings = [f"--exclude {pattern!r} fits no VM" for pattern in selection.idle_excludes]
    needed = {volume for job in jobs if job.action == "run" for volume in job.volumes}
    warnings += _volume_warnings(facts.volumes, needed)
    others = [
        c.name.lower() for c in components if c.name.lower() not in chosen and c.name.casefold() != "host component"
    ]
    return BackupPlan(host=host, jobs=jobs, sets=tuple(grouped), other_vm_ids=tuple(others), warnings=tuple(warnings))


def plan_again(
    job: JobPlan, vm: Vm | None, request: BackupRequest, *, components: Sequence[Component], volumes: Sequence[Volume]
) -> JobPlan:
    """Plan a job from what its VM is right before its shadow set: disks, checkpoints and state may have changed.

    The method stays that of the writer's listing, which takes too long to ask for again; so a VM that was off and is
    running now counts as one that would be paused, unless the writer had called it Online.

    Raises:
        BackupError: The VM is gone, or cannot be backed up any more.
        OfflineNotAllowed: It would be paused now.
    """
    if vm is None:
        raise BackupError(
            f"the VM {job.vm.name} is not on the host any more", hint="It was deleted or moved since the run began."
        )
    if vm == job.vm:
        return job
    shared = _shared_sources(components, request)
    fresh = _plan_job(vm, job.component, job.classification, shared, request, volumes)
    if fresh.action == "run":
        return fresh
    kind = OfflineNotAllowed if fresh.action == "skip" else BackupError
    raise kind(f"since the run began {vm.name} has changed: {fresh.reason}", hint=fresh.hint)


def _shared_sources(components: Sequence[Component], request: BackupRequest) -> tuple[FilePlace, ...]:
    own = next((each for each in components if each.name.casefold() == "host component"), None)
    return host_sources(own) if request.host_component else ()


def _plan_job(
    vm: Vm,
    component: Component | None,
    classification: Classification,
    shared: tuple[FilePlace, ...],
    request: BackupRequest,
    volumes: Sequence[Volume],
) -> JobPlan:
    sources = sources_of(vm, component) + shared
    needed: dict[str, None] = {}
    astray, lost = [], []
    for source in sources:
        volume = volume_of(source.path, volumes)
        if volume is not None:
            needed[volume.id] = None
        elif source.required:
            astray.append(source.path)
        else:
            lost.append(f"{source.path}\\{source.filespec} lies on no volume of the host and is not in the backup")
    pauses = classification.method is not Method.ONLINE and vm.state not in {"Off", "Saved"}
    action, reason, hint = "run", None, None
    if component is None:
        action, reason = "refuse", "the Hyper-V writer does not list this VM"
        hint = "Look at event log Hyper-V-VMMS-Admin; restarting vmms (VMs keep running) makes the writer list it anew."
    elif astray:
        action, reason = "refuse", f"no volume of the host holds {astray[0]}"
        hint = "VMs on a file share need the share's own backup."
    elif pauses and not request.allow_offline:
        action = "skip"
        reason = f"it would be paused ({classification.method.value} method), which was not allowed"
        hint = "Allow it with --allow-offline, or see `hvbackup vms --explain` for what makes it Online."
    size = sum(link.file_size_bytes for disk in vm.disks for link in disk.chain)
    return JobPlan(
        vm=vm,
        classification=classification,
        component=component,
        action=action,
        reason=reason,
        hint=hint,
        pauses=pauses and action == "run",
        volumes=tuple(needed),
        sources=sources,
        size_bytes=size,
        warnings=(*left_out(vm), *_disk_warnings(vm), *lost),
    )


def _disk_warnings(vm: Vm) -> tuple[str, ...]:
    return tuple(f"{disk.path}: {disk.error}" for disk in vm.disks if disk.error)


def _volume_warnings(volumes: Sequence[Volume], needed: set[str]) -> list[str]:
    warnings = []
    for volume in volumes:
        if volume.id not in needed:
            continue
        name = volume.paths[0] if volume.paths else volume.id
        if volume.free_bytes < DIFFERENCE_AREA_BYTES:
            warnings.append(
                f"{name} has {volume.free_bytes >> 20} MiB free; VSS needs about {DIFFERENCE_AREA_BYTES >> 20} MiB "
                "for a shadow copy's differences"
            )
        if volume.file_system and volume.file_system.upper() not in {"NTFS", "CSVFS"}:
            warnings.append(f"{name} is {volume.file_system}: persistent shadow copies are documented for NTFS only")
    return warnings
