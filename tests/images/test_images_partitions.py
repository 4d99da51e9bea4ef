"""Partition tables as sgdisk and sfdisk write them, and as nobody should."""

from __future__ import annotations

import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import pytest

from hvbackup.errors import ImageDamaged
from hvbackup.images.partitions import BASIC_DATA, EFI_SYSTEM, Partition, read_partitions
from hvbackup.images.source import BytesSource

MIB = 1024 * 1024
SGDISK = shutil.which("sgdisk") or ""
SFDISK = shutil.which("sfdisk") or ""
needs_sgdisk = pytest.mark.skipif(not SGDISK, reason="sgdisk is not installed")
needs_sfdisk = pytest.mark.skipif(not SFDISK, reason="sfdisk is not installed")


@pytest.fixture
def gpt(tmp_path: Path) -> bytearray:
    path = tmp_path / "disk"
    with path.open("wb") as file:
        file.truncate(16 * MIB)
    options = ["--disk-guid=0d15c0de-0000-4000-8000-000000000001"]
    options += ["--new=1:2048:4095", "--typecode=1:ef00", "--change-name=1:EFI"]
    options += ["--new=3:8192:16383", "--typecode=3:0700", "--change-name=3:Größe ✓"]
    options += ["--partition-guid=1:0d15c0de-0000-4000-8000-000000000002"]
    options += ["--partition-guid=3:0d15c0de-0000-4000-8000-000000000003"]
    subprocess.run([SGDISK, *options, str(path)], check=True, capture_output=True)
    return bytearray(path.read_bytes())


PARTITIONS = (
    Partition(
        number=1,
        offset_bytes=MIB,
        size_bytes=MIB,
        type=EFI_SYSTEM,
        name="EFI",
        id="0d15c0de-0000-4000-8000-000000000002",
    ),
    Partition(
        number=3,
        offset_bytes=4 * MIB,
        size_bytes=4 * MIB,
        type=BASIC_DATA,
        name="Größe ✓",
        id="0d15c0de-0000-4000-8000-000000000003",
    ),
)


@needs_sgdisk
def test_a_gpt_is_read_as_sgdisk_wrote_it(gpt: bytearray) -> None:
    table = read_partitions(BytesSource(gpt))

    assert (table.style, table.disk_id, table.notes) == ("gpt", "0d15c0de-0000-4000-8000-000000000001", ())
    assert table.partitions == PARTITIONS


@needs_sgdisk
@pytest.mark.parametrize("damaged", [512 + 16, 512 + 40, 1024 + 3, 1024 + 300])
def test_the_backup_stands_in_for_a_damaged_gpt_and_that_is_said(gpt: bytearray, damaged: int) -> None:
    gpt[damaged] ^= 0xFF

    table = read_partitions(BytesSource(gpt))

    assert table.partitions == PARTITIONS
    assert table.notes == ("the partition table (GPT) is damaged; its backup at the end of the disk was used",)


@needs_sgdisk
def test_a_gpt_whose_first_sectors_are_gone_is_found_by_its_backup(gpt: bytearray) -> None:
    gpt[: 40 * 512] = bytes(40 * 512)

    assert read_partitions(BytesSource(gpt)).partitions == PARTITIONS


@needs_sgdisk
def test_a_gpt_that_is_damaged_twice_is_an_error(gpt: bytearray) -> None:
    gpt[512 + 16] ^= 0xFF
    gpt[-512 + 16] ^= 0xFF

    with pytest.raises(ImageDamaged, match="both damaged"):
        read_partitions(BytesSource(gpt))


@needs_sgdisk
def test_a_gpt_on_a_disk_that_was_cut_is_read_and_the_cut_is_noted(gpt: bytearray) -> None:
    table = read_partitions(BytesSource(gpt[: 6 * MIB]))

    assert table.partitions == PARTITIONS
    assert table.notes == ("partition 3 reaches behind the end of the disk",)


