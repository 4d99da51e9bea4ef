"""FAT12, FAT16 and FAT32 as mtools wrote them; compared with what was put in, and with The Sleuth Kit."""

from __future__ import annotations

import contextlib
import os
import random
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hvbackup.errors import EntryNotFound, ImageDamaged, ImageError
from hvbackup.images.filesystems.engines import open_file_system
from hvbackup.images.source import BytesSource, FileSource

if TYPE_CHECKING:
    from tests.images.images_volumes import (
        MIB,
        Made,
        empty_file,
        entries_of,
        hashes_of,
        read,
        read_back,
        run,
        write_tree,
    )
else:
    from images_volumes import MIB, Made, empty_file, entries_of, hashes_of, read, read_back, run, write_tree

OPTIONS = {"fat12": ("-F", "12", "-s", "8"), "fat16": ("-F", "16", "-s", "2"), "fat32": ("-F", "32", "-s", "1")}
TIME = 1_900_000_000


@pytest.fixture(scope="module", params=OPTIONS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Made]:
    """A volume of each kind."""
    folder = tmp_path_factory.mktemp("fat")
    root, path = folder / "tree", empty_file(folder / "volume", 15 * MIB if request.param == "fat12" else 40 * MIB)
    root.mkdir()
    write_tree(root, links=False, fits_fat=True)
    (root / "names/emoji_😀_🚀.txt").unlink()  # mtools 4 writes such letters wrong
    (root / "lower.txt").write_text("lower")
    os.utime(root / "lower.txt", (TIME, TIME))
    run("mkfs.vfat", *OPTIONS[request.param], "-n", "A LABEL", path)
    run("mcopy", "-s", "-m", "-Q", "-i", path, *root.iterdir(), "::/")
    run("mattrib", "+h", "+r", "-i", path, "::/lower.txt")
    return request.param, Made(path, hashes_of(root))


def test_all_files_come_back_as_they_were_put_in(made: tuple[str, Made]) -> None:
    kind, volume = made
    with FileSource(volume.path) as source, open_file_system(source, kind) as files:
        assert read_back(files) == volume.hashes
        assert (files.info.kind, files.info.label) == (kind, "A LABEL")
        assert files.info.notes == ("its times are local times of the guest, shown as if they were UTC",)


def test_the_second_engine_reads_the_same(made: tuple[str, Made]) -> None:
    kind, volume = made
    with FileSource(volume.path) as source, open_file_system(source, kind, engine="tsk") as witness:
        seen = read_back(witness)

    # The Sleuth Kit cuts names at 195 letters and does not know short names that are not ASCII
    assert {path: value for path, value in seen.items() if path in volume.hashes and volume.hashes[path] != value} == {}
    assert len(seen) == len(volume.hashes)
    assert len(seen.keys() & volume.hashes.keys()) >= len(seen) - 3


def test_attributes_and_times_are_those_of_the_guest(made: tuple[str, Made]) -> None:
    kind, volume = made
    local = run("date", "-d", f"@{TIME}", "+%Y-%m-%dT%H:%M:%S").strip()
    with FileSource(volume.path) as source, open_file_system(source, kind) as files:
        entry = files.entry("/LOWER.TXT")
        assert entry.path == "/lower.txt"
        assert entry.attributes == ("read_only", "hidden")
        assert entry.modified_at is not None
        assert entry.modified_at.isoformat() == f"{local}+00:00"
        assert entry.first_extent is not None


def test_a_name_that_is_not_there_is_an_error(made: tuple[str, Made]) -> None:
    kind, volume = made
    with FileSource(volume.path) as source, open_file_system(source, kind) as files, pytest.raises(EntryNotFound):
        files.entry("/names/nothing")


# ---------------------------------------------------------------- made by hand


def _volume(*entries: bytes, table: bytes = b"\xf8\xff\xff\xff") -> bytearray:
    """A FAT16 of 512-byte clusters: sector 1 is the table (16 sectors), 17 the root (1 sector), 18 cluster 2."""
    volume = bytearray(6000 * 512)
    volume[:3] = b"\xeb\x3c\x90"
    struct.pack_into("<HBHBHHBH", volume, 11, 512, 1, 1, 1, 16, 6000, 0xF8, 24)
    volume[510:512] = b"\x55\xaa"
    volume[512 : 512 + len(table)] = table
    root = 512 * 25
    volume[root : root + 32 * len(entries)] = b"".join(entries)
    return volume


def _entry(name: bytes, *, first: int = 0, size: int = 0, attributes: int = 0x20, case: int = 0) -> bytes:
    return struct.pack("<11sBB13xHI", name, attributes, case, first, size)


