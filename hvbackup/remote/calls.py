"""The scripts of `ps_scripts/`: request and answer of each, typed.

This file and `ps_scripts/README.md` are the seam between the library and whatever runs on the host. The names of
fields here are Python's; in JSON they are camelCase.
"""

from __future__ import annotations

from typing import Any, ClassVar

from hvbackup.models import HostFacts, Model, Vm
from hvbackup.remote.contract import Call

# ---------------------------------------------------------------- questions


class GetHost(Call[HostFacts], frozen=True, kw_only=True):
    """Host facts; with `writers`, also the verbatim listings of vssadmin."""

    script: ClassVar[str] = "Get-HvbHost"
    answer: ClassVar[type[Model]] = HostFacts
    idempotent: ClassVar[bool] = True
    writers: bool = False


class VmInventory(Model, frozen=True, kw_only=True):
    """All VMs asked for, what could not be found, and the switches and folders of the host."""

    vms: tuple[Vm, ...]
    missing_ids: tuple[str, ...] = ()
    switches: tuple[str, ...] = ()
    virtual_machine_path: str = ""
    virtual_hard_disk_path: str = ""


class GetVm(Call[VmInventory], frozen=True, kw_only=True):
    """The VMs with these ids, or all (`None`), in one round trip."""

    script: ClassVar[str] = "Get-HvbVm"
    answer: ClassVar[type[Model]] = VmInventory
    idempotent: ClassVar[bool] = True
    ids: tuple[str, ...] | None = None


class FileRoot(Model, frozen=True, kw_only=True):
    r"""Where to look: files of `filespec` in the folder `path` (a file specification of VSS)."""

    path: str
    filespec: str = "*"
    recurse: bool = False


class FileEntry(Model, frozen=True, kw_only=True):
    """A file that was found; `root` is the index of the `FileRoot` that found it first."""

    path: str
    size_bytes: int
    modified_at: str
    root: int


class FileList(Model, frozen=True, kw_only=True):
    """Files found, each once; `missing_roots` are indexes of roots that found nothing."""

    files: tuple[FileEntry, ...]
    missing_roots: tuple[int, ...] = ()


class GetFile(Call[FileList], frozen=True, kw_only=True):
    """Lists files. Links (reparse points) are not followed below a root."""

    script: ClassVar[str] = "Get-HvbFile"
    answer: ClassVar[type[Model]] = FileList
    idempotent: ClassVar[bool] = True
    roots: tuple[FileRoot, ...]


# ---------------------------------------------------------------- bulk


class HashSummary(Model, frozen=True, kw_only=True):
    """What was hashed, after the last frame."""

    size_bytes: int
    blocks: int
    zero_blocks: int
    modified_at: str


class GetBlockHash(Call[HashSummary], frozen=True, kw_only=True):
    """SHA-256 of each block of a file, in order.

    Blocks are `block_size` long and start at 0 and anew at each offset of `cuts` (ascending); the last block before a
    cut or the end is shorter. Output frames are 32-byte hashes, many to a frame, never split over two frames. A block
    of zero bytes only has the hash of 32 zero bytes. `first_block` and `block_count` choose a part of the blocks.
    """

    script: ClassVar[str] = "Get-HvbBlockHash"
    answer: ClassVar[type[Model]] = HashSummary
    idempotent: ClassVar[bool] = True
    path: str
    block_size: int = 262144
    cuts: tuple[int, ...] = ()
    first_block: int = 0
    block_count: int | None = None


class ReadSummary(Model, frozen=True, kw_only=True):
    """What was read, after the last frame."""

    blocks: int
    bytes: int
    sent_bytes: int


class ReadBlock(Call[ReadSummary], frozen=True, kw_only=True):
    """The bytes of chosen blocks of a file: one output frame for each of `blocks` (offset, length), in their order.

    A frame is one byte `0` and the bytes as they are, or one byte `1` and the bytes as raw DEFLATE (RFC 1951). With
    `compress` the script sends whichever is shorter.
    """

    script: ClassVar[str] = "Read-HvbBlock"
    answer: ClassVar[type[Model]] = ReadSummary
    idempotent: ClassVar[bool] = True
    path: str
    blocks: tuple[tuple[int, int], ...]
    compress: bool = True


class WriteSummary(Model, frozen=True, kw_only=True):
    """What was written by this call; `finished` when the file got its final name."""

    path: str
    blocks: int
    bytes: int
    finished: bool


