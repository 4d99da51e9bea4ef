"""What each script is asked in the conformance suite, on which host, and what both engines must say."""

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


# ---------------------------------------------------------------- the cases

_EVERY_SCRIPT: dict[str, Mapping[str, Any]] = {
    "Get-HvbHost": {},
    "Get-HvbVm": {},
    "Get-HvbFile": {"roots": []},
    "Get-HvbBlockHash": {"path": ODD},
    "Read-HvbBlock": {"path": ODD, "blocks": []},
    "Write-HvbFile": {"path": ODD, "sizeBytes": 1},
    "Invoke-HvbDiskShadow": {"scratch": RUNS + "\\a", "step": "list", "lines": []},
    "Import-HvbVm": {"configurationPath": "D:\\a.vmcx"},
    "New-HvbVm": {"vm": {}, "name": "a", "path": "D:\\a"},
    "Remove-HvbVm": {"id": "00000000-0000-0000-0000-000000000001"},
    "Mount-HvbDisk": {"path": "D:\\a.vhdx"},
    "Dismount-HvbDisk": {"path": "D:\\a.vhdx"},
    "Get-HvbLeftover": {},
    "Remove-HvbScratch": {"scratch": RUNS + "\\a"},
    "Remove-HvbFile": {"files": []},
}
_FIRST_KEY = {script: next(iter(request), None) for script, request in _EVERY_SCRIPT.items()}
_NEEDS_HYPERV: dict[str, Mapping[str, Any]] = {
    "Get-HvbVm": {},
    "Remove-HvbVm": {"id": "00000000-0000-0000-0000-000000000001"},
    "Import-HvbVm": {"configurationPath": ODD},
    "Mount-HvbDisk": {"path": ODD},
    "Dismount-HvbDisk": {"path": ODD},
}


def malformed_requests() -> list[Case]:
    """Every script and a request that is none."""
    cases = []
    for script, request in _EVERY_SCRIPT.items():
        cases += [
            Case("text that is not JSON", script, "{'a': ", error="RequestRefused"),
            Case("a JSON list", script, "[1]", error="RequestRefused"),
            Case("an unknown key", script, {**request, "surprise": 1}, error="RequestRefused"),
        ]
        first = _FIRST_KEY[script]
        if first is not None:
            wrong = Case("a value of the wrong type", script, {**request, first: 5}, error="RequestRefused")
            cases.append(wrong)
        if first is not None and script != "Remove-HvbFile":
            without = {key: value for key, value in request.items() if key != first}
            cases.append(Case("a missing key", script, without, error="RequestRefused"))
    return cases


def bad_paths() -> list[Case]:
    """Every script that takes a path, and paths that are refused."""
    takers: dict[str, Callable[[str], Mapping[str, Any]]] = {
        "Get-HvbFile": lambda path: {"roots": [{"path": path}]},
        "Get-HvbBlockHash": lambda path: {"path": path},
        "Read-HvbBlock": lambda path: {"path": path, "blocks": []},
        "Write-HvbFile": lambda path: {"path": path, "sizeBytes": 0},
        "Remove-HvbFile": lambda path: {"files": [path]},
        "Remove-HvbScratch": lambda path: {"scratch": path},
        "Mount-HvbDisk": lambda path: {"path": path},
        "Dismount-HvbDisk": lambda path: {"path": path},
        "Import-HvbVm": lambda path: {"configurationPath": path},
    }
    paths = {
        "a relative path": "x\\a.bin",
        "a path with ..": "D:\\x\\..\\a.bin",
        "a path of another host": "\\\\server\\share\\a.bin",
        "a path with a slash": "D:/x/a.bin",
        "a stream of a file": "D:\\x\\a.bin:hidden",
        "a wildcard": "D:\\x\\*.bin",
        "a name that Windows would change": "D:\\x\\a.bin.",
        "an empty path": "",
    }
    return [
        Case(name, script, make(path), error="PathRefused") for script, make in takers.items() for name, path in paths.items()
    ]


def without_the_role() -> list[Case]:
    """Every script that needs Hyper-V, on a host without it and for somebody who is no administrator."""
    cases = []
    for script, request in _NEEDS_HYPERV.items():
        cases.append(
            Case("a host without Hyper-V", script, request, profile="no-role", prepare=put(ODD), error="HyperVMissing")
        )
    for script in ("Get-HvbVm", "Remove-HvbVm"):
        cases.append(
            Case("no elevation", script, _NEEDS_HYPERV[script], prepare=change(not_elevated), error="Unexpected")
        )
    return cases


