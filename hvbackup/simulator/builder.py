"""Build the folder of a simulated host: drives, VMs with real disk files, writers and programs."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path

from hvbackup.models import HYPERV_WRITER_ID
from hvbackup.simulator.disk_files import change_content, write_child, write_disk
from hvbackup.simulator.host_programs import install_programs
from hvbackup.simulator.state import HostRecord, HostState, Machine, VmRecord, VolumeRecord, WriterRecord
from hvbackup.simulator.vm_files import write_checkpoint, write_configuration
from hvbackup.simulator.vm_specs import DEMO, VmSpec, disk_paths, many, vm_record
from hvbackup.simulator.volumes import copy_volume, local_path, make_link

_NAMESPACE = uuid.UUID("f2a1d3c8-7c55-4c73-9d59-3c1e8c4f7a10")

_SYSTEM = "C:\\Windows\\System32"
#: Class id, name, component, logical path, folders: the writers that every server has, as far as captures show them.
_WRITERS: list[tuple[str, str, str, str, list[str]]] = [
    ("d61d61c8-d73a-4eee-8cdd-f6f9786b7124", "Task Scheduler Writer", "TasksStore", "", ["C:\\Windows\\Tasks"]),
    ("75dfb225-e2e4-4d39-9ac9-ffaff65ddf06", "VSS Metadata Store Writer", "WriterMetadataStore", "", [_SYSTEM]),
    ("0bada1de-01a9-4625-8278-69e735f39dd2", "Performance Counters Writer", "PerfCounters", "", [_SYSTEM]),
    ("e8132975-6f93-4464-a53e-1050253ae220", "System Writer", "System Files", "", [_SYSTEM]),
    ("be000cbe-11fe-4426-9c58-531aa6355fc4", "ASR Writer", "ASR", "ASR", ["C:\\Windows"]),
    ("4dc3bdd4-ab48-4d07-adb0-3bee2926fd7f", "Shadow Copy Optimization Writer", "", "", []),
    ("afbab4a2-367d-4d15-a586-71dbb18f8485", "Registry Writer", "Registry", "", [_SYSTEM + "\\config"]),
    ("542da469-d3e1-473c-9f4f-7847f01fc64f", "COM+ REGDB Writer", "COM+ REGDB", "", ["C:\\Windows\\Registration"]),
    ("a6ad56c2-b509-4e6c-bb19-49d8f43532f0", "WMI Writer", "WMI", "", [_SYSTEM + "\\wbem\\Repository"]),
    (HYPERV_WRITER_ID, "Microsoft Hyper-V VSS Writer", "Host Component", "", []),
]
_FOLDERS = [
    _SYSTEM + "\\config",
    _SYSTEM + "\\wbem\\Repository",
    "C:\\Windows\\Tasks",
    "C:\\Windows\\Temp",
    "C:\\Windows\\Registration",
    "C:\\Users\\Public\\Documents\\Hyper-V\\Virtual Hard Disks",
    "C:\\ProgramData\\Microsoft\\Windows\\Hyper-V\\Resource Types",
    "D:\\Hyper-V",
    "E:\\Hyper-V",
]


def build_host(folder: Path | str, *, profile: str = "demo", vms: Sequence[VmSpec] | None = None) -> HostState:
    """Build a host in an empty or missing folder and return it.

    Args:
        profile: `demo` a Windows Server 2022 with a VM for each case; `empty` the same without VMs; `many` with 500
            VMs without disk files; `client` Windows 11 without diskshadow and writer; `no-role` a server without
            Hyper-V; `german` the demo with German texts.
        vms: VMs instead of those of the profile.

    Raises:
        ValueError: No such profile.
        FileExistsError: There is a host in the folder already.
    """
    host = HostState(folder)
    if (host.folder / "state.json").exists():
        raise FileExistsError(f"there is a simulated host in {host.folder} already")
    record = _empty_host(profile)
    host.create(record)
    for volume in record.volumes:
        drive = host.folder / volume.letter
        drive.mkdir(exist_ok=True)
        make_link(host.folder / f"Volume{{{volume.guid}}}", drive)
    (host.folder / "GLOBALROOT" / "Device").mkdir(parents=True, exist_ok=True)
    for path in _FOLDERS:
        local_path(host.folder, path).mkdir(parents=True, exist_ok=True)
    _write_host_files(host.folder)
    install_programs(host.folder, record.machine)
    add_vms(host, _profile_vms(profile) if vms is None else vms)
    return host


def copy_host(source: HostState, folder: Path | str) -> HostState:
    """Copy a host without shadow copies and mounted disks into an empty or missing folder; quicker than building.

    Raises:
        ValueError: The source has shadow copies or mounted disks.
    """
    record = source.read()
    if record.shadow_copies or record.mounted:
        raise ValueError("a host with shadow copies or mounted disks cannot be copied")
    host = HostState(folder)
    host.create(record)
    for volume in record.volumes:
        copy_volume(source.folder / volume.letter, host.folder / volume.letter)
        make_link(host.folder / f"Volume{{{volume.guid}}}", host.folder / volume.letter)
    (host.folder / "GLOBALROOT" / "Device").mkdir(parents=True)
    install_programs(host.folder, record.machine)
    return host


def _profile_vms(profile: str) -> Sequence[VmSpec]:
    if profile in ("demo", "german"):
        return DEMO
    return many(500) if profile == "many" else []


def _empty_host(profile: str) -> HostRecord:
    machine = Machine()
    if profile == "client":
        machine = Machine(os_caption="Microsoft Windows 11 Pro", os_version="10.0.22631", os_build=22631)
        machine.product_type, machine.diskshadow, machine.computer_name = 1, False, "PC01"
        machine.powershell_version = "5.1.22621.2506"
    elif profile == "no-role":
        machine.hyper_v = False
    elif profile == "german":
        machine.language, machine.code_page = "de", 850
    elif profile not in ("demo", "empty", "many"):
        raise ValueError(f"no profile {profile!r}: choose demo, empty, many, client, no-role or german")
    hyper_v_writer = machine.hyper_v and machine.product_type != 1
    return HostRecord(
        machine=machine,
        volumes=[
            VolumeRecord(guid=str(uuid.uuid5(_NAMESPACE, letter)), letter=letter, label=label)
            for letter, label in (("C", "System"), ("D", "VMs"), ("E", "Data"))
        ],
        switches=["External", "Internal"],
        writers=[
            WriterRecord(
                id=writer_id,
                name=name,
                instance_id=str(uuid.uuid5(_NAMESPACE, name)),
                component=component,
                logical_path=logical_path,
                paths=paths,
                supports_restore=writer_id == HYPERV_WRITER_ID,
                missing=writer_id == HYPERV_WRITER_ID and not hyper_v_writer,
            )
            for writer_id, name, component, logical_path, paths in _WRITERS
        ],
    )


def _write_host_files(folder: Path) -> None:
    """The files of the Hyper-V writer's Host Component, and something for the others."""
    hyper_v = "C:\\ProgramData\\Microsoft\\Windows\\Hyper-V"
    kind = "118c3be5-0d31-4804-85f0-5c6074abea8f"
    for path in (f"{hyper_v}\\InitialStore.xml", f"{hyper_v}\\Resource Types\\{kind.upper()}.xml"):
        local_path(folder, path).write_bytes(b'<?xml version="1.0" encoding="UTF-8"?>\r\n<configuration/>\r\n')
    local_path(folder, _SYSTEM + "\\config\\SYSTEM").write_bytes(b"regf".ljust(4096, b"\0"))


