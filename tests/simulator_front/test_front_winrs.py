"""WinRS shells by stock pywinrm and pypsrp against the Python engine."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest
import winrm
from front_clients import PASSWORD, connected
from pypsrp.shell import Process, SignalCode, WinRS
from winrm.exceptions import WinRMOperationTimeoutError
from winrm.protocol import Protocol

from hvbackup.simulator.python_engine import PlainCall
from hvbackup.simulator.server import WSManServer
from hvbackup.simulator.winrs_shell import decode_command


@pytest.fixture
def session(server: WSManServer) -> Iterator[winrm.Session]:
    session = winrm.Session(server.endpoint, auth=("Administrator", PASSWORD), transport="basic")
    yield session
    session.protocol.transport.close_session()


def test_a_command_has_output_and_exit_code(session: winrm.Session) -> None:
    answer = session.run_cmd("hostname")

    assert (answer.std_out, answer.std_err, answer.status_code) == (b"HV01\r\n", b"", 0)


def test_run_ps_reaches_the_same_functions(session: winrm.Session) -> None:
    answer = session.run_ps("$PSVersionTable.PSVersion.ToString()")

    assert (answer.std_out, answer.status_code) == (b"5.1.20348.2849\r\n", 0)


def test_an_unknown_command_ends_with_an_error(session: winrm.Session) -> None:
    answer = session.run_cmd("format", ["c:"])

    assert answer.status_code == 1
    assert answer.std_out == b""
    assert answer.std_err.startswith(b"The term 'format c:' is not recognized.")


def test_errors_of_a_command_go_to_standard_error(session: winrm.Session) -> None:
    answer = session.run_cmd("write-all")

    assert (answer.std_out, answer.std_err, answer.status_code) == (b"42\r\n", b"disk is locked\r\n", 1)


def test_ntlm_with_sealed_messages_works_by_pywinrm(server: WSManServer) -> None:
    session = winrm.Session(server.endpoint, auth=("Administrator", PASSWORD), transport="ntlm")
    answer = session.run_cmd("whoami")
    session.protocol.transport.close_session()

    assert answer.std_out == b"hv01\\administrator\r\n"


def test_standard_input_arrives_to_its_end(session: winrm.Session) -> None:
    protocol = session.protocol
    shell = protocol.open_shell(codepage=65001, env_vars={"A": "b"}, working_directory="C:\\")
    command = protocol.run_command(shell, "copy-input")
    protocol.send_command_input(shell, command, b"abc")
    protocol.send_command_input(shell, command, b"def", end=True)
    output = protocol.get_command_output(shell, command)
    protocol.cleanup_command(shell, command)
    protocol.close_shell(shell)

    assert output == (b"abcdef", b"", 0)


def test_a_silent_command_lets_a_receive_time_out(server: WSManServer) -> None:
    protocol = Protocol(
        server.endpoint,
        transport="basic",
        username="Administrator",
        password=PASSWORD,
        operation_timeout_sec=1,
        read_timeout_sec=10,
    )
    shell = protocol.open_shell()
    command = protocol.run_command(shell, "wait")
    with pytest.raises(WinRMOperationTimeoutError):
        protocol.get_command_output_raw(shell, command)
    protocol.cleanup_command(shell, command)
    protocol.close_shell(shell)
    protocol.transport.close_session()

    assert server.service.shells == ()


def test_control_c_ends_a_command_with_its_exit_code(server: WSManServer) -> None:
    with connected(server) as wsman, WinRS(wsman) as shell:
        process = Process(shell, "wait")
        process.begin_invoke()
        process.signal(SignalCode.CTRL_C)
        process.end_invoke()

        assert process.rc == -1073741510
        process.signal(SignalCode.TERMINATE)


def test_large_output_arrives_whole(server: WSManServer) -> None:
    with connected(server) as wsman, WinRS(wsman) as shell:
        process = Process(shell, "send 8 262144")
        process.invoke()
        process.signal(SignalCode.TERMINATE)

    assert process.stdout == b"x" * (8 * 262144)


def test_what_a_function_raises_becomes_standard_error(session: winrm.Session, server: WSManServer) -> None:
    @server.script("broken")
    def broken(call: PlainCall) -> None:
        raise RuntimeError("out of order")

    answer = session.run_cmd("broken")

    assert (answer.std_err, answer.status_code) == (b"RuntimeError: out of order\r\n", 1)


@pytest.mark.parametrize(
    "line",
    [
        "powershell -encodedcommand {}",
        "powershell.exe -NoProfile -NonInteractive -ExecutionPolicy Bypass -EncodedCommand {}",
        '"C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe" -ec {}',
        "pwsh -e {}",
    ],
)
def test_encoded_commands_are_decoded(line: str) -> None:
    encoded = base64.b64encode("Get-Date # \u00e9".encode("utf-16-le")).decode()

    assert decode_command(line.format(encoded)) == "Get-Date # \u00e9"


@pytest.mark.parametrize(
    "line", ["hostname", "powershell -Command 1", "powershell -EncodedCommand A", "cmd /c x -e AAAA"]
)
def test_other_command_lines_are_not_decoded(line: str) -> None:
    assert decode_command(line) is None
