"""LVM2: logical volumes made of linear segments, on one or more physical volumes.

Format as lvm2's sources have it (`lib/format_text/layout.h`, `lib/label/label.h`): a label in one of the first four
sectors, the metadata areas that it names, and in them a text. The checksum is a CRC-32 that begins with 0xf597a6cf and
is not inverted.
"""

from __future__ import annotations

import bisect
import struct
import zlib
from collections.abc import Sequence
from typing import NamedTuple

from hvbackup.errors import ImageDamaged, ImageUnsupported
from hvbackup.images import lvm2_text
from hvbackup.images.source import Source

_LABEL = struct.Struct("<8sQII8s")
_AREA = struct.Struct("<QQ")
_METADATA_MAGIC = b" LVM2 x[5A%r0N*>"
_METADATA_HEADER_BYTES = 512
_LOCATION = struct.Struct("<QQII")
_LOCATION_IGNORED = 1
_MAX_AREAS = 16
_MAX_TEXT_BYTES = 8 * 1024 * 1024
_SECTOR = 512


class PhysicalVolume(NamedTuple):
    """A volume that LVM2 cuts its extents from.

    Attributes:
        id: 32 letters and digits, without dashes.
        groups: What its metadata say: volume groups by name. Empty where the volume holds no copy of them.
    """

    id: str
    source: Source
    groups: dict[str, lvm2_text.Section]


class Segment(NamedTuple):
    """A part of a logical volume, in one piece on a physical volume; all in bytes."""

    start: int
    size: int
    source: Source
    place: int


class LogicalVolume(NamedTuple):
    """A logical volume that people see.

    Attributes:
        segments: Without gaps from 0 on; empty when `refused` says why it cannot be read.
    """

    group: str
    name: str
    size: int
    segments: tuple[Segment, ...]
    refused: str | None = None


class LogicalSource:
    """The bytes of a logical volume; `segments` say where they lie, without gaps from 0 on."""

    def __init__(self, volume: LogicalVolume) -> None:
        self.segments = volume.segments
        self._starts = [segment.start for segment in volume.segments]
        self._size = volume.size

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self._size

    def read_at(self, offset: int, size: int) -> bytes:
        """The bytes at `offset`."""
        end = min(offset + size, self._size)
        pieces: list[bytes] = []
        while offset < end:
            segment = self.segments[bisect.bisect_right(self._starts, offset) - 1]
            inside = offset - segment.start
            wanted = min(end - offset, segment.size - inside)
            piece = segment.source.read_at(segment.place + inside, wanted)
            if len(piece) != wanted:
                raise ImageDamaged("a logical volume reaches behind the end of its physical volume")
            pieces.append(piece)
            offset += wanted
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


# ---------------------------------------------------------------- physical volumes


def read_physical_volume(source: Source) -> PhysicalVolume:
    """Read label and metadata of a physical volume.

    Raises:
        ImageDamaged: A checksum is wrong, or something makes no sense.
        ImageUnsupported: The metadata are larger than is read here.
    """
    label = _find_label(source)
    at = struct.unpack_from("<I", label, 20)[0]
    if not 32 <= at <= _SECTOR - 40:
        raise ImageDamaged("the label of the physical volume (LVM2) makes no sense")
    identifier = label[at : at + 32].decode("ascii", "replace")
    _, at = _areas(label, at + 40)
    metadata_areas, _ = _areas(label, at)
    if not metadata_areas:
        return PhysicalVolume(identifier, source, {})
    damaged: ImageDamaged | None = None
    for offset, size in metadata_areas:
        try:
            return PhysicalVolume(identifier, source, _read_metadata(source, offset, size))
        except ImageDamaged as error:
            damaged = error
    raise damaged or ImageDamaged("the physical volume (LVM2) has no metadata")


def _find_label(source: Source) -> bytes:
    for sector in range(4):
        raw = source.read_at(sector * _SECTOR, _SECTOR)
        if len(raw) < _SECTOR or raw[:8] != b"LABELONE":
            continue
        _, own_sector, checksum, _, kind = _LABEL.unpack_from(raw)
        if own_sector != sector or kind != b"LVM2 001":
            continue
        if _checksum(raw[20:]) != checksum:
            raise ImageDamaged("the checksum of the label of the physical volume (LVM2) is wrong")
        return raw
    raise ImageDamaged("no label of LVM2 is in the first four sectors")


def _areas(label: bytes, at: int) -> tuple[list[tuple[int, int]], int]:
    """A list of areas that ends in zeros, and where the next one begins."""
    areas: list[tuple[int, int]] = []
    while at + _AREA.size <= len(label) and len(areas) < _MAX_AREAS:
        offset, size = _AREA.unpack_from(label, at)
        at += _AREA.size
        if not offset:
            return areas, at
        areas.append((offset, size))
    raise ImageDamaged("the list of areas of the physical volume (LVM2) has no end")


def _read_metadata(source: Source, offset: int, size: int) -> dict[str, lvm2_text.Section]:
    header = source.read_at(offset, _METADATA_HEADER_BYTES)
    if len(header) < _METADATA_HEADER_BYTES or header[4:20] != _METADATA_MAGIC:
        raise ImageDamaged("the metadata area of the physical volume (LVM2) has no header")
    if _checksum(header[4:]) != struct.unpack_from("<I", header)[0]:
        raise ImageDamaged("the checksum of the metadata area of the physical volume (LVM2) is wrong")
    place, length, checksum, flags = _LOCATION.unpack_from(header, 40)
    if not length or flags & _LOCATION_IGNORED:
        return {}
    if not _METADATA_HEADER_BYTES <= place < size or length > size - _METADATA_HEADER_BYTES:
        raise ImageDamaged("the metadata of LVM2 lie outside their area")
    if length > _MAX_TEXT_BYTES:
        raise ImageUnsupported(f"the metadata of LVM2 are {length} bytes; up to {_MAX_TEXT_BYTES} are read")
    # the area is a ring behind its header
    first = min(length, size - place)
    text = source.read_at(offset + place, first)
    text += source.read_at(offset + _METADATA_HEADER_BYTES, length - first)
    if len(text) != length or _checksum(text) != checksum:
        raise ImageDamaged("the checksum of the metadata of LVM2 is wrong")
    sections = lvm2_text.parse(text.rstrip(b"\0").decode("utf-8", "replace"))
    return {name: value for name, value in sections.items() if isinstance(value, dict) and "extent_size" in value}


