"""Serve a simulated host: what `hvbackup simulator serve` and the demo start."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal, NamedTuple

from hvbackup.errors import InvalidRequest
from hvbackup.models import Model
from hvbackup.simulator.bridge import PowerShellProgram
from hvbackup.simulator.engine import Handler
from hvbackup.simulator.server import WSManServer


class ServeOptions(Model, frozen=True, kw_only=True):
    """How to serve.

    Attributes:
        port: TCP port on 127.0.0.1; 0 takes a free one.
        tls: HTTPS with a certificate of an authority made for this start.
        password: None makes a random one.
    """

    port: int = 0
    tls: bool = True
    engine: Literal["python", "pwsh"] = "python"
    username: str = "Administrator"
    password: str | None = None


class Ready(Model, frozen=True, kw_only=True):
    """The first line of `simulator serve --json`: what a client needs to connect."""

    endpoint: str
    username: str
    password: str
    ca_file: str | None
    engine: str


class Serving(NamedTuple):
    """A server that answers, and the facts about it."""

    ready: Ready
    server: WSManServer


@contextmanager
def serve(
    options: ServeOptions,
    *,
    handlers: Mapping[str, Handler] | None = None,
    powershell: PowerShellProgram | None = None,
) -> Iterator[Serving]:
    """Serve while the block runs; nothing is printed, and nothing is left behind.

    Raises:
        InvalidRequest: The port is taken or not allowed, the account is impossible, or the engine `pwsh` was asked for
            without `powershell`.
    """
    if options.engine == "pwsh" and powershell is None:
        raise InvalidRequest(
            "the engine pwsh needs PowerShell", hint="Name its program with the variable HVBACKUP_PWSH."
        )
    password = options.password or secrets.token_urlsafe(18)
    try:
        server = WSManServer(
            handlers=handlers,
            accounts={options.username: password},
            tls=options.tls,
            port=options.port,
            engine=options.engine,
            powershell=powershell,
        )
    except (OSError, OverflowError) as error:
        raise InvalidRequest(
            f"the simulated host cannot listen on port {options.port}: {error}", hint="Choose another port, or 0."
        ) from None
    except ValueError as error:
        raise InvalidRequest(f"the simulated host cannot be made: {error}") from None
    with server:
        yield Serving(
            Ready(
                endpoint=server.endpoint,
                username=server.username,
                password=server.password,
                ca_file=str(server.ca_file) if server.ca_file else None,
                engine=options.engine,
            ),
            server,
        )
