"""`vm_backup` against a simulated host."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import msgspec

from hvbackup import Repository, Secret
from hvbackup.events import JobFinished
from hvbackup.models import JobStatus
from hvbackup.simulator.vm_specs import VmSpec

if TYPE_CHECKING:
    from tests.playbook.modules.conftest import MakeRunner, MakeSite, Runner, Site

PASSWORD = "correct horse battery staple"
PASSPHRASE = "wal nuss kern"
WEB01 = "582d7e2e-9d6b-5d60-b72c-3990f340cded"

POINT = r"\d{8}T\d{6}Z-[0-9a-f]{8}"
VSS_E_OBJECT_NOT_FOUND = 0x80042308


def test_a_vm_is_backed_up_and_one_that_would_be_paused_is_skipped(run: Runner, repository: dict[str, Any]) -> None:
    reply = run.reply("vm_backup", **repository)

    assert 0 == reply.exit_code
    assert reply.result["changed"] is True
    legacy, web01 = sorted(reply.result["vms"], key=lambda vm: vm["vm_name"])
    assert ("skipped", None, False) == (legacy["status"], legacy["point_id"], legacy["pauses"])
    assert "Allow it with allow_offline: true" in legacy["hint"]
    assert ("ok", "online", "guest") == (web01["status"], web01["method"], web01["consistency"])
    assert re.fullmatch(POINT, web01["point_id"])
    assert {"ok": 1, "warning": 0, "failed": 0, "skipped": 1, "planned": 0} == reply.result["summary"]
    assert {("hv01", "web01", JobStatus.OK), ("hv01", "legacy", JobStatus.SKIPPED)} == {
        (each.host, each.vm_name, each.status) for each in reply.outcomes
    }
    assert {"legacy", "web01"} == {event.vm for event in run.events if isinstance(event, JobFinished)}


def test_check_mode_gives_the_plan_and_touches_nothing(run: Runner, site: Site, repository: dict[str, Any]) -> None:
    before = site.host.read().history

    result = run("vm_backup", check=True, diff=True, allow_offline=True, **repository)

    assert result["changed"] is True
    assert {("legacy", "planned", True), ("web01", "planned", False)} == {
        (vm["vm_name"], vm["status"], vm["pauses"]) for vm in result["vms"]
    }
    assert f"web01 ({WEB01}): no restore point\n" in result["diff"]["before"]
    assert f"web01 ({WEB01}): a new restore point\n" in result["diff"]["after"]
    assert before == site.host.read().history
    with Repository.open(repository["repository"], passphrase=None) as opened:
        assert [] == opened.points()


def test_when_every_vm_is_skipped_nothing_has_changed(run: Runner, repository: dict[str, Any]) -> None:
    assert run("vm_backup", include="legacy", **repository)["changed"] is False
    assert run("vm_backup", include="legacy", check=True, **repository)["changed"] is False


def test_the_diff_names_the_point_that_was_made(run: Runner, repository: dict[str, Any]) -> None:
    result = run("vm_backup", diff=True, include=["web01"], **repository)

    point = result["vms"][0]["point_id"]
    assert {"before": f"web01 ({WEB01}): no restore point\n", "after": f"web01 ({WEB01}): {point}\n"} == result["diff"]
    assert "diff" not in run("vm_backup", include=["web01"], **repository)


def test_one_that_fails_fails_the_task_and_the_results_of_all_are_kept(
    make_site: MakeSite, runner: MakeRunner, repository: dict[str, Any]
) -> None:
    odd = VmSpec(key="db01", name="db01", without_files=True)
    site = make_site(
        [VmSpec(key="web01", name="web01"), VmSpec(key="legacy", name="legacy", generation=1, scsi=False), odd]
    )

    reply = runner(site.options).reply("vm_backup", **repository)

    assert {"web01": "ok", "legacy": "skipped", "db01": "failed"} == {
        vm["vm_name"]: vm["status"] for vm in reply.result["vms"]
    }
    assert (True, True, 3) == (reply.result["failed"], reply.result["changed"], reply.exit_code)
    assert reply.result["msg"].startswith("1 of 2 VMs failed: db01: ")


def test_when_all_fail_nothing_changed_and_the_exit_code_is_1(
    run: Runner, site: Site, repository: dict[str, Any]
) -> None:
    with site.host.change() as record:
        record.faults.create_hresult = VSS_E_OBJECT_NOT_FOUND

    reply = run.reply("vm_backup", **repository)

    assert (True, False, 1) == (reply.result["failed"], reply.result["changed"], reply.exit_code)
    assert ["web01"] == [vm["vm_name"] for vm in reply.result["vms"] if vm["status"] == "failed"]


def test_a_stop_is_exit_code_130(run: Runner, repository: dict[str, Any]) -> None:
    run.cancel.set()

    reply = run.reply("vm_backup", **repository)

    assert (True, 130) == (reply.result["failed"], reply.exit_code)


def test_a_host_that_does_not_answer_is_unreachable(
    site: Site, runner: MakeRunner, unused_port: int, repository: dict[str, Any]
) -> None:
    run = runner(msgspec.structs.replace(site.options, port=unused_port))

    reply = run.reply("vm_backup", **repository)

    assert (True, 4) == (reply.result["unreachable"], reply.exit_code)
    assert "failed" not in reply.result
    assert f"127.0.0.1:{unused_port} refuses the connection: nothing listens there" == reply.result["msg"]


def test_a_wrong_password_is_unreachable_with_exit_code_7_and_is_not_shown(
    site: Site, runner: MakeRunner, repository: dict[str, Any]
) -> None:
    run = runner(msgspec.structs.replace(site.options, password=Secret("not this one")))

    reply = run.reply("vm_backup", **repository)

    assert (True, 7) == (reply.result["unreachable"], reply.exit_code)
    assert "not this one" not in json.dumps(reply.result)


def test_neither_secret_is_in_the_result_when_the_passphrase_is_wrong(run: Runner, repository: dict[str, Any]) -> None:
    sealed = repository["repository"] + "-sealed"
    Repository.init(sealed, passphrase=Secret(PASSPHRASE), scrypt_log_n=10).close()

    good = run.reply("vm_backup", repository=sealed, passphrase=PASSPHRASE, include="web01")
    wrong = run.reply("vm_backup", repository=sealed, passphrase="guess one", include="web01")

    assert (0, 7) == (good.exit_code, wrong.exit_code)
    assert "KeyRefused" == wrong.result["error_type"]
    for reply in (good, wrong):
        text = json.dumps(reply.result)
        assert not [secret for secret in (PASSPHRASE, "guess one", PASSWORD) if secret in text]


def test_a_vaulted_passphrase_is_taken(run: Runner, repository: dict[str, Any]) -> None:
    sealed = repository["repository"] + "-sealed"
    Repository.init(sealed, passphrase=Secret(PASSPHRASE), scrypt_log_n=10).close()

    assert run("vm_backup", repository=sealed, passphrase=Secret(PASSPHRASE), include="web01")["changed"] is True


def test_hosts_are_backed_up_side_by_side_in_threads(
    make_site: MakeSite, runner: MakeRunner, repository: dict[str, Any]
) -> None:
    sites = [make_site([VmSpec(key=name, name=name)], name=name) for name in ("one", "two")]

    def back_up(numbered: tuple[int, Site]) -> dict[str, object]:
        result: dict[str, object] = runner(numbered[1].options, f"hv{numbered[0]}")("vm_backup", **repository)
        return result

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(back_up, enumerate(sites)))

    assert [True, True] == [result["changed"] for result in results]
    with Repository.open(repository["repository"], passphrase=None) as opened:
        assert ["one", "two"] == sorted(point.vm_name for point in opened.points())


def test_an_unchecked_certificate_is_a_warning_of_the_result(site: Site, runner: MakeRunner) -> None:
    run = runner(msgspec.structs.replace(site.options, verify=False, ca_file=None))

    warnings = run("vm_info")["warnings"]

    assert ["The certificate of 127.0.0.1 is not checked: anybody on the way can pose as it."] == warnings
