"""Two ways to run a script of `ps_scripts/` over the folder of a simulated host: Python's handlers, and PowerShell."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from hvbackup.remote.scripts import prelude_text, script_text
from hvbackup.simulator.builder import copy_host
from hvbackup.simulator.handlers import handlers
from hvbackup.simulator.python_engine import PythonEngine
from hvbackup.simulator.simulated_host import powershell_environment
from hvbackup.simulator.state import HostState
from hvbackup.simulator.vm_specs import VmSpec

ROOT = Path(__file__).resolve().parents[2]
SHARED = (ROOT / "../shared").resolve()

#: A VM of each kind that the scripts treat differently.
VMS = (
    VmSpec(key="web01", name="web01"),
    VmSpec(key="legacy", name="legacy", generation=1, scsi=False, state="Saved"),
    VmSpec(key="off", name="off [old]", folder="off [old]", state="Off", disks=("D", "E"), checkpoint_letter="E"),
    VmSpec(key="quoted", name='Büro O\'Neil "neu"', folder="Büro O'Neil neu", state="Off", vss_service=False),
    VmSpec(key="chain", name="chain", letter="E", disks=("E",), chain=1, state="Off"),
)


def powershell() -> Path | None:
    """The PowerShell to test with: what HVBACKUP_PWSH names, else the one that lies beside the project, else None."""
    named = Path(os.environ.get("HVBACKUP_PWSH") or SHARED / "tools/pwsh/pwsh")
    return named if named.exists() else None


class Output(NamedTuple):
    """What a script wrote: its frames, and the one text after them."""

    frames: list[bytes]
    text: str


class Lane(Protocol):
    """Runs scripts over one host at a time.

    Attributes:
        untouched: The host of which this lane has a copy that nothing has changed, or None; the user of the lane says.
    """

    untouched: HostState | None

    def take(self, source: HostState) -> HostState:
        """Put a copy of a host where this lane sees it, in place of the one before."""

    def run(self, script: str, request: str, frames: Iterable[bytes] = ()) -> Output:
        """Run one script and return what it wrote."""


class _Collector:
    """A channel that keeps what is written to it."""

    def __init__(self, frames: Iterable[bytes]) -> None:
        self.stopped = threading.Event()
        self.frames: list[bytes] = []
        self.texts: list[str] = []
        self._input = list(frames)

    def input(self) -> Iterator[Any]:
        yield from self._input

    def write_bytes(self, data: bytes) -> None:
        self.frames.append(data)

    def write_output(self, value: Any) -> None:
        self.texts.append(value)

    def write_error(self, message: str, error_id: str) -> None:
        raise AssertionError(f"{error_id}: {message}")

    def write_message(self, stream: str, message: str) -> None:
        """Nobody reads them here."""

    def write_progress(self, activity: str, status: str, percent: int) -> None:
        """Nobody reads them here."""


class PythonLane:
    """The handlers of `hvbackup.simulator`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.untouched: HostState | None = None

    def take(self, source: HostState) -> HostState:
        """See `Lane`."""
        if self.untouched is source:
            return HostState(self._folder)
        self.untouched = source
        shutil.rmtree(self._folder, ignore_errors=True)
        return copy_host(source, self._folder)

    def run(self, script: str, request: str, frames: Iterable[bytes] = ()) -> Output:
        """See `Lane`."""
        engine = PythonEngine(handlers(HostState(self._folder)), {script: script_text(script)})
        channel = _Collector(frames)
        engine.run_script(script, request, channel)
        (text,) = channel.texts
        return Output(channel.frames, text)


class PowerShellLane:
    """The scripts themselves, in one PowerShell over one folder, as a transport runs them: the prelude first."""

    def __init__(self, program: Path, folder: Path, first: HostState) -> None:
        self._folder = folder
        self.untouched: HostState | None = None
        self.take(first)
        environment = {**os.environ, **powershell_environment(folder)}
        driver = Path(__file__).with_name("call_scripts.ps1")
        self._process = subprocess.Popen(
            [str(program), "-NoProfile", "-NonInteractive", "-File", str(driver)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )

    def take(self, source: HostState) -> HostState:
        """See `Lane`. The folder stays, since PowerShell's drives are made when it starts."""
        if self.untouched is source:
            return HostState(self._folder)
        self.untouched = source
        self._folder.mkdir(exist_ok=True)
        for entry in self._folder.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        return copy_host(source, self._folder)

    def run(self, script: str, request: str, frames: Iterable[bytes] = ()) -> Output:
        """See `Lane`."""
        machine = HostState(self._folder).read().machine
        domain, user = machine.user.split("\\")
        environment = {
            "HVPWSH_ADMIN": "1" if machine.elevated else "0",
            "COMPUTERNAME": machine.computer_name,
            "USERDOMAIN": domain,
            "USERNAME": user,
        }
        call = {
            "prelude": prelude_text(),
            "script": script_text(script),
            "request": request,
            "frames": [base64.b64encode(frame).decode() for frame in frames],
            "environment": environment,
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(call) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert (answer["failure"], answer["errors"], answer["other"]) == (None, [], []), answer
        (text,) = answer["texts"]
        return Output([base64.b64decode(frame) for frame in answer["frames"]], text)

    def close(self) -> None:
        """End PowerShell."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()
