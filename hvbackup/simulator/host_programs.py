r"""The programs in `C:\Windows\System32` of the simulated host: scripts that run this package's Python."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from hvbackup.simulator.state import Machine
from hvbackup.simulator.volumes import local_path

#: Program -> the function of `hvbackup.simulator.host_command` that it runs.
_PROGRAMS = {"diskshadow.exe": "diskshadow_main", "vssadmin.exe": "vssadmin_main", "hvbsim.exe": "main"}


def install_programs(folder: Path, machine: Machine) -> None:
    """Write the programs, without diskshadow.exe where the machine has none, and what PowerShell's engine asks for."""
    system = local_path(folder, "C:\\Windows\\System32")
    system.mkdir(parents=True, exist_ok=True)
    package_root = Path(__file__).resolve().parents[2]
    for name, function in _PROGRAMS.items():
        if name == "diskshadow.exe" and not machine.diskshadow:
            continue
        program = system / name
        program.write_text(
            f"#!{sys.executable}\n"
            "import sys\n"
            f"sys.path.insert(0, {str(package_root)!r})\n"
            f"from hvbackup.simulator.host_command import {function}\n"
            f"sys.exit({function}({str(folder)!r}))\n",
            encoding="utf-8",
        )
        program.chmod(0o755)
    registry = {
        "HKLM:\\SYSTEM\\CurrentControlSet\\Control\\Nls\\CodePage": {"OEMCP": str(machine.code_page)},
        "HKLM:\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion": {
            "CurrentBuild": str(machine.os_build),
            "ProductName": machine.os_caption,
        },
    }
    (folder / "registry.json").write_text(json.dumps(registry, indent=1), encoding="ascii")
