"""The check finds what makes an image unfit, with few reads, and finds nothing in sound ones."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from hvbackup.errors import ImageDamaged
from hvbackup.images.check import check_chain, check_image
from hvbackup.images.grid import grid_cuts
from hvbackup.images.source import BytesSource, FileSource
from hvbackup.images.vhd_writer import VhdParent, create_vhd
from hvbackup.images.vhdx_layout import MIB, with_checksum
from hvbackup.images.writer import PartialBlock, VhdxParent, create_vhdx

QemuImg: TypeAlias = Callable[..., str]
Sample: TypeAlias = Callable[[str], Path]
BAT = 3 * MIB
DISK_ID = "0fd4ba5c-3b1f-4d8f-8a6c-2a8a4bb0b5a1"
LINK = "6d1f0f0e-8a52-4f5c-9d3e-0c7f5b1f2a11"


@pytest.fixture
def vhdx(tmp_path: Path) -> bytearray:
    """A dynamic VHDX of 8 MiB with two blocks, at 4 MiB (block 1) and 5 MiB (block 0) of the file."""
    blocks = [(1, b"b" * MIB), (0, b"a" * MIB)]
    create_vhdx(tmp_path / "image.vhdx", 8 * MIB, blocks, disk_id=DISK_ID, data_write_guid=LINK)
    return bytearray((tmp_path / "image.vhdx").read_bytes())


@pytest.fixture
def vhd(tmp_path: Path) -> bytearray:
    """A dynamic VHD of 8 MiB with two blocks of 1 MiB; block 3 comes first in the file."""
    create_vhd(tmp_path / "i.vhd", 8 * MIB, [(3, b"b" * MIB), (0, b"a" * MIB)], block_size=MIB, disk_id=DISK_ID)
    return bytearray((tmp_path / "i.vhd").read_bytes())


def test_a_sound_vhdx_is_described_and_has_no_problems(vhdx: bytearray) -> None:
    report = check_image(BytesSource(vhdx))

    assert report.to_dict() == {
        "format": "vhdx",
        "type": "dynamic",
        "creator": "hvbackup",
        "fileSizeBytes": 6 * MIB,
        "neededSizeBytes": 6 * MIB,
        "virtualSizeBytes": 8 * MIB,
        "blockSizeBytes": MIB,
        "presentBlocks": 2,
        "logicalSectorSize": 512,
        "physicalSectorSize": 4096,
        "diskId": DISK_ID,
        "linkId": LINK,
        "parentPaths": (),
        "logEntries": 0,
        "problems": (),
        "notes": (),
    }


def test_a_sound_vhd_is_described_and_has_no_problems(vhd: bytearray) -> None:
    report = check_image(BytesSource(vhd))

    assert (report.format, report.type, report.creator, report.disk_id) == ("vhd", "dynamic", "win", DISK_ID)
    assert (report.virtual_size_bytes, report.block_size_bytes, report.present_blocks) == (8 * MIB, MIB, 2)
    assert report.needed_size_bytes == report.file_size_bytes == len(vhd)
    assert report.problems == report.notes == ()


@pytest.mark.parametrize("name", ["dynamic.vhdx", "fixed.vhdx", "discutils-btrfs.vhdx", "dynamic.vhd", "fixed.vhd"])
def test_images_of_hyper_v_have_no_problems(sample: Sample, name: str) -> None:
    with FileSource(sample(name)) as source:
        report = check_image(source)

    assert report.problems == ()
    assert report.notes == ()
    assert report.type == ("fixed" if name.startswith("fixed") else "dynamic")


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("vhdx", "subformat=dynamic"),
        ("vhdx", "subformat=dynamic,block_size=256M,log_size=4M"),
        ("vhdx", "subformat=fixed"),
        ("vpc", "subformat=dynamic"),
        ("vpc", "subformat=fixed,force_size=on"),
    ],
)
@pytest.mark.parametrize("content", [b"", b"x" * 70_000])
def test_images_of_qemu_have_no_problems(
    qemu_img: QemuImg, tmp_path: Path, kind: str, options: str, content: bytes
) -> None:
    (tmp_path / "raw").write_bytes(content.ljust(9 * MIB, b"\0"))
    qemu_img("convert", "-f", "raw", "-O", kind, "-o", options, tmp_path / "raw", tmp_path / "image")

    with FileSource(tmp_path / "image") as source:
        report = check_image(source)

    assert report.problems == report.notes == ()
    assert report.needed_size_bytes <= report.file_size_bytes


def test_a_dirty_log_is_noted_and_is_no_problem(sample: Sample) -> None:
    with FileSource(sample("discutils-vhdx-log-replay.vhdx")) as source:
        report = check_image(source)

    assert report.problems == ()
    assert report.log_entries == 2
    assert len(report.notes) == 1
    assert report.notes[0].startswith("the VHDX log holds 2 entries that were not written back yet")


def _set_entry(image: bytearray, block: int, offset: int, state: int) -> None:
    struct.pack_into("<Q", image, BAT + 8 * block, offset | state)


@pytest.mark.parametrize(
    ("offset", "state", "expected"),
    [
        (4 * MIB, 6, "block 0 overlaps something else in the file"),
        (MIB, 6, "block 0 overlaps something else in the file"),
        (3 * MIB, 6, "block 0 overlaps something else in the file"),
        (0, 6, "block 0 overlaps something else in the file"),
        (6 * MIB, 6, "block 0 ends at 7340032, and the file at 6291456"),
        (5 * MIB, 7, "block 0 has the state 7, which no such file has"),
        (5 * MIB, 4, "block 0 has the state 4, which no such file has"),
        (5 * MIB + 8, 6, "block 0 has reserved bits set in the block allocation table"),
    ],
)
def test_a_bad_place_of_a_vhdx_block_is_a_problem(vhdx: bytearray, offset: int, state: int, expected: str) -> None:
    _set_entry(vhdx, 0, offset, state)

    problems = check_image(BytesSource(vhdx)).problems

    # the block that is in the way is looked at later, and says nothing of itself
    assert expected in (problems[0], problems[0].replace("block 1", "block 0"))
    assert len(problems) == 1


def test_a_vhdx_that_was_cut_short_has_the_problem_that_it_is_too_short(vhdx: bytearray) -> None:
    report = check_image(BytesSource(vhdx[: 5 * MIB + 4096]))

    assert report.problems == ("block 0 ends at 6291456, and the file at 5246976",)
    assert report.needed_size_bytes == 6 * MIB


def test_a_damaged_header_with_a_sound_twin_is_noted(vhdx: bytearray) -> None:
    vhdx[0x10020] ^= 1
    vhdx[0x40020] ^= 1

    report = check_image(BytesSource(vhdx))

    assert report.problems == ()
    assert report.notes == (
        "one of the two VHDX headers is damaged; the other one is used",
        "the two VHDX region tables differ; the first valid one is used",
    )


def test_a_block_table_full_of_nonsense_has_no_more_than_twenty_problems(tmp_path: Path) -> None:
    create_vhdx(tmp_path / "image.vhdx", 1 << 30, {})
    image = bytearray((tmp_path / "image.vhdx").read_bytes())
    image[BAT : BAT + 8192] = b"\xff" * 8192

    assert len(check_image(BytesSource(image)).problems) == 20


def test_a_missing_sector_bitmap_is_a_problem(tmp_path: Path) -> None:
    parent = VhdxParent(data_write_guid=LINK, relative_path=r".\base.vhdx")
    create_vhdx(tmp_path / "leaf.avhdx", MIB, {0: PartialBlock(b"c", b"\1")}, parent=parent)
    image = bytearray((tmp_path / "leaf.avhdx").read_bytes())
    struct.pack_into("<Q", image, BAT + 8 * 4096, 0)

    assert check_image(BytesSource(image)).problems == (
        "blocks of chunk 0 are partially present, and their sector bitmap is missing",
    )


def test_regions_that_overlap_are_a_problem(vhdx: bytearray, tmp_path: Path) -> None:
    create_vhdx(tmp_path / "other.vhdx", 8 * MIB, {})
    header = bytearray((tmp_path / "other.vhdx").read_bytes()[0x20000:0x21000])
    struct.pack_into("<Q", header, 72, 2 * MIB)  # the log, laid over the metadata
    vhdx[0x20000:0x21000] = with_checksum(header)

    assert "the VHDX regions log and metadata overlap" in check_image(BytesSource(vhdx)).problems


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (0, "block 5 overlaps the block allocation table or the headers"),
        (3, "block 5 overlaps the block allocation table or the headers"),
        (4, "block 5 and block 3 overlap in the file"),
        (7, "block 3 and block 5 overlap in the file"),
        (2055, "block 3 and block 5 overlap in the file"),
        (1 << 20, "block 5 ends at 537920000, and the blocks of the file at 2105344"),
    ],
)
def test_a_bad_place_of_a_vhd_block_is_a_problem(vhd: bytearray, place: int, expected: str) -> None:
    struct.pack_into(">I", vhd, 1536 + 4 * 5, place)

    assert expected in check_image(BytesSource(vhd)).problems


def test_a_vhd_without_its_end_is_a_problem(vhd: bytearray) -> None:
    problems = check_image(BytesSource(vhd[: len(vhd) - 1024])).problems

    assert problems[0] == "the footer at the end of the file is missing or damaged; its copy was used"
    assert problems[1].startswith("block 0 ends at ")


def test_a_fixed_vhd_without_its_end_is_no_image(tmp_path: Path) -> None:
    create_vhd(tmp_path / "image.vhd", 8 * MIB, {}, fixed=True)
    image = (tmp_path / "image.vhd").read_bytes()

    with pytest.raises(ImageDamaged, match="neither a VHDX nor a VHD"):
        check_image(BytesSource(image[:-512]))
    with pytest.raises(ImageDamaged, match="fixed VHD of 8388608 bytes, in a file of 4194816"):
        check_image(BytesSource(image[4 * MIB :]))


def test_checking_a_big_image_takes_few_small_reads(tmp_path: Path) -> None:
    create_vhdx(tmp_path / "big.vhdx", 2 << 40, {n * 1000: b"x" for n in range(60)}, block_size=32 * MIB)
    pieces: set[int] = set()

    class Counting(FileSource):
        def read_at(self, offset: int, size: int) -> bytes:
            pieces.update(range(offset // MIB, (offset + size - 1) // MIB + 1))
            return super().read_at(offset, size)

    with Counting(tmp_path / "big.vhdx") as source:
        report = check_image(source)

    assert report.problems == ()
    assert report.present_blocks == 60
    assert sorted(pieces) == [0, 2, 3]  # headers, metadata, block allocation table


# ---------------------------------------------------------------- chains


def test_a_chain_that_fits_has_no_problems(tmp_path: Path) -> None:
    base = create_vhdx(tmp_path / "base.vhdx", 8 * MIB, {})
    middle = create_vhdx(
        tmp_path / "a.avhdx", 8 * MIB, {}, parent=VhdxParent(data_write_guid=base, relative_path=r".\base.vhdx")
    )
    create_vhdx(
        tmp_path / "b.avhdx", 8 * MIB, {}, parent=VhdxParent(data_write_guid=middle, relative_path=r".\a.avhdx")
    )
    names = ("b.avhdx", "a.avhdx", "base.vhdx")

    report = check_chain([BytesSource((tmp_path / name).read_bytes()) for name in names])

    assert report.problems == ()
    assert [image.type for image in report.images] == ["differencing", "differencing", "dynamic"]
    assert report.images[1].link_id == middle
    assert report.images[0].parent_paths == (r".\a.avhdx",)


def test_a_chain_with_a_wrong_or_missing_parent_says_so(tmp_path: Path, vhdx: bytearray) -> None:
    parent = VhdxParent(data_write_guid=DISK_ID, relative_path=r".\base.vhdx")
    create_vhdx(tmp_path / "leaf.avhdx", 8 * MIB, {}, parent=parent)
    leaf, other = BytesSource((tmp_path / "leaf.avhdx").read_bytes()), BytesSource(vhdx)

    mismatch = f"the child was made from a parent with the id {DISK_ID}, and this one has {LINK}"
    assert check_chain([leaf, other]).problems == (f"image 1 is not the parent of image 0: {mismatch}",)
    assert check_chain([leaf]).problems == ("image 0 is a differencing disk, and its parent is not in the chain",)
    assert check_chain([other, other]).problems == (
        "image 0 is no differencing disk, and yet not the last of the chain",
    )


def test_problems_of_an_image_are_told_apart_from_those_between_images(tmp_path: Path, vhdx: bytearray) -> None:
    parent = VhdxParent(data_write_guid=DISK_ID, relative_path=r".\base.vhdx")
    create_vhdx(tmp_path / "leaf.avhdx", 8 * MIB, {}, parent=parent)
    _set_entry(vhdx, 0, 6 * MIB, 6)

    report = check_chain([BytesSource((tmp_path / "leaf.avhdx").read_bytes()), BytesSource(vhdx)])

    assert len(report.link_problems) == 1
    assert report.problems == (
        "image 1: block 0 ends at 7340032, and the file at 6291456",
        *report.link_problems,
    )


def test_a_vhd_chain_is_linked_by_the_unique_id(tmp_path: Path, vhd: bytearray) -> None:
    create_vhd(tmp_path / "leaf.avhd", 8 * MIB, {}, parent=VhdParent(disk_id=DISK_ID, relative_path=r".\i.vhd"))
    create_vhd(tmp_path / "bad.avhd", 8 * MIB, {}, parent=VhdParent(disk_id=LINK, relative_path=r".\i.vhd"))

    def problems_of(name: str) -> tuple[str, ...]:
        return check_chain([BytesSource((tmp_path / name).read_bytes()), BytesSource(vhd)]).problems

    assert problems_of("leaf.avhd") == ()
    assert problems_of("bad.avhd")[0].startswith("image 1 is not the parent of image 0")


# ---------------------------------------------------------------- where a grid restarts


def test_the_grid_restarts_where_each_block_of_a_dynamic_vhd_begins(vhd: bytearray) -> None:
    cuts = grid_cuts(BytesSource(vhd))

    assert [bytes(vhd[cut : cut + MIB]) for cut in cuts] == [b"b" * MIB, b"a" * MIB]


def test_the_grid_of_a_dynamic_vhd_of_hyper_v_restarts_at_its_blocks(sample: Sample) -> None:
    with FileSource(sample("dynamic.vhd")) as source:
        assert grid_cuts(source) == (8192, 2109440, 4210688)


def test_the_grid_of_other_images_needs_no_restart(vhdx: bytearray, tmp_path: Path) -> None:
    create_vhd(tmp_path / "image.vhd", 8 * MIB, {}, fixed=True)

    assert grid_cuts(BytesSource(vhdx)) == ()
    assert grid_cuts(BytesSource((tmp_path / "image.vhd").read_bytes())) == ()
    assert grid_cuts(BytesSource(b"something else")) == ()
