"""Every script, asked badly: malformed requests, refused paths, a host without Hyper-V."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from script_cases import ODD, RUNS, Case, change, not_elevated, put

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
        Case(name, script, make(path), error="PathRefused")
        for script, make in takers.items()
        for name, path in paths.items()
    ]


def without_the_role() -> list[Case]:
    """Every script that needs Hyper-V, on a host without it and for somebody who is no administrator."""
    no_role = [
        Case("a host without Hyper-V", script, request, profile="no-role", prepare=put(ODD), error="HyperVMissing")
        for script, request in _NEEDS_HYPERV.items()
    ]
    no_elevation = [
        Case("no elevation", script, _NEEDS_HYPERV[script], prepare=change(not_elevated), error="Unexpected")
        for script in ("Get-HvbVm", "Remove-HvbVm")
    ]
    return no_role + no_elevation
