"""An imported folder with a VM's configuration in it becomes a point that can be rebuilt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hvbackup.errors import InvalidRequest
from hvbackup.events import Event, Note
from hvbackup.images.writer import VhdxParent, create_vhdx
from hvbackup.jobs.host import verify
from hvbackup.jobs.import_folder import import_folder
from hvbackup.jobs.import_record import match_disks
from hvbackup.jobs.requests import ImportRequest, RebuildBy, RebuildRequest
from hvbackup.models import RestorePoint, Vm
from hvbackup.repository.repository import Repository

Site = Any

MIB = 1024 * 1024
VM_ID = "b90ac31b-c6f8-479f-9b91-07b894a6a3f6"
SCSI = "d422512d-2bf2-4752-809d-7b82b5fcb1b4"
ADAPTER = "2fc216b0-d2e2-4967-9b6d-b8a5c9ca2778"
SYSTEM, DATA = r"D:\VMs\web09\Virtual Hard Disks\system.vhdx", r"E:\Data\data.vhdx"


def xml(value: Any, name: str = "configuration") -> str:
    """A configuration as Server 2012 R2 writes it."""
    if isinstance(value, dict):
        return f"<{name}>{''.join(xml(each, key) for key, each in value.items())}</{name}>"
    kind = {bool: "bool", int: "integer", str: "string"}[type(value)]
    return f'<{name} type="{kind}">{value}</{name}>'


def configuration(*disks: str, vm_id: str = VM_ID, **more: Any) -> str:
    drives = {f"drive{number}": {"type": "VHD", "pathname": path} for number, path in enumerate(disks)}
    return xml(
        {
            "properties": {"global_id": vm_id.upper(), "name": "web09", "subtype": 1, "version": 1280},
            "settings": {"memory": {"bank": {"size": 2048}}, "processors": {"count": 3}},
            "manifest": {
                "vdev001": {"device": SCSI, "instance": "AA4B08D9-E0F7-4ADD-B08C-3259AC8BD05D"},
                "vdev002": {"device": ADAPTER, "instance": "B5996220-9AB5-4A2D-A79D-CBE9C4BC06D6"},
            },
            "_aa4b08d9-e0f7-4add-b08c-3259ac8bd05d_": {"controller0": drives},
            "_b5996220-9ab5-4a2d-a79d-cbe9c4bc06d6_": {
                "FriendlyName": "LAN",
                "MacAddress": "00-15-5D-01-02-03",
                "MacAddressIsStatic": True,
            },
            **more,
        }
    )


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    monkeypatch.setenv("HVBACKUP_STATE_DIR", str(tmp_path / "state"))
    with Repository.init(tmp_path / "points", passphrase=None) as made:
        yield made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An exported VM with two disks."""
    place = tmp_path / "export"
    for name in ("Virtual Machines", "Virtual Hard Disks"):
        (place / name).mkdir(parents=True)
    create_vhdx(place / "Virtual Hard Disks" / "system.vhdx", 4 * MIB, {0: b"s" * MIB})
    create_vhdx(place / "Virtual Hard Disks" / "data.vhdx", 4 * MIB, {1: b"d" * MIB})
    write_configuration(place, configuration(SYSTEM, DATA))
    return place


def write_configuration(folder: Path, text: str) -> None:
    (folder / "Virtual Machines" / f"{VM_ID.upper()}.xml").write_bytes(text.encode("utf-16"))


def bring(repository: Repository, folder: Path, **request: Any) -> RestorePoint:
    wanted = {"vm_name": "web09", "host": "HV01", **request}
    return import_folder(repository, ImportRequest(folder=str(folder), **wanted)).point


def record(point: RestorePoint) -> Vm:
    assert point.vm is not None
    return point.vm


def test_the_point_gets_the_record_of_the_vm_from_its_configuration(repository: Repository, folder: Path) -> None:
    point = bring(repository, folder)

    assert (VM_ID, ()) == (point.vm_id, point.warnings)
    vm = record(point)
    assert (VM_ID, "web09", 2, "5.0", 2048 * MIB, 3, "Unknown") == (
        vm.id, vm.name, vm.generation, vm.version, vm.memory.startup_bytes, vm.processor.count, vm.state
    )  # fmt: skip
    assert [(0, SYSTEM, "Dynamic"), (1, DATA, "Dynamic")] == [
        (disk.controller_location, disk.path, disk.chain[0].type) for disk in vm.disks
    ]
    assert [("LAN", "00155D010203", False)] == [
        (each.name, each.mac_address, each.dynamic_mac_address) for each in vm.network_adapters
    ]
    assert point == repository.point(point.id)


def test_the_point_says_where_its_record_is_from_and_what_is_not_in_it(repository: Repository, folder: Path) -> None:
    assert (
        (
            f"settings of the VM read from Virtual Machines/{VM_ID.upper()}.xml (XML, configuration version 5.0), not "
            "from a host"
        ),
        "not known from it: the boot order is not known: it boots from its first disk",
    ) == bring(repository, folder).evidence[3:]


def test_attached_disks_are_known_by_the_paths_that_they_had(repository: Repository, folder: Path) -> None:
    files = {file.name: file.source for file in bring(repository, folder).files}

    assert {
        "Virtual Hard Disks/data.vhdx": DATA,
        "Virtual Hard Disks/system.vhdx": SYSTEM,
        f"Virtual Machines/{VM_ID.upper()}.xml": str(folder / "Virtual Machines" / f"{VM_ID.upper()}.xml"),
    } == files


