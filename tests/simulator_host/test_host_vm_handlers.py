"""The host and its VMs as the scripts describe and change them."""

from __future__ import annotations

import base64
import ntpath
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from hvbackup.errors import (
    DiskShadowMissing,
    DiskShadowTimeout,
    FileMissing,
    HyperVMissing,
    PathRefused,
    RequestRefused,
    ScriptFailed,
    VmExists,
    VmImportRefused,
    VmStateInvalid,
)
from hvbackup.models import VSS_SERVICE_ID, DvdDrive, Security, Vlan
from hvbackup.remote.calls import (
    DiskPlacement,
    GetBlockHash,
    GetHost,
    GetLeftover,
    GetVm,
    ImportVm,
    InvokeDiskShadow,
    NewVm,
    RemoveFile,
    RemoveScratch,
    RemoveVm,
    WriteFile,
)
from hvbackup.simulator.builder import change_disk

if TYPE_CHECKING:
    from tests.simulator_host.conftest import Asker

SCRATCH = "C:\\ProgramData\\hvbackup\\runs\\job1"


def shadow_lines(ask: Asker, letter: str) -> tuple[str, ...]:
    volume = next(item.id for item in ask.host.read().volumes if item.letter == letter)
    return (
        "set context persistent", f"set metadata {SCRATCH}\\vss.cab", "begin backup", f"add volume {volume} alias v",
        "create", "end backup", f"expose %v% {SCRATCH}\\mount",
    )  # fmt: skip


def test_the_host_says_what_it_is(ask_only: Asker) -> None:
    facts = ask_only(GetHost()).data

    assert ("HV01", 20348, 3, True) == (facts.computer_name, facts.os_build, facts.product_type, facts.elevated)
    assert [("C:\\",), ("D:\\",), ("E:\\",)] == [volume.paths for volume in facts.volumes]
    assert "C:\\Windows\\System32\\diskshadow.exe" == facts.diskshadow_path
    assert facts.vssadmin_writers is None
    assert "Microsoft Hyper-V VSS Writer" in (ask_only(GetHost(writers=True)).data.vssadmin_writers or "")


def test_client_windows_has_neither_diskshadow_nor_the_writer(make_ask: Callable[[str], Asker]) -> None:
    ask = make_ask("client")

    facts = ask(GetHost(writers=True)).data
    assert (1, None) == (facts.product_type, facts.diskshadow_path)
    assert "Hyper-V" not in (facts.vssadmin_writers or "")
    assert not ask.local("C:\\Windows\\System32\\diskshadow.exe").exists()
    with pytest.raises(DiskShadowMissing):
        ask(InvokeDiskShadow(scratch=SCRATCH, step="a", lines=("list writers",)))
    assert not ask.local(SCRATCH).exists()


def test_a_host_without_the_role_refuses_everything_about_vms(make_ask: Callable[[str], Asker]) -> None:
    ask = make_ask("no-role")

    assert not ask(GetHost()).data.hyper_v.installed
    with pytest.raises(HyperVMissing):
        ask(GetVm())
    with pytest.raises(HyperVMissing):
        ask(RemoveVm(id="00000000-0000-0000-0000-000000000001"))


def test_an_account_without_rights_sees_no_vms(ask: Asker) -> None:
    with ask.host.change() as record:
        record.machine.elevated = False

    assert not ask(GetHost()).data.elevated
    with pytest.raises(ScriptFailed, match="required permission"):
        ask(GetVm())


