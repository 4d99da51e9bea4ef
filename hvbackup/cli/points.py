"""`hvbackup points`: the restore points of a repository."""

from __future__ import annotations

import click

from hvbackup.cli.context import Invocation, pass_invocation, repository_options
from hvbackup.cli.sizes import size_text


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
    for point in found:
        output.record("point", point)
    output.table(
        ("restore point", "host", "VM", "method", "consistency", "size", "stored", "warnings"),
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
            )
            for point in found
        ],
    )
    if not found:
        output.talk("no restore point fits")
    output.summary(0, points=len(found))
    return 0
