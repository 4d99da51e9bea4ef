"""What the VSS writers of the simulated host offer: components, captions and files, from the VMs' true conditions.

Shapes: `list writers detailed` of a 2012 R2 Hyper-V writer (KB3098315). That a 2016+ writer lists `.vmcx` and `.vmrs`
the same way is believed, not seen.
"""

from __future__ import annotations

import ntpath

import msgspec

from hvbackup.models import HYPERV_WRITER_ID, VSS_SERVICE_ID, Method
from hvbackup.simulator.state import HostRecord, Record, VmRecord, VolumeRecord, WriterRecord

HYPER_V_DATA = "C:\\ProgramData\\Microsoft\\Windows\\Hyper-V"

#: VSS_WRITER_STATE (vss.h): the constant without its prefix.
STATES = {
    0: "UNKNOWN",
    1: "STABLE",
    2: "WAITING_FOR_FREEZE",
    3: "WAITING_FOR_THAW",
    4: "WAITING_FOR_POST_SNAPSHOT",
    5: "WAITING_FOR_BACKUP_COMPLETE",
    6: "FAILED_AT_IDENTIFY",
    7: "FAILED_AT_PREPARE_BACKUP",
    8: "FAILED_AT_PREPARE_SNAPSHOT",
    9: "FAILED_AT_FREEZE",
    10: "FAILED_AT_THAW",
    11: "FAILED_AT_POST_SNAPSHOT",
    12: "FAILED_AT_BACKUP_COMPLETE",
    13: "FAILED_AT_PRE_RESTORE",
    14: "FAILED_AT_POST_RESTORE",
    15: "FAILED_AT_BACKUPSHUTDOWN",
}

#: HRESULT -> its name, those that a backup meets (vss.h, vswriter.h).
HRESULTS = {
    0x00000000: "S_OK",
    0x80042301: "VSS_E_BAD_STATE",
    0x80042302: "VSS_E_UNEXPECTED",
    0x80042306: "VSS_E_PROVIDER_VETO",
    0x80042308: "VSS_E_OBJECT_NOT_FOUND",
    0x8004230C: "VSS_E_VOLUME_NOT_SUPPORTED",
    0x8004230D: "VSS_E_OBJECT_ALREADY_EXISTS",
    0x8004230F: "VSS_E_UNEXPECTED_PROVIDER_ERROR",
    0x80042313: "VSS_E_FLUSH_WRITES_TIMEOUT",
    0x80042314: "VSS_E_HOLD_WRITES_TIMEOUT",
    0x80042316: "VSS_E_SNAPSHOT_SET_IN_PROGRESS",
    0x80042317: "VSS_E_MAXIMUM_NUMBER_OF_SNAPSHOTS_REACHED",
    0x8004231F: "VSS_E_INSUFFICIENT_STORAGE",
    0x80042336: "VSS_E_WRITERERROR_PARTIAL_FAILURE",
    0x800423F2: "VSS_E_WRITERERROR_TIMEOUT",
    0x800423F3: "VSS_E_WRITERERROR_RETRYABLE",
    0x800423F4: "VSS_E_WRITERERROR_NONRETRYABLE",
}


class ComponentFile(Record):
    """A file specification of a component."""

    path: str
    filespec: str
    recursive: bool = False


class WriterComponent(Record):
    """A component of a writer; `vm_id` is set for a VM's."""

    name: str
    logical_path: str = ""
    caption: str = ""
    files: list[ComponentFile] = msgspec.field(default_factory=list)
    vm_id: str | None = None

    @property
    def full_path(self) -> str:
        r"""`\logical path\name`."""
        return "\\" + "\\".join(part for part in (self.logical_path, self.name) if part)

    def folders(self) -> list[str]:
        """The paths affected by this component, each once, sorted."""
        unique = {file.path.casefold(): file.path for file in self.files}
        return [unique[key] for key in sorted(unique)]

    def volumes(self, host: HostRecord) -> list[VolumeRecord]:
        """The volumes affected by this component, in the order of its paths."""
        found: dict[str, VolumeRecord] = {}
        for folder in self.folders():
            volume = host.volume_of(folder)
            if volume is not None:
                found[volume.guid] = volume
        return list(found.values())


