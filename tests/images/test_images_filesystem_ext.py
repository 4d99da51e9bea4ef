"""ext2, ext3 and ext4 as e2fsprogs and Linux wrote them, compared with what was put in and with The Sleuth Kit."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hvbackup.errors import ImageDamaged, ImageUnsupported
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
        only_files,
        read,
        read_back,
        run,
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
        write_tree,
    )

INLINE = {f"inline.{size}": size for size in range(1, 161)}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What goes into the volumes."""
    root = tmp_path_factory.mktemp("ext") / "tree"
    root.mkdir()
    write_tree(root)
    (root / "crowd").mkdir()
    for number in range(2500):
        (root / "crowd" / f"a rather long name of a file, number {number:05}").touch()
    Path(os.fsdecode(os.fsencode(root) + b"/latin\xe9")).write_text("latin")
    Path(os.fsdecode(os.fsencode(root) + b"/many/other\xff")).write_text("other")
    for name, size in INLINE.items():
        (root / name).write_bytes(bytes(number % 251 + 1 for number in range(size)))
    os.chown(root / "sizes/s700.bin", 1000, 70_000)
    (root / "sizes/s700.bin").chmod(0o4750)
    os.utime(root / "sizes/s700.bin", ns=(0, 1_900_000_000_000_000_000))
    os.mkfifo(root / "pipe")
    return root


OPTIONS = {
    "ext2": ("-t", "ext2"),
    "ext3": ("-t", "ext3"),
    "ext4": ("-t", "ext4"),
    "ext4 with blocks of 1024": ("-t", "ext4", "-b", "1024"),
    "ext4 with inline data": ("-t", "ext4", "-O", "inline_data"),
    "ext4 with bigalloc": ("-t", "ext4", "-O", "bigalloc"),
    "ext4 without 64bit": ("-t", "ext4", "-O", "^64bit,^metadata_csum"),
}


@pytest.fixture(scope="module", params=OPTIONS)
def made(request: pytest.FixtureRequest, tree: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Made]:
    """A volume of each kind."""
    options = OPTIONS[request.param]
    path = empty_file(tmp_path_factory.mktemp("-".join(options)) / "volume", 64 * MIB)
    run("mke2fs", "-q", "-F", *options, "-L", "a label", "-d", tree, path)
    hashes = hashes_of(tree)
    if "inline_data" in options:
        del hashes["/sparse.bin"]  # mke2fs 1.47 cuts it
        run("debugfs", "-w", "-R", "rm /sparse.bin", path)
    return options[1], Made(path, hashes)


def test_all_files_come_back_as_they_were_put_in(made: tuple[str, Made]) -> None:
    kind, volume = made
    with FileSource(volume.path) as source, open_file_system(source, kind) as files:
        assert read_back(files) == volume.hashes
        assert (files.info.kind, files.info.label, files.info.notes) == (kind, "a label", ())


def test_the_second_engine_reads_the_same(made: tuple[str, Made]) -> None:
    kind, volume = made
    if "bigalloc" in volume.path.parent.name:
        pytest.skip("The Sleuth Kit 4.15 does not know bigalloc")
    with FileSource(volume.path) as source, open_file_system(source, kind, engine="tsk") as witness:
        seen = only_files(read_back(witness))

    expected = only_files(volume.hashes)
    unlike = {path for path in seen if seen[path] != expected[path]}
    assert seen.keys() == expected.keys()
    # The Sleuth Kit 4.15 reads no inline data
    assert not unlike or "inline_data" in volume.path.parent.name


def test_entries_are_as_the_guest_sees_them(made: tuple[str, Made]) -> None:
    kind, volume = made
    with FileSource(volume.path) as source, open_file_system(source, kind) as files:
        entry = files.entry("/sizes/s700.bin")
        assert (entry.mode, entry.owner, entry.group, entry.links) == (0o4750, "1000", "70000", 2)
        assert entry.id == files.entry("/hard.bin").id
        assert entry.modified_at is not None
        assert entry.modified_at.isoformat() == "2030-03-17T17:46:40+00:00"
        assert files.entry("/pipe").kind is EntryKind.OTHER
        if "/sparse.bin" not in volume.hashes:
            return
        sparse = files.entry("/sparse.bin")
        assert sparse.allocated_bytes is not None
        assert 12_000 < sparse.allocated_bytes < 400_000
        assert sparse.first_extent is not None


def test_times_after_2038_are_read(tmp_path: Path) -> None:
    path = empty_file(tmp_path / "volume", 16 * MIB)
    run("mke2fs", "-q", "-F", "-t", "ext4", "-I", "256", path)
    with mounted(path, "-o", "loop") as root:
        (root / "file").write_text("x")
        os.utime(root / "file", ns=(0, 4_100_000_000_123_456_789))

    with FileSource(path) as source, open_file_system(source, "ext4") as files:
        modified = files.entry("/file").modified_at
        assert modified is not None
        assert modified.isoformat() == "2099-12-03T16:53:20.123456+00:00"


def test_inline_data_that_are_cut_are_an_error_and_not_zeros(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    (root / "file").write_bytes(b"x" * 120)
    path = empty_file(tmp_path / "volume", 8 * MIB)
    run("mke2fs", "-q", "-F", "-t", "ext4", "-O", "inline_data", "-d", root, path)
    run("debugfs", "-w", "-R", "set_inode_field /file size 700", path)

    with FileSource(path) as source, open_file_system(source, "ext4") as files, pytest.raises(ImageDamaged):
        read(files, "/file")


def test_files_and_folders_encrypted_by_fscrypt_are_refused(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    (root / "secret").mkdir(parents=True)
    (root / "secret/file").write_text("x")
    (root / "plain").write_text("plain")
    path = empty_file(tmp_path / "volume", 8 * MIB)
    run("mke2fs", "-q", "-F", "-t", "ext4", "-O", "encrypt", "-d", root, path)
    run("debugfs", "-w", "-R", "set_inode_field /secret flags 0x80800", path)

    with FileSource(path) as source, open_file_system(source, "ext4") as files:
        listed = {entry.name: entry.unreadable or "" for entry in files.entries("/")}
        assert "fscrypt" in listed["secret"]
        with pytest.raises(ImageUnsupported, match="fscrypt"):
            list(files.entries("/secret"))
        with pytest.raises(ImageUnsupported, match="fscrypt"):
            files.open("/secret/file")
        assert read(files, "/plain") == b"plain"


def test_a_volume_that_was_mounted_when_it_was_copied_says_so(tmp_path: Path) -> None:
    path = empty_file(tmp_path / "volume", 16 * MIB)
    run("mke2fs", "-q", "-F", "-t", "ext4", path)
    with mounted(path, "-o", "loop") as root:
        (root / "file").write_text("x")
        run("sync")
        copy = path.read_bytes()

    with open_file_system(BytesSource(copy), "ext4") as files:
        assert [note.split(" is not replayed")[0] for note in files.info.notes] == ["its journal was not closed and"]


def test_bytes_that_are_no_file_system_are_an_error() -> None:
    with pytest.raises(ImageDamaged):
        open_file_system(BytesSource(bytes(MIB)), "ext4")
