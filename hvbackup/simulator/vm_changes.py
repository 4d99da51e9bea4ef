"""Creating, changing, importing and removing the simulated host's VMs, as the Hyper-V cmdlets do."""

from __future__ import annotations

import ntpath
import shutil
import uuid
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from hvbackup.models import (
    DvdDrive,
    Firmware,
    IntegrationService,
    Memory,
    NetworkAdapter,
    Processor,
    Security,
    Vm,
)
from hvbackup.simulator.engine import HostError
from hvbackup.simulator.state import HostRecord, HostState, Record, VmRecord, VmTruth, now, plain_guid
from hvbackup.simulator.vm_files import (
    configuration_path,
    read_configuration,
    remove_configuration,
    write_configuration,
)
from hvbackup.simulator.vm_specs import SERVICES
from hvbackup.simulator.volumes import local_path

SWITCH_MISSING = 33012
DISK_MISSING = 40010
_GUEST_SERVICES = "6c09bb55-d683-4da0-8931-c9bf705f6480"
_OFF_STATES = ("Off", "OffCritical", "Saved", "SavedCritical")


class Problem(Record):
    """An entry of Compare-VM's report; `source` names the adapter's id or the disk's path."""

    message_id: int
    message: str
    source: str


class PlannedVm(Record):
    """What Compare-VM returns: a VM that may still be changed, what does not fit, and what Import-VM will do."""

    vm: Vm
    truth: VmTruth
    problems: list[Problem]
    source_path: str
    copy_files: bool = False
    virtual_hard_disk_path: str | None = None


def vm_of(record: HostRecord, vm_id: str) -> VmRecord:
    """Return a VM; `VmNotFound` when there is none."""
    found = record.find_vm(vm_id)
    if found is None:
        raise HostError("VmNotFound", f'Hyper-V was unable to find a virtual machine with id "{plain_guid(vm_id)}".')
    return found


def new_vm(
    host: HostState, *, name: str, generation: int, startup_bytes: int, path: str | None = None, version: str = "9.0"
) -> Vm:
    """Create a VM without disks, with what New-VM -NoVHD gives it: an adapter, and a DVD drive in generation 1."""
    vm_id = str(uuid.uuid4())
    with host.change() as record:
        home = ntpath.join(path, name) if path else record.machine.virtual_machine_path
        second = generation == 2
        vm = Vm(
            id=vm_id,
            name=name,
            state="Off",
            generation=generation,
            version=version,
            path=home,
            configuration_location=home,
            snapshot_file_location=home,
            smart_paging_file_path=home,
            configuration_file=configuration_path(home, vm_id),
            created_at=now(),
            checkpoint_type="Production",
            automatic_checkpoints=False,
            automatic_start_action="StartIfRunning",
            automatic_stop_action="Save",
            memory=Memory(
                startup_bytes=startup_bytes,
                minimum_bytes=512 << 20,
                maximum_bytes=1 << 40,
                buffer_percent=20,
                priority=50,
            ),
            processor=Processor(count=1),
            scsi_controllers=1,
            dvd_drives=() if second else (DvdDrive(controller_type="IDE", controller_number=1, controller_location=0),),
            network_adapters=(new_adapter(vm_id, "Network Adapter"),),
            integration_services=tuple(
                IntegrationService(service_id=service, name=title, enabled=service != _GUEST_SERVICES)
                for service, title in SERVICES.items()
            ),
            firmware=Firmware(secure_boot_template="MicrosoftWindows", boot_order=("Network Network Adapter",))
            if second
            else None,
            boot_devices=() if second else ("CD", "IDE", "LegacyNetworkAdapter", "Floppy"),
            security=Security() if second else None,
        )
        _register(host.folder, record, VmRecord(vm=vm), "vm-created")
    return vm


def new_adapter(vm_id: str, name: str) -> NetworkAdapter:
    """A network adapter that is not connected, with a dynamic MAC address (none yet)."""
    return NetworkAdapter(
        id=f"Microsoft:{vm_id.upper()}\\{str(uuid.uuid4()).upper()}", name=name, mac_address="000000000000"
    )


def _register(folder: Path, record: HostRecord, vm_record: VmRecord, event: str) -> None:
    if record.find_vm(vm_record.vm.id) is not None:
        raise HostError(
            "VmExists", f"The operation failed because a virtual machine with the identifier {vm_record.vm.id} exists."
        )
    try:
        if not vm_record.truth.without_files:
            write_configuration(folder, vm_record)
    except (OSError, ValueError) as error:
        raise HostError("VmCreationFailed", f"The configuration cannot be written: {error}") from None
    record.vms.append(vm_record)
    record.note(event, vm_record.vm.id, vm_record.vm.name)


def change_vm(host: HostState, vm_id: str, changes: dict[str, Any]) -> Vm:
    """Change fields of a VM (camelCase names of `hvbackup.models.Vm`; objects are merged, arrays replaced).

    Raises:
        HostError: `VmNotFound`; `RequestRefused` for a field that there is not; `FileMissing` for a disk without file.
    """
    with host.change() as record:
        found = vm_of(record, vm_id)
        vm = changed(found.vm, changes)
        for disk in vm.disks:
            known = any(old.path == disk.path for old in found.vm.disks)
            if disk.path and not known and not local_path(host.folder, disk.path).exists():
                raise HostError("FileMissing", f"The system cannot find the file specified: '{disk.path}'.")
        found.vm = vm
        if not found.truth.without_files:
            write_configuration(host.folder, found)
    return vm


