"""`hvbackup image serve`: a disk for qemu, nbdcopy, guestfish and other programs, read-only, by NBD."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hvbackup.cli.context import Invocation, pass_invocation
from hvbackup.cli.image_disk import DiskOptions, disk_options, opened_disk
from hvbackup.cli.interrupt import interruptible
from hvbackup.cli.progress import ProgressDisplay
from hvbackup.cli.sizes import size_text

if TYPE_CHECKING:
    from hvbackup.cli.output import Output
    from hvbackup.images.nbd.serving import Served


@click.command()
@click.argument("disk", metavar="DISK [VOLUME]...", nargs=-1)
@click.option("--socket", metavar="PATH", help="Unix socket to make. Default: one in a new private folder.")
@click.option("--port", type=click.IntRange(0, 65535), help="TCP port on 127.0.0.1 instead; 0: a free one.")
@disk_options
@pass_invocation
def serve(
    invocation: Invocation, disk: tuple[str, ...], socket: str | None, port: int | None, options: DiskOptions
) -> int:
    """Serve DISK and its volumes read-only over NBD until Ctrl-C; the first lines say under which URIs.

    qemu, nbdcopy, nbdfuse and guestfish then open what they refuse as files: chains of AVHDX, dirty logs, disks inside
    restore points. Name VOLUMEs (or `disk`) to serve these alone. Only this machine can connect: a Unix socket of yours
    alone, or loopback.

    \b
    hvbackup image serve disk.avhdx
    qemu-img convert -O qcow2 'nbd+unix:///disk?socket=...' disk.qcow2

    With --json the first line is `serving`, with the URIs.

    \b
    Exit status: 0 stopped · 1 damaged, no such volume · 2 the socket or port is taken
    """
    from hvbackup.images.nbd.serving import serve_disk

    output = invocation.output
    with (
        opened_disk(invocation, options, disk) as chosen,
        ProgressDisplay(output) as progress,
        interruptible(output, invocation.cancel) as cancel,
    ):
        if chosen.about:
            output.talk(chosen.about)
        image = chosen.guest.image
        serve_disk(
            image,
            sector_size=image.sector_size,
            companions=chosen.guest.companions,
            names=[name.rstrip(":") for name in chosen.rest],
            socket=None if socket is None else Path(socket),
            port=port,
            ready=lambda served: _tell(output, served),
            cancel=cancel,
            events=progress,
        )
    output.summary(0)
    return 0


def _tell(output: Output, served: Served) -> None:
    output.record("serving", served)
    rows = [(each.name, size_text(each.size_bytes), each.description, each.uri) for each in served.exports]
    output.table(("export", "size", "holds", "URI"), rows)
    for text in served.notes:
        output.line(f"not served: {text}")
    output.line("Ctrl-C stops it.")
    if os.name == "nt":
        output.line("Any program of this machine can connect.")
