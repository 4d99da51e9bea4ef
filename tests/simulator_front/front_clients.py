"""Handlers, unmodified clients and what they need, for the tests of the simulated host's front."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from pypsrp.powershell import PowerShell, RunspacePool
from pypsrp.wsman import WSMan

from hvbackup.simulator.bridge import PowerShellProgram
from hvbackup.simulator.engine import HostError, ScriptContext
from hvbackup.simulator.python_engine import PlainCall, PlainFunction
from hvbackup.simulator.server import WSManServer

PROJECT = Path(__file__).resolve().parents[2]
PASSWORD = "correct horse, battery"
SCRIPTS = {
    "_Prelude": "function Shared { 1 }\n",
    "Get-HvbEcho": "param([string] $Request)\n'echo'\n",
    "Get-HvbFailure": "param([string] $Request)\n'failure'\n",
    "Get-HvbMistake": "param([string] $Request)\n'mistake'\n",
    "Read-HvbBytes": "param([string] $Request)\n'bytes'\n",
    "Write-HvbBytes": "param([string] $Request)\n'sink'\n",
}


def echo(context: ScriptContext) -> dict[str, Any]:
    context.warnings.append("a warning")
    context.progress("Echoing", "half", 50)
    return {"name": context.name, "request": context.request}


def failure(context: ScriptContext) -> dict[str, Any]:
    raise HostError("VmNotFound", "no such VM", {"id": "x"})


def mistake(context: ScriptContext) -> dict[str, Any]:
    raise KeyError("oops")


def read_bytes(context: ScriptContext) -> dict[str, Any]:
    size, count = context.request["size"], context.request["count"]
    for number in range(count):
        context.write_frame(bytes([number % 256]) * size)
    return {"frames": count}


def write_bytes(context: ScriptContext) -> dict[str, Any]:
    sizes = [len(frame) for frame in context.frames()]
    return {"frames": len(sizes), "bytes": sum(sizes)}


HANDLERS = {
    "Get-HvbEcho": echo,
    "Get-HvbFailure": failure,
    "Get-HvbMistake": mistake,
    "Read-HvbBytes": read_bytes,
    "Write-HvbBytes": write_bytes,
}


def register_plain(register: Callable[[str, PlainFunction], object]) -> None:
    """Register commands that exercise the front."""

    def write_all(call: PlainCall) -> None:
        for stream in ("verbose", "warning", "debug", "information"):
            call.channel.write_message(stream, f"{stream} text")
        call.channel.write_progress("Export", "25% done", 25)
        call.channel.write_error("disk is locked", "DiskLocked")
        call.channel.write_output(42)

    def show(call: PlainCall) -> None:
        call.channel.write_output({"arguments": list(call.arguments), "parameters": dict(call.parameters)})

    def wait(call: PlainCall) -> None:
        call.channel.stopped.wait(30)

    def send(call: PlainCall) -> None:
        for _ in range(int(call.match[1])):
            call.channel.write_bytes(b"x" * int(call.match[2]))

    def count(call: PlainCall) -> None:
        sizes = [len(item) for item in call.channel.input()]
        call.channel.write_output(f"{len(sizes)} {sum(sizes)}")

    def copy(call: PlainCall) -> None:
        for item in call.channel.input():
            call.channel.write_output(item)

    register(r"write-all", write_all)
    register(r"show-arguments|param\(\$a\)", show)
    register(r"wait", wait)
    register(r"send (\d+) (\d+)", send)
    register(r"count-input", count)
    register(r"copy-input", copy)


def register_commands(server: WSManServer) -> None:
    """Register them with a server."""
    register_plain(lambda pattern, function: server.script(pattern)(function))


class StartServer(Protocol):
    """Starts a server that the test's end stops."""

    def __call__(self, **options: Any) -> WSManServer: ...


def client_options(server: WSManServer, *, auth: str = "basic", **options: Any) -> dict[str, Any]:
    """Return what stock pypsrp needs to connect to a server."""
    tls = server.ca_file is not None
    found: dict[str, Any] = {
        "port": server.port,
        "ssl": tls,
        "auth": auth,
        "username": "Administrator",
        "password": PASSWORD,
        "no_proxy": True,
        "cert_validation": str(server.ca_file) if tls else True,
    }
    if auth == "basic" and not tls:
        found["encryption"] = "never"
    return {**found, **options}


@contextmanager
def connected(server: WSManServer, *, auth: str = "basic", **options: Any) -> Iterator[WSMan]:
    """A stock pypsrp connection; the last part of closing is left out where the server is gone."""
    with WSMan("127.0.0.1", **client_options(server, auth=auth, **options)) as wsman:
        yield wsman


@contextmanager
def opened_pool(server: WSManServer, *, auth: str = "basic", runspaces: int = 1) -> Iterator[RunspacePool]:
    with connected(server, auth=auth) as wsman, RunspacePool(wsman, max_runspaces=runspaces) as pool:
        yield pool


def run(pool: RunspacePool, text: str, **parameters: Any) -> list[Any]:
    """Run a script by stock pypsrp; return its output."""
    with PowerShell(pool) as powershell:
        powershell.add_script(text)
        for name, value in parameters.items():
            powershell.add_parameter(name, value)
        return list(powershell.invoke())


def each(*items: object) -> Iterator[object]:
    """Return input for a pipeline; pypsrp takes generators only."""
    yield from items


def call_script(pool: RunspacePool, name: str, request: str, frames: list[bytes] | None = None) -> list[Any]:
    """Call a script as hvbackup does: its exact text with the parameter Request."""
    with PowerShell(pool) as powershell:
        powershell.add_script(SCRIPTS[name]).add_parameter("Request", request)
        return list(powershell.invoke(each(*frames)) if frames is not None else powershell.invoke())


def find_powershell() -> PowerShellProgram | None:
    """Return PowerShell for tests, if there is one here."""
    named = os.environ.get("HVBACKUP_PWSH")
    path = Path(named) if named else PROJECT / "../shared/tools/pwsh/pwsh"
    return PowerShellProgram(path.resolve()) if path.exists() else None
