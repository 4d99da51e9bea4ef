"""7-Zip, which knows nothing of this program, reads the same bytes out of the same files.

It reads differencing VHDX and VHD with their parents in the folder of the child, which QEMU does not.
"""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import pytest

from hvbackup.images.chain import open_disk
from hvbackup.images.vhd_writer import VhdBlock, VhdParent, create_vhd
from hvbackup.images.vhdx_layout import MIB, BlockState
from hvbackup.images.writer import Block, PartialBlock, VhdxParent, create_vhdx

SEVEN_ZIP = shutil.which("7zz") or shutil.which("7z") or ""
pytestmark = pytest.mark.skipif(not SEVEN_ZIP, reason="7-Zip is not installed")


def noise(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)  # noqa: S311 - test data


def read_by_seven_zip(path: Path, kind: str) -> bytes:
    command = [SEVEN_ZIP, "e", "-so", f"-t{kind}", path.name]
    done = subprocess.run(command, cwd=path.parent, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def assert_same(path: Path, kind: str) -> None:
    with open_disk(path) as disk:
        own = b"".join(disk.image.read_at(at, MIB) for at in range(0, disk.image.size, MIB))
    theirs = read_by_seven_zip(path, kind)

    assert len(theirs) == len(own)
    wrong = next((at for at in range(0, len(own), 512) if own[at : at + 512] != theirs[at : at + 512]), None)
    assert wrong is None, f"the sector at {wrong} differs"


def sectors(*runs: tuple[int, int]) -> bytes:
    """A bitmap of sectors: first and number of each run."""
    bits = bytearray(4096)
    for first, count in runs:
        for sector in range(first, first + count):
            bits[sector >> 3] |= 1 << (sector & 7)
    return bytes(bits).rstrip(b"\0")


# ---------------------------------------------------------------- VHDX


@pytest.mark.parametrize("block_mib", [1, 2, 8, 32])
@pytest.mark.parametrize("fixed", [False, True])
def test_a_vhdx_of_any_block_size(tmp_path: Path, block_mib: int, fixed: bool) -> None:
    size = 64 * MIB + 3 * 4096  # 7-Zip 26.02 opens none with an odd number of 512
    block = block_mib * MIB
    last = size // block
    blocks = {last: noise(1, 8192), 0: noise(2, block), 1: noise(3, 5000)}
    create_vhdx(tmp_path / "disk.vhdx", size, blocks, block_size=block, fixed=fixed)

    assert_same(tmp_path / "disk.vhdx", "vhdx")


def test_a_vhdx_with_sectors_of_4096_bytes(tmp_path: Path) -> None:
    create_vhdx(tmp_path / "disk.vhdx", 5 * MIB + 8192, {4: noise(1, MIB), 0: noise(2, 9)}, logical_sector_size=4096)

    assert_same(tmp_path / "disk.vhdx", "vhdx")


def _base(folder: Path, block_size: int, sector_size: int = 512) -> str:
    blocks = {number: noise(number, block_size) for number in (3, 0, 2, 1)}
    return create_vhdx(
        folder / "base.vhdx", 6 * block_size, blocks, block_size=block_size, logical_sector_size=sector_size
    )


@pytest.mark.parametrize(("block_size", "sector_size"), [(MIB, 512), (2 * MIB, 512), (8 * MIB, 512), (2 * MIB, 4096)])
def test_a_differencing_vhdx_with_zero_and_partial_blocks(tmp_path: Path, block_size: int, sector_size: int) -> None:
    parent = VhdxParent(data_write_guid=_base(tmp_path, block_size, sector_size), relative_path=r".\base.vhdx")
    blocks: dict[int, Block] = {
        5: PartialBlock(noise(50, block_size), sectors((3, 1), (7, 2), (100, 77))),
        0: PartialBlock(noise(51, block_size), sectors((0, 1), (255, 1))),
        1: BlockState.ZERO,
        2: noise(52, block_size),
    }
    create_vhdx(
        tmp_path / "leaf.avhdx",
        6 * block_size,
        blocks,
        block_size=block_size,
        logical_sector_size=sector_size,
        parent=parent,
    )

    assert_same(tmp_path / "leaf.avhdx", "vhdx")


def test_a_differencing_vhdx_whose_blocks_have_another_size_than_its_parents(tmp_path: Path) -> None:
    link = create_vhdx(
        tmp_path / "base.vhdx", 40 * MIB, {1: noise(1, 8 * MIB), 0: noise(2, 32 * MIB)}, block_size=32 * MIB
    )
    parent = VhdxParent(data_write_guid=link, relative_path=r".\base.vhdx")
    blocks: dict[int, Block] = {17: noise(3, 2 * MIB), 1: PartialBlock(noise(4, 2 * MIB), sectors((8, 8), (64, 8)))}
    create_vhdx(tmp_path / "leaf.avhdx", 40 * MIB, blocks, block_size=2 * MIB, parent=parent)

    assert_same(tmp_path / "leaf.avhdx", "vhdx")


def test_a_chain_of_three_vhdx(tmp_path: Path) -> None:
    link = _base(tmp_path, MIB)
    for number, blocks in enumerate(
        (
            {0: PartialBlock(noise(60, MIB), sectors((0, 100))), 1: BlockState.ZERO, 4: noise(61, MIB)},
            {0: PartialBlock(noise(62, MIB), sectors((50, 100))), 1: PartialBlock(noise(63, MIB), sectors((9, 9)))},
        ),
        start=1,
    ):
        name = "base.vhdx" if number == 1 else f"{number - 1}.avhdx"
        parent = VhdxParent(data_write_guid=link, relative_path=f".\\{name}")
        link = create_vhdx(tmp_path / f"{number}.avhdx", 6 * MIB, blocks, parent=parent)  # type: ignore[arg-type]

    assert_same(tmp_path / "2.avhdx", "vhdx")


# ---------------------------------------------------------------- VHD


@pytest.mark.parametrize("block_size", [512 * 1024, 2 * MIB, 4 * MIB])
@pytest.mark.parametrize("fixed", [False, True])
def test_a_vhd_of_any_block_size(tmp_path: Path, block_size: int, fixed: bool) -> None:
    blocks = {3: noise(1, 9 * 512), 0: noise(2, block_size), 1: noise(3, 5000)}
    create_vhd(tmp_path / "disk.vhd", 3 * block_size + 9 * 512, blocks, block_size=block_size, fixed=fixed)

    assert_same(tmp_path / "disk.vhd", "vhd")


def test_a_chain_of_three_vhd(tmp_path: Path) -> None:
    blocks: list[dict[int, VhdBlock]] = [
        {3: noise(1, 2 * MIB), 0: noise(2, 2 * MIB)},
        {0: PartialBlock(noise(3, 2 * MIB), sectors((0, 3), (13, 1), (500, 700))), 1: noise(4, MIB)},
        {0: PartialBlock(noise(5, 2 * MIB), sectors((2, 5), (600, 1))), 2: noise(6, 2 * MIB)},
    ]
    link = ""
    for number, content in enumerate(blocks):
        parent = VhdParent(disk_id=link, relative_path=f".\\{number - 1}.vhd") if number else None
        link = create_vhd(tmp_path / f"{number}.vhd", 10 * MIB, content, parent=parent)

    assert_same(tmp_path / "2.vhd", "vhd")
