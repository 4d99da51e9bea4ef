"""Simulated hosts that modules are run against, and a context for each."""

from __future__ import annotations

import json
import ntpath
import shutil
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from hvbackup import BackupRequest, ConnectionOptions, Host, Repository, Secret
from hvbackup.events import Cancellation, Event
from hvbackup.playbook.modules.contract import ModuleContext, ModuleReply
from hvbackup.playbook.modules.kept_hosts import KeptHosts
from hvbackup.playbook.modules.registry import run_module
from hvbackup.remote.connect import open_transport
from hvbackup.simulator.builder import build_host, copy_host
from hvbackup.simulator.handlers import handlers
from hvbackup.simulator.serve import ServeOptions, serve
from hvbackup.simulator.server import WSManServer
from hvbackup.simulator.state import HostState
from hvbackup.simulator.vm_specs import VmSpec
from hvbackup.simulator.volumes import local_path

PASSWORD = "correct horse battery staple"
PASSPHRASE = "wal nuss kern"
WEB01 = "582d7e2e-9d6b-5d60-b72c-3990f340cded"
TWO_VMS = (VmSpec(key="web01", name="web01"), VmSpec(key="legacy", name="legacy", generation=1, scsi=False))


class Site(NamedTuple):
    """A simulated host that answers over WinRM."""

    server: WSManServer
    host: HostState
    ca_file: str

    @property
    def options(self) -> ConnectionOptions:
        """How to reach it."""
        return ConnectionOptions(
            host="127.0.0.1",
            port=self.server.port,
            username="Administrator",
            password=Secret(PASSWORD),
            ca_file=self.ca_file,
        )

    def vm_names(self) -> list[str]:
        """The VMs that are on the host now."""
        return sorted(record.vm.name for record in self.host.read().vms)

    def windows_file(self, path: str) -> Path:
        """The file behind a Windows path of the host."""
        return local_path(self.host.folder, path)


class Runner:
    """Runs modules on one host, as a task does."""

    def __init__(self, options: ConnectionOptions, name: str = "hv01", *, kept: KeptHosts | None = None) -> None:
        self.options, self.name, self.kept = options, name, kept
        self.events: list[Event] = []
        self.cancel = Cancellation()

    def reply(self, module: str, *, check: bool = False, diff: bool = False, **arguments: Any) -> ModuleReply:
        """Run `hvbackup.hyperv.MODULE`."""
        context = ModuleContext(
            connection=self.options,
            inventory_hostname=self.name,
            check=check,
            diff=diff,
            events=self.events.append,
            cancel=self.cancel,
            kept=self.kept,
        )
        return run_module(f"hvbackup.hyperv.{module}", arguments, context)

    def __call__(self, module: str, *, check: bool = False, diff: bool = False, **arguments: Any) -> dict[str, Any]:
        """Run it, and return the result of a task that must not fail."""
        reply = self.reply(module, check=check, diff=diff, **arguments)
        assert not reply.result.get("failed"), reply.result
        assert not reply.result.get("unreachable"), reply.result
        assert 0 == reply.exit_code
        return reply.result


MakeSite = Callable[..., Site]
MakeRunner = Callable[..., Runner]


@pytest.fixture(autouse=True)
def state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A journal for each test alone."""
    folder = tmp_path / "state"
    monkeypatch.setenv("HVBACKUP_STATE_DIR", str(folder))
    return folder


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[HostState, Path, Path]:
    """A host with `web01` (Online) and `legacy` (Offline), an empty repository, and one with a point of `web01`."""
    folder = tmp_path_factory.mktemp("prepared")
    host = build_host(folder / "host", vms=list(TWO_VMS))
    for name in ("empty", "filled"):
        Repository.init(folder / name, passphrase=None).close()
    with (
        serve(ServeOptions(password=PASSWORD), handlers=handlers(host)) as serving,
        Repository.open(folder / "filled", passphrase=None) as repository,
    ):
        site = Site(serving.server, host, str(serving.server.ca_file))
        with Host(open_transport(site.options), state_folder=folder / "state") as connected:
            connected.backup(repository, BackupRequest(include=("web01",)))
    return host, folder / "empty", folder / "filled"


@pytest.fixture
def make_site(tmp_path: Path, prepared: tuple[HostState, Path, Path]) -> Iterator[MakeSite]:
    """Make hosts, as many as are needed; they are stopped at the end of the test."""
    with ExitStack() as stack:

        def make(vms: Sequence[VmSpec] = (), *, name: str = "host") -> Site:
            folder = tmp_path / name
            host = build_host(folder, vms=list(vms)) if vms else copy_host(prepared[0], folder)
            server = stack.enter_context(serve(ServeOptions(password=PASSWORD), handlers=handlers(host))).server
            assert server.ca_file is not None
            return Site(server, host, str(server.ca_file))

        yield make


@pytest.fixture
def site(make_site: MakeSite) -> Site:
    """A host with `web01` (Online) and `legacy` (Offline)."""
    return make_site()


@pytest.fixture
def runner() -> MakeRunner:
    """Modules on any host."""
    return Runner


@pytest.fixture
def run(site: Site) -> Runner:
    """Modules on that host."""
    return Runner(site.options)


@pytest.fixture
def repository(tmp_path: Path, prepared: tuple[HostState, Path, Path]) -> dict[str, Any]:
    """An empty repository without encryption, as arguments."""
    place = shutil.copytree(prepared[1], tmp_path / "repository")
    return {"repository": str(place), "passphrase_from": "none"}


@pytest.fixture
def backed_up(tmp_path: Path, prepared: tuple[HostState, Path, Path]) -> dict[str, Any]:
    """A repository with a point of `web01`, as arguments."""
    place = shutil.copytree(prepared[2], tmp_path / "repository")
    return {"repository": str(place), "passphrase_from": "none"}


@pytest.fixture
def leave_behind(site: Site) -> Callable[[dict[str, Any]], str]:
    """Puts a scratch folder with a marker on the host, as a run does that then dies; gives its Windows path."""

    def leave(marker: dict[str, Any]) -> str:
        path = ntpath.join(site.host.read().machine.scratch_root, marker["runId"])
        folder = site.windows_file(path)
        folder.mkdir(parents=True)
        (folder / "hvbackup.json").write_text(json.dumps(marker), encoding="utf-8")
        return path

    return leave


@pytest.fixture
def unused_port() -> int:
    """A port of loopback on which nothing listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
