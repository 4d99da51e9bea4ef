"""Online, Offline or unknown, with the reasons."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hvbackup.hyperv import cures
from hvbackup.hyperv.classify import classify, classify_all, main_reason
from hvbackup.hyperv.conditions import UNSEEN
from hvbackup.models import (
    VSS_SERVICE_ID,
    Checkpoint,
    Classification,
    Component,
    Condition,
    Disk,
    HostFacts,
    HyperVRole,
    IntegrationService,
    Memory,
    Method,
    Processor,
    Verdict,
    Vm,
    Volume,
)

ID = "0b7e1f5a-3a53-4e0e-9c1f-7d1b6a0c5e11"
SHARED = Path(__file__).resolve().parents[2] / "../shared"
CHECKER, CMDLETS = SHARED / "tools/check_cmdlets.py", SHARED / "data/cmdlets/cmdlets.json"

VSS = IntegrationService(
    service_id=VSS_SERVICE_ID, name="Sicherung (Volumeschattenkopie)", enabled=True, status="OK", operational=True
)


def host(build: int = 20348) -> HostFacts:
    return HostFacts(
        computer_name="HV01",
        os_caption="Microsoft Windows Server 2022 Datacenter",
        os_version="10.0.20348",
        os_build=build,
        product_type=3,
        powershell_version="5.1",
        user="HV01\\Administrator",
        elevated=True,
        time="2026-11-25T01:00:00Z",
        hyper_v=HyperVRole(installed=True),
        diskshadow_path="C:\\Windows\\System32\\diskshadow.exe",
        scratch_root="C:\\ProgramData\\hvbackup\\runs",
        volumes=(
            Volume(id="\\\\?\\Volume{aaaaaaaa-0000-0000-0000-100000000000}\\", paths=("C:\\",)),
            Volume(id="\\\\?\\Volume{bbbbbbbb-0000-0000-0000-100000000000}\\", paths=("D:\\",)),
            Volume(
                id="\\\\?\\Volume{cccccccc-0000-0000-0000-100000000000}\\", paths=("C:\\ClusterStorage\\Volume1\\",)
            ),
        ),
    )


def disk(path: str | None = "D:\\vm\\one.vhdx", **more: Any) -> Disk:
    return Disk(controller_type="SCSI", controller_number=0, controller_location=0, path=path, **more)


def vm(**changes: Any) -> Vm:
    values: dict[str, Any] = {
        "id": ID,
        "name": "one",
        "state": "Running",
        "generation": 2,
        "version": "10.0",
        "path": "D:\\vm",
        "configuration_location": "D:\\vm",
        "configuration_file": "D:\\vm\\Virtual Machines\\x.vmcx",
        "snapshot_file_location": "D:\\vm",
        "memory": Memory(startup_bytes=1 << 30),
        "processor": Processor(count=2),
        "disks": (disk(),),
        "integration_services": (VSS,),
    }
    return Vm(**{**values, **changes})


def component(caption: str, method: Method, name: str = ID.upper()) -> Component:
    return Component(name=name, caption=caption, method=method, label=caption.partition("\\")[2])


def condition(found: Classification, key: str) -> Condition:
    return next(each for each in found.conditions if each.id == key)


def failed(found: Classification) -> list[str]:
    return [each.id for each in found.conditions if each.verdict is Verdict.FAILED]


def test_a_vm_whose_conditions_hold_is_online() -> None:
    found = classify(vm(), component("Online\\one", Method.ONLINE), host=host())
    assert (found.method, found.by_writer, found.by_conditions, found.agree) == (
        Method.ONLINE,
        Method.ONLINE,
        Method.ONLINE,
        True,
    )
    assert found.caption == "Online\\one"
    assert failed(found) == []


def test_every_condition_has_a_name_of_its_own_and_is_met_or_unseen() -> None:
    found = classify(vm(), None, host=host())
    assert {each.id: each.verdict.value for each in found.conditions} == {
        "vm-running": "met",
        "backup-service-enabled": "met",
        "backup-service-running": "met",
        "scsi-controller": "met",
        "checkpoint-location": "met",
        "no-pass-through-disk": "met",
        "no-shared-disk": "met",
        "not-a-replica": "met",
        "cluster-group-online": "met",
        "no-backup-checkpoint": "met",
        "configuration-found": "met",
        "guest-basic-disks": "unseen",
        "guest-file-systems": "unseen",
        "guest-shadow-storage": "unseen",
        "guest-has-vss": "unseen",
    }


def test_what_only_the_guest_knows_says_that_it_cannot_be_seen() -> None:
    found = classify(vm(), None, host=host())
    guest = [each for each in found.conditions if each.id.startswith("guest-")]
    assert {each.reason for each in guest} == {UNSEEN} == {"cannot be seen from the host"}
    assert all(each.cure for each in guest)


DISABLED = IntegrationService(service_id=VSS_SERVICE_ID, name="VSS", enabled=False)
SILENT = IntegrationService(
    service_id=VSS_SERVICE_ID.upper(), name="VSS", enabled=True, status="Kein Kontakt", operational=False
)


@pytest.mark.parametrize(
    ("changes", "build", "key", "cure"),
    [
        ({"state": "Off"}, 20348, "vm-running", f"Start-VM -VM (Get-VM -Id {ID})"),
        ({"state": "Saved"}, 20348, "vm-running", f"Start-VM -VM (Get-VM -Id {ID})"),
        ({"state": "Paused"}, 20348, "vm-running", f"Resume-VM -VM (Get-VM -Id {ID})"),
        (
            {"integration_services": (DISABLED,)},
            20348,
            "backup-service-enabled",
            (
                f"Get-VM -Id {ID} | Get-VMIntegrationService | Where-Object -Property Id -Like -Value "
                "'*5CED1297-4598-4915-A5FC-AD21BB4D02A4' | Enable-VMIntegrationService"
            ),
        ),
        ({"integration_services": (SILENT,)}, 20348, "backup-service-running", cures.START_GUEST_SERVICE),
        (
            {"generation": 1, "scsi_controllers": 0},
            9600,
            "scsi-controller",
            (
                f"Stop-VM -VM (Get-VM -Id {ID}); Add-VMScsiController -VM (Get-VM -Id {ID}); "
                f"Start-VM -VM (Get-VM -Id {ID})"
            ),
        ),
        (
            {"snapshot_file_location": "C:\\snap"},
            9200,
            "checkpoint-location",
            f"Set-VM -VM (Get-VM -Id {ID}) -SnapshotFileLocation 'D:\\vm'",
        ),
        (
            {"replication_mode": "Replica"},
            20348,
            "not-a-replica",
            f"Back the primary VM up instead, or pause replication first: Suspend-VMReplication -VM (Get-VM -Id {ID})",
        ),
    ],
)
def test_a_condition_that_fails_makes_it_offline_and_has_its_cure(
    changes: dict[str, Any], build: int, key: str, cure: str
) -> None:
    found = classify(vm(**changes), None, host=host(build))
    assert failed(found) == [key]
    assert condition(found, key).cure == cure
    assert found.by_conditions is Method.OFFLINE


def test_rules_of_one_windows_do_not_bind_another() -> None:
    without_scsi = vm(generation=1, scsi_controllers=0)
    assert failed(classify(without_scsi, None, host=host(9200))) == []
    with_scsi = vm(generation=1, scsi_controllers=1)
    assert failed(classify(with_scsi, None, host=host(20348))) == []
    old = classify(vm(), None, host=host(7601))
    assert condition(old, "guest-scoped-shadows").verdict is Verdict.UNSEEN


def test_whether_the_checkpoint_location_binds_a_newer_host_is_not_known() -> None:
    found = classify(vm(snapshot_file_location="C:\\snap"), None, host=host(20348))
    location = condition(found, "checkpoint-location")
    assert location.verdict is Verdict.UNSEEN
    assert "whether it binds here is not known" in location.reason
    assert location.cure == f"Set-VM -VM (Get-VM -Id {ID}) -SnapshotFileLocation 'D:\\vm'"


def test_a_cluster_volume_below_c_is_another_volume_than_c() -> None:
    csv = "C:\\ClusterStorage\\Volume1\\vm"
    same = vm(snapshot_file_location=csv, disks=(disk(csv + "\\one.vhdx"),))
    assert condition(classify(same, None, host=host(9200)), "checkpoint-location").verdict is Verdict.MET
    apart = vm(snapshot_file_location="C:\\vm", disks=(disk(csv + "\\one.vhdx"),))
    assert condition(classify(apart, None, host=host(9200)), "checkpoint-location").verdict is Verdict.FAILED


def test_a_share_is_on_no_volume_that_the_host_lists() -> None:
    found = classify(vm(disks=(disk("\\\\srv\\vm\\one.vhdx"),)), None, host=host(9200))
    assert condition(found, "checkpoint-location").verdict is Verdict.UNSEEN


@pytest.mark.parametrize(
    "changes",
    [
        {"disks": (disk(support_persistent_reservations=True),)},
        {"disks": (disk("D:\\vm\\shared.VHDS"),)},
        {"checkpoints": (Checkpoint(id="c", name="x", type="Recovery"),)},
    ],
)
def test_what_blocks_a_backup_makes_the_method_unknown(changes: dict[str, Any]) -> None:
    found = classify(vm(**changes, state="Off"), None, host=host())
    assert found.by_conditions is Method.UNKNOWN
    assert len(failed(found)) == 2


@pytest.mark.parametrize("services", [(), (IntegrationService(service_id="x", name="Heartbeat", enabled=True),)])
def test_what_must_be_seen_and_is_not_leaves_it_unknown(services: tuple[IntegrationService, ...]) -> None:
    found = classify(vm(integration_services=services), None, host=host())
    assert found.method is Method.UNKNOWN
    assert failed(found) == []


def test_a_service_of_which_the_host_does_not_know_is_unseen() -> None:
    unsure = IntegrationService(service_id=VSS_SERVICE_ID, name="VSS", enabled=True, operational=None)
    found = classify(vm(integration_services=(unsure,)), None, host=host())
    assert condition(found, "backup-service-running").verdict is Verdict.UNSEEN
    assert found.by_conditions is Method.UNKNOWN


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"disks": (disk(None, disk_number=3),)}, "no-pass-through-disk"),
        ({"clustered": True}, "cluster-group-online"),
        ({"replication_mode": "Primary"}, "not-a-replica"),
        ({"configuration_file": None}, "configuration-found"),
    ],
)
def test_what_may_matter_but_is_not_known_is_unseen_with_its_reason(changes: dict[str, Any], key: str) -> None:
    found = classify(vm(**changes), None, host=host())
    assert condition(found, key).verdict is Verdict.UNSEEN
    assert condition(found, key).reason
    assert found.by_conditions is Method.ONLINE


def test_the_writer_has_the_last_word_and_the_disagreement_is_shown() -> None:
    found = classify(vm(), component("Offline\\one", Method.OFFLINE), host=host())
    assert (found.method, found.by_conditions, found.agree) == (Method.OFFLINE, Method.ONLINE, False)


def test_a_caption_that_is_not_known_leaves_the_word_to_the_conditions() -> None:
    found = classify(vm(state="Off"), component("Irgendwie\\one", Method.UNKNOWN), host=host())
    assert (found.method, found.by_writer, found.agree) == (Method.OFFLINE, Method.UNKNOWN, True)


@pytest.mark.parametrize(
    ("changes", "caption", "method", "reason"),
    [
        ({}, "Online\\one", Method.ONLINE, "all conditions that the host sees hold"),
        ({"state": "Off"}, "Offline\\one", Method.OFFLINE, "its state is Off"),
        ({}, "Offline\\one", Method.OFFLINE, "the writer says so; its reason cannot be seen from the host"),
        (
            {"snapshot_file_location": "C:\\snap"},
            "Offline\\one",
            Method.OFFLINE,
            (
                "perhaps: checkpoints go to C:\\snap, D:\\vm\\one.vhdx is on another volume; the rule is documented "
                "for hosts before Windows Server 2012 R2; whether it binds here is not known"
            ),
        ),
        (
            {"integration_services": ()},
            "?",
            Method.UNKNOWN,
            "the host lists no integration services of the VM",
        ),
    ],
)
def test_a_short_list_shows_one_reason(changes: dict[str, Any], caption: str, method: Method, reason: str) -> None:
    assert main_reason(classify(vm(**changes), component(caption, method), host=host())) == reason


def test_vms_are_known_by_their_ids_not_by_their_names() -> None:
    second = "1c8f206b-4b64-4f1f-8d20-8e2c7b1d6f22"
    vms = (vm(name="twin"), vm(id=second.upper(), name="twin", state="Off"))
    components = (
        component("Offline\\twin", Method.OFFLINE, second.upper()),
        component("Online\\twin", Method.ONLINE),
        Component(name="Host Component"),
    )
    found = classify_all(vms, components, host=host())
    assert [(each.vm_id, each.method) for each in found] == [(ID, Method.ONLINE), (second.upper(), Method.OFFLINE)]


def test_names_and_paths_cannot_escape_from_a_cure() -> None:
    odd = vm(
        name="'; Remove-VM *; '",
        snapshot_file_location="C:\\snap",
        disks=(disk("D:\\O'Neil’s\\; Remove-VM *\\one.vhdx"),),
    )
    found = classify(odd, None, host=host(9200))
    assert condition(found, "checkpoint-location").cure == (
        f"Set-VM -VM (Get-VM -Id {ID}) -SnapshotFileLocation 'D:\\O''Neil’’s\\; Remove-VM *'"
    )
    assert cures.run_vm(vm(id="x'; Stop-Computer; '")) == "Start-VM -VM (Get-VM -Id 'x''; Stop-Computer; ''')"


def test_the_cures_use_cmdlets_and_parameters_that_exist(tmp_path: Path) -> None:
    if not CHECKER.is_file() or not CMDLETS.is_file():
        pytest.skip("the checker of cmdlets is not here")
    lines = [
        cures.run_vm(vm()),
        cures.run_vm(vm(state="Paused")),
        cures.enable_backup_service(vm()),
        cures.add_scsi_controller(vm()),
        cures.move_checkpoints(vm(), "D:\\vm\\one.vhdx"),
        cures.pause_replication(vm()),
        cures.show_replication(vm()),
        cures.show_cluster_group(vm()),
        cures.remove_backup_checkpoints(vm()),
        cures.NO_SCOPED_SHADOWS.removeprefix("In the guest: "),
        cures.LIST_VOLUMES.removeprefix("In the guest: "),
        "Restart-Service vmms",
    ]
    script = tmp_path / "cures.ps1"
    script.write_text("\r\n".join(lines), encoding="ascii")
    checked = subprocess.run(
        [sys.executable, str(CHECKER), "--data", str(CMDLETS), "--targets", "2016,2019,2022,2025", str(script)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