def test_a_chain_is_recorded_with_all_its_links_and_verifies(repository: Repository, folder: Path) -> None:
    disks = folder / "Virtual Hard Disks"
    base = create_vhdx(disks / "base.vhdx", 4 * MIB, {0: b"b" * MIB})
    parent = VhdxParent(data_write_guid=base, relative_path=".\\base.vhdx", absolute_path="D:\\VMs\\base.vhdx")
    create_vhdx(disks / "leaf.avhdx", 4 * MIB, {1: b"l" * MIB}, parent=parent)
    write_configuration(folder, configuration(r"D:\VMs\leaf.avhdx"))

    point = bring(repository, folder)

    (disk,) = record(point).disks
    assert [(r"D:\VMs\leaf.avhdx", "Differencing"), (str(disks / "base.vhdx"), "Dynamic")] == [
        (link.path, link.type) for link in disk.chain
    ]
    assert () == verify(repository, point.id).problems


def test_a_disk_that_is_not_in_the_folder_is_left_out_and_told_of(repository: Repository, folder: Path) -> None:
    write_configuration(folder, configuration(SYSTEM, r"F:\other\logs.vhdx", r"C:\a\..\system.vhdx"))
    events: list[Event] = []

    result = import_folder(
        repository, ImportRequest(folder=str(folder), vm_name="web09", host="HV01"), events=events.append
    )

    name = f"Virtual Machines/{VM_ID.upper()}.xml"
    texts = [
        f"the disk {path} of {name} is not clearly in the folder: the record leaves it out"
        for path in (r"F:\other\logs.vhdx", r"C:\a\..\system.vhdx")
    ]
    assert tuple(f"doubtful: {text}" for text in texts) == result.point.warnings
    assert texts == [event.text for event in events if isinstance(event, Note) and event.level == "warning"]
    assert [SYSTEM] == [disk.path for disk in record(result.point).disks]
    assert () == verify(repository, result.point.id).problems


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("not xml", "this is neither a VMCX container nor XML"),
        ("<configuration><settings>", "is damaged: line 1, column "),
        ("<html/>", "this is a file that holds 'html', not the configuration of a VM"),
        (configuration(vm_id="11111111-2222-3333-4444-555555555555"), "it describes another VM (11111111-2222"),
        (configuration(settings={"memory": {}}), "the configuration lacks the id, name, generation, memory"),
    ],
)
def test_a_configuration_that_says_nothing_is_a_doubt_and_no_error(
    repository: Repository, folder: Path, text: str, why: str
) -> None:
    write_configuration(folder, text)

    point = bring(repository, folder)

    assert point.vm is None
    assert why in point.warnings[0]
    assert point.warnings[0].endswith("the point has no record of the VM, and rebuild cannot take it")


def test_the_configurations_of_other_vms_and_of_checkpoints_are_not_read(repository: Repository, folder: Path) -> None:
    (folder / "Snapshots").mkdir()
    (folder / "Snapshots" / "11111111-2222-3333-4444-555555555555.xml").write_text("noise")

    assert record(bring(repository, folder)).id == VM_ID
    assert bring(repository, folder, vm_id="22222222-2222-3333-4444-555555555555").vm is None


def test_disks_are_matched_by_name_then_by_folders_and_never_twice() -> None:
    names = ["a/disk.vhdx", "b/disk.vhdx", "b/Other.vhdx", "x/same.vhdx"]

    assert {r"D:\vm\A\DISK.vhdx": "a/disk.vhdx", r"D:\vm\other.vhdx": "b/Other.vhdx"} == match_disks(
        [r"D:\vm\A\DISK.vhdx", r"D:\vm\other.vhdx", r"D:\vm\missing.vhdx"], names
    )
    assert {} == match_disks([r"D:\vm\c\disk.vhdx"], names)  # either of two
    assert {} == match_disks([r"D:\one\same.vhdx", r"D:\two\same.vhdx"], names)
    assert {r"\\server\share\b\disk.vhdx": "b/disk.vhdx"} == match_disks([r"\\server\share\b\disk.vhdx"], names)


# ---------------------------------------------------------------- to a VM again


def test_an_imported_vm_is_made_anew_on_a_host(site: Site, folder: Path) -> None:
    point = import_folder(
        site.repository, ImportRequest(folder=str(folder), vm_name="web09", host=site.host.facts().computer_name)
    ).point

    result = site.host.rebuild(
        site.repository, RebuildRequest(point=point.id, by=RebuildBy.NEW, path="E:\\Restored", name="again")
    )

    vm = result.vm
    assert ("again", 2, 2048 * MIB, 3) == (vm.name, vm.generation, vm.memory.startup_bytes, vm.processor.count)
    assert [
        (0, r"E:\Restored\again\Virtual Hard Disks\system.vhdx"),
        (1, r"E:\Restored\again\Virtual Hard Disks\data.vhdx"),
    ] == [(disk.controller_location, disk.path) for disk in vm.disks]
    original = (folder / "Virtual Hard Disks" / "system.vhdx").read_bytes()
    assert original == site.windows_file(vm.disks[0].path).read_bytes()


def test_without_a_folder_to_go_to_an_imported_vm_is_not_made(site: Site, folder: Path) -> None:
    point = import_folder(site.repository, ImportRequest(folder=str(folder), vm_name="web09", host="HV01")).point

    with pytest.raises(InvalidRequest, match="was imported from a folder, not backed up from a host"):
        site.host.plan_rebuild(site.repository, RebuildRequest(point=point.id, by=RebuildBy.NEW))
