"""The scripts of hvbackup, known by their text, and the answers of their handlers."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from front_clients import SCRIPTS, StartServer, call_script, opened_pool
from pypsrp.powershell import PowerShell

from hvbackup.simulator.engine import ScriptContext, Stopped
from hvbackup.simulator.python_engine import PythonEngine, normalise
from hvbackup.simulator.server import WSManServer


def answer_of(output: list[Any]) -> Any:
    assert len(output) == 1
    return json.loads(output[0])


def test_a_script_is_answered_by_its_handler_with_warnings_and_progress(server: WSManServer) -> None:
    with opened_pool(server) as pool, PowerShell(pool) as powershell:
        powershell.add_script(SCRIPTS["Get-HvbEcho"]).add_parameter("Request", '{"vm":"\\u00e9"}')
        output = powershell.invoke()

        assert answer_of(output) == {
            "contract": 1,
            "ok": True,
            "data": {"name": "Get-HvbEcho", "request": {"vm": "\u00e9"}},
            "warnings": ["a warning"],
        }
        progress = powershell.streams.progress
        assert [(record.activity, record.description, record.percent_complete) for record in progress] == [
            ("Echoing", "half", 50)
        ]


def test_the_prelude_runs_before_it_in_a_statement_or_a_pipeline_of_its_own(server: WSManServer) -> None:
    with opened_pool(server) as pool:
        with PowerShell(pool) as powershell:
            assert powershell.add_script(SCRIPTS["_Prelude"]).invoke() == []
            assert not powershell.had_errors
        with PowerShell(pool) as powershell:
            powershell.add_script(SCRIPTS["_Prelude"]).add_statement()
            powershell.add_script(SCRIPTS["Get-HvbEcho"]).add_parameter("Request", "{}")
            assert answer_of(powershell.invoke())["ok"] is True


@pytest.mark.parametrize("change", [lambda text: text.replace("\n", "\r\n"), lambda text: "\ufeff\n" + text + "\n\n"])
def test_a_script_is_known_whatever_its_line_ends(change: Any) -> None:
    engine = PythonEngine({}, {name: normalise(text) for name, text in SCRIPTS.items()})

    assert engine.recognise(change(SCRIPTS["Get-HvbEcho"])) == "Get-HvbEcho"
    assert engine.recognise(change(SCRIPTS["_Prelude"] + SCRIPTS["Get-HvbEcho"])) == "Get-HvbEcho"


def test_a_changed_script_is_not_known() -> None:
    engine = PythonEngine({}, {name: normalise(text) for name, text in SCRIPTS.items()})

    assert engine.recognise(SCRIPTS["Get-HvbEcho"].replace("'echo'", "'Echo'")) is None
    assert engine.recognise(SCRIPTS["_Prelude"]) is None


def test_an_error_of_the_host_becomes_a_refusing_answer(server: WSManServer) -> None:
    with opened_pool(server) as pool:
        answer = answer_of(call_script(pool, "Get-HvbFailure", "{}"))

    assert answer["ok"] is False
    assert answer["error"]["id"] == "VmNotFound"
    assert answer["error"]["message"] == "no such VM"
    assert answer["error"]["details"] == {"id": "x"}
    assert answer["error"]["category"] == "InvalidOperation"
    assert isinstance(answer["error"]["stack"], str)
    assert sorted(answer) == ["contract", "error", "ok"]


def test_a_mistake_in_a_handler_becomes_an_answer_too(server: WSManServer) -> None:
    with opened_pool(server) as pool:
        answer = answer_of(call_script(pool, "Get-HvbMistake", "{}"))

    assert (answer["ok"], answer["error"]["id"]) == (False, "Unexpected")
    assert answer["error"]["message"] == "KeyError: 'oops'"


def test_a_script_without_handler_says_so(start_server: StartServer) -> None:
    with opened_pool(start_server(handlers={})) as pool:
        answer = answer_of(call_script(pool, "Get-HvbEcho", "{}"))

    assert answer["error"]["message"] == "the simulated host has no handler for Get-HvbEcho"


@pytest.mark.parametrize("request_text", ["", "{", "[]", '"x"', "{]"])
def test_a_malformed_request_is_refused(server: WSManServer, request_text: str) -> None:
    with opened_pool(server) as pool:
        answer = answer_of(call_script(pool, "Get-HvbEcho", request_text))

    assert (answer["ok"], answer["error"]["id"]) == (False, "RequestRefused")


def test_a_call_without_request_is_refused(server: WSManServer) -> None:
    with opened_pool(server) as pool, PowerShell(pool) as powershell:
        answer = answer_of(powershell.add_script(SCRIPTS["Get-HvbEcho"]).invoke())

    assert answer["error"]["id"] == "RequestRefused"


def test_frames_come_out_as_byte_arrays_before_the_answer(server: WSManServer) -> None:
    with opened_pool(server) as pool:
        *frames, answer = call_script(pool, "Read-HvbBytes", '{"size":100000,"count":5}')

    assert frames == [bytes([number]) * 100000 for number in range(5)]
    assert json.loads(answer)["data"] == {"frames": 5}


def test_frames_go_in_as_pipeline_input(server: WSManServer) -> None:
    with opened_pool(server) as pool:
        answer = answer_of(call_script(pool, "Write-HvbBytes", "{}", [b"x" * 300000, b"y", b"z" * 1000]))

    assert answer["data"] == {"frames": 3, "bytes": 301001}


def test_input_that_is_no_byte_array_is_refused(server: WSManServer) -> None:
    with opened_pool(server) as pool, PowerShell(pool) as powershell:
        powershell.add_script(SCRIPTS["Write-HvbBytes"]).add_parameter("Request", "{}")
        answer = answer_of(powershell.invoke(item for item in ["text"]))

    assert answer["error"]["id"] == "RequestRefused"


def test_a_stopped_call_tells_its_handler(start_server: StartServer) -> None:
    outcome: list[str] = []
    ended = threading.Event()

    def endless(context: ScriptContext) -> dict[str, Any]:
        try:
            while True:
                context.write_frame(b"x" * 65536)
        except Stopped:
            outcome.append("stopped")
            ended.set()
            raise

    server = start_server(handlers={"Read-HvbBytes": endless})
    with opened_pool(server) as pool:
        powershell = PowerShell(pool)
        powershell.add_script(SCRIPTS["Read-HvbBytes"]).add_parameter("Request", "{}")
        powershell.begin_invoke()
        powershell.poll_invoke(timeout=5)
        powershell.stop()
        assert ended.wait(5)
        powershell.close()

    assert outcome == ["stopped"]
