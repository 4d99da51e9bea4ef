"""`hvbackup points`: the restore points of a repository."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from hvbackup.cli.context import Invocation, pass_invocation, repository_options
from hvbackup.cli.sizes import size_text
from hvbackup.errors import RepositoryDamaged

if TYPE_CHECKING:
    from hvbackup.repository.marks import Pin, Verified
    from hvbackup.repository.repository import Repository


@click.command()
@repository_options
@click.option("--vm", metavar="NAME", help="Only points of this VM (name or GUID).")
@click.option("--host", "host_name", metavar="HOST", help="Only points of this host.")
@pass_invocation
def points(
    invocation: Invocation, location: str | None, passphrase: str | None, vm: str | None, host_name: str | None
) -> int:
    """List restore points, oldest first."""
    output = invocation.output
    with invocation.repository(location, passphrase) as repository:
        found = repository.points(host=host_name, vm=vm)
        verified, pins = _marks(invocation, repository)
    for point in found:
        mark = verified.get(point.id)
        marks = {"verifiedAt": mark.verified_at if mark else None, "pinned": point.id in pins}
        output.record("point", {**point.to_dict(), **marks})
    output.table(
        ("restore point", "host", "VM", "method", "consistency", "size", "stored", "warnings", "marks"),
        [
            (
                point.id,
                point.host,
                point.vm_name,
                point.method.value,
                point.consistency,
                size_text(sum(file.size_bytes for file in point.files)),
                size_text(sum(file.stored_bytes for file in point.files)),
                len(point.warnings) or "",
                " ".join(word for word, marks in (("verified", verified), ("pinned", pins)) if point.id in marks),
            )
            for point in found
        ],
    )
    if not found:
        output.talk("no restore point fits")
    elif not output.json:
        where = f" -r {shlex.quote(location)}" if location else ""
        output.talk(f"next: hvbackup show{where} {found[-1].id}     for what it holds")
        output.talk(f"  or: hvbackup image ls{where} --point {found[-1].id}     for the files in its disks")
    output.summary(0, points=len(found))
    return 0


def _marks(invocation: Invocation, repository: Repository) -> tuple[dict[str, Verified], dict[str, Pin]]:
    """Return the marks; damaged ones are no reason not to list the points."""
    try:
        return repository.verified(), repository.pins()
    except RepositoryDamaged as error:
        invocation.output.talk(f"warning: {error}", fg="yellow")
        return {}, {}