@needs_sfdisk
def test_an_mbr_with_logical_partitions_is_read_as_sfdisk_wrote_it(tmp_path: Path) -> None:
    path = tmp_path / "disk"
    with path.open("wb") as file:
        file.truncate(32 * MIB)
    layout = "label: dos\nlabel-id: 0x1234abcd\n2048,2048,7,*\n4096,40960,5\n6144,2048,83\n10240,4096,c\n"
    subprocess.run([SFDISK, str(path)], input=layout, text=True, check=True, capture_output=True)

    table = read_partitions(BytesSource(path.read_bytes()))

    assert (table.style, table.disk_id, table.notes) == ("mbr", "1234abcd", ())
    assert table.partitions == (
        Partition(number=1, offset_bytes=MIB, size_bytes=MIB, type="07", active=True),
        Partition(number=5, offset_bytes=3 * MIB, size_bytes=MIB, type="83"),
        Partition(number=6, offset_bytes=5 * MIB, size_bytes=2 * MIB, type="0c"),
    )


def _mbr(*entries: tuple[int, int, int], place: int = 0, disk: bytearray | None = None) -> bytearray:
    disk = disk or bytearray(MIB)
    for number, (kind, first, count) in enumerate(entries):
        struct.pack_into("<B3xB3xII", disk, place + 446 + 16 * number, 0, kind, first, count)
    disk[place + 510 : place + 512] = b"\x55\xaa"
    return disk


def test_an_mbr_with_logical_partitions_is_read() -> None:
    disk = _mbr((7, 63, 10), (0x0F, 100, 900), (0x83, 1000, 100))
    _mbr((7, 1, 10), (5, 20, 10), place=100 * 512, disk=disk)
    _mbr((0x0C, 2, 8), (5, 50, 10), place=120 * 512, disk=disk)
    _mbr((0x83, 3, 7), place=150 * 512, disk=disk)

    table = read_partitions(BytesSource(disk))

    assert [(p.number, p.type, p.offset_bytes // 512, p.size_bytes // 512) for p in table.partitions] == [
        (1, "07", 63, 10),
        (3, "83", 1000, 100),
        (5, "07", 101, 10),
        (6, "0c", 122, 8),
        (7, "83", 153, 7),
    ]


@needs_sgdisk
@pytest.mark.parametrize("damaged", [False, True])
def test_a_gpt_of_a_disk_with_sectors_of_4096_bytes_is_read(gpt: bytearray, damaged: bool) -> None:
    disk = bytearray(gpt[:512].ljust(4096, b"\0") + gpt[512:1024].ljust(4096, b"\0") + gpt[1024 : 34 * 512])
    disk = disk.ljust(16 * MIB, b"\0")
    backup = bytearray(gpt[-512:])
    struct.pack_into("<QQ", backup, 24, 4095, 1)
    struct.pack_into("<Q", backup, 72, 4000)
    _seal(backup)
    disk[4095 * 4096 : 4095 * 4096 + 512] = backup
    disk[4000 * 4096 : 4000 * 4096 + 32 * 512] = gpt[1024 : 34 * 512]
    if damaged:
        disk[4096 + 30] ^= 1

    table = read_partitions(BytesSource(disk), sector_size=4096)

    assert [(p.name, p.offset_bytes // 4096) for p in table.partitions] == [("EFI", 2048), ("Größe ✓", 8192)]
    assert len(table.notes) == (2 if damaged else 1)  # one partition lies behind the end of this disk


def _seal(header: bytearray) -> None:
    header[16:20] = bytes(4)
    struct.pack_into("<I", header, 16, zlib.crc32(header[:92]))


def test_logical_partitions_that_turn_in_a_circle_are_an_error() -> None:
    disk = _mbr((5, 10, 100))
    _mbr((7, 1, 1), (5, 20, 10), place=10 * 512, disk=disk)
    _mbr((7, 1, 1), (5, 20, 10), place=30 * 512, disk=disk)

    with pytest.raises(ImageDamaged, match="circle"):
        read_partitions(BytesSource(disk))


@pytest.mark.parametrize("boot", [b"\xeb\x52\x90NTFS    ", b"\xeb\x76\x90EXFAT   ", bytes(54) + b"FAT16   "])
def test_a_disk_that_is_one_volume_has_no_partitions(boot: bytes) -> None:
    disk = boot.ljust(510, b"\1") + b"\x55\xaa" + bytes(4096)

    assert read_partitions(BytesSource(disk)).style == "none"


@pytest.mark.parametrize("size", [0, 1, 511, 512, 4096, MIB])
def test_an_empty_disk_has_no_partitions(size: int) -> None:
    table = read_partitions(BytesSource(bytes(size)))

    assert (table.style, table.partitions) == ("none", ())
