"""`hvbackup image mount`: the files of a volume, or the volumes of a disk, in a folder of this machine, by FUSE."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hvbackup.cli.context import Invocation, pass_invocation
from hvbackup.cli.image_disk import DiskOptions, disk_options, opened_disk, refuse_rest
from hvbackup.cli.interrupt import interruptible
from hvbackup.cli.progress import ProgressDisplay
from hvbackup.errors import InvalidRequest

if TYPE_CHECKING:
    from hvbackup.cli.output import Output
    from hvbackup.images.fuse.mounting import Mounted


@click.command()
@click.argument("disk", metavar="DISK [VOLUME] FOLDER", nargs=-1)
@click.option("--volumes", is_flag=True, help="Show the disk and its volumes as flat files instead of their files.")
@click.option("--allow-other", is_flag=True, help="Let other users of this machine read everything too.")
@disk_options
@pass_invocation
def mount(invocation: Invocation, disk: tuple[str, ...], volumes: bool, allow_other: bool, options: DiskOptions) -> int:
    """Show the files of VOLUME in the empty FOLDER, read-only, until Ctrl-C or until it is unmounted.

    VOLUME may be left out where only one can be read. It needs FUSE (Linux) and the package mfusepy
    (`pip install 'hvbackup[mount]'`); `hvbackup image get` needs neither.

    \b
    hvbackup image mount disk.vhdx 2 /mnt/look
    hvbackup image mount --point latest:web01 --volumes /mnt/look

    With --json the first line is `mounted`.

    \b
    Exit status: 0 unmounted · 1 damaged, no such volume · 2 the folder cannot be mounted on · 5 FUSE is missing
    """
    from hvbackup.images.fuse.mounting import mount_files, mount_raw

    if not disk:
        raise InvalidRequest("no folder is named", hint="hvbackup image mount DISK [VOLUME] FOLDER")
    output = invocation.output
    folder = Path(disk[-1])
    with (
        opened_disk(invocation, options, disk[:-1]) as chosen,
        ProgressDisplay(output) as progress,
        interruptible(output, invocation.cancel) as cancel,
    ):
        if chosen.about:
            output.talk(chosen.about)
        guest = chosen.guest
        names = [name.rstrip(":") for name in chosen.rest]

        def ready(mounted: Mounted) -> None:
            _tell(output, mounted)

        if volumes:
            size = guest.image.sector_size
            mount_raw(
                guest.image, folder, sector_size=size, companions=guest.companions, names=names,
                allow_other=allow_other, ready=ready, cancel=cancel, events=progress,
            )  # fmt: skip
        else:
            refuse_rest(names[1:])
            volume = guest.volume(names[0] if names else None)
            mount_files(
                guest.opened_files(volume.name), folder, size_bytes=volume.size_bytes, allow_other=allow_other,
                ready=ready, cancel=cancel, events=progress,
            )  # fmt: skip
    output.summary(0)
    return 0


def _tell(output: Output, mounted: Mounted) -> None:
    output.record("mounted", mounted)
    output.line(f"mounted read-only: {mounted.folder}", fg="green")
    for name in mounted.files:
        output.line(f"    {name}")
    for text in mounted.notes:
        output.line(f"note: {text}")
    output.line("Ctrl-C unmounts it.")