HOST = [
    Case("a server", "Get-HvbHost", {}, data={"computerName": "HV01", "productType": 3, "elevated": True}),
    Case("the writers", "Get-HvbHost", {"writers": True}),
    Case("writers in German", "Get-HvbHost", {"writers": True}, profile="german"),
    Case(
        "client Windows",
        "Get-HvbHost",
        {},
        profile="client",
        data={"computerName": "PC01", "productType": 1, "diskshadowPath": None},
    ),
    Case(
        "a host without Hyper-V",
        "Get-HvbHost",
        {},
        profile="no-role",
        data={"hyperV": {"installed": False, "moduleVersion": None, "serviceState": None}},
    ),
    Case("no elevation", "Get-HvbHost", {}, prepare=change(not_elevated), data={"elevated": False}),
    Case("a workgroup", "Get-HvbHost", {}, prepare=change(in_a_workgroup), data={"domain": None}),
]

INVENTORY = [
    Case("all VMs", "Get-HvbVm", {}, profile="vms"),
    Case("a host without VMs", "Get-HvbVm", {}, data={"vms": [], "switches": ["External", "Internal"]}),
    Case(
        "some VMs, one twice, one missing",
        "Get-HvbVm",
        {"ids": [vm.upper() if index else vm for index, vm in enumerate(["{OFF}", "{WEB}", "{WEB}"])]},
        profile="vms",
        error="RequestRefused",
    ),
    Case(
        "two VMs by id and one that is missing",
        "Get-HvbVm",
        lambda host: {
            "ids": [vm_id("off").upper(), vm_id("web01"), vm_id("web01"), "00000000-0000-0000-0000-000000000001"]
        },
        profile="vms",
        data={"missingIds": ["00000000-0000-0000-0000-000000000001"]},
    ),
    Case("no VM at all", "Get-HvbVm", {"ids": []}, profile="vms", data={"vms": []}),
    Case(
        "a disk whose parent is gone",
        "Get-HvbVm",
        lambda host: {"ids": [vm_id("chain")]},
        profile="vms",
        prepare=lambda host: local_path(host.folder, "E:\\Hyper-V\\chain\\Virtual Hard Disks\\chain.vhdx").unlink(),
    ),
    Case(
        "a disk that is no disk, a VM without configuration file",
        "Get-HvbVm",
        lambda host: {"ids": [vm_id("web01")]},
        profile="vms",
        prepare=both(
            put("D:\\Hyper-V\\web01\\Virtual Hard Disks\\web01.vhdx", b"no disk"),
            lambda host: local_path(host.folder, configuration("web01")).unlink(),
        ),
    ),
]

LISTING = [
    Case(
        "specifications, recursion, a file found twice",
        "Get-HvbFile",
        {
            "roots": [
                {"path": "D:\\x [1] 'q'", "filespec": "*.BIN"},
                {"path": "D:\\", "filespec": "*", "recurse": True},
                {"path": "d:\\X [1] 'q'\\", "filespec": "ä ?.bin"},
                {"path": "D:\\none"},
                {"path": "D:\\x [1] 'q'", "filespec": "*.*"},
            ]
        },
        prepare=both(put(ODD), put("D:\\x [1] 'q'\\sub\\plain"), put("D:\\x [1] 'q'\\other.txt", b"")),
    ),
    Case(
        "links are not followed below a root",
        "Get-HvbFile",
        {"roots": [{"path": "D:\\tree", "recurse": True}, {"path": "D:\\mount", "recurse": True}]},
        prepare=both(
            put("D:\\tree\\a", b"1"), put("D:\\else\\b", b"2"), link("D:\\tree\\away", "D:\\else"),
            link("D:\\tree\\file", "D:\\else\\b"), link("D:\\mount", "D:\\else"),
        ),
    ),
    Case("a wrong specification", "Get-HvbFile", {"roots": [{"path": "D:\\", "filespec": "a\\b"}]}, error="PathRefused"),
    Case("a root that is a file", "Get-HvbFile", {"roots": [{"path": ODD}]}, prepare=put(ODD), data={"missingRoots": [0]}),
    Case("a volume by its GUID", "Get-HvbFile", lambda host: {
        "roots": [{"path": host.read().volumes[1].id + "x [1] 'q'"}]
    }, prepare=put(ODD)),
]  # fmt: skip

