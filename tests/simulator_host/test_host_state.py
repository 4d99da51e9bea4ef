"""The folder of a simulated host, and the programs that share its state."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hvbackup.errors import ScriptFailed
from hvbackup.images.check import check_chain
from hvbackup.images.source import FileSource
from hvbackup.remote.calls import GetHost
from hvbackup.simulator.builder import build_host, copy_host
from hvbackup.simulator.diskshadow import run_script
from hvbackup.simulator.engine import HostError, Stopped
from hvbackup.simulator.handlers import handlers
from hvbackup.simulator.host_command import run
from hvbackup.simulator.inventory import local_chain
from hvbackup.simulator.state import HostState
from hvbackup.simulator.volumes import MalformedPath, local_path, windows_path

if TYPE_CHECKING:
    from tests.simulator_host.conftest import Asker


def program(host: HostState, name: str, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    path = host.folder / "C" / "Windows" / "System32" / name
    return subprocess.run([path, *arguments], cwd=cwd or host.folder, input=b"", capture_output=True, check=False)


def test_the_folder_is_laid_out_as_windows_paths(template: HostState) -> None:
    record = template.read()

    for volume in record.volumes:
        assert (template.folder / f"Volume{{{volume.guid}}}").resolve() == (template.folder / volume.letter).resolve()
    assert local_path(template.folder, "d:\\HYPER-V\\WEB01") == template.folder / "D" / "Hyper-V" / "web01"
    assert windows_path(template.folder, template.folder / "D" / "Hyper-V") == "D:\\Hyper-V"
    assert windows_path(template.folder, template.folder.parent) is None


@pytest.mark.parametrize("path", ["x", "D:x", "D:\\..\\x", "D:\\a|b", "\\\\?\\Nothing\\x", "/etc/passwd"])
def test_what_is_no_windows_path_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(MalformedPath):
        local_path(tmp_path, path)


def test_a_host_is_built_alike_each_time_and_copied_as_it_is(template: HostState, tmp_path: Path) -> None:
    copy = copy_host(template, tmp_path / "copy")
    again = build_host(tmp_path / "again")

    disk = "D/Hyper-V/web01/Virtual Hard Disks/web01.vhdx"
    assert (copy.folder / disk).read_bytes() == (again.folder / disk).read_bytes()
    assert [r.vm.id for r in copy.read().vms] == [r.vm.id for r in again.read().vms]


def test_a_host_is_not_built_over_another_nor_of_an_unknown_profile(host: HostState, tmp_path: Path) -> None:
    with pytest.raises(FileExistsError):
        build_host(host.folder)
    with pytest.raises(ValueError, match="choose demo"):
        build_host(tmp_path / "x", profile="x")


def test_every_chain_of_the_demo_is_sound(template: HostState) -> None:
    chains = [
        local_chain(template.folder, disk.path) for item in template.read().vms for disk in item.vm.disks if disk.path
    ]

    assert 13 == sum(len(chain) for chain in chains)
    for chain in chains:
        with contextlib.ExitStack() as files:
            report = check_chain([files.enter_context(FileSource(path)) for path in chain])
        assert () == report.problems
        assert [()] * len(chain) == [image.problems for image in report.images]


def test_changes_of_many_threads_are_all_kept(host: HostState) -> None:
    def work() -> None:
        for _ in range(10):
            with host.change() as record:
                record.next_shadow_number += 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 41 == host.read().next_shadow_number


def test_a_change_that_fails_changes_nothing(host: HostState) -> None:
    def broken() -> None:
        with host.change() as record:
            record.vms.clear()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        broken()

    assert 11 == len(host.read().vms)


def test_another_process_sees_and_changes_the_same_state(host: HostState) -> None:
    code = (
        "import sys; from hvbackup.simulator.state import HostState\n"
        "with HostState(sys.argv[1]).change() as record: record.switches.append('New')"
    )

    subprocess.run([sys.executable, "-c", code, str(host.folder)], check=True)

    assert ["External", "Internal", "New"] == host.read().switches


def test_the_diskshadow_program_does_what_the_function_does(host: HostState) -> None:
    scratch = local_path(host.folder, "C:\\Work")
    scratch.mkdir()
    script = b"set context persistent\r\nbegin backup\r\nadd volume d:\r\ncreate\r\nend backup\r\n"
    (scratch / "x.dsh").write_bytes(script)

    done = program(host, "diskshadow.exe", "/s", "C:\\work\\X.dsh", "/l", "C:\\Work\\x.log", cwd=scratch)

    assert 0 == done.returncode
    assert b"Number of shadow copies listed: 1\r\n" in done.stdout
    assert "Number of shadow copies listed: 1" in (scratch / "x.log").read_bytes().decode("utf-16")
    assert 1 == len(host.read().shadow_copies)
    assert 1 == len(list(scratch.glob("*_HV01.cab")))


def test_a_script_that_is_not_there_fails(template: HostState) -> None:
    assert 1 == program(template, "diskshadow.exe", "/s", "C:\\none.dsh").returncode


def test_the_vssadmin_program_lists_writers_and_refuses_the_rest(template: HostState) -> None:
    assert (
        b"Writer name: 'Microsoft Hyper-V VSS Writer'\r\n"
        in program(template, "vssadmin.exe", "list", "writers").stdout
    )
    assert 2 == program(template, "vssadmin.exe", "delete", "shadows").returncode


def test_the_helper_program_answers_in_ascii_json(template: HostState) -> None:
    good = program(template, "hvbsim.exe", "list-vms")
    bad = program(template, "hvbsim.exe", "nonsense")

    assert good.stdout.isascii()
    assert 11 == len(json.loads(good.stdout)["data"])
    assert (1, "RequestRefused") == (bad.returncode, json.loads(bad.stdout)["error"]["id"])


def verb(host: HostState, verb_name: str, /, **given: Any) -> Any:
    return run(host, verb_name, json.dumps(given))


def test_cmdlets_can_build_a_vm_step_by_step(host: HostState) -> None:
    vm = verb(host, "new-vm", name="n", generation=2, startupBytes=1 << 30, path="E:\\New")
    disk = {"controllerType": "SCSI", "controllerNumber": 0, "controllerLocation": 0}

    with pytest.raises(HostError, match="cannot find the file"):
        verb(host, "set-vm", id=vm["id"], changes={"disks": [{**disk, "path": "E:\\none.vhdx"}]})
    with pytest.raises(HostError, match="no field"):
        verb(host, "set-vm", id=vm["id"], changes={"colour": "red"})
    changed = verb(host, "set-vm", id=vm["id"], changes={"memory": {"dynamic": True}, "name": "m"})

    assert (True, 1 << 30, "m") == (
        changed["memory"]["dynamic"], changed["memory"]["startupBytes"], changed["name"],
    )  # fmt: skip
    assert "Running" == verb(host, "set-vm-state", id=vm["id"], state="Running")["state"]
    with pytest.raises(HostError, match="must be off"):
        verb(host, "remove-vm", id=vm["id"])
    verb(host, "set-vm-state", id=vm["id"], state="Off")
    verb(host, "remove-vm", id=vm["id"])
    with pytest.raises(HostError, match="unable to find"):
        verb(host, "remove-vm", id=vm["id"])


def test_cmdlets_can_mend_an_import(host: HostState) -> None:
    (vm,) = [record.vm for record in host.read().vms if record.vm.name == "build01"]
    with host.change() as record:
        record.switches.clear()

    plan = verb(host, "compare-vm", path=vm.configuration_file, copyFiles=True, generateNewId=True)
    assert [33012] == [problem["messageId"] for problem in plan["problems"]]
    with pytest.raises(HostError, match="Compare-VM"):
        verb(host, "import-vm", plan=plan)
    plan["vm"]["networkAdapters"][0]["switchName"] = None
    plan = verb(host, "check-plan", plan=plan)

    assert [] == plan["problems"]
    assert plan["vm"]["id"] == verb(host, "import-vm", plan=plan)["id"]


def test_cmdlets_can_mount_a_disk(host: HostState) -> None:
    path = "D:\\Hyper-V\\build01\\Virtual Hard Disks\\build01.vhdx"
    folder = local_path(host.folder, "C:\\mnt")
    folder.mkdir()

    number = verb(host, "mount-vhd", path=path, readOnly=True, driveLetters=False)["diskNumber"]
    verb(host, "add-access-path", diskNumber=number, number=1, path="C:\\mnt")

    image = verb(host, "get-vhd", path=path)
    assert (True, number, "Dynamic") == (image["attached"], image["diskNumber"], image["type"])
    assert folder.is_symlink()
    assert "C:\\mnt\\" in verb(host, "list-disks")[0]["partitions"][0]["accessPaths"]
    verb(host, "remove-access-path", diskNumber=number, number=1, path="C:\\mnt")
    assert not folder.is_symlink()
    assert {"wasMounted": True} == verb(host, "dismount-vhd", path=path)


@pytest.mark.parametrize("given", ["[]", "{", '{"id": 7}', "{}"])
def test_input_that_does_not_fit_a_verb_is_refused(template: HostState, given: str) -> None:
    with pytest.raises(HostError) as caught:
        run(template, "remove-vm", given)

    assert "RequestRefused" == caught.value.error_id


def test_a_handler_that_was_told_to_hang_ends_when_it_is_stopped(ask: Asker) -> None:
    with ask.host.change() as record:
        record.faults.stop_at = {"Get-HvbHost:start": "hang"}
    ask.context.name = "Get-HvbHost"
    ask.context.stopped.set()

    with pytest.raises(Stopped):
        handlers(ask.host)["Get-HvbHost"](ask.context)


def test_a_handler_that_was_told_to_fail_fails_and_only_there(ask: Asker) -> None:
    with ask.host.change() as record:
        record.faults.stop_at = {"Get-HvbHost:start": "fail"}

    with pytest.raises(ScriptFailed):
        ask(GetHost())
    assert 0 == run_script(ask.host, b"list providers\r\n", cwd="C:\\").exit_code
