"""A Hyper-V host on loopback that speaks real WSMan: `WSManServer`."""

from __future__ import annotations

import contextlib
import importlib.resources
import secrets
import socket
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Literal

from hvbackup.simulator.authentication import METHODS, Accounts, check_accounts
from hvbackup.simulator.bridge import BridgedShell, PowerShellProgram
from hvbackup.simulator.builtins import register_builtins
from hvbackup.simulator.certificates import Authority, ServerCertificate
from hvbackup.simulator.engine import Handler
from hvbackup.simulator.faults import CertificateKind, Faults
from hvbackup.simulator.process_shell import ProcessShell
from hvbackup.simulator.psrp_shell import PsrpShell
from hvbackup.simulator.python_engine import PlainFunction, PythonEngine, load_scripts
from hvbackup.simulator.winrs_shell import WinrsShell
from hvbackup.simulator.wsman_http import Connection
from hvbackup.simulator.wsman_service import Service
from hvbackup.simulator.wsman_shell import Limits, Shell

_HANDSHAKE_SECONDS = 15.0

Engine = Literal["python", "pwsh"]


class WSManServer(ThreadingHTTPServer):
    """WSMan over HTTP or HTTPS on 127.0.0.1; a context manager that serves from its construction on.

    Args:
        handlers: What answers each script of `ps_scripts/`, by its name without `.ps1`.
        accounts: Names and passwords of the host's administrators; by default Administrator with a random password.
        tls: HTTPS with a certificate of an authority of its own (`ca_file`).
        port: TCP port, 0 for a free one.
        methods: Which of basic, negotiate, ntlm and certificate are allowed.
        scripts: Folder of the scripts; by default the installed `ps_scripts`.
        engine: `python` (handlers) or `pwsh` (PowerShell itself runs what clients send).
        powershell: Where PowerShell is; needed for the engine `pwsh`.

    Attributes:
        faults: What is wrong with the host; see `Faults`.
        username, password: The first account.
    """

    daemon_threads = False
    block_on_close = True
    request_queue_size = 128

    def __init__(
        self,
        *,
        handlers: Mapping[str, Handler] | None = None,
        accounts: Mapping[str, str] | None = None,
        tls: bool = False,
        port: int = 0,
        methods: Iterable[str] = METHODS,
        scripts: Path | None = None,
        limits: Limits | None = None,
        computer_name: str = "HV01",
        os_version: str = "10.0.20348",
        engine: Engine = "python",
        powershell: PowerShellProgram | None = None,
    ) -> None:
        if engine == "pwsh" and powershell is None:
            raise ValueError("the engine pwsh needs to know where PowerShell is")
        self.engine = engine
        self._powershell = powershell if engine == "pwsh" else None
        chosen = dict(accounts or {"Administrator": secrets.token_urlsafe(18)})
        check_accounts(chosen)
        self.username, self.password = next(iter(chosen.items()))
        self.computer_name = computer_name
        self.os_version = os_version
        self.limits = limits or Limits()
        self.faults = Faults()
        self.methods = frozenset(methods)
        self._folder = tempfile.TemporaryDirectory(prefix="hvbackup-simulator-")
        folder = Path(self._folder.name)
        self.accounts = Accounts(chosen, folder, domains=(computer_name,))
        self._authority = Authority(folder) if tls else None
        self._counter_lock = threading.Lock()
        self._requests = 0
        self._connections: dict[socket.socket, ServerCertificate | None] = {}
        self._connections_lock = threading.Lock()
        self._stopping = False
        self._engine = PythonEngine(handlers or {}, load_scripts(scripts or _installed_scripts()))
        register_builtins(self._engine, computer_name)
        try:
            super().__init__(("127.0.0.1", port), Connection)
        except (OSError, OverflowError):
            self._folder.cleanup()
            raise
        self.service = Service(
            address=self.endpoint,
            limits=self.limits,
            faults=self.faults,
            powershell=self._new_powershell,
            winrs=self._new_winrs,
        )
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), name=f"wsman {self.port}")
        self._thread.start()

    # ------------------------------------------------------------ facts

    @property
    def port(self) -> int:
        """The TCP port."""
        return int(self.server_address[1])

    @property
    def endpoint(self) -> str:
        """The address for clients, `http(s)://127.0.0.1:PORT/wsman`."""
        return f"{'https' if self._authority else 'http'}://127.0.0.1:{self.port}/wsman"

    @property
    def ca_file(self) -> Path | None:
        """The certificate of the authority that clients must trust; None without TLS."""
        return self._authority.ca_file if self._authority else None

    @property
    def authority(self) -> Authority:
        """The authority, for client certificates."""
        if self._authority is None:
            raise ValueError("this server has no TLS")
        return self._authority

    @property
    def requests(self) -> int:
        """How many HTTP requests came so far: the round trips."""
        return self._requests

    def count_request(self) -> None:
        """Count one request."""
        with self._counter_lock:
            self._requests += 1

    # ------------------------------------------------------------ shells

    def script(self, pattern: str) -> Callable[[PlainFunction], PlainFunction]:
        """Answer plain commands whose whole text matches `pattern` by the decorated function (Python engine)."""

        def register(function: PlainFunction) -> PlainFunction:
            self._engine.register(pattern, function)
            return function

        return register

    def _new_powershell(self, shell_id: str, uri: str, owner: str) -> Shell:
        if self._powershell is not None:
            return BridgedShell(shell_id, uri, owner, self.limits, program=self._powershell, faults=self.faults)
        return PsrpShell(shell_id, uri, owner, self.limits, engine=self._engine, faults=self.faults)

    def _new_winrs(self, shell_id: str, uri: str, owner: str) -> Shell:
        if self._powershell is not None:
            return ProcessShell(shell_id, uri, owner, self.limits, program=self._powershell)
        return WinrsShell(shell_id, uri, owner, self.limits, engine=self._engine)

    # ------------------------------------------------------------ connections

    def certificate_of(self, connection: socket.socket) -> ServerCertificate | None:
        """Return the certificate that a connection was opened with."""
        with self._connections_lock:
            return self._connections.get(connection)

    def process_request_thread(self, request: object, client_address: object) -> None:
        """Serve one connection, from the TLS handshake to its end."""
        assert isinstance(request, socket.socket)  # noqa: S101 - for the type checker: TCP only
        connection, certificate = request, None
        try:
            self._remember(connection, None)
            if self._authority is not None:
                certificate = self._authority.server(CertificateKind(self.faults.certificate))
                request.settimeout(_HANDSHAKE_SECONDS)
                connection = certificate.context.wrap_socket(request, server_side=True)
                connection.settimeout(None)
                self._remember(connection, certificate, instead_of=request)
            self.finish_request(connection, client_address)
        except OSError:
            pass  # A client that hangs up, or that does not trust the certificate: no news.
        finally:
            with self._connections_lock:
                self._connections.pop(request, None)
                self._connections.pop(connection, None)
            self.shutdown_request(connection)

    def _remember(
        self,
        connection: socket.socket,
        certificate: ServerCertificate | None,
        *,
        instead_of: socket.socket | None = None,
    ) -> None:
        with self._connections_lock:
            if instead_of is not None:
                self._connections.pop(instead_of, None)
            if self._stopping:
                raise ConnectionAbortedError("the server is stopping")
            self._connections[connection] = certificate

    @property
    def has_connections(self) -> bool:
        """Whether a client is connected."""
        with self._connections_lock:
            return bool(self._connections)

    def drop_connections(self) -> None:
        """Close every connection, as a host does with idle ones or a firewall with all."""
        with self._connections_lock:
            connections = list(self._connections)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    # ------------------------------------------------------------ end

    def stop(self) -> None:
        """End everything: connections, shells, threads and processes. Stopping twice is no error."""
        if not self._thread.is_alive():
            return
        self.shutdown()
        self._thread.join()
        with self._connections_lock:
            self._stopping = True
        self.drop_connections()
        self.service.close()
        self.server_close()
        self._folder.cleanup()

    def __enter__(self) -> WSManServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _installed_scripts() -> Path:
    try:
        return Path(str(importlib.resources.files("hvbackup.ps_scripts")))
    except ModuleNotFoundError:  # a bare checkout, run where it lies
        return Path(__file__).resolve().parents[2] / "ps_scripts"
