"""Blocks of files over one lane or several."""

from __future__ import annotations

import random
import threading
import zlib
from collections.abc import Iterator

import pytest
from bulk_host import HostFiles, block

from hvbackup.errors import BlockMismatch, Cancelled, ContractViolated
from hvbackup.events import Cancellation
from hvbackup.remote import fanout
from hvbackup.remote.block_frames import pack_block
from hvbackup.remote.fanout import Lanes, hash_blocks, read_blocks, write_blocks
from hvbackup.remote.psrp import PsrpTransport
from hvbackup.simulator.server import WSManServer

SIZE = 1 << 20
PATH = r"C:\VMs\disk.vhdx"


def whole(blocks: int, size: int) -> bytes:
    return b"".join(block(number, size) for number in range(blocks))


def deflate(data: bytes) -> bytes:
    packing = zlib.compressobj(1, zlib.DEFLATED, -15)
    return b"\1" + packing.compress(data) + packing.flush()


@pytest.mark.parametrize("lanes", [1, 3])
def test_chosen_blocks_arrive_with_their_index_over_any_number_of_lanes(
    lanes: int, transport: PsrpTransport, host_files: HostFiles
) -> None:
    host_files.files[PATH] = whole(20, SIZE) + b"the end"
    asked = [(number * SIZE, SIZE) for number in (0, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14)] + [(20 * SIZE, 7)]
    found: dict[int, bytes] = {}

    summary = read_blocks(transport, PATH, asked, found.__setitem__, lanes=lanes)

    assert [host_files.files[PATH][offset : offset + length] for offset, length in asked] == [
        found[index] for index in range(13)
    ]
    assert (summary.blocks, summary.bytes) == (13, 12 * SIZE + 7)


def test_with_one_lane_blocks_come_in_order(transport: PsrpTransport, host_files: HostFiles) -> None:
    host_files.files[PATH] = whole(12, SIZE)
    order: list[int] = []

    read_blocks(transport, PATH, [(n * SIZE, SIZE) for n in range(12)], lambda index, _: order.append(index))

    assert order == list(range(12))


def test_no_blocks_need_no_call(transport: PsrpTransport, server: WSManServer) -> None:
    before = server.requests

    summary = read_blocks(transport, PATH, [], lambda _index, _data: None, lanes=3)

    assert summary.blocks == 0
    assert server.requests == before


def test_packed_blocks_are_unpacked(transport: PsrpTransport, host_files: HostFiles) -> None:
    host_files.files[PATH] = bytes(4096) + b"\7" * 4096
    host_files.frame = deflate
    found: list[bytes] = []

    read_blocks(transport, PATH, [(0, 4096), (4096, 4096)], lambda _, data: found.append(data))

    assert found == [bytes(4096), b"\7" * 4096]


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(deflate(bytes(1 << 20)), id="unpacks to a mebibyte"),
        pytest.param(deflate(bytes(4095)), id="unpacks to too little"),
        pytest.param(deflate(bytes(4096))[:-1], id="cut off"),
        pytest.param(deflate(bytes(4096)) + b"more", id="something behind it"),
        pytest.param(b"\1" + b"\xff" * 50, id="damaged"),
        pytest.param(b"\0" + bytes(4097), id="too long"),
        pytest.param(b"\2" + bytes(4096), id="unknown codec"),
        pytest.param(b"", id="empty"),
    ],
)
def test_a_frame_that_is_not_the_block_asked_for_violates_the_contract(
    frame: bytes, transport: PsrpTransport, host_files: HostFiles
) -> None:
    host_files.files[PATH] = bytes(4096)
    host_files.frame = lambda _: frame

    with pytest.raises(ContractViolated, match=r"127\.0\.0\.1 sent a .* \(of C:\\VMs\\disk\.vhdx at 0\)"):
        read_blocks(transport, PATH, [(0, 4096)], lambda _index, _data: None)


def test_the_first_error_of_a_sink_stops_all_lanes_and_comes_out(
    transport: PsrpTransport, host_files: HostFiles
) -> None:
    host_files.files[PATH] = whole(40, SIZE)
    taken: list[int] = []

    def sink(index: int, _data: bytes) -> None:
        taken.append(index)
        if index == 6:
            raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError, match="the disk is full"):
        read_blocks(transport, PATH, [(n * SIZE, SIZE) for n in range(40)], sink, lanes=3)

    assert len(taken) < 40


def test_a_cancellation_stops_all_lanes(transport: PsrpTransport, host_files: HostFiles) -> None:
    host_files.files[PATH] = whole(40, SIZE)
    cancel = Cancellation()

    with pytest.raises(Cancelled):
        read_blocks(
            transport, PATH, [(n * SIZE, SIZE) for n in range(40)], lambda _i, _d: cancel.set(), lanes=3, cancel=cancel
        )


def test_lanes_are_opened_when_needed_kept_and_closed(
    transport: PsrpTransport, host_files: HostFiles, server: WSManServer
) -> None:
    host_files.files[PATH] = whole(16, SIZE)
    asked = [(n * SIZE, SIZE) for n in range(16)]

    with Lanes(transport, 2) as lanes:
        read_blocks(transport, PATH, asked[:1], lambda _i, _d: None, lanes=lanes)
        alone = len(server.service.shells)
        read_blocks(transport, PATH, asked, lambda _i, _d: None, lanes=lanes)
        read_blocks(transport, PATH, asked, lambda _i, _d: None, lanes=lanes)
        together = len(server.service.shells)

    assert (alone, together, len(server.service.shells)) == (1, 2, 1)


