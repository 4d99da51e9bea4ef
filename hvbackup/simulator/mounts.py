"""Attaching VHDs to the simulated host: disks, partitions, drive letters and access paths.

The volumes of a mounted disk are empty folders `FOLDER/Volume{guid}`; letters and access paths are links to them.
"""

from __future__ import annotations

import string
import uuid
from pathlib import Path

from hvbackup.errors import ImageError
from hvbackup.images.partitions import BASIC_DATA, EFI_SYSTEM, MICROSOFT_RESERVED, Partition, read_partitions
from hvbackup.images.source import Source
from hvbackup.simulator.disk_files import opened
from hvbackup.simulator.engine import HostError
from hvbackup.simulator.inventory import local_chain
from hvbackup.simulator.state import HostRecord, HostState, MountedPartitionRecord, MountedRecord
from hvbackup.simulator.volumes import local_path, make_link

#: How Get-Partition's Type names them.
_TYPES = {
    EFI_SYSTEM: "System",
    BASIC_DATA: "Basic",
    MICROSOFT_RESERVED: "Reserved",
    "07": "IFS",
    "0b": "FAT32",
    "0c": "FAT32 XINT13",
}
_FIRST_DISK_NUMBER = 3  # as if the volumes C:, D: and E: were disks 0 to 2


def find_mounted(record: HostRecord, path: str) -> MountedRecord | None:
    """Return the attached disk with this file, or None."""
    return next((item for item in record.mounted if item.path.casefold() == path.casefold()), None)


def mount(host: HostState, path: str, *, read_only: bool = True, drive_letters: bool = True) -> MountedRecord:
    """Attach a disk, as Mount-VHD does.

    Raises:
        HostError: `DiskMountFailed`: attached already, in use by a running VM, or not readable.
    """
    with host.change() as record:
        if find_mounted(record, path) is not None:
            raise HostError("DiskMountFailed", f"Failed to mount '{path}': it is attached already.")
        if _in_use(host.folder, record, path):
            raise HostError(
                "DiskMountFailed",
                f"Failed to mount '{path}': The process cannot access the file because it is being used by another "
                "process.",
            )
        try:
            mounted = _attach(host.folder, record, path, read_only=read_only, drive_letters=drive_letters)
        except (ValueError, OSError, ImageError) as error:
            raise HostError("DiskMountFailed", f"Failed to mount '{path}': {error}") from None
        record.mounted.append(mounted)
        record.note("disk-mounted", path)
        return mounted


def _in_use(folder: Path, record: HostRecord, path: str) -> bool:
    """Whether a running VM has this file, or a child of it, attached."""
    wanted = local_path(folder, path)
    for vm in (item.vm for item in record.vms if item.vm.state != "Off" and not item.truth.without_files):
        for disk in vm.disks:
            if disk.path and local_path(folder, disk.path).exists() and wanted in local_chain(folder, disk.path):
                return True
    return False


def _attach(folder: Path, record: HostRecord, path: str, *, read_only: bool, drive_letters: bool) -> MountedRecord:
    taken = {item.disk_number for item in record.mounted}
    number = next(n for n in range(_FIRST_DISK_NUMBER, 1000) if n not in taken)
    mounted = MountedRecord(path=path, disk_number=number, read_only=read_only)
    with opened(local_chain(folder, path)) as disk:
        mounted.size_bytes = disk.size
        table = read_partitions(disk, sector_size=disk.sector_size)
        mounted.partition_style = {"gpt": "GPT", "mbr": "MBR"}.get(table.style, "RAW")
        kinds = [_file_system(disk, item) for item in table.partitions]
    for item, kind in zip(table.partitions, kinds, strict=True):
        gpt_type = item.type if table.style == "gpt" else None
        partition = MountedPartitionRecord(
            number=item.number,
            start_bytes=item.offset_bytes,
            size_bytes=item.size_bytes,
            type=_TYPES.get(item.type.lower(), "Unknown"),
            gpt_type=gpt_type,
            file_system=kind,
        )
        if kind:
            _give_volume(folder, partition, letter=drive_letters and gpt_type in (None, BASIC_DATA))
        mounted.partitions.append(partition)
    return mounted


