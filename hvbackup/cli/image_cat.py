"""`hvbackup image cat`: one file of a disk to standard output, byte for byte."""

from __future__ import annotations

import sys

import click

from hvbackup.cli.context import Invocation, pass_invocation
from hvbackup.cli.image_disk import DiskOptions, disk_options, opened_disk
from hvbackup.cli.interrupt import interruptible
from hvbackup.errors import InvalidRequest, StoreUnavailable

_PIECE = 1 << 20


@click.command()
@click.argument("disk", metavar="DISK VOLUME:/FILE[:STREAM]", nargs=-1)
@disk_options
@pass_invocation
def cat(invocation: Invocation, disk: tuple[str, ...], options: DiskOptions) -> int:
    """Write a file of DISK to standard output, byte for byte; on NTFS also one of its named streams.

    \b
    hvbackup image cat disk.vhdx 2:/Windows/System32/drivers/etc/hosts
    hvbackup image cat --point latest:web01 '**/web.config' > web.config

    \b
    Exit status: 0 · 1 there is no such file, or it cannot be read (what was written is not the whole file)
    · 2 several files fit, or it is no file · 4 standard output cannot be written to
    """
    output = invocation.output
    if output.json:
        raise InvalidRequest("`cat` writes the bytes of a file, and has no --json")
    with opened_disk(invocation, options, disk) as chosen, interruptible(output, invocation.cancel) as cancel:
        if len(chosen.rest) != 1:
            raise InvalidRequest(
                f"`cat` takes one file, not {len(chosen.rest)}",
                hint=f"hvbackup image cat {chosen.arguments} VOLUME:/FILE",
            )
        source = chosen.guest.open(chosen.rest[0])
        for offset in range(0, source.size, _PIECE):
            cancel.check()
            _write(source.read_at(offset, _PIECE))
    return 0


def _write(data: bytes) -> None:
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise StoreUnavailable(f"standard output cannot be written to: {error.strerror or error}") from error
