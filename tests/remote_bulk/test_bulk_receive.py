"""Taking bulk output of a pipeline: the same by the fast way and by pypsrp's own, and stopped when it must stop."""

from __future__ import annotations

import resource
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from bulk_host import begin, block, connect, open_pool
from pypsrp.complex_objects import PSInvocationState
from pypsrp.messages import ProgressRecord
from pypsrp.powershell import RunspacePool

from hvbackup.errors import CallTimeout, Cancelled, ConnectionLost, ContractViolated
from hvbackup.events import Cancellation
from hvbackup.remote import bulk_line
from hvbackup.remote.bulk import receive_frames
from hvbackup.remote.bulk_line import open_line
from hvbackup.remote.own_connection import OwnConnection
from hvbackup.remote.watch import Watch
from hvbackup.simulator.server import WSManServer
from hvbackup.simulator.wsman_shell import Limits


def watch(timeout: float = 60, cancel: Cancellation | None = None) -> Watch:
    return Watch(timeout=timeout, cancel=cancel, what="the script", host="127.0.0.1")


@pytest.fixture(params=["fast", "by pypsrp"])
def either_pool(request: pytest.FixtureRequest, server: WSManServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A pool whose bulk bytes travel fast, and one for which that way is closed."""
    with open_pool(connect(server)) as pool:
        if request.param != "fast":
            # What another version of pypsrp may lack.
            parse = RunspacePool._parse_responses

            def receive(self: RunspacePool, id: str | None = None, timeout: int | None = None) -> Any:
                pipeline = self.pipelines[id] if id else None
                command = pipeline._command_id if pipeline else None
                data = self.shell.receive("stdout", command_id=command, timeout=timeout)[2]["stdout"]
                return parse(self, data, pipeline)

            monkeypatch.setattr(RunspacePool, "_receive", receive)
            monkeypatch.delattr(RunspacePool, "_parse_responses")
        yield pool
        monkeypatch.undo()


@pytest.mark.parametrize(
    ("count", "size"), [(0, 0), (5, 1), (40, 13), (1, 32768), (3, 262145), (1, 4 << 20), (2, (4 << 20) + 1)]
)
def test_frames_come_whole_and_in_order(count: int, size: int, either_pool: RunspacePool) -> None:
    found: list[bytes] = []

    with begin(either_pool, f"frames {count} {size}") as powershell:
        texts = receive_frames(powershell, found.append, watch=watch())

    assert found == [block(number, size) for number in range(count)]
    assert texts == ["that is all"]
    assert powershell.state == PSInvocationState.COMPLETED


def test_empty_frames_come_too(pool: RunspacePool) -> None:
    """By the fast way only: pypsrp 0.9 fails at an empty byte[]. Frames of our scripts are never empty."""
    found: list[bytes] = []

    with begin(pool, "frames 3 0") as powershell:
        receive_frames(powershell, found.append, watch=watch())

    assert found == [b"", b"", b""]


def test_texts_progress_and_errors_between_frames_arrive_too(either_pool: RunspacePool) -> None:
    found: list[bytes] = []
    records: list[ProgressRecord] = []

    with begin(either_pool, "mixed") as powershell:
        texts = receive_frames(powershell, found.append, watch=watch(), on_progress=records.append)

    assert found == [b"first", b"second"]
    assert texts == ["between <&> äeuro😀 _x000A_".replace("euro", "€"), "end"]
    assert [(record.activity, record.percent_complete) for record in records] == [("Reading", 50)]
    assert [str(error) for error in powershell.streams.error] == ["something failed"]
    assert [str(warning.message) for warning in powershell.streams.warning] == ["careful"]
    assert powershell.streams.verbose == []


@pytest.mark.parametrize("fragment", [128, 1024, 100_000])
def test_the_host_may_cut_fragments_as_it_likes(fragment: int, new_server: Callable[..., WSManServer]) -> None:
    found: list[bytes] = []

    server = new_server(limits=Limits(fragment=fragment))
    with open_pool(connect(server)) as pool, begin(pool, "frames 3 5001") as powershell:
        receive_frames(powershell, found.append, watch=watch())

    assert found == [block(number, 5001) for number in range(3)]


def test_objects_that_no_script_of_ours_writes_violate_the_contract(either_pool: RunspacePool) -> None:
    with begin(either_pool, "objects") as powershell, pytest.raises(ContractViolated, match="an object of type int"):
        receive_frames(powershell, lambda _: None, watch=watch())


def test_an_error_of_the_sink_stops_the_pipeline_and_comes_out(either_pool: RunspacePool, server: WSManServer) -> None:
    def sink(_data: bytes) -> None:
        raise OSError("no room left")

    with begin(either_pool, "endless") as powershell, pytest.raises(OSError, match="no room left"):
        receive_frames(powershell, sink, watch=watch())

    assert powershell.state == PSInvocationState.STOPPED
    assert_nothing_runs(server)


def test_a_cancellation_stops_the_pipeline(either_pool: RunspacePool, server: WSManServer) -> None:
    cancel = Cancellation()

    with begin(either_pool, "silent") as powershell, pytest.raises(Cancelled):
        receive_frames(powershell, lambda _: cancel.set(), watch=watch(cancel=cancel))

    assert powershell.state == PSInvocationState.STOPPED
    assert_nothing_runs(server)


def test_silence_stops_the_pipeline_at_the_deadline(either_pool: RunspacePool, server: WSManServer) -> None:
    found: list[bytes] = []

    with begin(either_pool, "silent") as powershell, pytest.raises(CallTimeout, match=r"within 1\.2 s"):
        receive_frames(powershell, found.append, watch=watch(timeout=1.2))

    assert found == [b"only this"]
    assert powershell.state == PSInvocationState.STOPPED
    assert_nothing_runs(server)


def test_after_a_stop_the_same_pool_serves_the_next_pipeline(either_pool: RunspacePool) -> None:
    with begin(either_pool, "endless") as powershell, pytest.raises(ZeroDivisionError):
        receive_frames(powershell, lambda _: 1 // 0, watch=watch())  # type: ignore[arg-type]
    found: list[bytes] = []

    with begin(either_pool, "frames 2 100") as powershell:
        receive_frames(powershell, found.append, watch=watch())

    assert found == [block(0, 100), block(1, 100)]


def test_a_connection_that_breaks_is_lost(pool: RunspacePool, server: WSManServer) -> None:
    with pytest.raises(ConnectionLost, match=r"127\.0\.0\.1:\d+ broke off") as caught:
        receive_frames(begin(pool, "endless"), lambda _: server.drop_connections(), watch=watch())

    assert caught.value.port == server.port


def test_a_connection_that_was_closed_while_idle_is_opened_again(pool: RunspacePool, server: WSManServer) -> None:
    found: list[bytes] = []
    with begin(pool, "frames 1 10") as powershell:
        receive_frames(powershell, found.append, watch=watch())
    server.drop_connections()

    with begin(pool, "frames 1 10") as powershell:
        receive_frames(powershell, found.append, watch=watch())

    assert found == [block(0, 10)] * 2


def test_one_connection_serves_many_pipelines(pool: RunspacePool, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[OwnConnection] = []

    def open_another(transport: object) -> OwnConnection:
        opened.append(OwnConnection(transport))
        return opened[-1]

    monkeypatch.setattr(bulk_line, "OwnConnection", open_another)

    for _ in range(3):
        with begin(pool, "frames 2 10") as powershell:
            receive_frames(powershell, lambda _: None, watch=watch())

    assert len(opened) == 1


def test_the_next_request_is_under_way_while_the_sink_works(pool: RunspacePool, server: WSManServer) -> None:
    limits_of_one_answer = 380_000
    while_sinking: list[int] = []

    def sink(_data: bytes) -> None:
        if not while_sinking:
            before = server.requests
            # The request that is under way reaches the host now, if it is.
            for _ in range(100):
                if server.requests > before or requests_at_begin + 1 < server.requests:
                    break
                threading.Event().wait(0.02)
            while_sinking.append(server.requests - requests_at_begin)

    with begin(pool, f"frames 6 {limits_of_one_answer}") as powershell:
        requests_at_begin = server.requests
        receive_frames(powershell, sink, watch=watch())

    assert while_sinking[0] >= 2


def test_what_the_sink_does_not_take_stays_on_the_host(pool: RunspacePool) -> None:
    """Not more than two answers are held here while the sink works on one frame."""
    held: list[int] = []
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def sink(_data: bytes) -> None:
        held.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base)

    with begin(pool, f"frames 512 {256 << 10}") as powershell:
        receive_frames(powershell, sink, watch=watch())

    assert len(held) == 512
    # 128 MiB passed through client and host, both in this process.
    assert held[-1] < 48 << 10


def test_a_pool_without_the_private_name_says_so_once_and_works(
    pool: RunspacePool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with begin(pool, "sleep until stopped") as powershell:
        monkeypatch.delattr(RunspacePool, "_parse_responses")
        assert open_line(powershell, "receive") is None
        monkeypatch.undo()
        assert open_line(powershell, "receive") is not None
        powershell.stop()

    assert caplog.messages == ["this pypsrp has no _parse_responses; block bytes travel slowly"]


def assert_nothing_runs(server: WSManServer) -> None:
    """Every pipeline of the host has been told to stop."""
    for shell in server.service.shells:
        for command in shell.commands.values():
            assert command.stopped.is_set()
