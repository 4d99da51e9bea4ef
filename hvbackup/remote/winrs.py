"""WinRS by pywinrm: a PowerShell process for each call, where PowerShell remoting itself is refused.

Slower than `psrp` by the start of a process, and without the progress of cmdlets (our own scripts' progress comes).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import requests
from winrm.exceptions import WinRMOperationTimeoutError
from winrm.protocol import Protocol

from hvbackup.errors import HvBackupError
from hvbackup.models import Model
from hvbackup.remote.contract import Answer
from hvbackup.remote.environment import leave_environment
from hvbackup.remote.failure_kinds import QUOTAS, SHELL_NOT_FOUND, wsman_fault_code
from hvbackup.remote.failures import translated
from hvbackup.remote.lane_transport import Exchange, LaneTransport
from hvbackup.remote.options import ConnectionOptions
from hvbackup.remote.quiet import pin_loggers
from hvbackup.remote.reception import CallerError
from hvbackup.remote.stdio import ErrorReader, OutputReader, arguments, input_lines
from hvbackup.remote.watch import LOOK_SECONDS

#: A host takes 1000 commands in a shell; a new shell is taken well before, and after a time without use.
_COMMANDS_PER_SHELL = 800
_IDLE_SECONDS = 30.0
#: Input of one Send: in base64 and with its envelope it stays below pywinrm's 150 KiB.
_SEND_BYTES = 96 * 1024
#: So many polls in a row without any answer, three seconds each, and the connection is lost.
_SILENT_POLLS = 8
_OPERATION_SECONDS, _READ_SECONDS, _FAREWELL_SECONDS = 20, 30, 5

pin_loggers()


class WinrsSession:
    """A `Protocol` with an open shell. For one thread."""

    def __init__(self, options: ConnectionOptions) -> None:
        self._connect_seconds = options.connect_timeout
        self.protocol = _new_protocol(options)
        self._patience(_OPERATION_SECONDS, _READ_SECONDS)
        self.commands = 0
        self._used_at = time.monotonic()
        try:
            self.shell: str = self.protocol.open_shell(noprofile=True, codepage=65001)
            leave_environment(self.protocol.transport.session)
        except BaseException:
            self.protocol.transport.close_session()
            raise

    def _patience(self, operation: int, read: float) -> None:
        self.protocol.operation_timeout_sec = operation
        # requests takes a pair: for the connection, and for each piece of an answer.
        pair: Any = (min(self._connect_seconds, read) if read < _READ_SECONDS else self._connect_seconds, read)
        self.protocol.transport.read_timeout_sec = pair

    def is_usable(self) -> bool:
        """Whether another command may run here."""
        return self.commands < _COMMANDS_PER_SHELL and time.monotonic() - self._used_at < _IDLE_SECONDS

    def start(self, command_arguments: list[str]) -> str:
        """Start powershell.exe; return the id of the command."""
        self.commands += 1
        # Not a console: standard input is a stream of bytes for the process.
        return self.protocol.run_command(self.shell, "powershell.exe", command_arguments, console_mode_stdin=False)

    def send(self, command: str, data: bytes, *, end: bool = False) -> None:
        """Send standard input."""
        self.protocol.send_command_input(self.shell, command, data, end=end)

    def poll(self, command: str) -> tuple[bytes, bytes, bool] | None:
        """Take output, error output and whether the command is done; None when the host was silent."""
        self._patience(LOOK_SECONDS, LOOK_SECONDS + 2)
        try:
            output, errors, _, done = self.protocol.get_command_output_raw(self.shell, command)
        except WinRMOperationTimeoutError:
            return b"", b"", False
        except (requests.exceptions.ReadTimeout, requests.exceptions.ConnectTimeout):
            return None
        finally:
            self._patience(_OPERATION_SECONDS, _READ_SECONDS)
            self._used_at = time.monotonic()
        return output, errors, done

    def finish(self, command: str) -> None:
        """Tell the host to forget a command that is done, and to end it if it is not."""
        self.protocol.cleanup_command(self.shell, command)

    def close(self) -> None:
        """Remove the shell and whatever runs in it, over a new connection if need be; raises nothing."""
        self._patience(_FAREWELL_SECONDS - 1, _FAREWELL_SECONDS)
        for _ in range(2):
            with contextlib.suppress(Exception):
                self.protocol.close_shell(self.shell)
                return
            self.protocol.transport.encryption = None


class WinrsTransport(LaneTransport):
    """`Transport` by WinRS. The connection is made by the first call."""

    _session: WinrsSession | None = None

    def _once(self, exchange: Exchange) -> Answer[Model]:
        return translated(lambda: self._run(exchange), self._options)

    def _dispose(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    def _ready(self) -> WinrsSession:
        if self._session is not None and not self._session.is_usable():
            self._dispose()
        if self._session is None:
            self._session = WinrsSession(self._options)
        return self._session

    def _run(self, exchange: Exchange) -> Answer[Model]:
        session = self._ready()
        exchange.watch.check()
        exchange.watch.begun = True
        try:
            command = session.start(arguments(self._scripts))
        except Exception as error:
            exchange.refused = wsman_fault_code(error) in {SHELL_NOT_FOUND, *QUOTAS}
            self._dispose()
            raise
        try:
            for data in _chunks(input_lines(exchange, self._scripts)):
                session.send(command, data)
            session.send(command, b"", end=True)
            _drain(session, command, exchange)
            session.finish(command)
        except BaseException as error:
            self._give_up(session, command, error)
            raise
        return exchange.reception.answer()

    def _give_up(self, session: WinrsSession, command: str, error: BaseException) -> None:
        """End the command; the shell goes too, and with it every process that the command has started."""
        if isinstance(error, HvBackupError | CallerError):
            with contextlib.suppress(Exception):
                session.finish(command)
        self._dispose()


def _new_protocol(options: ConnectionOptions) -> Protocol:
    scheme = "https" if options.tls else "http"
    host = options.host.strip("[]")
    address = f"[{host}]" if ":" in host else host
    return Protocol(
        f"{scheme}://{address}:{options.port}/wsman",
        transport="ntlm" if options.auth == "negotiate" else options.auth,
        username=options.username,
        password=options.password.reveal() if options.password is not None else None,
        ca_trust_path=options.ca_file,  # type: ignore[arg-type]  # None is allowed, says its documentation
        cert_pem=options.client_certificate,
        cert_key_pem=options.client_key,
        server_cert_validation="validate" if options.verify else "ignore",
        operation_timeout_sec=_OPERATION_SECONDS,
        read_timeout_sec=_READ_SECONDS,
        proxy=options.proxy,
    )


def _chunks(lines: Iterator[bytes]) -> Iterator[bytes]:
    """Pack lines into pieces of one Send each; long lines are cut, short ones travel together."""
    pending = bytearray()
    for line in lines:
        pending += line
        while len(pending) >= _SEND_BYTES:
            yield bytes(pending[:_SEND_BYTES])
            del pending[:_SEND_BYTES]
    if pending:
        yield bytes(pending)


def _drain(session: WinrsSession, command: str, exchange: Exchange) -> None:
    output, errors = OutputReader(exchange.reception), ErrorReader()
    silent, done = 0, False
    while not done:
        exchange.watch.check()
        taken = session.poll(command)
        if taken is None:
            silent += 1
            if silent >= _SILENT_POLLS:
                raise requests.exceptions.ReadTimeout
            continue
        silent = 0
        output_bytes, error_bytes, done = taken
        output.feed(output_bytes)
        errors.feed(error_bytes)
    output.end()
    if errors.text():
        exchange.reception.error(errors.text())
