"""PowerShell as a process of this machine: for hvbackup that runs on the Hyper-V host itself."""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import IO

from hvbackup.errors import HostUnreachable
from hvbackup.models import Model
from hvbackup.remote.contract import Answer
from hvbackup.remote.failures import translated
from hvbackup.remote.lane_transport import Exchange, LaneTransport
from hvbackup.remote.stdio import ErrorReader, OutputReader, arguments, input_lines

_READ_BYTES = 64 * 1024
#: Pieces that wait in each direction: with the pipes this is all that a slow sink lets pile up.
_WAITING_PIECES = 8
_LOOK_SECONDS, _OFFER_SECONDS = 0.2, 0.05
_END_SECONDS = 10


class LocalTransport(LaneTransport):
    """`Transport` by a local PowerShell process for each call."""

    def _once(self, exchange: Exchange) -> Answer[Model]:
        return translated(lambda: self._run(exchange), self._options)

    def _dispose(self) -> None:
        """Nothing stays between two calls."""

    def _run(self, exchange: Exchange) -> Answer[Model]:
        program = self._options.powershell or _find_powershell(self.host)
        exchange.watch.begun = True
        with _Process([program, *arguments(self._scripts)]) as process:
            _converse(process, exchange, input_lines(exchange, self._scripts))
        return exchange.reception.answer()


def _find_powershell(host: str) -> str:
    """Return Windows PowerShell on Windows, else `pwsh`."""
    if sys.platform == "win32":
        return str(_system_folder() / "WindowsPowerShell" / "v1.0" / "powershell.exe")
    found = shutil.which("pwsh")
    if found is None:
        raise HostUnreachable(
            "there is no PowerShell on this machine",
            host=host,
            hint="The transport local is for the Hyper-V host itself; from elsewhere use psrp.",
        )
    return found


def _system_folder() -> Path:
    return Path(os.environ.get("SYSTEMROOT", r"C:\Windows"), "System32")


class _Process:
    """A process with its streams behind queues, so that nobody waits where no watch can be looked at."""

    def __init__(self, command: list[str]) -> None:
        flags = 0
        if sys.platform == "win32":
            flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                creationflags=flags,
            )
        except OSError as error:
            raise HostUnreachable(
                f"{command[0]} cannot be started: {error.strerror}", hint="Name the program of PowerShell."
            ) from None
        self.input: queue.Queue[bytes | None] = queue.Queue(_WAITING_PIECES)
        self.output: queue.Queue[bytes | None] = queue.Queue(_WAITING_PIECES)
        self.errors = ErrorReader()
        self._abandoned = threading.Event()
        assert self._process.stdin is not None  # noqa: S101 - for the type checker: all three are pipes
        assert self._process.stdout is not None  # noqa: S101
        assert self._process.stderr is not None  # noqa: S101
        self._threads = [
            threading.Thread(target=self._write, args=(self._process.stdin,), daemon=True),
            threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True),
            threading.Thread(target=self._read_errors, args=(self._process.stderr,), daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def _write(self, stream: IO[bytes]) -> None:
        # The process may end without reading its input: its answer says why.
        with contextlib.suppress(OSError), stream:
            while not self._abandoned.is_set():
                with contextlib.suppress(queue.Empty):
                    piece = self.input.get(timeout=_LOOK_SECONDS)
                    if piece is None:
                        return
                    stream.write(piece)
                    stream.flush()

    def _read(self, stream: IO[bytes]) -> None:
        with contextlib.suppress(OSError, ValueError):
            while data := os.read(stream.fileno(), _READ_BYTES):
                self._offer(data)
        self._offer(None)

    def _offer(self, piece: bytes | None) -> None:
        while not self._abandoned.is_set():
            with contextlib.suppress(queue.Full):
                self.output.put(piece, timeout=_LOOK_SECONDS)
                return

    def _read_errors(self, stream: IO[bytes]) -> None:
        with contextlib.suppress(OSError, ValueError):
            while data := os.read(stream.fileno(), _READ_BYTES):
                self.errors.feed(data)

    def offer_input(self, piece: bytes | None) -> bool:
        """Take a piece of input (None: the end), or return False when there is no room at present."""
        try:
            self.input.put(piece, timeout=_OFFER_SECONDS)
        except queue.Full:
            return False
        return True

    def has_ended(self) -> bool:
        """Whether the process is gone."""
        return self._process.poll() is not None

    def wait(self) -> None:
        """Wait for the end of the process and of its error output, a moment at most: its output has ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)
        self._threads[2].join(_END_SECONDS)

    def __enter__(self) -> _Process:
        return self

    def __exit__(self, *_error: object) -> None:
        """Kill the process and everything that it has started, if it still runs."""
        self._abandoned.set()
        if not self.has_ended():
            self._kill()
        self._process.wait(_END_SECONDS)
        for thread in self._threads:
            thread.join(_END_SECONDS)
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def _kill(self) -> None:
        if sys.platform == "win32":
            program = _system_folder() / "taskkill.exe"
            subprocess.run([str(program), "/T", "/F", "/PID", str(self._process.pid)], check=False, capture_output=True)
        else:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()


def _converse(process: _Process, exchange: Exchange, lines: Iterator[bytes]) -> None:
    """Give the process its input and take its output, whichever is possible, until its output ends."""
    output, ended = OutputReader(exchange.reception), False
    for piece in chain(lines, [None]):
        while not ended and not process.offer_input(piece):
            exchange.watch.check()
            ended = _take(process, output, 0.0)
        if ended:
            break
    while not ended:
        exchange.watch.check()
        ended = _take(process, output, _LOOK_SECONDS)
    output.end()
    process.wait()
    if process.errors.text():
        exchange.reception.error(process.errors.text())


def _take(process: _Process, output: OutputReader, seconds: float) -> bool:
    """Hand on one piece of output, waiting so long for it; return whether that was the end."""
    try:
        piece = process.output.get(timeout=seconds) if seconds else process.output.get_nowait()
    except queue.Empty:
        return False
    if piece is not None:
        output.feed(piece)
    return piece is None