def test_hashes_come_in_order_in_multiples_of_32_bytes(transport: PsrpTransport, host_files: HostFiles) -> None:
    host_files.files[PATH] = whole(7, 4096)
    pieces: list[bytes] = []

    summary = hash_blocks(transport, PATH, pieces.append, block_size=4096)

    assert [len(piece) for piece in pieces] == [96, 96, 32]
    assert b"".join(pieces)[:32].hex() == "91488f3d3918d46f4179adcf8486491ffe2e079e843419f53a0b9548ace74687"
    assert (summary.blocks, summary.size_bytes) == (7, 7 * 4096)


def test_a_small_file_is_written_by_one_call(transport: PsrpTransport, host_files: HostFiles) -> None:
    summary = write_blocks(transport, PATH, 8192, [(0, b"a" * 4096), (4096, block(1, 4096))], lanes=3)

    assert host_files.files[PATH] == b"a" * 4096 + block(1, 4096)
    assert host_files.write_calls == [(True, True, 2)]
    assert (summary.blocks, summary.bytes, summary.finished) == (2, 8192, True)


def test_an_empty_file_is_written(transport: PsrpTransport, host_files: HostFiles) -> None:
    write_blocks(transport, PATH, 0, [])

    assert host_files.files == {PATH: b""}


@pytest.mark.parametrize("lanes", [1, 3])
def test_a_large_file_is_written_by_several_calls_side_by_side(
    lanes: int, transport: PsrpTransport, host_files: HostFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fanout, "_WRITE_BYTES", 9 * SIZE // 4)
    monkeypatch.setattr(fanout, "_SMALLEST_WRITE", 9 * SIZE // 4)
    blocks = [(n * SIZE, block(n, SIZE)) for n in range(12) if n != 5]

    summary = write_blocks(transport, PATH, 12 * SIZE, iter(blocks), lanes=lanes, compress=False)

    expected = bytearray(whole(12, SIZE))
    expected[5 * SIZE : 6 * SIZE] = bytes(SIZE)
    assert host_files.files[PATH] == bytes(expected)
    assert summary.blocks == 11
    assert host_files.write_calls[0] == (True, False, 0)
    assert {call[:2] for call in host_files.write_calls[1:-1]} == {(False, False)}
    assert max(call[2] for call in host_files.write_calls) == 2
    assert host_files.write_calls[-1] == (False, True, 0)
    assert host_files.writers_at_once <= lanes


def test_blocks_that_shrink_travel_packed(
    transport: PsrpTransport, host_files: HostFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    def measured(offset: int, data: bytes, *, compress: bool) -> bytes:
        frame = pack_block(offset, data, compress=compress)
        sizes.append(len(frame))
        return frame

    monkeypatch.setattr(fanout, "pack_block", measured)
    noise = random.Random(1).randbytes(100_000)  # noqa: S311

    write_blocks(transport, PATH, 200_000, [(0, b"text " * 20_000), (100_000, noise)])

    assert host_files.files[PATH] == b"text " * 20_000 + noise
    assert sizes[0] < 2000
    assert sizes[1] == 45 + 100_000


def test_without_last_the_file_stays_a_part(transport: PsrpTransport, host_files: HostFiles) -> None:
    summary = write_blocks(transport, PATH, 4, [(0, b"data")], last=False)

    assert not summary.finished
    assert host_files.parts == {PATH: bytearray(b"data")}


def test_when_the_blocks_fail_their_error_comes_out_and_the_part_is_removed(
    transport: PsrpTransport, host_files: HostFiles
) -> None:
    def blocks() -> Iterator[tuple[int, bytes]]:
        yield 0, b"data"
        raise RuntimeError("the repository is gone")

    with pytest.raises(RuntimeError, match="the repository is gone"):
        write_blocks(transport, PATH, 8, blocks())

    assert (host_files.files, host_files.parts) == ({}, {})


def test_a_block_that_changes_on_the_way_is_refused_by_the_host(
    transport: PsrpTransport, host_files: HostFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(offset: int, data: bytes, *, compress: bool) -> bytes:
        return pack_block(offset, data, compress=compress)[:-1] + b"\0"

    monkeypatch.setattr(fanout, "pack_block", damaged)

    with pytest.raises(BlockMismatch):
        write_blocks(transport, PATH, 4, [(0, b"data")])

    assert host_files.parts == {}


def test_blocks_are_drawn_by_one_thread_at_a_time(
    transport: PsrpTransport, host_files: HostFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fanout, "_WRITE_BYTES", 1 << 20)
    monkeypatch.setattr(fanout, "_SMALLEST_WRITE", 1 << 20)
    inside = threading.Lock()

    def blocks() -> Iterator[tuple[int, bytes]]:
        for number in range(20):
            assert inside.acquire(blocking=False)
            data = block(number, 200_000)
            inside.release()
            yield number * 200_000, data

    write_blocks(transport, PATH, 20 * 200_000, blocks(), lanes=3, compress=False)

    assert host_files.files[PATH] == whole(20, 200_000)
