"""A simulated host, and clients of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from bulk_host import PASSWORD, HostFiles, connect, open_pool, register_scripts
from pypsrp.powershell import RunspacePool

from hvbackup.remote.options import ConnectionOptions
from hvbackup.remote.psrp import PsrpTransport
from hvbackup.secrets import Secret
from hvbackup.simulator.server import WSManServer


@pytest.fixture(scope="session")
def shared_files() -> HostFiles:
    return HostFiles()


@pytest.fixture
def host_files(shared_files: HostFiles) -> HostFiles:
    """The files of the host, none at first."""
    shared_files.clear()
    return shared_files


@pytest.fixture(scope="session")
def new_server(shared_files: HostFiles) -> Iterator[Callable[..., WSManServer]]:
    """Start servers; they are closed at the end."""
    with contextlib.ExitStack() as stack:

        def start(*, tls: bool = True, **more: Any) -> WSManServer:
            server = WSManServer(
                handlers={
                    "Read-HvbBlock": shared_files.read,
                    "Get-HvbBlockHash": shared_files.hashes,
                    "Write-HvbFile": shared_files.write,
                    "Remove-HvbFile": shared_files.remove,
                },
                accounts={"Administrator": PASSWORD},
                tls=tls,
                **more,
            )
            register_scripts(server)
            return stack.enter_context(server)

        yield start


@pytest.fixture(scope="session")
def server(new_server: Callable[..., WSManServer]) -> WSManServer:
    """A host with TLS, the same for all tests."""
    return new_server()


@pytest.fixture
def pool(server: WSManServer) -> Iterator[RunspacePool]:
    """A pool on a host with TLS."""
    with open_pool(connect(server)) as pool:
        yield pool


@pytest.fixture
def transport(server: WSManServer) -> Iterator[PsrpTransport]:
    """Our transport to a host with TLS."""
    transport = PsrpTransport(
        ConnectionOptions(
            host="127.0.0.1",
            port=server.port,
            username=server.username,
            password=Secret(server.password),
            auth="basic",
            ca_file=str(server.ca_file),
        )
    )
    yield transport
    transport.close()
