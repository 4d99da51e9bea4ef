"""`hvbackup repository import`: a folder of this machine becomes a restore point."""

from __future__ import annotations

import click

from hvbackup.cli.context import Invocation, pass_invocation, repository_options
from hvbackup.cli.interrupt import interruptible
from hvbackup.cli.progress import ProgressDisplay
from hvbackup.cli.sizes import size_text


@click.command("import")
@click.argument("folder", type=click.Path())
@click.option("--vm", "vm_name", required=True, metavar="NAME", help="The VM that the folder is a backup of.")
@click.option("--host", "host_name", metavar="NAME", help="The host that the VM is from. Default: this machine's name.")
@click.option("--vm-id", metavar="GUID", help="The VM's id. Default: that of an exported VM, else made of the names.")
@click.option("--tag", "tags", multiple=True, help="Kept in the restore point.")
@click.option("--threads", type=click.IntRange(1, 16), default=2, show_default=True, help="Reading threads.")
@repository_options
@pass_invocation
def import_(
    invocation: Invocation,
    folder: str,
    vm_name: str,
    host_name: str | None,
    vm_id: str | None,
    tags: tuple[str, ...],
    threads: int,
    location: str | None,
    passphrase: str | None,
) -> int:
    """Make a restore point of all files of FOLDER: an exported VM, or a folder of VHD and VHDX files.

    No host is needed; `hvbackup restore POINT --to FOLDER` brings it back. Disk images are checked first, and a damaged
    one, or one without its parent, is refused. Links are refused, too; empty folders are not kept. If a file changes
    meanwhile, there is no restore point.

    Where the folder holds the VM's configuration (.vmcx, .xml), the point gets its record of the VM from there, and
    `hvbackup rebuild POINT --path FOLDER` makes the VM again.

    \b
    Exit status: 0 · 1 damaged image, unreadable or changing file · 2 nothing to import, a link, an impossible name
    · 4 no room, no rights · 6 locked · 7 wrong passphrase · 130 interrupted
    """
    from hvbackup.jobs.import_folder import import_folder
    from hvbackup.jobs.requests import ImportRequest

    request = ImportRequest(folder=folder, vm_name=vm_name, host=host_name, vm_id=vm_id, tags=tags, threads=threads)
    output = invocation.output
    with (
        invocation.repository(location, passphrase) as repository,
        ProgressDisplay(output) as progress,
        interruptible(output, invocation.cancel) as cancel,
    ):
        result = import_folder(repository, request, events=progress, cancel=cancel)
    point = result.point
    output.record("imported", result)
    for text in point.warnings:
        output.line(f"warning: {text}", fg="yellow")
    for text in result.notes:
        output.line(f"note: {text}")
    output.line(
        f"{point.id}  {point.vm_name}: {len(point.files)} files, {size_text(result.read_bytes)} read, "
        f"{size_text(result.stored_bytes)} stored",
        fg="green",
    )
    output.summary(0, pointId=point.id, files=len(point.files), storedBytes=result.stored_bytes)
    return 0
