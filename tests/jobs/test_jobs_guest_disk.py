"""The library's front door to disks: what is found, read and brought out, and what is refused."""

from __future__ import annotations

import shutil
import struct
import subprocess
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hvbackup import Cancellation, ImportRequest, Repository, browse, browse_point, import_folder
from hvbackup.errors import Cancelled, EntryNotFound, HvBackupError, ImageUnsupported, InvalidRequest
from hvbackup.images.extraction import ExtractedFile, ExtractionOptions
from hvbackup.images.writer import create_vhdx
from hvbackup.simulator.small_disk import own_content, write_small_disk

MIB = 1024 * 1024


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """The small disk: one NTFS volume with four files."""
    write_small_disk(tmp_path / "disk.vhdx", variant=1)
    return tmp_path / "disk.vhdx"


@pytest.fixture
def ext_volume(tmp_path: Path) -> Callable[[dict[str, bytes]], bytes]:
    """Make an ext4 volume of 8 MiB with some files."""
    program = shutil.which("mkfs.ext4", path="/sbin:/usr/sbin:/bin:/usr/bin")
    if program is None:
        pytest.skip("mkfs.ext4 is not installed")

    def make(files: dict[str, bytes]) -> bytes:
        tree = tmp_path / "tree"
        for name, content in files.items():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_bytes(content)
        raw = tmp_path / "volume.raw"
        with raw.open("wb") as file:
            file.truncate(8 * MIB)
        subprocess.run([program, "-q", "-F", "-d", str(tree), str(raw)], check=True, capture_output=True)
        return raw.read_bytes()

    return make


