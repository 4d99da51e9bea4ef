"""Every command, as a person and as a program sees it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hvbackup.simulator.builder import change_disk

Invoke = Callable[..., Any]
Options = tuple[str, ...]
HOST = "127.0.0.1"


def test_help_lists_every_command_and_the_exit_codes(invoke: Invoke) -> None:
    done = invoke("--help")

    assert 0 == done.code
    for name in ("demo", "host", "writers", "vms", "backup", "points", "show", "restore", "rebuild", "mount", "unmount",
                 "cleanup", "transcript", "simulator", "repository", "config", "completion", "verify"):  # fmt: skip
        assert f"  {name} " in done.out
    assert "130 interrupted" in done.out


@pytest.mark.parametrize(
    "command",
    ["demo", "host check", "writers", "vms", "backup", "points", "show", "verify", "restore", "rebuild", "mount",
     "unmount", "cleanup", "transcript", "repository init", "repository check", "repository info", "config show",
     "simulator serve", "completion"],
)  # fmt: skip
def test_every_command_has_help(invoke: Invoke, command: str) -> None:
    done = invoke(*command.split(), "--help")

    assert 0 == done.code
    assert done.out.startswith("Usage: hvbackup")


def test_help_loads_no_heavy_library() -> None:
    code = (
        "import sys; from hvbackup.cli.main import run; run(['--help']);"
        "heavy = {'pypsrp', 'winrm', 'requests', 'rich', 'obstore', 'zstandard', 'cryptography', 'psrpcore'};"
        "sys.exit(str(sorted(heavy & set(sys.modules))) if heavy & set(sys.modules) else 0)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert 0 == done.returncode, done.stderr


def test_host_check_says_that_a_host_is_fit(invoke: Invoke, on_host: Options) -> None:
    done = invoke("host", "check", HOST, *on_host)

    assert 0 == done.code
    assert "fit for backups" in done.out
    assert "D:\\" in done.out


def test_writers_shows_states_and_components(invoke: Invoke, on_host: Options) -> None:
    done = invoke("writers", HOST, "--components", *on_host)

    assert 0 == done.code
    assert "Microsoft Hyper-V VSS Writer" in done.out
    assert "Online\\web01" in done.out


def test_vms_explains_each_condition_and_its_cure(invoke: Invoke, on_host: Options) -> None:
    done = invoke("vms", HOST, "--explain", "--include", "legacy", *on_host)

    assert 0 == done.code
    assert "offline" in done.out
    assert "cure: " in done.out
    assert "cannot be seen from the host" in done.out


def test_vms_writes_records_for_programs(invoke: Invoke, on_host: Options) -> None:
    done = invoke("vms", HOST, "--json", *on_host)

    methods = {record["name"]: record["classification"]["method"] for record in done.of_type("vm")}
    assert {"web01": "online", "legacy": "offline"} == methods
    assert {"type": "summary", "exitCode": 0, "vms": 2} == done.records[-1]


def test_a_dry_run_shows_the_plan_and_does_nothing(invoke: Invoke, on_host: Options, served: Any) -> None:
    done = invoke("backup", HOST, "--dry-run", *on_host)

    assert 0 == done.code
    assert "shadow set 1 for web01" in done.out
    assert "was not allowed" in done.out
    assert [] == served.host.read().shadow_copies
    assert not [entry for entry in served.host.read().history if entry.event == "shadow-created"]


def test_backup_points_show_verify_restore(
    invoke: Invoke, on_host: Options, in_repository: Options, tmp_path: Path
) -> None:
    backup = invoke("backup", HOST, "--json", *in_repository, *on_host)
    jobs = {record["vmName"]: record for record in backup.of_type("job")}
    assert (0, "ok", "skipped") == (backup.code, jobs["web01"]["status"], jobs["legacy"]["status"])
    assert 0 == backup.records[-1]["exitCode"]
    point = jobs["web01"]["pointId"]

    points = invoke("points", *in_repository)
    assert point in points.out

    show = invoke("show", point[:12], *in_repository)
    assert "@HYPERV/" in show.out
    assert "Online/" in show.out
    assert "web01.vhdx" in show.out

    verify = invoke("verify", "--all", *in_repository)
    assert (0, True) == (verify.code, "good" in verify.out)

    restore = invoke("restore", point, "--to", str(tmp_path / "out"), "--file", "*.vhdx", *in_repository)
    assert 0 == restore.code
    assert 1 == len(list((tmp_path / "out").rglob("web01.vhdx")))

    again = invoke("restore", point, "--to", str(tmp_path / "out"), *in_repository)
    assert 1 == again.code
    assert "hint: " in again.err


def test_an_offline_backup_is_warned_about(invoke: Invoke, on_host: Options, in_repository: Options) -> None:
    done = invoke("backup", HOST, "--allow-offline", "--include", "*/legacy", *in_repository, *on_host)

    assert 0 == done.code
    assert "will be paused" in done.err
    assert "saved-state" in invoke("points", *in_repository).out


def test_settings_choose_defaults_that_options_overrule(
    invoke: Invoke, on_host: Options, in_repository: Options, tmp_path: Path
) -> None:
    (tmp_path / "hvbackup.toml").write_text("[backup]\nallow_offline = true\ngrouping = 'shared'\n")

    by_settings = invoke("backup", HOST, "--dry-run", "--json", *on_host).of_type("job_plan")
    overruled = invoke("backup", HOST, "--dry-run", "--json", "--no-allow-offline", *on_host).of_type("job_plan")

    assert {"run"} == {plan["action"] for plan in by_settings}
    assert {"run", "skip"} == {plan["action"] for plan in overruled}


def test_a_partial_failure_has_its_own_exit_code_and_can_be_run_again(
    invoke: Invoke, on_host: Options, in_repository: Options, served: Any
) -> None:
    vm_id = next(record.vm.id for record in served.host.read().vms if record.vm.name == "legacy")
    with served.host.change() as record:
        record.faults.missing_components = [vm_id]
    failed = invoke("backup", HOST, "--allow-offline", *in_repository, *on_host)
    with served.host.change() as record:
        record.faults.missing_components = []

    again = invoke("backup", HOST, "--rerun", "last", "--json", *in_repository, *on_host)

    assert 3 == failed.code
    assert "--rerun" in failed.out
    assert ["legacy"] == [record["vmName"] for record in again.of_type("job")]
    assert 0 == again.code


def test_rebuild_shows_its_plan_and_asks_before_it_destroys(
    invoke: Invoke, on_host: Options, in_repository: Options
) -> None:
    backup = invoke("backup", HOST, "--json", "--include", "web01", *in_repository, *on_host)
    point = backup.of_type("job")[0]["pointId"]

    plan = invoke("rebuild", point, HOST, "--as", "copy", "--path", "E:\\Copy", "--dry-run", *in_repository, *on_host)
    refused = invoke("rebuild", point, HOST, "--replace", *in_repository, *on_host)
    built = invoke("rebuild", point, HOST, "--as", "copy", "--path", "E:\\Copy", *in_repository, *on_host)

    assert (0, True) == (plan.code, "New-VM" in plan.out)
    assert 1 == refused.code
    assert "WILL BE GONE" in refused.out
    assert "--yes" in refused.err
    assert (0, True) == (built.code, "copy is there" in built.out)


def test_a_restored_disk_is_mounted_and_dismounted(invoke: Invoke, on_host: Options, in_repository: Options) -> None:
    backup = invoke("backup", HOST, "--json", "--include", "web01", *in_repository, *on_host)
    point = backup.of_type("job")[0]["pointId"]
    restore = invoke(
        "restore", point, "--host", HOST, "--to", "E:\\R", "--file", "*.vhdx", "--json", *in_repository, *on_host
    )
    path = restore.of_type("file")[0]["path"]

    mount = invoke("mount", HOST, path, *on_host)
    unmount = invoke("unmount", HOST, path, *on_host)

    assert (0, True) == (mount.code, "NTFS" in mount.out)
    assert (0, True) == (unmount.code, "was dismounted" in unmount.out)


def test_cleanup_finds_nothing_on_a_clean_host(invoke: Invoke, on_host: Options) -> None:
    done = invoke("cleanup", HOST, *on_host)

    assert (0, True) == (done.code, "nothing of hvbackup" in done.out)


def test_a_second_backup_says_how_little_travelled(
    invoke: Invoke, on_host: Options, in_repository: Options, served: Any
) -> None:
    vm_id = next(record.vm.id for record in served.host.read().vms if record.vm.name == "web01")
    invoke("backup", HOST, "--include", "web01", *in_repository, *on_host)
    change_disk(served.host, vm_id)

    job = invoke("backup", HOST, "--include", "web01", "--json", *in_repository, *on_host).of_type("job")[0]

    assert 0 < job["sentBytes"] < job["readBytes"] / 10


def test_repository_info_and_check(invoke: Invoke, in_repository: Options) -> None:
    info = invoke("repository", "info", *in_repository)
    check = invoke("repository", "check", "--read-data", *in_repository)

    assert (0, True) == (info.code, "none" in info.out)
    assert (0, True) == (check.code, "good" in check.out)


def test_the_simulator_serves_and_says_how_to_connect_in_its_first_line(tmp_path: Path) -> None:
    arguments = [sys.executable, "-m", "hvbackup", "simulator", "serve", "--json", "--host-profile", "empty"]
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    ) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        process.terminate()
        process.communicate(timeout=30)

    assert {"endpoint", "username", "password", "ca_file", "engine"} <= set(ready)
    assert ready["endpoint"].startswith("https://127.0.0.1:")
    assert not Path(ready["folder"]).exists()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_printed(invoke: Invoke, shell: str) -> None:
    done = invoke("completion", shell)

    assert (0, True) == (done.code, "_HVBACKUP_COMPLETE" in done.out)
