"""What answers each script of `ps_scripts/` in the simulated host without PowerShell: `handlers`."""

from __future__ import annotations

from typing import Any

from hvbackup.simulator.engine import Handler, ScriptContext
from hvbackup.simulator.handle_files import get_block_hash, get_file, read_block, remove_file, write_file
from hvbackup.simulator.handle_host import get_host, get_leftover, get_vm, invoke_diskshadow, remove_scratch
from hvbackup.simulator.handle_mounts import dismount_disk, mount_disk
from hvbackup.simulator.handle_new_vm import new_vm_handler
from hvbackup.simulator.handle_vms import import_vm_handler, remove_vm_handler
from hvbackup.simulator.script_requests import HandlerFunction, host_errors, stop_point
from hvbackup.simulator.state import HostState

_FUNCTIONS: dict[str, HandlerFunction] = {
    "Get-HvbHost": get_host,
    "Get-HvbVm": get_vm,
    "Get-HvbFile": get_file,
    "Get-HvbBlockHash": get_block_hash,
    "Read-HvbBlock": read_block,
    "Write-HvbFile": write_file,
    "Remove-HvbFile": remove_file,
    "Invoke-HvbDiskShadow": invoke_diskshadow,
    "Get-HvbLeftover": get_leftover,
    "Remove-HvbScratch": remove_scratch,
    "Import-HvbVm": import_vm_handler,
    "New-HvbVm": new_vm_handler,
    "Remove-HvbVm": remove_vm_handler,
    "Mount-HvbDisk": mount_disk,
    "Dismount-HvbDisk": dismount_disk,
}


class _ScriptHandler:
    """One script over one host: errors in the scripts' words, and a stop where the faults say so."""

    def __init__(self, host: HostState, function: HandlerFunction) -> None:
        self._host = host
        self._function = function

    def __call__(self, context: ScriptContext) -> dict[str, Any]:
        with host_errors():
            stop_point(self._host, context, "start")
            answer = self._function(self._host, context)
            stop_point(self._host, context, "end")
        return answer


def handlers(host: HostState) -> dict[str, Handler]:
    """Return the handler of each script, by the script's name."""
    return {name: _ScriptHandler(host, function) for name, function in _FUNCTIONS.items()}
