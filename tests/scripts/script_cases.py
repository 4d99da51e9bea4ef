"""What a case of the conformance suite is, and what cases do to a host."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from script_lanes import VMS

from hvbackup.simulator.inventory import described_vm
from hvbackup.simulator.state import HostRecord, HostState, VmRecord
from hvbackup.simulator.volumes import local_path

Request = Mapping[str, Any] | str
#: When files that a case makes were written last.
WRITTEN = 1_750_000_000
RUNS = "C:\\ProgramData\\hvbackup\\runs"
ODD = "D:\\x [1] 'q'\\ä b.bin"
BYTES = bytes(range(256)) * 300 + bytes(4096) + b"end"


class Case(NamedTuple):
    """One call of one script.

    Attributes:
        name: What is asked, as words.
        request: The request, or JSON text, or what makes it from the host.
        profile: The host: `empty`, `vms`, `client`, `no-role`.
        prepare: Changes the host before.
        frames: The input.
        error: Id of the error expected, None for a good answer.
        data: Fields that the answer must have.
        then: Further calls, whose answers are compared as well: what the host is like afterwards.
        only_python: Why PowerShell's engine cannot be asked, or None.
    """

    name: str
    script: str
    request: Request | Callable[[HostState], Request]
    profile: str = "empty"
    prepare: Callable[[HostState], None] | None = None
    frames: tuple[bytes, ...] = ()
    error: str | None = None
    data: Mapping[str, Any] | None = None
    then: Sequence[tuple[str, Mapping[str, Any]]] = ()
    only_python: str | None = None


# ---------------------------------------------------------------- what cases do to a host


def put(path: str, data: bytes = BYTES) -> Callable[[HostState], None]:
    """Make a file."""

    def prepare(host: HostState) -> None:
        local = local_path(host.folder, path)
        local.parent.mkdir(parents=True, exist_ok=True)
        local.write_bytes(data)
        os.utime(local, (WRITTEN, WRITTEN))

    return prepare


def folder(path: str) -> Callable[[HostState], None]:
    """Make a folder."""

    def prepare(host: HostState) -> None:
        local_path(host.folder, path).mkdir(parents=True, exist_ok=True)

    return prepare


def link(path: str, target: str) -> Callable[[HostState], None]:
    """Make a symbolic link, or a mount point."""

    def prepare(host: HostState) -> None:
        local = local_path(host.folder, path)
        local.parent.mkdir(parents=True, exist_ok=True)
        local.symlink_to(local_path(host.folder, target))

    return prepare


def change(action: Callable[[HostRecord], None]) -> Callable[[HostState], None]:
    """Change the host's state."""

    def prepare(host: HostState) -> None:
        with host.change() as record:
            action(record)

    return prepare


def both(*steps: Callable[[HostState], None]) -> Callable[[HostState], None]:
    """Do several things."""

    def prepare(host: HostState) -> None:
        for step in steps:
            step(host)

    return prepare


def not_elevated(record: HostRecord) -> None:
    record.machine.elevated = False


def in_a_workgroup(record: HostRecord) -> None:
    record.machine.domain = None


def no_external_switch(record: HostRecord) -> None:
    record.switches.remove("External")


def vm_named(host: HostState, name: str) -> VmRecord:
    """The VM with this name."""
    return next(record for record in host.read().vms if record.vm.name == name)


def recorded(host: HostState, name: str) -> dict[str, Any]:
    """A VM as the inventory shows it."""
    whole: dict[str, Any] = json.loads(msgspec.json.encode(described_vm(host.folder, vm_named(host, name))))
    return whole


def unregister(name: str) -> Callable[[HostState], None]:
    """Take a VM off the host and leave all its files."""

    def prepare(host: HostState) -> None:
        with host.change() as record:
            record.vms = [item for item in record.vms if item.vm.name != name]

    return prepare


def configuration(key: str, letter: str = "D") -> str:
    """The configuration file of one of the VMs, whose folder has its key's name."""
    spec = next(spec for spec in VMS if spec.key == key)
    return f"{letter}:\\Hyper-V\\{spec.folder or spec.key}\\Virtual Machines\\{spec.vm_id.upper()}.vmcx"


def vm_id(key: str) -> str:
    """The id of one of the VMs."""
    return next(spec for spec in VMS if spec.key == key).vm_id


def frame(offset: int, data: bytes, *, packed: bool = False, digest: bytes | None = None, length: int = -1) -> bytes:
    """One input frame of Write-HvbFile."""
    head = struct.pack("<QIB", offset, len(data) if length < 0 else length, int(packed))
    body = data
    if packed:
        packer = zlib.compressobj(wbits=-15)
        body = packer.compress(data) + packer.flush()
    return head + (digest or hashlib.sha256(data).digest()) + body