HASHING = [
    Case("whole file", "Get-HvbBlockHash", {"path": ODD, "blockSize": 4096}, prepare=put(ODD),
         data={"sizeBytes": len(BYTES), "blocks": 20}),
    Case("cuts", "Get-HvbBlockHash", {"path": ODD, "blockSize": 65536, "cuts": [1000, 76800, 999999]}, prepare=put(ODD),
         data={"blocks": 4}),
    Case("zero blocks", "Get-HvbBlockHash", {"path": ODD, "blockSize": 4096, "cuts": [76800]}, prepare=put(ODD),
         data={"zeroBlocks": 1}),
    Case("a part of the blocks", "Get-HvbBlockHash",
         {"path": ODD, "blockSize": 4096, "cuts": [1000], "firstBlock": 1, "blockCount": 3}, prepare=put(ODD),
         data={"blocks": 3}),
    Case("from beyond the end", "Get-HvbBlockHash", {"path": ODD, "firstBlock": 99}, prepare=put(ODD), data={"blocks": 0}),
    Case("no blocks", "Get-HvbBlockHash", {"path": ODD, "blockCount": 0}, prepare=put(ODD), data={"blocks": 0}),
    Case("an empty file", "Get-HvbBlockHash", {"path": ODD}, prepare=put(ODD, b""), data={"sizeBytes": 0, "blocks": 0}),
    Case("more blocks than a frame holds", "Get-HvbBlockHash", {"path": ODD, "blockSize": 512},
         prepare=put(ODD, os.urandom(1) * 700000), data={"blocks": 1368}),
    Case("a missing file", "Get-HvbBlockHash", {"path": ODD}, error="FileMissing"),
    Case("a folder", "Get-HvbBlockHash", {"path": "D:\\Hyper-V"}, error="PathRefused"),
    Case("cuts out of order", "Get-HvbBlockHash", {"path": ODD, "cuts": [5, 5]}, prepare=put(ODD), error="RequestRefused"),
    Case("a cut that is text", "Get-HvbBlockHash", {"path": ODD, "cuts": ["5"]}, prepare=put(ODD), error="RequestRefused"),
    Case("blocks too small", "Get-HvbBlockHash", {"path": ODD, "blockSize": 16}, prepare=put(ODD), error="RequestRefused"),
]  # fmt: skip

READING = [
    Case("blocks in any order", "Read-HvbBlock", {"path": ODD, "blocks": [[76800, 4096], [0, 10], [1, 70000]]},
         prepare=put(ODD), data={"blocks": 3, "bytes": 74106}),
    Case("uncompressed", "Read-HvbBlock", {"path": ODD, "blocks": [[0, 5000]], "compress": False}, prepare=put(ODD),
         data={"sentBytes": 5001}),
    Case("what does not compress is sent as it is", "Read-HvbBlock", {"path": ODD, "blocks": [[0, 32]]},
         prepare=put(ODD, hashlib.sha256(b"x").digest()), data={"sentBytes": 33}),
    Case("nothing", "Read-HvbBlock", {"path": ODD, "blocks": []}, prepare=put(ODD), data={"blocks": 0}),
    Case("a block beyond the end", "Read-HvbBlock", {"path": ODD, "blocks": [[80000, 4096]]}, prepare=put(ODD),
         error="RequestRefused"),
    Case("a block that is none", "Read-HvbBlock", {"path": ODD, "blocks": [[1]]}, prepare=put(ODD), error="RequestRefused"),
    Case("a missing file", "Read-HvbBlock", {"path": ODD, "blocks": []}, error="FileMissing"),
    Case("a folder", "Read-HvbBlock", {"path": "D:\\Hyper-V", "blocks": []}, error="PathRefused"),
]  # fmt: skip

_NEW = "D:\\new [x]\\sub\\ö.vhdx"
_SEE_NEW = (("Get-HvbFile", {"roots": [{"path": "D:\\new [x]", "recurse": True}]}),)
_READ_NEW = (("Read-HvbBlock", {"path": _NEW, "blocks": [[0, 1000]]}), *_SEE_NEW)
_WRITE = {"path": _NEW, "sizeBytes": 1000, "modifiedAt": "2025-06-15T15:06:40.0000000Z"}

