"""What the checkers beside the project say: the real modules' parameters, and what PowerShell 5.1 takes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from script_lanes import ROOT, SHARED

SCRIPTS = sorted(str(path) for path in (ROOT / "ps_scripts").glob("*.ps1"))
MODULES = ROOT / "hvbackup/simulator/windows/Modules"


def shared(name: str) -> Path:
    """A file or folder beside the project, or a skip that says its name."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"../shared/{name} is not there")
    return path


def test_cmdlets_and_parameters_exist_on_every_supported_server() -> None:
    checker, data = shared("tools/check_cmdlets.py"), shared("data/cmdlets/cmdlets.json")
    prelude = (ROOT / "ps_scripts/_Prelude.ps1").read_text(encoding="ascii")
    ours = ",".join(re.findall(r"(?m)^function ([\w-]+)", prelude))

    arguments = ["--targets", "2016,2019,2022,2025", "--data", str(data), "--allow", ours]
    done = subprocess.run(
        [sys.executable, str(checker), *arguments, *SCRIPTS], capture_output=True, text=True, check=False
    )

    assert [line for line in done.stdout.splitlines() if re.search(r"\b(error|warning)\b", line)] == []
    assert done.returncode == 0


def test_windows_powershell_takes_every_line() -> None:
    program, lint = shared("tools/pwsh/pwsh"), shared("tools/pwsh/lint51.ps1")
    shared("data/netfx/netfx462.json")

    done = subprocess.run(
        [str(program), "-NoProfile", "-File", str(lint), *SCRIPTS], capture_output=True, text=True, check=False
    )

    assert done.stdout == ""
    assert done.returncode == 0


def test_stub_cmdlets_have_the_parameters_of_the_real_ones() -> None:
    data = shared("data/cmdlets")

    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts/make_stub_cmdlets.py"), str(data), str(MODULES), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "")


def test_stub_objects_have_the_property_names_of_the_real_ones() -> None:
    import json

    objects = json.loads(shared("data/cmdlets/hyperv_objects.json").read_text(encoding="utf-8"))
    known = set()
    for entry in objects["types"].values():
        known |= {*entry["properties"], *entry.get("later", {}), *entry.get("ets_aliases", {})}
    # Compare-VM's own example shows them; the dump of the type is opaque.
    known |= {"Message", "MessageId", "Source"}

    text = (MODULES / "Hyper-V/Objects.ps1").read_text(encoding="utf-8")
    blocks = re.findall(r"\(\[ordered\]@\{(.*?)\}\)", text, re.DOTALL)
    names = {name for block in blocks for name in re.findall(r"(?:^|[;{]|\n)\s*(\w+) = ", block)}

    assert len(names) > 60
    assert names - known == set()
