"""Whether the disks of a VM can be disks, wherever their bytes are: on the host, or in a restore point."""

from __future__ import annotations

import ntpath
from collections.abc import Mapping

from hvbackup.errors import ImageDamaged, ImageUnsupported
from hvbackup.images.check import check_chain, check_image
from hvbackup.images.source import Source
from hvbackup.models import Model, Vm


class DiskFindings(Model, frozen=True, kw_only=True):
    """What looking at disk images has shown.

    Attributes:
        problems: What makes them unfit.
        doubts: What a person should look at: a parent whose id is not the one that its child names. No pair written by
            Hyper-V was at hand to prove the rule on, so it does not stop a backup.
        notes: What is only worth knowing.
    """

    problems: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def check_disk(source: Source) -> DiskFindings:
    """Check one image file by itself. A kind that is not read is a note: it may be sound."""
    try:
        report = check_image(source)
    except ImageDamaged as error:
        return DiskFindings(problems=(str(error),))
    except ImageUnsupported as error:
        return DiskFindings(notes=(f"{error}; not looked into",))
    return DiskFindings(problems=report.problems, notes=report.notes)


def check_chains(vm: Vm, sources: Mapping[str, Source]) -> DiskFindings:
    """Check that the chain of each attached disk is whole: every image there, the parent of the one before it.

    That the last image needs no parent is read from the image itself: a host that could not read a chain lists only
    the part that it could.

    Args:
        sources: Image files by their path on the host, in lower case.
    """
    problems: list[str] = []
    doubts: list[str] = []
    for disk in vm.disks:
        if disk.path is None:
            continue
        paths = [link.path for link in disk.chain] or [disk.path]
        lacking = [path for path in paths if path.lower() not in sources]
        if lacking:
            problems.append(f"{disk.path}: {lacking[0]} of its chain is missing")
            continue
        try:
            report = check_chain([sources[path.lower()] for path in paths])
        except (ImageDamaged, ImageUnsupported):
            continue  # told of by `check_disk`
        root = report.images[-1]
        if root.type == "differencing":
            parent = root.parent_paths[0] if root.parent_paths else "its parent"
            problems.append(f"{disk.path}: {paths[-1]} is a differencing disk, and {parent} is not there")
        else:
            doubts += [f"chain of {ntpath.basename(disk.path)}: {text}" for text in report.link_problems]
    return DiskFindings(problems=tuple(problems), doubts=tuple(doubts))
