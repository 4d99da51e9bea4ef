from __future__ import annotations

from typing import Any

import pytest

from hvbackup.errors import InvalidRequest, RestoreRefused
from hvbackup.hyperv.rebuild import RebuildChoice, choose_rebuild, import_call, new_call, places_for
from hvbackup.models import Disk, Memory, Method, PointFile, Processor, RestorePoint, Vm
from hvbackup.remote.calls import DiskPlacement, VmInventory

VM_ID = "00000001-0000-4000-8000-000000000000"


def vm(name: str = "web01", vm_id: str = VM_ID) -> Vm:
    disk = Disk(controller_type="SCSI", controller_number=0, controller_location=0, path=r"D:\VMs\web01\web01.vhdx")
    return Vm(
        id=vm_id,
        name=name,
        state="Running",
        generation=2,
        version="9.0",
        path=r"D:\VMs\web01",
        configuration_location=r"D:\VMs\web01",
        snapshot_file_location=r"D:\VMs\web01",
        memory=Memory(startup_bytes=1 << 30),
        processor=Processor(count=1),
        disks=(disk,),
    )


def point(*, configuration: bool = True, consistency: str = "guest") -> RestorePoint:
    files = [
        PointFile(name="D/VMs/web01/web01.vhdx", source=r"D:\VMs\web01\web01.vhdx", kind="disk", size_bytes=1, hash="")
    ]
    if configuration:
        name = f"D/VMs/web01/Virtual Machines/{VM_ID.upper()}.vmcx"
        files.append(PointFile(name=name, source="x", kind="configuration", size_bytes=1, hash=""))
    return RestorePoint(
        id="p",
        host="HV01",
        vm_id=VM_ID,
        vm_name="web01",
        asked_at="",
        snapshot_at="",
        finished_at="",
        method_asked=Method.ONLINE,
        method=Method.ONLINE,
        consistency=consistency,
        files=tuple(files),
        vm=vm(),
    )


def choose(the_point: RestorePoint, *vms: Vm, **options: Any) -> RebuildChoice:
    defaults: dict[str, Any] = {
        "name": None,
        "in_place": True,
        "by": "auto",
        "replace": False,
        "connect_network": None,
        "switch": None,
        "drop_saved_state": False,
    }
    return choose_rebuild(the_point, VmInventory(vms=vms, switches=("LAN",)), **{**defaults, **options})


def test_a_vm_that_is_gone_is_imported_with_its_id_and_network() -> None:
    choice = choose(point())

    assert ("import", True, True, "web01") == (choice.by, choice.keeps_id, choice.connect_network, choice.name)


def test_without_a_configuration_file_it_is_made_by_new_vm() -> None:
    choice = choose(point(configuration=False))

    assert ("new", False) == (choice.by, choice.keeps_id)


def test_an_existing_vm_is_never_overwritten_without_leave() -> None:
    with pytest.raises(RestoreRefused) as caught:
        choose(point(), vm())

    assert "--replace" in (caught.value.hint or "")
    assert "--as" in (caught.value.hint or "")


def test_the_files_of_an_existing_vm_are_in_the_way_even_under_another_name() -> None:
    with pytest.raises(RestoreRefused):
        choose(point(), vm(), name="web01-copy", in_place=True)


def test_beside_the_original_it_gets_a_new_id_and_no_network() -> None:
    choice = choose(point(), vm(), name="web01-copy", in_place=False)

    assert ("new", False, False, False) == (
        choice.by,
        choice.keeps_id,
        choice.connect_network,
        choice.removes_original,
    )


def test_with_replace_the_original_goes_and_its_id_stays() -> None:
    choice = choose(point(), vm(), replace=True)

    assert ("import", True, True) == (choice.by, choice.keeps_id, choice.removes_original)


def test_a_name_that_another_vm_has_is_refused() -> None:
    with pytest.raises(RestoreRefused, match="another VM"):
        choose(point(), vm("WEB01", "00000002-0000-4000-8000-000000000000"))


def test_an_unknown_switch_is_named_with_those_that_exist() -> None:
    with pytest.raises(InvalidRequest, match="'LAN'"):
        choose(point(), switch="DMZ")


def test_import_is_refused_while_its_id_is_taken() -> None:
    with pytest.raises(RestoreRefused, match="need the id"):
        choose(point(), vm(), name="copy", in_place=False, by="import")


def test_losing_the_saved_state_is_said() -> None:
    choice = choose(point(consistency="saved-state"), by="new")

    assert any("saved state" in reason for reason in choice.reasons)


def test_calls_name_every_disk_by_where_it_was_and_where_it_is() -> None:
    the_point = point()
    places = places_for(the_point, lambda name, _source: "E:\\new\\" + name.replace("/", "\\"))
    choice = choose(the_point)

    imported = import_call(the_point, choice, places, switch=None, drop_saved_state=False)
    made = new_call(the_point, choice, places, path="E:\\new", switch="LAN")

    placement = DiskPlacement(recorded_path=r"D:\VMs\web01\web01.vhdx", path=r"E:\new\D\VMs\web01\web01.vhdx")
    assert (placement,) == imported.disks == made.disks
    assert imported.configuration_path.endswith(f"{VM_ID.upper()}.vmcx")
    assert "LAN" == made.switch_name


def test_a_disk_that_is_not_in_the_point_stops_the_rebuild() -> None:
    the_point = point()

    with pytest.raises(InvalidRequest, match="not among the files"):
        new_call(the_point, choose(the_point), {}, path="E:\\", switch=None)
