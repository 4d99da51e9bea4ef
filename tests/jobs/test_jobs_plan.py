from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from hvbackup.errors import DiskShadowMissing, HvBackupError, HyperVMissing, NotAdministrator, WriterUnavailable
from hvbackup.jobs.plan import BackupPlan, plan_backup, require_fit
from hvbackup.jobs.requests import BackupRequest, Grouping
from hvbackup.models import (
    Classification,
    Component,
    Disk,
    FileSpec,
    HostFacts,
    HyperVRole,
    Method,
    Security,
    Vm,
)

MakeVm = Callable[..., Vm]
MakeComponent = Callable[..., Component]
C = r"\\?\Volume{11111111-0000-0000-0000-000000000000}" + "\\"
D = r"\\?\Volume{22222222-0000-0000-0000-000000000000}" + "\\"


def classified(vm: Vm, method: Method = Method.ONLINE) -> Classification:
    return Classification(
        vm_id=vm.id, vm_name=vm.name, method=method, by_writer=method, by_conditions=method, agree=True
    )


@pytest.fixture
def plan(facts: HostFacts, make_component: MakeComponent) -> Callable[..., BackupPlan]:
    def make(*vms: tuple[Vm, Method], components: tuple[Component, ...] | None = None, **request: Any) -> BackupPlan:
        if components is None:
            components = tuple(make_component(vm, method) for vm, method in vms)
        return plan_backup(
            BackupRequest(**request),
            host="HV01",
            facts=facts,
            vms=[vm for vm, _ in vms],
            components=components,
            classifications={vm.id: classified(vm, method) for vm, method in vms},
        )

    return make


def test_volumes_come_from_the_files_and_are_never_asked_for(plan: Callable[..., BackupPlan], make_vm: MakeVm) -> None:
    vm = make_vm(configuration_file="C:\\ProgramData\\Microsoft\\Windows\\Hyper-V\\Virtual Machines\\X.vmcx")

    job = plan((vm, Method.ONLINE)).jobs[0]

    assert {C, D} == set(job.volumes)
    assert "run" == job.action


def test_a_vm_that_would_be_paused_is_skipped_unless_that_is_allowed(
    plan: Callable[..., BackupPlan], make_vm: MakeVm
) -> None:
    vm = make_vm("old")

    skipped = plan((vm, Method.OFFLINE)).jobs[0]
    allowed = plan((vm, Method.OFFLINE), allow_offline=True).jobs[0]

    assert ("skip", False) == (skipped.action, skipped.pauses)
    assert "paused" in (skipped.reason or "")
    assert "--allow-offline" in (skipped.hint or "")
    assert ("run", True) == (allowed.action, allowed.pauses)


def test_a_vm_that_is_off_does_not_pause_and_needs_no_leave(plan: Callable[..., BackupPlan], make_vm: MakeVm) -> None:
    job = plan((make_vm("off", state="Off"), Method.OFFLINE)).jobs[0]

    assert ("run", False) == (job.action, job.pauses)


def test_an_unknown_method_counts_as_one_that_pauses(plan: Callable[..., BackupPlan], make_vm: MakeVm) -> None:
    assert "skip" == plan((make_vm(), Method.UNKNOWN)).jobs[0].action


def test_a_vm_that_the_writer_does_not_list_is_refused(plan: Callable[..., BackupPlan], make_vm: MakeVm) -> None:
    job = plan((make_vm(), Method.ONLINE), components=()).jobs[0]

    assert "refuse" == job.action
    assert "writer does not list" in (job.reason or "")


def test_a_disk_on_no_volume_of_the_host_is_refused(plan: Callable[..., BackupPlan], make_vm: MakeVm) -> None:
    vm = make_vm()
    share = msgspec.structs.replace(vm.disks[0], path=r"\\nas\vms\a.vhdx", chain=())

    job = plan((msgspec.structs.replace(vm, disks=(share,)), Method.ONLINE)).jobs[0]

    assert "refuse" == job.action
    assert r"\\nas\vms" in (job.reason or "")


