"""A whole simulated host: its folder, and a server over it with either engine."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

from hvbackup.errors import ConfigurationError
from hvbackup.simulator.bridge import PowerShellProgram
from hvbackup.simulator.builder import build_host
from hvbackup.simulator.handlers import handlers
from hvbackup.simulator.serve import Ready, ServeOptions, serve
from hvbackup.simulator.server import WSManServer
from hvbackup.simulator.state import HostState


class ServedHost(NamedTuple):
    """A host that answers: how to connect, its server, its state."""

    ready: Ready
    server: WSManServer
    host: HostState


@contextmanager
def serve_host(
    folder: Path,
    *,
    engine: Literal["python", "pwsh"] = "python",
    port: int = 0,
    tls: bool = True,
    profile: str = "demo",
    powershell: Path | None = None,
) -> Iterator[ServedHost]:
    """Build a host in `folder` (or take the one that is there) and serve it while the block runs.

    Args:
        powershell: Program of the engine `pwsh`; by default what HVBACKUP_PWSH names.

    Raises:
        ConfigurationError: The engine `pwsh` is asked for and no program is named.
        InvalidRequest: The port is taken.
    """
    host = HostState(folder) if (folder / "state.json").exists() else build_host(folder, profile=profile)
    program = powershell_program(folder, powershell) if engine == "pwsh" else None
    options = ServeOptions(port=port, tls=tls, engine=engine)
    with serve(options, handlers=handlers(host), powershell=program) as serving:
        yield ServedHost(serving.ready, serving.server, host)


def powershell_program(folder: Path, powershell: Path | None = None) -> PowerShellProgram:
    """Return PowerShell with the environment that makes it see the host in `folder`."""
    named = powershell or (Path(os.environ["HVBACKUP_PWSH"]) if os.environ.get("HVBACKUP_PWSH") else None)
    if named is None or not named.exists():
        raise ConfigurationError(
            f"no PowerShell at {named}" if named else "the engine pwsh needs PowerShell",
            hint="Set HVBACKUP_PWSH to its program.",
        )
    return PowerShellProgram(path=named, environment=powershell_environment(folder))


def powershell_environment(folder: Path) -> Mapping[str, str]:
    """Return the variables for a PowerShell that plays the host in `folder`."""
    modules = Path(__file__).resolve().parent / "windows" / "Modules"
    record = HostState(folder).read()
    return {
        "HVPWSH_ROOT": str(folder),
        "HVPWSH_COMPUTERNAME": record.machine.computer_name,
        "PSModulePath": str(modules),
    }
