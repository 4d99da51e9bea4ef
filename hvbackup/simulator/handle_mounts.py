"""Handlers of the scripts that attach and detach disks."""

from __future__ import annotations

import ntpath
from pathlib import Path
from typing import Any

from hvbackup.remote.calls import DismountDisk, MountDisk
from hvbackup.simulator import mounts
from hvbackup.simulator.engine import HostError, ScriptContext
from hvbackup.simulator.script_requests import full_path, need_hyper_v, read_request
from hvbackup.simulator.state import HostState, MountedPartitionRecord, MountedRecord
from hvbackup.simulator.volumes import local_path


def mount_disk(host: HostState, context: ScriptContext) -> dict[str, Any]:
    """Mount-HvbDisk."""
    call = read_request(context, MountDisk)
    path = full_path(call.path)
    root = full_path(call.access_root) if call.access_root else None
    if root is not None:
        place = local_path(host.folder, root)
        if place.is_file() or (place.is_dir() and any(place.iterdir())):
            raise HostError("PathRefused", f"'{root}' is not an empty folder.")
    if not local_path(host.folder, path).is_file():
        raise HostError("FileMissing", f"'{path}' is not there.")
    need_hyper_v(host.read())
    already = mounts.find_mounted(host.read(), path)
    if already is not None and not already.read_only:
        raise HostError(
            "DiskMountFailed", f"'{path}' cannot be mounted: '{path}' is attached already, and not read-only."
        )
    mounted = already or mounts.mount(host, path, read_only=True, drive_letters=call.drive_letters)
    if root is not None:
        mounted = _with_access_paths(host, mounted, root)
    return {
        "path": path,
        "diskNumber": mounted.disk_number,
        "alreadyMounted": already is not None,
        "partitions": [_told(partition) for partition in mounted.partitions],
    }


def _with_access_paths(host: HostState, mounted: MountedRecord, root: str) -> MountedRecord:
    """Give each volume a folder named by its partition's number."""
    for partition in mounted.partitions:
        if partition.volume_guid:
            folder = ntpath.join(root, str(partition.number))
            local_path(host.folder, folder).mkdir(parents=True, exist_ok=True)
            mounts.add_access_path(host, mounted.disk_number, partition.number, folder)
    return mounts.find_mounted(host.read(), mounted.path) or mounted


def _told(partition: MountedPartitionRecord) -> dict[str, Any]:
    return {
        "number": partition.number,
        "sizeBytes": partition.size_bytes,
        "type": partition.type,
        "driveLetter": partition.drive_letter,
        "accessPaths": partition.access_paths,
        "fileSystem": partition.file_system,
        "label": partition.label,
    }


def dismount_disk(host: HostState, context: ScriptContext) -> dict[str, Any]:
    """Dismount-HvbDisk."""
    call = read_request(context, DismountDisk)
    path = full_path(call.path)
    root = full_path(call.access_root) if call.access_root else None
    need_hyper_v(host.read())
    there = local_path(host.folder, path).is_file()
    was_mounted = there and mounts.dismount(host, path)
    if root is not None:
        _remove_empty_folders(local_path(host.folder, root))
    return {"wasMounted": was_mounted}


def _remove_empty_folders(root: Path) -> None:
    """Remove the empty folders directly below the root, and the root when it is empty then."""
    if not root.is_dir() or root.is_symlink():
        return
    for entry in root.iterdir():
        if entry.is_dir() and not entry.is_symlink() and not any(entry.iterdir()):
            entry.rmdir()
    if not any(root.iterdir()):
        root.rmdir()
