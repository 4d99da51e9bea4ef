"""exFAT: the structure by mkfs.exfat, the files by hand, as nothing here mounts it; The Sleuth Kit is the witness."""

from __future__ import annotations

import random
import struct
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from hvbackup.errors import ImageDamaged
from hvbackup.images.filesystems.engines import open_file_system
from hvbackup.images.source import BytesSource

if TYPE_CHECKING:
    from tests.images.images_volumes import MIB, empty_file, read, read_back, run
else:
    from images_volumes import MIB, empty_file, read, read_back, run

NOISE = random.Random(4).randbytes(30_000)  # noqa: S311


class _File(NamedTuple):
    name: str
    first: int = 0
    size: int = 0
    valid: int | None = None
    chained: bool = False
    attributes: int = 0x20


class _ExFat:
    """A volume that files are added to by hand."""

    def __init__(self, path: Path) -> None:
        empty_file(path, 16 * MIB)
        run("mkfs.exfat", "-L", "a label", "-c", "4096", path)
        self.volume = bytearray(path.read_bytes())
        self.table, _, self.heap, _, self.root = struct.unpack_from("<IIIII", self.volume, 80)
        self.shift = self.volume[108]
        entry = next(at for at in range(self.place(self.root), len(self.volume), 32) if self.volume[at] == 0x81)
        self.bitmap = self.place(struct.unpack_from("<I", self.volume, entry + 20)[0])

    def allocate(self, *clusters: int) -> None:
        for cluster in clusters:
            self.volume[self.bitmap + (cluster - 2) // 8] |= 1 << (cluster - 2) % 8

    def place(self, cluster: int) -> int:
        return int((self.heap << self.shift) + (cluster - 2) * 4096)

    def chain(self, *clusters: int) -> None:
        for cluster, following in zip(clusters, (*clusters[1:], 0xFFFFFFFF), strict=True):
            struct.pack_into("<I", self.volume, (self.table << self.shift) + 4 * cluster, following)

    def write(self, cluster: int, data: bytes) -> None:
        self.volume[self.place(cluster) : self.place(cluster) + len(data)] = data

    def add(self, folder: int, files: list[_File]) -> None:
        raw = b"".join(_entries(file) for file in files)
        at = self.place(folder)
        while self.volume[at]:
            at += 32
        self.volume[at : at + len(raw)] = raw


def _entries(file: _File) -> bytes:
    name = file.name.encode("utf-16-le", "surrogatepass")
    parts = [name[at : at + 30].ljust(30, b"\0") for at in range(0, len(name), 30)]
    fields = (0x85, 1 + len(parts), 0, file.attributes, 0, TIME, TIME, TIME, 0, 150, 0x84, 0xF8, 0)
    head = struct.pack("<BBHHHIII5B7x", *fields)
    flags = 1 if file.chained else 3
    valid = file.size if file.valid is None else file.valid
    stream = struct.pack("<BBBBHHQIIQ", 0xC0, flags, 0, len(name) // 2, 0, 0, valid, 0, file.first, file.size)
    raw = head + stream + b"".join(b"\xc1\0" + part for part in parts)
    checksum = 0
    for at, byte in enumerate(raw):
        if at not in (2, 3):
            checksum = ((checksum << 15 | checksum >> 1) + byte) & 0xFFFF
    return raw[:2] + struct.pack("<H", checksum) + raw[4:]


#: 2030-03-17 17:46:40
TIME = (50 << 9 | 3 << 5 | 17) << 16 | 17 << 11 | 46 << 5 | 20
LONG = "a long name with ü and 日本 " * 8


@pytest.fixture
def made(tmp_path: Path) -> _ExFat:
    made = _ExFat(tmp_path / "volume")
    made.write(100, NOISE)
    for number, cluster in enumerate((300, 200, 250, 400)):
        made.write(cluster, NOISE[4096 * number : 4096 * (number + 1)])
    made.chain(300, 200, 250, 400)
    made.chain(500)
    made.allocate(*range(100, 108), 300, 200, 250, 400, 500)
    files = [
        _File("in one piece.bin", 100, 30_000),
        _File("chained.bin", 300, 16_000, chained=True),
        _File("half written.bin", 100, 20_000, valid=5000),
        _File("empty"),
        _File("Folder", 500, 4096, attributes=0x10, chained=True),
    ]
    made.add(made.root, files)
    made.add(500, [_File(LONG, 100, 10), _File("hidden", 100, 1, attributes=0x22)])
    return made


EXPECTED = {
    "/in one piece.bin": NOISE,
    "/chained.bin": NOISE[:16_000],
    "/half written.bin": NOISE[:5000] + bytes(15_000),
    "/empty": b"",
    f"/Folder/{LONG}": NOISE[:10],
    "/Folder/hidden": NOISE[:1],
}


def test_all_files_come_back_as_they_were_put_in(made: _ExFat) -> None:
    with open_file_system(BytesSource(made.volume), "exfat") as files:
        assert {path: read(files, path) for path in read_back(files)} == EXPECTED
        assert (files.info.kind, files.info.label, files.info.notes) == ("exfat", "a label", ())


def test_the_second_engine_reads_the_same(made: _ExFat) -> None:
    with open_file_system(BytesSource(made.volume), "exfat", engine="tsk") as witness:
        seen = {path: read(witness, path) for path in read_back(witness) if not path.startswith("/$")}

    del seen["/half written.bin"]  # The Sleuth Kit gives what is behind the valid length
    assert seen == {path: content for path, content in EXPECTED.items() if path != "/half written.bin"}


def test_names_are_found_whatever_their_case(made: _ExFat) -> None:
    with open_file_system(BytesSource(made.volume), "exfat") as files:
        assert files.entry(f"/FOLDER/{LONG.upper()}").name == LONG


def test_attributes_and_times_are_those_of_the_guest(made: _ExFat) -> None:
    with open_file_system(BytesSource(made.volume), "exfat") as files:
        entry = files.entry("/Folder/hidden")
        assert entry.attributes == ("hidden",)
        assert entry.created_at is not None
        assert entry.modified_at is not None
        assert entry.created_at.isoformat() == "2030-03-17T16:46:40+00:00"  # an hour east of UTC
        assert entry.modified_at.isoformat() == "2030-03-17T19:46:41.500000+00:00"  # two hours west of it
        assert entry.first_extent == made.place(100)


def test_an_entry_with_a_wrong_checksum_hides_none_of_the_others(made: _ExFat) -> None:
    at = made.volume.find(_entries(_File("chained.bin", 300, 16_000, chained=True)))
    made.volume[at + 4] ^= 1
    with open_file_system(BytesSource(made.volume), "exfat") as files:
        entries = {entry.name: entry.unreadable for entry in files.entries("/")}

    assert entries["chained.bin"] == "its entry in the folder has a wrong checksum"
    assert [name for name, unreadable in entries.items() if unreadable] == ["chained.bin"]


@pytest.mark.parametrize(("first", "size"), [(1, 10), (4_000_000, 10), (100, 1 << 60), (0, 5)])
def test_a_file_that_lies_nowhere_is_an_error_and_not_zeros(made: _ExFat, first: int, size: int) -> None:
    made.add(made.root, [_File("nowhere", first, size)])
    with open_file_system(BytesSource(made.volume), "exfat") as files, pytest.raises(ImageDamaged):
        files.open("/nowhere").read_at(0, 10)


def test_a_volume_marked_dirty_says_so(made: _ExFat) -> None:
    made.volume[106] |= 2
    with open_file_system(BytesSource(made.volume), "exfat") as files:
        assert files.info.notes == ("the volume is marked dirty: Windows would check it (chkdsk)",)
