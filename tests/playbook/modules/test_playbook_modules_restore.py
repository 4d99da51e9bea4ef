"""`vm_restore`, `vm_rebuild`, `vhd_mount` against a simulated host."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hvbackup import Repository
from hvbackup.models import JobStatus

if TYPE_CHECKING:
    from tests.playbook.modules.conftest import Runner, Site

WEB01 = "582d7e2e-9d6b-5d60-b72c-3990f340cded"
DRILL: dict[str, Any] = {"name": "web01-drill", "path": "E:\\Drill"}


def below(site: Site, path: str) -> list[str]:
    folder = site.windows_file(path)
    return sorted(each.relative_to(folder).as_posix() for each in folder.rglob("*")) if folder.exists() else []


def test_files_go_to_a_folder_of_the_host(run: Runner, site: Site, backed_up: dict[str, Any]) -> None:
    arguments = {"vm": "web01", "to": "E:\\Look", "files": "*.vhdx", **backed_up}

    planned = run("vm_restore", check=True, diff=True, **arguments)
    assert [] == below(site, "E:\\Look")
    reply = run.reply("vm_restore", **arguments)

    assert planned["changed"] is reply.result["changed"] is True
    assert planned["files"] == reply.result["files"]
    (file,) = reply.result["files"]
    assert site.windows_file(file["path"]).stat().st_size == file["size_bytes"] == reply.result["size_bytes"]
    assert file["path"].startswith("E:\\Look\\")
    assert {"before": "", "after": f"{file['path']}: as in {planned['point_id']}\n"} == planned["diff"]
    assert [("hv01", "web01", JobStatus.OK)] == [(each.host, each.vm_name, each.status) for each in reply.outcomes]


def test_what_is_there_is_refused_in_check_mode_too_and_replaced_when_asked(
    run: Runner, backed_up: dict[str, Any]
) -> None:
    arguments = {"vm": "web01", "to": "E:\\Look", "files": ["*.vhdx"], **backed_up}
    run("vm_restore", **arguments)

    for check in (True, False):
        reply = run.reply("vm_restore", check=check, **arguments)
        assert "RestoreRefused" == reply.result["error_type"]
        assert "replace: true" in reply.result["hint"]
    assert [True] == [file["existed"] for file in run("vm_restore", replace=True, **arguments)["files"]]


def test_files_go_to_this_machine(run: Runner, backed_up: dict[str, Any], tmp_path: Path) -> None:
    arguments = {"vm": WEB01, "to": str(tmp_path / "here"), "on": "controller", **backed_up}

    planned = run("vm_restore", check=True, **arguments)
    assert not (tmp_path / "here").exists()
    result = run("vm_restore", **arguments)

    assert planned["files"] == result["files"]
    assert all(Path(file["path"]).stat().st_size == file["size_bytes"] for file in result["files"])


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        ({"to": "E:\\Look"}, "give exactly one of point and vm", 5),
        ({"to": "E:\\Look", "vm": "web01", "point": "2026"}, "give exactly one of point and vm", 5),
        ({"to": "E:\\Look", "vm": "nobody"}, "the repository has no restore point of 'nobody'", 2),
        ({"to": "Look", "vm": "web01"}, "'Look' is no full Windows path", 2),
    ],
)
def test_what_cannot_be_meant_is_one_error(
    run: Runner, backed_up: dict[str, Any], arguments: dict[str, Any], message: str, code: int
) -> None:
    reply = run.reply("vm_restore", **arguments, **backed_up)

    assert (True, message, code) == (reply.result["failed"], reply.result["msg"], reply.exit_code)


def test_a_drill_rebuilds_disconnected_verifies_and_removes_all_of_it(
    run: Runner, site: Site, backed_up: dict[str, Any]
) -> None:
    arguments = {"vm": "web01", "by": "new", "connect_network": False, "verify": True, **DRILL, **backed_up}

    planned = run("vm_rebuild", check=True, diff=True, **arguments)
    assert (None, ["legacy", "web01"]) == (planned["vm"], site.vm_names())
    result = run("vm_rebuild", **arguments)

    assert planned["steps"] == result["steps"]
    assert planned["diff"]["after"].splitlines() == planned["steps"]
    assert ("web01-drill", "Off", [], [], "new") == (
        result["vm"]["vm_name"],
        result["vm"]["state"],
        result["vm"]["connected_switches"],
        result["destroys"],
        result["by"],
    )
    assert result["verified_bytes"] > 0
    assert WEB01 != result["vm"]["vm_id"]
    assert ["legacy", "web01", "web01-drill"] == site.vm_names()
    with Repository.open(backed_up["repository"], passphrase=None) as opened:
        assert [result["point_id"]] == list(opened.verified())

    would = run("vm_rebuild", check=True, diff=True, state="absent", **DRILL, **backed_up)
    assert ["legacy", "web01", "web01-drill"] == site.vm_names()
    gone = run("vm_rebuild", state="absent", **DRILL, **backed_up)

    assert would["destroys"] == gone["destroys"] == would["diff"]["before"].splitlines()
    assert gone["changed"] is True
    assert result["vm"]["vm_id"] == gone["vm"]["vm_id"]
    assert "warnings" not in gone
    assert ["legacy", "web01"] == site.vm_names()
    assert [] == below(site, "E:\\Drill")
    again = run("vm_rebuild", state="absent", **DRILL, **backed_up)
    assert (False, None) == (again["changed"], again["vm"])


def test_a_foreign_file_in_the_folder_of_the_vm_is_left_and_told(
    run: Runner, site: Site, backed_up: dict[str, Any]
) -> None:
    run("vm_rebuild", vm="web01", by="new", **DRILL, **backed_up)
    site.windows_file("E:\\Drill\\web01-drill\\note.txt").write_text("keep me")

    gone = run("vm_rebuild", state="absent", **DRILL, **backed_up)

    assert ["legacy", "web01"] == site.vm_names()
    assert ["web01-drill", "web01-drill/note.txt"] == below(site, "E:\\Drill")
    assert "E:\\Drill\\web01-drill\\note.txt" in gone["warnings"][0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "web01", "path": "D:\\Hyper-V"}, "is one that was backed up"),
        ({"name": "legacy", "path": "E:\\Drill"}, "is not one that was rebuilt below E:\\Drill"),
        ({"name": "legacy"}, "state: absent needs name and path"),
        ({"name": "legacy", "path": "Drill"}, "'Drill' is no full Windows path"),
    ],
)
def test_only_what_a_rebuild_has_made_is_removed(
    run: Runner, site: Site, backed_up: dict[str, Any], arguments: dict[str, Any], message: str
) -> None:
    reply = run.reply("vm_rebuild", state="absent", **arguments, **backed_up)

    assert reply.result["failed"] is True
    assert message in reply.result["msg"]
    assert ["legacy", "web01"] == site.vm_names()


def test_a_vm_that_is_still_there_is_not_replaced_unasked(run: Runner, backed_up: dict[str, Any]) -> None:
    reply = run.reply("vm_rebuild", vm="web01", **backed_up)

    assert ("RestoreRefused", 1) == (reply.result["error_type"], reply.exit_code)
    assert "Rebuild beside it with name NAME path FOLDER, or replace it with replace: true." == reply.result["hint"]


def test_a_rebuild_that_fails_after_the_original_was_removed_counts_as_a_change(
    run: Runner, site: Site, backed_up: dict[str, Any]
) -> None:
    with site.host.change() as record:
        record.faults.stop_at["Import-HvbVm:start"] = "fail"
        record.faults.stop_at["New-HvbVm:start"] = "fail"

    reply = run.reply("vm_rebuild", vm="web01", replace=True, **backed_up)

    assert (True, True) == (reply.result["failed"], reply.result["changed"])
    assert "The original VM has been turned off" in reply.result["hint"]
    assert reply.result["error_type"]
    assert reply.result["destroys"]
    assert [JobStatus.FAILED] == [each.status for each in reply.outcomes]


def test_a_rebuild_that_fails_before_that_has_changed_nothing(
    run: Runner, site: Site, backed_up: dict[str, Any]
) -> None:
    with site.host.change() as record:
        record.faults.stop_at["Write-HvbFile:start"] = "fail"

    reply = run.reply("vm_rebuild", vm="web01", replace=True, **backed_up)

    assert (True, False) == (reply.result["failed"], reply.result["changed"])
    assert ["legacy", "web01"] == site.vm_names()


def test_a_disk_is_mounted_once_and_dismounted_once(run: Runner, backed_up: dict[str, Any]) -> None:
    file = run("vm_restore", vm="web01", to="E:\\Look", files="*.vhdx", **backed_up)["files"][0]["path"]

    mounted = run("vhd_mount", diff=True, path=file)
    assert (True, "mounted", "NTFS") == (mounted["changed"], mounted["state"], mounted["partitions"][0]["file_system"])
    assert {"before": f"{file}: dismounted\n", "after": f"{file}: mounted\n"} == mounted["diff"]
    assert run("vhd_mount", path=file)["changed"] is False
    assert run("vhd_mount", path=file, state="dismounted")["changed"] is True
    assert run("vhd_mount", path=file, state="dismounted")["changed"] is False


def test_check_mode_says_that_it_cannot_know_whether_a_disk_is_mounted(run: Runner, backed_up: dict[str, Any]) -> None:
    file = run("vm_restore", vm="web01", to="E:\\Look", files="*.vhdx", **backed_up)["files"][0]["path"]

    planned = run("vhd_mount", check=True, path=file)

    assert planned["changed"] is True
    assert [
        "whether the disk is mounted already is not known without mounting it; check mode takes it that it is not"
    ] == (planned["warnings"])
    assert run("vhd_mount", path=file)["changed"] is True
    assert "FileMissing" == run.reply("vhd_mount", check=True, path="E:\\none.vhdx").result["error_type"]
    assert run("vhd_mount", check=True, path="E:\\none.vhdx", state="dismounted")["changed"] is False


def test_a_disk_of_a_vm_is_not_mounted(run: Runner) -> None:
    disk = run("vm_info", include="web01")["vms"][0]["disks"][0]

    for check in (True, False):
        reply = run.reply("vhd_mount", path=disk, check=check)
        assert f"{disk} is attached to the VM 'web01'" == reply.result["msg"]
