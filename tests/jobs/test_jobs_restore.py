"""Restores, rebuilds and mounts on a simulated host over real WinRM."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hvbackup.errors import (
    Cancelled,
    ConnectionLost,
    FileMissing,
    InvalidRequest,
    RepositoryDamaged,
    RestoreRefused,
    ScriptFailed,
)
from hvbackup.events import Cancellation, Event, Progress, StepStarted
from hvbackup.jobs.host import restore_files, verify
from hvbackup.jobs.requests import BackupRequest, MountRequest, RebuildBy, RebuildRequest, RestoreRequest
from hvbackup.models import RestorePoint
from hvbackup.remote.calls import RemoveFile, RemoveVm
from hvbackup.simulator.vm_specs import VmSpec

Site = Any

CLEAN = (0, 0, 0)


def back_up(site: Site, name: str, **request: Any) -> RestorePoint:
    result = site.host.backup(site.repository, BackupRequest(include=(name,), allow_offline=True, **request))
    point: RestorePoint = site.repository.point(result.jobs[0].point_id)
    return point


def delete_vm(site: Site, point: RestorePoint) -> dict[str, bytes]:
    """Delete the VM and its files, as somebody would by mistake; return what the files held."""
    held = {file.source: site.windows_file(file.source).read_bytes() for file in point.files}
    site.host.transport.call(RemoveVm(id=point.vm_id, turn_off=True))
    site.host.transport.call(RemoveFile(files=tuple(held)))
    return held


# ---------------------------------------------------------------- to this machine


def test_files_come_back_to_this_machine_byte_for_byte(site: Site, tmp_path: Path) -> None:
    point = back_up(site, "db01")

    result = restore_files(site.repository, RestoreRequest(point=point.id, to=str(tmp_path / "out")))

    assert len(point.files) == len(result.files)
    for file in point.files:
        restored = tmp_path / "out" / file.name
        assert site.windows_file(file.source).read_bytes() == restored.read_bytes()
    assert not list((tmp_path / "out").rglob("*.hvbpart"))


def test_only_the_files_that_are_meant_come_back(site: Site, tmp_path: Path) -> None:
    point = back_up(site, "db01")

    result = restore_files(site.repository, RestoreRequest(point=point.id, to=str(tmp_path), files=("*.vhdx",)))

    assert 2 == len(result.files)


def test_files_in_the_way_are_kept_unless_replacing_is_allowed(site: Site, tmp_path: Path) -> None:
    point = back_up(site, "web01")
    target = tmp_path / point.files[0].name
    target.parent.mkdir(parents=True)
    target.write_bytes(b"precious")
    request = RestoreRequest(point=point.id, to=str(tmp_path))

    with pytest.raises(RestoreRefused, match="there already"):
        restore_files(site.repository, request)
    assert b"precious" == target.read_bytes()

    restore_files(site.repository, msgspec.structs.replace(request, replace=True))
    assert target.stat().st_size == point.files[0].size_bytes


def test_a_stopped_restore_leaves_no_half_written_file(site: Site, tmp_path: Path) -> None:
    point = back_up(site, "web01")
    cancel = Cancellation()

    def stop(event: Event) -> None:
        if isinstance(event, Progress):
            cancel.set()

    with pytest.raises(Cancelled):
        restore_files(
            site.repository, RestoreRequest(point=point.id, to=str(tmp_path / "out")), events=stop, cancel=cancel
        )

    assert not list((tmp_path / "out").rglob("*.hvbpart"))


@pytest.mark.skipif(os.name == "nt", reason="holes are looked at by POSIX means")
def test_zeros_stay_holes(site: Site, tmp_path: Path) -> None:
    point = back_up(site, "web01")

    restore_files(site.repository, RestoreRequest(point=point.id, to=str(tmp_path), files=("*.vhdx",)))

    disk = next(tmp_path.rglob("*.vhdx")).stat()
    assert disk.st_blocks * 512 < disk.st_size / 2


# ---------------------------------------------------------------- verify


def test_a_good_point_verifies_and_a_hurt_one_names_the_file(site: Site, tmp_path: Path) -> None:
    point = back_up(site, "web01")
    good = verify(site.repository, point.id)
    for pack in (tmp_path / "repository" / "packs").rglob("*"):
        if pack.is_file():
            data = bytearray(pack.read_bytes())
            data[len(data) // 3] ^= 0xFF
            pack.write_bytes(data)

    hurt = verify(site.repository, point.id)

    assert () == good.problems
    assert hurt.problems


# ---------------------------------------------------------------- to a host


def test_files_come_back_to_a_folder_of_the_host(site: Site) -> None:
    point = back_up(site, "web01")

    result = site.host.restore(site.repository, RestoreRequest(point=point.id, to=r"E:\Restore"))

    for file in result.files:
        original = site.windows_file(next(f.source for f in point.files if f.name == file.name))
        assert original.read_bytes() == site.windows_file(file.path).read_bytes()
    assert CLEAN == site.leftovers()
    assert [] == list((site.state / "journal").iterdir())


def test_a_restore_never_holds_all_hashes_of_a_disk(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    from hvbackup.repository.reader import BlockPointReader

    def all_at_once(*_: object) -> bytes:
        raise AssertionError("1.3 GB for a disk of 10 TB")

    monkeypatch.setattr(BlockPointReader, "hashes", all_at_once)
    point = back_up(site, "web01")

    result = site.host.restore(site.repository, RestoreRequest(point=point.id, to=r"E:\Restore"))

    assert len(point.files) == len(result.files)


def test_the_host_s_files_are_kept_unless_replacing_is_allowed(site: Site) -> None:
    point = back_up(site, "web01")
    request = RestoreRequest(point=point.id, to=r"E:\Restore")
    site.host.restore(site.repository, request)

    with pytest.raises(RestoreRefused, match="already"):
        site.host.restore(site.repository, request)

    site.host.restore(site.repository, msgspec.structs.replace(request, replace=True))


@pytest.mark.parametrize("folder", ["Restore", r"E:Restore", r"E:\a\..\b", r"\\nas\share", "/restore"])
def test_only_full_paths_of_the_host_are_taken(site: Site, folder: str) -> None:
    point = back_up(site, "web01")

    with pytest.raises(InvalidRequest, match="full Windows path"):
        site.host.restore(site.repository, RestoreRequest(point=point.id, to=folder))


def test_a_volume_without_room_is_refused_before_anything_is_written(site: Site) -> None:
    point = back_up(site, "web01")
    with site.served.host.change() as record:
        for volume in record.volumes:
            volume.free_bytes = 1000

    with pytest.raises(RestoreRefused, match="MiB free"):
        site.host.restore(site.repository, RestoreRequest(point=point.id, to=r"E:\Restore"))

    assert not site.windows_file(r"E:\Restore").exists()


def test_a_failed_restore_removes_what_it_wrote(site: Site, tmp_path: Path) -> None:
    point = back_up(site, "web01")
    for pack in (tmp_path / "repository" / "packs").rglob("*"):
        if pack.is_file():
            pack.write_bytes(pack.read_bytes()[:100])

    with pytest.raises(RepositoryDamaged):
        site.host.restore(site.repository, RestoreRequest(point=point.id, to=r"E:\Restore"))

    restored = site.windows_file(r"E:\Restore")
    assert not restored.exists() or not [path for path in restored.rglob("*") if path.is_file()]


# ---------------------------------------------------------------- rebuild


def test_a_deleted_offline_vm_is_imported_with_its_id_and_bytes(site: Site) -> None:
    point = back_up(site, "legacy")
    held = delete_vm(site, point)

    result = site.host.rebuild(site.repository, RebuildRequest(point=point.id))

    assert (point.vm_id, "legacy") == (result.vm.id, result.vm.name)
    for path, data in held.items():
        if path.endswith(".vhdx"):
            assert data == site.windows_file(path).read_bytes()
    assert [] == list((site.state / "journal").iterdir())


def test_a_vm_is_made_by_new_vm_with_the_recorded_settings(site: Site) -> None:
    point = back_up(site, "legacy")
    delete_vm(site, point)

    result = site.host.rebuild(site.repository, RebuildRequest(point=point.id, by=RebuildBy.NEW))

    assert point.vm is not None
    assert point.vm_id != result.vm.id
    recorded, made = point.vm, result.vm
    assert (recorded.generation, recorded.memory, recorded.processor) == (made.generation, made.memory, made.processor)
    assert [disk.path for disk in recorded.disks] == [disk.path for disk in made.disks]


def test_beside_the_original_it_gets_another_name_folder_id_and_no_network(site: Site) -> None:
    point = back_up(site, "web01")

    result = site.host.rebuild(site.repository, RebuildRequest(point=point.id, name="web01-drill", path=r"E:\Drill"))

    assert "web01-drill" == result.vm.name
    assert point.vm_id != result.vm.id
    assert all((disk.path or "").startswith(r"E:\Drill\web01-drill") for disk in result.vm.disks)
    assert all(adapter.switch_name is None for adapter in result.vm.network_adapters)
    assert {"web01", "web01-drill"} <= {vm.name for vm in site.host.vms()}


def test_an_existing_vm_is_never_overwritten_without_leave(site: Site) -> None:
    point = back_up(site, "web01")
    before = {vm.id: vm for vm in site.host.vms()}

    with pytest.raises(RestoreRefused, match="still on the host"):
        site.host.rebuild(site.repository, RebuildRequest(point=point.id))

    assert before == {vm.id: vm for vm in site.host.vms()}


def test_with_replace_the_vm_is_as_it_was_backed_up(site: Site) -> None:
    from hvbackup.simulator.builder import change_disk

    point = back_up(site, "web01")
    disk = site.windows_file(next(file.source for file in point.files if file.kind == "disk"))
    original = disk.read_bytes()
    change_disk(site.served.host, point.vm_id)
    assert original != disk.read_bytes()

    plan = site.host.plan_rebuild(site.repository, RebuildRequest(point=point.id, replace=True))
    result = site.host.rebuild(site.repository, RebuildRequest(point=point.id, replace=True), plan=plan)

    assert plan.destroys
    assert point.vm_id == result.vm.id
    assert original == disk.read_bytes()
    assert 1 == sum(vm.name == "web01" for vm in site.host.vms())


def test_a_plan_that_no_longer_holds_is_not_carried_out(site: Site) -> None:
    point = back_up(site, "legacy")
    request = RebuildRequest(point=point.id, name="copy", path=r"E:\Copy")
    plan = site.host.plan_rebuild(site.repository, request)
    delete_vm(site, point)

    with pytest.raises(InvalidRequest, match="has changed"):
        site.host.rebuild(site.repository, request, plan=plan)


def test_a_rebuild_that_fails_on_the_host_leaves_no_files(site: Site) -> None:
    point = back_up(site, "legacy")
    delete_vm(site, point)
    with site.served.host.change() as record:
        record.faults.stop_at = {"Import-HvbVm:start": "fail"}

    with pytest.raises(ScriptFailed, match="told to fail"):
        site.host.rebuild(site.repository, RebuildRequest(point=point.id))

    assert not any(site.windows_file(file.source).exists() for file in point.files)
    assert [] == list((site.state / "journal").iterdir())


def drop(site: Site, name: str, **when: Any) -> Any:
    """A sink that breaks the connection in the middle of the first call after the step `name`."""

    def sink(event: Event) -> None:
        if isinstance(event, StepStarted) and event.step == name:
            site.served.server.faults.drop_connection(**when)

    return sink


def test_a_vm_that_was_made_keeps_its_files_although_the_script_failed_at_its_end(site: Site) -> None:
    point = back_up(site, "legacy")
    delete_vm(site, point)
    with site.served.host.change() as record:
        record.faults.stop_at = {"Import-HvbVm:end": "fail"}

    with pytest.raises(ScriptFailed) as caught:
        site.host.rebuild(site.repository, RebuildRequest(point=point.id))

    assert "may be there" in str(caught.value.hint)
    assert "legacy" in {vm.name for vm in site.host.vms()}
    assert all(site.windows_file(file.source).exists() for file in point.files if file.kind == "disk")


def test_a_lost_connection_while_the_vm_is_made_leaves_its_files_alone_for_ever(site: Site) -> None:
    point = back_up(site, "legacy")
    delete_vm(site, point)
    lose = drop(site, "build", during="response")

    with pytest.raises(ConnectionLost):
        site.host.rebuild(site.repository, RebuildRequest(point=point.id), events=lose)
    with site.connect() as host:
        told = host.cleanup().problems
        again = host.cleanup().problems

    assert all(site.windows_file(file.source).exists() for file in point.files if file.kind == "disk")
    assert (1, 0) == (len(told), len(again))
    assert "were left alone" in told[0]
    assert [] == list((site.state / "journal").iterdir())


def test_a_failure_after_the_original_is_gone_says_what_is_where(site: Site) -> None:
    point = back_up(site, "web01")
    with site.served.host.change() as record:
        record.faults.stop_at = {"Import-HvbVm:start": "fail"}
    request = RebuildRequest(point=point.id, replace=True)

    with pytest.raises(ScriptFailed) as caught:
        site.host.rebuild(site.repository, request)

    hint = str(caught.value.hint)
    disk = next(file.source for file in point.files if file.kind == "disk")
    assert "original VM has been turned off" in hint
    assert disk in hint
    assert "Run the same rebuild again" in hint
    with site.served.host.change() as record:
        record.faults.stop_at = {}
    assert point.vm_id == site.host.rebuild(site.repository, request).vm.id


def test_a_failure_before_the_original_is_touched_does_not_claim_that_it_was(site: Site) -> None:
    point = back_up(site, "web01")
    with site.served.host.change() as record:
        record.faults.stop_at = {"Write-HvbFile:start": "fail"}

    with pytest.raises(ScriptFailed) as caught:
        site.host.rebuild(site.repository, RebuildRequest(point=point.id, replace=True))

    assert "original" not in str(caught.value.hint)
    assert "web01" in {vm.name for vm in site.host.vms()}
    assert not list(site.folder.rglob("*.hvbpart"))


def test_a_listener_that_fails_after_the_original_is_gone_does_not_cost_the_vm(site: Site) -> None:
    point = back_up(site, "web01")

    def broken(event: Event) -> None:
        if isinstance(event, StepStarted) and event.step == "remove":
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        site.host.rebuild(site.repository, RebuildRequest(point=point.id, replace=True), events=broken)

    assert point.vm_id in {vm.id for vm in site.host.vms()}


def test_a_vm_with_checkpoints_is_not_replaced_because_windows_would_merge_them_into_the_new_disks(
    make_site: Any,
) -> None:
    site = make_site([VmSpec(key="chain01", name="chain01", chain=1)])
    point = back_up(site, "chain01")

    with pytest.raises(RestoreRefused, match="checkpoint"):
        site.host.rebuild(site.repository, RebuildRequest(point=point.id, replace=True))

    assert ["chain01"] == [vm.name for vm in site.host.vms()]


def test_a_file_that_another_vm_needs_is_never_replaced(site: Site) -> None:
    point = back_up(site, "web01")
    disk = next(file.source for file in point.files if file.kind == "disk")
    with site.served.host.change() as record:
        taken, other = (next(r for r in record.vms if r.vm.name == name) for name in ("web01", "db01"))
        other.vm = msgspec.structs.replace(other.vm, disks=(*other.vm.disks, taken.vm.disks[0]))
        record.vms.remove(taken)

    with pytest.raises(RestoreRefused, match="belongs to the VM 'db01'"):
        site.host.rebuild(site.repository, RebuildRequest(point=point.id, replace=True))

    assert site.windows_file(disk).exists()


def test_disks_of_the_original_that_the_point_lacks_are_named_in_the_plan(site: Site) -> None:
    point = back_up(site, "web01")
    with site.served.host.change() as record:
        mine = next(r for r in record.vms if r.vm.name == "web01")
        extra = msgspec.structs.replace(mine.vm.disks[0], path="E:\\extra.vhdx", chain=(), controller_location=5)
        mine.vm = msgspec.structs.replace(mine.vm, disks=(*mine.vm.disks, extra))

    plan = site.host.plan_rebuild(site.repository, RebuildRequest(point=point.id, replace=True))

    assert any("E:\\extra.vhdx" in step and "none of the new one" in step for step in plan.steps)


@pytest.mark.parametrize("step", ["restore", "stage"])
def test_a_stop_at_any_moment_of_a_restore_or_rebuild_leaves_nothing_on_the_host(site: Site, step: str) -> None:
    point = back_up(site, "web01")
    before = {path for path in site.folder.rglob("*") if path.is_file()}
    cancel = Cancellation()

    def stop(event: Event) -> None:
        if isinstance(event, Progress):
            cancel.set()

    def work() -> None:
        if step == "restore":
            request = RestoreRequest(point=point.id, to=r"E:\Restore")
            site.host.restore(site.repository, request, events=stop, cancel=cancel)
        else:
            rebuild = RebuildRequest(point=point.id, replace=True)
            site.host.rebuild(site.repository, rebuild, events=stop, cancel=cancel)

    with pytest.raises(Cancelled):
        work()

    assert before == {path for path in site.folder.rglob("*") if path.is_file()}
    assert "web01" in {vm.name for vm in site.host.vms()}
    assert [] == list((site.state / "journal").iterdir())


# ---------------------------------------------------------------- mount


def test_a_restored_disk_is_mounted_read_only_and_dismounted(site: Site) -> None:
    point = back_up(site, "web01")
    restored = site.host.restore(site.repository, RestoreRequest(point=point.id, to=r"E:\Restore", files=("*.vhdx",)))
    path = restored.files[0].path

    mounted = site.host.mount(MountRequest(path=path))
    again = site.host.mount(MountRequest(path=path))
    gone = site.host.unmount(path)
    twice = site.host.unmount(path)

    assert ["NTFS"] == [part.file_system for part in mounted.partitions]
    assert mounted.partitions[0].drive_letter or mounted.partitions[0].access_paths
    assert (False, True) == (mounted.already_mounted, again.already_mounted)
    assert (True, False) == (gone.was_mounted, twice.was_mounted)
    assert CLEAN == site.leftovers()


def test_a_disk_that_a_vm_has_attached_is_not_mounted(site: Site) -> None:
    path = site.host.vms()[0].disks[0].path

    with pytest.raises(InvalidRequest, match="attached to the VM"):
        site.host.mount(MountRequest(path=path))


def test_a_disk_that_is_not_there_is_named(site: Site) -> None:
    with pytest.raises(FileMissing):
        site.host.mount(MountRequest(path=r"E:\nothing.vhdx"))


def test_a_disk_that_is_held_for_a_moment_after_its_vm_is_gone_is_named_all_the_same(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = back_up(site, "web01")
    disk = next(file.source for file in point.files if file.kind == "disk")
    with site.served.host.change() as record:
        record.faults.files_in_use = [disk.casefold()]
    waits: list[float] = []

    def wait(_self: Cancellation, seconds: float) -> bool:
        waits.append(seconds)
        if seconds == 2.0:
            with site.served.host.change() as record:
                record.faults.files_in_use = []
        return False

    monkeypatch.setattr("hvbackup.jobs.staging.Cancellation.wait", wait)

    result = site.host.rebuild(site.repository, RebuildRequest(point=point.id, replace=True))

    assert point.vm_id == result.vm.id
    assert [1.0, 2.0] == [seconds for seconds in waits if seconds in {1.0, 2.0, 4.0}][:2]
    assert not list(site.folder.rglob("*.hvbpart"))
