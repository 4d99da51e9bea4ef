"""`backup_point_info`: the restore points of a repository."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, Field

from hvbackup.errors import RepositoryDamaged
from hvbackup.events import Note
from hvbackup.playbook.modules.arguments import RepositoryArguments, Results
from hvbackup.playbook.modules.contract import ModuleContext
from hvbackup.playbook.modules.definition import Module, Ran
from hvbackup.playbook.modules.opening import open_repository

if TYPE_CHECKING:
    from hvbackup.models import RestorePoint
    from hvbackup.repository.marks import Pin, Verified
    from hvbackup.repository.repository import Repository


class BackupPointInfoArguments(RepositoryArguments):
    """Which restore points."""

    vm: str | None = Field(default=None, description="Only points of this VM, by its name or GUID, without case.")
    from_host: str | None = Field(
        default=None, description="Only points of this host, by its computer name, without case."
    )
    newest: bool = Field(default=False, description="Only the newest point of each VM.")


class PointRow(BaseModel):
    """One restore point."""

    point_id: str = Field(description="Its id; ids sort by time.")
    host: str = Field(description="Computer name of the host that it was made on.")
    vm_id: str = Field(description="GUID of the VM.")
    vm_name: str = Field(description="Name of the VM at that time.")
    snapshot_at: str = Field(description="When the VM was as the point has it; ISO 8601, UTC.")
    method: Literal["online", "offline", "unknown"] = Field(description="The method that was used.")
    consistency: str = Field(description="V(guest), V(saved-state), V(off) or V(crash).")
    size_bytes: int = Field(description="Bytes of its files.")
    stored_bytes: int = Field(description="Bytes that it added to the repository.")
    files: list[str] = Field(description="Names of its files.")
    tags: list[str] = Field(description="Its tags.")
    warnings: list[str] = Field(description="What there was to look at.")
    verified_at: str | None = Field(description="When it was last read back whole; none when never.")
    pinned: bool = Field(description="Whether it stays whatever the retention policy says.")


class BackupPointInfoResults(Results):
    """The restore points."""

    points: list[PointRow] = Field(description="The restore points, oldest first.")


def run(arguments: BackupPointInfoArguments, context: ModuleContext) -> Ran:
    """Read the repository; nothing changes."""
    with open_repository(arguments, context) as repository:
        points = repository.points(host=arguments.from_host, vm=arguments.vm)
        verified, pins = _marks(repository, context)
    if arguments.newest:
        points = sorted(
            {(each.host.casefold(), each.vm_id): each for each in points}.values(), key=lambda each: each.id
        )
    return Ran(BackupPointInfoResults(points=[_row(point, verified, pins) for point in points]))


def _marks(repository: Repository, context: ModuleContext) -> tuple[dict[str, Verified], dict[str, Pin]]:
    """Return the marks; damaged ones are no reason not to list the points."""
    try:
        return repository.verified(), repository.pins()
    except RepositoryDamaged as error:
        context.events(Note(text=str(error), level="warning"))
        return {}, {}


def _row(point: RestorePoint, verified: dict[str, Verified], pins: dict[str, Pin]) -> PointRow:
    mark = verified.get(point.id)
    return PointRow(
        point_id=point.id,
        host=point.host,
        vm_id=point.vm_id,
        vm_name=point.vm_name,
        snapshot_at=point.snapshot_at,
        method=point.method.value,
        consistency=point.consistency,
        size_bytes=sum(file.size_bytes for file in point.files),
        stored_bytes=sum(file.stored_bytes for file in point.files),
        files=[file.name for file in point.files],
        tags=list(point.tags),
        warnings=list(point.warnings),
        verified_at=mark.verified_at if mark else None,
        pinned=point.id in pins,
    )


MODULE = Module(
    name="backup_point_info",
    summary="List the restore points of a repository",
    description="""\
Lists the restore points of a repository, with what is known of each. It works on this machine (the control node) only:
the host of the task is not connected to, so that it runs on C(localhost) as well, or once for all hosts with
C(run_once).
""",
    arguments=BackupPointInfoArguments,
    results=BackupPointInfoResults,
    run=run,
    examples="""\
- name: Find the newest restore point of each VM
  hvbackup.hyperv.backup_point_info:
    repository: /srv/hvbackup
    passphrase_from: keyring:hvbackup/repository
    newest: true
  register: found
  run_once: true
""",
    needs_host=False,
    writes=False,
)
