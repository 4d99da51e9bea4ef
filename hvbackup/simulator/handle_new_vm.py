"""Handler of the script that builds a VM anew, with the steps and warnings in the words of `New-HvbVm.ps1`."""

from __future__ import annotations

import ntpath
from typing import Any

from msgspec.structs import replace

from hvbackup.models import Disk, DvdDrive, IntegrationService, NetworkAdapter, Vlan, Vm
from hvbackup.remote.calls import NewVm
from hvbackup.simulator.engine import HostError, ScriptContext
from hvbackup.simulator.handle_vms import check_name, check_switch, placements
from hvbackup.simulator.script_requests import full_path, need_hyper_v, read_request
from hvbackup.simulator.state import HostRecord, HostState
from hvbackup.simulator.vm_changes import change_vm, new_adapter, new_vm, remove_vm
from hvbackup.simulator.volumes import MalformedPath, local_path

_SUPPORTED_VERSIONS = ("8.0", "8.1", "8.2", "8.3", "9.0", "9.1", "9.2", "9.3", "10.0")


def new_vm_handler(host: HostState, context: ScriptContext) -> dict[str, Any]:
    """New-HvbVm."""
    call = read_request(context, NewVm)
    if call.vm.generation not in (1, 2) or not call.name:
        raise HostError("RequestRefused", "A VM needs a name, and generation 1 or 2.")
    path = full_path(call.path)
    places = placements(host, call.disks)
    disks = _disks(host, call.vm, places, context.warnings)
    record = host.read()
    need_hyper_v(record)
    check_name(record, call.name)
    if call.switch_name:
        check_switch(record, call.switch_name)
    plan = _Plan(host, record, call, path, context.warnings)
    changes = plan.changes(disks)
    answer = {"id": None, "name": call.name, "state": "Off", "steps": plan.steps, "incompatibilities": []}
    if call.plan_only:
        return answer
    try:
        vm = new_vm(
            host,
            name=call.name,
            generation=call.vm.generation,
            startup_bytes=call.vm.memory.startup_bytes,
            path=path,
            version=plan.version,
        )
    except HostError as error:
        raise HostError("VmCreationFailed", f"The VM '{call.name}' was not created. {error.message}") from None
    try:
        vm = change_vm(host, vm.id, plan.with_id(vm, changes))
    except HostError as error:
        remove_vm(host, vm.id)
        raise HostError("VmCreationFailed", f"The VM '{call.name}' was not created. {error.message}") from None
    return {**answer, "id": vm.id, "state": vm.state}


def _disks(host: HostState, vm: Vm, places: dict[str, str], warnings: list[str]) -> list[Disk]:
    """The disks with the files that are there now; `FileMissing`."""
    disks = []
    for disk in vm.disks:
        if not disk.path:
            place = f"{disk.controller_type} {disk.controller_number} {disk.controller_location}"
            warnings.append(f"The pass-through disk at {place} is left out.")
            continue
        path = full_path(places.get(disk.path.lower(), disk.path))
        if not local_path(host.folder, path).is_file():
            raise HostError("FileMissing", f"The disk '{path}' is not there.")
        disks.append(replace(disk, path=path, chain=(), error=None))
    return disks


