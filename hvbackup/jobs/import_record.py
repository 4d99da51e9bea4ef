"""The record of an imported VM, read from the configuration file in its folder: no host is asked.

With it the restore point can become a VM again (`hvbackup rebuild`), by Import-VM or by New-VM.
"""

from __future__ import annotations

import ntpath
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import NamedTuple

import msgspec

from hvbackup.errors import ImageDamaged, ImageError, ImageUnsupported
from hvbackup.images.chain import open_disk
from hvbackup.images.check import check_chain
from hvbackup.images.source import FileSource
from hvbackup.images.vmconfig.configuration import VmConfiguration
from hvbackup.images.vmconfig.facts import known
from hvbackup.images.vmconfig.read import read_configuration
from hvbackup.images.vmconfig.record import as_vm
from hvbackup.jobs.local_folder import LocalFile, unreadable
from hvbackup.jobs.sources import kind_of
from hvbackup.models import Disk, ImageFile, Vm

_FORMATS = (".vmcx", ".xml")


class ImportedRecord(NamedTuple):
    """What is known of an imported VM.

    Attributes:
        vm: The VM, or None when no configuration in the folder says what it is.
        sources: Name of an attached disk in the point -> its path on the host, as the configuration has it.
        evidence: Where the record is from, and what it cannot say.
        doubts: Why there is none, or what does not fit; for the warnings of the point.
    """

    vm: Vm | None = None
    sources: Mapping[str, str] = {}
    evidence: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


def read_record(files: Sequence[LocalFile], vm_id: str) -> ImportedRecord:
    """Read the configuration of the VM `vm_id`, where the folder has one.

    A configuration that cannot be read is a doubt and no error: the disks are worth a restore point without it.

    Raises:
        BackupError: The file cannot be read.
    """
    file = _configuration_file(files, vm_id)
    if file is None:
        return ImportedRecord()
    try:
        with FileSource(file.path) as source:
            configuration = read_configuration(source)
    except (ImageDamaged, ImageUnsupported) as error:
        return _without(file, str(error))
    except OSError as error:
        raise unreadable(file.path, error) from error
    if known(configuration.id) != vm_id:
        return _without(file, f"it describes another VM ({known(configuration.id) or 'without an id'})")
    vm, remarks = as_vm(configuration)
    if vm is None:
        return _without(file, *remarks)
    return _with_disks(files, file, configuration, vm, remarks)


def _configuration_file(files: Sequence[LocalFile], vm_id: str) -> LocalFile | None:
    for form in _FORMATS:
        for file in files:
            if file.path.name.casefold() == vm_id.casefold() + form:
                return file
    return None


def _without(file: LocalFile, *reasons: str) -> ImportedRecord:
    why = "; ".join(reasons)
    return ImportedRecord(
        doubts=(f"{file.name}: {why}; the point has no record of the VM, and rebuild cannot take it",)
    )


def _with_disks(
    files: Sequence[LocalFile], file: LocalFile, configuration: VmConfiguration, vm: Vm, remarks: Sequence[str]
) -> ImportedRecord:
    images = [each for each in files if kind_of(each.name) == "disk"]
    recorded = [disk.path for disk in vm.disks if disk.path and _is_full(disk.path)]
    found = match_disks(recorded, [each.name for each in images])
    sources = {name: path for path, name in found.items()}
    by_name = {each.name: each for each in images}
    disks: list[Disk] = []
    doubts: list[str] = []
    for disk in vm.disks:
        if disk.path is None:
            disks.append(disk)
        elif disk.path in found:
            chain = _chain(by_name[found[disk.path]], images, sources)
            disks.append(msgspec.structs.replace(disk, chain=chain))
        else:
            doubts.append(f"the disk {disk.path} of {file.name} is not clearly in the folder: the record leaves it out")
    what = f"{configuration.format.upper()}, configuration version {vm.version or 'unknown'}"
    evidence = [f"settings of the VM read from {file.name} ({what}), not from a host"]
    evidence += [f"not known from it: {remark}" for remark in remarks]
    return ImportedRecord(
        vm=msgspec.structs.replace(vm, disks=tuple(disks)),
        sources=sources,
        evidence=tuple(evidence),
        doubts=tuple(doubts),
    )


def _is_full(path: str) -> bool:
    """Whether a path of the configuration is one: from a drive or a share on, and not out of itself again."""
    return bool(ntpath.splitdrive(path)[0]) and ntpath.isabs(path) and ".." not in path.replace("/", "\\").split("\\")


def match_disks(recorded: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """Return recorded path -> name in the folder, for each disk that means one file and shares it with no other.

    A file fits when it has the same name; of several, the one whose folders are like those of the path the longest.
    """
    chosen: dict[str, str] = {}
    for path in recorded:
        lengths = {name: _common_tail(path, name) for name in names}
        longest = max(lengths.values(), default=0)
        best = [name for name, length in lengths.items() if length == longest]
        if longest and len(best) == 1:
            chosen[path] = best[0]
    taken = list(chosen.values())
    return {path: name for path, name in chosen.items() if taken.count(name) == 1}


def _common_tail(path: str, name: str) -> int:
    """Return how many last parts the Windows path and the name (with `/`) have in common, without case."""
    length = 0
    parts = ntpath.splitdrive(path)[1].replace("/", "\\").casefold().split("\\")
    for one, other in zip(reversed(parts), reversed(name.casefold().split("/")), strict=False):
        if one != other:
            break
        length += 1
    return length


def _chain(leaf: LocalFile, images: Sequence[LocalFile], sources: Mapping[str, str]) -> tuple[ImageFile, ...]:
    """Return the links of a chain as a host would list them; none for a kind that is not read."""
    by_path = {each.path.resolve(): each for each in images}
    try:
        with open_disk(leaf.path, folders=sorted({each.path.parent for each in images}), allow_mismatch=True) as disk:
            links = [by_path[path.resolve()] for path in disk.paths]
        with ExitStack() as opened:
            report = check_chain([opened.enter_context(FileSource(link.path)) for link in links])
    except (ImageError, KeyError):
        return ()  # told of by `check_disks`
    except OSError as error:
        raise unreadable(leaf.path, error) from error
    paths = [sources.get(link.name, str(link.path)) for link in links]
    return tuple(
        ImageFile(
            path=path,
            format=image.format.upper(),
            type=image.type.capitalize(),
            size_bytes=image.virtual_size_bytes,
            file_size_bytes=image.file_size_bytes,
            disk_identifier=image.disk_id,
            parent_path=parent,
            block_size_bytes=image.block_size_bytes or None,
            logical_sector_size=image.logical_sector_size,
            physical_sector_size=image.physical_sector_size,
        )
        for path, image, parent in zip(paths, report.images, [*paths[1:], None], strict=True)
    )
