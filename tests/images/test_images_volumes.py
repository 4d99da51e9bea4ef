"""The volumes of disks that real programs made, and what is said of those that are not read here."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pytest

from hvbackup.errors import EntryNotFound, ImageDamaged
from hvbackup.images.chain import open_disk
from hvbackup.images.filesystems.engines import open_file_system
from hvbackup.images.signatures import look_into
from hvbackup.images.source import BytesSource, FileSource
from hvbackup.images.volumes import open_volume, read_layout

if TYPE_CHECKING:
    from tests.images.images_volumes import MIB, empty_file, read, run
else:
    from images_volumes import MIB, empty_file, read, run

Sample: TypeAlias = Callable[[str], Path]
QemuImg: TypeAlias = Callable[..., str]

#: Number, MiB, type of sgdisk, program with options, kind
PARTITIONS = (
    (1, 8, "ef00", ("mkfs.vfat", "-F", "16", "-s", "2", "-n", "ESP"), "fat16"),
    (2, 4, "0c01", (), "reserved"),
    (3, 8, "0700", ("mkfs.ntfs", "-q", "-F", "-f", "-L", "Daten"), "ntfs"),
    (4, 12, "8300", ("mke2fs", "-q", "-F", "-t", "ext4", "-L", "root"), "ext4"),
    (5, 4, "8200", ("mkswap", "-L", "pages"), "swap"),
    (6, 8, "0700", ("mkfs.exfat", "-L", "stick"), "exfat"),
    (7, 4, "0700", (), "empty"),
    (8, 8, "8300", ("mke2fs", "-q", "-F", "-t", "ext2"), "ext2"),
)


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A GPT disk with a volume of each kind that is small."""
    folder = tmp_path_factory.mktemp("disk")
    path = empty_file(folder / "disk", 64 * MIB)
    start = 1
    options: list[str] = []
    for number, size, kind, _, _ in PARTITIONS:
        options += [f"--new={number}:{start * 2048}:{(start + size) * 2048 - 1}", f"--typecode={number}:{kind}"]
        start += size
    run("sgdisk", *options, "--change-name=7:nothing yet", path)
    content = bytearray(path.read_bytes())
    start = 1
    for number, size, _, command, _ in PARTITIONS:
        if command:
            volume = empty_file(folder / str(number), size * MIB)
            run(*command, volume)
            content[start * MIB : (start + size) * MIB] = volume.read_bytes()
        start += size
    return bytes(content)


def test_the_volumes_of_a_disk_are_named_with_kind_and_label(disk: bytes) -> None:
    layout = read_layout(BytesSource(disk))

    assert layout.notes == ()
    assert [(volume.name, volume.kind, volume.label) for volume in layout.volumes] == [
        ("1", "fat16", "ESP"),
        ("2", "reserved", ""),
        ("3", "ntfs", "Daten"),
        ("4", "ext4", "root"),
        ("5", "swap", "pages"),
        ("6", "exfat", "stick"),
        ("7", "empty", "nothing yet"),
        ("8", "ext2", ""),
    ]
    readable = {volume.name for volume in layout.volumes if volume.unreadable is None}
    assert readable == {"1", "3", "4", "6", "8"}
    assert [(volume.offset_bytes, volume.size_bytes) for volume in layout.volumes][:2] == [
        (MIB, 8 * MIB),
        (9 * MIB, 4 * MIB),
    ]


@pytest.mark.parametrize("name", ["1", "3", "4", "6", "8"])
def test_a_volume_is_opened_by_its_name(disk: bytes, name: str) -> None:
    volume, source = open_volume(BytesSource(disk), name)
    with open_file_system(source, volume.kind) as files:
        assert files.info.kind == volume.kind
        assert {entry.name for entry in files.entries("/")} <= {"lost+found"}


def test_a_volume_that_is_not_there_is_an_error_that_names_the_others(disk: bytes) -> None:
    with pytest.raises(EntryNotFound, match="no volume `9`") as caught:
        open_volume(BytesSource(disk), "9")

    assert caught.value.hint is not None
    assert caught.value.hint.startswith("It has: 1 (fat16), 2 (reserved), 3 (ntfs), 4 (ext4)")