WRITING = [
    Case("one call", "Write-HvbFile", _WRITE, frames=(frame(0, b"abc"), frame(500, b"z" * 400, packed=True)),
         data={"blocks": 2, "bytes": 403, "finished": True}, then=_READ_NEW),
    Case("a sparse file without blocks", "Write-HvbFile", _WRITE, data={"blocks": 0, "finished": True}, then=_READ_NEW),
    Case("a first call", "Write-HvbFile", {**_WRITE, "last": False}, frames=(frame(0, b"abc"),),
         data={"finished": False}),
    Case("a call in between", "Write-HvbFile", {**_WRITE, "first": False, "last": False}, frames=(frame(9, b"abc"),),
         prepare=put(_NEW + ".hvbpart", bytes(1000)), data={"finished": False}),
    Case("a last call", "Write-HvbFile", {**_WRITE, "first": False}, frames=(frame(9, b"abc"),),
         prepare=put(_NEW + ".hvbpart", bytes(1000)), data={"finished": True}, then=_READ_NEW),
    Case("a last call without a first", "Write-HvbFile", {**_WRITE, "first": False}, error="FileMissing"),
    Case("a part file of another length", "Write-HvbFile", {**_WRITE, "first": False},
         prepare=put(_NEW + ".hvbpart", bytes(999)), error="RequestRefused", then=_SEE_NEW),
    Case("a file in the way", "Write-HvbFile", _WRITE, prepare=put(_NEW), error="FileExists", then=_SEE_NEW),
    Case("a file to replace", "Write-HvbFile", {**_WRITE, "replace": True}, frames=(frame(0, b"abc"),), prepare=put(_NEW),
         then=_READ_NEW),
    Case("a folder in the way", "Write-HvbFile", {**_WRITE, "replace": True}, prepare=folder(_NEW), error="PathRefused"),
    Case("a wrong hash", "Write-HvbFile", _WRITE, frames=(frame(0, b"abc", digest=bytes(32)),), error="BlockMismatch",
         then=_SEE_NEW),
    Case("a wrong hash leaves the file that was there", "Write-HvbFile", {**_WRITE, "replace": True},
         frames=(frame(0, b"abc", digest=bytes(32)),), prepare=put(_NEW), error="BlockMismatch", then=_SEE_NEW),
    Case("damaged DEFLATE", "Write-HvbFile", _WRITE, frames=(frame(0, b"abc")[:12] + b"\1" + frame(0, b"abc")[13:],),
         error="BlockMismatch"),
    Case("DEFLATE of another length", "Write-HvbFile", _WRITE, frames=(frame(0, b"abcabc", packed=True, length=5),),
         error="BlockMismatch"),
    Case("an unknown codec", "Write-HvbFile", _WRITE, frames=(frame(0, b"abc")[:12] + b"\7" + frame(0, b"abc")[13:],),
         error="RequestRefused"),
    Case("a block beyond the end", "Write-HvbFile", _WRITE, frames=(frame(999, b"abc"),), error="RequestRefused",
         then=_SEE_NEW),
    Case("a short frame", "Write-HvbFile", _WRITE, frames=(b"abc",), error="RequestRefused"),
    Case("a time that is none", "Write-HvbFile", {**_WRITE, "modifiedAt": "yesterday"}, error="RequestRefused"),
    Case("a negative size", "Write-HvbFile", {**_WRITE, "sizeBytes": -1}, error="RequestRefused"),
    Case("a full disk", "Write-HvbFile", {**_WRITE, "sizeBytes": 5000}, frames=(frame(0, bytes(range(250)) * 20),),
         prepare=change(lambda record: setattr(record.volumes[1], "free_bytes", 100)), error="StorageFull", then=_SEE_NEW,
         only_python="PowerShell writes into a folder of this machine, which is not full"),
]  # fmt: skip

_SCRATCH = RUNS + "\\20260101-a"
_MARKER = {"run": "r1", "host": "HV01", "vms": ["ä", "b"], "started": "2026-01-01T00:00:00Z", "deep": {"a": [1, None]}}
_LIST = {"scratch": _SCRATCH, "step": "list", "lines": ["set verbose on", "list writers detailed"], "marker": _MARKER}
_LEFT = (("Get-HvbLeftover", {}), ("Get-HvbFile", {"roots": [{"path": RUNS, "recurse": True}]}))


def _backup(host: HostState) -> Request:
    volume = host.read().volumes[1].id
    return {
        "scratch": _SCRATCH,
        "step": "create",
        "folders": [_SCRATCH + "\\mnt0"],
        "marker": _MARKER,
        "lines": [
            "set verbose on",
            "set context persistent nowriters",
            f"set metadata {_SCRATCH}\\create.cab",
            f"add volume {volume} alias hv0",
            "create",
            f"expose %hv0% {_SCRATCH}\\mnt0",
            "exit",
        ],
    }


