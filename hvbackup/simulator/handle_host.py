"""Handlers of the scripts that describe the host and its VMs, run diskshadow, and find and remove what was left."""

from __future__ import annotations

import base64
import json
import ntpath
import re
import threading
import time
from pathlib import Path
from typing import Any

import msgspec

from hvbackup.remote.calls import GetHost, GetLeftover, GetVm, InvokeDiskShadow, RemoveScratch
from hvbackup.simulator.diskshadow import Run, run_script
from hvbackup.simulator.engine import HostError, ScriptContext, Stopped
from hvbackup.simulator.inventory import described_vm
from hvbackup.simulator.script_requests import (
    full_path,
    iso_time,
    need_hyper_v,
    plain_id,
    read_request,
    remove_tree,
    scratch_path,
    tree,
)
from hvbackup.simulator.state import HostRecord, HostState, now
from hvbackup.simulator.volumes import local_path
from hvbackup.simulator.vssadmin import list_providers, list_writers

_DISKSHADOW = "C:\\Windows\\System32\\diskshadow.exe"
_STEP = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
#: So often a scratch folder is looked at that changes meanwhile.
_LOOKS = 5
_PRINTABLE = re.compile(r"[\x20-\x7e]*")


def get_host(host: HostState, context: ScriptContext) -> dict[str, Any]:
    """Get-HvbHost."""
    call = read_request(context, GetHost)
    record = host.read()
    machine = record.machine
    return {
        "computerName": machine.computer_name,
        "osCaption": machine.os_caption,
        "osVersion": machine.os_version,
        "osBuild": machine.os_build,
        "productType": machine.product_type,
        "powershellVersion": machine.powershell_version,
        "user": machine.user,
        "elevated": machine.elevated,
        "time": now(),
        "domain": machine.domain,
        "hyperV": {
            "installed": machine.hyper_v,
            "moduleVersion": machine.module_version if machine.hyper_v else None,
            "serviceState": machine.service_state if machine.hyper_v else None,
        },
        "diskshadowPath": _DISKSHADOW if machine.diskshadow else None,
        "scratchRoot": machine.scratch_root,
        "volumes": _volumes(record),
        "shadowCopies": _shadow_copies(record),
        "vssadminWriters": list_writers(record) if call.writers else None,
        "vssadminProviders": list_providers(record) if call.writers else None,
    }


def _volumes(record: HostRecord) -> list[dict[str, Any]]:
    return [
        {
            "id": volume.id,
            "paths": [volume.root],
            "label": volume.label,
            "fileSystem": volume.file_system,
            "sizeBytes": volume.size_bytes,
            "freeBytes": volume.free_bytes,
            "driveType": volume.drive_type,
            "clustered": volume.clustered,
        }
        for volume in record.volumes
    ]


def _shadow_copies(record: HostRecord) -> list[dict[str, Any]]:
    by_guid = {volume.guid: volume for volume in record.volumes}
    return [
        {
            "id": shadow.id,
            "setId": shadow.set_id,
            "volume": by_guid[shadow.volume_guid].id,
            "device": shadow.device,
            "createdAt": shadow.created_at,
        }
        for shadow in record.shadow_copies
        if shadow.volume_guid in by_guid
    ]


def get_vm(host: HostState, context: ScriptContext) -> dict[str, Any]:
    """Get-HvbVm."""
    call = read_request(context, GetVm)
    ids = None if call.ids is None else list(dict.fromkeys(plain_id(text) for text in call.ids))
    record = host.read()
    need_hyper_v(record)
    by_id = {item.vm.id: item for item in record.vms}
    chosen = list(by_id) if ids is None else [vm_id for vm_id in ids if vm_id in by_id]
    return {
        "vms": [msgspec.to_builtins(described_vm(host.folder, by_id[vm_id])) for vm_id in chosen],
        "missingIds": [vm_id for vm_id in ids or [] if vm_id not in by_id],
        "switches": sorted(record.switches),
        "virtualMachinePath": record.machine.virtual_machine_path,
        "virtualHardDiskPath": record.machine.virtual_hard_disk_path,
    }


def invoke_diskshadow(host: HostState, context: ScriptContext) -> dict[str, Any]:
    """Invoke-HvbDiskShadow."""
    call = read_request(context, InvokeDiskShadow)
    if not _STEP.fullmatch(call.step):
        raise HostError("RequestRefused", f"'{call.step}' is not the name of a step.")
    if call.timeout_seconds < 1:
        raise HostError("RequestRefused", "timeoutSeconds must be at least 1.")
    if not all(_PRINTABLE.fullmatch(line) for line in call.lines):
        raise HostError("RequestRefused", "lines must be text in printable ASCII, one line each.")
    record = host.read()
    scratch = scratch_path(record, host.folder, call.scratch)
    folders = [full_path(folder) for folder in call.folders]
    for folder in folders:
        if not folder.lower().startswith(scratch.lower() + "\\"):
            raise HostError("PathRefused", f"'{folder}' is not below the scratch folder.")
    if not record.machine.diskshadow:
        raise HostError("DiskShadowMissing", f"This host has no '{_DISKSHADOW}'; it comes with Windows Server only.")
    local = local_path(host.folder, scratch)
    local.mkdir(parents=True, exist_ok=True)
    try:
        return _run_in(host, context, call, record, scratch, local, folders)
    finally:
        if not call.keep:
            _remove_quietly(context, local, scratch)


