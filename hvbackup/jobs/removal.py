"""A rebuilt VM removed again, with its files: the end of a restore drill."""

from __future__ import annotations

import ntpath
from collections.abc import Collection, Iterator

from hvbackup.errors import InvalidRequest, RestoreRefused
from hvbackup.jobs.paths import is_absolute
from hvbackup.jobs.rebuild import home_folder
from hvbackup.jobs.sources import disk_files
from hvbackup.models import Model, Vm
from hvbackup.remote.calls import FileRoot, GetFile, GetVm, RemoveFile, RemoveVm
from hvbackup.remote.session import Transport

#: Folders that Hyper-V makes in the folder of a VM; empty once the VM is removed.
_HYPERV_FOLDERS = ("Virtual Machines", "Snapshots", "Planned Virtual Machines", "UndoLog Configuration")


class RemovalPlan(Model, frozen=True, kw_only=True):
    """What a removal takes away.

    Attributes:
        home: Folder that all files of the VM are in.
        files: Its disk files; Hyper-V removes those of the configuration itself.
    """

    vm: Vm
    home: str
    files: tuple[str, ...]


class RemovalResult(Model, frozen=True, kw_only=True):
    """What is gone, and the files in the VM's folder that are none of its own and so were left."""

    vm_id: str
    vm_name: str
    removed: tuple[str, ...]
    left: tuple[str, ...] = ()


def plan_removal(transport: Transport, *, name: str, path: str, originals: Collection[str]) -> RemovalPlan | None:
    """Look for a VM that a rebuild has made; return None when there is none of this name.

    Args:
        path: Folder that the rebuild was told; all files of the VM must be where it has put them.
        originals: Ids of the VMs that were backed up. They are never removed.

    Raises:
        InvalidRequest: `path` is no full Windows path, or two VMs have the name.
        RestoreRefused: The VM is one of the originals, has a file elsewhere, is a role of a cluster, or has
            checkpoints.
    """
    if not is_absolute(path):
        raise InvalidRequest(f"{path!r} is no full Windows path", hint=r"Such as E:\Drill.")
    found = [vm for vm in transport.call(GetVm()).data.vms if vm.name.casefold() == name.casefold()]
    if not found:
        return None
    if len(found) > 1:
        raise InvalidRequest(f"{len(found)} VMs are called {name!r}", hint="Remove the right one by hand.")
    vm = found[0]
    home = home_folder(path, vm.name)
    if vm.id in originals:
        raise RestoreRefused(
            f"the VM {vm.name!r} ({vm.id}) is one that was backed up, not one that was rebuilt beside it",
            hint="Rebuild with by: new, which gives an id of its own; only such VMs are removed.",
        )
    files = disk_files(vm)
    astray = [each for each in (*files, vm.configuration_file or home + "\\") if not _is_below(each, home)]
    if astray:
        raise RestoreRefused(f"the VM {vm.name!r} is not one that was rebuilt below {path}: it has {astray[0]}")
    if vm.clustered or vm.checkpoints:
        what = "is a role of a cluster" if vm.clustered else "has checkpoints"
        raise RestoreRefused(f"the VM {vm.name!r} {what}", hint="Remove it by hand.")
    return RemovalPlan(vm=vm, home=home, files=files)


def remove_vm(transport: Transport, plan: RemovalPlan) -> RemovalResult:
    """Turn the VM off, remove it by its id, then its disk files, then the folders that are empty now.

    Raises:
        ScriptFailed, RemoteError: As they come.
    """
    transport.call(RemoveVm(id=plan.vm.id, turn_off=True))
    own = [*plan.files, *(ntpath.join(plan.vm.path, name, "*") for name in _HYPERV_FOLDERS)]
    folders = {folder for each in own for folder in _folders_between(plan.home, each)}
    deepest_first = tuple(sorted(folders, key=lambda each: (-each.count("\\"), each)))
    gone = transport.call(RemoveFile(files=plan.files, folders=deepest_first)).data.removed
    left = transport.call(GetFile(roots=(FileRoot(path=plan.home, recurse=True),))).data.files
    return RemovalResult(vm_id=plan.vm.id, vm_name=plan.vm.name, removed=gone, left=tuple(file.path for file in left))


def _is_below(path: str, folder: str) -> bool:
    return ntpath.normpath(path).casefold().startswith(ntpath.normpath(folder).casefold() + "\\") or (
        path.endswith("\\") and ntpath.normpath(path).casefold() == ntpath.normpath(folder).casefold()
    )


def _folders_between(top: str, path: str) -> Iterator[str]:
    """Yield the folders that `path` is in, up to `top` itself."""
    folder = ntpath.dirname(path.rstrip("\\"))
    while _is_below(folder + "\\", top):
        yield folder
        folder = ntpath.dirname(folder)