DISKSHADOW = [
    Case("a listing that leaves nothing", "Invoke-HvbDiskShadow", {**_LIST, "keep": False}, profile="vms", then=_LEFT),
    Case("a listing that is kept", "Invoke-HvbDiskShadow", _LIST, profile="vms", then=_LEFT),
    Case("a shadow copy exposed in a folder", "Invoke-HvbDiskShadow", _backup, prepare=put("D:\\data\\a.bin"),
         data={"exitCode": 0}, then=(
             ("Get-HvbLeftover", {}),
             ("Get-HvbFile", {"roots": [{"path": _SCRATCH + "\\mnt0\\data"}]}),
             ("Remove-HvbScratch", {"scratch": _SCRATCH}),
         )),
    Case("a line that diskshadow does not know", "Invoke-HvbDiskShadow", {**_LIST, "lines": ["make it so"]}, then=_LEFT),
    Case("client Windows", "Invoke-HvbDiskShadow", _LIST, profile="client", error="DiskShadowMissing", then=_LEFT),
    Case("time is up", "Invoke-HvbDiskShadow", {**_LIST, "timeoutSeconds": 1},
         prepare=change(lambda record: setattr(record.faults, "diskshadow_hangs", True)), error="DiskShadowTimeout",
         then=(("Get-HvbLeftover", {}),)),
    Case("a scratch folder elsewhere", "Invoke-HvbDiskShadow", {**_LIST, "scratch": "C:\\Windows"}, error="PathRefused"),
    Case("the root itself", "Invoke-HvbDiskShadow", {**_LIST, "scratch": RUNS}, error="PathRefused"),
    Case("a scratch folder below another", "Invoke-HvbDiskShadow", {**_LIST, "scratch": RUNS + "\\a\\b"}, error="PathRefused"),
    Case("a scratch folder that is a link", "Invoke-HvbDiskShadow", _LIST, prepare=link(_SCRATCH, "D:\\Hyper-V"),
         error="PathRefused"),
    Case("a folder outside the scratch folder", "Invoke-HvbDiskShadow", {**_LIST, "folders": [RUNS + "\\other\\m"]},
         error="PathRefused", then=_LEFT),
    Case("a step that is a path", "Invoke-HvbDiskShadow", {**_LIST, "step": "..\\x"}, error="RequestRefused"),
    Case("a line with a line feed", "Invoke-HvbDiskShadow", {**_LIST, "lines": ["list\nexit"]}, error="RequestRefused"),
    Case("a line that is not ASCII", "Invoke-HvbDiskShadow", {**_LIST, "lines": ["# ä"]}, error="RequestRefused"),
    Case("no time at all", "Invoke-HvbDiskShadow", {**_LIST, "timeoutSeconds": 0}, error="RequestRefused"),
]  # fmt: skip

LEFTOVERS = [
    Case("nothing", "Get-HvbLeftover", {}, data={"leftovers": []}),
    Case("a marker, logs, a mount point", "Get-HvbLeftover", {}, prepare=both(
        put(RUNS + "\\a [1]\\hvbackup.json", json.dumps(_MARKER).encode()), put(RUNS + "\\a [1]\\create.log", b"\xff\xfea\0"),
        put(RUNS + "\\a [1]\\list.dsh", b""), link(RUNS + "\\a [1]\\mnt0", "D:\\Hyper-V"), folder(RUNS + "\\b"),
    )),
    Case("a damaged marker", "Get-HvbLeftover", {}, prepare=put(RUNS + "\\a\\hvbackup.json", b"{")),
    Case("a marker that is a list", "Get-HvbLeftover", {}, prepare=put(RUNS + "\\a\\hvbackup.json", b"[1]")),
    Case("a link in the root", "Get-HvbLeftover", {}, prepare=both(folder(RUNS), link(RUNS + "\\l", "D:\\Hyper-V")),
         data={"leftovers": []}),
    Case("a scratch folder", "Remove-HvbScratch", {"scratch": RUNS + "\\a [1]"},
         prepare=both(put(RUNS + "\\a [1]\\x\\y"), put(RUNS + "\\a [1]\\hvbackup.json", b"{}")), data={"removed": True},
         then=_LEFT),
    Case("one that is not there", "Remove-HvbScratch", {"scratch": RUNS + "\\none"}, data={"removed": False}),
    Case("one with a mount point", "Remove-HvbScratch", {"scratch": RUNS + "\\a"},
         prepare=both(put(RUNS + "\\a\\x"), link(RUNS + "\\a\\z\\mnt", "D:\\Hyper-V")), error="PathRefused", then=_LEFT),
    Case("a link", "Remove-HvbScratch", {"scratch": RUNS + "\\a"}, prepare=link(RUNS + "\\a", "D:\\Hyper-V"),
         error="PathRefused"),
    Case("the root", "Remove-HvbScratch", {"scratch": RUNS}, error="PathRefused"),
    Case("another folder", "Remove-HvbScratch", {"scratch": "D:\\Hyper-V"}, error="PathRefused"),
    Case("the folder above", "Remove-HvbScratch", {"scratch": RUNS + "\\.."}, error="PathRefused"),
]  # fmt: skip