def test_the_same_disk_is_read_from_a_vhdx(disk: bytes, tmp_path: Path, qemu_img: QemuImg) -> None:
    raw = tmp_path / "raw"
    raw.write_bytes(disk)
    qemu_img("convert", "-f", "raw", "-O", "vhdx", raw, tmp_path / "disk.vhdx")

    with open_disk(tmp_path / "disk.vhdx") as opened:
        assert read_layout(opened.image).volumes == read_layout(BytesSource(disk)).volumes


def test_a_volume_that_reaches_behind_the_end_says_so_and_is_not_filled_with_zeros(disk: bytes) -> None:
    cut = BytesSource(disk[: 30 * MIB])
    layout = read_layout(cut)

    (volume,) = [volume for volume in layout.volumes if volume.name == "4"]
    assert volume.notes == (f"the last {3 * MIB} bytes lie behind the end of the disk",)
    assert "partition 4 reaches behind the end of the disk" in layout.notes
    _, source = open_volume(cut, "4")
    assert len(source.read_at(0, 12 * MIB)) == 9 * MIB


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        (("mkfs.ntfs", "-q", "-F", "-f"), "ntfs"),
        (("mke2fs", "-q", "-F", "-t", "ext3"), "ext3"),
        (("mkfs.vfat", "-F", "32"), "fat32"),
        (("mkfs.vfat", "-F", "12"), "fat12"),
        (("mkfs.exfat",), "exfat"),
    ],
)
def test_a_disk_that_is_one_volume_is_volume_0(tmp_path: Path, command: tuple[str, ...], kind: str) -> None:
    path = empty_file(tmp_path / "disk", 40 * MIB if kind != "fat12" else 4 * MIB)
    run(*command, path)
    with FileSource(path) as source:
        (volume,) = read_layout(source).volumes

    assert (volume.name, volume.kind, volume.offset_bytes, volume.unreadable) == ("0", kind, 0, None)


def _with(*parts: tuple[int, bytes]) -> bytes:
    content = bytearray(MIB)
    for place, data in parts:
        content[place : place + len(data)] = data
    return bytes(content)


BOOT = (510, b"\x55\xaa")
TO_GO = (424, bytes.fromhex("3bd66749292ed84a8399f6a339e3d001"))


@pytest.mark.parametrize(
    ("content", "kind", "reason"),
    [
        (_with((3, b"-FVE-FS-"), BOOT), "bitlocker", "manage-bde -unlock"),
        (_with((0, b"\xeb\x58\x90MSWIN4.1"), TO_GO, BOOT), "bitlocker", "manage-bde -unlock"),
        (_with((3, b"ReFS\0\0\0\0"), BOOT), "refs", "Mount-VHD -ReadOnly"),
        (_with((0, b"LUKS\xba\xbe\0\2")), "luks", "cryptsetup"),
        (_with((4096, b"\xfc\x4e\x2b\xa9")), "linux-raid", "mdadm"),
        (_with((65536 + 64, b"_BHRfS_M")), "btrfs", "Linux machine"),
        (_with((32, b"NXSB")), "apfs", "macOS"),
        (_with((1024, b"H+\0\4")), "hfsplus", "Mac"),
        (_with((32769, b"CD001")), "iso9660", "7-Zip"),
        (_with((4086, b"SWAPSPACE2")), "swap", "no files"),
        (_with((5000, b"something")), "unknown", "nothing that is known"),
        (_with((MIB - 512 + 3, b"NTFS    ")), "unknown", "a copy of that of an NTFS volume"),
        (bytes(MIB), "empty", "nothing but zeros"),
        (b"", "empty", "nothing but zeros"),
    ],
)
def test_what_is_not_read_here_is_named_with_the_way_that_works(content: bytes, kind: str, reason: str) -> None:
    (volume,) = read_layout(BytesSource(content)).volumes

    assert volume.kind == kind
    assert reason in (volume.unreadable or "")


