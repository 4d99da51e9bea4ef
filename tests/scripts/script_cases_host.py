"""Host facts, diskshadow and what was left behind."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from script_cases import RUNS, Case, Request, both, change, folder, in_a_workgroup, link, not_elevated, put

from hvbackup.simulator.state import HostState

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

_SCRATCH = RUNS + "\\20260101-a"
_MARKER = {"run": "r1", "host": "HV01", "vms": ["ä", "b"], "started": "2026-01-01T00:00:00Z", "deep": {"a": [1, None]}}
_LIST = {"scratch": _SCRATCH, "step": "list", "lines": ["set verbose on", "list writers detailed"], "marker": _MARKER}
_LEFT: Sequence[tuple[str, Mapping[str, Any]]] = (
    ("Get-HvbLeftover", {}),
    ("Get-HvbFile", {"roots": [{"path": RUNS, "filespec": "*.dsh", "recurse": True}]}),
)


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
    Case(
        "a shadow copy exposed in a folder",
        "Invoke-HvbDiskShadow",
        _backup,
        prepare=put("D:\\data\\a.bin"),
        data={"exitCode": 0},
        then=(
            ("Get-HvbLeftover", {}),
            ("Get-HvbFile", {"roots": [{"path": _SCRATCH + "\\mnt0\\data"}]}),
            ("Remove-HvbScratch", {"scratch": _SCRATCH}),
        ),
    ),
    Case(
        "a line that diskshadow does not know", "Invoke-HvbDiskShadow", {**_LIST, "lines": ["make it so"]}, then=_LEFT
    ),
    Case("client Windows", "Invoke-HvbDiskShadow", _LIST, profile="client", error="DiskShadowMissing", then=_LEFT),
    Case(
        "time is up",
        "Invoke-HvbDiskShadow",
        {**_LIST, "timeoutSeconds": 1},
        prepare=change(lambda record: setattr(record.faults, "diskshadow_hangs", True)),
        error="DiskShadowTimeout",
        then=(("Get-HvbLeftover", {}),),
    ),
    Case(
        "a scratch folder elsewhere", "Invoke-HvbDiskShadow", {**_LIST, "scratch": "C:\\Windows"}, error="PathRefused"
    ),
    Case("the root itself", "Invoke-HvbDiskShadow", {**_LIST, "scratch": RUNS}, error="PathRefused"),
    Case(
        "a scratch folder below another",
        "Invoke-HvbDiskShadow",
        {**_LIST, "scratch": RUNS + "\\a\\b"},
        error="PathRefused",
    ),
    Case(
        "a scratch folder that is a link",
        "Invoke-HvbDiskShadow",
        _LIST,
        prepare=link(_SCRATCH, "D:\\Hyper-V"),
        error="PathRefused",
    ),
    Case(
        "a folder outside the scratch folder",
        "Invoke-HvbDiskShadow",
        {**_LIST, "folders": [RUNS + "\\other\\m"]},
        error="PathRefused",
        then=_LEFT,
    ),
    Case("a step that is a path", "Invoke-HvbDiskShadow", {**_LIST, "step": "..\\x"}, error="RequestRefused"),
    Case("a line with a line feed", "Invoke-HvbDiskShadow", {**_LIST, "lines": ["list\nexit"]}, error="RequestRefused"),
    Case("a line that is not ASCII", "Invoke-HvbDiskShadow", {**_LIST, "lines": ["# ä"]}, error="RequestRefused"),
    Case("no time at all", "Invoke-HvbDiskShadow", {**_LIST, "timeoutSeconds": 0}, error="RequestRefused"),
]

LEFTOVERS = [
    Case("nothing", "Get-HvbLeftover", {}, data={"leftovers": []}),
    Case(
        "a marker, logs, a mount point",
        "Get-HvbLeftover",
        {},
        prepare=both(
            put(RUNS + "\\a [1]\\hvbackup.json", json.dumps(_MARKER).encode()),
            put(RUNS + "\\a [1]\\create.log", b"\xff\xfea\0"),
            put(RUNS + "\\a [1]\\list.dsh", b""),
            link(RUNS + "\\a [1]\\mnt0", "D:\\Hyper-V"),
            folder(RUNS + "\\b"),
        ),
    ),
    Case(
        "only the one that is asked for",
        "Get-HvbLeftover",
        {"scratch": RUNS + "\\b"},
        prepare=both(folder(RUNS + "\\a"), put(RUNS + "\\b\\create.log", b"\xff\xfe")),
    ),
    Case(
        "one that is not there",
        "Get-HvbLeftover",
        {"scratch": RUNS + "\\b"},
        prepare=folder(RUNS + "\\a"),
        data={"leftovers": []},
    ),
    Case("one elsewhere", "Get-HvbLeftover", {"scratch": "D:\\Hyper-V"}, error="PathRefused"),
    Case(
        "one that is a link",
        "Get-HvbLeftover",
        {"scratch": RUNS + "\\l"},
        prepare=both(folder(RUNS), link(RUNS + "\\l", "D:\\Hyper-V")),
        error="PathRefused",
    ),
    Case("a damaged marker", "Get-HvbLeftover", {}, prepare=put(RUNS + "\\a\\hvbackup.json", b"{")),
    Case("a marker that is a list", "Get-HvbLeftover", {}, prepare=put(RUNS + "\\a\\hvbackup.json", b"[1]")),
    Case(
        "a link in the root",
        "Get-HvbLeftover",
        {},
        prepare=both(folder(RUNS), link(RUNS + "\\l", "D:\\Hyper-V")),
        data={"leftovers": []},
    ),
    Case(
        "a scratch folder",
        "Remove-HvbScratch",
        {"scratch": RUNS + "\\a [1]"},
        prepare=both(put(RUNS + "\\a [1]\\x\\y"), put(RUNS + "\\a [1]\\hvbackup.json", b"{}")),
        data={"removed": True},
        then=_LEFT,
    ),
    Case("one that is not there", "Remove-HvbScratch", {"scratch": RUNS + "\\none"}, data={"removed": False}),
    Case(
        "one with a mount point",
        "Remove-HvbScratch",
        {"scratch": RUNS + "\\a"},
        prepare=both(put(RUNS + "\\a\\x"), link(RUNS + "\\a\\z\\mnt", "D:\\Hyper-V")),
        error="PathRefused",
        then=_LEFT,
    ),
    Case(
        "a link",
        "Remove-HvbScratch",
        {"scratch": RUNS + "\\a"},
        prepare=link(RUNS + "\\a", "D:\\Hyper-V"),
        error="PathRefused",
    ),
    Case("the root", "Remove-HvbScratch", {"scratch": RUNS}, error="PathRefused"),
    Case("another folder", "Remove-HvbScratch", {"scratch": "D:\\Hyper-V"}, error="PathRefused"),
    Case("the folder above", "Remove-HvbScratch", {"scratch": RUNS + "\\.."}, error="PathRefused"),
]
