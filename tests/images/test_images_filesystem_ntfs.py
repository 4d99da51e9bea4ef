"""NTFS as ntfs-3g wrote it, read by libfsntfs and compared with what was put in and with The Sleuth Kit."""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hvbackup.errors import EntryNotFound, ImageDamaged, ImageUnsupported
from hvbackup.images.filesystems.contract import Entry, EntryKind, FileSystem, Stream
from hvbackup.images.filesystems.engines import open_file_system
from hvbackup.images.filesystems.ntfs import log_is_clean, owner_of
from hvbackup.images.source import BytesSource, FileSource

if TYPE_CHECKING:
    from tests.images.images_volumes import (
        MIB,
        Made,
        empty_file,
        hashes_of,
        mounted,
        only_files,
        read,
        read_back,
        run,
        set_reparse_point,
        write_tree,
    )
else:
    from images_volumes import (
        MIB,
        Made,
        empty_file,
        hashes_of,
        mounted,
        only_files,
        read,
        read_back,
        run,
        set_reparse_point,
        write_tree,
    )

OPTIONS = ("-o", "compression,permissions,streams_interface=windows")
WORDS = [bytes(random.Random(seed).choices(b"abcdefgh ", k=8)) for seed in range(64)]  # noqa: S311
TEXT = b"".join(random.Random(7).choices(WORDS, k=150_000))  # noqa: S311
NOISE = random.Random(8).randbytes(300_000)  # noqa: S311


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A volume with everything that ntfs-3g can write."""
    path = empty_file(tmp_path_factory.mktemp("ntfs") / "volume", 40 * MIB)
    run("mkfs.ntfs", "-q", "-F", "-f", "-L", "Größe", path)
    with mounted(path, *OPTIONS, program_name="ntfs-3g") as root:
        write_tree(root, links=False)
        (root / "hard.bin").hardlink_to(root / "sizes/s700.bin")
        _write_compressed(root / "compressed")
        _write_streams(root / "streams")
        _write_links(root / "links")
        (root / "case").mkdir()
        (root / "case/x.txt").write_text("small")
        (root / "case/X.TXT").write_text("large")
        (root / "case/only.txt").write_text("one")
        (root / "case/stra\u00dfe").write_text("sharp")
        long_name = root / "case/a long name.txt"
        long_name.write_text("long")
        os.setxattr(long_name, "system.ntfs_dos_name", b"ALONGN~1.TXT")
        os.chown(long_name, 1000, 1001)
        os.utime(long_name, ns=(0, 1_900_000_000_123_456_700))
        Path(os.fsdecode(os.fsencode(root) + b"/lone\xed\xa0\x80surrogate")).write_text("lone")
        hashes = hashes_of(root)
    return Made(path, {path: value for path, value in hashes.items() if not path.startswith(("/links", "/lone"))})


def _write_compressed(root: Path) -> None:
    root.mkdir()
    os.setxattr(root, "system.ntfs_attrib_be", struct.pack(">I", 0x810))
    for size in (100, 5000, 70_000, len(TEXT)):
        (root / f"text{size}.log").write_bytes(TEXT[:size])
    (root / "noise.bin").write_bytes(NOISE)
    (root / "zeros.bin").write_bytes(bytes(1_000_000))
    (root / "mixed.bin").write_bytes(
        b"".join(NOISE[at : at + 40_000] + b"A" * 50_000 for at in range(0, 280_000, 40_000))
    )


def _write_streams(root: Path) -> None:
    root.mkdir()
    (root / "host.txt").write_bytes(b"main\n")
    Path(f"{root}/host.txt:Zone.Identifier").write_bytes(b"[ZoneTransfer]\r\nZoneId=3\r\n")
    Path(f"{root}/host.txt:big").write_bytes(NOISE)


def _write_links(root: Path) -> None:
    root.mkdir()
    substitute, shown = r"\??\C:\Users".encode("utf-16-le"), r"C:\Users".encode("utf-16-le")
    names = struct.pack("<HHHH", 0, len(substitute), len(substitute) + 2, len(shown))
    (root / "junction").mkdir()
    set_reparse_point(root / "junction", 0xA0000003, names + substitute + bytes(2) + shown + bytes(2))
    target = r"..\sizes\s700.bin".encode("utf-16-le")
    (root / "symlink").touch()
    names = struct.pack("<HHHHI", 0, len(target), len(target), len(target), 1)
    set_reparse_point(root / "symlink", 0xA000000C, names + target * 2)
    for name, tag in (("dedup", 0x80000013), ("onedrive", 0x9000601A), ("strange", 0x8000BEEF)):
        empty_file(root / name, 100_000)
        set_reparse_point(root / name, tag, bytes(8))
    for name, tag in (("hydrated", 0x9000601A), ("strange but here", 0x8000BEEF), ("dedup with data", 0x80000013)):
        (root / name).write_bytes(NOISE)
        set_reparse_point(root / name, tag, bytes(8))
    (root / "wsl link").touch()
    set_reparse_point(root / "wsl link", 0xA000001D, b"\2\0\0\0target")
    empty_file(root / "wim boot", 100_000)
    set_reparse_point(root / "wim boot", 0x80000017, struct.pack("<IIII", 1, 1, 2, 0) + bytes(24))


@pytest.fixture
def files(made: Made) -> Iterator[FileSystem]:
    """The volume, open."""
    with FileSource(made.path) as source, open_file_system(source, "ntfs") as files:
        yield files


def _below(files: FileSystem, folder: str) -> dict[str, Entry]:
    return {entry.name: entry for entry in files.entries(folder, streams=True)}


def test_all_files_come_back_as_they_were_put_in(made: Made, files: FileSystem) -> None:
    assert read_back(files, without=("/links", "/lone")) == made.hashes


def test_the_second_engine_reads_the_same(made: Made) -> None:
    with FileSource(made.path) as source, open_file_system(source, "ntfs", engine="tsk") as witness:
        assert only_files(read_back(witness, without=("/links", "/lone"))) == made.hashes


def test_the_volume_says_what_it_is(files: FileSystem) -> None:
    assert (files.info.kind, files.info.label, files.info.block_bytes) == ("ntfs", "Größe", 4096)
    assert files.info.notes == ()


def test_the_files_of_ntfs_itself_are_hidden(files: FileSystem) -> None:
    assert not [entry.name for entry in files.entries("/") if entry.name.startswith("$")]


def test_names_are_found_whatever_their_case_and_the_exact_one_wins(files: FileSystem) -> None:
    assert read(files, "/case/x.txt") == b"small"
    assert read(files, "/case/X.TXT") == b"large"
    assert files.entry("/CASE/ONLY.txt").path == "/case/only.txt"
    assert files.entry("/case/STRAßE").name == "straße"


@pytest.mark.parametrize("path", ["/case/strasse", "/case/nothing", "/case/../case", "/case/only.txt/x", "/nothing/x"])
def test_a_path_that_leads_nowhere_is_an_error(files: FileSystem, path: str) -> None:
    with pytest.raises(EntryNotFound):
        files.entry(path)


def test_a_file_cannot_be_listed(files: FileSystem) -> None:
    with pytest.raises(EntryNotFound, match=r"/case/only\.txt is not a folder"):
        list(files.entries("/case/only.txt"))


def test_a_short_name_is_not_listed_beside_the_long_one(files: FileSystem) -> None:
    names = sorted(entry.name for entry in files.entries("/case"))

    assert names == ["X.TXT", "a long name.txt", "only.txt", "straße", "x.txt"]
    assert files.entry("/case/a long name.txt").links == 1


def test_owner_and_times_are_those_of_the_guest(files: FileSystem) -> None:
    entry = files.entry("/case/a long name.txt")

    assert entry.owner == "S-1-5-21-3141592653-589793238-462843383-12000"
    assert entry.modified_at is not None
    assert entry.modified_at.isoformat() == "2030-03-17T17:46:40.123456+00:00"


def test_hard_links_share_an_id_and_are_counted(files: FileSystem) -> None:
    first, second = files.entry("/hard.bin"), files.entry("/sizes/s700.bin")

    assert first.id == second.id
    assert (first.links, second.links) == (2, 2)


def test_a_name_that_is_no_text_is_kept(files: FileSystem) -> None:
    (entry,) = [entry for entry in files.entries("/") if entry.name.startswith("lone")]

    assert entry.name == "lone\ud800surrogate"
    assert read(files, entry.path) == b"lone"


def test_streams_are_listed_and_read(files: FileSystem) -> None:
    entry = files.entry("/streams/host.txt")

    assert set(entry.streams) == {Stream(name="Zone.Identifier", size_bytes=26), Stream(name="big", size_bytes=300_000)}
    assert read(files, entry.path, "Zone.Identifier") == b"[ZoneTransfer]\r\nZoneId=3\r\n"
    assert read(files, entry.path, "big") == NOISE
    assert [each.streams for each in files.entries("/streams")] == [()]


def test_a_stream_that_is_not_there_is_an_error(files: FileSystem) -> None:
    with pytest.raises(EntryNotFound, match="has no stream `nothing`"):
        files.open("/streams/host.txt", stream="nothing")


def test_extents_say_where_contents_begin_and_what_they_take(files: FileSystem) -> None:
    small, sparse = files.entry("/sizes/s1.bin"), files.entry("/sparse.bin")
    compressed = files.entry(f"/compressed/text{len(TEXT)}.log")

    assert (small.first_extent, small.allocated_bytes) == (None, 0)
    assert sparse.first_extent is not None
    assert sparse.allocated_bytes is not None
    assert 12_288 <= sparse.allocated_bytes <= 200_000
    assert compressed.allocated_bytes is not None
    assert compressed.allocated_bytes < compressed.size_bytes
    assert "compressed" in compressed.attributes


def test_links_lead_where_they_say(files: FileSystem) -> None:
    links = _below(files, "/links")

    assert (links["junction"].kind, links["junction"].target) == (EntryKind.JUNCTION, r"C:\Users")
    assert (links["symlink"].kind, links["symlink"].target) == (EntryKind.SYMLINK, r"..\sizes\s700.bin")
    with pytest.raises(EntryNotFound, match="is not a folder") as caught:
        files.entry("/links/junction/anna")
    assert caught.value.hint == r"It is a link to C:\Users; links are not followed."


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("dedup", "Data Deduplication"),
        ("dedup with data", "Data Deduplication"),
        ("onedrive", "kept online"),
        ("strange", "0x8000beef"),
        ("wsl link", "WSL"),
        ("wim boot", "WIM file"),
    ],
)
def test_what_only_looks_like_a_file_is_refused_and_not_given_as_zeros(
    files: FileSystem, name: str, reason: str
) -> None:
    entry = _below(files, "/links")[name]

    assert reason in (entry.unreadable or "")
    with pytest.raises(ImageUnsupported):
        files.open(entry.path)


@pytest.mark.parametrize("name", ["hydrated", "strange but here"])
def test_a_tag_that_is_not_known_does_not_hide_contents_that_are_there(files: FileSystem, name: str) -> None:
    assert read(files, f"/links/{name}") == NOISE


# ---------------------------------------------------------------- volumes changed by hand


class _Mft:
    """The master file table of a volume in memory, to change records in."""

    def __init__(self, volume: bytearray) -> None:
        self.volume = volume
        self.start = struct.unpack_from("<Q", volume, 48)[0] * volume[13] * 512

    def attribute(self, number: int, kind: int) -> int:
        """Where an attribute of a record lies."""
        record = self.start + number * 1024
        at = record + struct.unpack_from("<H", self.volume, record + 20)[0]
        while struct.unpack_from("<I", self.volume, at)[0] != kind:
            at += struct.unpack_from("<I", self.volume, at + 4)[0]
        return int(at)


@pytest.fixture
def table(made: Made) -> _Mft:
    return _Mft(bytearray(made.path.read_bytes()))


@pytest.mark.parametrize("path", ["/compressed/noise.bin", "/fragments0.bin"])
def test_what_was_never_written_behind_the_valid_length_is_zeros(files: FileSystem, table: _Mft, path: str) -> None:
    whole = read(files, path)
    struct.pack_into("<Q", table.volume, table.attribute(files.entry(path).id, 0x80) + 56, 100_000)

    with open_file_system(BytesSource(table.volume), "ntfs") as changed:
        assert read(changed, path) == whole[:100_000] + bytes(len(whole) - 100_000)


def test_a_file_encrypted_by_efs_is_refused(files: FileSystem, table: _Mft) -> None:
    number = files.entry("/fragments0.bin").id
    flags = table.attribute(number, 0x10) + 24 + 32
    struct.pack_into("<I", table.volume, flags, struct.unpack_from("<I", table.volume, flags)[0] | 0x4000)

    with open_file_system(BytesSource(table.volume), "ntfs") as changed:
        assert "encrypted" in changed.entry("/fragments0.bin").attributes
        with pytest.raises(ImageUnsupported, match="encrypted by EFS"):
            changed.open("/fragments0.bin")


def test_a_damaged_file_does_not_hide_the_others(files: FileSystem, table: _Mft) -> None:
    record = table.start + files.entry("/case/only.txt").id * 1024
    table.volume[record : record + 4] = b"BAAD"

    with open_file_system(BytesSource(table.volume), "ntfs") as changed:
        found = list(changed.entries("/case"))
        assert {"X.TXT", "x.txt", "a long name.txt", "straße"} < {entry.name for entry in found}
        assert [entry.kind for entry in found if entry.unreadable] == [EntryKind.OTHER]


def test_a_volume_that_was_cut_is_damaged_and_not_zeros(made: Made) -> None:
    whole = made.path.read_bytes()
    with open_file_system(BytesSource(whole), "ntfs") as files:
        place = max(entry.first_extent or 0 for entry in files.entries("/sizes"))
        path = next(entry.path for entry in files.entries("/sizes") if entry.first_extent == place)
    with open_file_system(BytesSource(whole[: place + 4096]), "ntfs") as cut, pytest.raises(ImageDamaged):
        read(cut, path)


def test_a_volume_whose_journal_was_not_closed_or_is_dirty_says_so(table: _Mft) -> None:
    struct.pack_into("<H", table.volume, table.attribute(3, 0x70) + 24 + 10, 1)

    with open_file_system(BytesSource(table.volume), "ntfs") as changed:
        assert changed.info.notes == ("the volume is marked dirty: Windows would check it (chkdsk)",)


def _restart_page(lsn: int, in_use: int, flags: int) -> bytes:
    page = bytearray(4096)
    page[:4] = b"RSTR"
    struct.pack_into("<H", page, 24, 48)
    struct.pack_into("<QHHHH", page, 48, lsn, 1, 0, in_use, flags)
    return bytes(page)


@pytest.mark.parametrize(
    ("pages", "clean"),
    [
        (b"\xff" * 8192, True),
        (_restart_page(5, 0xFFFF, 0) * 2, True),
        (_restart_page(5, 0, 0) * 2, False),
        (_restart_page(5, 0, 2) * 2, True),
        (_restart_page(5, 0, 2) + _restart_page(6, 0, 0), False),
        (_restart_page(7, 0, 2) + _restart_page(6, 0, 0), True),
        (b"RSTR" + b"\xff" * 100, True),
    ],
)
def test_the_newer_restart_page_says_whether_the_journal_is_clean(pages: bytes, clean: bool) -> None:
    assert log_is_clean(pages) is clean


HEADER = struct.pack("<IIIII", 0x80040001, 20, 0, 0, 0)


@pytest.mark.parametrize(
    ("descriptor", "owner"),
    [
        (b"", None),
        (bytes(20), None),
        (HEADER + bytes.fromhex("01020000000000052000000020020000"), "S-1-5-32-544"),
        (HEADER + bytes.fromhex("01ff000000000005"), None),
        (struct.pack("<IIIII", 0x80040001, 4000, 0, 0, 0), None),
    ],
)
def test_the_owner_of_a_security_descriptor(descriptor: bytes, owner: str | None) -> None:
    assert owner_of(descriptor) == owner


def test_changed_bytes_in_the_metadata_give_an_error_or_another_tree_but_no_crash(table: _Mft) -> None:
    chance = random.Random(3)  # noqa: S311
    start, end = table.start, table.start + 64 * 1024
    whole = bytes(table.volume[start:end])
    for _ in range(30):
        table.volume[start:end] = whole
        for _ in range(20):
            table.volume[start + chance.randrange(len(whole))] = chance.randrange(256)
        try:
            with open_file_system(BytesSource(table.volume), "ntfs") as files:
                assert all(entry.path == f"/{entry.name}" for entry in files.entries("/"))
        except (ImageDamaged, ImageUnsupported):
            continue


# ---------------------------------------------------------------- clusters of other sizes


@pytest.mark.parametrize("cluster", [512, 2048, 8192, 65536])
def test_folders_are_whole_whatever_the_size_of_a_cluster(cluster: int, tmp_path: Path) -> None:
    """Where a block of an index is smaller than a cluster, libfsntfs 20260827 leaves most of a large folder out."""
    path = empty_file(tmp_path / "volume", 96 * MIB)
    run("mkfs.ntfs", "-q", "-F", "-f", "-c", str(cluster), path)
    with mounted(path, *OPTIONS, program_name="ntfs-3g") as root:
        for folder_name in ("one", "two", "three"):
            (root / folder_name).mkdir()
        for number in range(250):  # in turn, so that the indexes of the folders lie in pieces
            for folder_name in ("one", "two", "three"):
                (root / folder_name / f"a name that is rather long, as they are - {number:04}.txt").write_text(
                    f"{number}"
                )
        for number in range(0, 250, 3):
            (root / "two" / f"a name that is rather long, as they are - {number:04}.txt").unlink()
        (root / "one/inner").mkdir()
        (root / "one/inner/ü.bin").write_bytes(bytes(range(256)) * 400)
        expected = hashes_of(root)

    with FileSource(path) as source, open_file_system(source, "ntfs") as files:
        assert read_back(files, without=("/$RECYCLE.BIN",)) == expected
        assert files.entry("/ONE/INNER/Ü.bin").size_bytes == 102_400
        assert len({entry.name for entry in files.entries("/three")}) == 250


def test_of_an_index_with_a_damaged_block_the_rest_is_listed_and_the_damage_told(tmp_path: Path) -> None:
    path = empty_file(tmp_path / "volume", 48 * MIB)
    run("mkfs.ntfs", "-q", "-F", "-f", "-c", "65536", path)
    with mounted(path, *OPTIONS, program_name="ntfs-3g") as root:
        (root / "many").mkdir()
        for number in range(100):
            (root / "many" / f"file {number:04}").touch()
        (root / "fine").write_text("fine")
    content = path.read_bytes()
    name = "file 0".encode("utf-16-le")
    indexes = (at for at in range(0, len(content), 4096) if content[at : at + 4] == b"INDX")
    (*_, last) = (at for at in indexes if name in content[at : at + 4096])
    path.write_bytes(content[:last] + b"BAAD" + content[last + 4 :])

    with FileSource(path) as source, open_file_system(source, "ntfs") as files:
        listed = list(files.entries("/many"))
        good = [entry.name for entry in listed if entry.unreadable is None]
        (bad,) = (entry.unreadable for entry in listed if entry.unreadable is not None)
        assert 10 < len(good) < 100
        assert "not all of the folder can be read" in bad
        assert read(files, "/fine") == b"fine"
