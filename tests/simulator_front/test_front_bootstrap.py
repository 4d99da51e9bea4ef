"""hvbackup's own way over WinRS: the constant bootstrap, and lines on the standard streams."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from front_clients import PROJECT, SCRIPTS, connected
from pypsrp.shell import Process, SignalCode, WinRS

from hvbackup.simulator.server import WSManServer

BOOTSTRAP = PROJECT / "ps_scripts" / "_Bootstrap.ps1"


@pytest.fixture
def scripts_folder(scripts_folder: Path) -> Path:
    (scripts_folder / "_Bootstrap.ps1").write_text(BOOTSTRAP.read_text(encoding="utf-8"), encoding="utf-8")
    return scripts_folder


def ask(server: WSManServer, first_line: bytes, frames: list[bytes] | None = None) -> tuple[list[str], int]:
    """Run the bootstrap with a first line and frames; return the lines of output, decoded, and the exit code."""
    encoded = base64.b64encode(BOOTSTRAP.read_text(encoding="utf-8").encode("utf-16-le")).decode()
    options = ["-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass", "-EncodedCommand", encoded]
    with connected(server) as wsman, WinRS(wsman) as shell:
        process = Process(shell, "powershell.exe", options)
        process.begin_invoke()
        process.send(first_line + b"\n", end=False)
        lines = b"".join(base64.b64encode(frame) + b"\n" for frame in frames or [])
        process.send(lines, end=True)
        process.end_invoke()
        process.signal(SignalCode.TERMINATE)
        assert process.stderr == b""
        assert process.rc is not None
        return process.stdout.decode("ascii").splitlines(), process.rc


def call_line(name: str, request: str) -> bytes:
    return json.dumps({"prelude": SCRIPTS["_Prelude"], "script": SCRIPTS[name], "request": request}).encode()


def decoded(line: str) -> bytes:
    return base64.b64decode(line[2:], validate=True)


def test_a_call_is_answered_by_its_handler(server: WSManServer) -> None:
    lines, exit_code = ask(server, call_line("Get-HvbEcho", '{"vm":"\u00e9"}'))

    assert exit_code == 0
    assert [line[:2] for line in lines] == ["P:", "S:"]
    assert json.loads(decoded(lines[0])) == {"activity": "Echoing", "status": "half", "percent": 50}
    answer = json.loads(decoded(lines[1]))
    assert answer["data"] == {"name": "Get-HvbEcho", "request": {"vm": "\u00e9"}}
    assert answer["warnings"] == ["a warning"]


def test_frames_go_in_and_out_as_lines(server: WSManServer) -> None:
    lines, _ = ask(server, call_line("Write-HvbBytes", "{}"), [b"x" * 300_000, b"\n\r\x00"])
    assert json.loads(decoded(lines[-1]))["data"] == {"frames": 2, "bytes": 300_003}

    lines, _ = ask(server, call_line("Read-HvbBytes", '{"size":50000,"count":3}'))
    assert [line[:2] for line in lines] == ["B:", "B:", "B:", "S:"]
    assert [decoded(line) for line in lines[:3]] == [bytes([number]) * 50000 for number in range(3)]


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b'{"script": "x"}'])
def test_a_first_line_that_is_no_call_ends_it(server: WSManServer, line: bytes) -> None:
    lines, exit_code = ask(server, line)

    assert exit_code == 1
    assert [line[:2] for line in lines] == ["E:"]


def test_a_script_that_is_not_known_ends_it(server: WSManServer) -> None:
    lines, exit_code = ask(server, json.dumps({"prelude": "", "script": "Get-Weather", "request": "{}"}).encode())

    assert exit_code == 1
    assert decoded(lines[0]).startswith(b"CommandNotFoundException\nThe term 'Get-Weather' is not recognized.")


def test_a_frame_that_is_not_base64_ends_it(server: WSManServer) -> None:
    lines, exit_code = ask(server, call_line("Write-HvbBytes", "{}") + b"\n####")

    assert exit_code == 1
    assert decoded(lines[0]) == b"FormatException\nA line of standard input is not base64."
