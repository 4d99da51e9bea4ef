"""What a disk is offered as, by NBD or FUSE: itself and its volumes, by name, with what is known of their holes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from hvbackup.errors import EntryNotFound, ImageError
from hvbackup.images.disk import Extent, Kind, merge
from hvbackup.images.lvm2 import LogicalSource
from hvbackup.images.source import Source
from hvbackup.images.volumes import Volume, Window, open_volume, read_layout

#: The name under which a disk is offered, besides the empty name, which stands for "the default" in NBD.
DISK = "disk"


@runtime_checkable
class _Mapped(Protocol):
    def extents(self, start: int = 0, end: int | None = None) -> Iterator[Extent]: ...


class Export(NamedTuple):
    """Bytes that are offered under a name; `description` is for people."""

    source: Source
    description: str = ""

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self.source.size

    def extents(self, start: int, end: int) -> Iterator[Extent]:
        """What is known of a stretch: DATA, ZERO, or PARENT where a parent is missing; in order, without gaps."""
        return merge(_extents(self.source, start, end))


class Exports(NamedTuple):
    """What a disk can be offered as.

    Attributes:
        by_name: `disk` and the empty name for the disk, `1` and `GROUP/NAME` and so on for its volumes.
        notes: What is not offered, and why.
    """

    by_name: dict[str, Export]
    notes: tuple[str, ...] = ()


def exports_of(
    disk: Source, *, sector_size: int = 512, companions: Sequence[Source] = (), volumes: bool = True
) -> Exports:
    """Return a disk and its volumes as exports. A disk whose volumes cannot be told is offered alone.

    Args:
        sector_size: Bytes of a logical sector of the disk.
        companions: Other disks of the same VM, on which parts of logical volumes may lie.
        volumes: Look for volumes at all.
    """
    whole = Export(disk, "the whole disk")
    by_name = {"": whole, DISK: whole}
    if not volumes:
        return Exports(by_name)
    notes: list[str] = []
    try:
        layout = read_layout(disk, sector_size=sector_size, companions=companions)
    except ImageError as error:
        return Exports(by_name, (f"only the whole disk is offered: {error.message}",))
    for volume in layout.volumes:
        try:
            _, source = open_volume(disk, volume.name, sector_size=sector_size, companions=companions)
        except ImageError as error:
            notes.append(error.message)
        else:
            by_name[volume.name] = Export(source, _description(volume))
    return Exports(by_name, tuple(notes))


def chosen_exports(exports: Exports, names: Sequence[str]) -> Exports:
    """Return those of the names, all when there are none; the first name is the default (the empty name).

    Raises:
        EntryNotFound: There is nothing of one of the names.
    """
    if not names:
        return exports
    by_name: dict[str, Export] = {}
    for name in names:
        if name not in exports.by_name:
            known = ", ".join(each for each in exports.by_name if each)
            raise EntryNotFound(f"the disk has no volume `{name}` to offer", hint=f"It has: {known}.")
        by_name.setdefault("", exports.by_name[name])
        by_name[name] = exports.by_name[name]
    return exports._replace(by_name=by_name)


def _description(volume: Volume) -> str:
    return f"{volume.kind}, {volume.label}" if volume.label else volume.kind


def _extents(source: Source, start: int, end: int) -> Iterator[Extent]:
    """The map of a disk, or of parts of one; what has no map is DATA."""
    if isinstance(source, Window):
        yield from _moved(source.source, source.offset, 0, start, end)
    elif isinstance(source, LogicalSource):
        for segment in source.segments:
            first, last = max(start, segment.start), min(end, segment.start + segment.size)
            if first < last:
                yield from _moved(segment.source, segment.place, segment.start, first, last)
    elif isinstance(source, _Mapped):
        yield from source.extents(start, end)
    elif start < end:
        yield Extent(start, end - start, Kind.DATA)


def _moved(below: Source, place: int, at: int, start: int, end: int) -> Iterator[Extent]:
    """The map from `start` to `end` of something that has at `at` what `below` has at `place`."""
    by = place - at
    known = max(start, min(end, below.size - by))
    for extent in _extents(below, start + by, known + by):
        yield extent._replace(offset=extent.offset - by)
    if known < end:  # it is not there; reading it tells
        yield Extent(known, end - known, Kind.DATA)