class _Plan:
    """What is to be done, told in steps, and as changes of the VM that New-VM makes."""

    def __init__(self, host: HostState, record: HostRecord, call: NewVm, path: str, warnings: list[str]) -> None:
        self.host = host
        self.record = record
        self.call = call
        self.path = path
        self.warnings = warnings
        self.steps: list[str] = []
        self.version = call.vm.version
        if self.version not in _SUPPORTED_VERSIONS:
            self.version = "9.0"
            warnings.append(
                f"This host does not make VMs of version {call.vm.version}; the VM gets the host's own version."
            )

    def changes(self, disks: list[Disk]) -> dict[str, Any]:
        """Tell the steps in their order; return the fields that they change."""
        vm, name = self.call.vm, self.call.name
        self.steps.append(f"Create the VM '{name}' (generation {vm.generation}) in '{self.path}'.")
        changes: dict[str, Any] = {"notes": vm.notes, **self._settings()}
        self.steps.append("Set what it does when the host starts and stops, its checkpoints and its notes.")
        self.steps.append("Set its memory.")
        self.steps.append(f"Give it {vm.processor.count} processors.")
        self.steps.append(f"Give it {vm.scsi_controllers} SCSI controllers.")
        for disk in disks:
            place = f"{disk.controller_type} {disk.controller_number} {disk.controller_location}"
            self.steps.append(f"Attach '{disk.path}' at {place}.")
        dvd_drives = [self._dvd_drive(drive) for drive in vm.dvd_drives]
        changes |= {
            "memory": vm.memory,
            "processor": vm.processor,
            "scsiControllers": vm.scsi_controllers,
            "disks": disks,
            "dvdDrives": dvd_drives,
            "networkAdapters": [self._adapter(adapter) for adapter in vm.network_adapters],
        }
        self.steps.append("Set its integration services.")
        if vm.generation == 1 and vm.boot_devices:
            self.steps.append("Set the order in which it boots.")
            changes["bootDevices"] = vm.boot_devices
        if vm.firmware is not None:
            self.steps.append("Set its firmware and the order in which it boots.")
            changes["firmware"] = vm.firmware
        if vm.security is not None:
            changes["security"] = self._security()
        return changes

    def _settings(self) -> dict[str, Any]:
        vm = self.call.vm
        settings: dict[str, Any] = {"automaticStartDelaySeconds": vm.automatic_start_delay_seconds}
        texts = {
            "automaticStartAction": vm.automatic_start_action,
            "automaticStopAction": vm.automatic_stop_action,
            "checkpointType": vm.checkpoint_type,
        }
        settings |= {key: value for key, value in texts.items() if value}
        if vm.automatic_checkpoints is not None:
            settings["automaticCheckpoints"] = vm.automatic_checkpoints
        own = {vm.path.rstrip("\\").lower(), vm.configuration_location.rstrip("\\").lower()}
        locations = {
            "snapshotFileLocation": vm.snapshot_file_location,
            "smartPagingFilePath": vm.smart_paging_file_path,
        }
        for key, place in locations.items():
            # A location of its own is kept; the VM's own folder has moved with the VM.
            if place and place.rstrip("\\").lower() not in own:
                if self._drive_is_there(place):
                    settings[key] = place
                else:
                    self.warnings.append(f"'{place}' is not on this host; the VM's own folder is used instead.")
        return settings

    def _drive_is_there(self, place: str) -> bool:
        try:
            return local_path(self.host.folder, ntpath.splitdrive(place)[0] + "\\").is_dir()
        except MalformedPath:
            return False

    def _dvd_drive(self, drive: DvdDrive) -> DvdDrive:
        self.steps.append(f"Add the DVD drive {drive.controller_number} {drive.controller_location}.")
        if drive.path and not local_path(self.host.folder, drive.path).is_file():
            self.warnings.append(f"'{drive.path}' is not there; the DVD drive is empty.")
            return replace(drive, path=None)
        return drive

    def _adapter(self, adapter: NetworkAdapter) -> NetworkAdapter:
        switch = self.call.switch_name
        if switch is None and self.call.connect_network and adapter.switch_name:
            if adapter.switch_name in self.record.switches:
                switch = adapter.switch_name
            else:
                self.warnings.append(
                    f"The switch '{adapter.switch_name}' is not on this host; the adapter '{adapter.name}' stays "
                    "disconnected."
                )
        place = f"connected to '{switch}'" if switch else "disconnected"
        if adapter.vlan.mode == "Private":
            self.warnings.append(f"The private VLAN of the adapter '{adapter.name}' was not recorded; it is untagged.")
        self.steps.append(f"Add the network adapter '{adapter.name}', {place}.")
        vlan = Vlan() if adapter.vlan.mode == "Private" else adapter.vlan
        fixed = not adapter.dynamic_mac_address and bool(adapter.mac_address)
        mac = adapter.mac_address if fixed else "000000000000"
        return replace(adapter, switch_name=switch, vlan=vlan, mac_address=mac, dynamic_mac_address=not fixed)

    def _security(self) -> dict[str, bool]:
        security = self.call.vm.security
        if security is None:
            return {}
        if security.shielded:
            self.warnings.append("The VM was shielded; this one is not.")
        if security.tpm_enabled:
            self.warnings.append("The VM gets a new, empty TPM: BitLocker will ask for its recovery key.")
            self.steps.append("Give it a new TPM.")
        encrypt = security.encrypt_state_and_migration and security.tpm_enabled
        if encrypt:
            self.steps.append("Encrypt its state and migration.")
        return {"tpmEnabled": security.tpm_enabled, "encryptStateAndMigration": encrypt}

    def with_id(self, made: Vm, changes: dict[str, Any]) -> dict[str, Any]:
        """The changes with what depends on the new VM: its adapters' ids and its integration services."""
        adapters = [
            replace(adapter, id=new_adapter(made.id, adapter.name).id) for adapter in changes["networkAdapters"]
        ]
        wanted = {service.service_id: service.enabled for service in self.call.vm.integration_services}

        def service(item: IntegrationService) -> IntegrationService:
            return replace(item, enabled=wanted.get(item.service_id, item.enabled))

        services = [service(item) for item in made.integration_services]
        return {**changes, "networkAdapters": adapters, "integrationServices": services}
