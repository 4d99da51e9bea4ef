"""The host's half of `ps_scripts/_Bootstrap.ps1`: calls and bytes over the standard streams of a WinRS command."""

from __future__ import annotations

import base64
import binascii
import json
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

from hvbackup.simulator.engine import Stopped, TerminatingError
from hvbackup.simulator.wsman_queues import CommandEnded
from hvbackup.simulator.wsman_shell import Command


class BootstrapCall(NamedTuple):
    """What the first line of standard input asks for."""

    script: str
    request: object


class BootstrapChannel:
    """`Channel` over lines: `B:` bytes, `S:` text, `P:` progress, `E:` what ended it, each with base64 after it."""

    def __init__(self, command: Command) -> None:
        self._command = command
        self._lines = _lines(iter(command.input))
        self.stopped: threading.Event = command.stopped

    def read_line(self) -> bytes | None:
        """Return the next line of standard input, or None at its end."""
        return next(self._lines, None)

    def input(self) -> Iterator[Any]:
        """The `byte[]` objects of the remaining lines."""
        for line in self._lines:
            if line:
                yield _decode(line)

    def write_bytes(self, data: bytes) -> None:
        """Write a `byte[]`."""
        self._put(b"B:" + base64.b64encode(data))

    def write_output(self, value: Any) -> None:
        """Write bytes or text."""
        if isinstance(value, bytes):
            self.write_bytes(value)
        else:
            self._put(b"S:" + base64.b64encode(str(value).encode()))

    def write_error(self, message: str, error_id: str) -> None:
        """Write an error; our scripts report theirs in the answer, so there is no line for it."""

    def write_end(self, error: TerminatingError) -> None:
        """Write what ended the script."""
        self._put(b"E:" + base64.b64encode(f"{error.error_id}\n{error.message}".encode()))

    def write_message(self, stream: str, message: str) -> None:
        """Say nothing: the answer carries the warnings."""

    def write_progress(self, activity: str, status: str, percent: int) -> None:
        """Write a progress record."""
        record = {"activity": activity, "status": status, "percent": percent}
        self._put(b"P:" + base64.b64encode(json.dumps(record).encode()))

    def _put(self, line: bytes) -> None:
        if self.stopped.is_set():
            raise Stopped
        try:
            self._command.output.put("stdout", [line + b"\r\n"])
        except CommandEnded:
            raise Stopped from None


def read_call(channel: BootstrapChannel) -> BootstrapCall:
    """Read the first line of standard input: `{"prelude": text, "script": text, "request": text}`."""
    line = channel.read_line()
    try:
        document = json.loads(line or b"")
        script, request = document["script"], document["request"]
    except (ValueError, KeyError, TypeError):
        raise TerminatingError("ArgumentException", "The first line of standard input is no call.") from None
    return BootstrapCall(str(script), request)


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Cut a stream of chunks into lines without their ends."""
    pending: list[bytes] = []
    for chunk in chunks:
        first, *rest = chunk.split(b"\n")
        pending.append(first)
        for part in rest:
            yield b"".join(pending).rstrip(b"\r")
            pending = [part]
    last = b"".join(pending).rstrip(b"\r")
    if last:
        yield last


def _decode(line: bytes) -> bytes:
    try:
        return base64.b64decode(line, validate=True)
    except binascii.Error:
        raise TerminatingError("FormatException", "A line of standard input is not base64.") from None