_SEE_GONE = (("Get-HvbFile", {"roots": [{"path": "D:\\", "recurse": True}]}),)
REMOVING = [
    Case("files and an empty folder", "Remove-HvbFile", {"files": [ODD, "D:\\none"], "folders": ["D:\\x [1] 'q'", "D:\\none"]},
         prepare=put(ODD), data={"removed": [ODD, "D:\\x [1] 'q'"]}, then=_SEE_GONE),
    Case("a folder that is not empty stays", "Remove-HvbFile", {"folders": ["D:\\x [1] 'q'"]}, prepare=put(ODD),
         data={"removed": []}, then=_SEE_GONE),
    Case("a folder given as a file", "Remove-HvbFile", {"files": [ODD, "D:\\Hyper-V"]}, prepare=put(ODD),
         error="PathRefused", then=_SEE_GONE),
    Case("a file given as a folder", "Remove-HvbFile", {"folders": [ODD]}, prepare=put(ODD), error="PathRefused"),
    Case("a link to a file", "Remove-HvbFile", {"files": ["D:\\l"]}, prepare=both(put(ODD), link("D:\\l", ODD)),
         error="PathRefused", then=_SEE_GONE),
    Case("a link to a folder", "Remove-HvbFile", {"folders": ["D:\\l"]}, prepare=link("D:\\l", "D:\\Hyper-V"),
         error="PathRefused"),
    Case("nothing", "Remove-HvbFile", {}, data={"removed": []}),
]  # fmt: skip

_ALL_VMS = (("Get-HvbVm", {}),)
VM_REMOVAL = [
    Case("a VM that is off", "Remove-HvbVm", lambda host: {"id": vm_id("off").upper()}, profile="vms",
         data={"removed": True}, then=_ALL_VMS),
    Case("a VM that is saved", "Remove-HvbVm", lambda host: {"id": vm_id("legacy")}, profile="vms", data={"removed": True}),
    Case("a VM that runs", "Remove-HvbVm", lambda host: {"id": vm_id("web01")}, profile="vms", error="VmStateInvalid",
         then=_ALL_VMS),
    Case("a VM that runs, turned off", "Remove-HvbVm", lambda host: {"id": vm_id("web01"), "turnOff": True}, profile="vms",
         data={"removed": True}, then=_ALL_VMS),
    Case("a VM that is not there", "Remove-HvbVm", {"id": "00000000-0000-0000-0000-000000000001"}, profile="vms",
         data={"removed": False}),
    Case("an id that is none", "Remove-HvbVm", {"id": "web01"}, error="RequestRefused"),
]  # fmt: skip

_IMPORT_OFF: Callable[[HostState], dict[str, Any]] = lambda host: {"configurationPath": configuration("off")}  # noqa: E731
_OFF_DISK = "D:\\Hyper-V\\off [old]\\Virtual Hard Disks\\off [old].vhdx"


def _moved_disk(host: HostState) -> None:
    local = local_path(host.folder, _OFF_DISK)
    target = local_path(host.folder, "E:\\moved [1].vhdx")
    local.rename(target)


IMPORTING = [
    Case("registered in place, disconnected", "Import-HvbVm", _IMPORT_OFF, profile="vms", prepare=unregister("off [old]"),
         then=_ALL_VMS),
    Case("with its network", "Import-HvbVm", lambda host: {**_IMPORT_OFF(host), "connectNetwork": True}, profile="vms",
         prepare=unregister("off [old]"), then=_ALL_VMS),
    Case("with its network, whose switch is gone", "Import-HvbVm",
         lambda host: {**_IMPORT_OFF(host), "connectNetwork": True}, profile="vms",
         prepare=both(unregister("off [old]"), change(no_external_switch)), then=_ALL_VMS),
    Case("with another switch and name", "Import-HvbVm",
         lambda host: {**_IMPORT_OFF(host), "switchName": "Internal", "name": "neu 'ö' [2]"}, profile="vms",
         prepare=unregister("off [old]"), then=_ALL_VMS),
    Case("with a disk at another place", "Import-HvbVm", lambda host: {
        **_IMPORT_OFF(host), "disks": [{"recordedPath": _OFF_DISK.upper(), "path": "E:\\moved [1].vhdx"}]
    }, profile="vms", prepare=both(unregister("off [old]"), _moved_disk), then=_ALL_VMS),
    Case("with a disk that is gone", "Import-HvbVm", _IMPORT_OFF, profile="vms",
         prepare=both(unregister("off [old]"), _moved_disk), error="VmImportRefused", then=_ALL_VMS),
    Case("planned only", "Import-HvbVm", lambda host: {**_IMPORT_OFF(host), "planOnly": True, "name": "x"}, profile="vms",
         prepare=unregister("off [old]"), then=_ALL_VMS),
    Case("a saved VM", "Import-HvbVm", lambda host: {"configurationPath": configuration("legacy")}, profile="vms",
         prepare=unregister("legacy"), data={"state": "Saved"}),
    Case("a saved VM without its saved state", "Import-HvbVm",
         lambda host: {"configurationPath": configuration("legacy"), "dropSavedState": True}, profile="vms",
         prepare=unregister("legacy"), data={"state": "Off"}, then=_ALL_VMS),
    Case("copied under a new id", "Import-HvbVm", lambda host: {
        **_IMPORT_OFF(host), "copyFiles": True, "generateNewId": True, "virtualMachinePath": "E:\\copy [1]", "name": "copy",
    }, profile="vms", then=_ALL_VMS),
    Case("an id that is taken", "Import-HvbVm", _IMPORT_OFF, profile="vms", error="VmExists"),
    Case("a name that is taken", "Import-HvbVm", lambda host: {**_IMPORT_OFF(host), "name": "WEB01"}, profile="vms",
         prepare=unregister("off [old]"), error="VmExists"),
    Case("a switch that is not there", "Import-HvbVm", lambda host: {**_IMPORT_OFF(host), "switchName": "none"},
         profile="vms", prepare=unregister("off [old]"), error="RequestRefused"),
    Case("a placement that is not there", "Import-HvbVm", lambda host: {
        **_IMPORT_OFF(host), "disks": [{"recordedPath": _OFF_DISK, "path": "E:\\none.vhdx"}]
    }, profile="vms", prepare=unregister("off [old]"), error="FileMissing"),
    Case("a new id without copying", "Import-HvbVm", {"configurationPath": "D:\\a.vmcx", "generateNewId": True},
         error="RequestRefused"),
    Case("a missing file", "Import-HvbVm", {"configurationPath": "D:\\a.vmcx"}, error="FileMissing"),
    Case("a file that is no configuration", "Import-HvbVm", {"configurationPath": ODD}, prepare=put(ODD),
         error="VmImportRefused"),
]  # fmt: skip


