"""Importing VMs into the simulated host: Compare-VM's report, and Import-VM."""

from __future__ import annotations

import ntpath
import shutil
import uuid

from msgspec.structs import replace

from hvbackup.models import Vm
from hvbackup.simulator.engine import HostError
from hvbackup.simulator.state import HostState, Record, VmRecord, VmTruth
from hvbackup.simulator.vm_changes import register
from hvbackup.simulator.vm_files import configuration_path, read_configuration
from hvbackup.simulator.volumes import local_path

#: MessageId of Compare-VM's report: the first is documented, the second is believed.
SWITCH_MISSING = 33012
DISK_MISSING = 40010


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
        register(host.folder, record, VmRecord(vm=vm, truth=planned.truth), "vm-imported")
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
