"""Simulated hosts that the examples are run against, as processes of their own."""

from __future__ import annotations

import functools
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from hvbackup.repository.repository import Repository
from hvbackup.simulator.builder import build_host
from hvbackup.simulator.handlers import handlers
from hvbackup.simulator.serve import ServeOptions, serve
from hvbackup.simulator.server import WSManServer
from hvbackup.simulator.state import HostState
from hvbackup.simulator.vm_specs import VmSpec
from hvbackup.simulator.volumes import local_path

PROJECT = Path(__file__).resolve().parents[2]
PASSWORD = "correct horse battery staple"


class Site(NamedTuple):
    """A simulated host that answers over WinRM."""

    server: WSManServer
    host: HostState
    ca_file: Path

    @property
    def port(self) -> int:
        """Where it listens on loopback."""
        return self.server.port

    def vm_names(self) -> list[str]:
        """The VMs that are on the host now."""
        return sorted(record.vm.name for record in self.host.read().vms)

    def windows_file(self, path: str) -> Path:
        """The file behind a Windows path of the host."""
        return local_path(self.host.folder, path)


MakeSite = Callable[..., Site]
StartSite = Callable[[ExitStack, Path, Sequence[VmSpec]], Site]


class Done(NamedTuple):
    """How a process ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture(scope="session")
def start_site() -> StartSite:
    """Build a host in a folder and serve it, all hosts with one password, until the stack is closed."""

    def start(stack: ExitStack, folder: Path, vms: Sequence[VmSpec]) -> Site:
        host = build_host(folder, vms=list(vms))
        server = stack.enter_context(serve(ServeOptions(password=PASSWORD), handlers=handlers(host))).server
        assert server.ca_file is not None

        return Site(server, host, Path(server.ca_file))

    return start


@pytest.fixture
def make_site(tmp_path: Path, start_site: StartSite) -> Iterator[MakeSite]:
    """Make hosts, as many as are needed; they are stopped at the end of the test."""
    with ExitStack() as stack:

        def make(vms: Sequence[VmSpec], *, name: str = "host") -> Site:
            return start_site(stack, tmp_path / name, vms)

        yield make


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """An empty repository without encryption."""
    place = tmp_path / "repository"
    Repository.init(place, passphrase=None).close()
    return place


@pytest.fixture
def unused_port() -> int:
    """A port of loopback on which nothing listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def run_python_in() -> Run:
    """Run Python in a process of its own, as a user does, with a home of its own in the folder given first."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith(("HVBACKUP_", "COV_"))}
    environment |= {
        "HOST_PASSWORD": PASSWORD,
        "PYTHONPATH": str(PROJECT),
        "PYTHONWARNINGS": "error",
        "PYTHONFAULTHANDLER": "1",
        "PYTHONIOENCODING": "utf-8",
    }

    def run(folder: Path, *arguments: object, **variables: object) -> Done:
        own = {"HVBACKUP_STATE_DIR": str(folder / "state"), **{name: str(text) for name, text in variables.items()}}
        process = subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=folder,
            env={**environment, **own},
            capture_output=True,
            encoding="utf-8",
            timeout=180,
            check=False,
        )
        return Done(process.returncode, process.stdout, process.stderr)

    return run


@pytest.fixture
def run_python(tmp_path: Path, run_python_in: Run) -> Run:
    """The same, in the folder of the test."""
    return functools.partial(run_python_in, tmp_path)