def _rebuild(name: str, **more: Any) -> Callable[[HostState], Request]:
    """Build a VM of the host anew, beside itself."""
    return lambda host: {"vm": recorded(host, name), "name": f"{name} (new)", "path": "E:\\new [1]", **more}


def _odd_vm(host: HostState) -> Request:
    whole = recorded(host, "off [old]")
    adapter = whole["networkAdapters"][0]
    whole["networkAdapters"] = [
        {**adapter, "macAddress": "00155D010203", "dynamicMacAddress": False, "macAddressSpoofing": True,
         "dhcpGuard": True, "vlan": {"mode": "Access", "accessVlanId": 7}},
        {**adapter, "name": "two", "routerGuard": True, "switchName": "gone",
         "vlan": {"mode": "Trunk", "nativeVlanId": 1, "allowedVlanIds": "10-20"}},
        {**adapter, "name": "three", "vlan": {"mode": "Private"}},
    ]  # fmt: skip
    whole["disks"].append({"controllerType": "SCSI", "controllerNumber": 1, "controllerLocation": 5, "path": None, "diskNumber": 4})
    whole["dvdDrives"] = [
        {"controllerType": "SCSI", "controllerNumber": 1, "controllerLocation": 0, "path": "D:\\none.iso"},
        {"controllerType": "SCSI", "controllerNumber": 1, "controllerLocation": 1, "path": ODD},
    ]
    whole.update(scsiControllers=2, version="5.0", snapshotFileLocation="Q:\\far", automaticStopAction="ShutDown")
    whole["security"] = {"tpmEnabled": True, "shielded": True, "encryptStateAndMigration": True}
    whole["memory"] = {"startupBytes": 1 << 30, "dynamic": False, "priority": 80}
    whole["processor"] = {"count": 4, "reserve": 10, "maximum": 90, "relativeWeight": 200, "compatibilityForMigration": True,
                          "exposeVirtualizationExtensions": True}  # fmt: skip
    whole["integrationServices"][1]["enabled"] = False
    return {"vm": whole, "name": "odd", "path": "E:\\new", "connectNetwork": True}


