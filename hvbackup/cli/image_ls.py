"""`hvbackup image ls`: volumes, folders and files in a disk, line by line while they are read."""

from __future__ import annotations

import click

from hvbackup.cli.context import Invocation, pass_invocation
from hvbackup.cli.image_disk import DiskOptions, disk_options, opened_disk, quoted
from hvbackup.cli.image_entries import EntryLines
from hvbackup.cli.image_volumes import not_looked_into, tell_next, tell_notes, tell_volumes, tell_where
from hvbackup.cli.interrupt import interruptible
from hvbackup.errors import EntryNotFound
from hvbackup.images.walk import has_wildcards


@click.command()
@click.argument("disk", metavar="DISK [VOLUME:/PATH]...", nargs=-1)
@click.option("--long", "-l", "long", is_flag=True, help="Owner, permissions, attributes, links, times to the second.")
@click.option("--recursive", "-R", is_flag=True, help="All that is below folders too.")
@click.option("--streams", is_flag=True, help="Named streams of NTFS too (takes longer).")
@disk_options
@pass_invocation
def ls(
    invocation: Invocation,
    disk: tuple[str, ...],
    long: bool,
    recursive: bool,
    streams: bool,
    options: DiskOptions,
) -> int:
    """List what is in DISK: its volumes, or the folders and files at VOLUME:/PATH.

    In a path, * and ? fit any part of a name and ** any number of folders, by the guest's rule of case. Quote them from
    your shell. Without a volume, each one is looked at. Times with a Z are UTC; those of FAT are the guest's own.

    \b
    hvbackup image ls disk.vhdx                         the volumes
    hvbackup image ls disk.vhdx 2:/Users/anna           a folder
    hvbackup image ls disk.vhdx '**/*budget*.xls?'      files anywhere
    hvbackup image ls --point latest:web01 '/Users/*'   in a backup

    \b
    Exit status: 0 · 1 damaged, or nothing is there · 2 no such disk · 3 some folders could not be read
    """
    output = invocation.output
    with opened_disk(invocation, options, disk) as chosen, interruptible(output, invocation.cancel):
        guest = chosen.guest
        places = chosen.rest or (("/",) if recursive else ())
        if not places:
            tell_volumes(output, guest.volumes)
            tell_next(output, chosen, guest.volumes)
            output.summary(0, volumes=len(guest.volumes))
            return 0
        lines = EntryLines(output, long=long)
        for text in places:
            place = guest.place(text)
            tell_where(output, guest, place)
            lines.whole_paths = recursive or has_wildcards(place.path) or len(places) > 1
            before = lines.count
            for found in guest.find(text, inside=True, recursive=recursive, streams=streams, on_error=lines.trouble):
                lines.entry(found)
            if lines.count == before and has_wildcards(place.path):
                raise EntryNotFound(f"nothing fits {text!r}", hint=not_looked_into(guest, place))
        if lines.first is not None and lines.whole_paths and not output.json:
            wanted = [lines.first] if lines.count == 1 else places
            output.talk(f"next: hvbackup image get {chosen.arguments} {' '.join(map(quoted, wanted))} -o FOLDER")
        tell_notes(output, guest)
    code = 3 if lines.unreadable else 0
    output.summary(code, entries=lines.count, unreadable=lines.unreadable)
    return code
