"""The command line against a simulated host: exit code, standard output, standard error."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from hvbackup.cli.main import run
from hvbackup.simulator.builder import build_host
from hvbackup.simulator.simulated_host import ServedHost, serve_host
from hvbackup.simulator.vm_specs import VmSpec


class Done(NamedTuple):
    """What an invocation ended with."""

    code: int
    out: str
    err: str

    @property
    def records(self) -> list[dict[str, Any]]:
        """The lines of `--json`."""
        return [json.loads(line) for line in self.out.splitlines()]

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        """The records of one type."""
        return [record for record in self.records if record["type"] == kind]


Invoke = Callable[..., Done]


@pytest.fixture
def invoke(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Invoke:
    """Run the command line in a home of its own; nothing of this machine's settings is read."""
    monkeypatch.setenv("HVBACKUP_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: str) -> Done:
        capsys.readouterr()
        code = run(list(arguments))
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return invoke


@pytest.fixture
def served(tmp_path: Path) -> Iterator[ServedHost]:
    """A host with an Online and a running Offline VM."""
    vms = [VmSpec(key="web01", name="web01"), VmSpec(key="legacy", name="legacy", generation=1, scsi=False)]
    build_host(tmp_path / "host", vms=vms)
    with serve_host(tmp_path / "host") as host:
        yield host


@pytest.fixture
def on_host(served: ServedHost, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """The options that reach the host."""
    monkeypatch.setenv("HOST_PASSWORD", served.ready.password)
    return (
        "--port", str(served.server.port), "--user", "Administrator", "--password-from", "env:HOST_PASSWORD",
        "--ca-file", str(served.ready.ca_file), "--auth", "basic",
    )  # fmt: skip


@pytest.fixture
def in_repository(invoke: Invoke, tmp_path: Path) -> tuple[str, ...]:
    """The options that name a repository that is there."""
    options = ("--repository", str(tmp_path / "repository"), "--passphrase-from", "none")
    assert 0 == invoke("repository", "init", *options).code
    return options


@pytest.fixture
def inventory_of(tmp_path: Path) -> Callable[[dict[str, ServedHost]], str]:
    """Write an inventory of hosts by their names, with unvaulted passwords, as people begin with."""

    def write(hosts: dict[str, ServedHost]) -> str:
        entries = {
            name: {
                "ansible_host": "127.0.0.1", "ansible_port": host.server.port, "ansible_user": host.ready.username,
                "ansible_password": host.ready.password, "ansible_psrp_ca_cert": str(host.ready.ca_file),
            }
            for name, host in hosts.items()
        }  # fmt: skip
        content = {"all": {"vars": {"ansible_connection": "psrp"}, "hosts": entries}}
        path = tmp_path / "inventory.yml"
        path.write_text(json.dumps(content), encoding="utf-8")
        return str(path)

    return write