def add_vms(host: HostState, specs: Sequence[VmSpec]) -> list[str]:
    """Create VMs with their files on a host; return their ids."""
    records = [vm_record(spec) for spec in specs]
    for spec, vm in zip(specs, records, strict=True):
        if not spec.without_files:
            _write_vm(host.folder, spec, vm)
    with host.change() as state:
        for vm in records:
            state.vms.append(vm)
            state.note("vm-created", vm.vm.id, vm.vm.name)
    return [vm.vm.id for vm in records]


def _write_vm(folder: Path, spec: VmSpec, record: VmRecord) -> None:
    for index, chain in enumerate(disk_paths(spec)):
        _write_chain(folder, f"{spec.key}/{index}", chain)
    write_configuration(folder, record)
    for checkpoint in record.vm.checkpoints:
        path = f"{record.vm.snapshot_file_location}\\Snapshots\\{checkpoint.id.upper()}.vmcx"
        write_checkpoint(folder, record, path)
    if spec.generation == 2 and record.vm.configuration_file:
        guest_state = local_path(folder, record.vm.configuration_file).with_suffix(".vmgs")
        guest_state.write_bytes(b"GUESTRTS".ljust(512, b"\0") + spec.vm_id.encode())


def _write_chain(folder: Path, identity: str, chain: list[str]) -> None:
    """Write a disk and its differencing files; `chain` is leaf first."""
    root = local_path(folder, chain[-1])
    root.parent.mkdir(parents=True, exist_ok=True)
    write_disk(root, identity)
    parent = (root, chain[-1])
    for depth, path in enumerate(reversed(chain[:-1]), 1):
        local = local_path(folder, path)
        write_child(local, f"{identity}/child{depth}", *parent)
        parent = (local, path)


def change_disk(host: HostState, vm_id: str, *, disk: int = 0, seed: str = "changed") -> int:
    """Overwrite a file inside a VM's disk, as a guest at work does; return how many bytes changed.

    Raises:
        LookupError: No such VM, or it has no such disk.
        ValueError: The disk is not one that `build_host` has made.
    """
    record = host.read().find_vm(vm_id)
    if record is None or disk >= len(record.vm.disks) or record.vm.disks[disk].path is None:
        raise LookupError(f"VM {vm_id} has no disk {disk}")
    return change_content(local_path(host.folder, str(record.vm.disks[disk].path)), f"{vm_id}/{seed}")
