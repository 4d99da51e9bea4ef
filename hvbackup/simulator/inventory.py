"""The simulated host's VMs with the chains of their disks, read from the disk files themselves."""

from __future__ import annotations

import ntpath
from pathlib import Path

from msgspec.structs import replace

from hvbackup.models import Disk, ImageFile, Vm
from hvbackup.simulator.disk_files import describe
from hvbackup.simulator.state import HostRecord, VmRecord
from hvbackup.simulator.volumes import MalformedPath, local_path


def image_file(folder: Path, path: str) -> ImageFile:
    """Describe a VHD or VHDX of the host; `FileNotFoundError` or `ValueError` when it cannot be read."""
    disk = describe(local_path(folder, path))
    return ImageFile(
        path=path,
        format=disk.format,
        type=disk.type,
        size_bytes=disk.size,
        file_size_bytes=disk.file_size,
        disk_identifier=disk.identifier,
        parent_path=disk.parent,
        block_size_bytes=disk.block_size,
        logical_sector_size=disk.logical_sector,
        physical_sector_size=disk.physical_sector,
    )


def chain(folder: Path, path: str) -> tuple[list[ImageFile], str | None]:
    """Return a disk's files, leaf first, and why the chain ends too early, or None.

    A parent is looked for where the child says, then beside the child, as Windows does with the relative path.
    """
    found: list[ImageFile] = []
    current: str | None = path
    while current:
        if any(image.path.casefold() == current.casefold() for image in found):
            return found, f"The chain of virtual hard disks is circular at '{current}'."
        try:
            image = image_file(folder, current)
        except MalformedPath as error:
            return found, str(error)
        except FileNotFoundError:
            return found, f"The system cannot find the file '{current}'."
        except (ValueError, OSError) as error:
            return found, f"'{current}': {error}"
        parent = image.parent_path
        if parent and not local_path(folder, parent).exists():
            beside = ntpath.join(ntpath.dirname(current), ntpath.basename(parent))
            parent = beside if local_path(folder, beside).exists() else parent
            image = replace(image, parent_path=parent)
        found.append(image)
        current = parent
    return found, None


def local_chain(folder: Path, path: str) -> list[Path]:
    """The files of this machine for a disk's chain, leaf first."""
    images, error = chain(folder, path)
    if error:
        raise ValueError(error)
    return [local_path(folder, image.path) for image in images]


def with_chain(folder: Path, disk: Disk) -> Disk:
    """Return the disk with its chain as the files say it now."""
    if disk.path is None:
        return disk
    images, error = chain(folder, disk.path)
    return replace(disk, chain=tuple(images), error=error)


def described_vm(folder: Path, record: VmRecord) -> Vm:
    """Return the VM as the inventory shows it."""
    if record.truth.without_files:
        return record.vm
    configuration = record.vm.configuration_file
    if configuration and not local_path(folder, configuration).exists():
        configuration = None
    return replace(
        record.vm,
        configuration_file=configuration,
        disks=tuple(with_chain(folder, disk) for disk in record.vm.disks),
    )


def with_described_vms(folder: Path, host: HostRecord) -> HostRecord:
    """Fill the chains of all VMs of a state that was read; for those who need files, as the writer does."""
    for record in host.vms:
        if not record.truth.without_files:
            record.vm = replace(record.vm, disks=tuple(with_chain(folder, disk) for disk in record.vm.disks))
    return host
