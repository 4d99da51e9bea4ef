"""`vm_info` against a simulated host."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.playbook.modules.conftest import Runner

WEB01 = "582d7e2e-9d6b-5d60-b72c-3990f340cded"


def test_each_vm_has_its_method_and_what_would_make_it_online(run: Runner) -> None:
    result = run("vm_info")

    assert result["changed"] is False
    assert [("legacy", "offline"), ("web01", "online")] == [(vm["vm_name"], vm["method"]) for vm in result["vms"]]
    legacy, web01 = result["vms"]
    assert (WEB01, "Running", 2, [], []) == tuple(
        web01[name] for name in ("vm_id", "state", "generation", "reasons", "cures")
    )
    assert legacy["reasons"][0].startswith("The VM has a SCSI controller")
    assert "Add-VMScsiController" in legacy["cures"][0]
    assert {"met", "failed"} <= {each["verdict"] for each in legacy["conditions"]}
    assert [r"D:\Hyper-V\web01\Virtual Hard Disks\web01.vhdx"] == web01["disks"]


def test_vms_are_chosen_by_pattern_and_a_single_text_is_a_list(run: Runner) -> None:
    assert ["legacy"] == [vm["vm_name"] for vm in run("vm_info", include="leg*")["vms"]]
    assert ["web01"] == [vm["vm_name"] for vm in run("vm_info", exclude=["Offline/*"])["vms"]]


def test_a_pattern_that_fits_no_vm_is_one_error_with_near_names(run: Runner) -> None:
    reply = run.reply("vm_info", include=["web1"])

    assert reply.result["failed"] is True
    assert 2 == reply.exit_code
    assert "no VM of this host fits 'web1'" == reply.result["msg"]
    assert reply.result["hint"].startswith("Did you mean 'web01'?")