class WriteFile(Call[WriteSummary], frozen=True, kw_only=True):
    r"""Writes blocks into `path + ".hvbpart"`; gives the file its name at the end.

    A file larger than one call may carry takes several calls: `first` creates the part file (sparse, `size_bytes`
    long; an old part file of ours is replaced) and `last` flushes, checks the length, sets `modified_at` and renames.
    Calls that are neither may run side by side, each with blocks of its own.
    Folders are made as needed. Each input frame is: offset (u64 LE), length (u32 LE), codec (u8, 0 as it is, 1 raw
    DEFLATE), SHA-256 of the plain bytes (32 bytes), then the bytes. A frame whose bytes do not have its hash is
    `BlockMismatch`, nothing of it is written. On an error the part file is removed; it stays where a call that is not
    `first` fails only to give it its name, so that asking again may help.
    """

    script: ClassVar[str] = "Write-HvbFile"
    answer: ClassVar[type[Model]] = WriteSummary
    path: str
    size_bytes: int
    first: bool = True
    last: bool = True
    replace: bool = False
    modified_at: str | None = None


# ---------------------------------------------------------------- VSS


class DiskShadowOutput(Model, frozen=True, kw_only=True):
    """What diskshadow.exe left behind: bytes as base64, so that no code page is guessed on the host.

    Attributes:
        output: Standard output, base64 of bytes in the OEM code page `code_page`.
        log: The `/l` log, base64 of UTF-16LE with BOM; empty when none was written.
    """

    exit_code: int
    output: str
    log: str
    code_page: int
    seconds: float
    scratch: str


class InvokeDiskShadow(Call[DiskShadowOutput], frozen=True, kw_only=True):
    r"""Runs diskshadow.exe with a script in a scratch folder of its own.

    `scratch` must be a folder below `HostFacts.scratch_root`; it is made when missing, with `marker` as
    `hvbackup.json` in it, before diskshadow starts. `folders` (below it) are made for EXPOSE. `step` names the files:
    `<step>.dsh`, `<step>.log`. `lines` are ASCII. With `keep` false the scratch folder is removed afterwards.
    """

    script: ClassVar[str] = "Invoke-HvbDiskShadow"
    answer: ClassVar[type[Model]] = DiskShadowOutput
    scratch: str
    step: str
    lines: tuple[str, ...]
    folders: tuple[str, ...] = ()
    marker: dict[str, Any] | None = None
    timeout_seconds: int = 900
    keep: bool = True


# ---------------------------------------------------------------- virtual machines and disks


class DiskPlacement(Model, frozen=True, kw_only=True):
    """Where the file of a disk is now; `recorded_path` is what the VM's configuration says."""

    recorded_path: str
    path: str


class Incompatibility(Model, frozen=True, kw_only=True):
    """An entry of Compare-VM's report; `resolved` says how it was settled, None when it was not."""

    message_id: int
    message: str
    resolved: str | None = None


class VmBuilt(Model, frozen=True, kw_only=True):
    """The VM that is there now (or would be, with `plan_only`), in the order of the steps taken."""

    id: str | None
    name: str
    state: str
    steps: tuple[str, ...] = ()
    incompatibilities: tuple[Incompatibility, ...] = ()


class ImportVm(Call[VmBuilt], frozen=True, kw_only=True):
    """Compare-VM, mend the report, Import-VM. The configuration is used where it lies (`-Register`) or copied.

    Attributes:
        copy_files: Import-VM -Copy to `virtual_machine_path` instead of registering in place.
        connect_network: Leave adapters connected where the switch exists; else all are disconnected.
        switch_name: Connect all adapters to this switch.
        drop_saved_state: Remove the saved state, so that the VM starts as after a power cut.
    """

    script: ClassVar[str] = "Import-HvbVm"
    answer: ClassVar[type[Model]] = VmBuilt
    configuration_path: str
    name: str | None = None
    copy_files: bool = False
    generate_new_id: bool = False
    virtual_machine_path: str | None = None
    snapshot_file_path: str | None = None
    smart_paging_file_path: str | None = None
    disks: tuple[DiskPlacement, ...] = ()
    connect_network: bool = False
    switch_name: str | None = None
    drop_saved_state: bool = False
    plan_only: bool = False


class NewVm(Call[VmBuilt], frozen=True, kw_only=True):
    """New-VM with everything that was recorded; `vm.disks[].path` are looked up in `disks`.

    A failure removes the half-made VM again (never its disks).
    """

    script: ClassVar[str] = "New-HvbVm"
    answer: ClassVar[type[Model]] = VmBuilt
    vm: Vm
    name: str
    path: str
    disks: tuple[DiskPlacement, ...] = ()
    connect_network: bool = False
    switch_name: str | None = None
    plan_only: bool = False


