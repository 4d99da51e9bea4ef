"""The bridge to PowerShell's out-of-process remoting, against a stand-in that is as strict as PowerShell."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from front_clients import StartServer, connected, each, opened_pool, run
from pypsrp.complex_objects import PSInvocationState
from pypsrp.exceptions import WSManFaultError
from pypsrp.powershell import PowerShell, RunspacePool

from hvbackup.simulator.bridge import PowerShellProgram
from hvbackup.simulator.server import WSManServer
from hvbackup.simulator.wsman_shell import Limits

HERE = Path(__file__).resolve().parent


@pytest.fixture
def program(tmp_path: Path) -> PowerShellProgram:
    path = tmp_path / "pwsh"
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{HERE / "out_of_process_stand_in.py"}" "$@"\n')
    path.chmod(0o755)
    return PowerShellProgram(path, {"PYTHONPATH": f"{HERE}:{HERE.parents[1]}"})


@pytest.fixture
def bridged(start_server: StartServer, program: PowerShellProgram) -> WSManServer:
    return start_server(engine="pwsh", powershell=program, limits=Limits(output=1 << 20))


def test_pipelines_their_streams_and_their_errors_pass_through(bridged: WSManServer) -> None:
    with opened_pool(bridged) as pool:
        with PowerShell(pool) as powershell:
            assert powershell.add_script("write-all").invoke() == [42]
            assert [str(record) for record in powershell.streams.warning] == ["warning text"]
        with PowerShell(pool) as powershell:
            powershell.add_script("Get-Weather").invoke()
            assert powershell.state == PSInvocationState.FAILED
            assert powershell.streams.error[0].fq_error == "CommandNotFoundException"

    assert bridged.service.shells == ()


def test_input_in_many_packets_keeps_its_order(bridged: WSManServer) -> None:
    with opened_pool(bridged) as pool, PowerShell(pool) as powershell:
        output = powershell.add_script("count-input").invoke(each(b"x" * 2_000_000, b"y", b"z" * 300_000))

    assert output == ["3 2300001"]


def test_several_pipelines_share_one_process_though_none_is_read_at_first(bridged: WSManServer) -> None:
    with opened_pool(bridged, runspaces=3) as pool:
        pipelines = [PowerShell(pool).add_script("send 12 262144") for _ in range(3)]
        for pipeline in pipelines:
            pipeline.begin_invoke()
        sizes = [sum(map(len, pipeline.end_invoke())) for pipeline in pipelines]
        for pipeline in pipelines:
            pipeline.close()

    assert sizes == [12 * 262144] * 3


def test_a_pipeline_that_nobody_reads_is_stopped_all_the_same(bridged: WSManServer) -> None:
    with opened_pool(bridged) as pool:
        powershell = PowerShell(pool).add_script("send 100000 262144")
        powershell.begin_invoke()
        powershell.poll_invoke()
        powershell.stop()
        powershell.close()

        assert run(pool, "send 1 3") == [b"xxx"]


def test_one_command_too_many_is_refused(bridged: WSManServer) -> None:
    bridged.faults.max_commands = 1
    with opened_pool(bridged) as pool, PowerShell(pool) as powershell:
        powershell.add_script("send 1 3").invoke()
        with pytest.raises(WSManFaultError) as caught:
            PowerShell(pool).add_script("send 1 3").invoke()

    assert caught.value.code == 2150859174


def test_a_new_client_takes_a_session_over(bridged: WSManServer) -> None:
    with connected(bridged) as first:
        pool = RunspacePool(first)
        pool.open()
        PowerShell(pool).add_script("send 1 3").begin_invoke()
        pool.disconnect()
    with connected(bridged) as second:
        taken: Any = next(other for other in RunspacePool.get_runspace_pools(second) if other.id == pool.id)
        taken.connect()
        output = taken.create_disconnected_power_shells()[0].connect()
        taken.close()

    assert output == [b"xxx"]


def test_a_process_that_ends_by_itself_ends_its_pipelines(
    start_server: StartServer, program: PowerShellProgram, tmp_path: Path
) -> None:
    program.path.write_text("#!/bin/sh\necho out of memory >&2\nexit 3\n")
    server = start_server(engine="pwsh", powershell=program)
    with connected(server) as wsman, pytest.raises(WSManFaultError, match="The PowerShell process has ended"):
        RunspacePool(wsman).open()

    assert server.service.shells == ()


def test_a_program_that_is_not_there_is_a_fault(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(engine="pwsh", powershell=PowerShellProgram(tmp_path / "nothing"))
    with connected(server) as wsman, pytest.raises(WSManFaultError, match="PowerShell cannot be started"):
        RunspacePool(wsman).open()


def test_the_engine_needs_a_program() -> None:
    with pytest.raises(ValueError, match="needs to know where PowerShell is"):
        WSManServer(engine="pwsh")
