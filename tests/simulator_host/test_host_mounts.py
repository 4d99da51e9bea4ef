"""Disks that are attached to the simulated host."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hvbackup.errors import DiskMountFailed, FileMissing, PathRefused
from hvbackup.remote.calls import DismountDisk, MountDisk

if TYPE_CHECKING:
    from tests.simulator_host.conftest import Asker

DISK = "D:\\Hyper-V\\build01\\Virtual Hard Disks\\build01.vhdx"


def test_a_mounted_disk_shows_its_partitions(ask: Asker) -> None:
    mounted = ask(MountDisk(path=DISK)).data

    (partition,) = mounted.partitions
    assert (1, "Basic", "NTFS", "F") == (
        partition.number,
        partition.type,
        partition.file_system,
        partition.drive_letter,
    )
    assert "F:\\" == partition.access_paths[0]
    assert (ask.host.folder / "F").is_symlink()


def test_mounting_twice_is_told_and_done_once(ask: Asker) -> None:
    ask(MountDisk(path=DISK))

    assert ask(MountDisk(path=DISK.lower())).data.already_mounted
    assert ask(DismountDisk(path=DISK)).data.was_mounted
    assert not ask(DismountDisk(path=DISK)).data.was_mounted
    assert not (ask.host.folder / "F").is_symlink()
    assert [] == [entry for entry in ask.host.folder.glob("Volume*") if not entry.is_symlink()]


def test_each_volume_gets_a_folder_below_the_access_root(ask: Asker) -> None:
    root = "C:\\ProgramData\\hvbackup\\mounts\\m1"

    mounted = ask(MountDisk(path=DISK, drive_letters=False, access_root=root)).data

    assert mounted.partitions[0].drive_letter is None
    assert root + "\\1\\" in mounted.partitions[0].access_paths
    assert ask.local(root + "\\1").is_symlink()
    ask(DismountDisk(path=DISK, access_root=root))
    assert not ask.local(root).exists()


def test_a_disk_of_a_running_vm_cannot_be_mounted_nor_can_its_parent(ask: Asker) -> None:
    for path in (
        "D:\\Hyper-V\\web01\\Virtual Hard Disks\\web01.vhdx",
        "E:\\Hyper-V\\chain01\\Virtual Hard Disks\\chain01.vhdx",
    ):
        with pytest.raises(DiskMountFailed, match="being used"):
            ask(MountDisk(path=path))


def test_what_is_missing_no_disk_or_not_empty_is_refused(ask: Asker) -> None:
    ask.local("D:\\x.vhdx").write_bytes(b"nonsense" * 100)

    with pytest.raises(FileMissing):
        ask(MountDisk(path="D:\\none.vhdx"))
    with pytest.raises(DiskMountFailed):
        ask(MountDisk(path="D:\\x.vhdx"))
    with pytest.raises(PathRefused):
        ask(MountDisk(path="none.vhdx"))
    with pytest.raises(PathRefused):
        ask(MountDisk(path=DISK, access_root="C:\\Windows"))
    assert [] == ask.host.read().mounted
