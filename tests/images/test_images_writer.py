"""New VHDX files are what was asked for, by the word of an independent program."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import pytest

from hvbackup.errors import InvalidRequest
from hvbackup.images.vhdx_layout import MIB, BlockState
from hvbackup.images.writer import PartialBlock, VhdxParent, create_vhdx

QEMU_IMG = shutil.which("qemu-img")
needs_qemu_img = pytest.mark.skipif(QEMU_IMG is None, reason="qemu-img is not installed")


def _qemu_raw(image: Path) -> bytes:
    assert QEMU_IMG is not None
    raw = image.with_suffix(".raw")
    subprocess.run([QEMU_IMG, "check", "-q", "-f", "vhdx", str(image)], check=True)
    subprocess.run([QEMU_IMG, "convert", "-f", "vhdx", "-O", "raw", str(image), str(raw)], check=True)
    return raw.read_bytes()


def _qemu_part(image: Path, *, first: int, count: int) -> bytes:
    """Read MiBs of a disk; `count=` of `qemu-img dd` counts from the start of the disk."""
    assert QEMU_IMG is not None
    part = image.with_suffix(".part")
    numbers = ["bs=1M", f"skip={first}", f"count={first + count}"]
    subprocess.run([QEMU_IMG, "dd", "-f", "vhdx", "-O", "raw", *numbers, f"if={image}", f"of={part}"], check=True)
    return part.read_bytes()


def _content(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)  # noqa: S311 - test data


@needs_qemu_img
@pytest.mark.parametrize("fixed", [False, True])
def test_a_new_vhdx_passes_the_check_of_qemu_and_reads_back(tmp_path: Path, fixed: bool) -> None:
    image = tmp_path / "new.vhdx"
    first, last = _content(MIB, 1), _content(4096, 2)

    create_vhdx(image, 5 * MIB + 4096, {3: first, 5: last}, fixed=fixed)

    assert _qemu_raw(image) == bytes(3 * MIB) + first + bytes(MIB) + last


@needs_qemu_img
def test_blocks_may_come_in_any_order_from_an_iterator(tmp_path: Path) -> None:
    image = tmp_path / "new.vhdx"
    contents = [_content(2 * MIB, seed) for seed in range(4)]

    create_vhdx(image, 8 * MIB, ((block, contents[block]) for block in (2, 0, 3, 1)), block_size=2 * MIB)

    assert _qemu_raw(image) == b"".join(contents)


@needs_qemu_img
def test_a_disk_of_many_chunks_has_its_blocks_where_they_belong(tmp_path: Path) -> None:
    image = tmp_path / "new.vhdx"
    # with blocks of 1 MiB a chunk has 4096 of them: these three lie in the first, second and third chunk
    create_vhdx(image, 12 << 30, {4095: b"a" * MIB, 4096: b"b" * MIB, 8192: b"c" * MIB})

    assert _qemu_part(image, first=4094, count=4) == bytes(MIB) + b"a" * MIB + b"b" * MIB + bytes(MIB)
    assert _qemu_part(image, first=8191, count=3) == bytes(MIB) + b"c" * MIB + bytes(MIB)


def test_a_given_data_write_guid_is_returned_and_written(tmp_path: Path) -> None:
    guid = "0fd4ba5c-3b1f-4d8f-8a6c-2a8a4bb0b5a1"

    returned = create_vhdx(tmp_path / "new.vhdx", MIB, {}, data_write_guid=guid)

    assert returned == guid
    assert (tmp_path / "new.vhdx").read_bytes()[0x20000 + 32 : 0x20000 + 48].hex() == "5cbad40f1f3b8f4d8a6c2a8a4bb0b5a1"


@pytest.mark.parametrize(
    ("size", "blocks", "options", "expected"),
    [
        (0, {}, {}, "a VHDX of 0 bytes"),
        (MIB + 1, {}, {}, "its size is a multiple of 512"),
        (MIB + 512, {}, {"logical_sector_size": 4096}, "its size is a multiple of 4096"),
        ((64 << 40) + 512, {}, {}, "to 64 TiB"),
        (MIB, {}, {"block_size": 3 * MIB}, "a power of two"),
        (MIB, {}, {"block_size": 512 * MIB}, "a power of two"),
        (MIB, {}, {"logical_sector_size": 1024}, "sectors of 512 or 4096"),
        (MIB, {1: b""}, {}, "block 1 lies outside"),
        (MIB, {0: bytes(MIB + 1)}, {}, "block 0 has 1048577 bytes"),
        (MIB, [(0, b""), (0, b"")], {}, "block 0 was given twice"),
        (MIB, {0: PartialBlock(b"", b"\1")}, {}, "the disk has no parent"),
        (MIB, {0: BlockState.ZERO}, {"fixed": True}, "every block of a fixed VHDX"),
    ],
)
def test_what_makes_no_valid_vhdx_is_refused_and_leaves_nothing(
    tmp_path: Path, size: int, blocks: object, options: dict[str, int], expected: str
) -> None:
    with pytest.raises(InvalidRequest, match=expected):
        create_vhdx(tmp_path / "new.vhdx", size, blocks, **options)  # type: ignore[arg-type]

    assert list(tmp_path.iterdir()) == []


def test_a_differencing_vhdx_needs_a_path_to_its_parent(tmp_path: Path) -> None:
    parent = VhdxParent(data_write_guid="0fd4ba5c-3b1f-4d8f-8a6c-2a8a4bb0b5a1")

    with pytest.raises(InvalidRequest, match="needs a path to its parent"):
        create_vhdx(tmp_path / "new.avhdx", MIB, {}, parent=parent)


def test_an_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    image = tmp_path / "there.vhdx"
    image.write_bytes(b"precious")

    with pytest.raises(InvalidRequest, match=r"there\.vhdx exists already"):
        create_vhdx(image, MIB, {})

    assert image.read_bytes() == b"precious"
