"""The conditions under which the Hyper-V writer backs a VM up Online, each looked at from the host (pure).

The writer decides by itself and a requester cannot force it; what is here explains its decision. Sources: "Backing up
and restoring virtual machines" (Hyper-V API documentation, the base list), KB958662, Hyper-V-VMMS event 10103, and
vendors' articles. Conditions inside the guest cannot be seen from the host and say so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from hvbackup.hyperv import cures
from hvbackup.models import VSS_SERVICE_ID, Condition, HostFacts, IntegrationService, Verdict, Vm, Volume

#: First builds of Windows Server.
SERVER_2012 = 9200
SERVER_2012_R2 = 9600

UNSEEN = "cannot be seen from the host"

#: Conditions whose failure does not mean Offline: the VM cannot be backed up by the host's writer, or not now.
BLOCKING = frozenset({"no-shared-disk", "no-backup-checkpoint"})
#: Conditions that must be seen to hold before Online is expected.
REQUIRED = frozenset({"vm-running", "backup-service-enabled", "backup-service-running", "scsi-controller"})

#: Replication modes of a VM that is a copy of another.
_REPLICAS = frozenset({"replica", "testreplica", "extendedreplica"})


def conditions_of(vm: Vm, host: HostFacts) -> tuple[Condition, ...]:
    """Return every condition that applies on this host, in the order in which one would check them."""
    return tuple(condition for check in _CHECKS for condition in check(vm, host))


def backup_service(vm: Vm) -> IntegrationService | None:
    """Return the backup integration service of a VM: by its id, since its name is in the host's language."""
    return next((each for each in vm.integration_services if each.service_id.lower() == VSS_SERVICE_ID), None)


def _running(vm: Vm, _host: HostFacts) -> Iterator[Condition]:
    text = "The VM is running"
    if vm.state.casefold() == "running":
        yield Condition(id="vm-running", text=text, verdict=Verdict.MET, reason="its state is Running")
        return
    yield Condition(
        id="vm-running",
        text=text,
        verdict=Verdict.FAILED,
        reason=f"its state is {vm.state}",
        cure=cures.run_vm(vm),
    )


def _service(vm: Vm, _host: HostFacts) -> Iterator[Condition]:
    enabled = ("backup-service-enabled", "The backup integration service is enabled in the VM's settings")
    running = ("backup-service-running", "The backup integration service runs in the guest")
    service = backup_service(vm)
    if service is None:
        reason = "the host lists no integration services of the VM"
        if vm.integration_services:
            reason = "the host does not list this service of the VM"
        for key, text in (enabled, running):
            yield Condition(id=key, text=text, verdict=Verdict.UNSEEN, reason=reason)
        return
    yield Condition(
        id=enabled[0],
        text=enabled[1],
        verdict=Verdict.MET if service.enabled else Verdict.FAILED,
        reason=f"'{service.name}' is {'enabled' if service.enabled else 'not enabled'}",
        cure=None if service.enabled else cures.enable_backup_service(vm),
    )
    yield _service_running(vm, service, *running)


def _service_running(vm: Vm, service: IntegrationService, key: str, text: str) -> Condition:
    said = f" ({service.status})" if service.status else ""
    if vm.state.casefold() != "running" or not service.enabled:
        why = "the VM is not running" if vm.state.casefold() != "running" else "the service is not enabled"
        return Condition(id=key, text=text, verdict=Verdict.UNSEEN, reason=f"{why}, so no guest answers")
    if service.operational is None:
        return Condition(id=key, text=text, verdict=Verdict.UNSEEN, reason=f"the host does not know{said}")
    if service.operational:
        return Condition(id=key, text=text, verdict=Verdict.MET, reason=f"it answers{said}")
    return Condition(
        id=key, text=text, verdict=Verdict.FAILED, reason=f"it does not answer{said}", cure=cures.START_GUEST_SERVICE
    )


