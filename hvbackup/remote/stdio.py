"""Calls over the standard streams of a PowerShell process: what `ps_scripts/_Bootstrap.ps1` reads and writes.

The command line is a constant; script, request and frames travel on standard input, so that nothing of them is ever
seen in a list of processes or an event log of command lines.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from html import unescape

from hvbackup.remote.lane_transport import Exchange, ScriptSource
from hvbackup.remote.reception import Reception, frames_of_caller

#: cmd.exe takes no longer command line, and WinRS starts commands by cmd.exe.
COMMAND_LINE_LIMIT = 8191
#: Of standard error so many bytes are kept.
_ERROR_LIMIT = 64 * 1024
#: A line is a frame in base64; what is much longer than any frame is not from our bootstrap.
_LINE_LIMIT = 256 * 1024 * 1024

_ERROR_TEXT = re.compile(r'<S S="Error">(.*?)</S>', re.S)
_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")


def arguments(scripts: ScriptSource) -> list[str]:
    """Return the arguments of `powershell.exe` that make it run what comes on standard input."""
    encoded = base64.b64encode(scripts("_Bootstrap").encode("utf-16-le")).decode()
    return ["-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass", "-EncodedCommand", encoded]


def input_lines(exchange: Exchange, scripts: ScriptSource) -> Iterator[bytes]:
    """Yield what standard input gets, line by line: the call, then the caller's frames."""
    call = {
        "prelude": scripts("_Prelude"),
        "script": scripts(exchange.call.script),
        "request": exchange.call.encode(),
    }
    yield json.dumps(call, ensure_ascii=True).encode("ascii") + b"\n"
    for frame in frames_of_caller(exchange.frames or (), exchange.watch):
        yield base64.b64encode(frame) + b"\n"


class OutputReader:
    """Takes standard output in pieces and hands its lines to a `Reception`."""

    def __init__(self, reception: Reception) -> None:
        self._reception = reception
        self._pending: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> None:
        """Take a piece."""
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._line(b"".join([*self._pending, line]))
            self._pending, self._size = [], 0
        if rest:
            self._pending.append(rest)
            self._size += len(rest)
        if self._size > _LINE_LIMIT:
            raise self._reception.violated("it wrote a line without end")

    def end(self) -> None:
        """Take the end of the stream."""
        if self._pending:
            self._line(b"".join(self._pending))
            self._pending = []

    def _line(self, line: bytes) -> None:
        line = line.strip()
        if not line:
            return
        kind, data = line[:2], line[2:]
        try:
            content = base64.b64decode(data, validate=True)
        except binascii.Error:
            kind, content = b"", b""
        if kind == b"B:":
            self._reception.frame(content)
        elif kind == b"S:":
            self._reception.text(content.decode("utf-8", "replace"))
        elif kind == b"P:":
            self._progress(content)
        elif kind == b"E:":
            error_id, _, text = content.decode("utf-8", "replace").partition("\n")
            self._reception.failed(error_id, text)
        else:
            raise self._reception.violated(f"a line of its output is none of ours: {line[:200]!r}")

    def _progress(self, content: bytes) -> None:
        try:
            record = json.loads(content)
            activity, status, percent = str(record["activity"]), str(record["status"]), int(record["percent"])
        except (ValueError, KeyError, TypeError):
            raise self._reception.violated("a progress record is malformed") from None
        self._reception.progress(activity, status, percent)


class ErrorReader:
    """Takes standard error: plain text, or the CLIXML that PowerShell writes when it was started with a command."""

    def __init__(self) -> None:
        self._content = bytearray()

    def feed(self, data: bytes) -> None:
        """Take a piece; what is beyond the first 64 KiB is dropped."""
        self._content += data[: _ERROR_LIMIT - len(self._content)]

    def text(self) -> str:
        """Return what was said, for people."""
        text = self._content.decode("utf-8", "replace").strip()
        if not text.startswith("#< CLIXML"):
            return text
        parts = "".join(unescape(part) for part in _ERROR_TEXT.findall(text))
        return _ESCAPE.sub(lambda match: chr(int(match.group(1), 16)), parts).strip()
