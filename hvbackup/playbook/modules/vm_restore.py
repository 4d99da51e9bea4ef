"""`vm_restore`: files of a restore point to a folder, without VSS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, Field

from hvbackup.models import JobStatus
from hvbackup.playbook.modules.arguments import Results
from hvbackup.playbook.modules.contract import ModuleContext, VmOutcome
from hvbackup.playbook.modules.definition import Module, Ran
from hvbackup.playbook.modules.opening import open_host, open_repository
from hvbackup.playbook.modules.points import PointArguments, chosen_point

if TYPE_CHECKING:
    from hvbackup.jobs.requests import RestoreRequest
    from hvbackup.models import RestorePoint
    from hvbackup.repository.repository import Repository


class VmRestoreArguments(PointArguments):
    """What is restored, and where to."""

    to: str = Field(
        description="Folder for the files: a full Windows path, or with O(on=controller) one of this machine."
    )
    on: Literal["host", "controller"] = Field(
        default="host", description="Whether the files go to the host of the task, or to this machine (control node)."
    )
    files: list[str] = Field(
        default=[], description="Only these files of the point, by name with C(*) and C(?), such as C(*.vhdx)."
    )
    replace: bool = Field(default=False, description="Allow files that are there to be replaced.")
    lanes: int = Field(default=2, ge=1, le=8, description="Connections that write at the same time, to a host.")


class RestoredRow(BaseModel):
    """One file."""

    name: str = Field(description="Its name in the restore point.")
    path: str = Field(description="Where it is now, or would be.")
    size_bytes: int = Field(description="Its length.")
    existed: bool = Field(description="Whether a file was there before.")


class VmRestoreResults(Results):
    """What went where."""

    point_id: str = Field(description="The restore point.")
    vm_name: str = Field(description="The VM that it is of.")
    files: list[RestoredRow] = Field(description="The files.")
    size_bytes: int = Field(description="Bytes of all files.")


def run(arguments: VmRestoreArguments, context: ModuleContext) -> Ran:
    """Restore, or in check mode say what would be written where."""
    from hvbackup.jobs.requests import RestoreRequest

    with open_repository(arguments, context) as repository:
        point = chosen_point(arguments, repository)
        request = RestoreRequest(
            point=point.id,
            to=arguments.to,
            files=tuple(arguments.files),
            replace=arguments.replace,
            lanes=arguments.lanes,
        )
        restore = _to_host if arguments.on == "host" else _to_this_machine
        rows = restore(repository, point, request, context)
    written = {each.path for each in rows}
    return Ran(
        VmRestoreResults(
            point_id=point.id, vm_name=point.vm_name, files=rows, size_bytes=sum(each.size_bytes for each in rows)
        ),
        changed=bool(written),
        outcomes=() if context.check else (_outcome(point, context),),
        before="".join(f"{each.path}: there\n" for each in rows if each.existed),
        after="".join(f"{each.path}: as in {point.id}\n" for each in rows),
    )


def _to_host(
    repository: Repository, point: RestorePoint, request: RestoreRequest, context: ModuleContext
) -> list[RestoredRow]:
    with open_host(context) as host:
        staged = host.plan_restore(repository, request)
        if not context.check:
            host.restore(repository, request, events=context.events, cancel=context.cancel)
    return [
        RestoredRow(name=each.file.name, path=each.path, size_bytes=each.file.size_bytes, existed=each.existed)
        for each in staged
    ]


def _to_this_machine(
    repository: Repository, point: RestorePoint, request: RestoreRequest, context: ModuleContext
) -> list[RestoredRow]:
    from hvbackup.jobs.host import restore_files
    from hvbackup.jobs.restore_local import plan_local_restore

    rows = [
        RestoredRow(name=file.name, path=str(path), size_bytes=file.size_bytes, existed=path.exists())
        for file, path in plan_local_restore(repository.read(point), request)
    ]
    if not context.check:
        restore_files(repository, request, events=context.events, cancel=context.cancel)
    return rows


def _outcome(point: RestorePoint, context: ModuleContext) -> VmOutcome:
    return VmOutcome(host=context.inventory_hostname, vm_id=point.vm_id, vm_name=point.vm_name, status=JobStatus.OK)


MODULE = Module(
    name="vm_restore",
    summary="Restore files of a restore point to a folder",
    description="""\
Writes files of a restore point as plain files, without VSS, to a folder of the host or of this machine. Every byte is
checked on its way; nothing half-written is left when it fails.

Nothing that exists is overwritten unless O(replace=true). A successful run is always C(changed): the files are written
each time. To make a VM again use M(hvbackup.hyperv.vm_rebuild).
""",
    arguments=VmRestoreArguments,
    results=VmRestoreResults,
    run=run,
    examples="""\
- name: Bring the newest disks of web01 to a folder of the host
  hvbackup.hyperv.vm_restore:
    repository: /srv/hvbackup
    passphrase: "{{ repository_passphrase }}"
    vm: web01
    files: "*.vhdx"
    to: 'E:\\Look'
""",
)
