r"""The programs of the simulated host's `C:\Windows\System32`, as the scripts there start them.

`hvbsim.exe VERB` is what stub PowerShell cmdlets use to see and change the host's state: a JSON object on standard
input (empty for none), one JSON document in ASCII on standard output: `{"ok":true,"data":...}`, or
`{"ok":false,"error":{"id","message"}}` with exit code 1. Ids of errors are those of `ps_scripts/README.md`. VMs are
objects with the fields of `hvbackup.models.Vm` (camelCase), their disks with chains as the files say.

======================  ============================================================  ================================
verb                    input                                                         data
======================  ============================================================  ================================
state                                                                                 everything of `state.json`
list-vms                                                                              list of {vm, truth}
new-vm                  name, generation, startupBytes, path?, version?               VM
set-vm                  id, changes: {field: value} (objects merged, lists replaced)  VM
set-vm-state            id, state: Running, Off or Saved                              VM
new-adapter             id, name                                                      an adapter, not yet the VM's
remove-vm               id                                                            null
compare-vm              path, copyFiles?, generateNewId?, virtualMachinePath?,        plan: {vm, truth, problems:
                        snapshotFilePath?, smartPagingFilePath?,                      [{messageId, message, source}],
                        virtualHardDiskPath?                                          sourcePath, copyFiles, ...}
check-plan              plan (its vm may have been changed)                           plan with its problems as of now
import-vm               plan                                                          VM
get-vhd                 path                                                          ImageFile + attached, diskNumber
mount-vhd               path, readOnly?, driveLetters?                                mounted disk
dismount-vhd            path                                                          {wasMounted}
list-disks                                                                            mounted disks with partitions
add-access-path         diskNumber, number, path                                      null
remove-access-path      diskNumber, number, path                                      null
change-disk             id, disk?, seed?                                              {bytes}: as a guest at work does
======================  ============================================================  ================================

`diskshadow.exe [/s SCRIPT] [/l LOG]` and `vssadmin.exe list writers|providers` are the imitations of this package.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from hvbackup.models import decodable
from hvbackup.simulator import mounts, vm_changes, vm_import
from hvbackup.simulator.builder import change_disk
from hvbackup.simulator.diskshadow import run_script
from hvbackup.simulator.engine import HostError
from hvbackup.simulator.inventory import described_vm, image_file
from hvbackup.simulator.script_requests import host_errors
from hvbackup.simulator.state import HostState
from hvbackup.simulator.vm_import import PlannedVm
from hvbackup.simulator.volumes import local_path, windows_path
from hvbackup.simulator.vssadmin import list_providers, list_writers

Verb = Callable[[HostState, dict[str, Any]], Any]


def main(folder: str) -> int:
    """hvbsim.exe: run the verb of the command line; return the exit code."""
    try:
        raw = sys.stdin.buffer.read()
        answer = {"ok": True, "data": run(HostState(folder), sys.argv[1] if len(sys.argv) > 1 else "", raw)}
    except HostError as error:
        answer = {"ok": False, "error": {"id": error.error_id, "message": error.message}}
    sys.stdout.write(json.dumps(answer, ensure_ascii=True))
    return 0 if answer["ok"] else 1


def run(host: HostState, verb: str, raw: bytes | str = b"") -> Any:
    """Run one verb and return its data as JSON-ready builtins; `HostError` for all that goes wrong."""
    action = _VERBS.get(verb)
    if action is None:
        raise HostError("RequestRefused", f"hvbsim has no verb '{verb}'; it has {', '.join(_VERBS)}")
    try:
        given = json.loads(raw or b"{}")
    except ValueError as error:
        raise HostError("RequestRefused", f"the input of '{verb}' is not JSON: {error}") from None
    if not isinstance(given, dict):
        raise HostError("RequestRefused", f"the input of '{verb}' is not a JSON object")
    with host_errors():
        try:
            return msgspec.to_builtins(action(host, given))
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise HostError("RequestRefused", f"the input of '{verb}' does not fit: {error}") from None


def _list_vms(host: HostState, _given: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"vm": described_vm(host.folder, record), "truth": record.truth} for record in host.read().vms]


def _new_vm(host: HostState, given: dict[str, Any]) -> Any:
    return vm_changes.new_vm(
        host,
        name=given["name"],
        generation=int(given["generation"]),
        startup_bytes=int(given["startupBytes"]),
        path=given.get("path"),
        version=given.get("version") or "9.0",
    )


def _set_vm(host: HostState, given: dict[str, Any]) -> Any:
    return vm_changes.change_vm(host, given["id"], given["changes"])


def _set_vm_state(host: HostState, given: dict[str, Any]) -> Any:
    return vm_changes.set_state(host, given["id"], given["state"])


def _new_adapter(_host: HostState, given: dict[str, Any]) -> Any:
    return vm_changes.new_adapter(given["id"], given["name"])


def _remove_vm(host: HostState, given: dict[str, Any]) -> None:
    vm_changes.remove_vm(host, given["id"])


def _compare_vm(host: HostState, given: dict[str, Any]) -> Any:
    return vm_import.plan_import(
        host,
        given["path"],
        copy_files=bool(given.get("copyFiles")),
        generate_new_id=bool(given.get("generateNewId")),
        virtual_machine_path=given.get("virtualMachinePath"),
        snapshot_file_path=given.get("snapshotFilePath"),
        smart_paging_file_path=given.get("smartPagingFilePath"),
        virtual_hard_disk_path=given.get("virtualHardDiskPath"),
    )


def _check_plan(host: HostState, given: dict[str, Any]) -> Any:
    plan = msgspec.convert(given["plan"], type=decodable(PlannedVm))
    plan.problems = vm_import.problems_of(host, plan)
    return plan


def _import_vm(host: HostState, given: dict[str, Any]) -> Any:
    return vm_import.import_vm(host, msgspec.convert(given["plan"], type=decodable(PlannedVm)))


def _get_vhd(host: HostState, given: dict[str, Any]) -> dict[str, Any]:
    path = given["path"]
    try:
        image = image_file(host.folder, path)
    except ValueError as error:
        raise HostError(
            "Unexpected", f"Getting the mounted storage instance for the path '{path}' failed. {error}"
        ) from None
    mounted = mounts.find_mounted(host.read(), path)
    whole: dict[str, Any] = msgspec.to_builtins(image)
    return {**whole, "attached": mounted is not None, "diskNumber": mounted.disk_number if mounted else None}


def _mount_vhd(host: HostState, given: dict[str, Any]) -> Any:
    return mounts.mount(
        host,
        given["path"],
        read_only=bool(given.get("readOnly", False)),
        drive_letters=bool(given.get("driveLetters", True)),
    )


def _dismount_vhd(host: HostState, given: dict[str, Any]) -> dict[str, bool]:
    return {"wasMounted": mounts.dismount(host, given["path"])}


def _add_access_path(host: HostState, given: dict[str, Any]) -> None:
    mounts.add_access_path(host, given["diskNumber"], given["number"], given["path"])


def _remove_access_path(host: HostState, given: dict[str, Any]) -> None:
    mounts.remove_access_path(host, given["diskNumber"], given["number"], given["path"])


def _change_disk(host: HostState, given: dict[str, Any]) -> dict[str, int]:
    changed = change_disk(host, given["id"], disk=given.get("disk", 0), seed=given.get("seed", "changed"))
    return {"bytes": changed}


_VERBS: dict[str, Verb] = {
    "state": lambda host, _given: host.read(),
    "list-vms": _list_vms,
    "new-vm": _new_vm,
    "set-vm": _set_vm,
    "set-vm-state": _set_vm_state,
    "new-adapter": _new_adapter,
    "remove-vm": _remove_vm,
    "compare-vm": _compare_vm,
    "check-plan": _check_plan,
    "import-vm": _import_vm,
    "get-vhd": _get_vhd,
    "mount-vhd": _mount_vhd,
    "dismount-vhd": _dismount_vhd,
    "list-disks": lambda host, _given: host.read().mounted,
    "add-access-path": _add_access_path,
    "remove-access-path": _remove_access_path,
    "change-disk": _change_disk,
}


def diskshadow_main(folder: str) -> int:
    """diskshadow.exe: `/s SCRIPT` and `/l LOG`, which are Windows paths."""
    host = HostState(folder)
    options = {sys.argv[i].lower().replace("-", "/"): sys.argv[i + 1] for i in range(1, len(sys.argv) - 1, 2)}
    cwd = windows_path(host.folder, Path.cwd()) or "C:\\Windows\\System32"
    script = options.get("/s")
    try:
        text = _named(host, script, cwd).read_bytes() if script else sys.stdin.buffer.read()
    except OSError:
        sys.stdout.write("The script file could not be opened.\r\n")
        return 1
    run_result = run_script(host, text, cwd=cwd)
    sys.stdout.buffer.write(run_result.output)
    if "/l" in options:
        _named(host, options["/l"], cwd).write_bytes(run_result.log)
    return run_result.exit_code


def _named(host: HostState, path: str, cwd: str) -> Path:
    full = path if path[1:2] == ":" or path.startswith("\\\\") else f"{cwd}\\{path}"
    return local_path(host.folder, full)


def vssadmin_main(folder: str) -> int:
    """vssadmin.exe: `list writers` and `list providers`."""
    record = HostState(folder).read()
    listing = {"list writers": list_writers, "list providers": list_providers}.get(" ".join(sys.argv[1:]).lower())
    if listing is None:
        sys.stdout.write("Error: Invalid command.\r\n")
        return 2
    sys.stdout.buffer.write(listing(record).encode(f"cp{record.machine.code_page}", errors="replace"))
    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(os.environ["HVPWSH_ROOT"]))
