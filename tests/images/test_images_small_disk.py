"""The small disk that ships with the simulator is a real one, and its variants differ where they should."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from hvbackup.images.source import FileSource
from hvbackup.images.vhdx import Vhdx
from hvbackup.simulator.small_disk import (
    OWN_CONTENT_OFFSET,
    OWN_CONTENT_SIZE,
    SMALL_DISK_BLOCK,
    own_content,
    small_disk_blocks,
    write_small_disk,
)

NTFSCAT = shutil.which("ntfscat") or ""
SGDISK = shutil.which("sgdisk") or ""


def _bytes_of(image: Path) -> bytes:
    with FileSource(image) as source:
        disk = Vhdx(source)
        return disk.read_at(0, disk.size)


def test_two_variants_differ_in_one_block_only() -> None:
    first, second = dict(small_disk_blocks(1)), dict(small_disk_blocks(2))

    assert first.keys() == second.keys()
    assert [number for number in first if first[number] != second[number]] == [OWN_CONTENT_OFFSET // SMALL_DISK_BLOCK]


def test_the_same_variant_is_the_same_file_each_time(tmp_path: Path) -> None:
    write_small_disk(tmp_path / "one.vhdx", variant=7)
    write_small_disk(tmp_path / "two.vhdx", variant=7)

    assert (tmp_path / "one.vhdx").read_bytes() == (tmp_path / "two.vhdx").read_bytes()


def test_variants_have_ids_of_their_own(tmp_path: Path) -> None:
    ids = set()
    for variant in (1, 2):
        write_small_disk(tmp_path / f"{variant}.vhdx", variant=variant)
        with FileSource(tmp_path / f"{variant}.vhdx") as source:
            disk = Vhdx(source)
            ids |= {disk.metadata.disk_id, disk.header.data_write_guid, disk.header.file_write_guid}

    assert len(ids) == 6


def test_own_content_replaces_the_marker_of_the_shipped_disk(tmp_path: Path) -> None:
    write_small_disk(tmp_path / "new.vhdx", variant=3)

    content = _bytes_of(tmp_path / "new.vhdx")

    assert b"hvbackup:own-content" not in content
    assert content[OWN_CONTENT_OFFSET : OWN_CONTENT_OFFSET + OWN_CONTENT_SIZE] == own_content(3)
    assert own_content(3).startswith(b"machine 3, line 0: ")


@pytest.mark.skipif(not NTFSCAT, reason="ntfscat (ntfs-3g) is not installed")
def test_its_volume_is_ntfs_with_the_files_that_were_put_in(tmp_path: Path) -> None:
    write_small_disk(tmp_path / "new.vhdx", variant=5)
    (tmp_path / "volume").write_bytes(_bytes_of(tmp_path / "new.vhdx")[1024 * 1024 : 63 * 1024 * 1024])

    def file_of_volume(name: str) -> bytes:
        command = [NTFSCAT, "--force", str(tmp_path / "volume"), name]
        return subprocess.run(command, check=True, capture_output=True).stdout

    assert file_of_volume("read me.txt").startswith(b"This small disk ships with hvbackup.")
    assert file_of_volume("Grüße 你好.txt") == "Grüße aus Zürich, привет, 你好\r\n".encode()
    assert file_of_volume("ledger.csv").splitlines()[11999] == b"booking,012000,open"
    assert file_of_volume("machine.txt") == own_content(5)


@pytest.mark.skipif(not SGDISK, reason="sgdisk is not installed")
def test_its_partition_table_has_no_problems_in_the_eyes_of_sgdisk(tmp_path: Path) -> None:
    write_small_disk(tmp_path / "new.vhdx", variant=5)
    (tmp_path / "disk").write_bytes(_bytes_of(tmp_path / "new.vhdx"))

    answer = subprocess.run([SGDISK, "-v", str(tmp_path / "disk")], check=True, capture_output=True, text=True)

    assert "No problems found." in answer.stdout
