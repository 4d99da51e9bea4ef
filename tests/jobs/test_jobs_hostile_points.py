"""Points that somebody has made by hand to write where no restore may write."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hvbackup.errors import RepositoryDamaged, StoreUnavailable
from hvbackup.jobs.point_files import choose_files, is_device_name, require_safe_names
from hvbackup.jobs.rebuild import plan_rebuild
from hvbackup.jobs.requests import RebuildRequest, RestoreRequest
from hvbackup.jobs.restore_local import restore_to_folder
from hvbackup.models import HostFacts, PointFile, RestorePoint, Vm

MakePoint = Callable[..., RestorePoint]
Refusal = (RepositoryDamaged, "written elsewhere")


def named(name: str, source: str = r"D:\VMs\a.vhdx") -> PointFile:
    return PointFile(name=name, source=source, kind="disk", size_bytes=4, hash="00")


class Reader:
    """A point whose every file holds four bytes."""

    def __init__(self, point: RestorePoint) -> None:
        self.point = point

    def restore(self, _name: str, sink: Callable[[int, bytes], None], **_: object) -> None:
        sink(0, b"evil")


NAMES = [
    "../out.vhdx", "D/../../out.vhdx", "/etc/out", "D//out", "..", "C:/out", "D/a:stream", "D\\..\\out", "D/out.",
    "D/\x00", "//server/share/out",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_no_name_leads_out_of_the_folder(
    make_point: MakePoint, make_vm: Callable[..., Vm], tmp_path: Path, name: str
) -> None:
    reader: Any = Reader(make_point(make_vm(), files=(named("D/VMs/a.vhdx"), named(name))))
    target = tmp_path / "deep" / "target"

    with pytest.raises(Refusal[0], match=Refusal[1]):
        restore_to_folder(reader, RestoreRequest(point="p", to=str(target)))
    with pytest.raises(Refusal[0], match=Refusal[1]):
        choose_files(reader.point, ("D/VMs/a.vhdx",))

    assert not target.exists()
    assert [] == [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    "source", [r"C:\Windows\System32\a.dll", r"..\a.vhdx", r"D:\VMs\..\a.vhdx", r"\\nas\share\a.vhdx", "a.vhdx"]
)
def test_in_place_a_file_goes_only_where_its_name_says_that_it_came_from(
    facts: HostFacts, make_point: MakePoint, make_vm: Callable[..., Vm], source: str
) -> None:
    reader: Any = Reader(make_point(make_vm(), files=(named("D/VMs/a.vhdx", source),)))
    nobody: Any = None

    with pytest.raises(Refusal[0], match=Refusal[1]):
        plan_rebuild(nobody, facts, reader, RebuildRequest(point="p"))


def test_what_a_backup_makes_is_safe(make_point: MakePoint, make_vm: Callable[..., Vm]) -> None:
    volume = r"\\?\Volume{22222222-0000-0000-0000-000000000000}\a b\Büro [1].vhdx"
    files = (named("D/VMs/a.vhdx"), named("Volume{22222222-0000-0000-0000-000000000000}/a b/Büro [1].vhdx", volume))

    require_safe_names(make_point(make_vm(), files=files), in_place=True)


@pytest.mark.parametrize(
    ("name", "device"),
    [("D/CON", True), ("D/nul.vhdx", True), ("aux/a", True), ("D/com1", True), ("D/con1", False), ("D/console", False)],
)
def test_names_that_windows_takes_for_devices_are_known(name: str, device: bool) -> None:
    assert device is is_device_name(name)


def test_a_file_that_cannot_get_its_name_leaves_nothing_beside_it(
    make_point: MakePoint, make_vm: Callable[..., Vm], tmp_path: Path
) -> None:
    reader: Any = Reader(make_point(make_vm(), files=(named("D/VMs/a.vhdx"),)))
    (tmp_path / "D" / "VMs" / "a.vhdx").mkdir(parents=True)

    with pytest.raises(StoreUnavailable):
        restore_to_folder(reader, RestoreRequest(point="p", to=str(tmp_path), replace=True))

    assert [] == [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_link_beside_the_file_is_not_written_through(
    make_point: MakePoint, make_vm: Callable[..., Vm], tmp_path: Path
) -> None:
    reader: Any = Reader(make_point(make_vm(), files=(named("a.vhdx"),)))
    precious = tmp_path / "precious"
    precious.write_bytes(b"keep")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.vhdx.hvbpart").symlink_to(precious)

    with pytest.raises(StoreUnavailable):
        restore_to_folder(reader, RestoreRequest(point="p", to=str(tmp_path / "out")))

    assert b"keep" == precious.read_bytes()