def changed(vm: Vm, changes: dict[str, Any]) -> Vm:
    """Return the VM with some fields changed; `RequestRefused` when they do not fit."""
    whole = msgspec.to_builtins(vm)
    for key, value in msgspec.to_builtins(changes).items():
        if key not in whole or key == "id":
            raise HostError("RequestRefused", f"a VM has no field '{key}' that could be changed")
        old = whole[key]
        whole[key] = {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value
    try:
        return msgspec.convert(whole, type=Vm)
    except msgspec.ValidationError as error:
        raise HostError("RequestRefused", str(error)) from None


def set_state(host: HostState, vm_id: str, state: str) -> Vm:
    """Start, stop or save a VM: `Running`, `Off` or `Saved`."""
    with host.change() as record:
        found = vm_of(record, vm_id)
        found.vm = replace(found.vm, state=state, uptime_seconds=0)
        if not found.truth.without_files:
            write_configuration(host.folder, found)
        record.note({"Running": "vm-started", "Off": "vm-turned-off"}.get(state, "vm-saved"), found.vm.id)
        return found.vm


def remove_vm(host: HostState, vm_id: str) -> None:
    """Unregister a VM that is off or saved, and remove its configuration files; `VmNotFound`, `VmStateInvalid`."""
    with host.change() as record:
        found = vm_of(record, vm_id)
        if found.vm.state not in _OFF_STATES:
            raise HostError("VmStateInvalid", f"The VM '{found.vm.name}' is {found.vm.state}; it must be off.")
        remove_configuration(host.folder, found)
        record.vms.remove(found)
        record.note("vm-removed", found.vm.id, found.vm.name)


def plan_import(
    host: HostState,
    path: str,
    *,
    copy_files: bool = False,
    generate_new_id: bool = False,
    virtual_machine_path: str | None = None,
    snapshot_file_path: str | None = None,
    smart_paging_file_path: str | None = None,
    virtual_hard_disk_path: str | None = None,
) -> PlannedVm:
    """Compare-VM: read a configuration file and say what does not fit this host.

    Raises:
        HostError: `FileMissing`, `VmImportRefused` when the file is no configuration, `VmExists` when the id is taken.
    """
    try:
        saved = read_configuration(host.folder, path)
    except FileNotFoundError:
        raise HostError("FileMissing", f"'{path}' is not there.") from None
    except ValueError as error:
        raise HostError("VmImportRefused", f"Unable to import virtual machine from '{path}': {error}") from None
    record = host.read()
    vm_id = str(uuid.uuid4()) if copy_files and generate_new_id else saved.vm.id
    if record.find_vm(vm_id) is not None:
        raise HostError(
            "VmExists",
            "Unable to import virtual machine due to configuration errors: a virtual machine with the identifier "
            f"{vm_id} exists.",
        )
    here = ntpath.dirname(ntpath.dirname(path))
    home = (virtual_machine_path or record.machine.virtual_machine_path) if copy_files else here
    target = configuration_path(home, vm_id) if copy_files else path
    vm = replace(
        saved.vm,
        id=vm_id,
        state="Saved" if saved.vm.state == "Saved" else "Off",
        uptime_seconds=0,
        path=home,
        configuration_location=home,
        configuration_file=target,
        snapshot_file_location=snapshot_file_path or home,
        smart_paging_file_path=smart_paging_file_path or home,
        clustered=False,
    )
    truth = saved.truth
    truth.backing_up = False
    planned = PlannedVm(
        vm=vm,
        truth=truth,
        problems=[],
        source_path=path,
        copy_files=copy_files,
        virtual_hard_disk_path=virtual_hard_disk_path,
    )
    planned.problems = problems_of(host, planned)
    return planned


def problems_of(host: HostState, planned: PlannedVm) -> list[Problem]:
    """What still does not fit this host: switches and disks that are not there."""
    switches = host.read().switches
    problems = [
        Problem(
            message_id=SWITCH_MISSING,
            message=f"Could not find Ethernet switch '{adapter.switch_name}'.",
            source=adapter.id,
        )
        for adapter in planned.vm.network_adapters
        if adapter.switch_name is not None and adapter.switch_name not in switches
    ]
    for disk in planned.vm.disks:
        if disk.path and not local_path(host.folder, disk.path).exists():
            message = f"Could not find the virtual hard disk file '{disk.path}'."
            problems.append(Problem(message_id=DISK_MISSING, message=message, source=disk.path))
    return problems


def import_vm(host: HostState, planned: PlannedVm) -> Vm:
    """Import-VM -CompatibilityReport: register the planned VM, with copies of its files when it was planned so.

    Raises:
        HostError: `VmImportRefused` while anything does not fit; `VmExists`.
    """
    problems = problems_of(host, planned)
    if problems:
        raise HostError(
            "VmImportRefused",
            "Unable to import virtual machine due to configuration errors. Please use Compare-VM to repair the "
            f"virtual machine. {problems[0].message}",
        )
    vm = planned.vm
    if planned.copy_files:
        vm = _with_copied_disks(host, planned)
    with host.change() as record:
        _register(host.folder, record, VmRecord(vm=vm, truth=planned.truth), "vm-imported")
    return vm


def _with_copied_disks(host: HostState, planned: PlannedVm) -> Vm:
    """Copy the leaf files of the disks; a chain's parents would be copied as well, and are not simulated."""
    folder = planned.virtual_hard_disk_path or host.read().machine.virtual_hard_disk_path
    disks = []
    for disk in planned.vm.disks:
        if disk.path is None:
            disks.append(disk)
            continue
        target = ntpath.join(folder, ntpath.basename(disk.path))
        local = local_path(host.folder, target)
        if local.exists():
            raise HostError("VmImportRefused", f"Unable to copy '{disk.path}': '{target}' is there already.")
        local.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(local_path(host.folder, disk.path), local)
        disks.append(replace(disk, path=target))
    return replace(planned.vm, disks=tuple(disks))
