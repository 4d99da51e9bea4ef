"""`vhd_mount`: a VHD of the host mounted read-only, or dismounted."""

from __future__ import annotations

import ntpath
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from hvbackup.errors import FileMissing
from hvbackup.events import Note
from hvbackup.playbook.modules.arguments import Arguments, Results
from hvbackup.playbook.modules.contract import ModuleContext
from hvbackup.playbook.modules.definition import Module, Ran
from hvbackup.playbook.modules.opening import open_host
from hvbackup.playbook.modules.rows import row

if TYPE_CHECKING:
    from hvbackup.remote.session import Transport


class VhdMountArguments(Arguments):
    """Which disk, and how."""

    path: str = Field(description="Full path of the VHD or VHDX on the host. It must not belong to a VM.")
    state: Literal["mounted", "dismounted"] = Field(default="mounted", description="What it shall be.")
    drive_letters: bool = Field(default=True, description="Let Windows give drive letters.")
    access_root: str | None = Field(
        default=None,
        description="An empty or missing folder of the host in which each volume gets a folder. Give it for "
        "O(state=dismounted) too: what was made there is removed.",
    )


class VhdMountResults(Results):
    """The disk."""

    path: str = Field(description="The disk.")
    state: Literal["mounted", "dismounted"] = Field(description="What it is now, or in check mode would be.")
    disk_number: int | None = Field(default=None, description="The host's number of the disk, when it is mounted.")
    partitions: list[dict[str, Any]] = Field(
        default=[],
        description="Its partitions, each with C(number), C(size_bytes), C(type), C(drive_letter), C(access_paths), "
        "C(file_system), C(label).",
    )


def run(arguments: VhdMountArguments, context: ModuleContext) -> Ran:
    """Mount or dismount; twice is no change."""
    from hvbackup.jobs.mounting import require_mountable
    from hvbackup.jobs.requests import MountRequest

    request = MountRequest(
        path=arguments.path, drive_letters=arguments.drive_letters, access_root=arguments.access_root
    )
    with open_host(context) as host:
        if context.check:
            if arguments.state == "mounted":
                require_mountable(host.transport, request)
            return _would(arguments, context, there=_is_there(host.transport, arguments.path))
        if arguments.state == "dismounted":
            was = host.unmount(arguments.path, access_root=arguments.access_root).was_mounted
            return _ran(VhdMountResults(path=arguments.path, state="dismounted"), changed=was)
        mounted = host.mount(request)
    results = VhdMountResults(
        path=mounted.path, state="mounted", disk_number=mounted.disk_number, partitions=row(mounted.partitions)
    )
    return _ran(results, changed=not mounted.already_mounted)


def _is_there(transport: Transport, path: str) -> bool:
    from hvbackup.remote.calls import FileRoot, GetFile

    folder, name = ntpath.split(path)
    return bool(transport.call(GetFile(roots=(FileRoot(path=folder, filespec=name),))).data.files)


def _would(arguments: VhdMountArguments, context: ModuleContext, *, there: bool) -> Ran:
    results = VhdMountResults(path=arguments.path, state=arguments.state)
    if not there:
        if arguments.state == "mounted":
            raise FileMissing(f"there is no file {arguments.path}", host=context.connection.host)
        return _ran(results, changed=False)
    text = "whether the disk is mounted already is not known without mounting it; check mode takes it that it is not"
    if arguments.state == "dismounted":
        text = "whether the disk is mounted is not known without dismounting it; check mode takes it that it is"
    context.events(Note(host=context.inventory_hostname, text=text, level="warning"))
    return _ran(results, changed=True)


def _ran(results: VhdMountResults, *, changed: bool) -> Ran:
    other = "dismounted" if results.state == "mounted" else "mounted"
    return Ran(
        results,
        changed=changed,
        before=f"{results.path}: {other if changed else results.state}\n",
        after=f"{results.path}: {results.state}\n",
    )


MODULE = Module(
    name="vhd_mount",
    summary="Mount a VHD of a Hyper-V host read-only, or dismount it",
    description="""\
Mounts a VHD or VHDX of the host read-only, such as one that M(hvbackup.hyperv.vm_restore) has brought back, so that
files can be copied out of it, or dismounts it. A disk that is attached to a VM is refused.

In check mode it cannot be known whether the disk is mounted; a warning says so.
""",
    arguments=VhdMountArguments,
    results=VhdMountResults,
    run=run,
    examples="""\
- name: Mount a restored disk
  hvbackup.hyperv.vhd_mount:
    path: 'E:\\Look\\web01.vhdx'
  register: disk

- name: Dismount it
  hvbackup.hyperv.vhd_mount:
    path: 'E:\\Look\\web01.vhdx'
    state: dismounted
""",
)
