"""Check the structure of an image without reading its contents: is this copy whole, and can it be a disk?

The reads are few and small (headers, tables, a dirty log), so that an image can be checked where it is, behind a
source whose reads each cost a round trip; put a `ReadAhead` in front of such a source if it has none of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from hvbackup.errors import ImageDamaged
from hvbackup.images import vhd_layout, vhdx_layout
from hvbackup.images.chain import detect, is_differencing, linkage_problem, open_image, parent_paths
from hvbackup.images.source import Source
from hvbackup.images.vhd import Vhd
from hvbackup.images.vhd_layout import SECTOR, DiskType, DynamicHeader
from hvbackup.images.vhdx import Vhdx
from hvbackup.images.vhdx_layout import MIB, BlockState
from hvbackup.models import Model

_MOST_PROBLEMS = 20
_MAX_FILE_SIZE = 128 << 40


class ImageReport(Model, frozen=True, kw_only=True):
    """What an image is, and what is wrong with it.

    Attributes:
        format: `vhdx` or `vhd`.
        type: `fixed`, `dynamic` or `differencing`.
        file_size_bytes: Length of the file.
        needed_size_bytes: Length that the file must have for the blocks that it says it holds.
        block_size_bytes: 0 for a fixed VHD, which has no blocks.
        present_blocks: Blocks that the file holds, wholly or in part.
        disk_id: Identity of the virtual disk.
        link_id: What a child of this image would name: DataWriteGuid of a VHDX, unique id of a VHD.
        parent_paths: Windows paths of the parent, the most useful first.
        log_entries: Entries of a dirty VHDX log that a reader must replay; 0 when the log is clean.
        problems: What makes the image unfit; at most about twenty. Empty when it is sound.
        notes: What is unusual and does no harm.
    """

    format: str
    type: str
    creator: str
    file_size_bytes: int
    needed_size_bytes: int
    virtual_size_bytes: int
    block_size_bytes: int
    present_blocks: int
    logical_sector_size: int
    physical_sector_size: int
    disk_id: str
    link_id: str
    parent_paths: tuple[str, ...] = ()
    log_entries: int = 0
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class ChainReport(Model, frozen=True, kw_only=True):
    """The images of a chain, leaf first, and what is wrong between them."""

    images: tuple[ImageReport, ...]
    problems: tuple[str, ...] = ()


def check_image(source: Source) -> ImageReport:
    """Check one image by itself; the parent of a differencing disk is not needed.

    Raises:
        ImageDamaged: So much is wrong that nothing can be said about the disk; or the file is no image at all.
        ImageUnsupported: It may be sound, and is of a kind that is not read.
    """
    kind = detect(source)
    if kind == "vhdx":
        return _check_vhdx(Vhdx(source))
    if kind == "vhd":
        return _check_vhd(Vhd(source))
    raise ImageDamaged(
        "the file has the signature of neither a VHDX nor a VHD",
        hint="It is no disk image, or its end is missing: a fixed VHD has its signature there.",
    )


def check_chain(sources: Sequence[Source]) -> ChainReport:
    """Check the images of a chain, leaf first, and that each is the parent of the one before it.

    Raises: what `check_image` raises.
    """
    reports = tuple(check_image(source) for source in sources)
    images = [open_image(source) for source in sources]
    problems = [f"image {n}: {text}" for n, report in enumerate(reports) for text in report.problems]
    for number, (child, parent) in enumerate(pairwise(images)):
        if not is_differencing(child):
            problems.append(f"image {number} is no differencing disk, and yet not the last of the chain")
        elif problem := linkage_problem(child, parent):
            problems.append(f"image {number + 1} is not the parent of image {number}: {problem}")
    if images and is_differencing(images[-1]):
        problems.append(f"image {len(images) - 1} is a differencing disk, and its parent is not in the chain")
    return ChainReport(images=reports, problems=tuple(problems))


# ---------------------------------------------------------------- VHDX


def _check_vhdx(disk: Vhdx) -> ImageReport:
    metadata = disk.metadata
    problems = [*_region_problems(disk)]
    blocks = _BlockCheck(disk)
    problems += blocks.run()
    kind = "differencing" if metadata.has_parent else "fixed" if metadata.leave_blocks_allocated else "dynamic"
    return ImageReport(
        format="vhdx",
        type=kind,
        creator=disk.creator,
        file_size_bytes=disk.source.size,
        needed_size_bytes=blocks.end,
        virtual_size_bytes=disk.size,
        block_size_bytes=metadata.block_size,
        present_blocks=blocks.present,
        logical_sector_size=metadata.logical_sector_size,
        physical_sector_size=metadata.physical_sector_size,
        disk_id=str(metadata.disk_id),
        link_id=str(disk.header.data_write_guid),
        parent_paths=parent_paths(disk),
        log_entries=disk.log_entries,
        problems=tuple(problems[:_MOST_PROBLEMS]),
        notes=tuple(_vhdx_notes(disk)),
    )


def _vhdx_notes(disk: Vhdx) -> Iterator[str]:
    source = disk.source
    headers = [source.read_at(offset, vhdx_layout.HEADER_SIZE) for offset in vhdx_layout.HEADER_OFFSETS]
    if None in map(vhdx_layout.parse_header, headers):
        yield "one of the two VHDX headers is damaged; the other one is used"
    tables = [disk.file.read_at(at, vhdx_layout.REGION_TABLE_SIZE) for at in vhdx_layout.REGION_TABLE_OFFSETS]
    if tables[0] != tables[1]:
        yield "the two VHDX region tables differ; the first valid one is used"
    if disk.log_entries:
        yield (
            f"the VHDX log holds {disk.log_entries} entries that were not written back yet, as in any copy of a disk "
            "in use; readers replay them"
        )


def _region_problems(disk: Vhdx) -> Iterator[str]:
    """Regions that overlap each other, the headers or the log, or reach behind the end of the file."""
    names = {vhdx_layout.BAT_REGION: "block allocation table", vhdx_layout.METADATA_REGION: "metadata"}
    places = [(0, MIB, "headers")]
    places += [(region.offset, region.length, names.get(guid, str(guid))) for guid, region in disk.regions.items()]
    if disk.header.log_length:
        places.append((disk.header.log_offset, disk.header.log_length, "log"))
    places.sort()
    for (first, length, name), (second, _, other) in pairwise(places):
        if first + length > second:
            yield f"the VHDX regions {name} and {other} overlap"
    offset, length, name = places[-1]
    if offset + length > disk.file.size:
        yield f"the VHDX region {name} ends at {offset + length}, and the file at {disk.file.size}"


class _BlockCheck:
    """Looks at each entry of the block allocation table of a VHDX."""

    def __init__(self, disk: Vhdx) -> None:
        self._disk = disk
        self._shape = disk.shape
        self._used = bytearray()  # one bit for each MiB of the file
        self.present = 0
        self.end = MIB
        self._partial_chunks: set[int] = set()
        self._bitmap_chunks: set[int] = set()

    def run(self) -> list[str]:
        """Return the problems; stops when there are many."""
        problems: list[str] = []
        if self._disk.file.size > _MAX_FILE_SIZE:
            return [f"the file is {self._disk.file.size} bytes long; no VHDX is"]
        for region in (*self._disk.regions.values(), vhdx_layout.Region(0, MIB)):
            self._take(region.offset, region.length)
        if self._disk.header.log_length:
            self._take(self._disk.header.log_offset, self._disk.header.log_length)
        for first, page in self._disk.bat_pages():
            for index, entry in enumerate(page, start=first):
                if entry and (problem := self._entry_problem(index, entry)):
                    problems.append(problem)
                    if len(problems) == _MOST_PROBLEMS:
                        return problems
        lacking = sorted(self._partial_chunks - self._bitmap_chunks)
        return problems + [
            f"blocks of chunk {chunk} are partially present, and their sector bitmap is missing" for chunk in lacking
        ]

    def _entry_problem(self, index: int, entry: int) -> str | None:
        shape, state, place = self._shape, entry & 7, (entry >> 20) * MIB
        chunk, within = divmod(index, shape.chunk_ratio + 1)
        block = chunk * shape.chunk_ratio + within
        if within == shape.chunk_ratio:
            return self._bitmap_problem(chunk, state, place)
        name = f"block {block}"
        if block >= shape.block_count:
            return f"{name} lies behind the end of the disk" if state else None
        if entry & 0xFFFF8:
            return f"{name} has reserved bits set in the block allocation table"
        if state in (BlockState.NOT_PRESENT, BlockState.UNDEFINED, BlockState.ZERO, BlockState.UNMAPPED):
            return None
        if state == BlockState.PARTIALLY_PRESENT and shape.differencing:
            self._partial_chunks.add(chunk)
        elif state != BlockState.FULLY_PRESENT:
            return f"{name} has the state {state}, which no such file has"
        self.present += 1
        needed = min(shape.block_size, shape.virtual_size - block * shape.block_size)
        return self._place_problem(name, place, shape.block_size, needed)

    def _bitmap_problem(self, chunk: int, state: int, place: int) -> str | None:
        if state == BlockState.NOT_PRESENT:
            return None
        if state != BlockState.FULLY_PRESENT or not self._shape.differencing:
            return f"the sector bitmap of chunk {chunk} has the state {state}, which no such file has"
        self._bitmap_chunks.add(chunk)
        return self._place_problem(f"the sector bitmap of chunk {chunk}", place, MIB, MIB)

    def _place_problem(self, name: str, place: int, length: int, needed: int) -> str | None:
        self.end = max(self.end, place + needed)
        if place + needed > self._disk.file.size:
            return f"{name} ends at {place + needed}, and the file at {self._disk.file.size}"
        if not self._take(place, length):
            return f"{name} overlaps something else in the file"
        return None

    def _take(self, offset: int, length: int) -> bool:
        """Mark a place as used; False when some of it was used already. All places are whole MiB."""
        first, count = offset // MIB, -(-length // MIB)
        if first + count > _MAX_FILE_SIZE // MIB:
            return True  # behind the end of the file, which is a problem by itself
        low, high = first >> 3, (first + count + 7) >> 3
        if high > len(self._used):
            self._used.extend(bytes(max(high, 2 * len(self._used)) - len(self._used)))
        mask = ((1 << count) - 1) << (first & 7)
        used = int.from_bytes(self._used[low:high], "little")
        self._used[low:high] = (used | mask).to_bytes(high - low, "little")
        return not used & mask


# ---------------------------------------------------------------- VHD


def _check_vhd(disk: Vhd) -> ImageReport:
    footer, header = disk.footer, disk.header
    problems: list[str] = []
    notes: list[str] = []
    if not disk.footer_intact:
        problems.append("the footer at the end of the file is missing or damaged; its copy was used")
    if footer.saved_state:
        notes.append("the VHD is marked as part of a saved state")
    end, present = disk.size, 0
    if header:
        copy = disk.source.read_at(0, vhd_layout.FOOTER_SIZE)
        if disk.footer_intact and vhd_layout.parse_footer(copy) is None:
            notes.append("the copy of the VHD footer at the beginning of the file is damaged; the footer is used")
        blocks = _VhdBlockCheck(disk, header)
        problems += blocks.run()
        end, present = blocks.end, len(blocks.places)
    return ImageReport(
        format="vhd",
        type=footer.disk_type.name.lower(),
        creator=footer.creator.decode("ascii", "replace").strip("\0 "),
        file_size_bytes=disk.source.size,
        needed_size_bytes=end + vhd_layout.FOOTER_SIZE,
        virtual_size_bytes=disk.size,
        block_size_bytes=header.block_size if header else 0,
        present_blocks=present,
        logical_sector_size=SECTOR,
        physical_sector_size=SECTOR,
        disk_id=str(footer.disk_id),
        link_id=str(footer.disk_id),
        parent_paths=parent_paths(disk) if footer.disk_type is DiskType.DIFFERENCING else (),
        problems=tuple(problems[:_MOST_PROBLEMS]),
        notes=tuple(notes),
    )


class _VhdBlockCheck:
    """Looks at each entry of the block allocation table of a VHD."""

    def __init__(self, disk: Vhd, header: DynamicHeader) -> None:
        self._disk = disk
        self._length = header.bitmap_size + header.block_size
        self._table_offset = header.table_offset
        self._tables_end = header.table_offset + disk.block_count * 4
        self.end = header.table_offset + header.entry_count * 4
        self.places: list[tuple[int, int]] = []

    def run(self) -> list[str]:
        """Return the problems; stops when there are many."""
        problems: list[str] = []
        if self._table_offset < vhd_layout.FOOTER_SIZE + vhd_layout.HEADER_SIZE:
            problems.append("the block allocation table overlaps the headers")
        limit = self._disk.source.size - vhd_layout.FOOTER_SIZE
        for block, place in self._disk.block_places():
            self.places.append((place, block))
            self.end = max(self.end, place + self._length)
            if place < self._tables_end:
                problems.append(f"block {block} overlaps the block allocation table or the headers")
            elif place + self._length > limit:
                problems.append(f"block {block} ends at {place + self._length}, and the blocks of the file at {limit}")
            if len(problems) >= _MOST_PROBLEMS:
                return problems
        self.places.sort()
        for (place, block), (following, other) in pairwise(self.places):
            if place + self._length > following:
                problems.append(f"block {block} and block {other} overlap in the file")
        return problems
