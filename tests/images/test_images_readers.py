"""What the readers return is what other programs wrote, at any offset and length."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

import pytest

from hvbackup.errors import ImageDamaged, ImageUnsupported
from hvbackup.images.chain import open_disk, open_image
from hvbackup.images.disk import Extent, Kind, VirtualDisk
from hvbackup.images.source import BytesSource, ReadAhead
from hvbackup.images.vhd import Vhd
from hvbackup.images.vhd_writer import create_vhd
from hvbackup.images.vhdx import Vhdx
from hvbackup.images.vhdx_layout import MIB, BlockState
from hvbackup.images.writer import PartialBlock, VhdxParent, create_vhdx

QemuImg: TypeAlias = Callable[..., str]
Sample: TypeAlias = Callable[[str], Path]

DISK_SIZE = 9 * MIB + 512 * 24


def _content() -> bytes:
    """A disk with data, holes, and data at its end."""
    chance = random.Random(4)  # noqa: S311 - test data
    content = bytearray(DISK_SIZE)
    for offset, size in ((0, 5000), (3 * MIB - 700, 1400), (6 * MIB, MIB), (DISK_SIZE - 3000, 3000)):
        content[offset : offset + size] = chance.randbytes(size)
    return bytes(content)


def _reads(size: int) -> list[tuple[int, int]]:
    chance = random.Random(5)  # noqa: S311 - test data
    return [(chance.randrange(size), chance.randrange(1, 3 * MIB)) for _ in range(200)]


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("vhdx", "subformat=dynamic,block_size=1M"),
        ("vhdx", "subformat=dynamic,block_size=8M"),
        ("vhdx", "subformat=dynamic,block_size=256M"),
        ("vhdx", "subformat=fixed"),
        ("vpc", "subformat=dynamic,force_size=on"),
        ("vpc", "subformat=fixed,force_size=on"),
    ],
)
def test_an_image_of_qemu_reads_back_at_any_offset_and_length(
    qemu_img: QemuImg, tmp_path: Path, kind: str, options: str
) -> None:
    content = _content()
    (tmp_path / "raw").write_bytes(content)
    qemu_img("convert", "-f", "raw", "-O", kind, "-o", options, tmp_path / "raw", tmp_path / "image")

    with open_disk(tmp_path / "image") as disk:
        assert disk.image.size == DISK_SIZE
        assert disk.image.read_at(0, DISK_SIZE) == content
        assert [disk.image.read_at(at, n) for at, n in _reads(DISK_SIZE)] == [
            content[at : at + n] for at, n in _reads(DISK_SIZE)
        ]


def _flatten_into(path: Path, disk: VirtualDisk) -> None:
    with path.open("wb") as file:
        file.truncate(disk.size)
        for extent in disk.extents():
            if extent.kind is Kind.DATA:
                file.seek(extent.offset)
                file.write(disk.read_at(extent.offset, extent.length))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("dynamic.vhdx", "vhdx"),
        ("fixed.vhdx", "vhdx"),
        ("discutils-btrfs.vhdx", "vhdx"),
        ("dynamic.vhd", "vpc"),
        ("fixed.vhd", "vpc"),
    ],
)
def test_an_image_of_hyper_v_reads_as_qemu_reads_it(
    sample: Sample, qemu_img: QemuImg, tmp_path: Path, name: str, kind: str
) -> None:
    with open_disk(sample(name)) as disk:
        _flatten_into(tmp_path / "raw", disk.image)

    qemu_img("compare", "-f", "raw", "-F", kind, tmp_path / "raw", sample(name))


def test_the_dirty_log_of_a_real_image_is_replayed_as_qemu_repairs_it(
    sample: Sample, qemu_img: QemuImg, tmp_path: Path
) -> None:
    repaired = tmp_path / "repaired.vhdx"
    repaired.write_bytes(sample("discutils-vhdx-log-replay.vhdx").read_bytes())
    qemu_img("check", "-r", "all", repaired)

    with open_disk(sample("discutils-vhdx-log-replay.vhdx")) as disk:
        assert isinstance(disk.image, Vhdx)
        assert disk.image.log_entries == 2
        assert disk.image.read_at(0, 512) != bytes(512)  # the partition table exists in the log only
        _flatten_into(tmp_path / "raw", disk.image)

    qemu_img("compare", "-f", "raw", "-F", "vhdx", tmp_path / "raw", repaired)


@pytest.mark.parametrize("sector", [512, 4096])
@pytest.mark.parametrize("state", [BlockState.UNDEFINED, BlockState.ZERO, BlockState.UNMAPPED])
def test_a_block_of_zeros_hides_what_the_parent_has_there(tmp_path: Path, sector: int, state: BlockState) -> None:
    link = create_vhdx(tmp_path / "base.vhdx", 3 * MIB, dict.fromkeys(range(3), b"p" * MIB), logical_sector_size=sector)
    parent = VhdxParent(data_write_guid=link, relative_path=r".\base.vhdx")
    blocks = {0: state, 2: b"c" * MIB}
    create_vhdx(tmp_path / "leaf.avhdx", 3 * MIB, blocks, parent=parent, logical_sector_size=sector)  # type: ignore[arg-type]

    with open_disk(tmp_path / "leaf.avhdx") as disk:
        assert disk.image.read_at(0, 3 * MIB) == bytes(MIB) + b"p" * MIB + b"c" * MIB
        assert list(disk.image.extents()) == [Extent(0, MIB, Kind.ZERO), Extent(MIB, 2 * MIB, Kind.DATA)]


@pytest.mark.parametrize(("sector", "bitmap"), [(512, b"\x05\x80"), (4096, b"\x05\x80")])
def test_a_partial_block_takes_exactly_the_sectors_of_its_bitmap(tmp_path: Path, sector: int, bitmap: bytes) -> None:
    link = create_vhdx(tmp_path / "base.vhdx", MIB, {0: b"p" * MIB}, logical_sector_size=sector)
    parent = VhdxParent(data_write_guid=link, relative_path=r".\base.vhdx")
    blocks = {0: PartialBlock(b"c" * MIB, bitmap)}
    create_vhdx(tmp_path / "leaf.avhdx", MIB, blocks, parent=parent, logical_sector_size=sector)

    with open_disk(tmp_path / "leaf.avhdx") as disk:
        found = disk.image.read_at(0, MIB)

    assert [n for n in range(MIB // sector) if found[n * sector : (n + 1) * sector] == b"c" * sector] == [0, 2, 15]
    assert found.count(b"p") == MIB - 3 * sector


def test_the_map_of_a_sparse_disk_of_64_tib_is_made_at_once(tmp_path: Path) -> None:
    size = 64 << 40
    create_vhdx(tmp_path / "huge.vhdx", size, {5000: b"a" * MIB, 3 << 24: b"b" * MIB})

    with open_disk(tmp_path / "huge.vhdx") as disk:
        assert [extent for extent in disk.image.extents() if extent.kind is Kind.DATA] == [
            Extent(5000 * MIB, MIB, Kind.DATA),
            Extent(MIB << 24 | MIB << 25, MIB, Kind.DATA),
        ]
        assert disk.image.read_at(size - 5, 100) == bytes(5)
        assert disk.image.read_at(size, 100) == b""


def test_the_sector_bitmap_of_a_dynamic_vhd_says_which_sectors_hold_data(tmp_path: Path, qemu_img: QemuImg) -> None:
    (tmp_path / "raw").write_bytes(b"x" * 2 * MIB)
    qemu_img("convert", "-f", "raw", "-O", "vpc", "-o", "force_size=on", tmp_path / "raw", tmp_path / "image.vhd")
    image = bytearray((tmp_path / "image.vhd").read_bytes())
    bitmap = int.from_bytes(image[1536:1540], "big") * 512
    image[bitmap] = 0b1010_1111

    disk = open_image(BytesSource(image))

    assert disk.read_at(0, 2560) == b"x" * 512 + bytes(512) + b"x" * 512 + bytes(512) + b"x" * 512


def test_a_fixed_vhd_in_which_the_guest_wrote_a_vhdx_is_a_vhd(tmp_path: Path) -> None:
    create_vhdx(tmp_path / "inner.vhdx", MIB, {0: b"x" * MIB})
    inner = (tmp_path / "inner.vhdx").read_bytes()
    create_vhd(tmp_path / "outer.vhd", len(inner), {0: inner}, block_size=16 * MIB, fixed=True)

    with open_disk(tmp_path / "outer.vhd") as disk:
        assert isinstance(disk.image, Vhd)
        assert disk.image.read_at(0, disk.image.size) == inner


def test_a_vhdx_in_which_the_guest_wrote_a_vhd_footer_is_a_vhdx(tmp_path: Path) -> None:
    create_vhd(tmp_path / "inner.vhd", MIB - 512, {}, fixed=True)
    inner = (tmp_path / "inner.vhd").read_bytes()
    create_vhdx(tmp_path / "outer.vhdx", MIB, {0: inner})

    with open_disk(tmp_path / "outer.vhdx") as disk:
        assert isinstance(disk.image, Vhdx)
        assert disk.image.read_at(0, disk.image.size) == inner


def test_many_threads_may_read_one_disk(tmp_path: Path) -> None:
    chance = random.Random(6)  # noqa: S311 - test data
    content = chance.randbytes(4 * MIB)
    link = create_vhdx(tmp_path / "base.vhdx", 4 * MIB, {n: content[n * MIB : (n + 1) * MIB] for n in range(4)})
    parent = VhdxParent(data_write_guid=link, relative_path=r".\base.vhdx")
    blocks = {n: PartialBlock(content[n * MIB : (n + 1) * MIB], b"\x5a" * 256) for n in range(3)}
    create_vhdx(tmp_path / "leaf.avhdx", 4 * MIB, blocks, parent=parent)
    places = [(chance.randrange(4 * MIB), chance.randrange(1, 200_000)) for _ in range(400)]

    with open_disk(tmp_path / "leaf.avhdx") as disk, ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda place: disk.image.read_at(*place), places))

    assert found == [content[offset : offset + size] for offset, size in places]


# ---------------------------------------------------------------- damage


@pytest.fixture
def image(tmp_path: Path) -> bytearray:
    """A dynamic VHDX of 8 MiB with two blocks, at 4 MiB (block 1) and 5 MiB (block 0) of the file."""
    create_vhdx(tmp_path / "image.vhdx", 8 * MIB, [(1, b"b" * MIB), (0, b"a" * MIB)])
    return bytearray((tmp_path / "image.vhdx").read_bytes())


def test_one_damaged_header_and_region_table_do_no_harm(image: bytearray) -> None:
    image[0x20010] ^= 1
    image[0x30010] ^= 1

    assert Vhdx(BytesSource(image)).read_at(0, 2 * MIB) == b"a" * MIB + b"b" * MIB


@pytest.mark.parametrize(
    ("offsets", "expected"),
    [
        ((0x10010, 0x20010), "both headers"),
        ((0x30010, 0x40010), "both region tables"),
        ((0x200000,), "metadata table"),
        ((0x20000A,), "virtual disk size|is missing|not known|listed twice|metadata"),
    ],
)
def test_damage_that_cannot_be_helped_is_one_error(image: bytearray, offsets: tuple[int, ...], expected: str) -> None:
    for offset in offsets:
        image[offset] ^= 1

    with pytest.raises(ImageDamaged, match=expected):
        Vhdx(BytesSource(image))


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (0x0000_0000_0040_0007, "state 7"),
        (0x0000_0000_0040_0005, "state 5"),
        (0x0000_0000_0000_0006, "where the file's header is"),
        (0x0000_7FFF_FFF0_0006, "the file ends at 6291456"),
    ],
)
def test_a_bad_entry_of_the_block_table_is_an_error_when_it_is_needed(
    image: bytearray, entry: int, expected: str
) -> None:
    image[3 * MIB : 3 * MIB + 8] = entry.to_bytes(8, "little")
    disk = Vhdx(BytesSource(image))

    with pytest.raises(ImageDamaged, match=expected):
        disk.read_at(0, 1)

    assert disk.read_at(MIB, MIB) == b"b" * MIB


def test_a_file_that_was_cut_short_is_an_error_where_the_bytes_are_missing(image: bytearray) -> None:
    disk = Vhdx(BytesSource(image[: 6 * MIB - 1]))

    assert disk.read_at(0, MIB - 1) == b"a" * (MIB - 1)
    with pytest.raises(ImageDamaged, match="the file ends at 6291455"):
        disk.read_at(0, MIB)


def test_a_file_of_another_kind_is_unsupported_unless_it_may_be_flat() -> None:
    with pytest.raises(ImageUnsupported, match="neither a VHDX nor a VHD"):
        open_image(BytesSource(bytes(5000)))

    assert open_image(BytesSource(b"x" * 5000), raw=True).read_at(4999, 10) == b"x"


def test_read_ahead_returns_the_same_bytes_with_few_reads(image: bytearray) -> None:
    reads = []

    class Counting(BytesSource):
        def read_at(self, offset: int, size: int) -> bytes:
            reads.append((offset, size))
            return super().read_at(offset, size)

    source = ReadAhead(Counting(image))

    assert Vhdx(source).read_at(MIB - 10, 20) == b"a" * 10 + b"b" * 10
    assert reads == [(0, MIB), (2 * MIB, MIB), (3 * MIB, MIB), (5 * MIB, MIB), (4 * MIB, MIB)]
    assert source.read_at(len(image) - 3, 10) == bytes(image[-3:])
    assert source.read_at(len(image), 10) == b""
