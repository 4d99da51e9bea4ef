"""The files of a VM's configuration on the simulated host.

A real `.vmcx` is binary; here it is a recognisable header and the VM's record as JSON, which is enough to import it.
"""

from __future__ import annotations

import ntpath
from pathlib import Path

import msgspec

from hvbackup.models import Vm, decodable
from hvbackup.simulator.state import Record, VmRecord, VmTruth
from hvbackup.simulator.volumes import local_path

_VMCX = b"HVBACKUP SIMULATED VMCX\r\n\0"
_VMRS = b"HVBACKUP SIMULATED VMRS\r\n\0"


class SavedConfiguration(Record):
    """What a `.vmcx` file holds."""

    vm: Vm
    truth: VmTruth


def configuration_path(location: str, vm_id: str) -> str:
    r"""Where the configuration file of a VM lies below its configuration location."""
    return ntpath.join(location, "Virtual Machines", vm_id.upper() + ".vmcx")


def write_configuration(folder: Path, record: VmRecord) -> None:
    """Write the `.vmcx` and `.vmrs` of a VM where its record says; a saved VM has its memory in the `.vmrs`."""
    if record.vm.configuration_file is not None:
        memory = record.vm.id.encode() * 2000 if record.vm.state == "Saved" else b""
        _write(folder, record, record.vm.configuration_file, memory)


def write_checkpoint(folder: Path, record: VmRecord, path: str) -> None:
    """Write the `.vmcx` and `.vmrs` of a checkpoint: the VM as it was, without its memory."""
    _write(folder, record, path, b"")


def _write(folder: Path, record: VmRecord, path: str, memory: bytes) -> None:
    local = local_path(folder, path)
    local.parent.mkdir(parents=True, exist_ok=True)
    saved = SavedConfiguration(vm=record.vm, truth=record.truth)
    local.write_bytes(_VMCX + msgspec.json.format(msgspec.json.encode(saved), indent=1))
    local.with_suffix(".vmrs").write_bytes(_VMRS + memory)


def read_configuration(folder: Path, path: str) -> SavedConfiguration:
    """Read a `.vmcx`; `FileNotFoundError` when it is missing, `ValueError` when it is not one."""
    raw = local_path(folder, path).read_bytes()
    if not raw.startswith(_VMCX):
        raise ValueError("The virtual machine configuration could not be read.")
    try:
        return msgspec.json.decode(raw[len(_VMCX) :], type=decodable(SavedConfiguration))
    except msgspec.DecodeError:
        raise ValueError("The virtual machine configuration could not be read.") from None


def remove_configuration(folder: Path, record: VmRecord) -> None:
    """Remove the configuration files of a VM, as Remove-VM does; disks stay."""
    if record.vm.configuration_file is None:
        return
    local = local_path(folder, record.vm.configuration_file)
    for file in (local, local.with_suffix(".vmrs"), local.with_suffix(".vmgs")):
        file.unlink(missing_ok=True)
