"""`hvbackup image bake-log`: a copy of a VHDX whose log is written back."""

from __future__ import annotations

import click

from hvbackup.cli.context import Invocation, pass_invocation
from hvbackup.cli.image_disk import DiskOptions, disk_options, opened_disk, refuse_rest
from hvbackup.cli.image_written import tell_written
from hvbackup.cli.interrupt import interruptible
from hvbackup.cli.progress import ProgressDisplay
from hvbackup.errors import InvalidRequest


@click.command("bake-log")
@click.argument("disk", nargs=-1)
@click.option("--output", "-o", "target", required=True, metavar="COPY", help="The file to make.")
@disk_options
@pass_invocation
def bake_log(invocation: Invocation, disk: tuple[str, ...], target: str, options: DiskOptions) -> int:
    """Copy the VHDX file DISK with its dirty log written back, as Windows does when it opens a disk to write.

    Programs that refuse a disk with a dirty log take the copy. It is the same disk, with the same parent and children.

    \b
    Exit status: 0 · 1 damaged · 2 there is no log to write back, or the file exists · 4 it cannot be written
    · 130 interrupted
    """
    from hvbackup.images.chain import detect
    from hvbackup.images.rewrite import bake_log as write_baked

    output = invocation.output
    with (
        opened_disk(invocation, options, disk, leaf_at_least=True) as chosen,
        ProgressDisplay(output) as progress,
        interruptible(output, invocation.cancel) as cancel,
    ):
        refuse_rest(chosen.rest)
        file = chosen.guest.chain.files[0]
        if detect(file.source) != "vhdx":
            raise InvalidRequest(f"{file.name} is no VHDX, and has no log")
        with tell_written(output, target):
            write_baked(file.source, target, events=progress, cancel=cancel)
    return 0
