"""XFS as Linux and mkfs.xfs wrote it, compared with what was put in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hvbackup.errors import ImageDamaged
from hvbackup.images.filesystems.contract import EntryKind
from hvbackup.images.filesystems.engines import open_file_system
from hvbackup.images.source import BytesSource, FileSource

if TYPE_CHECKING:
    from tests.images.images_volumes import (
        MIB,
        Made,
        empty_file,
        hashes_of,
        mounted,
        read,
        read_back,
        run,
        write_tree,
    )
else:
    from images_volumes import MIB, Made, empty_file, hashes_of, mounted, read, read_back, run, write_tree

OPTIONS: dict[str, tuple[str, ...]] = {
    "version 5": (),
    "version 4, which some kernels do not mount": ("-m", "crc=0"),
    "blocks of folders of 16 KiB": ("-n", "size=16384"),
}


@pytest.fixture(scope="module", params=OPTIONS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A volume of each kind, written by the kernel."""
    path = empty_file(tmp_path_factory.mktemp("xfs") / "volume", 304 * MIB)
    run("mkfs.xfs", "-q", "-f", "-L", "a label", *OPTIONS[request.param], path)
    with mounted(path, "-o", "loop") as root:
        write_tree(root)
        (root / "crowd").mkdir()
        for number in range(1500):
            (root / "crowd" / f"a rather long name of a file, number {number:05}").touch()
        for folder in ("", "many/", "crowd/"):
            Path(os.fsdecode(os.fsencode(root) + f"/{folder}latin".encode() + b"\xe9")).write_text(folder)
        (root / "very long link").symlink_to("x" * 1000)
        os.mkfifo(root / "pipe")
        with (root / "reserved").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, MIB)
            file.write(b"only this was written")
        os.chown(root / "sizes/s700.bin", 1000, 70_000)
        os.utime(root / "sizes/s700.bin", ns=(0, 4_100_000_000_123_456_789))
        hashes = hashes_of(root)
    return Made(path, hashes)


def test_all_files_come_back_as_they_were_put_in(made: Made) -> None:
    with FileSource(made.path) as source, open_file_system(source, "xfs") as files:
        assert read_back(files) == made.hashes
        assert (files.info.kind, files.info.label, files.info.notes) == ("xfs", "a label", ())


def test_entries_are_as_the_guest_sees_them(made: Made) -> None:
    with FileSource(made.path) as source, open_file_system(source, "xfs") as files:
        entry = files.entry("/sizes/s700.bin")
        assert (entry.owner, entry.group, entry.links) == ("1000", "70000", 2)
        assert entry.modified_at is not None
        assert entry.modified_at.isoformat() == "2099-12-03T16:53:20.123456+00:00"
        assert files.entry("/pipe").kind is EntryKind.OTHER
        assert files.entry("/reserved").size_bytes == MIB


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
def test_what_mkfs_wrote_is_read_without_the_kernel(options: tuple[str, ...], tmp_path: Path) -> None:
    source = tmp_path / "content"
    source.write_bytes(b"from a prototype" * 1000)
    prototype = tmp_path / "prototype"
    lines = ["/dummy", "0 0", "d--755 0 0", f"file ---644 5 6 {source}", "folder d--700 0 0", "link l--777 0 0 ../file"]
    prototype.write_text("\n".join([*lines, "$", "$", ""]))
    path = empty_file(tmp_path / "volume", 304 * MIB)
    run("mkfs.xfs", "-q", "-f", *options, "-p", prototype, path)

    with FileSource(path) as volume, open_file_system(volume, "xfs") as files:
        assert read(files, "/file") == source.read_bytes()
        assert files.entry("/folder/link").target == "../file"
        assert (files.entry("/file").owner, files.entry("/folder").mode) == ("5", 0o700)


def test_a_volume_that_was_mounted_when_it_was_copied_says_so(tmp_path: Path) -> None:
    path = empty_file(tmp_path / "volume", 304 * MIB)
    run("mkfs.xfs", "-q", "-f", path)
    with mounted(path, "-o", "loop") as root:
        (root / "file").write_text("x")
        run("sync")
        copy = path.read_bytes()

    with open_file_system(BytesSource(copy), "xfs") as files:
        assert [note.split(" is not replayed")[0] for note in files.info.notes] == ["its journal was not closed and"]


def test_bytes_that_are_no_file_system_are_an_error() -> None:
    with pytest.raises(ImageDamaged):
        open_file_system(BytesSource(bytes(MIB)), "xfs")
