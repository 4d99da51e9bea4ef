"""Fragments and queues by themselves, and the ends of a server."""

from __future__ import annotations

import struct
import threading
import uuid

import pytest
from front_clients import StartServer, opened_pool
from hypothesis import given
from hypothesis import strategies as st
from pypsrp.powershell import PowerShell

from hvbackup.errors import InvalidRequest
from hvbackup.simulator import psrp_fragments as psrp
from hvbackup.simulator.serve import ServeOptions, serve
from hvbackup.simulator.wsman_queues import CommandEnded, InputQueue, OutputQueue


@given(messages=st.lists(st.binary(min_size=1, max_size=500), max_size=5), size=st.integers(22, 300))
def test_fragments_join_to_the_messages_they_were_cut_from(messages: list[bytes], size: int) -> None:
    fragmenter, defragmenter = psrp.Fragmenter(size), psrp.Defragmenter(1000)
    fragments = [fragment for message in messages for fragment in fragmenter.fragment(message)]

    assert all(len(fragment) <= size for fragment in fragments)
    assert [message for fragment in fragments for message in defragmenter.feed(fragment)] == messages


def test_a_fragment_has_the_layout_of_the_specification() -> None:
    first, last = psrp.Fragmenter(24, first_id=7).fragment(b"abcde")

    assert first == bytes.fromhex("0000000000000007 0000000000000000 01 00000003".replace(" ", "")) + b"abc"
    assert last == bytes.fromhex("0000000000000007 0000000000000001 02 00000002".replace(" ", "")) + b"de"


def test_a_message_has_the_layout_of_the_specification() -> None:
    pool = uuid.UUID("00112233-4455-6677-8899-aabbccddeeff")
    message = psrp.build_message(psrp.PIPELINE_OUTPUT, pool, None, b"<S>x</S>")

    assert message[:24].hex() == "010000000410040033221100554477668899aabbccddeeff"
    assert message[24:] == bytes(16) + b"<S>x</S>"
    assert psrp.message_pool(message) == pool
    assert psrp.message_body(message) == b"<S>x</S>"


@given(data=st.binary(max_size=100))
def test_whatever_is_no_fragment_is_malformed_or_nothing(data: bytes) -> None:
    try:
        messages = list(psrp.Defragmenter(1000).feed(data))
    except psrp.MalformedFragment:
        return
    assert sum(map(len, messages)) <= len(data)


def test_an_object_beyond_the_limit_is_refused_before_it_is_whole() -> None:
    defragmenter = psrp.Defragmenter(10)
    start = struct.pack(">QQBI", 1, 0, psrp.START, 11) + b"x" * 11

    with pytest.raises(psrp.MalformedFragment, match="more than 10 bytes"):
        list(defragmenter.feed(start))


def test_output_is_taken_in_order_as_far_as_there_is_room() -> None:
    queue = OutputQueue(1000)
    queue.put("stdout", [b"a" * 100, b"b" * 100])
    queue.put("stderr", [b"c" * 100])
    queue.finish(3)

    assert queue.get(0, 400) == ([("stdout", b"a" * 100), ("stdout", b"b" * 100)], False)
    assert queue.get(0, 400) == ([("stderr", b"c" * 100)], True)
    assert queue.exit_code == 3


def test_a_chunk_that_is_larger_than_the_room_is_cut() -> None:
    queue = OutputQueue(1000)
    queue.put("stdout", [b"abcdef"])

    assert queue.get(0, 4) == ([("stdout", b"abcd")], False)
    assert queue.get(0, 4) == ([("stdout", b"ef")], False)
    assert queue.get(0, 4) is None


@pytest.mark.parametrize("end", ["close", "finish"])
def test_a_writer_that_waits_is_freed_when_the_command_ends(end: str) -> None:
    queue = OutputQueue(1)
    queue.put("stdout", [b"full"])
    outcome: list[str] = []

    def write() -> None:
        try:
            queue.put("stdout", [b"more"])
        except CommandEnded:
            outcome.append("ended")

    writer = threading.Thread(target=write)
    writer.start()
    getattr(queue, end)()
    writer.join(10)

    assert outcome == ["ended"]


def test_input_that_finds_no_room_is_told_so() -> None:
    queue = InputQueue(10)

    assert queue.put(b"x", 10, timeout=1)
    assert not queue.put(b"y", 1, timeout=0.01)
    queue.end()
    assert list(queue) == [b"x"]
    assert queue.put(b"z", 1, timeout=1)
    assert list(queue) == []


def test_serving_tells_what_a_client_needs() -> None:
    with serve(ServeOptions(password="secret")) as (ready, server):
        assert ready.to_dict() == {
            "endpoint": f"https://127.0.0.1:{server.port}/wsman",
            "username": "Administrator",
            "password": "secret",
            "caFile": str(server.ca_file),
            "engine": "python",
        }


def test_serving_without_tls_has_no_authority() -> None:
    with serve(ServeOptions(tls=False)) as (ready, _):
        assert ready.endpoint.startswith("http://127.0.0.1:")
        assert ready.ca_file is None


def test_a_port_that_is_taken_is_one_clear_error() -> None:
    with serve(ServeOptions(tls=False)) as (_, server):
        options = ServeOptions(tls=False, port=server.port)
        with pytest.raises(InvalidRequest, match=f"cannot listen on port {server.port}"), serve(options):
            pass


@pytest.mark.parametrize(
    "options", [ServeOptions(port=70000), ServeOptions(username="a:b"), ServeOptions(engine="pwsh")]
)
def test_options_that_cannot_be_meant_are_one_clear_error(options: ServeOptions) -> None:
    with pytest.raises(InvalidRequest), serve(options):
        pass


def test_stopping_ends_what_runs_and_twice_is_no_error(start_server: StartServer) -> None:
    server = start_server()
    with opened_pool(server) as pool:
        PowerShell(pool).add_script("wait").begin_invoke()
        server.stop()
        server.stop()
        pool.shell.opened = False

    assert server.service.shells == ()
    assert not server.has_connections
