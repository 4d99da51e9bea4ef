"""PowerShell remoting by stock pypsrp against the Python engine."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from front_clients import StartServer, connected, each, opened_pool, run
from pypsrp.complex_objects import ObjectMeta, PSInvocationState
from pypsrp.exceptions import WSManFaultError
from pypsrp.powershell import PowerShell, RunspacePool

from hvbackup.simulator.python_engine import PlainCall
from hvbackup.simulator.server import WSManServer
from hvbackup.simulator.wsman_shell import Limits


def test_a_plain_command_is_answered(server: WSManServer) -> None:
    with opened_pool(server) as pool:
        output = run(pool, "hostname")

    assert output == ["HV01"]


def test_an_unknown_command_fails_and_says_what_this_host_knows(server: WSManServer) -> None:
    with opened_pool(server) as pool, PowerShell(pool) as powershell:
        powershell.add_script("Get-Weather -City Berlin")
        powershell.invoke()

        assert powershell.state == PSInvocationState.FAILED
        error = powershell.streams.error[0]
        assert str(error).startswith("The term 'Get-Weather -City Berlin' is not recognized.")
        assert "With the PowerShell engine it runs anything." in str(error)
        assert error.fq_error == "CommandNotFoundException"


def test_named_and_positional_parameters_arrive_with_their_types(server: WSManServer) -> None:
    with opened_pool(server) as pool, PowerShell(pool) as powershell:
        powershell.add_cmdlet("show-arguments").add_argument("positional").add_argument(b"\x00\xff")
        powershell.add_parameter("Number", 5).add_parameter("List", [1, "x", True])
        output = powershell.invoke()

    assert output == [{"arguments": ["positional", b"\x00\xff"], "parameters": {"Number": 5, "List": [1, "x", True]}}]


def test_all_six_streams_arrive(server: WSManServer) -> None:
    with opened_pool(server) as pool, PowerShell(pool) as powershell:
        powershell.add_script("write-all")
        output = powershell.invoke()
        streams = powershell.streams

        assert output == [42]
        assert not powershell.had_errors
        assert [str(record) for record in streams.verbose] == ["verbose text"]
        assert [str(record) for record in streams.warning] == ["warning text"]
        assert [str(record) for record in streams.debug] == ["debug text"]
        assert [record.message_data for record in streams.information] == ["information text"]
        assert [(str(record), record.fq_error) for record in streams.error] == [("disk is locked", "DiskLocked")]
        assert [(record.activity, record.description, record.percent_complete) for record in streams.progress] == [
            ("Export", "25% done", 25)
        ]


def test_pipeline_input_arrives_object_by_object(server: WSManServer) -> None:
    with opened_pool(server) as pool, PowerShell(pool) as powershell:
        output = powershell.add_script("copy-input").invoke(each(b"one", "two & <three>", "four\u4e2d\n"))

    assert output == [b"one", "two & <three>", "four\u4e2d\n"]


def test_an_object_of_many_fragments_arrives_whole(server: WSManServer) -> None:
    with opened_pool(server) as pool, PowerShell(pool) as powershell:
        output = powershell.add_script("count-input").invoke(each(b"z" * 3_000_000))

    assert output == ["1 3000000"]


def test_bulk_output_arrives_whole_and_several_fragments_at_a_time(server: WSManServer) -> None:
    with opened_pool(server) as pool:
        before = server.requests
        output = run(pool, "send 16 262144")

    assert [len(block) for block in output] == [262144] * 16
    assert {bytes(block) for block in output} == {b"x" * 262144}
    # One object of 256 KiB is 11 fragments of 32 KiB; command, close of the pipeline, close of the pool are 3 more.
    assert server.requests - before <= 16 + 4


def test_a_client_that_does_not_read_makes_the_script_wait(start_server: StartServer) -> None:
    server = start_server(limits=Limits(output=1 << 20))
    written = []

    @server.script("endless")
    def endless(call: PlainCall) -> None:
        while True:
            call.channel.write_bytes(b"x" * 65536)
            written.append(1)

    with opened_pool(server) as pool:
        powershell = PowerShell(pool).add_script("endless")
        powershell.begin_invoke()
        command = next(iter(server.service.shells[0].commands.values()))
        while not command.output.full:
            command.stopped.wait(0.01)
        seen = len(written)
        command.stopped.wait(0.2)

        assert len(written) - seen <= 1
        assert len(written) * 65536 * 4 / 3 < (1 << 20) + 2 * 65536 * 4 / 3
        powershell.stop()
        powershell.close()


def test_input_that_is_not_read_is_refused_after_the_operation_timeout(server: WSManServer) -> None:
    with connected(server, operation_timeout=1) as wsman, RunspacePool(wsman) as pool, PowerShell(pool) as powershell:
        powershell.add_script("wait")
        with pytest.raises(WSManFaultError) as caught:
            powershell.invoke(each(*[b"x" * 1_000_000] * 20))
        powershell.state = PSInvocationState.RUNNING
        powershell.stop()

    assert caught.value.code == 2150858793


def test_a_running_pipeline_is_stopped_at_once(server: WSManServer) -> None:
    with opened_pool(server) as pool:
        powershell = PowerShell(pool).add_script("wait")
        powershell.begin_invoke()
        began = time.monotonic()
        powershell.stop()

        assert time.monotonic() - began < 5
        assert powershell.state == PSInvocationState.STOPPED
        powershell.close()
        assert run(pool, "hostname") == ["HV01"]


def test_as_many_pipelines_run_at_once_as_the_pool_has_runspaces(server: WSManServer) -> None:
    together = threading.Barrier(4)

    @server.script("meet")
    def meet(call: PlainCall) -> None:
        together.wait(10)
        call.channel.write_output("met")

    with opened_pool(server, runspaces=4) as pool:
        pipelines = [PowerShell(pool).add_script("meet") for _ in range(4)]
        for pipeline in pipelines:
            pipeline.begin_invoke()
        outputs = [pipeline.end_invoke() for pipeline in pipelines]
        for pipeline in pipelines:
            pipeline.close()

    assert outputs == [["met"]] * 4


def test_a_pool_of_one_runspace_runs_one_pipeline_after_the_other(server: WSManServer) -> None:
    running: list[int] = []
    most: list[int] = []

    @server.script("alone")
    def alone(call: PlainCall) -> None:
        running.append(1)
        most.append(len(running))
        call.channel.stopped.wait(0.05)
        running.pop()

    with opened_pool(server) as pool:
        pipelines = [PowerShell(pool).add_script("alone") for _ in range(3)]
        for pipeline in pipelines:
            pipeline.begin_invoke()
        for pipeline in pipelines:
            pipeline.end_invoke()
            pipeline.close()

    assert most == [1, 1, 1]


def test_the_pool_answers_questions_about_itself(server: WSManServer) -> None:
    with opened_pool(server) as pool:
        pool.max_runspaces = 3

        assert pool.get_available_runspaces() == 3
        pool.reset_runspace_state()
        assert pool.is_alive(timeout=3)


def test_a_secure_string_is_decrypted_after_the_key_exchange(server: WSManServer) -> None:
    seen: list[str] = []

    @server.script("take-secret")
    def take(call: PlainCall) -> None:
        seen.append(call.arguments[0].decrypt())

    with opened_pool(server) as pool, PowerShell(pool) as powershell:
        pool.exchange_keys()
        secret = pool.serialize("h\u00fcnter2", ObjectMeta("SS"))
        powershell.add_cmdlet("take-secret").add_argument(secret)
        powershell.invoke()
        assert not powershell.had_errors

    assert seen == ["h\u00fcnter2"]


def test_the_same_client_disconnects_and_reconnects(server: WSManServer) -> None:
    go_on = threading.Event()

    @server.script("late")
    def late(call: PlainCall) -> None:
        go_on.wait(10)
        call.channel.write_output("late answer")

    with opened_pool(server) as pool:
        powershell = PowerShell(pool).add_script("late")
        powershell.begin_invoke()
        pool.disconnect()
        go_on.set()
        pool.connect()
        powershell.state = PSInvocationState.RUNNING  # pypsrp forgets to
        output = powershell.end_invoke()
        powershell.close()

    assert output == ["late answer"]


def test_another_client_takes_a_disconnected_session_over(server: WSManServer) -> None:
    go_on = threading.Event()

    @server.script("late")
    def late(call: PlainCall) -> None:
        call.channel.write_output("early answer")
        go_on.wait(10)
        call.channel.write_output("late answer")

    with connected(server) as first:
        pool = RunspacePool(first)
        pool.open()
        PowerShell(pool).add_script("late").begin_invoke()
        pool.disconnect()
    go_on.set()
    with connected(server) as second:
        taken: Any = next(other for other in RunspacePool.get_runspace_pools(second) if other.id == pool.id)
        taken.connect()
        pipelines = taken.create_disconnected_power_shells()
        output = pipelines[0].connect()
        taken.close()

    assert len(pipelines) == 1
    assert output == ["early answer", "late answer"]
    assert server.service.shells == ()


def test_a_disconnected_shell_refuses_work(server: WSManServer) -> None:
    with opened_pool(server) as pool:
        pool.disconnect()
        with pytest.raises(WSManFaultError) as caught:
            pool.shell.receive("stdout", timeout=1)
        pool.connect()

    assert caught.value.code == 2150859189


def test_a_pipeline_may_take_only_so_much_input(start_server: StartServer) -> None:
    server = start_server(limits=Limits(input_total=1 << 20))
    with opened_pool(server) as pool, PowerShell(pool) as powershell:
        powershell.add_script("count-input")
        with pytest.raises(WSManFaultError, match="more than 1048576 bytes for one command"):
            powershell.invoke(each(*[b"x" * 200_000] * 10))
        powershell.stop()


def test_the_host_tells_its_envelope_size(server: WSManServer) -> None:
    with connected(server) as wsman:
        wsman.update_max_payload_size()

        assert wsman.max_envelope_size == 512000


def test_closing_the_pool_ends_what_runs_in_it(server: WSManServer) -> None:
    ended = threading.Event()

    @server.script("long")
    def long(call: PlainCall) -> None:
        call.channel.stopped.wait(30)
        ended.set()

    with opened_pool(server) as pool:
        PowerShell(pool).add_script("long").begin_invoke()

    assert ended.is_set()
    assert server.service.shells == ()
