"""Giving bulk input to a pipeline: the same by the fast way and by pypsrp's own; neither side waits for ever."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest
from bulk_host import block, connect, open_pool
from pypsrp.complex_objects import PSInvocationState
from pypsrp.powershell import PowerShell, RunspacePool

from hvbackup.errors import CallTimeout, Cancelled, ContractViolated
from hvbackup.events import Cancellation
from hvbackup.remote import bulk, bulk_line
from hvbackup.remote.bulk import begin_with_input, send_frames
from hvbackup.remote.watch import Watch
from hvbackup.simulator.server import WSManServer


@pytest.fixture(params=["fast", "by pypsrp"])
def either_pool(
    request: pytest.FixtureRequest, server: WSManServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RunspacePool]:
    """A pool whose bulk bytes travel fast, and one for which that way is closed."""
    if request.param != "fast":
        monkeypatch.setattr(bulk, "open_line", lambda _powershell, _kind: None)
    with open_pool(connect(server)) as pool:
        yield pool


def watch(timeout: float = 60, cancel: Cancellation | None = None) -> Watch:
    return Watch(timeout=timeout, cancel=cancel, what="the script", host="127.0.0.1")


def begin(pool: RunspacePool, script: str) -> PowerShell:
    powershell = PowerShell(pool)
    powershell.add_script(script)
    begin_with_input(powershell)
    return powershell


@pytest.mark.parametrize(
    ("count", "size"), [(0, 0), (1, 0), (5, 1), (100, 13), (1, 287_000), (3, 262_144 + 45), (1, 4 << 20), (30, 99_999)]
)
def test_frames_arrive_whole_and_in_order(count: int, size: int, either_pool: RunspacePool) -> None:
    frames = [block(number, size) for number in range(count)]

    with begin(either_pool, "eat") as powershell:
        texts = send_frames(powershell, iter(frames), watch=watch())

    assert texts == [f"{count} {hashlib.sha256(b''.join(frames)).hexdigest()}"]
    assert powershell.state == PSInvocationState.COMPLETED


def test_small_frames_share_envelopes(pool: RunspacePool, server: WSManServer) -> None:
    with begin(pool, "eat") as powershell:
        before = server.requests
        send_frames(powershell, (block(number, 100) for number in range(500)), watch=watch())
        used = server.requests - before

    assert used <= 4


def test_a_script_that_writes_as_much_as_it_reads_does_not_stall(pool: RunspacePool) -> None:
    frames = [block(number, 64 << 10) for number in range(200)]

    with begin(pool, "echo") as powershell:
        texts = send_frames(powershell, iter(frames), watch=watch())

    assert texts == [frame.hex() for frame in frames]


def test_a_pipeline_that_ends_before_its_input_says_why(pool: RunspacePool) -> None:
    with begin(pool, "refuse input") as powershell:
        texts = send_frames(powershell, (block(number, 1 << 20) for number in range(1000)), watch=watch())

    assert texts == ["no more of that"]


def test_bytes_as_answer_violate_the_contract(either_pool: RunspacePool) -> None:
    with (
        begin(either_pool, "mixed") as powershell,
        pytest.raises(ContractViolated, match="where only an answer is due"),
    ):
        send_frames(powershell, [b"x"], watch=watch())


def test_an_error_of_the_frames_stops_the_pipeline_and_comes_out(either_pool: RunspacePool) -> None:
    def frames() -> Iterator[bytes]:
        yield bytes(1 << 20)
        raise RuntimeError("the repository is gone")

    with begin(either_pool, "eat") as powershell, pytest.raises(RuntimeError, match="the repository is gone"):
        send_frames(powershell, frames(), watch=watch())

    assert powershell.state == PSInvocationState.STOPPED


def test_a_cancellation_stops_the_pipeline(either_pool: RunspacePool) -> None:
    cancel = Cancellation()

    def frames() -> Iterator[bytes]:
        while True:
            yield bytes(1 << 20)
            cancel.set()

    with begin(either_pool, "eat") as powershell, pytest.raises(Cancelled):
        send_frames(powershell, frames(), watch=watch(cancel=cancel))

    assert powershell.state == PSInvocationState.STOPPED


def test_a_script_that_reads_nothing_is_stopped_at_the_deadline(either_pool: RunspacePool) -> None:
    with begin(either_pool, "sleep until stopped") as powershell, pytest.raises(CallTimeout):
        send_frames(powershell, [b"x"], watch=watch(timeout=1.2))

    assert powershell.state == PSInvocationState.STOPPED


def test_connections_are_closed_when_they_are_released(pool: RunspacePool) -> None:
    with begin(pool, "eat") as powershell:
        send_frames(powershell, [b"x"], watch=watch())
    kept = bulk_line._kept[pool.connection]
    assert sorted(kept) == ["receive", "send"]

    bulk.release(pool.connection)

    assert kept == {}
