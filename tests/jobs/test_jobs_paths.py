from __future__ import annotations

import pytest

from hvbackup.errors import VolumeNotCovered
from hvbackup.jobs.paths import below_folder, in_shadow, is_absolute, name_in_point, same_path, volume_of
from hvbackup.models import Volume

C = Volume(id="\\\\?\\Volume{c}\\", paths=("C:\\",))
CSV = Volume(id="\\\\?\\Volume{csv}\\", paths=("C:\\ClusterStorage\\Volume1\\",))
D = Volume(id="\\\\?\\Volume{d}\\", paths=("D:\\",))


def test_a_volume_mounted_in_a_folder_wins_over_the_drive_of_the_folder() -> None:
    assert CSV == volume_of(r"c:\clusterstorage\volume1\vm\a.vhdx", [C, CSV, D])
    assert C == volume_of(r"C:\ClusterStorage\Volume10\a.vhdx", [C, CSV, D])


def test_a_path_by_volume_guid_is_found_too() -> None:
    assert D == volume_of("\\\\?\\Volume{D}\\VMs\\a.vhdx", [C, CSV, D])


def test_a_file_is_found_below_the_folder_of_its_shadow_copy() -> None:
    mounts = {CSV.id: r"C:\ProgramData\hvbackup\runs\r\v0"}

    found = in_shadow(r"C:\ClusterStorage\Volume1\vm\a, b.vhdx", [C, CSV], mounts)

    assert r"C:\ProgramData\hvbackup\runs\r\v0\vm\a, b.vhdx" == found


def test_a_file_on_a_volume_outside_the_set_is_an_error_not_a_crash_consistent_copy() -> None:
    with pytest.raises(VolumeNotCovered) as caught:
        in_shadow(r"D:\VMs\a.vhdx", [C, D], {C.id: r"C:\x\v0"})

    assert r"D:\VMs\a.vhdx" in caught.value.message


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (r"d:\VMs\web01\a.vhdx", "D/VMs/web01/a.vhdx"),
        ("\\\\?\\Volume{1}\\VMs\\a.vhdx", "Volume{1}/VMs/a.vhdx"),
    ],
)
def test_names_in_points_keep_the_tree(path: str, name: str) -> None:
    assert name == name_in_point(path)


def test_the_tree_is_kept_below_another_folder() -> None:
    assert r"E:\Restore\D\VMs\a.vhdx" == below_folder(r"E:\Restore", "D/VMs/a.vhdx")


@pytest.mark.parametrize(
    ("path", "absolute"),
    [
        (r"D:\a", True),
        ("\\\\?\\Volume{x}\\a", True),
        (r"D:a", False),
        (r"a\b", False),
        (r"D:\a\..\b", False),
        ("D:/a/../b", False),
        (r"\\server\share\a", False),
        ("/etc", False),
    ],
)
def test_only_full_local_paths_are_absolute(path: str, absolute: bool) -> None:
    assert absolute is is_absolute(path)


def test_paths_are_the_same_whatever_their_case() -> None:
    assert same_path(r"D:\VMs\A.vhdx", r"d:\vms\a.VHDX")