def _checkpoint_location(vm: Vm, host: HostFacts) -> Iterator[Condition]:
    key, text = "checkpoint-location", "The checkpoint location is on the volume of the VM's disks"
    home = _volume_of(vm.snapshot_file_location, host.volumes)
    paths = [disk.path for disk in vm.disks if disk.path]
    places = {path: _volume_of(path, host.volumes) for path in paths}
    if not vm.snapshot_file_location or home is None or None in places.values():
        yield Condition(
            id=key, text=text, verdict=Verdict.UNSEEN, reason="a path of it is on no volume that the host lists"
        )
        return
    apart = [path for path, volume in places.items() if volume != home]
    if not apart:
        yield Condition(id=key, text=text, verdict=Verdict.MET, reason=f"all is on the volume of {_name(home)}")
        return
    seen = f"checkpoints go to {vm.snapshot_file_location}, {apart[0]} is on another volume"
    cure = cures.move_checkpoints(vm, apart[0])
    if host.os_build >= SERVER_2012_R2:
        # Microsoft's list is of 2008 to 2012; others repeat it for 2012 R2. Unverified on later hosts.
        known = "the rule is documented for hosts before Windows Server 2012 R2; whether it binds here is not known"
        yield Condition(id=key, text=text, verdict=Verdict.UNSEEN, reason=f"{seen}; {known}", cure=cure)
        return
    yield Condition(id=key, text=text, verdict=Verdict.FAILED, reason=seen, cure=cure)


def _scsi(vm: Vm, host: HostFacts) -> Iterator[Condition]:
    key, text = "scsi-controller", "The VM has a SCSI controller (generation 1, from Windows Server 2012 R2)"
    if vm.generation != 1:
        met: str | None = f"generation {vm.generation} has one always"
    elif host.os_build < SERVER_2012_R2:
        met = "hosts before Windows Server 2012 R2 do not need it"
    elif vm.scsi_controllers > 0:
        met = f"it has {vm.scsi_controllers}"
    else:
        met = None
    yield Condition(
        id=key,
        text=text,
        verdict=Verdict.MET if met else Verdict.FAILED,
        reason=met or "it has no SCSI controller, so no disk can be added while it runs (Hyper-V-VMMS event 10103)",
        cure=None if met else cures.add_scsi_controller(vm),
    )


def _guest(_vm: Vm, host: HostFacts) -> Iterator[Condition]:
    yield _unseen("guest-basic-disks", "All disks in the guest are basic disks, not dynamic ones", cures.LIST_DISKS)
    yield _unseen(
        "guest-file-systems",
        "All volumes in the guest have a file system that supports shadow copies (NTFS; not FAT, exFAT)",
        cures.LIST_VOLUMES,
    )
    yield _unseen(
        "guest-shadow-storage",
        "The shadow storage of each volume in the guest is on that volume",
        cures.LIST_SHADOW_STORAGE,
    )
    yield _unseen(
        "guest-has-vss",
        "The guest's system can take part (VSS in Windows, hypervvssd in Linux)",
        "Windows 2000 and XP are backed up Offline, on a 2008 R2 host Server 2012 too; Linux Online is consistent for "
        "its file systems only.",
    )
    if host.os_build < SERVER_2012:
        yield _unseen(
            "guest-scoped-shadows",
            "A guest with Windows 8 or Server 2012 on this older host makes no scoped shadow copies",
            cures.NO_SCOPED_SHADOWS,
        )


def _cluster(vm: Vm, _host: HostFacts) -> Iterator[Condition]:
    key, text = "cluster-group-online", "The VM's cluster group is online"
    if not vm.clustered:
        yield Condition(id=key, text=text, verdict=Verdict.MET, reason="the VM is not clustered")
        return
    yield Condition(
        id=key,
        text=text,
        verdict=Verdict.UNSEEN,
        reason="the VM is clustered; the state of its group was not asked for",
        cure=cures.show_cluster_group(vm),
    )


