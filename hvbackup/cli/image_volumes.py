"""The volumes of a disk as a table, and what to type to look into them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hvbackup.cli.image_disk import Chosen
from hvbackup.cli.output import Output
from hvbackup.cli.sizes import size_text

if TYPE_CHECKING:
    from hvbackup.images.volumes import Volume
    from hvbackup.jobs.guest_disk import GuestDisk
    from hvbackup.jobs.guest_paths import GuestPath


def tell_volumes(output: Output, volumes: Sequence[Volume]) -> None:
    """Write the volumes: name, what is in each, and whether its files can be read."""
    for volume in volumes:
        output.record("volume", volume)
    if not volumes:
        output.line("the disk holds no volumes")
        return
    rows = [
        (each.name, each.kind, size_text(each.size_bytes), each.label, "no" if each.unreadable else "can be read")
        for each in volumes
    ]
    output.table(("volume", "holds", "size", "label", "files"), rows)
    for volume in volumes:
        for text in (volume.unreadable, *volume.notes):
            if text:
                output.line(f"{volume.name}: {text}")


def tell_next(output: Output, chosen: Chosen, volumes: Sequence[Volume]) -> None:
    """Say of what time the disk is, and what to type to see files."""
    if chosen.about:
        output.talk(chosen.about)
    readable = [volume for volume in volumes if volume.unreadable is None]
    if not readable or output.json:
        return
    largest = max(readable, key=lambda volume: volume.size_bytes)
    output.talk(f"next: hvbackup image ls {chosen.arguments} {largest.name}:/")
    output.talk(f"  or: hvbackup image ls {chosen.arguments} '**/*NAME*'     to look for a file in all of them")


#: What holds no files that anybody would look for.
_WITHOUT_FILES = frozenset({"empty", "swap", "lvm2", "reserved", "ext-journal"})


def not_looked_into(guest: GuestDisk, place: GuestPath) -> str | None:
    """Name the volumes that may have what is looked for, and cannot be read; None when all were looked into."""
    if place.volume is not None:
        return None
    closed = [each for each in guest.volumes if each.unreadable is not None and each.kind not in _WITHOUT_FILES]
    return "Not looked into: " + ", ".join(f"{each.name} ({each.kind})" for each in closed) + "." if closed else None


def tell_where(output: Output, guest: GuestDisk, place: GuestPath) -> None:
    """Say what a place without a volume is taken for, where that is not clear by itself."""
    if place.drive is not None:
        readable = ", ".join(volume.name for volume in guest.readable_volumes())
        output.talk(f"a disk does not know its drive letters: looking for {place.path} in volume {readable}")
    if closed := not_looked_into(guest, place):
        output.talk(closed, fg="yellow")


def tell_notes(output: Output, guest: GuestDisk) -> None:
    """Say what should be known of the volumes that were looked into."""
    for text in guest.notes():
        output.talk(f"note: {text}", fg="yellow")
