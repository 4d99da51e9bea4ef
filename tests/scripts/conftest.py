"""Hosts and lanes for the tests of the scripts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from script_lanes import VMS, PowerShellLane, PythonLane, powershell

from hvbackup.simulator.builder import build_host
from hvbackup.simulator.state import HostState

HostSource = Callable[[str], HostState]


@pytest.fixture(scope="session")
def host_source(tmp_path_factory: pytest.TempPathFactory) -> HostSource:
    """Hosts to copy, by profile; `vms` is one with the VMs above."""
    built: dict[str, HostState] = {}

    def source(profile: str) -> HostState:
        if profile not in built:
            folder = tmp_path_factory.mktemp(f"source-{profile}")
            vms = VMS if profile == "vms" else None
            built[profile] = build_host(folder, profile="empty" if profile == "vms" else profile, vms=vms)
        return built[profile]

    return source


@pytest.fixture(scope="session")
def python_lane(tmp_path_factory: pytest.TempPathFactory) -> PythonLane:
    """The handlers, over one folder."""
    return PythonLane(tmp_path_factory.mktemp("python") / "host")


@pytest.fixture(scope="session")
def powershell_program() -> Path:
    """The PowerShell to test with."""
    program = powershell()
    if program is None:
        pytest.skip("no PowerShell: set HVBACKUP_PWSH (../shared/tools/pwsh/pwsh is not there either)")
    return program


@pytest.fixture(scope="session")
def powershell_lane(
    powershell_program: Path, tmp_path_factory: pytest.TempPathFactory, host_source: HostSource
) -> Iterator[PowerShellLane]:
    """PowerShell, over one folder."""
    lane = PowerShellLane(powershell_program, tmp_path_factory.mktemp("pwsh") / "host", host_source("empty"))
    yield lane
    lane.close()
