"""Creating, changing and removing the simulated host's VMs, as the Hyper-V cmdlets do."""

from __future__ import annotations

import ntpath
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
    decodable,
)
from hvbackup.simulator.engine import HostError
from hvbackup.simulator.state import HostRecord, HostState, VmRecord, now, plain_guid
from hvbackup.simulator.vm_files import (
    configuration_path,
    remove_configuration,
    write_configuration,
)
from hvbackup.simulator.vm_specs import SERVICES
from hvbackup.simulator.volumes import local_path

_GUEST_SERVICES = "6c09bb55-d683-4da0-8931-c9bf705f6480"
_OFF_STATES = ("Off", "OffCritical", "Saved", "SavedCritical")


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
        register(host.folder, record, VmRecord(vm=vm), "vm-created")
    return vm


def new_adapter(vm_id: str, name: str) -> NetworkAdapter:
    """A network adapter that is not connected, with a dynamic MAC address (none yet)."""
    return NetworkAdapter(
        id=f"Microsoft:{vm_id.upper()}\\{str(uuid.uuid4()).upper()}", name=name, mac_address="000000000000"
    )


def register(folder: Path, record: HostRecord, vm_record: VmRecord, event: str) -> None:
    """Add a VM to the host and write its configuration; `VmExists`, `VmCreationFailed`, `RequestRefused`."""
    if record.find_vm(vm_record.vm.id) is not None:
        raise HostError(
            "VmExists", f"The operation failed because a virtual machine with the identifier {vm_record.vm.id} exists."
        )
    vm_record.vm = changed(vm_record.vm, {})
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
        return msgspec.convert(whole, type=decodable(Vm))
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