def write_disk(path: Path, content: bytes) -> None:
    """Write a disk that is one volume."""
    blocks = {number: content[number * MIB : (number + 1) * MIB] for number in range(len(content) // MIB)}
    create_vhdx(path, len(content), blocks)


# ---------------------------------------------------------------- volumes and files


def test_ten_lines_find_a_file_and_bring_it(disk: Path, tmp_path: Path) -> None:
    with browse(disk) as opened:
        assert [("1", "ntfs", "Data", None)] == [
            (each.name, each.kind, each.label, each.unreadable) for each in opened.volumes
        ]
        assert ["1:/machine.txt"] == [found.place for found in opened.find("**/MACHINE*")]
        with opened.files("1") as files:
            assert 4 == sum(1 for _ in files.entries("/"))
        assert own_content(1) == opened.open("1:/machine.txt").read_at(0, 5000)
        brought = opened.extract("1:/machine.txt", tmp_path / "out")

    assert (1, 0, 4096, None) == (brought.ok, brought.failed, brought.size_bytes, brought.stopped)
    assert own_content(1) == (tmp_path / "out" / "machine.txt").read_bytes()


def test_each_file_is_told_at_once_to_who_listens(disk: Path, tmp_path: Path) -> None:
    told: list[tuple[str, ExtractedFile]] = []

    with browse(disk) as opened:
        brought = opened.extract(
            ["1:/*.txt"],
            tmp_path / "out",
            options=ExtractionOptions(hashes=True),
            records=lambda volume, file: told.append((volume, file)),
        )

    assert {("1", "/Grüße 你好.txt"), ("1", "/machine.txt"), ("1", "/read me.txt")} == {
        (volume, file.path) for volume, file in told
    }
    assert all(file.sha256 for _, file in told)
    assert () == brought.volumes[0].result.records


def test_nothing_is_written_when_one_of_the_places_is_nowhere(disk: Path, tmp_path: Path) -> None:
    with browse(disk) as opened, pytest.raises(EntryNotFound, match="has no entry `nothing`"):
        opened.extract(["1:/ledger.csv", "1:/nothing"], tmp_path / "out")

    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("volume", "error", "says"),
    [
        ("7", EntryNotFound, "has no volume '7'"),
        ("1", None, ""),
        (None, None, ""),
    ],
)
def test_the_only_volume_need_not_be_named(
    disk: Path, volume: str | None, error: type[HvBackupError] | None, says: str
) -> None:
    with browse(disk) as opened:
        if error is None:
            assert "ntfs" == opened.volume(volume).kind
        else:
            with pytest.raises(error, match=says) as caught:
                opened.files(volume)
            assert "Its volumes are 1 (ntfs)." == caught.value.hint


def test_of_a_disk_without_readable_volumes_the_reasons_are_told(tmp_path: Path) -> None:
    write_disk(tmp_path / "locked.vhdx", b"\xeb\x58\x90-FVE-FS-".ljust(512, b"\0") + b"x" * (2 * MIB - 512))

    with browse(tmp_path / "locked.vhdx") as opened:
        with pytest.raises(ImageUnsupported, match="has no volume whose files can be read") as none:
            list(opened.find("**/x"))
        with pytest.raises(ImageUnsupported, match=r"volume 0 \(bitlocker\) cannot be read: it is locked"):
            opened.files("0")

    assert "volume 0 (bitlocker): it is locked by BitLocker" in str(none.value.hint)


def test_what_is_no_single_file_cannot_be_opened(disk: Path) -> None:
    with browse(disk) as opened:
        with pytest.raises(InvalidRequest, match="several files fit"):
            opened.open("**/*.txt")
        with pytest.raises(InvalidRequest, match="1:/ is no file but a folder"):
            opened.open("1:/")
        with pytest.raises(EntryNotFound, match="nothing fits"):
            opened.open("1:/x*")


def test_whoever_holds_the_cancellation_can_stop_what_is_done_with_a_disk(disk: Path, tmp_path: Path) -> None:
    cancel = Cancellation()

    with browse(disk, cancel=cancel) as opened:
        found = opened.find("1:/*")
        next(found)
        cancel.set()
        with pytest.raises(Cancelled):
            list(found)
        with pytest.raises(Cancelled):
            opened.extract("1:/", tmp_path / "out")


def test_closing_twice_is_no_error(disk: Path) -> None:
    opened = browse(disk)
    next(opened.find("1:/*"))

    opened.close()
    opened.close()


# ---------------------------------------------------------------- volumes on several disks


def checksum(data: bytes) -> int:
    return zlib.crc32(data, 0xF597A6CF ^ 0xFFFFFFFF) ^ 0xFFFFFFFF


def physical_volume(number: int, content: bytes) -> bytes:
    """A physical volume (LVM2) of the group `data`, whose logical volume `lv` lies half on disk 1, half on disk 2."""
    ids = ["a" * 32, "b" * 32]
    dashed = [
        "-".join((each[:6], each[6:10], each[10:14], each[14:18], each[18:22], each[22:26], each[26:])) for each in ids
    ]
    text = (
        f"""data {{
id = "{dashed[0]}"
seqno = 1
format = "lvm2"
status = ["RESIZEABLE", "READ", "WRITE"]
flags = []
extent_size = 2048
physical_volumes {{
pv0 {{ id = "{dashed[0]}" device = "/dev/sda" status = ["ALLOCATABLE"] flags = []
dev_size = 12288 pe_start = 2048 pe_count = 4 }}
pv1 {{ id = "{dashed[1]}" device = "/dev/sdb" status = ["ALLOCATABLE"] flags = []
dev_size = 12288 pe_start = 2048 pe_count = 4 }}
}}
logical_volumes {{
lv {{
id = "{dashed[1]}"
status = ["READ", "WRITE", "VISIBLE"]
flags = []
segment_count = 2
segment1 {{ start_extent = 0 extent_count = 4 type = "striped" stripe_count = 1 stripes = ["pv0", 0] }}
segment2 {{ start_extent = 4 extent_count = 4 type = "striped" stripe_count = 1 stripes = ["pv1", 0] }}
}}
}}
}}
""".encode()
        + b"\0"
    )
    label = struct.pack("<I8s", 32, b"LVM2 001") + ids[number].encode() + struct.pack("<Q", 6 * MIB)
    label += struct.pack("<QQQQQQQQ", MIB, 0, 0, 0, 4096, MIB - 4096, 0, 0)
    label = label.ljust(492, b"\0")
    area = b" LVM2 x[5A%r0N*>" + struct.pack("<IQQ", 1, 4096, MIB - 4096)
    area += struct.pack("<QQII", 512, len(text), checksum(text), 0)
    area = area.ljust(508, b"\0")
    head = bytes(512) + b"LABELONE" + struct.pack("<QI", 1, checksum(label)) + label
    head = head.ljust(4096, b"\0") + struct.pack("<I", checksum(area)) + area + text
    return head.ljust(MIB, b"\0") + content + bytes(MIB)


@pytest.fixture
def two_disks(tmp_path: Path, ext_volume: Callable[[dict[str, bytes]], bytes]) -> Path:
    """A folder with `a.vhdx` and `b.vhdx`: a logical volume half on each."""
    volume = ext_volume({"home/anna/budget.txt": b"money" * 100000})
    folder = tmp_path / "vm"
    folder.mkdir()
    write_disk(folder / "a.vhdx", physical_volume(0, volume[: 4 * MIB]))
    write_disk(folder / "b.vhdx", physical_volume(1, volume[4 * MIB :]))
    return folder


def test_a_logical_volume_on_two_disks_is_read_with_both(two_disks: Path) -> None:
    with browse(two_disks / "a.vhdx") as alone:
        assert [("0", "lvm2", True), ("data/lv", "unknown", True)] == [
            (each.name, each.kind, each.unreadable is not None) for each in alone.volumes
        ]
    with browse(two_disks / "a.vhdx", companions=[two_disks / "b.vhdx"]) as both:
        assert ["data/lv:/home/anna/budget.txt"] == [found.place for found in both.find("**/budget*")]
        assert b"money" * 100000 == both.open("data/lv:/home/anna/budget.txt").read_at(0, MIB)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    monkeypatch.setenv("HVBACKUP_STATE_DIR", str(tmp_path / "state"))
    with Repository.init(tmp_path / "repository", passphrase=None) as made:
        yield made


def test_in_a_point_the_other_disks_of_the_vm_are_found_by_themselves(two_disks: Path, repository: Repository) -> None:
    import_folder(repository, ImportRequest(folder=str(two_disks), vm_name="files", host="HV01"))

    with browse_point(repository, "latest:files", "b.vhdx") as disk:
        assert b"money" * 100000 == disk.open("**/budget.txt").read_at(0, MIB)
