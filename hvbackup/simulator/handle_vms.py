"""Handlers of the scripts that import, create and remove VMs, with the steps in the words of `ps_scripts/`."""

from __future__ import annotations

import ntpath
from typing import Any

from msgspec.structs import replace

from hvbackup.models import NetworkAdapter
from hvbackup.remote.calls import DiskPlacement, ImportVm, RemoveVm
from hvbackup.simulator.engine import HostError, ScriptContext
from hvbackup.simulator.script_requests import full_path, need_hyper_v, plain_id, read_request
from hvbackup.simulator.state import HostRecord, HostState
from hvbackup.simulator.vm_changes import remove_vm, set_state
from hvbackup.simulator.vm_import import SWITCH_MISSING, PlannedVm, Problem, import_vm, plan_import, problems_of
from hvbackup.simulator.volumes import local_path

_OFF_STATES = ("Off", "OffCritical", "Saved", "SavedCritical")


def placements(host: HostState, disks: tuple[DiskPlacement, ...]) -> dict[str, str]:
    """Where the recorded disk files are now, by the recorded path in lower case; `FileMissing` when one is not."""
    places = {}
    for item in disks:
        path = full_path(item.path)
        if not local_path(host.folder, path).is_file():
            raise HostError("FileMissing", f"The disk '{path}' is not there.")
        places[item.recorded_path.lower()] = path
    return places


def check_name(record: HostRecord, name: str) -> None:
    """`VmExists` when a VM has this name."""
    for item in record.vms:
        if item.vm.name.lower() == name.lower():
            raise HostError("VmExists", f"There is a VM with the name '{name}' already ({item.vm.id}).")


def check_switch(record: HostRecord, name: str) -> None:
    """`RequestRefused` when the host has no switch of this name."""
    if name.lower() not in (switch.lower() for switch in record.switches):
        raise HostError("RequestRefused", f"This host has no virtual switch '{name}'.")


def import_vm_handler(host: HostState, context: ScriptContext) -> dict[str, Any]:
    """Import-HvbVm."""
    call = read_request(context, ImportVm)
    if call.generate_new_id and not call.copy_files:
        raise HostError(
            "RequestRefused", "generateNewId needs copyFiles: a VM that is registered in place keeps its id."
        )
    path = full_path(call.configuration_path)
    folders = _folders(call) if call.copy_files else {}
    if not local_path(host.folder, path).is_file():
        raise HostError("FileMissing", f"'{path}' is not there.")
    places = placements(host, call.disks)
    record = host.read()
    need_hyper_v(record)
    recorded = record.find_vm(ntpath.splitext(ntpath.basename(path))[0])
    if recorded is not None and not call.generate_new_id:
        raise HostError("VmExists", f"The VM '{recorded.vm.name}' has the id {recorded.vm.id} already.")
    if call.name:
        check_name(record, call.name)
    if call.switch_name:
        check_switch(record, call.switch_name)
    steps = [f"Read '{path}', to be {'copied' if call.copy_files else 'registered where it is'}."]
    found: list[Problem] = []
    try:
        return _import(host, call, path, folders, places, steps, found)
    except HostError as error:
        details = {"incompatibilities": [_told(item, None) for item in found], "steps": steps}
        raise HostError("VmImportRefused", f"'{path}' cannot be imported: {error.message}", details) from None


def _folders(call: ImportVm) -> dict[str, str]:
    """The folders of a copy, as `plan_import` takes them."""
    folders = {
        "virtual_machine_path": call.virtual_machine_path,
        "snapshot_file_path": call.snapshot_file_path,
        "smart_paging_file_path": call.smart_paging_file_path,
    }
    full = {key: full_path(value) for key, value in folders.items() if value}
    if "virtual_machine_path" in full:
        full["virtual_hard_disk_path"] = full["virtual_machine_path"] + "\\Virtual Hard Disks"
    return full


def _import(
    host: HostState,
    call: ImportVm,
    path: str,
    folders: dict[str, str],
    places: dict[str, str],
    steps: list[str],
    found: list[Problem],
) -> dict[str, Any]:
    planned = plan_import(host, path, copy_files=call.copy_files, generate_new_id=call.generate_new_id, **folders)
    found += planned.problems
    _mend(planned, call, places, steps)
    left = problems_of(host, planned)
    known = {(item.message_id, item.message) for item in found}
    found += [item for item in left if (item.message_id, item.message) not in known]
    if left:
        raise HostError("VmImportRefused", f"{left[0].message} ({left[0].message_id})")
    steps.append("Import the VM.")
    vm = planned.vm if call.plan_only else import_vm(host, planned)
    return {
        "id": vm.id,
        "name": vm.name,
        "state": vm.state,
        "steps": steps,
        "incompatibilities": [_told(item, _resolution(item)) for item in found],
    }


def _resolution(problem: Problem) -> str:
    if problem.message_id == SWITCH_MISSING:
        return "the adapter was disconnected or given another switch"
    return "gone after the steps"


def _told(problem: Problem, resolved: str | None) -> dict[str, Any]:
    return {"messageId": problem.message_id, "message": problem.message, "resolved": resolved}


def _mend(planned: PlannedVm, call: ImportVm, places: dict[str, str], steps: list[str]) -> None:
    """Point disks at where they are, settle the network, name the VM, drop its saved state."""
    vm = planned.vm
    disks = []
    for disk in vm.disks:
        place = places.get((disk.path or "").lower(), disk.path)
        if place != disk.path:
            steps.append(f"Point the disk '{disk.path}' at '{place}'.")
        disks.append(replace(disk, path=place))
    lost = {problem.source for problem in planned.problems if problem.message_id == SWITCH_MISSING}
    adapters = tuple(_mended_adapter(adapter, call, lost, steps) for adapter in vm.network_adapters)
    vm = replace(vm, disks=tuple(disks), network_adapters=adapters)
    if call.name and call.name != vm.name:
        steps.append(f"Name the VM '{call.name}'.")
        vm = replace(vm, name=call.name)
    if call.drop_saved_state and "Saved" in vm.state:
        steps.append("Remove the saved state.")
        vm = replace(vm, state="Off")
    planned.vm = vm


def _mended_adapter(adapter: NetworkAdapter, call: ImportVm, lost: set[str], steps: list[str]) -> NetworkAdapter:
    if call.switch_name:
        steps.append(f"Connect the adapter '{adapter.name}' to the switch '{call.switch_name}'.")
        return replace(adapter, switch_name=call.switch_name)
    if not call.connect_network or adapter.id in lost:
        steps.append(f"Disconnect the adapter '{adapter.name}'.")
        return replace(adapter, switch_name=None)
    return adapter


def remove_vm_handler(host: HostState, context: ScriptContext) -> dict[str, Any]:
    """Remove-HvbVm."""
    call = read_request(context, RemoveVm)
    vm_id = plain_id(call.id)
    record = host.read()
    need_hyper_v(record)
    found = record.find_vm(vm_id)
    if found is None:
        return {"removed": False}
    if found.vm.state not in _OFF_STATES:
        if not call.turn_off:
            raise HostError(
                "VmStateInvalid", f"The VM '{found.vm.name}' is {found.vm.state}; it must be off to be removed."
            )
        set_state(host, vm_id, "Off")
    remove_vm(host, vm_id)
    return {"removed": True}