BUILDING = [
    Case("generation 2, two disks", "New-HvbVm", _rebuild("off [old]"), profile="vms", then=_ALL_VMS),
    Case("generation 1, no SCSI controller", "New-HvbVm", _rebuild("legacy"), profile="vms", then=_ALL_VMS),
    Case("a chain, a switch", "New-HvbVm", _rebuild("chain", switchName="Internal"), profile="vms", then=_ALL_VMS),
    Case("everything that is odd", "New-HvbVm", _odd_vm, profile="vms", prepare=put(ODD), then=_ALL_VMS),
    Case("disks at other places", "New-HvbVm", lambda host: {
        "vm": recorded(host, "off [old]"), "name": "n", "path": "E:\\n",
        "disks": [{"recordedPath": _OFF_DISK, "path": "E:\\moved [1].vhdx"}],
    }, profile="vms", prepare=_moved_disk, then=_ALL_VMS),
    Case("planned only", "New-HvbVm", _rebuild("off [old]", planOnly=True), profile="vms", data={"id": None}, then=_ALL_VMS),
    Case("a name that is taken", "New-HvbVm",
         lambda host: {"vm": recorded(host, "chain"), "name": "Web01", "path": "E:\\n"}, profile="vms", error="VmExists"),
    Case("a disk that is gone", "New-HvbVm", _rebuild("off [old]"), profile="vms", prepare=_moved_disk, error="FileMissing"),
    Case("a switch that is not there", "New-HvbVm", _rebuild("chain", switchName="none"), profile="vms",
         error="RequestRefused"),
    Case("a relative path", "New-HvbVm",
         lambda host: {"vm": recorded(host, "chain"), "name": "n", "path": "new"}, profile="vms", error="PathRefused"),
    Case("a record without memory", "New-HvbVm", lambda host: {
        "vm": {key: value for key, value in recorded(host, "chain").items() if key != "memory"}, "name": "n", "path": "E:\\n"
    }, profile="vms", error="RequestRefused"),
    Case("generation 3", "New-HvbVm",
         lambda host: {"vm": {**recorded(host, "chain"), "generation": 3}, "name": "n", "path": "E:\\n"}, profile="vms",
         error="RequestRefused"),
    Case("a host without Hyper-V", "New-HvbVm", lambda host: {
        "vm": {**_BARE_VM}, "name": "n", "path": "E:\\n"
    }, profile="no-role", error="HyperVMissing"),
]  # fmt: skip

_BARE_VM: dict[str, Any] = {
    "id": "00000000-0000-0000-0000-000000000001", "name": "bare", "state": "Off", "generation": 2, "version": "9.0",
    "path": "D:\\a", "configurationLocation": "D:\\a", "snapshotFileLocation": "D:\\a",
    "memory": {"startupBytes": 1 << 30}, "processor": {"count": 1},
}  # fmt: skip

_DISK = "E:\\Hyper-V\\off [old]\\Virtual Hard Disks\\off [old]-data1.vhdx"
_SEE_HOST = (("Get-HvbHost", {}),)


def _mount(**how: Any) -> Callable[[HostState], None]:
    def prepare(host: HostState) -> None:
        from hvbackup.simulator.mounts import mount

        mount(host, _DISK, **how)

    return prepare


MOUNTING = [
    Case("with drive letters", "Mount-HvbDisk", {"path": _DISK}, profile="vms", data={"alreadyMounted": False},
         then=(("Mount-HvbDisk", {"path": _DISK}), ("Dismount-HvbDisk", {"path": _DISK}), *_SEE_HOST)),
    Case("in folders", "Mount-HvbDisk", {"path": _DISK, "driveLetters": False, "accessRoot": "C:\\mnt [1]"}, profile="vms",
         then=(("Dismount-HvbDisk", {"path": _DISK, "accessRoot": "C:\\mnt [1]"}),
               ("Get-HvbFile", {"roots": [{"path": "C:\\mnt [1]"}]}))),
    Case("the leaf of a chain", "Mount-HvbDisk", lambda host: {"path": recorded(host, "chain")["disks"][0]["path"]},
         profile="vms"),
    Case("attached already, to be written", "Mount-HvbDisk", {"path": _DISK}, profile="vms",
         prepare=_mount(read_only=False), error="DiskMountFailed"),
    Case("a disk in use", "Mount-HvbDisk", {"path": "D:\\Hyper-V\\web01\\Virtual Hard Disks\\web01.vhdx"}, profile="vms",
         error="DiskMountFailed"),
    Case("a file that is no disk", "Mount-HvbDisk", {"path": ODD}, prepare=put(ODD), error="DiskMountFailed"),
    Case("a missing file", "Mount-HvbDisk", {"path": ODD}, error="FileMissing"),
    Case("a folder for volumes that is not empty", "Mount-HvbDisk", {"path": _DISK, "accessRoot": "C:\\mnt"},
         profile="vms", prepare=put("C:\\mnt\\a"), error="PathRefused"),
    Case("not attached", "Dismount-HvbDisk", {"path": _DISK}, profile="vms", data={"wasMounted": False}),
    Case("a missing file", "Dismount-HvbDisk", {"path": ODD}, data={"wasMounted": False}),
    Case("a relative folder", "Dismount-HvbDisk", {"path": ODD, "accessRoot": "mnt"}, error="PathRefused"),
]  # fmt: skip

CASES: list[Case] = [
    *malformed_requests(), *bad_paths(), *without_the_role(), *HOST, *INVENTORY, *LISTING, *HASHING, *READING, *WRITING,
    *DISKSHADOW, *LEFTOVERS, *REMOVING, *VM_REMOVAL, *IMPORTING, *BUILDING, *MOUNTING,
]  # fmt: skip