def test_the_inventory_has_every_vm_with_its_chains(ask_only: Asker) -> None:
    inventory = ask_only(GetVm()).data

    by_name = {vm.name: vm for vm in inventory.vms}
    assert 11 == len(inventory.vms)
    assert ("External", "Internal") == inventory.switches
    leaf, root = by_name["chain01"].disks[0].chain
    assert ("Differencing", root.path) == (leaf.type, leaf.parent_path)
    assert ("Dynamic", None, 64 << 20) == (root.type, root.parent_path, root.size_bytes)
    assert ["D", "E"] == [(disk.path or "")[0] for disk in by_name["db01"].disks]
    services = {service.service_id: service for service in by_name["files [old]"].integration_services}
    assert not services[VSS_SERVICE_ID].enabled
    assert (1, 0) == (by_name["legacy"].generation, by_name["legacy"].scsi_controllers)
    assert by_name["clu01"].clustered


def test_chosen_vms_come_in_their_order_and_missing_ids_are_named(ask_only: Asker) -> None:
    ids = [vm.id for vm in ask_only(GetVm()).data.vms]
    unknown = "00000000-0000-0000-0000-00000000abcd"

    inventory = ask_only(GetVm(ids=(ids[3].upper(), unknown, "{" + ids[0] + "}", ids[3]))).data

    assert [ids[3], ids[0]] == [vm.id for vm in inventory.vms]
    assert (unknown,) == inventory.missing_ids
    assert () == ask_only(GetVm(ids=())).data.vms
    with pytest.raises(RequestRefused):
        ask_only(GetVm(ids=("web01",)))


def test_a_disk_whose_file_is_gone_or_damaged_says_so(ask: Asker) -> None:
    web, chain = ask.vm("web01").vm, ask.vm("chain01").vm
    ask.local(web.disks[0].path or "").write_bytes(b"nonsense")
    ask.local("E:\\Hyper-V\\chain01\\Virtual Hard Disks\\chain01.vhdx").unlink()

    first, second = (vm.disks[0] for vm in ask(GetVm(ids=(web.id, chain.id))).data.vms)

    assert "corrupted" in (first.error or "")
    assert "cannot find the file" in (second.error or "")
    assert 1 == len(second.chain)


def test_five_hundred_vms_are_listed_without_disk_files(make_ask: Callable[[str], Asker]) -> None:
    inventory = make_ask("many")(GetVm()).data

    assert 500 == len({vm.id for vm in inventory.vms})
    assert inventory.vms[0].disks[0].chain[0].size_bytes == 127 << 30


def test_disks_of_vms_differ_in_few_blocks(ask_only: Asker) -> None:
    hashes = []
    for name in ("web01", "build01"):
        ask_only(GetBlockHash(path=ask_only.vm(name).vm.disks[0].path or ""))
        joined = b"".join(ask_only.context.output)
        hashes.append([joined[at : at + 32] for at in range(0, len(joined), 32)])

    different = sum(first != second for first, second in zip(*hashes, strict=True))
    assert 0 < different <= 3


def test_a_guest_at_work_changes_one_block(ask: Asker) -> None:
    vm = ask.vm("web01").vm
    before = ask.local(vm.disks[0].path or "").read_bytes()

    written = change_disk(ask.host, vm.id)

    after = ask.local(vm.disks[0].path or "").read_bytes()
    assert 4096 == written
    assert [number for number in range(0, len(before), 262144) if before[number:][:262144] != after[number:][:262144]]
    assert before != after


def test_diskshadow_runs_in_a_scratch_folder_with_a_marker(ask: Asker) -> None:
    lines = shadow_lines(ask, "D")
    answer = ask(
        InvokeDiskShadow(
            scratch=SCRATCH, step="create", lines=lines, folders=(SCRATCH + "\\mount",), marker={"run": "r1"}
        )
    ).data

    assert (0, 437) == (answer.exit_code, answer.code_page)
    assert "Number of shadow copies listed: 1" in base64.b64decode(answer.output).decode("cp437")
    assert base64.b64decode(answer.log).decode("utf-16").startswith("Microsoft DiskShadow")
    (leftover,) = ask(GetLeftover()).data.leftovers
    assert (SCRATCH, {"run": "r1"}) == (leftover.scratch, leftover.marker)
    assert ["create"] == [log.step for log in leftover.logs]
    assert (SCRATCH + "\\mount",) == leftover.exposed
    (shadow,) = ask(GetHost()).data.shadow_copies
    assert "\\\\?\\GLOBALROOT\\Device\\HarddiskVolumeShadowCopy1" == shadow.device


