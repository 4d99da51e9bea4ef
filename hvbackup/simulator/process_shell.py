"""WinRS shells with PowerShell behind them: each command is a process with standard streams and an exit code."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import threading
import xml.etree.ElementTree as ET
from typing import IO

from hvbackup.simulator.bridge import PowerShellProgram
from hvbackup.simulator.out_of_process import close_pipes, start_process
from hvbackup.simulator.wsman_envelope import NAMESPACES
from hvbackup.simulator.wsman_queues import CommandEnded
from hvbackup.simulator.wsman_shell import Command, Limits, Shell, feed, is_terminate

_POWERSHELL = re.compile(r"\s*\"?(?:[^\s\"]*\\)?(?:powershell|pwsh)(?:\.exe)?\"?(?=\s|$)", re.IGNORECASE)
_CHUNK = 1 << 16
_WAIT_SECONDS = 10.0


class ProcessShell(Shell):
    """Runs `powershell ...` by PowerShell's own command line; any other command line as text given to PowerShell.

    The latter stands in for cmd.exe, which is not there: programs and their arguments work, cmd's own words do not.
    """

    def __init__(self, shell_id: str, uri: str, owner: str, limits: Limits, *, program: PowerShellProgram) -> None:
        super().__init__(shell_id, uri, owner, limits)
        self._program = program
        self._environment = dict(program.environment)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._threads: list[threading.Thread] = []

    def open(self, node: ET.Element) -> None:
        """Take the environment variables of the shell."""
        for variable in node.iterfind("rsp:Environment/rsp:Variable", NAMESPACES):
            name = variable.get("Name")
            if name:
                self._environment[name] = variable.text or ""

    def start_command(self, command_id: str, line: str, arguments: list[str]) -> None:
        """Start a process."""
        command = self.new_command(command_id)
        try:
            process = start_process(self._arguments(" ".join([line, *arguments])), self._environment)
        except OSError as error:
            command.output.put("stderr", [f"{error}\r\n".encode()], wait=False)
            command.output.finish(1)
            return
        self._processes[command_id] = process
        assert process.stdout is not None  # noqa: S101 - for the type checker
        assert process.stderr is not None  # noqa: S101 - for the type checker
        readers = [
            threading.Thread(target=_copy_output, args=(command, name, pipe))
            for name, pipe in (("stdout", process.stdout), ("stderr", process.stderr))
        ]
        others = [
            threading.Thread(target=_copy_input, args=(command, process)),
            threading.Thread(target=self._wait, args=(command, process, readers)),
        ]
        self._threads = [thread for thread in self._threads if thread.is_alive()] + others
        for thread in [*readers, *others]:
            thread.start()

    def _arguments(self, line: str) -> list[str]:
        match = _POWERSHELL.match(line)
        if match is None:
            return [str(self._program.path), "-NoLogo", "-NoProfile", "-NonInteractive", "-Command", line]
        words = shlex.shlex(line[match.end() :], posix=True)
        words.whitespace_split = True
        words.quotes, words.escape, words.commenters = '"', "", ""
        return [str(self._program.path), *words]

    def _wait(self, command: Command, process: subprocess.Popen[bytes], readers: list[threading.Thread]) -> None:
        """Wait for the end of a process and of its output; the exit code comes last."""
        exit_code = process.wait()
        for reader in readers:
            reader.join()
        self._processes.pop(command.id, None)
        command.input.discard()
        command.output.finish(exit_code)
        close_pipes(process)

    def send(self, command_id: str | None, stream: str, data: bytes, *, end: bool, timeout: float) -> None:
        """Take standard input."""
        command = self.find_command(command_id or "")
        if data:
            feed(command, data, len(data), timeout)
        if end:
            command.input.end()

    def signal(self, command_id: str, code: str) -> None:
        """Interrupt a process, or end it and forget the command."""
        command = self.commands.get(command_id)
        if command is None:
            return
        command.stopped.set()
        process = self._processes.get(command_id)
        if process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL if is_terminate(code) else signal.SIGINT)
        if is_terminate(code):
            self.commands.pop(command_id, None)
            command.end()

    def close(self) -> None:
        """End all processes, and wait for their threads."""
        super().close()
        for thread in self._threads:
            thread.join(_WAIT_SECONDS)


def _copy_output(command: Command, name: str, pipe: IO[bytes]) -> None:
    descriptor = pipe.fileno()
    with contextlib.suppress(OSError, CommandEnded):
        while chunk := os.read(descriptor, _CHUNK):
            command.output.put(name, [chunk])


def _copy_input(command: Command, process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None  # noqa: S101 - for the type checker
    with contextlib.suppress(OSError, ValueError):
        for chunk in command.input:
            process.stdin.write(chunk)
            process.stdin.flush()
    command.input.discard()
    with contextlib.suppress(OSError, ValueError):
        process.stdin.close()
