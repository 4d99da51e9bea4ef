"""The lines that make a condition hold: PowerShell on the host, or in the guest (pure).

A VM is addressed by its id, never by its name: names are not unique, and a name can hold quotes and wildcards.
"""

from __future__ import annotations

import re

from hvbackup.models import VSS_SERVICE_ID, Vm

START_GUEST_SERVICE = (
    "In the guest. Windows: Set-Service -Name vmicvss -StartupType Manual; Restart-Service -Name vmicvss. "
    "Linux: start the Hyper-V VSS daemon (hypervvssd; hv-vss-daemon in Debian and Ubuntu)."
)
LIST_DISKS = "In the guest: diskpart, then `list disk`: a star under Dyn marks a dynamic disk."
LIST_VOLUMES = "In the guest: Get-Volume | Select-Object -Property DriveLetter, FileSystem"
LIST_SHADOW_STORAGE = "In the guest: vssadmin list shadowstorage; each volume must keep its shadow copies itself."
NO_SCOPED_SHADOWS = (
    r"In the guest: Set-ItemProperty -Path 'HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion\SystemRestore' "
    "-Name ScopeSnapshots -Value 0 -Type DWord"
)
_GUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


def run_vm(vm: Vm) -> str:
    """Bring a VM to Running, from whatever state it is in."""
    verb = "Resume-VM" if vm.state.casefold() == "paused" else "Start-VM"
    return f"{verb} -VM ({_vm(vm)})"


def enable_backup_service(vm: Vm) -> str:
    """Enable the backup integration service; its name is in the host's language, the end of its id is not."""
    return (
        f"{_vm(vm)} | Get-VMIntegrationService | Where-Object -Property Id -Like -Value '*{VSS_SERVICE_ID.upper()}' "
        "| Enable-VMIntegrationService"
    )


def add_scsi_controller(vm: Vm) -> str:
    """Give a VM a SCSI controller."""
    return f"Stop-VM -VM ({_vm(vm)}); Add-VMScsiController -VM ({_vm(vm)}); Start-VM -VM ({_vm(vm)})"


def move_checkpoints(vm: Vm, disk_path: str) -> str:
    """Put the checkpoint location beside a disk; a VM that has checkpoints must lose them first."""
    folder = disk_path.rpartition("\\")[0]
    return f"Set-VM -VM ({_vm(vm)}) -SnapshotFileLocation {_quoted(folder)}"


def pause_replication(vm: Vm) -> str:
    """Pause the replication of a VM."""
    return f"Suspend-VMReplication -VM ({_vm(vm)})"


def show_replication(vm: Vm) -> str:
    """Show what the replication of a VM does."""
    return f"Get-VMReplication -VM ({_vm(vm)})"


def show_cluster_group(vm: Vm) -> str:
    """Show the cluster group of a VM."""
    return f"Get-ClusterGroup -VMId {_id(vm)}"


def remove_backup_checkpoints(vm: Vm) -> str:
    """Remove the checkpoints that backups have left; their disks are merged."""
    return f"Get-VMSnapshot -VM ({_vm(vm)}) -SnapshotType Recovery | Remove-VMSnapshot"


def _vm(vm: Vm) -> str:
    return f"Get-VM -Id {_id(vm)}"


def _id(vm: Vm) -> str:
    """The id; what is no GUID is quoted, so that it stays one harmless word."""
    return vm.id if _GUID.fullmatch(vm.id) else _quoted(vm.id)


def _quoted(text: str) -> str:
    """A literal of PowerShell, whose single quotes come in more than one shape."""
    return "'" + re.sub("(['\u2018\u2019\u201a\u201b])", r"\1\1", text) + "'"