class VmRemoved(Model, frozen=True, kw_only=True):
    """Whether the VM was there; its files stay."""

    removed: bool


class RemoveVm(Call[VmRemoved], frozen=True, kw_only=True):
    """Unregisters a VM (turned off first when `turn_off`); disk files are left alone."""

    script: ClassVar[str] = "Remove-HvbVm"
    answer: ClassVar[type[Model]] = VmRemoved
    id: str
    turn_off: bool = False


class MountedPartition(Model, frozen=True, kw_only=True):
    """A partition of a mounted disk; `access_paths` end with a backslash."""

    number: int
    size_bytes: int
    type: str = ""
    drive_letter: str | None = None
    access_paths: tuple[str, ...] = ()
    file_system: str = ""
    label: str = ""


class DiskMounted(Model, frozen=True, kw_only=True):
    """A disk that is attached read-only now."""

    path: str
    disk_number: int
    already_mounted: bool = False
    partitions: tuple[MountedPartition, ...] = ()


class MountDisk(Call[DiskMounted], frozen=True, kw_only=True):
    """Mount-VHD -ReadOnly; `access_root` is an empty or missing folder in which each volume gets a folder."""

    script: ClassVar[str] = "Mount-HvbDisk"
    answer: ClassVar[type[Model]] = DiskMounted
    path: str
    drive_letters: bool = True
    access_root: str | None = None


class DiskDismounted(Model, frozen=True, kw_only=True):
    """Whether the disk had been attached."""

    was_mounted: bool


class DismountDisk(Call[DiskDismounted], frozen=True, kw_only=True):
    """Dismount-VHD; removes the access paths of `access_root` as well."""

    script: ClassVar[str] = "Dismount-HvbDisk"
    answer: ClassVar[type[Model]] = DiskDismounted
    idempotent: ClassVar[bool] = True
    path: str
    access_root: str | None = None


# ---------------------------------------------------------------- clean-up


class LeftoverLog(Model, frozen=True, kw_only=True):
    """A diskshadow log found in a scratch folder; `content` is base64 of the file."""

    step: str
    content: str


class Leftover(Model, frozen=True, kw_only=True):
    """A scratch folder of hvbackup on the host: its marker and the logs from which shadow sets can be read."""

    scratch: str
    created_at: str
    marker: dict[str, Any] | None = None
    logs: tuple[LeftoverLog, ...] = ()
    exposed: tuple[str, ...] = ()


class LeftoverList(Model, frozen=True, kw_only=True):
    """Everything of hvbackup that is on the host; `exposed` of each are mount points in its folder."""

    leftovers: tuple[Leftover, ...] = ()


class GetLeftover(Call[LeftoverList], frozen=True, kw_only=True):
    """Finds the scratch folders below `HostFacts.scratch_root`, or looks for one of them."""

    script: ClassVar[str] = "Get-HvbLeftover"
    answer: ClassVar[type[Model]] = LeftoverList
    idempotent: ClassVar[bool] = True
    scratch: str | None = None


class ScratchRemoved(Model, frozen=True, kw_only=True):
    """Whether the folder was there."""

    removed: bool


class RemoveScratch(Call[ScratchRemoved], frozen=True, kw_only=True):
    """Removes one scratch folder; refuses (`PathRefused`) outside the root or while a mount point is in it."""

    script: ClassVar[str] = "Remove-HvbScratch"
    answer: ClassVar[type[Model]] = ScratchRemoved
    idempotent: ClassVar[bool] = True
    scratch: str


class FilesRemoved(Model, frozen=True, kw_only=True):
    """The paths that were there and are gone."""

    removed: tuple[str, ...] = ()


class RemoveFile(Call[FilesRemoved], frozen=True, kw_only=True):
    """Removes exactly these files, then these folders if they are empty; never follows links, never recurses."""

    script: ClassVar[str] = "Remove-HvbFile"
    answer: ClassVar[type[Model]] = FilesRemoved
    idempotent: ClassVar[bool] = True
    files: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()


#: Every call, by the name of its script.
CALLS: dict[str, type[Call[Any]]] = {
    call.script: call
    for call in (
        GetHost, GetVm, GetFile, GetBlockHash, ReadBlock, WriteFile, InvokeDiskShadow, ImportVm, NewVm, RemoveVm,
        MountDisk, DismountDisk, GetLeftover, RemoveScratch, RemoveFile,
    )
}  # fmt: skip
