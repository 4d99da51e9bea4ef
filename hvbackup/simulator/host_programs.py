r"""The programs in `C:\Windows\System32` of the simulated host: scripts that run this package's Python."""

from __future__ import annotations

import sys
from pathlib import Path

from hvbackup.simulator.volumes import local_path

#: Program -> the function of `hvbackup.simulator.host_command` that it runs.
_PROGRAMS = {"diskshadow.exe": "diskshadow_main", "vssadmin.exe": "vssadmin_main", "hvbsim.exe": "main"}


def install_programs(folder: Path, *, diskshadow: bool) -> None:
    """Write the programs; without `diskshadow` that one is left out, as on client Windows."""
    system = local_path(folder, "C:\\Windows\\System32")
    system.mkdir(parents=True, exist_ok=True)
    package_root = Path(__file__).resolve().parents[2]
    for name, function in _PROGRAMS.items():
        if name == "diskshadow.exe" and not diskshadow:
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
