"""What is known of the holes of volumes: as much as of the disks that they lie on."""

from __future__ import annotations

from collections.abc import Iterator

from hvbackup.images.disk import Extent, Kind
from hvbackup.images.exports import Export
from hvbackup.images.lvm2 import LogicalSource, LogicalVolume, Segment
from hvbackup.images.source import BytesSource
from hvbackup.images.volumes import Window


class Striped:
    """A disk of 100 bytes: ten of data, ten of a hole, and so on."""

    size = 100

    def read_at(self, offset: int, size: int) -> bytes:
        return bytes(0 if at // 10 % 2 else 1 for at in range(offset, min(offset + size, 100)))

    def extents(self, start: int = 0, end: int | None = None) -> Iterator[Extent]:
        for at in range(0, 100, 10):
            first, last = max(start, at), min(end or 100, at + 10)
            if first < last:
                yield Extent(first, last - first, Kind.ZERO if at // 10 % 2 else Kind.DATA)


def _map(export: Export, start: int, end: int) -> str:
    """One letter for each byte: `d` or `.`; and the map must have no gaps."""
    letters, at = "", start
    for extent in export.extents(start, end):
        assert extent.offset == at
        at = extent.end
        letters += ("." if extent.kind is Kind.ZERO else "d") * extent.length
    return letters


def test_a_partition_has_its_part_of_the_map() -> None:
    export = Export(Window(Striped(), 15, 30))

    assert _map(export, 0, 30) == "....." + "dddddddddd" + ".........." + "ddddd"
    assert _map(export, 3, 7) == "..dd"


def test_what_lies_behind_the_end_of_the_disk_is_no_hole() -> None:
    export = Export(Window(Striped(), 95, 20))

    assert _map(export, 0, 20) == "....." + "d" * 15
    assert _map(export, 10, 12) == "dd"


def test_a_volume_in_a_volume_has_its_part_of_the_map() -> None:
    assert _map(Export(Window(Window(Striped(), 5, 50), 10, 20)), 0, 20) == "....." + "d" * 10 + "....."


def test_a_logical_volume_has_the_maps_of_its_segments_in_their_order() -> None:
    physical = Window(Striped(), 10, 90)
    segments = (Segment(0, 6, physical, 37), Segment(6, 10, physical, 5), Segment(16, 2, BytesSource(b"ab"), 0))
    export = Export(LogicalSource(LogicalVolume("group", "root", 18, segments)))

    assert _map(export, 0, 18) == "ddd..." + ".....ddddd" + "dd"
    assert _map(export, 5, 12) == "......d"
    assert export.source.read_at(0, 16) == bytes(c == "d" for c in _map(export, 0, 16))


def test_what_has_no_map_is_data() -> None:
    assert _map(Export(BytesSource(bytes(20))), 5, 20) == "d" * 15