def offline_reasons(host: HostRecord, record: VmRecord) -> list[str]:
    """Return why the writer backs this VM up Offline; empty when it does so Online."""
    vm, truth = record.vm, record.truth
    service = next((item for item in vm.integration_services if item.service_id == VSS_SERVICE_ID), None)
    disk_volumes = [host.volume_of(disk.path) for disk in vm.disks if disk.path]
    checks = {
        "not running": vm.state != "Running",
        "integration service disabled": service is None or not service.enabled,
        "integration service does not answer": service is not None and service.operational is False,
        "no SCSI controller": vm.scsi_controllers == 0,
        "checkpoints on another volume": host.volume_of(vm.snapshot_file_location) not in disk_volumes,
        "dynamic disk in the guest": truth.guest_dynamic_disk,
        "file system in the guest": truth.guest_unsupported_file_system,
    }
    return [reason for reason, holds in checks.items() if holds]


def method_of(host: HostRecord, record: VmRecord) -> Method:
    """How the writer backs this VM up."""
    return Method.OFFLINE if offline_reasons(host, record) else Method.ONLINE


def components(host: HostRecord, writer: WriterRecord) -> list[WriterComponent]:
    """Return what a writer offers now."""
    if writer.id != HYPERV_WRITER_ID:
        if not writer.component:
            return []
        files = [ComponentFile(path=path, filespec="*", recursive=True) for path in writer.paths]
        return [WriterComponent(name=writer.component, logical_path=writer.logical_path, files=files)]
    listed = [
        record
        for record in host.vms
        if not record.truth.hidden_from_writer and record.vm.id not in host.faults.missing_components
    ]
    return [_host_component(), *(vm_component(host, record) for record in listed)]


def _host_component() -> WriterComponent:
    return WriterComponent(
        name="Host Component",
        caption="Host Component",
        files=[
            ComponentFile(path=HYPER_V_DATA, filespec="InitialStore.xml"),
            ComponentFile(path=HYPER_V_DATA + "\\Resource Types", filespec="*.xml"),
        ],
    )


def vm_component(host: HostRecord, record: VmRecord) -> WriterComponent:
    """The component of a VM; its name is the VM's id in upper case."""
    vm = record.vm
    method = method_of(host, record)
    name = vm.id.upper()
    files = []
    if vm.configuration_file:
        folder = ntpath.dirname(vm.configuration_file) + "\\"
        stem = ntpath.splitext(ntpath.basename(vm.configuration_file))[0]
        kinds = ["vmcx", "vmrs"] + (["vmgs"] if vm.generation == 2 else [])
        files += [ComponentFile(path=folder, filespec=f"{stem}.{kind}") for kind in kinds]
        files.append(ComponentFile(path=folder + stem, filespec="*"))
    for checkpoint in vm.checkpoints:
        folder = ntpath.join(vm.snapshot_file_location, "Snapshots")
        files += [ComponentFile(path=folder, filespec=f"{checkpoint.id.upper()}.{kind}") for kind in ("vmcx", "vmrs")]
        files.append(ComponentFile(path=ntpath.join(folder, checkpoint.id.upper()), filespec="*"))
    for disk in vm.disks:
        paths: list[str | None] = [image.path for image in disk.chain]
        files += [_file(path) for path in paths or [disk.path] if path]
        if host.machine.auto_recovery and method is Method.ONLINE and disk.path:
            files.append(ComponentFile(path=ntpath.dirname(disk.path), filespec=auto_recovery_name(disk.path)))
    if host.machine.auto_recovery and method is Method.ONLINE:
        folder = ntpath.join(vm.snapshot_file_location, "Snapshots")
        files.append(ComponentFile(path=folder, filespec=backup_snapshot_name(vm.id)))
    word = "Online" if method is Method.ONLINE else "Offline"
    return WriterComponent(name=name, caption=f"{word}\\{vm.name}", files=files, vm_id=vm.id)


def _file(path: str) -> ComponentFile:
    return ComponentFile(path=ntpath.dirname(path), filespec=ntpath.basename(path))


def auto_recovery_name(disk_path: str) -> str:
    """The file that takes the guest writers' last writes on 2012 R2, beside the disk."""
    return ntpath.splitext(ntpath.basename(disk_path))[0] + "-AutoRecovery.avhdx"


def backup_snapshot_name(vm_id: str) -> str:
    """The description of the backup's child snapshot on 2012 R2."""
    return f"{vm_id.upper()}-BackupSnapshot.xml"