def _file_system(disk: Source, partition: Partition) -> str:
    """The file system of a partition as Windows would name it, empty when there is none that it knows."""
    boot = disk.read_at(partition.offset_bytes, 512)
    if boot[3:11] == b"NTFS    ":
        return "NTFS"
    if boot[82:90] == b"FAT32   ":
        return "FAT32"
    return "FAT" if boot[54:57] == b"FAT" else ""


def _give_volume(folder: Path, partition: MountedPartitionRecord, *, letter: bool) -> None:
    partition.volume_guid = str(uuid.uuid4())
    volume = folder / f"Volume{{{partition.volume_guid}}}"
    volume.mkdir()
    if letter:
        free = next((name for name in string.ascii_uppercase[5:] if not (folder / name).exists()), None)
        if free is not None:
            make_link(folder / free, volume)
            partition.drive_letter = free
            partition.access_paths.append(f"{free}:\\")
    partition.access_paths.append(f"\\\\?\\Volume{{{partition.volume_guid}}}\\")


def dismount(host: HostState, path: str) -> bool:
    """Detach a disk, as Dismount-VHD does; return whether it was attached."""
    with host.change() as record:
        mounted = find_mounted(record, path)
        if mounted is None:
            return False
        for partition in mounted.partitions:
            for place in [text for text in partition.access_paths if not text.startswith("\\\\?\\")]:
                _take_link(host.folder, place)
            if partition.volume_guid:
                (host.folder / f"Volume{{{partition.volume_guid}}}").rmdir()
        record.mounted.remove(mounted)
        record.note("disk-dismounted", path)
        return True


def _take_link(folder: Path, place: str) -> None:
    r"""Remove the link of `F:\` or of an access path; an access path becomes an empty folder again."""
    drive = len(place) == 3
    link = folder / place[0] if drive else local_path(folder, place)
    if link.is_symlink():
        link.unlink()
        if not drive:
            link.mkdir()


def add_access_path(host: HostState, disk_number: int, number: int, path: str) -> None:
    """Mount a partition's volume in an empty folder, as Add-PartitionAccessPath does.

    Raises:
        HostError: `DiskMountFailed`: no such partition, no volume on it, or no empty folder there.
    """
    with host.change() as record:
        partition = _partition(record, disk_number, number)
        place = local_path(host.folder, path)
        if partition.volume_guid is None:
            raise HostError("DiskMountFailed", "The partition has no volume that could be mounted.")
        if place.is_symlink() or not place.is_dir() or any(place.iterdir()):
            raise HostError("DiskMountFailed", f"The access path is not valid: '{path}' is not an empty folder.")
        place.rmdir()
        make_link(place, host.folder / f"Volume{{{partition.volume_guid}}}")
        partition.access_paths.append(path if path.endswith("\\") else path + "\\")


def remove_access_path(host: HostState, disk_number: int, number: int, path: str) -> None:
    """Take an access path back, as Remove-PartitionAccessPath does.

    Raises:
        HostError: `DiskMountFailed`: the partition has no such access path.
    """
    with host.change() as record:
        partition = _partition(record, disk_number, number)
        wanted = path.rstrip("\\").casefold()
        found = next((text for text in partition.access_paths if text.rstrip("\\").casefold() == wanted), None)
        if found is None:
            raise HostError("DiskMountFailed", f"The access path is not valid: '{path}'.")
        _take_link(host.folder, found)
        partition.access_paths.remove(found)


def _partition(record: HostRecord, disk_number: int, number: int) -> MountedPartitionRecord:
    for mounted in record.mounted:
        for partition in mounted.partitions:
            if (mounted.disk_number, partition.number) == (disk_number, number):
                return partition
    raise HostError("DiskMountFailed", f"No partition {number} on disk {disk_number}.")
