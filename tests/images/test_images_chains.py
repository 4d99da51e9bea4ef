"""Chains of differencing disks: any writes, split anywhere, read back as the disk they made; parents are proven."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hvbackup.errors import ImageDamaged, ParentMismatch, ParentMissing
from hvbackup.images.chain import Image, open_chain, open_disk
from hvbackup.images.disk import Extent, Kind
from hvbackup.images.source import BytesSource, FileSource
from hvbackup.images.vhd_writer import VhdParent, create_vhd
from hvbackup.images.vhdx import Vhdx
from hvbackup.images.vhdx_layout import MIB, BlockState
from hvbackup.images.writer import Block, PartialBlock, VhdxParent, create_vhdx

SECTORS = 7 * 2048 - 24  # 512-byte sectors: seven blocks of 1 MiB, the last one not whole
DISK_SIZE = SECTORS * 512


class Write(NamedTuple):
    """Some sectors of 512 bytes, filled with one byte (0 for zeros)."""

    first: int
    sectors: int
    fill: int

    def rounded(self, sector_size: int) -> Write:
        """The least write of whole sectors of that size that holds this one."""
        ratio = sector_size // 512
        first, end = self.first // ratio * ratio, -(-(self.first + self.sectors) // ratio) * ratio
        return Write(first, min(end, SECTORS) - first, self.fill)


class Layer:
    """What one file of a chain holds: its own bytes, and which sectors they are."""

    def __init__(self, writes: list[Write]) -> None:
        self.content = bytearray(b"\xee") * DISK_SIZE  # never to be seen
        self.own = bytearray(SECTORS)
        for write in writes:
            apply(self.content, write)
            self.own[write.first : write.first + write.sectors] = b"\1" * write.sectors

    def blocks(self, block_size: int, sector_size: int) -> dict[int, Block]:
        blocks: dict[int, Block] = {}
        for number in range(-(-DISK_SIZE // block_size)):
            own = self.own[number * block_size // 512 : (number + 1) * block_size // 512]
            data = bytes(self.content[number * block_size : (number + 1) * block_size])
            if not any(own):
                continue
            if all(own):
                blocks[number] = data if any(data[::512]) else BlockState.ZERO
            else:
                bits = "".join(map(str, own[:: sector_size // 512]))[::-1]
                bitmap = int(bits, 2).to_bytes(-(-len(bits) // 8), "little")
                blocks[number] = PartialBlock(data, bitmap)
        return blocks


def apply(content: bytearray, write: Write) -> None:
    content[write.first * 512 : (write.first + write.sectors) * 512] = bytes([write.fill]) * (write.sectors * 512)


writes = st.builds(
    Write,
    first=st.integers(0, SECTORS - 1),
    sectors=st.one_of(st.integers(1, 20), st.integers(20, 320), st.integers(1600, 9600)),
    fill=st.integers(0, 255),
)
layers = st.lists(st.lists(writes, max_size=6), min_size=1, max_size=4)
reads = st.lists(st.tuples(st.integers(0, DISK_SIZE), st.integers(0, 3 * MIB)), min_size=1, max_size=8)


class Build(NamedTuple):
    """How a chain is made of layers, and the least that can be written to it."""

    chain: Callable[[Path, list[Layer]], Image]
    sector_size: int


def build_vhdx(block_size: int, sector_size: int) -> Build:
    def build(folder: Path, chain: list[Layer]) -> Image:
        sources, link = [], ""
        for number, layer in enumerate(chain):
            path = folder / f"{number}.vhdx"
            parent = VhdxParent(data_write_guid=link, relative_path=f".\\{number - 1}.vhdx") if number else None
            blocks = layer.blocks(block_size, sector_size)
            if not parent:
                blocks = {
                    n: b if not isinstance(b, PartialBlock) else rooted(layer, n, block_size) for n, b in blocks.items()
                }
            link = create_vhdx(
                path,
                DISK_SIZE,
                reversed(blocks.items()),
                block_size=block_size,
                logical_sector_size=sector_size,
                parent=parent,
            )
            sources.append(BytesSource(path.read_bytes()))
            path.unlink()
        return open_chain(sources[::-1])

    return Build(build, sector_size)


def build_vhd(block_size: int) -> Build:
    def build(folder: Path, chain: list[Layer]) -> Image:
        sources, link = [], ""
        for number, layer in enumerate(chain):
            path = folder / f"{number}.vhd"
            parent = VhdParent(disk_id=link, relative_path=f".\\{number - 1}.vhd") if number else None
            blocks = {
                n: bytes(min(block_size, DISK_SIZE - n * block_size)) if isinstance(b, BlockState) else b
                for n, b in layer.blocks(block_size, 512).items()
            }
            link = create_vhd(path, DISK_SIZE, reversed(blocks.items()), block_size=block_size, parent=parent)
            sources.append(BytesSource(path.read_bytes()))
            path.unlink()
        return open_chain(sources[::-1])

    return Build(build, 512)


def rooted(layer: Layer, number: int, block_size: int) -> bytes:
    """A block of a disk without parent: what was never written is zeros."""
    data = bytearray()
    for sector in range(number * block_size // 512, min((number + 1) * block_size // 512, SECTORS)):
        data += layer.content[sector * 512 : (sector + 1) * 512] if layer.own[sector] else bytes(512)
    return bytes(data)


def _clipped(extents: Iterable[Extent], start: int, end: int) -> list[tuple[object, ...]]:
    """The part of a map between two places."""
    clipped = ((max(start, each.offset), min(end, each.end), each.kind) for each in extents)
    return [(first, last - first, kind, None) for first, last, kind in clipped if first < last]


def _hold(build: Build, folder: Path, chain: list[list[Write]], wanted: list[tuple[int, int]]) -> None:
    chain = [[write.rounded(build.sector_size) for write in layer] for layer in chain]
    model = bytearray(DISK_SIZE)
    for write in (write for layer in chain for write in layer):
        apply(model, write)

    image = build.chain(folder, [Layer(layer) for layer in chain])

    assert image.size == DISK_SIZE
    for offset, size in wanted:
        assert image.read_at(offset, size) == model[offset : offset + size]
    end = 0
    for extent in image.extents():
        assert extent.offset == end
        end = extent.end
        if extent.kind is Kind.ZERO:
            assert not model[extent.offset : extent.end].strip(b"\0")
        else:
            assert image.read_at(extent.offset, extent.length) == model[extent.offset : extent.end]
    assert end == DISK_SIZE
    for offset, size in wanted:
        part = _clipped(image.extents(), offset, min(offset + size, DISK_SIZE))
        assert [tuple(extent) for extent in image.extents(offset, offset + size)] == part


KINDS = [
    pytest.param(build_vhdx(MIB, 512), id="vhdx-1M"),
    pytest.param(build_vhdx(2 * MIB, 512), id="vhdx-2M"),
    pytest.param(build_vhdx(MIB, 4096), id="vhdx-1M-4Kn"),
    pytest.param(build_vhdx(32 * MIB, 512), id="vhdx-32M"),
    pytest.param(build_vhd(2 * MIB), id="vhd-2M"),
    pytest.param(build_vhd(512 * 1024), id="vhd-512K"),
    pytest.param(build_vhd(4096), id="vhd-4K"),
]
same_folder = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@pytest.mark.parametrize("build", KINDS)
@settings(max_examples=6, deadline=None, suppress_health_check=same_folder)
@given(chain=layers, wanted=reads)
def test_any_writes_split_into_any_chain_read_back_as_the_disk(
    tmp_path: Path, build: Build, chain: list[list[Write]], wanted: list[tuple[int, int]]
) -> None:
    _hold(build, tmp_path, chain, wanted)


@pytest.mark.slow
@pytest.mark.parametrize("build", KINDS)
@settings(max_examples=150, deadline=None, suppress_health_check=same_folder)
@given(chain=layers, wanted=reads)
def test_any_writes_split_into_any_chain_read_back_as_the_disk_many_times(
    tmp_path: Path, build: Build, chain: list[list[Write]], wanted: list[tuple[int, int]]
) -> None:
    _hold(build, tmp_path, chain, wanted)


def test_a_chain_of_fifty_disks_reads_through_to_its_root(tmp_path: Path) -> None:
    link = create_vhdx(tmp_path / "0.vhdx", 60 * MIB, {59: b"root"})
    for number in range(1, 51):
        parent = VhdxParent(data_write_guid=link, relative_path=f".\\{number - 1}.vhdx")
        link = create_vhdx(tmp_path / f"{number}.vhdx", 60 * MIB, {number: bytes([number])}, parent=parent)

    with open_disk(tmp_path / "50.vhdx") as disk:
        assert [disk.image.read_at(number * MIB, 1)[0] for number in range(51)] == list(range(51))
        assert disk.image.read_at(59 * MIB, 4) == b"root"
        assert len(disk.paths) == 51


def test_a_child_that_is_larger_than_its_parent_has_zeros_behind_it(tmp_path: Path) -> None:
    link = create_vhdx(tmp_path / "base.vhdx", MIB, {0: b"p" * MIB})
    parent = VhdxParent(data_write_guid=link, relative_path=r".\base.vhdx")
    create_vhdx(tmp_path / "leaf.avhdx", 3 * MIB, {}, parent=parent)

    with open_disk(tmp_path / "leaf.avhdx") as disk:
        assert disk.image.read_at(0, 4 * MIB) == b"p" * MIB + bytes(2 * MIB)
        assert [(extent.kind, extent.length) for extent in disk.image.extents()] == [
            (Kind.DATA, MIB),
            (Kind.ZERO, 2 * MIB),
        ]


def test_the_map_of_a_part_of_the_largest_disk_takes_a_few_reads_however_deep_the_chain(tmp_path: Path) -> None:
    class Counted(FileSource):
        reads = 0

        def read_at(self, offset: int, size: int) -> bytes:
            Counted.reads += 1
            return super().read_at(offset, size)

    size, block = 64 * 1024 * 1024 * MIB, 256 * MIB
    link = create_vhdx(tmp_path / "0.vhdx", size, {size // block - 1: b"end"}, block_size=block)
    for number in (1, 2):
        parent = VhdxParent(data_write_guid=link, relative_path=f".\\{number - 1}.vhdx")
        link = create_vhdx(tmp_path / f"{number}.vhdx", size, {}, block_size=block, parent=parent)

    with ExitStack() as files:
        image = open_chain([files.enter_context(Counted(tmp_path / f"{number}.vhdx")) for number in (2, 1, 0)])
        Counted.reads = 0
        middle = list(image.extents(size // 2, size // 2 + 4096 * MIB))
        end = list(image.extents(size - 2 * block, size))

    assert middle == [Extent(size // 2, 4096 * MIB, Kind.ZERO)]
    assert end == [Extent(size - 2 * block, block, Kind.ZERO), Extent(size - block, block, Kind.DATA)]
    assert Counted.reads <= 6  # a piece of each table, twice


# ---------------------------------------------------------------- parents


def _pair(folder: Path, **paths: str) -> Path:
    link = create_vhdx(folder / "base.vhdx", MIB, {0: b"p"})
    create_vhdx(folder / "leaf.avhdx", MIB, {}, parent=VhdxParent(data_write_guid=link, **paths))
    return folder / "leaf.avhdx"


def _first_byte(path: Path, **options: object) -> bytes:
    with open_disk(path, **options) as disk:  # type: ignore[arg-type]
        return disk.image.read_at(0, 1)


def test_a_parent_is_found_by_its_relative_path(tmp_path: Path) -> None:
    leaf = _pair(tmp_path, relative_path=r"..\disks\base.vhdx")
    (tmp_path / "disks").mkdir()
    (tmp_path / "leaves").mkdir()
    (tmp_path / "base.vhdx").rename(tmp_path / "disks/base.vhdx")

    assert _first_byte(leaf.rename(tmp_path / "leaves/leaf.avhdx")) == b"p"


@pytest.mark.parametrize(
    "paths",
    [
        {"absolute_path": r"D:\VMs\base.vhdx"},
        {"absolute_path": r"\\server\share\base.vhdx"},
        {"volume_path": r"\\?\Volume{0fd4ba5c-3b1f-4d8f-8a6c-2a8a4bb0b5a1}\VMs\base.vhdx"},
        {"relative_path": r"..\elsewhere\base.vhdx"},
        {"relative_path": r".\BASE.VHDX"},
    ],
)
def test_a_parent_is_found_by_its_name_in_the_folder_of_the_child(tmp_path: Path, paths: dict[str, str]) -> None:
    assert _first_byte(_pair(tmp_path, **paths)) == b"p"


def test_a_parent_is_found_in_a_folder_that_was_named(tmp_path: Path) -> None:
    leaf = _pair(tmp_path, relative_path=r".\base.vhdx")
    (tmp_path / "other").mkdir()
    (tmp_path / "base.vhdx").rename(tmp_path / "other/base.vhdx")

    assert _first_byte(leaf, folders=[tmp_path / "other"]) == b"p"


def test_a_parent_that_is_nowhere_is_named_in_the_error(tmp_path: Path) -> None:
    leaf = _pair(tmp_path, relative_path=r".\base.vhdx")
    (tmp_path / "base.vhdx").unlink()

    with pytest.raises(ParentMissing, match=r"leaf\.avhdx was not found: \.\\base\.vhdx"):
        _first_byte(leaf)


def test_a_parent_that_was_written_to_is_refused_unless_that_is_allowed(tmp_path: Path) -> None:
    leaf = _pair(tmp_path, relative_path=r".\base.vhdx")
    (tmp_path / "base.vhdx").unlink()
    create_vhdx(tmp_path / "base.vhdx", MIB, {0: b"changed"})

    with pytest.raises(ParentMismatch, match="this is not the parent"):
        _first_byte(leaf)
    assert _first_byte(leaf, allow_mismatch=True) == b"c"


def test_parents_that_are_given_are_taken_whatever_their_name(tmp_path: Path) -> None:
    leaf = _pair(tmp_path, relative_path=r".\base.vhdx")
    renamed = (tmp_path / "base.vhdx").rename(tmp_path / "old backup.bin")

    assert _first_byte(leaf, parents=[renamed]) == b"p"


def test_a_chain_that_turns_in_a_circle_is_an_error(tmp_path: Path) -> None:
    guid = "0fd4ba5c-3b1f-4d8f-8a6c-2a8a4bb0b5a1"
    for name, other in (("a", "b"), ("b", "a")):
        parent = VhdxParent(data_write_guid=guid, relative_path=f".\\{other}.avhdx")
        create_vhdx(tmp_path / f"{name}.avhdx", MIB, {}, parent=parent, data_write_guid=guid)

    with pytest.raises(ImageDamaged, match="turns in a circle"):
        open_disk(tmp_path / "a.avhdx")


def test_reading_what_is_the_parents_without_a_parent_is_an_error(tmp_path: Path) -> None:
    leaf = _pair(tmp_path, relative_path=r".\base.vhdx")
    disk = Vhdx(BytesSource(leaf.read_bytes()))

    assert [extent.kind for extent in disk.extents()] == [Kind.PARENT]
    with pytest.raises(ParentMissing, match="its parent was not given"):
        disk.read_at(0, 1)