def _disks(vm: Vm, _host: HostFacts) -> Iterator[Condition]:
    raw = [disk for disk in vm.disks if disk.disk_number is not None]
    key, text = "no-pass-through-disk", "No pass-through disk stands in the way"
    if raw:
        numbers = ", ".join(str(disk.disk_number) for disk in raw)
        yield Condition(
            id=key,
            text=text,
            verdict=Verdict.UNSEEN,
            reason=f"disk {numbers} of the host is passed through: its content is in no backup of the VM, and below "
            "300 MB it makes the VM Offline",
            cure="Back its content up inside the guest, or move it into a VHDX file.",
        )
    else:
        yield Condition(id=key, text=text, verdict=Verdict.MET, reason="the VM has none")
    shared = [
        disk.path or "" for disk in vm.disks if disk.support_persistent_reservations or _is_disk_set(disk.path or "")
    ]
    yield Condition(
        id="no-shared-disk",
        text="No disk is shared with other VMs (shared VHDX, VHD set)",
        verdict=Verdict.FAILED if shared else Verdict.MET,
        reason=f"{shared[0]} is shared; the host cannot back such a disk up through VSS" if shared else "none is",
        cure="Back it up inside the guest; a VHD set needs a VM group and Hyper-V's own interface." if shared else None,
    )


def _replication(vm: Vm, _host: HostFacts) -> Iterator[Condition]:
    key, text = "not-a-replica", "The VM is not a replica, and no replication is at work"
    mode = vm.replication_mode.casefold()
    if mode in ("none", ""):
        yield Condition(id=key, text=text, verdict=Verdict.MET, reason="the VM is not replicated")
    elif mode in _REPLICAS:
        yield Condition(
            id=key,
            text=text,
            verdict=Verdict.FAILED,
            reason=f"its replication mode is {vm.replication_mode}: it is off, and its backup fails while changes are "
            "applied to it",
            cure=f"Back the primary VM up instead, or pause replication first: {cures.pause_replication(vm)}",
        )
    else:
        yield Condition(
            id=key,
            text=text,
            verdict=Verdict.UNSEEN,
            reason=f"its replication mode is {vm.replication_mode}; a backup fails during initial replication, "
            "migration and resynchronisation, and what runs now was not asked for",
            cure=cures.show_replication(vm),
        )


def _backup_checkpoint(vm: Vm, _host: HostFacts) -> Iterator[Condition]:
    left = [each for each in vm.checkpoints if each.type.casefold() == "recovery"]
    yield Condition(
        id="no-backup-checkpoint",
        text="No checkpoint of another backup is there",
        verdict=Verdict.FAILED if left else Verdict.MET,
        reason=f"checkpoint {left[0].id} of {left[0].created_at} is one: a backup is at work, or left it behind"
        if left
        else "there is none",
        cure=f"If no backup is at work: {cures.remove_backup_checkpoints(vm)}" if left else None,
    )


def _configuration(vm: Vm, _host: HostFacts) -> Iterator[Condition]:
    key, text = "configuration-found", "The VM's configuration file is where the host says"
    if vm.configuration_file:
        yield Condition(id=key, text=text, verdict=Verdict.MET, reason=vm.configuration_file)
        return
    yield Condition(
        id=key,
        text=text,
        verdict=Verdict.UNSEEN,
        reason=f"it was not found in {vm.configuration_location}; broken configurations can make the writer vanish",
    )


def _unseen(key: str, text: str, cure: str) -> Condition:
    return Condition(id=key, text=text, verdict=Verdict.UNSEEN, reason=UNSEEN, cure=cure)


def _is_disk_set(path: str) -> bool:
    return path.casefold().endswith(".vhds")


def _volume_of(path: str, volumes: tuple[Volume, ...]) -> Volume | None:
    """The volume with the longest mount point that the path is below."""
    wanted = path.rstrip("\\").casefold() + "\\"
    best: tuple[int, Volume] | None = None
    for volume in volumes:
        for place in (*volume.paths, volume.id):
            root = place.rstrip("\\").casefold() + "\\"
            if wanted.startswith(root) and (best is None or len(root) > best[0]):
                best = (len(root), volume)
    return best[1] if best else None


def _name(volume: Volume) -> str:
    return volume.paths[0] if volume.paths else volume.id


_CHECKS: tuple[Callable[[Vm, HostFacts], Iterator[Condition]], ...] = (
    _running, _service, _scsi, _checkpoint_location, _disks, _replication, _cluster, _backup_checkpoint,
    _configuration, _guest,
)  # fmt: skip
