"""VMs: described, removed, imported, built anew; disks mounted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from script_cases import (
    ODD,
    Case,
    Request,
    both,
    change,
    configuration,
    no_external_switch,
    put,
    recorded,
    unregister,
    vm_id,
)

from hvbackup.simulator.mounts import mount
from hvbackup.simulator.state import HostState
from hvbackup.simulator.volumes import local_path

INVENTORY = [
    Case("all VMs", "Get-HvbVm", {}, profile="vms"),
    Case("a host without VMs", "Get-HvbVm", {}, data={"vms": [], "switches": ["External", "Internal"]}),
    Case(
        "some VMs, one twice, one missing",
        "Get-HvbVm",
        {"ids": [vm.upper() if index else vm for index, vm in enumerate(["{OFF}", "{WEB}", "{WEB}"])]},
        profile="vms",
        error="RequestRefused",
    ),
    Case(
        "two VMs by id and one that is missing",
        "Get-HvbVm",
        lambda host: {
            "ids": [vm_id("off").upper(), vm_id("web01"), vm_id("web01"), "00000000-0000-0000-0000-000000000001"]
        },
        profile="vms",
        data={"missingIds": ["00000000-0000-0000-0000-000000000001"]},
    ),
    Case("no VM at all", "Get-HvbVm", {"ids": []}, profile="vms", data={"vms": []}),
    Case(
        "a disk whose parent is gone",
        "Get-HvbVm",
        lambda host: {"ids": [vm_id("chain")]},
        profile="vms",
        prepare=lambda host: local_path(host.folder, "E:\\Hyper-V\\chain\\Virtual Hard Disks\\chain.vhdx").unlink(),
    ),
    Case(
        "a disk that is no disk, a VM without configuration file",
        "Get-HvbVm",
        lambda host: {"ids": [vm_id("web01")]},
        profile="vms",
        prepare=both(
            put("D:\\Hyper-V\\web01\\Virtual Hard Disks\\web01.vhdx", b"no disk"),
            lambda host: local_path(host.folder, configuration("web01")).unlink(),
        ),
    ),
]

_ALL_VMS: Sequence[tuple[str, Mapping[str, Any]]] = (("Get-HvbVm", {}),)
VM_REMOVAL = [
    Case(
        "a VM that is off",
        "Remove-HvbVm",
        lambda host: {"id": vm_id("off").upper()},
        profile="vms",
        data={"removed": True},
        then=_ALL_VMS,
    ),
    Case(
        "a VM that is saved",
        "Remove-HvbVm",
        lambda host: {"id": vm_id("legacy")},
        profile="vms",
        data={"removed": True},
    ),
    Case(
        "a VM that runs",
        "Remove-HvbVm",
        lambda host: {"id": vm_id("web01")},
        profile="vms",
        error="VmStateInvalid",
        then=_ALL_VMS,
    ),
    Case(
        "a VM that runs, turned off",
        "Remove-HvbVm",
        lambda host: {"id": vm_id("web01"), "turnOff": True},
        profile="vms",
        data={"removed": True},
        then=_ALL_VMS,
    ),
    Case(
        "a VM that is not there",
        "Remove-HvbVm",
        {"id": "00000000-0000-0000-0000-000000000001"},
        profile="vms",
        data={"removed": False},
    ),
    Case("an id that is none", "Remove-HvbVm", {"id": "web01"}, error="RequestRefused"),
]

_IMPORT_OFF: Callable[[HostState], dict[str, Any]] = lambda host: {"configurationPath": configuration("off")}  # noqa: E731
_OFF_DISK = "D:\\Hyper-V\\off [old]\\Virtual Hard Disks\\off [old].vhdx"


def _moved_disk(host: HostState) -> None:
    local = local_path(host.folder, _OFF_DISK)
    target = local_path(host.folder, "E:\\moved [1].vhdx")
    local.rename(target)


IMPORTING = [
    Case(
        "registered in place, disconnected",
        "Import-HvbVm",
        _IMPORT_OFF,
        profile="vms",
        prepare=unregister("off [old]"),
        then=_ALL_VMS,
    ),
    Case(
        "with its network",
        "Import-HvbVm",
        lambda host: {**_IMPORT_OFF(host), "connectNetwork": True},
        profile="vms",
        prepare=unregister("off [old]"),
        then=_ALL_VMS,
    ),
    Case(
        "with its network, whose switch is gone",
        "Import-HvbVm",
        lambda host: {**_IMPORT_OFF(host), "connectNetwork": True},
        profile="vms",
        prepare=both(unregister("off [old]"), change(no_external_switch)),
        then=_ALL_VMS,
    ),
    Case(
        "with another switch and name",
        "Import-HvbVm",
        lambda host: {**_IMPORT_OFF(host), "switchName": "Internal", "name": "neu 'ö' [2]"},
        profile="vms",
        prepare=unregister("off [old]"),
        then=_ALL_VMS,
    ),
    Case(
        "with a disk at another place",
        "Import-HvbVm",
        lambda host: {
            **_IMPORT_OFF(host),
            "disks": [{"recordedPath": _OFF_DISK.upper(), "path": "E:\\moved [1].vhdx"}],
        },
        profile="vms",
        prepare=both(unregister("off [old]"), _moved_disk),
        then=_ALL_VMS,
    ),
    Case(
        "with a disk that is gone",
        "Import-HvbVm",
        _IMPORT_OFF,
        profile="vms",
        prepare=both(unregister("off [old]"), _moved_disk),
        error="VmImportRefused",
        then=_ALL_VMS,
    ),
    Case(
        "planned only",
        "Import-HvbVm",
        lambda host: {**_IMPORT_OFF(host), "planOnly": True, "name": "x"},
        profile="vms",
        prepare=unregister("off [old]"),
        then=_ALL_VMS,
    ),
    Case(
        "a saved VM",
        "Import-HvbVm",
        lambda host: {"configurationPath": configuration("legacy")},
        profile="vms",
        prepare=unregister("legacy"),
        data={"state": "Saved"},
    ),
    Case(
        "a saved VM without its saved state",
        "Import-HvbVm",
        lambda host: {"configurationPath": configuration("legacy"), "dropSavedState": True},
        profile="vms",
        prepare=unregister("legacy"),
        data={"state": "Off"},
        then=_ALL_VMS,
    ),
    Case(
        "copied under a new id",
        "Import-HvbVm",
        lambda host: {
            **_IMPORT_OFF(host),
            "copyFiles": True,
            "generateNewId": True,
            "virtualMachinePath": "E:\\copy [1]",
            "name": "copy",
        },
        profile="vms",
        then=_ALL_VMS,
    ),
    Case("an id that is taken", "Import-HvbVm", _IMPORT_OFF, profile="vms", error="VmExists"),
    Case(
        "a name that is taken",
        "Import-HvbVm",
        lambda host: {**_IMPORT_OFF(host), "name": "WEB01"},
        profile="vms",
        prepare=unregister("off [old]"),
        error="VmExists",
    ),
    Case(
        "a switch that is not there",
        "Import-HvbVm",
        lambda host: {**_IMPORT_OFF(host), "switchName": "none"},
        profile="vms",
        prepare=unregister("off [old]"),
        error="RequestRefused",
    ),
    Case(
        "a placement that is not there",
        "Import-HvbVm",
        lambda host: {**_IMPORT_OFF(host), "disks": [{"recordedPath": _OFF_DISK, "path": "E:\\none.vhdx"}]},
        profile="vms",
        prepare=unregister("off [old]"),
        error="FileMissing",
    ),
    Case(
        "a new id without copying",
        "Import-HvbVm",
        {"configurationPath": "D:\\a.vmcx", "generateNewId": True},
        error="RequestRefused",
    ),
    Case("a missing file", "Import-HvbVm", {"configurationPath": "D:\\a.vmcx"}, error="FileMissing"),
    Case(
        "a file that is no configuration",
        "Import-HvbVm",
        {"configurationPath": ODD},
        prepare=put(ODD),
        error="VmImportRefused",
    ),
]


def _rebuild(name: str, **more: Any) -> Callable[[HostState], Request]:
    """Build a VM of the host anew, beside itself."""
    return lambda host: {"vm": recorded(host, name), "name": f"{name} (new)", "path": "E:\\new [1]", **more}


def _odd_vm(host: HostState) -> Request:
    whole = recorded(host, "off [old]")
    adapter = whole["networkAdapters"][0]
    whole["networkAdapters"] = [
        {
            **adapter,
            "macAddress": "00155D010203",
            "dynamicMacAddress": False,
            "macAddressSpoofing": True,
            "dhcpGuard": True,
            "vlan": {"mode": "Access", "accessVlanId": 7},
        },
        {
            **adapter,
            "name": "two",
            "routerGuard": True,
            "switchName": "gone",
            "vlan": {"mode": "Trunk", "nativeVlanId": 1, "allowedVlanIds": "10-20"},
        },
        {**adapter, "name": "three", "vlan": {"mode": "Private"}},
    ]
    whole["disks"].append(
        {"controllerType": "SCSI", "controllerNumber": 1, "controllerLocation": 5, "path": None, "diskNumber": 4}
    )
    whole["dvdDrives"] = [
        {"controllerType": "SCSI", "controllerNumber": 1, "controllerLocation": 0, "path": "D:\\none.iso"},
        {"controllerType": "SCSI", "controllerNumber": 1, "controllerLocation": 1, "path": ODD},
    ]
    whole.update(scsiControllers=2, version="5.0", snapshotFileLocation="Q:\\far", automaticStopAction="ShutDown")
    whole["security"] = {"tpmEnabled": True, "shielded": True, "encryptStateAndMigration": True}
    whole["memory"] = {
        "startupBytes": 1 << 30,
        "dynamic": False,
        "minimumBytes": 512 << 20,
        "maximumBytes": 1 << 40,
        "bufferPercent": 20,
        "priority": 80,
    }
    whole["processor"] = {
        "count": 4,
        "reserve": 10,
        "maximum": 90,
        "relativeWeight": 200,
        "compatibilityForMigration": True,
        "exposeVirtualizationExtensions": True,
    }
    whole["integrationServices"][1]["enabled"] = False
    return {"vm": whole, "name": "odd", "path": "E:\\new", "connectNetwork": True}


BUILDING = [
    Case("generation 2, two disks", "New-HvbVm", _rebuild("off [old]"), profile="vms", then=_ALL_VMS),
    Case("generation 1, no SCSI controller", "New-HvbVm", _rebuild("legacy"), profile="vms", then=_ALL_VMS),
    Case("a chain, a switch", "New-HvbVm", _rebuild("chain", switchName="Internal"), profile="vms", then=_ALL_VMS),
    Case("everything that is odd", "New-HvbVm", _odd_vm, profile="vms", prepare=put(ODD), then=_ALL_VMS),
    Case(
        "disks at other places",
        "New-HvbVm",
        lambda host: {
            "vm": recorded(host, "off [old]"),
            "name": "n",
            "path": "E:\\n",
            "disks": [{"recordedPath": _OFF_DISK, "path": "E:\\moved [1].vhdx"}],
        },
        profile="vms",
        prepare=_moved_disk,
        then=_ALL_VMS,
    ),
    Case(
        "planned only",
        "New-HvbVm",
        _rebuild("off [old]", planOnly=True),
        profile="vms",
        data={"id": None},
        then=_ALL_VMS,
    ),
    Case(
        "a name that is taken",
        "New-HvbVm",
        lambda host: {"vm": recorded(host, "chain"), "name": "Web01", "path": "E:\\n"},
        profile="vms",
        error="VmExists",
    ),
    Case(
        "a disk that is gone",
        "New-HvbVm",
        _rebuild("off [old]"),
        profile="vms",
        prepare=_moved_disk,
        error="FileMissing",
    ),
    Case(
        "a switch that is not there",
        "New-HvbVm",
        _rebuild("chain", switchName="none"),
        profile="vms",
        error="RequestRefused",
    ),
    Case(
        "a relative path",
        "New-HvbVm",
        lambda host: {"vm": recorded(host, "chain"), "name": "n", "path": "new"},
        profile="vms",
        error="PathRefused",
    ),
    Case(
        "a record without memory",
        "New-HvbVm",
        lambda host: {
            "vm": {key: value for key, value in recorded(host, "chain").items() if key != "memory"},
            "name": "n",
            "path": "E:\\n",
        },
        profile="vms",
        error="RequestRefused",
    ),
    Case(
        "generation 3",
        "New-HvbVm",
        lambda host: {"vm": {**recorded(host, "chain"), "generation": 3}, "name": "n", "path": "E:\\n"},
        profile="vms",
        error="RequestRefused",
    ),
    Case(
        "a host without Hyper-V",
        "New-HvbVm",
        lambda host: {"vm": {**_BARE_VM}, "name": "n", "path": "E:\\n"},
        profile="no-role",
        error="HyperVMissing",
    ),
]

_BARE_VM: dict[str, Any] = {
    "id": "00000000-0000-0000-0000-000000000001",
    "name": "bare",
    "state": "Off",
    "generation": 2,
    "version": "9.0",
    "path": "D:\\a",
    "configurationLocation": "D:\\a",
    "snapshotFileLocation": "D:\\a",
    "memory": {"startupBytes": 1 << 30},
    "processor": {"count": 1},
}

_DISK = "E:\\Hyper-V\\off [old]\\Virtual Hard Disks\\off [old]-data1.vhdx"
_SEE_HOST: Sequence[tuple[str, Mapping[str, Any]]] = (("Get-HvbHost", {}),)


def _mount(**how: Any) -> Callable[[HostState], None]:
    def prepare(host: HostState) -> None:
        mount(host, _DISK, **how)

    return prepare


def _unknown_file_system(host: HostState) -> None:
    local = local_path(host.folder, _DISK)
    local.write_bytes(local.read_bytes().replace(b"NTFS    ", b"????    "))


MOUNTING = [
    Case(
        "a partition without a volume",
        "Mount-HvbDisk",
        {"path": _DISK, "accessRoot": "C:\\mnt"},
        profile="vms",
        prepare=_unknown_file_system,
        then=(("Dismount-HvbDisk", {"path": _DISK, "accessRoot": "C:\\mnt"}),),
    ),
    Case(
        "with drive letters",
        "Mount-HvbDisk",
        {"path": _DISK},
        profile="vms",
        data={"alreadyMounted": False},
        then=(("Mount-HvbDisk", {"path": _DISK}), ("Dismount-HvbDisk", {"path": _DISK}), *_SEE_HOST),
    ),
    Case(
        "in folders",
        "Mount-HvbDisk",
        {"path": _DISK, "driveLetters": False, "accessRoot": "C:\\mnt [1]"},
        profile="vms",
        then=(
            ("Dismount-HvbDisk", {"path": _DISK, "accessRoot": "C:\\mnt [1]"}),
            ("Get-HvbFile", {"roots": [{"path": "C:\\mnt [1]"}]}),
        ),
    ),
    Case(
        "the leaf of a chain",
        "Mount-HvbDisk",
        lambda host: {"path": recorded(host, "chain")["disks"][0]["path"]},
        profile="vms",
    ),
    Case(
        "attached already, to be written",
        "Mount-HvbDisk",
        {"path": _DISK},
        profile="vms",
        prepare=_mount(read_only=False),
        error="DiskMountFailed",
    ),
    Case(
        "a disk in use",
        "Mount-HvbDisk",
        {"path": "D:\\Hyper-V\\web01\\Virtual Hard Disks\\web01.vhdx"},
        profile="vms",
        error="DiskMountFailed",
    ),
    Case("a file that is no disk", "Mount-HvbDisk", {"path": ODD}, prepare=put(ODD), error="DiskMountFailed"),
    Case("a missing file", "Mount-HvbDisk", {"path": ODD}, error="FileMissing"),
    Case(
        "a folder for volumes that is not empty",
        "Mount-HvbDisk",
        {"path": _DISK, "accessRoot": "C:\\mnt"},
        profile="vms",
        prepare=put("C:\\mnt\\a"),
        error="PathRefused",
    ),
    Case("not attached", "Dismount-HvbDisk", {"path": _DISK}, profile="vms", data={"wasMounted": False}),
    Case("a missing file", "Dismount-HvbDisk", {"path": ODD}, data={"wasMounted": False}),
    Case("a relative folder", "Dismount-HvbDisk", {"path": ODD, "accessRoot": "mnt"}, error="PathRefused"),
]