def test_each_vm_has_a_shadow_set_of_its_own_unless_one_is_shared(
    plan: Callable[..., BackupPlan], make_vm: MakeVm
) -> None:
    vms = [(make_vm("a", 1), Method.ONLINE), (make_vm("b", 2), Method.ONLINE)]
    first, second = vms[0][0].id, vms[1][0].id

    assert ((first,), (second,)) == plan(*vms).sets
    assert ((first, second),) == plan(*vms, grouping=Grouping.SHARED).sets


def test_vms_that_do_not_run_are_others_to_every_set(plan: Callable[..., BackupPlan], make_vm: MakeVm) -> None:
    a, b = make_vm("a", 1), make_vm("b", 2)

    result = plan((a, Method.ONLINE), (b, Method.OFFLINE))

    assert (b.id,) == result.other_vm_ids
    assert (a.id,) == result.running_ids


def test_disks_are_indispensable_and_state_files_are_not(
    plan: Callable[..., BackupPlan], make_vm: MakeVm, make_component: MakeComponent
) -> None:
    vm = make_vm()
    component = msgspec.structs.replace(
        make_component(vm),
        files=(
            FileSpec(path="D:\\VMs\\web01\\", filespec="web01.vhdx"),
            FileSpec(path="D:\\VMs\\web01", filespec="web01-AutoRecovery.avhdx"),
            FileSpec(path="D:\\VMs\\web01\\Virtual Machines", filespec=f"{vm.id.upper()}.vmrs"),
            FileSpec(path="D:\\VMs\\web01\\Snapshots", filespec="x-backupsnapshot.xml"),
            FileSpec(path="D:\\VMs\\web01\\Snapshots\\x", filespec="*"),
        ),
    )

    sources = plan((vm, Method.ONLINE), components=(component,)).jobs[0].sources

    required = {source.filespec for source in sources if source.required}
    assert {"web01.vhdx", f"{vm.id.upper()}.vmcx"} == required
    assert all(not source.path.endswith("\\") for source in sources)


def test_pass_through_disks_and_virtual_tpms_are_told(plan: Callable[..., BackupPlan], make_vm: MakeVm) -> None:
    disk = Disk(controller_type="SCSI", controller_number=0, controller_location=1, path=None, disk_number=3)
    vm = make_vm(disks=(disk,), security=Security(tpm_enabled=True))

    warnings = plan((vm, Method.ONLINE)).jobs[0].warnings

    assert any("pass-through disk 3" in text for text in warnings)
    assert any("TPM" in text for text in warnings)


def test_a_volume_without_room_for_differences_is_told(
    facts: HostFacts, make_vm: MakeVm, make_component: MakeComponent
) -> None:
    vm = make_vm()
    volumes = tuple(msgspec.structs.replace(volume, free_bytes=100 << 20) for volume in facts.volumes)

    result = plan_backup(
        BackupRequest(),
        host="HV01",
        facts=msgspec.structs.replace(facts, volumes=volumes),
        vms=[vm],
        components=[make_component(vm)],
        classifications={vm.id: classified(vm)},
    )

    assert ("D:\\ has 100 MiB free; VSS needs about 320 MiB for a shadow copy's differences",) == result.warnings


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"elevated": False}, NotAdministrator),
        ({"hyper_v": HyperVRole(installed=False)}, HyperVMissing),
        ({"product_type": 1}, WriterUnavailable),
        ({"diskshadow_path": None}, DiskShadowMissing),
    ],
)
def test_a_host_that_cannot_be_backed_up_says_why_and_what_to_do(
    facts: HostFacts, change: dict[str, Any], error: type[HvBackupError]
) -> None:
    with pytest.raises(error) as caught:
        require_fit(msgspec.structs.replace(facts, **change))

    assert caught.value.hint


def test_a_fit_host_passes(facts: HostFacts) -> None:
    require_fit(facts)