def _run_in(
    host: HostState,
    context: ScriptContext,
    call: InvokeDiskShadow,
    record: HostRecord,
    scratch: str,
    local: Path,
    folders: list[str],
) -> dict[str, Any]:
    if call.marker is not None:
        (local / "hvbackup.json").write_text(json.dumps(call.marker, ensure_ascii=True), encoding="ascii")
    for folder in folders:
        local_path(host.folder, folder).mkdir(parents=True, exist_ok=True)
    script = "".join(line + "\r\n" for line in call.lines).encode("ascii")
    (local / f"{call.step}.dsh").write_bytes(script)
    log = local / f"{call.step}.log"
    log.unlink(missing_ok=True)
    started = time.monotonic()
    run = _run_with_deadline(host, context, script, scratch, call.timeout_seconds)
    if run is None:
        message = f"diskshadow did not end within {call.timeout_seconds} seconds and was killed."
        raise HostError("DiskShadowTimeout", message, {"scratch": scratch, "output": ""})
    log.write_bytes(run.log)
    return {
        "exitCode": run.exit_code,
        "output": base64.b64encode(run.output).decode(),
        "log": base64.b64encode(run.log).decode(),
        "codePage": record.machine.code_page,
        "seconds": round(time.monotonic() - started, 3),
        "scratch": scratch,
    }


def _run_with_deadline(
    host: HostState, context: ScriptContext, script: bytes, scratch: str, seconds: int
) -> Run | None:
    """Run diskshadow; None when time was up. A hanging one does nothing, so it may be left to itself."""
    if host.read().faults.diskshadow_hangs:
        if context.stopped.wait(seconds):
            raise Stopped
        return None
    return run_script(host, script, cwd=scratch, stopped=threading.Event())


def _remove_quietly(context: ScriptContext, local: Path, scratch: str) -> None:
    """Remove the scratch folder; a mount point in it stops that, and clean-up deals with it later."""
    try:
        remove_tree(local, scratch)
    except (HostError, OSError) as error:
        context.warnings.append(f"The scratch folder '{scratch}' was not removed: {error}")


def get_leftover(host: HostState, context: ScriptContext) -> dict[str, Any]:
    """Get-HvbLeftover."""
    call = read_request(context, GetLeftover)
    record = host.read()
    root = record.machine.scratch_root
    if call.scratch:
        path = scratch_path(record, host.folder, call.scratch)
        folders = {path: local_path(host.folder, path)}
    else:
        local = local_path(host.folder, root)
        entries = sorted(entry for entry in local.iterdir() if _is_plain_folder(entry)) if local.is_dir() else []
        folders = {ntpath.join(root, entry.name): entry for entry in entries}
    found = [_seen_leftover(context, local, path) for path, local in folders.items()]
    return {"leftovers": [each for each in found if each is not None]}


def _seen_leftover(context: ScriptContext, local: Path, path: str) -> dict[str, Any] | None:
    """What is in a scratch folder, or None when another run removes it just now."""
    for _ in range(_LOOKS):
        try:
            if local.is_dir():
                return _leftover(context, local, path)
        except FileNotFoundError:
            time.sleep(0.05)
            continue
        return None
    raise HostError("FileMissing", f"'{path}' changes while it is read.")


def _is_plain_folder(entry: Path) -> bool:
    return entry.is_dir() and not entry.is_symlink()


def _leftover(context: ScriptContext, local: Path, path: str) -> dict[str, Any]:
    return {
        "scratch": path,
        "createdAt": iso_time(local.stat().st_ctime),
        "marker": _marker(context, local / "hvbackup.json", ntpath.join(path, "hvbackup.json")),
        "logs": [
            {"step": log.stem, "content": base64.b64encode(log.read_bytes()).decode()}
            for log in sorted(local.glob("*.log"))
            if log.is_file()
        ],
        "exposed": [name for name, entry in tree(local, path) if entry.is_symlink()],
    }


def _marker(context: ScriptContext, local: Path, path: str) -> dict[str, Any] | None:
    if not local.is_file():
        return None
    try:
        marker = json.loads(local.read_bytes())
    except ValueError as error:
        context.warnings.append(f"'{path}' cannot be read: {error}")
        return None
    if not isinstance(marker, dict):
        context.warnings.append(f"'{path}' cannot be read: not a JSON object")
        return None
    return marker


def remove_scratch(host: HostState, context: ScriptContext) -> dict[str, Any]:
    """Remove-HvbScratch."""
    call = read_request(context, RemoveScratch)
    scratch = scratch_path(host.read(), host.folder, call.scratch)
    local = local_path(host.folder, scratch)
    there = local.is_dir()
    if there:
        remove_tree(local, scratch)
    return {"removed": there}