def _checksum(data: bytes) -> int:
    return zlib.crc32(data, 0xF597A6CF ^ 0xFFFFFFFF) ^ 0xFFFFFFFF


# ---------------------------------------------------------------- logical volumes


def logical_volumes(physical: Sequence[PhysicalVolume]) -> list[LogicalVolume]:
    """Return the logical volumes on some physical volumes, those that cannot be read here with the reason.

    The newest metadata of each group count.

    Raises:
        ImageDamaged: The metadata make no sense.
    """
    newest: dict[str, lvm2_text.Section] = {}
    for volume in physical:
        for name, group in volume.groups.items():
            known = newest.get(name)
            if known is None or lvm2_text.number(group, "seqno") > lvm2_text.number(known, "seqno"):
                newest[name] = group
    sources = {volume.id: volume.source for volume in physical}
    return [volume for name, group in sorted(newest.items()) for volume in _volumes_of(name, group, sources)]


def _volumes_of(group_name: str, group: lvm2_text.Section, sources: dict[str, Source]) -> list[LogicalVolume]:
    lvm2_text.check_name(group_name)
    snapshots = _snapshot_stores(group)
    volumes: list[LogicalVolume] = []
    for name, volume in lvm2_text.section(group, "logical_volumes", missing_ok=True).items():
        if not isinstance(volume, dict) or "VISIBLE" not in lvm2_text.words(volume, "status"):
            continue
        lvm2_text.check_name(name)
        reader = _SegmentReader(group, sources)
        size = reader.size_of(volume)
        refused = snapshots.get(name)
        pieces: tuple[Segment, ...] = ()
        try:
            pieces = () if refused else reader.segments_of(volume)
        except ImageUnsupported as error:
            refused = error.message
        volumes.append(LogicalVolume(group_name, name, size, pieces, refused))
    return volumes


def _snapshot_stores(group: lvm2_text.Section) -> dict[str, str]:
    """Logical volumes that look linear, but hold the changes of a snapshot, or wait for them: name and reason."""
    stores: dict[str, str] = {}
    for volume in lvm2_text.section(group, "logical_volumes", missing_ok=True).values():
        for segment in lvm2_text.segments(volume) if isinstance(volume, dict) else []:
            if segment.get("type") != "snapshot":
                continue
            if "merging_store" in segment:
                stores[str(segment.get("origin"))] = "a snapshot of LVM2 is being merged into it"
            for key in ("cow_store", "merging_store"):
                if key in segment:
                    stores[str(segment[key])] = "it is a snapshot of LVM2; its origin can be read"
    return stores


class _SegmentReader:
    def __init__(self, group: lvm2_text.Section, sources: dict[str, Source]) -> None:
        self._extent = lvm2_text.number(group, "extent_size") * _SECTOR
        if self._extent <= 0:
            raise ImageDamaged("the metadata of LVM2 say extents of no size")
        self._physical = lvm2_text.section(group, "physical_volumes")
        self._sources = sources

    def size_of(self, volume: lvm2_text.Section) -> int:
        return sum(lvm2_text.number(segment, "extent_count") for segment in lvm2_text.segments(volume)) * self._extent

    def segments_of(self, volume: lvm2_text.Section) -> tuple[Segment, ...]:
        """The segments, in order and without gaps."""
        raw = sorted(lvm2_text.segments(volume), key=lambda segment: lvm2_text.number(segment, "start_extent"))
        segments: list[Segment] = []
        end = 0
        for segment in raw:
            if lvm2_text.number(segment, "start_extent") * self._extent != end:
                raise ImageDamaged("the segments of a logical volume (LVM2) leave a gap, or overlap")
            made = self._segment(segment, end)
            segments.append(made)
            end += made.size
        return tuple(segments)

    def _segment(self, segment: lvm2_text.Section, start: int) -> Segment:
        kind = segment.get("type")
        if kind not in ("striped", "linear"):
            raise ImageUnsupported(f"a segment of the type `{kind}` of LVM2 is not read here; linear ones are")
        stripes = segment.get("stripes")
        if lvm2_text.number(segment, "stripe_count") != 1:
            raise ImageUnsupported("a striped logical volume of LVM2 is not read here; linear ones are")
        if not isinstance(stripes, list) or len(stripes) != 2 or not isinstance(stripes[1], int):
            raise ImageDamaged("a segment of a logical volume (LVM2) does not say where it lies")
        size = lvm2_text.number(segment, "extent_count")
        physical = lvm2_text.section(self._physical, str(stripes[0]))
        if size <= 0 or stripes[1] < 0 or stripes[1] + size > lvm2_text.number(physical, "pe_count"):
            raise ImageDamaged("a segment of a logical volume (LVM2) lies outside its physical volume")
        source = self._sources.get(str(physical.get("id", "")).replace("-", ""))
        if source is None:
            raise ImageUnsupported(f"parts of it lie on the physical volume {physical.get('id')}, which is not here")
        place = lvm2_text.number(physical, "pe_start") * _SECTOR + stripes[1] * self._extent
        return Segment(start, size * self._extent, source, place)