def test_a_folder_that_another_run_removes_meanwhile_is_no_leftover(
    ask: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = ntpath.dirname(SCRATCH) + "\\other"
    for scratch in (SCRATCH, other):
        ask(InvokeDiskShadow(scratch=scratch, step="list", lines=("list writers",)))
    going, read_bytes = ask.local(other), Path.read_bytes

    def removed_first(path: Path) -> bytes:
        if path.parent == going:
            shutil.rmtree(going)
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", removed_first)

    assert [SCRATCH] == [each.scratch for each in ask(GetLeftover()).data.leftovers]
    assert not going.exists()


def test_nothing_can_be_written_into_a_shadow_copy(ask: Asker) -> None:
    ask(InvokeDiskShadow(scratch=SCRATCH, step="create", lines=shadow_lines(ask, "D"), folders=(SCRATCH + "\\mount",)))
    device = "\\\\?\\GLOBALROOT\\Device\\HarddiskVolumeShadowCopy1"

    for path in (device + "\\new.txt", SCRATCH + "\\mount\\new.txt"):
        with pytest.raises(ScriptFailed, match="write protected"):
            ask(WriteFile(path=path, size_bytes=0))
        with pytest.raises(ScriptFailed, match="write protected"):
            ask(RemoveFile(files=(path,)))


def test_a_scratch_folder_with_a_mount_point_stays(ask: Asker) -> None:
    ask(InvokeDiskShadow(scratch=SCRATCH, step="create", lines=shadow_lines(ask, "D"), folders=(SCRATCH + "\\mount",)))

    with pytest.raises(PathRefused):
        ask(RemoveScratch(scratch=SCRATCH))
    assert ask.local(SCRATCH + "\\create.log").exists()

    (shadow,) = ask.host.read().shadow_copies
    ask(InvokeDiskShadow(scratch=SCRATCH, step="delete", lines=(f"delete shadows id {{{shadow.id}}}",)))
    assert ask(RemoveScratch(scratch=SCRATCH)).data.removed
    assert not ask(RemoveScratch(scratch=SCRATCH)).data.removed
    assert () == ask(GetLeftover()).data.leftovers


def test_without_keep_the_scratch_folder_goes(ask: Asker) -> None:
    ask(InvokeDiskShadow(scratch=SCRATCH, step="list", lines=("list writers",), keep=False))

    assert not ask.local(SCRATCH).exists()


@pytest.mark.parametrize(
    "scratch",
    [
        "C:\\ProgramData\\hvbackup\\runs",
        "C:\\Windows",
        "runs\\x",
        SCRATCH + "\\sub",
        "C:\\ProgramData\\hvbackup\\runs\\..",
    ],
)
def test_a_scratch_folder_elsewhere_is_refused(ask_only: Asker, scratch: str) -> None:
    with pytest.raises(PathRefused):
        ask_only(InvokeDiskShadow(scratch=scratch, step="a", lines=()))
    with pytest.raises(PathRefused):
        ask_only(RemoveScratch(scratch=scratch))


def test_what_would_inject_a_line_or_leave_the_folder_is_refused(ask: Asker) -> None:
    with pytest.raises(RequestRefused):
        ask(InvokeDiskShadow(scratch=SCRATCH, step="a", lines=("list writers\r\nexec x",)))
    with pytest.raises(RequestRefused):
        ask(InvokeDiskShadow(scratch=SCRATCH, step="..\\a", lines=()))
    with pytest.raises(RequestRefused):
        ask(InvokeDiskShadow(scratch=SCRATCH, step="a", lines=("# B\u00fcro",)))
    with pytest.raises(PathRefused):
        ask(InvokeDiskShadow(scratch=SCRATCH, step="a", lines=(), folders=("C:\\Windows\\x",)))


def test_a_diskshadow_that_hangs_is_killed_in_time(ask: Asker) -> None:
    with ask.host.change() as record:
        record.faults.diskshadow_hangs = True

    with pytest.raises(DiskShadowTimeout):
        ask(InvokeDiskShadow(scratch=SCRATCH, step="a", lines=("list writers",), timeout_seconds=1))


def test_removing_a_vm_keeps_its_disks(ask: Asker) -> None:
    vm = ask.vm("build01").vm

    assert ask(RemoveVm(id=vm.id)).data.removed
    assert not ask(RemoveVm(id=vm.id)).data.removed
    assert ask.local(vm.disks[0].path or "").exists()
    assert not ask.local(vm.configuration_file or "").exists()


def test_a_running_vm_is_removed_only_when_it_may_be_turned_off(ask: Asker) -> None:
    vm = ask.vm("web01").vm

    with pytest.raises(VmStateInvalid):
        ask(RemoveVm(id=vm.id))
    assert ask(RemoveVm(id=vm.id, turn_off=True)).data.removed


def lose(ask: Asker, name: str) -> tuple[str, str]:
    """Remove a VM as a mishap would, but keep its configuration; return the file and the disk."""
    vm = ask.vm(name).vm
    raw = ask.local(vm.configuration_file or "").read_bytes()
    ask(RemoveVm(id=vm.id, turn_off=True))
    ask.local(vm.configuration_file or "").write_bytes(raw)
    return vm.configuration_file or "", vm.disks[0].path or ""


def test_a_lost_vm_is_registered_again_where_its_files_lie(ask: Asker) -> None:
    before = ask.vm("build01").vm
    configuration, _ = lose(ask, "build01")

    built = ask(ImportVm(configuration_path=configuration)).data

    assert (before.id, "build01", "Off") == (built.id, built.name, built.state)
    after = ask.vm("build01").vm
    assert before.disks == after.disks
    assert after.network_adapters[0].switch_name is None
    assert "Disconnect the adapter 'Network Adapter'." in built.steps


def test_a_plan_only_import_changes_nothing(ask: Asker) -> None:
    configuration, _ = lose(ask, "build01")

    built = ask(ImportVm(configuration_path=configuration, plan_only=True)).data

    assert "Import the VM." == built.steps[-1]
    assert ask.host.read().find_vm(built.id or "") is None


def test_an_import_beside_the_original_needs_a_new_id(ask: Asker) -> None:
    vm = ask.vm("build01").vm

    with pytest.raises(VmExists):
        ask(ImportVm(configuration_path=vm.configuration_file or ""))
    with pytest.raises(RequestRefused):
        ask(ImportVm(configuration_path=vm.configuration_file or "", generate_new_id=True))
    built = ask(
        ImportVm(
            configuration_path=vm.configuration_file or "",
            name="build01 copy",
            copy_files=True,
            generate_new_id=True,
            virtual_machine_path="E:\\Restored",
        )
    ).data

    assert vm.id != built.id
    copy = ask.vm("build01 copy").vm
    assert f"E:\\Restored\\Virtual Machines\\{copy.id.upper()}.vmcx" == copy.configuration_file
    assert "E:\\Restored\\Virtual Hard Disks\\build01.vhdx" == copy.disks[0].path
    assert ask.local(copy.disks[0].path or "").read_bytes() == ask.local(vm.disks[0].path or "").read_bytes()


def test_a_disk_that_has_moved_is_pointed_at(ask: Asker) -> None:
    configuration, disk = lose(ask, "build01")
    moved = "E:\\moved.vhdx"
    ask.local(disk).rename(ask.local(moved))

    with pytest.raises(VmImportRefused) as caught:
        ask(ImportVm(configuration_path=configuration))
    details = caught.value.details
    assert isinstance(details, dict)
    assert [40010] == [item["messageId"] for item in details["incompatibilities"]]
    with pytest.raises(FileMissing):
        ask(ImportVm(configuration_path=configuration, disks=(DiskPlacement(recorded_path=disk, path="E:\\x"),)))
    built = ask(
        ImportVm(configuration_path=configuration, disks=(DiskPlacement(recorded_path=disk.upper(), path=moved),))
    ).data

    assert [(40010, "gone after the steps")] == [(item.message_id, item.resolved) for item in built.incompatibilities]
    assert moved == ask.vm("build01").vm.disks[0].path


def test_a_switch_that_is_gone_disconnects_its_adapter(ask: Asker) -> None:
    configuration, _ = lose(ask, "build01")
    with ask.host.change() as record:
        record.switches = ["Internal"]

    built = ask(ImportVm(configuration_path=configuration, connect_network=True)).data

    assert [(33012, "Could not find Ethernet switch 'External'.")] == [
        (item.message_id, item.message) for item in built.incompatibilities
    ]
    assert ask.vm("build01").vm.network_adapters[0].switch_name is None


def test_a_named_switch_connects_all_adapters(ask: Asker) -> None:
    configuration, _ = lose(ask, "build01")

    with pytest.raises(RequestRefused):
        ask(ImportVm(configuration_path=configuration, switch_name="none"))
    ask(ImportVm(configuration_path=configuration, switch_name="Internal"))

    assert "Internal" == ask.vm("build01").vm.network_adapters[0].switch_name


def test_what_is_no_configuration_is_refused(ask: Asker) -> None:
    ask.local("D:\\x.vmcx").write_bytes(b"nonsense")

    with pytest.raises(VmImportRefused):
        ask(ImportVm(configuration_path="D:\\x.vmcx"))
    with pytest.raises(FileMissing):
        ask(ImportVm(configuration_path="D:\\y.vmcx"))
    with pytest.raises(PathRefused):
        ask(ImportVm(configuration_path="x.vmcx"))


def test_a_saved_state_can_be_dropped(ask: Asker) -> None:
    configuration, _ = lose(ask, "build01")
    file = ask.local(configuration)
    file.write_bytes(file.read_bytes().replace(b'"state": "Off"', b'"state": "Saved"'))

    assert "Saved" == ask(ImportVm(configuration_path=configuration, plan_only=True)).data.state
    assert "Off" == ask(ImportVm(configuration_path=configuration, drop_saved_state=True)).data.state


def test_a_vm_is_built_anew_from_its_record(ask: Asker) -> None:
    vm = ask(GetVm(ids=(ask.vm("db01").vm.id,))).data.vms[0]

    built = ask(NewVm(vm=vm, name="db01 again", path="E:\\New", connect_network=True)).data

    new = ask(GetVm(ids=(built.id or "",))).data.vms[0]
    assert ("db01 again", "Off", 2) == (new.name, new.state, new.generation)
    assert "E:\\New\\db01 again" == new.path
    assert [disk.path for disk in vm.disks] == [disk.path for disk in new.disks]
    assert (vm.memory, vm.processor, vm.firmware) == (new.memory, new.processor, new.firmware)
    adapter = new.network_adapters[0]
    assert ("External", "Access", 20) == (adapter.switch_name, adapter.vlan.mode, adapter.vlan.access_vlan_id)
    assert ask.local(new.configuration_file or "").exists()


def test_a_new_vm_of_generation_1_has_what_was_recorded_and_no_more(ask: Asker) -> None:
    vm = ask(GetVm(ids=(ask.vm("legacy").vm.id,))).data.vms[0]

    built = ask(NewVm(vm=vm, name="legacy again", path="E:\\New")).data

    new = ask(GetVm(ids=(built.id or "",))).data.vms[0]
    assert (0, (), ("CD", "IDE", "LegacyNetworkAdapter", "Floppy")) == (
        new.scsi_controllers, new.dvd_drives, new.boot_devices,
    )  # fmt: skip
    assert "IDE" == new.disks[0].controller_type
    assert new.network_adapters[0].switch_name is None


def test_a_new_vm_is_refused_when_its_name_is_taken_or_a_disk_is_missing(ask_only: Asker) -> None:
    vm = ask_only(GetVm(ids=(ask_only.vm("web01").vm.id,))).data.vms[0]
    gone = replace(vm, disks=(replace(vm.disks[0], path="D:\\gone.vhdx"),))

    with pytest.raises(VmExists):
        ask_only(NewVm(vm=vm, name="WEB01", path="E:\\New"))
    with pytest.raises(FileMissing):
        ask_only(NewVm(vm=gone, name="x", path="E:\\New"))
    with pytest.raises(RequestRefused):
        ask_only(NewVm(vm=vm, name="", path="E:\\New"))
    assert 11 == len(ask_only.host.read().vms)


def test_a_plan_of_a_new_vm_tells_its_steps_and_warnings(ask_only: Asker) -> None:
    vm = ask_only(GetVm(ids=(ask_only.vm("web01").vm.id,))).data.vms[0]
    odd = replace(
        vm,
        version="99.0",
        disks=(*vm.disks, replace(vm.disks[0], path=None, disk_number=4, controller_location=1)),
    )

    answer = ask_only(NewVm(vm=odd, name="x", path="E:\\New", plan_only=True))

    assert answer.data.id is None
    assert "Create the VM 'x' (generation 2) in 'E:\\New'." == answer.data.steps[0]
    assert 2 == len(answer.warnings)
    assert 11 == len(ask_only.host.read().vms)


def test_what_cannot_be_had_again_is_a_warning(ask: Asker) -> None:
    vm = ask(GetVm(ids=(ask.vm("web01").vm.id,))).data.vms[0]
    adapter = vm.network_adapters[0]
    odd = replace(
        vm,
        snapshot_file_location="X:\\gone",
        smart_paging_file_path="E:\\paging",
        dvd_drives=(DvdDrive(controller_type="SCSI", controller_number=0, controller_location=5, path="E:\\no.iso"),),
        network_adapters=(replace(adapter, switch_name="Lost", vlan=Vlan(mode="Private")),),
        security=Security(tpm_enabled=True, shielded=True, encrypt_state_and_migration=True),
    )

    answer = ask(NewVm(vm=odd, name="odd", path="E:\\New", connect_network=True))

    assert (
        "'X:\\gone' is not on this host; the VM's own folder is used instead.",
        "'E:\\no.iso' is not there; the DVD drive is empty.",
        "The switch 'Lost' is not on this host; the adapter 'Network Adapter' stays disconnected.",
        "The private VLAN of the adapter 'Network Adapter' was not recorded; it is untagged.",
        "The VM was shielded; this one is not.",
        "The VM gets a new, empty TPM: BitLocker will ask for its recovery key.",
    ) == tuple(sorted(answer.warnings, key=_order))
    new = ask(GetVm(ids=(answer.data.id or "",))).data.vms[0]
    assert ("E:\\New\\odd", "E:\\paging") == (new.snapshot_file_location, new.smart_paging_file_path)
    assert new.security == Security(tpm_enabled=True, encrypt_state_and_migration=True)
    assert new.dvd_drives[0].path is None


def _order(warning: str) -> int:
    words = ("X:", "no.iso", "Lost", "private", "shielded", "TPM")
    return next(number for number, word in enumerate(words) if word in warning)


def test_a_marker_that_is_damaged_is_told(ask: Asker) -> None:
    folder = ask.local(SCRATCH)
    folder.mkdir(parents=True)
    (folder / "hvbackup.json").write_bytes(b"{")

    answer = ask(GetLeftover())

    assert answer.data.leftovers[0].marker is None
    assert 1 == len(answer.warnings)