def _table(*values: int) -> bytes:
    return struct.pack(f"<{len(values) + 2}H", 0xFFF8, 0xFFFF, *values)


def _names(volume: bytearray) -> list[str]:
    with open_file_system(BytesSource(volume), "fat16") as files:
        return [entry.name for entry in files.entries("/")]


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (_entry(b"README  TXT"), "README.TXT"),
        (_entry(b"README  TXT", case=0x18), "readme.txt"),
        (_entry(b"README  TXT", case=0x08), "readme.TXT"),
        (_entry(b"NOEXT      "), "NOEXT"),
        (_entry(b"\x05BER    TXT"), "ÕBER.TXT"),
        (_entry(b"GR\x99SSE  TXT"), "GRÖSSE.TXT"),
    ],
)
def test_short_names_are_read_as_windows_shows_them(raw: bytes, name: str) -> None:
    assert _names(_volume(raw)) == [name]


def test_deleted_entries_and_labels_and_lost_long_names_are_not_listed() -> None:
    lost = bytes([0x41]) + "lost".encode("utf-16-le") + bytes(2) + bytes([0x0F, 0, 0x77]) + bytes(18)
    entries = [_entry(b"\xe5ELETED TXT"), _entry(b"LABEL      ", attributes=8), lost, _entry(b"KEPT    TXT")]

    assert _names(_volume(*entries)) == ["KEPT.TXT"]


@pytest.mark.parametrize(
    ("table", "what"),
    [
        (_table(3, 2), "circle"),
        (_table(0), "cluster 0"),
        (_table(0xFFF7), "cluster 65527"),
        (_table(9999), "cluster 9999"),
        (_table(0xFFFF), "shorter than its file"),
    ],
)
def test_a_chain_that_is_damaged_is_an_error_and_not_zeros(table: bytes, what: str) -> None:
    volume = _volume(_entry(b"FILE    BIN", first=2, size=100_000), table=table)
    with open_file_system(BytesSource(volume), "fat16") as files, pytest.raises(ImageDamaged, match=what):
        read(files, "/FILE.BIN")


def test_a_file_without_a_cluster_is_damaged() -> None:
    volume = _volume(_entry(b"FILE    BIN", size=10))
    with open_file_system(BytesSource(volume), "fat16") as files, pytest.raises(ImageDamaged):
        read(files, "/FILE.BIN")


def test_a_folder_inside_itself_is_listed_once_and_not_entered() -> None:
    volume = _volume(_entry(b"LOOP       ", first=2, attributes=0x10), table=_table(0xFFFF))
    volume[26 * 512 : 26 * 512 + 32] = _entry(b"AGAIN      ", first=2, attributes=0x10)
    with open_file_system(BytesSource(volume), "fat16") as files:
        (first,) = files.entries("/LOOP")
        assert first.unreadable is None
        (second,) = files.entries("/LOOP/AGAIN")
        assert second.unreadable == "it is a folder that it lies in itself: the volume is damaged"
        with pytest.raises(ImageDamaged):
            list(files.entries("/LOOP/AGAIN/AGAIN"))


@pytest.mark.parametrize("path", [Path("/A/B")])
def test_the_entry_with_a_slash_in_its_name_is_shown_and_cannot_be_opened(path: Path) -> None:
    volume = _volume(_entry(b"A/B     TXT"))
    with open_file_system(BytesSource(volume), "fat16") as files:
        (entry,) = files.entries("/")
        assert (entry.name, entry.unreadable) == (r"A\x2fB.TXT", "its name cannot be part of a path")
        with pytest.raises(EntryNotFound):
            files.open(str(path))


def test_changed_bytes_give_an_error_or_other_files_but_no_other_failure() -> None:
    chance = random.Random(11)  # noqa: S311
    folder = _entry(b"FOLDER     ", first=2, attributes=0x10)
    whole = _volume(folder, _entry(b"FILE    BIN", first=4, size=900), table=_table(3, 0xFFFF, 5, 0xFFFF))
    whole[26 * 512 : 26 * 512 + 64] = _entry(b"INNER   TXT", first=6, size=5) + _entry(
        b"LOOP       ", first=2, attributes=16
    )
    for _ in range(300):
        volume = bytearray(whole)
        for _ in range(chance.choice((1, 4, 20))):
            volume[
                chance.choice((chance.randrange(64), 512 + chance.randrange(16), 25 * 512 + chance.randrange(576)))
            ] = chance.randrange(256)
        with contextlib.suppress(ImageError), open_file_system(BytesSource(volume), "fat16") as files:
            for entry in entries_of(files):
                with contextlib.suppress(ImageError):
                    files.open(entry.path).read_at(0, 1000)