@pytest.mark.parametrize(
    ("partition_type", "kind", "reason"),
    [
        ("e75caf8f-f680-4cee-afa3-b001e56efc2d", "storage-spaces", "all disks of the pool"),
        ("af9b60a0-1431-4f62-bc68-3311714a69ad", "ldm", "foreign disk"),
        ("42", "ldm", "foreign disk"),
        ("21686148-6449-6e6f-744e-656564454649", "reserved", "no files"),
    ],
)
def test_the_type_of_a_partition_counts_where_its_bytes_may_mislead(
    partition_type: str, kind: str, reason: str
) -> None:
    contents = look_into(BytesSource(_with((3, b"NTFS    "), BOOT)), partition_type)

    assert contents.kind == kind
    assert reason in (contents.unreadable or "")


def test_no_bytes_make_looking_fail() -> None:
    chance = random.Random(1)  # noqa: S311
    signatures = ((3, b"NTFS    "), (3, b"EXFAT   "), (1080, b"\x53\xef"), (0, b"XFSB"), (0, b"LABELONE"))
    for _ in range(150):
        content = bytearray(chance.randbytes(chance.choice((1, 100, 511, 512, 2000, 70_000, 200_000))))
        place, magic = chance.choice(signatures)
        content[place : place + len(magic)] = magic
        content[510:512] = b"\x55\xaa"
        assert look_into(BytesSource(content)).kind


@pytest.mark.parametrize("name", ["dynamic.vhdx", "fixed.vhdx", "dynamic.vhd", "fixed.vhd"])
def test_the_volume_of_a_disk_that_windows_made_is_read(sample: Sample, name: str) -> None:
    with open_disk(sample(name)) as disk:
        volume, source = open_volume(disk.image, "1")
        assert (volume.kind, volume.label, volume.size_bytes) == ("ntfs", "New Volume", 7 * MIB)
        with open_file_system(source, volume.kind) as files:
            assert files.info.label == "New Volume"
            assert files.entry("/").owner == "S-1-5-18"
            assert list(files.entries("/")) == []


def test_a_disk_whose_first_sector_ends_like_a_partition_table_and_names_none_may_be_one_volume(tmp_path: Path) -> None:
    path = empty_file(tmp_path / "disk", 8 * MIB)
    run("mke2fs", "-q", "-F", "-t", "ext2", path)
    with path.open("r+b") as file:  # a boot loader may be there
        file.seek(510)
        file.write(b"\x55\xaa")
    with FileSource(path) as source:
        assert [(volume.name, volume.kind) for volume in read_layout(source).volumes] == [("0", "ext2")]


def test_btrfs_that_linux_made_on_hyper_v_is_named(sample: Sample) -> None:
    with open_disk(sample("discutils-btrfs.vhdx")) as disk:
        (volume,) = read_layout(disk.image).volumes

    assert (volume.name, volume.kind) == ("1", "btrfs")


def test_a_damaged_partition_table_is_an_error(disk: bytes) -> None:
    damaged = bytearray(disk)
    damaged[512 + 16] ^= 1
    damaged[-512 + 16] ^= 1

    with pytest.raises(ImageDamaged, match="both damaged"):
        read_layout(BytesSource(damaged))


def test_a_logical_partition_of_an_mbr_is_opened(tmp_path: Path) -> None:
    volume = empty_file(tmp_path / "volume", 4 * MIB)
    run("mkfs.vfat", "-F", "12", "-n", "LOGICAL", volume)
    (tmp_path / "file").write_text("inside")
    run("mcopy", "-i", volume, tmp_path / "file", "::/file")
    disk = bytearray(8 * MIB)
    struct.pack_into("<B3xB3xII", disk, 446, 0, 0x0F, 2048, 12_000)
    struct.pack_into("<B3xB3xII", disk, MIB + 446, 0, 0x01, 2048, 8192)
    for place in (0, MIB):
        disk[place + 510 : place + 512] = b"\x55\xaa"
    disk[2 * MIB : 6 * MIB] = volume.read_bytes()

    found, source = open_volume(BytesSource(disk), "5")

    assert (found.kind, found.label, found.partition_type) == ("fat12", "LOGICAL", "01")
    with open_file_system(source, found.kind) as files:
        assert read(files, "/file") == b"inside"
