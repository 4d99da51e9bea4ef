"""Disks of the host mounted read-only, for looking into a restored VHD."""

from __future__ import annotations

from hvbackup.errors import InvalidRequest
from hvbackup.jobs.paths import is_absolute
from hvbackup.jobs.requests import MountRequest
from hvbackup.jobs.sources import owner_of
from hvbackup.remote.calls import DiskDismounted, DiskMounted, DismountDisk, GetVm, MountDisk
from hvbackup.remote.session import Transport


def mount_disk(transport: Transport, request: MountRequest) -> DiskMounted:
    """Mount a VHD or VHDX of the host read-only and return its partitions with letters or folders.

    Raises:
        InvalidRequest: The path is no full Windows path, or the disk belongs to a VM of the host.
        FileMissing, DiskMountFailed, RemoteError: As the host says.
    """
    require_mountable(transport, request)
    return transport.call(
        MountDisk(path=request.path, drive_letters=request.drive_letters, access_root=request.access_root)
    ).data


def require_mountable(transport: Transport, request: MountRequest) -> None:
    """Raise when a disk must not be mounted; touches nothing.

    Raises:
        InvalidRequest: See `mount_disk`.
    """
    _require_absolute(request.path)
    if request.access_root is not None:
        _require_absolute(request.access_root)
    owner = owner_of(request.path, transport.call(GetVm()).data.vms)
    if owner is not None:
        raise InvalidRequest(
            f"{request.path} is attached to the VM {owner.name!r}",
            hint="Restore the disk to another folder first (hvbackup restore), and mount that.",
        )


def unmount_disk(transport: Transport, path: str, *, access_root: str | None = None) -> DiskDismounted:
    """Dismount a disk; `was_mounted` says whether it had been."""
    _require_absolute(path)
    return transport.call(DismountDisk(path=path, access_root=access_root)).data


def _require_absolute(path: str) -> None:
    if not is_absolute(path):
        raise InvalidRequest(f"{path!r} is no full Windows path", hint=r"Such as D:\Restore\disk.vhdx.")
