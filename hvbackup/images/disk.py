"""A virtual disk: what a guest sees, whatever file it is kept in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import NamedTuple, Protocol

from hvbackup.errors import ParentMissing
from hvbackup.images.source import Source, read_exactly


class Kind(str, Enum):
    """What a stretch of a virtual disk is backed by."""

    DATA = "data"
    ZERO = "zero"
    PARENT = "parent"


class Extent(NamedTuple):
    """A stretch of a virtual disk.

    `file_offset` says where the bytes of DATA are in the file; None in a map that may speak of several files.
    """

    offset: int
    length: int
    kind: Kind
    file_offset: int | None = None

    @property
    def end(self) -> int:
        """Where the next stretch begins."""
        return self.offset + self.length


class VirtualDisk(Source, Protocol):
    """A disk that can be read like any other source, and knows which of its parts hold nothing."""

    @property
    def sector_size(self) -> int:
        """Bytes of a logical sector."""

    def extents(self, start: int = 0, end: int | None = None) -> Iterator[Extent]:
        """The allocation map: stretches in order, without gaps, from `start` to `end` or `size`; DATA or ZERO.

        PARENT appears only where a differencing disk was opened without its parent.
        """


class RawDisk:
    """A flat image: the file's bytes are the disk's."""

    sector_size = 512

    def __init__(self, source: Source) -> None:
        self.source = source

    @property
    def size(self) -> int:
        """Bytes of the disk."""
        return self.source.size

    def read_at(self, offset: int, size: int) -> bytes:
        """The bytes at `offset`."""
        return self.source.read_at(offset, size)

    def extents(self, start: int = 0, end: int | None = None) -> Iterator[Extent]:
        """One stretch: a flat file has no map."""
        end = self.size if end is None else min(end, self.size)
        if start < end:
            yield Extent(start, end - start, Kind.DATA)


def merge(extents: Iterable[Extent]) -> Iterator[Extent]:
    """Join stretches that continue each other, on the disk and, where it is known, in the file."""
    last: Extent | None = None
    for extent in extents:
        if last is not None and _continues(last, extent):
            last = last._replace(length=last.length + extent.length)
        else:
            if last is not None:
                yield last
            last = extent
    if last is not None:
        yield last


def _continues(last: Extent, following: Extent) -> bool:
    if last.kind is not following.kind or last.end != following.offset:
        return False
    if last.file_offset is None or following.file_offset is None:
        return last.file_offset is following.file_offset
    return last.file_offset + last.length == following.file_offset


def read_extents(extents: Iterable[Extent], source: Source, parent: Source | None) -> bytes:
    """Gather the bytes of stretches from the file, the parent or nowhere.

    Raises:
        ImageDamaged: The file ends before a stretch does.
        ParentMissing: A stretch is the parent's, and there is no parent.
    """
    pieces = []
    for extent in merge(extents):
        if extent.file_offset is not None:
            pieces.append(read_exactly(source, extent.file_offset, extent.length, "a block of the disk"))
        elif extent.kind is Kind.ZERO:
            pieces.append(bytes(extent.length))
        else:
            pieces.append(_from_parent(parent, extent))
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _from_parent(parent: Source | None, extent: Extent) -> bytes:
    if parent is None:
        raise ParentMissing(
            "the disk is a differencing disk, and its parent was not given",
            hint="Name the parent file, or put it into the folder of the child.",
        )
    data = parent.read_at(extent.offset, extent.length)
    # a child may be larger than its parent
    return data if len(data) == extent.length else data + bytes(extent.length - len(data))


def resolve_parent(extents: Iterable[Extent], parent: VirtualDisk | None, start: int, end: int) -> Iterator[Extent]:
    """Make the map of a disk, from `start` to `end`, from that of its file: what is the PARENT's is as it says."""
    own = (extent._replace(file_offset=None) for extent in extents)
    return merge(_resolved(own, parent.extents(start, end)) if parent else own)


def _resolved(extents: Iterable[Extent], below: Iterator[Extent]) -> Iterator[Extent]:
    current = next(below, None)
    for extent in extents:
        if extent.kind is not Kind.PARENT:
            yield extent
            continue
        at = extent.offset
        while at < extent.end:
            while current is not None and current.end <= at:
                current = next(below, None)
            if current is None:  # behind the end of a smaller parent
                yield Extent(at, extent.end - at, Kind.ZERO)
                break
            stop = min(extent.end, current.end)
            yield Extent(at, stop - at, current.kind)
            at = stop
