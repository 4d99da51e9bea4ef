"""Check the structure of an image without reading its contents: is this copy whole, and can it be a disk?

The reads are few and small (headers, tables, a dirty log), so that an image can be checked where it is, behind a
source whose reads each cost a round trip; put a `ReadAhead` in front of such a source if it has none of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from hvbackup.errors import ImageDamaged
from hvbackup.images import vhd_layout, vhdx_layout
from hvbackup.images.block_check import MOST_PROBLEMS, VhdBlockCheck, VhdxBlockCheck
from hvbackup.images.chain import detect, is_differencing, linkage_problem, open_image, parent_paths
from hvbackup.images.source import Source
from hvbackup.images.vhd import Vhd
from hvbackup.images.vhd_layout import SECTOR, DiskType
from hvbackup.images.vhdx import Vhdx
from hvbackup.images.vhdx_layout import MIB
from hvbackup.models import Model


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
    """The images of a chain, leaf first, and what is wrong with the chain.

    Attributes:
        link_problems: What is wrong between the images: parents that do not fit, are missing or too many.
        problems: The problems of the images, then those between them.
    """

    images: tuple[ImageReport, ...]
    link_problems: tuple[str, ...] = ()
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
    links: list[str] = []
    for number, (child, parent) in enumerate(pairwise(images)):
        if not is_differencing(child):
            links.append(f"image {number} is no differencing disk, and yet not the last of the chain")
        elif problem := linkage_problem(child, parent):
            links.append(f"image {number + 1} is not the parent of image {number}: {problem}")
    if images and is_differencing(images[-1]):
        links.append(f"image {len(images) - 1} is a differencing disk, and its parent is not in the chain")
    own = (f"image {number}: {text}" for number, report in enumerate(reports) for text in report.problems)
    return ChainReport(images=reports, link_problems=tuple(links), problems=(*own, *links))


# ---------------------------------------------------------------- VHDX


def _check_vhdx(disk: Vhdx) -> ImageReport:
    metadata = disk.metadata
    problems = [*_region_problems(disk)]
    blocks = VhdxBlockCheck(disk)
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
        problems=tuple(problems[:MOST_PROBLEMS]),
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
        blocks = VhdBlockCheck(disk, header)
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
        problems=tuple(problems[:MOST_PROBLEMS]),
        notes=tuple(notes),
    )
