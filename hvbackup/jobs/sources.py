r"""Which files make a VM, and where the writer and the inventory say they are (pure).

The writer's list is made before the shadow copy exists: it names files that may not be there (`.avhdx`, `.vmrs`,
`.bin`, `.vsv`) and whole folders by `*`. So files are looked for by the writer's list and by the inventory, and
afterwards everything that a VM cannot do without must have been found.
"""

from __future__ import annotations

import ntpath
from collections.abc import Iterable

from hvbackup.models import Component, Model, Vm

_DISK_EXTENSIONS = frozenset({".vhd", ".vhdx", ".avhd", ".avhdx", ".vhds"})
_STATE_EXTENSIONS = frozenset({".bin", ".vsv", ".vmrs"})


class FilePlace(Model, frozen=True, kw_only=True):
    """Files to look for: those of `filespec` (with `*` and `?`) in the folder `path` of the host.

    Attributes:
        required: Whether a backup without any file of it is none.
        kind: `host` for the host's own configuration; None: by the file's extension.
    """

    path: str
    filespec: str
    recursive: bool = False
    required: bool = False
    kind: str | None = None


def kind_of(path: str) -> str:
    """Return the kind of a VM's file by its extension: `disk`, `state` or `configuration`."""
    extension = ntpath.splitext(path)[1].lower()
    if extension in _DISK_EXTENSIONS:
        return "disk"
    return "state" if extension in _STATE_EXTENSIONS else "configuration"


def sources_of(vm: Vm, component: Component | None) -> tuple[FilePlace, ...]:
    """Return where the files of `vm` are, required ones first, each place once."""
    found: dict[tuple[str, str], FilePlace] = {}

    def add(path: str, filespec: str, *, required: bool = False, recursive: bool = False) -> None:
        folder = path.rstrip("\\")
        key = (folder.lower(), filespec.lower())
        known = found.get(key)
        found[key] = FilePlace(
            path=folder,
            filespec=filespec,
            required=required or (known is not None and known.required),
            recursive=recursive or (known is not None and known.recursive),
        )

    def add_file(path: str, *, required: bool) -> None:
        add(*ntpath.split(path), required=required)

    for path in disk_files(vm):
        add_file(path, required=True)
        stem = ntpath.splitext(ntpath.basename(path))[0]
        # Written into the shadow copy by the guest's own writers (2012 R2 and later); it belongs to the disk's state.
        add(ntpath.dirname(path), f"{stem}*-AutoRecovery.avhdx")
    if vm.configuration_file:
        add_file(vm.configuration_file, required=True)
        folder, name = ntpath.split(vm.configuration_file)
        stem = ntpath.splitext(name)[0]
        add(folder, f"{stem}.*")
        add(ntpath.join(folder, stem), "*", recursive=True)
    for checkpoint in vm.checkpoints:
        folder = ntpath.join(vm.snapshot_file_location, "Snapshots")
        add(folder, f"{checkpoint.id}.*")
        add(ntpath.join(folder, checkpoint.id), "*", recursive=True)
    for spec in component.files if component else ():
        add(spec.path, spec.filespec, required=_is_indispensable(spec.path, spec.filespec), recursive=spec.recursive)
    return tuple(sorted(found.values(), key=lambda source: not source.required))


def host_sources(component: Component | None) -> tuple[FilePlace, ...]:
    """Return where the files of the writer's Host Component are."""
    if component is None:
        return ()
    return tuple(
        FilePlace(path=spec.path.rstrip("\\"), filespec=spec.filespec, recursive=spec.recursive, kind="host")
        for spec in component.files
    )


def disk_files(vm: Vm) -> tuple[str, ...]:
    """Return every disk file of the VM with its parents, each once, leaf first."""
    paths: dict[str, str] = {}
    for disk in vm.disks:
        if disk.path is None:
            continue
        for path in (disk.path, *(link.path for link in disk.chain)):
            paths.setdefault(path.lower(), path)
    return tuple(paths.values())


def owner_of(path: str, vms: Iterable[Vm]) -> Vm | None:
    """Return a VM to which a file belongs: as a disk, as a parent of one, or as its configuration."""
    wanted = path.lower()
    for vm in vms:
        if wanted in {each.lower() for each in (*disk_files(vm), vm.configuration_file or "")}:
            return vm
    return None


def left_out(vm: Vm) -> tuple[str, ...]:
    """Return what belongs to the VM and is not in any host backup, one sentence each."""
    sentences = [
        f"the pass-through disk {disk.disk_number} ({disk.controller_type} {disk.controller_number}:"
        f"{disk.controller_location}) is not in the backup: VSS on the host does not see into it"
        for disk in vm.disks
        if disk.path is None
    ]
    sentences += [
        f"{disk.path} may be shared between VMs; a host backup of one VM does not make it consistent"
        for disk in vm.disks
        if disk.path is not None and disk.support_persistent_reservations
    ]
    if vm.security is not None and vm.security.tpm_enabled:
        sentences.append("the virtual TPM's keys are sealed by the host's guardian; on another host the guest may ask "
                         "for its BitLocker recovery key")  # fmt: skip
    return tuple(sentences)


def _is_indispensable(path: str, filespec: str) -> bool:
    # HVBackup, which reads the same lists, fails on any missing file but these.
    if "*" in filespec or "?" in filespec:
        return False
    extension = ntpath.splitext(filespec)[1].lower()
    if extension in _STATE_EXTENSIONS or extension in {".avhd", ".avhdx"}:
        return False
    return ntpath.basename(path.rstrip("\\")).casefold() != "snapshots"
