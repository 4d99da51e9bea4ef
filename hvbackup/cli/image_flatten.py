"""`hvbackup image flatten`: a disk with all that it lies on, as one VHDX."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hvbackup.cli.context import Invocation, pass_invocation
from hvbackup.cli.image_disk import DiskOptions, disk_options, opened_disk, refuse_rest
from hvbackup.cli.image_written import tell_written
from hvbackup.cli.interrupt import interruptible
from hvbackup.cli.progress import ProgressDisplay

if TYPE_CHECKING:
    from hvbackup.jobs.disk_chain import DiskChain


@click.command()
@click.argument("disk", nargs=-1)
@click.option("--output", "-o", "target", required=True, metavar="NEW.vhdx", help="The file to make.")
@click.option("--keep-id", is_flag=True, help="The new disk is the same disk to Windows, by its id.")
@disk_options
@pass_invocation
def flatten(invocation: Invocation, disk: tuple[str, ...], target: str, keep_id: bool, options: DiskOptions) -> int:
    """Write DISK with all its parents, and with a dirty log replayed, into one dynamic VHDX.

    Nothing is overwritten, and what fails leaves nothing behind. The result is checked like any other image.

    \b
    Exit status: 0 · 1 damaged, a parent is missing · 2 the file exists · 4 it cannot be written · 130 interrupted
    """
    from hvbackup.images.rewrite import flatten as write_flat

    output = invocation.output
    with (
        opened_disk(invocation, options, disk) as chosen,
        ProgressDisplay(output) as progress,
        interruptible(output, invocation.cancel) as cancel,
    ):
        refuse_rest(chosen.rest)
        chain = chosen.guest.chain
        with tell_written(output, target):
            write_flat(
                chain.image,
                target,
                disk_id=_disk_id(chain) if keep_id else None,
                events=progress,
                cancel=cancel,
            )
    return 0


def _disk_id(chain: DiskChain) -> str | None:
    from hvbackup.images.check import check_image

    return None if chain.is_raw else check_image(chain.files[0].source).disk_id
