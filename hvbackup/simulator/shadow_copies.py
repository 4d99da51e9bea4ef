"""Creating, exposing and deleting the simulated host's shadow copies: copies of whole volumes in its folder."""

from __future__ import annotations

import contextlib
import ntpath
import shutil
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec.structs import replace

from hvbackup.models import HYPERV_WRITER_ID, Method
from hvbackup.simulator.disk_files import write_child
from hvbackup.simulator.state import HostRecord, HostState, ShadowRecord, VmRecord, VolumeRecord, now
from hvbackup.simulator.vm_files import remove_configuration, write_configuration
from hvbackup.simulator.volumes import copy_volume, local_path, make_link
from hvbackup.simulator.vss import auto_recovery_name, backup_snapshot_name, method_of

PROVIDER = "b5946137-7b9f-4925-af80-51abd60b20d5"
_SHADOW_STORAGE_MINIMUM = 320 << 20


class VssFailure(Exception):
    """VSS refused; `hresult` says why."""

    def __init__(self, hresult: int) -> None:
        super().__init__(f"{hresult:08x}")
        self.hresult = hresult


def create_set(
    host: HostState, volume_guids: Sequence[str], *, attributes: list[str], vm_ids: Sequence[str]
) -> list[ShadowRecord]:
    """Create one shadow copy of each volume; the VMs in `vm_ids` are backed up with them.

    Running VMs of the Offline method are saved before and resumed after, as the history then shows.

    Raises:
        VssFailure: By a fault of the state, or because a volume has no room for its shadow storage.
    """
    with host.change() as state:
        for vm_id in state.faults.vanish_at_create:
            _vanish(host, state, vm_id)
        volumes = [volume for guid in volume_guids for volume in state.volumes if volume.guid == guid]
        _check_faults(state, volumes)
        vms = [record for record in state.vms if record.vm.id in vm_ids]
        set_id = str(uuid.uuid4())
        with _saved_while_copied(host.folder, state, vms):
            made = [_copy(host.folder, state, volume, set_id, len(volumes), attributes) for volume in volumes]
        for record in vms:
            _finish_vm(host.folder, state, record, made)
        state.shadow_copies += made
        return made


def _vanish(host: HostState, state: HostRecord, vm_id: str) -> None:
    record = state.find_vm(vm_id)
    if record is not None:
        remove_configuration(host.folder, record)
        state.vms.remove(record)
        state.note("vm-removed", record.vm.id, "deleted while the shadow set was created")


def _check_faults(state: HostRecord, volumes: Sequence[VolumeRecord]) -> None:
    writer = state.find_writer(HYPERV_WRITER_ID)
    if state.faults.writer_fails_at is not None and writer is not None:
        writer.state, writer.failure_code = state.faults.writer_fails_at, 0x800423F3
    if state.faults.create_hresult is not None:
        raise VssFailure(state.faults.create_hresult)
    if any(not volume.shadow_storage or volume.free_bytes < _SHADOW_STORAGE_MINIMUM for volume in volumes):
        raise VssFailure(0x8004231F)


@contextlib.contextmanager
def _saved_while_copied(folder: Path, state: HostRecord, vms: Sequence[VmRecord]) -> Iterator[None]:
    """Save the running VMs of the Offline method, with their files, and resume them."""
    paused = [r for r in vms if r.vm.state == "Running" and method_of(state, r) is Method.OFFLINE]
    running = [record.vm for record in paused]
    for record in paused:
        record.vm = replace(record.vm, state="Saved")
        _write_configuration(folder, record)
        state.note("vm-saved", record.vm.id, "for a shadow copy")
    try:
        yield
    finally:
        for record, before in zip(paused, running, strict=True):
            record.vm = before
            _write_configuration(folder, record)
            state.note("vm-resumed", record.vm.id, "after a shadow copy")


def _write_configuration(folder: Path, record: VmRecord) -> None:
    if not record.truth.without_files:
        write_configuration(folder, record)


def _copy(
    folder: Path, state: HostRecord, volume: VolumeRecord, set_id: str, count: int, attributes: list[str]
) -> ShadowRecord:
    shadow = ShadowRecord(
        id=str(uuid.uuid4()),
        set_id=set_id,
        set_count=count,
        volume_guid=volume.guid,
        number=state.next_shadow_number,
        created_at=now(),
        attributes=list(attributes),
    )
    state.next_shadow_number += 1
    copy_volume(folder / volume.letter, shadow_folder(folder, shadow))
    state.note("shadow-created", shadow.id, volume.root)
    return shadow


def _finish_vm(folder: Path, state: HostRecord, record: VmRecord, made: Sequence[ShadowRecord]) -> None:
    record.truth.backing_up = True
    if method_of(state, record) is not Method.ONLINE:
        return
    state.note("vm-child-snapshot", record.vm.id, "by the guest's VSS")
    if state.machine.auto_recovery and not record.truth.without_files:
        _leave_recovery_files(folder, state, record, made)


