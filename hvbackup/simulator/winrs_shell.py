"""WinRS shells answered by the Python engine: command lines, standard streams, exit codes and signals."""

from __future__ import annotations

import base64
import binascii
import json
import re
import threading
from collections.abc import Iterator
from typing import Any

from hvbackup.simulator.engine import Stopped, TerminatingError
from hvbackup.simulator.python_engine import PythonEngine, Statement, normalise
from hvbackup.simulator.winrs_bootstrap import BootstrapChannel, read_call
from hvbackup.simulator.wsman_queues import CommandEnded
from hvbackup.simulator.wsman_shell import Command, Limits, Shell, feed, is_terminate

_ENCODED = re.compile(
    r"\s*\"?(?:\S*\\)?(?:powershell|pwsh)(?:\.exe)?\"?\s.*?-e(?:nc|ncodedcommand|c)?\s+\"?([A-Za-z0-9+/=]+)",
    re.I | re.S,
)
#: STATUS_CONTROL_C_EXIT
_CONTROL_C_EXIT = -1073741510


class WinrsShell(Shell):
    """A shell of `cmd.exe`'s kind; each command runs in a thread of its own."""

    def __init__(self, shell_id: str, uri: str, owner: str, limits: Limits, *, engine: PythonEngine) -> None:
        super().__init__(shell_id, uri, owner, limits)
        self._engine = engine
        self._threads: list[threading.Thread] = []

    def start_command(self, command_id: str, line: str, arguments: list[str]) -> None:
        """Run a command line."""
        command = self.new_command(command_id)
        text = " ".join([line, *arguments])
        thread = threading.Thread(target=self._run, args=(command, text), name=f"command {command_id}")
        self._threads = [other for other in self._threads if other.is_alive()] + [thread]
        thread.start()

    def _run(self, command: Command, line: str) -> None:
        channel = TextChannel(command)
        exit_code = 0
        try:
            script = decode_command(line)
            if script is not None and self._engine.bootstrap and normalise(script) == self._engine.bootstrap:
                exit_code = self._run_bootstrap(command)
            else:
                self._engine.run([Statement(line if script is None else script)], channel)
                exit_code = channel.exit_code
        except (Stopped, CommandEnded):
            exit_code = _CONTROL_C_EXIT
        except TerminatingError as error:
            exit_code = self._complain(command, error.message)
        except Exception as error:  # noqa: BLE001 - a registered function's mistake must reach the client
            exit_code = self._complain(command, f"{type(error).__name__}: {error}")
        command.input.discard()
        command.output.finish(exit_code)

    def _complain(self, command: Command, message: str) -> int:
        if not command.output.closed:
            command.output.put("stderr", [f"{message}\r\n".encode()], wait=False)
        return 1

    def _run_bootstrap(self, command: Command) -> int:
        channel = BootstrapChannel(command)
        try:
            call = read_call(channel)
            self._engine.run([Statement(call.script, parameters={"Request": call.request})], channel)
        except TerminatingError as error:
            channel.write_end(error)
            return 1
        return 0

    def send(self, command_id: str | None, stream: str, data: bytes, *, end: bool, timeout: float) -> None:
        """Take standard input."""
        command = self.find_command(command_id or "")
        if data:
            feed(command, data, len(data), timeout)
        if end:
            command.input.end()

    def signal(self, command_id: str, code: str) -> None:
        """Stop a command, or forget it."""
        command = self.commands.get(command_id)
        if command is None:
            return
        command.stopped.set()
        if is_terminate(code):
            self.commands.pop(command_id, None)
            command.end()
        else:
            command.input.discard()
            command.output.finish(_CONTROL_C_EXIT)

    def close(self) -> None:
        """Stop all commands, and wait for their threads."""
        super().close()
        for thread in self._threads:
            thread.join(10)


def decode_command(line: str) -> str | None:
    """Return the script of a command line `powershell ... -EncodedCommand BASE64`; None for any other."""
    match = _ENCODED.match(line)
    if match is None:
        return None
    try:
        return base64.b64decode(match.group(1), validate=True).decode("utf-16-le")
    except (binascii.Error, UnicodeDecodeError):
        return None


class TextChannel:
    """`Channel` of a command that writes text: output to stdout, errors to stderr, other streams nowhere."""

    def __init__(self, command: Command) -> None:
        self._command = command
        self.stopped: threading.Event = command.stopped
        self.exit_code = 0

    def input(self) -> Iterator[Any]:
        """Chunks of standard input."""
        return iter(self._command.input)

    def write_bytes(self, data: bytes) -> None:
        """Write bytes as they are."""
        self._put("stdout", data)

    def write_output(self, value: Any) -> None:
        """Write bytes as they are, anything else as a line."""
        text = json.dumps(value) if isinstance(value, (dict, list)) else str(value)
        self._put("stdout", value if isinstance(value, bytes) else f"{text}\r\n".encode())

    def write_error(self, message: str, error_id: str) -> None:
        """Write a line to stderr; the command will end with exit code 1."""
        self.exit_code = 1
        self._put("stderr", f"{message}\r\n".encode())

    def write_message(self, stream: str, message: str) -> None:
        """Say nothing: powershell.exe's own form of these streams is not simulated."""

    def write_progress(self, activity: str, status: str, percent: int) -> None:
        """Say nothing."""

    def _put(self, stream: str, data: bytes) -> None:
        if self.stopped.is_set():
            raise Stopped
        try:
            self._command.output.put(stream, [data])
        except CommandEnded:
            raise Stopped from None
