"""A dirty log is replayed exactly, or the image is refused; what the log says can be written back to a copy."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias
from uuid import UUID

import pytest

from hvbackup.errors import Cancelled, ImageDamaged, ImageUnsupported, InvalidRequest, ParentMissing
from hvbackup.events import Cancellation
from hvbackup.images import vhdx_layout as layout
from hvbackup.images.chain import open_disk
from hvbackup.images.rewrite import bake_log, flatten
from hvbackup.images.source import BytesSource
from hvbackup.images.vhdx import Vhdx
from hvbackup.images.vhdx_layout import MIB
from hvbackup.images.writer import PartialBlock, VhdxParent, create_vhdx

QemuImg: TypeAlias = Callable[..., str]
Sample: TypeAlias = Callable[[str], Path]

LOG = UUID("0fd4ba5c-3b1f-4d8f-8a6c-2a8a4bb0b5a1")
OTHER_LOG = UUID("1fd4ba5c-3b1f-4d8f-8a6c-2a8a4bb0b5a1")
BLOCK = 4 * MIB  # where the only block of the disk is in the file


def entry(
    sequence: int,
    writes: Sequence[tuple[int, bytes | int]],
    *,
    tail: int = 0,
    guid: UUID = LOG,
    flushed: int = 5 * MIB,
    last: int = 5 * MIB,
) -> bytes:
    """An entry of a log: (offset, 4096 bytes) or (offset, number of zeros)."""
    descriptors, sectors = b"", b""
    for target, content in writes:
        if isinstance(content, int):
            descriptors += struct.pack("<4s4xQQQ", b"zero", content, target, sequence)
        else:
            descriptors += struct.pack("<4s4s8sQQ", b"desc", content[-4:], content[:8], target, sequence)
            sectors += struct.pack("<4sI", b"data", sequence >> 32) + content[8:4092]
            sectors += struct.pack("<I", sequence & 0xFFFFFFFF)
    header_length = -(-(64 + len(descriptors)) // 4096) * 4096
    head = struct.pack("<4sIIIQI4x", b"loge", 0, header_length + len(sectors), tail, sequence, len(writes))
    head += guid.bytes_le + struct.pack("<QQ", flushed, last) + descriptors
    return layout.with_checksum(head.ljust(header_length, b"\0") + sectors)


def dirty(folder: Path, log: bytes, *, guid: UUID = LOG, log_version: int = 0, log_length: int = MIB) -> BytesSource:
    """A disk of 1 MiB with one block of `o`, and a log."""
    path = folder / "dirty.vhdx"
    path.unlink(missing_ok=True)
    create_vhdx(path, MIB, {0: b"o" * MIB})
    image = bytearray(path.read_bytes())
    image[MIB : MIB + len(log)] = log
    for sequence, offset in enumerate(layout.HEADER_OFFSETS, start=5):
        header = layout.Header(sequence, guid, guid, guid, log_length, MIB, log_version)
        image[offset : offset + 4096] = layout.pack_header(header)
    path.write_bytes(image)
    return BytesSource(image)


def letters(disk: Vhdx) -> str:
    """The first byte of the first eight sectors of 4096 bytes; `.` is a zero."""
    return disk.read_at(0, 8 * 4096)[::4096].decode().replace("\0", ".")


def test_later_writes_win_over_earlier_ones_and_over_the_file(tmp_path: Path) -> None:
    one = entry(7, [(BLOCK, b"a" * 4096), (BLOCK + 4096, b"b" * 4096), (BLOCK + 8192, 8192)])
    two = entry(8, [(BLOCK + 4096, 8192), (BLOCK + 12288, b"c" * 4096)])

    disk = Vhdx(dirty(tmp_path, one + two))

    assert disk.log_entries == 2
    assert letters(disk) == "a..coooo"


def test_within_an_entry_the_order_of_the_descriptors_counts(tmp_path: Path) -> None:
    log = entry(7, [(BLOCK, b"a" * 4096), (BLOCK, 8192), (BLOCK + 4096, b"b" * 4096), (BLOCK + 20480, b"e" * 4096)])

    assert letters(Vhdx(dirty(tmp_path, log))) == ".boooeoo"


def test_a_sector_that_is_read_in_part_has_the_bytes_of_the_log(tmp_path: Path) -> None:
    sector = bytes(range(256)) * 16
    disk = Vhdx(dirty(tmp_path, entry(7, [(BLOCK + 4096, sector), (BLOCK + 8192, 4096)])))

    assert disk.read_at(4090, 20) == b"o" * 6 + sector[:14]
    assert disk.read_at(8188, 8) == sector[-4:] + bytes(4)
    assert disk.read_at(12280, 16) == bytes(8) + b"o" * 8


def test_a_log_that_wraps_around_the_end_of_its_ring_is_replayed_in_order(tmp_path: Path) -> None:
    ring = bytearray(MIB)
    first = entry(7, [(BLOCK, b"a" * 4096)], tail=MIB - 12288)
    second = entry(8, [(BLOCK, b"b" * 4096), (BLOCK + 4096, b"c" * 4096)], tail=MIB - 12288)
    ring[MIB - 12288 : MIB - 4096] = first
    ring[MIB - 4096 :], ring[:8192] = second[:4096], second[4096:]

    disk = Vhdx(dirty(tmp_path, bytes(ring)))

    assert disk.log_entries == 2
    assert letters(disk) == "bcoooooo"


def test_an_entry_that_was_torn_while_it_was_written_ends_the_sequence_before_it(tmp_path: Path) -> None:
    whole = entry(7, [(BLOCK, b"a" * 4096)])
    torn = bytearray(entry(8, [(BLOCK, b"b" * 4096)]))
    torn[5000] ^= 1

    disk = Vhdx(dirty(tmp_path, whole + torn))

    assert disk.log_entries == 1
    assert letters(disk) == "aooooooo"


def test_old_entries_before_the_tail_and_of_other_logs_are_not_replayed(tmp_path: Path) -> None:
    written_back = entry(6, [(BLOCK, b"x" * 4096)])
    current = entry(7, [(BLOCK + 4096, b"b" * 4096)], tail=8192)
    stale = entry(8, [(BLOCK, b"y" * 4096)], guid=OTHER_LOG)

    assert letters(Vhdx(dirty(tmp_path, written_back + current + stale))) == "oboooooo"


def test_the_sequence_of_the_highest_numbers_is_the_one(tmp_path: Path) -> None:
    old = entry(3, [(BLOCK, b"x" * 4096)])
    new = entry(9, [(BLOCK, b"y" * 4096)], tail=8192)

    assert letters(Vhdx(dirty(tmp_path, old + new))) == "yooooooo"


def test_metadata_in_the_log_is_seen(tmp_path: Path) -> None:
    source = dirty(tmp_path, b"")
    table = bytearray(source.read_at(3 * MIB, 4096))
    table[:8] = bytes(8)

    disk = Vhdx(dirty(tmp_path, entry(7, [(3 * MIB, bytes(table))])))

    assert letters(disk) == "........"


def test_a_block_that_only_the_log_brought_behind_the_end_of_the_file_is_read(tmp_path: Path) -> None:
    table = struct.pack("<Q", 5 * MIB | 6).ljust(4096, b"\0")
    log = entry(7, [(3 * MIB, table), (5 * MIB, b"n" * 4096)], last=6 * MIB)

    disk = Vhdx(dirty(tmp_path, log))

    assert letters(disk) == "n......."
    assert disk.file.size == 6 * MIB


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        (b"", "no valid sequence"),
        (entry(7, [(BLOCK, b"a" * 4096)], guid=OTHER_LOG), "no valid sequence"),
        (entry(7, [(BLOCK, b"a" * 4096)], tail=4096), "no valid sequence"),
        (entry(7, [(BLOCK, b"a" * 4096)])[:-1] + b"\1", "no valid sequence"),
        (entry(7, [(BLOCK, b"a" * 4096)], flushed=5 * MIB + 1), "5242880 bytes long; its log says"),
        (entry(7, [(BLOCK + 1, b"a" * 4096)]), "descriptor that is not valid"),
        (entry(7, [(1 << 63, b"a" * 4096)]), "descriptor that is not valid"),
        (entry(7, [(BLOCK, 1 << 60)]), "descriptor that is not valid"),
        (entry(7, [(BLOCK, 100)]), "descriptor that is not valid"),
    ],
)
def test_a_log_that_cannot_be_trusted_is_an_error(tmp_path: Path, log: bytes, expected: str) -> None:
    with pytest.raises(ImageDamaged, match=expected):
        Vhdx(dirty(tmp_path, log))


def test_a_log_of_another_version_or_of_giant_size_is_unsupported(tmp_path: Path) -> None:
    log = entry(7, [(BLOCK, b"a" * 4096)])

    with pytest.raises(ImageUnsupported, match="unknown version 1"):
        Vhdx(dirty(tmp_path, log, log_version=1))
    with pytest.raises(ImageUnsupported, match="up to 256 MiB"):
        Vhdx(dirty(tmp_path, log, log_length=512 * MIB))


def test_a_hostile_log_takes_no_time_out_of_proportion(tmp_path: Path) -> None:
    many_zeros = [(BLOCK + 8192 * n, 1 << 40) for n in range(20000)]
    many_sectors = [(BLOCK + 4096 * n, b"a" * 4096) for n in range(60)]
    claims_all = b"".join(
        struct.pack("<4sIIIQI4x", b"loge", 1, MIB, 0, 7 + n, 8000).ljust(32, b"\0") + LOG.bytes_le.ljust(4064, b"\0")
        for n in range(20)
    )
    log = entry(7, many_sectors) + entry(8, many_zeros, last=1 << 50) + claims_all
    started = time.process_time()

    disk = Vhdx(dirty(tmp_path, log))

    assert letters(disk) == "........"
    assert time.process_time() - started < 5


# ---------------------------------------------------------------- written back, flattened


def test_a_log_that_is_written_back_gives_a_clean_file_of_the_same_content(tmp_path: Path, qemu_img: QemuImg) -> None:
    log = entry(7, [(BLOCK, b"a" * 4096), (BLOCK + 4096, 4096)], last=6 * MIB)
    before = Vhdx(dirty(tmp_path, log))

    entries = bake_log(tmp_path / "dirty.vhdx", tmp_path / "clean.vhdx")

    after = Vhdx(BytesSource((tmp_path / "clean.vhdx").read_bytes()))
    assert entries == 1
    assert after.log is None
    assert after.read_at(0, MIB) == before.read_at(0, MIB)
    assert after.metadata == before.metadata
    assert after.header.data_write_guid == before.header.data_write_guid
    assert after.header.file_write_guid != before.header.file_write_guid
    assert after.source.size == 6 * MIB
    qemu_img("check", tmp_path / "clean.vhdx")


def test_a_real_log_that_is_written_back_is_as_qemu_repairs_it(
    sample: Sample, qemu_img: QemuImg, tmp_path: Path
) -> None:
    source = sample("discutils-vhdx-log-replay.vhdx")
    (tmp_path / "repaired.vhdx").write_bytes(source.read_bytes())
    qemu_img("check", "-r", "all", tmp_path / "repaired.vhdx")

    assert bake_log(source, tmp_path / "baked.vhdx") == 2

    qemu_img("check", tmp_path / "baked.vhdx")
    qemu_img("compare", "-f", "vhdx", "-F", "vhdx", tmp_path / "baked.vhdx", tmp_path / "repaired.vhdx")


def test_a_clean_file_has_no_log_to_write_back(tmp_path: Path) -> None:
    create_vhdx(tmp_path / "clean.vhdx", MIB, {})

    with pytest.raises(InvalidRequest, match="has no log to write back"):
        bake_log(tmp_path / "clean.vhdx", tmp_path / "baked.vhdx")

    assert not (tmp_path / "baked.vhdx").exists()


def test_a_chain_is_flattened_into_one_sound_disk(tmp_path: Path, qemu_img: QemuImg) -> None:
    size = 9 * MIB + 512
    link = create_vhdx(tmp_path / "base.vhdx", size, {0: b"0" * MIB, 3: b"3" * MIB, 9: b"9" * 512})
    blocks = {0: layout.BlockState.ZERO, 3: PartialBlock(b"c" * MIB, b"\xf0"), 8: bytes(MIB)}
    parent = VhdxParent(data_write_guid=link, relative_path=r".\base.vhdx")
    create_vhdx(tmp_path / "leaf.avhdx", size, blocks, parent=parent)  # type: ignore[arg-type]

    with open_disk(tmp_path / "leaf.avhdx") as disk:
        flatten(disk.image, tmp_path / "flat.vhdx", block_size=MIB)

    qemu_img("check", tmp_path / "flat.vhdx")
    qemu_img("convert", "-f", "vhdx", "-O", "raw", tmp_path / "flat.vhdx", tmp_path / "raw")
    expected = bytes(3 * MIB) + b"3" * 2048 + b"c" * 2048 + b"3" * (MIB - 4096) + bytes(5 * MIB) + b"9" * 512
    assert (tmp_path / "raw").read_bytes() == expected
    assert (tmp_path / "flat.vhdx").stat().st_size == 6 * MIB  # two blocks: zeros are left out


def test_flattening_that_fails_or_is_stopped_leaves_nothing(tmp_path: Path) -> None:
    parent = VhdxParent(data_write_guid=str(LOG), relative_path=r".\base.vhdx")
    create_vhdx(tmp_path / "leaf.avhdx", MIB, {}, parent=parent)
    orphan = Vhdx(BytesSource((tmp_path / "leaf.avhdx").read_bytes()))
    cancel = Cancellation()
    cancel.set()

    with pytest.raises(ParentMissing):
        flatten(orphan, tmp_path / "flat.vhdx")
    with pytest.raises(Cancelled):
        flatten(orphan, tmp_path / "flat.vhdx", cancel=cancel)

    assert not (tmp_path / "flat.vhdx").exists()
