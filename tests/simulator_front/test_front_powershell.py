"""PowerShell itself behind the front, with stock clients; skipped where there is no PowerShell for tests."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import winrm
from front_clients import PASSWORD, PROJECT, client_options, each, find_powershell, run
from pypsrp.complex_objects import ObjectMeta, PSInvocationState
from pypsrp.powershell import PowerShell, RunspacePool
from pypsrp.shell import Process, SignalCode, WinRS
from pypsrp.wsman import WSMan

from hvbackup.simulator.bridge import PowerShellProgram
from hvbackup.simulator.server import WSManServer

PROGRAM = find_powershell()
pytestmark = pytest.mark.skipif(
    PROGRAM is None, reason="no PowerShell for tests: set HVBACKUP_PWSH, or have ../shared/tools/pwsh"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WSManServer]:
    assert PROGRAM is not None
    before = set(threading.enumerate())
    root = tmp_path_factory.mktemp("host")
    (root / "C" / "Windows").mkdir(parents=True)
    (root / "C" / "note.txt").write_text("note\n")
    program = PowerShellProgram(PROGRAM.path, {"HVPWSH_ROOT": str(root)})
    with WSManServer(accounts={"Administrator": PASSWORD}, engine="pwsh", powershell=program) as server:
        yield server
    assert [thread.name for thread in threading.enumerate() if thread not in before] == []


@pytest.fixture(scope="module")
def pool(server: WSManServer) -> Iterator[RunspacePool]:
    with WSMan("127.0.0.1", **client_options(server)) as wsman, RunspacePool(wsman, max_runspaces=4) as pool:
        yield pool


def test_a_script_with_a_json_request_is_run(pool: RunspacePool) -> None:
    request = json.dumps({"name": "VM {0} `$(x) \u00e9 \u4e2d"})

    assert run(pool, "param($Request) ($Request | ConvertFrom-Json).name", Request=request) == [
        "VM {0} `$(x) \u00e9 \u4e2d"
    ]


def test_the_host_is_a_folder(pool: RunspacePool) -> None:
    if not run(pool, r"Test-Path C:\Windows")[0]:
        pytest.skip("this PowerShell has no Windows paths")
    assert run(pool, r"[IO.File]::ReadAllText('C:\note.txt')") == ["note\n"]


def test_streams_and_terminating_errors_arrive(pool: RunspacePool) -> None:
    with PowerShell(pool) as powershell:
        powershell.add_script("Write-Warning w; Write-Verbose v -Verbose; Write-Progress -Activity a; Write-Error e; 1")
        assert powershell.invoke() == [1]
        assert [str(record) for record in powershell.streams.warning] == ["w"]
        assert [str(record) for record in powershell.streams.error] == ["e"]
        assert [record.activity for record in powershell.streams.progress] == ["a"]
    with PowerShell(pool) as powershell:
        powershell.add_script("throw 'x'").invoke()
        assert powershell.state == PSInvocationState.FAILED


def test_bulk_bytes_go_out_and_in(pool: RunspacePool) -> None:
    output = run(pool, "$b = [byte[]]::new(262144); 1..16 | ForEach-Object { ,$b }")
    with PowerShell(pool) as powershell:
        powershell.add_script("$n = 0; foreach ($i in $input) { $n += $i.Length }; $n")
        counted = powershell.invoke(each(*[b"x" * 300_000] * 5))

    assert [len(block) for block in output] == [262144] * 16
    assert counted == [1_500_000]


@pytest.mark.parametrize(
    "script", ["Start-Sleep 60", "while ($true) {}", "$b = [byte[]]::new(99999); while ($true) { ,$b }"]
)
def test_whatever_runs_is_stopped(pool: RunspacePool, script: str) -> None:
    powershell = PowerShell(pool).add_script(script)
    powershell.begin_invoke()
    powershell.stop()
    powershell.close()

    assert run(pool, "1") == [1]


def test_a_secure_string_arrives(pool: RunspacePool) -> None:
    pool.exchange_keys()
    secret = pool.serialize("s3cr\u00e9t", ObjectMeta("SS"))

    assert run(pool, "param($s) [Net.NetworkCredential]::new('', $s).Password", s=secret) == ["s3cr\u00e9t"]


def test_pywinrm_runs_powershell_and_sees_its_exit_code(server: WSManServer) -> None:
    session = winrm.Session(server.endpoint, auth=("Administrator", PASSWORD), transport="basic")
    answer = session.run_ps("'hi'; exit 4")
    session.protocol.transport.close_session()

    assert (answer.std_out.strip(), answer.status_code) == (b"hi", 4)


def test_a_process_reads_standard_input_and_is_ended_by_a_signal(server: WSManServer) -> None:
    with WSMan("127.0.0.1", **client_options(server)) as wsman, WinRS(wsman) as shell:
        process = Process(shell, "powershell.exe", ["-NoProfile", "-Command", "-"])
        process.begin_invoke()
        process.send(b"'got ' + 5\nexit 3\n", end=True)
        process.end_invoke()
        process.signal(SignalCode.TERMINATE)
        endless = Process(shell, "powershell.exe", ["-NoProfile", "-Command", '"Start-Sleep 60"'])
        endless.begin_invoke()
        endless.signal(SignalCode.TERMINATE)

    assert (process.stdout.strip(), process.rc) == (b"got 5", 3)


def test_the_bootstrap_runs_a_script_over_winrs(server: WSManServer) -> None:
    bootstrap = (PROJECT / "ps_scripts" / "_Bootstrap.ps1").read_text(encoding="utf-8")
    encoded = base64.b64encode(bootstrap.encode("utf-16-le")).decode()
    script = "param($Request) foreach ($frame in $input) { , $frame }; $Request"
    call = json.dumps({"prelude": "", "script": script, "request": '{"a":1}'}).encode()
    frame = base64.b64encode(b"\x00\x01\xff" * 1000)
    with WSMan("127.0.0.1", **client_options(server)) as wsman, WinRS(wsman) as shell:
        options = ["-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass", "-EncodedCommand", encoded]
        process = Process(shell, "powershell.exe", options)
        process.begin_invoke()
        process.send(call + b"\n" + frame + b"\n", end=True)
        process.end_invoke()
        process.signal(SignalCode.TERMINATE)
    lines = process.stdout.decode("ascii").splitlines()

    assert lines == [f"B:{frame.decode()}", "S:" + base64.b64encode(b'{"a":1}').decode()]


def test_closing_a_shell_leaves_no_process(server: WSManServer, tmp_path: Path) -> None:
    with WSMan("127.0.0.1", **client_options(server)) as wsman, RunspacePool(wsman) as pool:
        process_id = int(run(pool, "$PID")[0])
        assert Path(f"/proc/{process_id}").exists()

    assert not Path(f"/proc/{process_id}").exists()