def _leave_recovery_files(folder: Path, state: HostRecord, record: VmRecord, made: Sequence[ShadowRecord]) -> None:
    """What the writer of 2012 R2 adds to the shadow copy of an Online VM (facts of the field, not of a capture)."""
    vm = record.vm
    for disk in vm.disks:
        parent = _in_shadow(folder, state, disk.path, made) if disk.path else None
        if parent is None or disk.path is None or not parent.exists():
            continue
        child = parent.with_name(auto_recovery_name(disk.path))
        write_child(child, f"{vm.id}/{disk.path}/recovery", parent, disk.path, empty=True)
    snapshots = ntpath.join(vm.snapshot_file_location, "Snapshots", backup_snapshot_name(vm.id))
    description = _in_shadow(folder, state, snapshots, made)
    if description is not None:
        description.parent.mkdir(parents=True, exist_ok=True)
        description.write_bytes(b'<?xml version="1.0" encoding="UTF-8"?>\r\n<configuration/>\r\n')


def _in_shadow(folder: Path, state: HostRecord, path: str, made: Sequence[ShadowRecord]) -> Path | None:
    volume = state.volume_of(path)
    shadow = next((item for item in made if volume and item.volume_guid == volume.guid), None)
    return local_path(folder, shadow.device + path[2:]) if shadow else None


def shadow_folder(folder: Path, shadow: ShadowRecord) -> Path:
    """Where the files of a shadow copy are on this machine."""
    return folder / "GLOBALROOT" / "Device" / f"HarddiskVolumeShadowCopy{shadow.number}"


def complete(host: HostState, vm_ids: Sequence[str]) -> None:
    """END BACKUP: the writers learn that the backup is complete."""
    with host.change() as state:
        for record in state.vms:
            if record.vm.id in vm_ids:
                record.truth.backing_up = False
        state.note("backup-complete", ",".join(vm_ids))


def expose(host: HostState, shadow_id: str, where: str) -> str:
    r"""Expose a shadow copy at a drive (`Z:`) or an empty folder; return how diskshadow names the place (`z:\`).

    Raises:
        VssFailure: No such shadow copy, it is exposed, or the place is taken, missing or not empty.
    """
    with host.change() as state:
        shadow = next((item for item in state.shadow_copies if item.id == shadow_id), None)
        if shadow is None:
            raise VssFailure(0x80042308)
        if shadow.exposed is not None or "Persistent" not in shadow.attributes:
            raise VssFailure(0x80042301)
        link = _place(host.folder, where)
        make_link(link, shadow_folder(host.folder, shadow))
        shadow.exposed = where.rstrip("\\")
        state.note("shadow-exposed", shadow.id, shadow.exposed)
    return where if where.endswith("\\") else where + "\\"


def _place(folder: Path, where: str) -> Path:
    """Where the link goes; an empty folder there makes way for it."""
    if len(where.rstrip("\\")) == 2:
        drive = folder / where[0].upper()
        if drive.exists():
            raise VssFailure(0x8004230D)
        return drive
    try:
        place = local_path(folder, where)
    except ValueError:
        raise VssFailure(0x80070003) from None
    if place.is_symlink():
        raise VssFailure(0x8004230D)
    if not place.is_dir():
        raise VssFailure(0x80070003)
    if any(place.iterdir()):
        raise VssFailure(0x80070091)
    place.rmdir()
    return place


def unexpose(host: HostState, what: str) -> None:
    """Take back an exposure, by shadow copy or by place.

    Raises:
        VssFailure: Nothing is exposed by that name.
    """
    wanted = what.strip("{}").rstrip("\\").casefold()
    with host.change() as state:
        for shadow in state.shadow_copies:
            if shadow.exposed and wanted in (shadow.id, shadow.exposed.casefold()):
                _take_back(host.folder, state, shadow)
                return
    raise VssFailure(0x80042308)


def _take_back(folder: Path, state: HostRecord, shadow: ShadowRecord) -> None:
    if shadow.exposed is None:
        return
    drive = len(shadow.exposed) == 2
    link = folder / shadow.exposed[0].upper() if drive else local_path(folder, shadow.exposed)
    if link.is_symlink():
        link.unlink()
        if not drive:
            link.mkdir()
    state.note("shadow-unexposed", shadow.id, shadow.exposed)
    shadow.exposed = None


def delete(host: HostState, shadow_ids: Sequence[str]) -> None:
    """Delete shadow copies, with their exposures."""
    with host.change() as state:
        for shadow in [item for item in state.shadow_copies if item.id in shadow_ids]:
            _take_back(host.folder, state, shadow)
            shutil.rmtree(shadow_folder(host.folder, shadow), ignore_errors=True)
            state.shadow_copies.remove(shadow)
            state.note("shadow-deleted", shadow.id)
