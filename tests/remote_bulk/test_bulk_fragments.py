"""PSRP fragments: joined wherever they are cut, packed to the brim, and refused when they do not fit."""

from __future__ import annotations

import base64
import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hvbackup.remote.fragments import (
    BytesBroken,
    FragmentJoiner,
    FragmentPacker,
    byte_array_message,
    decode_base64,
    message_header,
    read_byte_array,
    whole_fragment,
)

POOL = "11111111-2222-3333-4455-66778899aabb"
PIPELINE = "00000000-0000-0000-0000-000000000001"


def fragment(object_id: int, fragment_id: int, flags: int, data: bytes) -> bytes:
    return struct.pack(">QQBI", object_id, fragment_id, flags, len(data)) + data


def message(body: bytes, kind: int = 0x00041004) -> bytes:
    return struct.pack("<II", 1, kind) + bytes(32) + body


def join(*pieces: bytes) -> list[tuple[int, bytes]]:
    joiner = FragmentJoiner()
    return [(kind, bytes(body)) for piece in pieces for kind, body, _ in joiner.feed(piece)]


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


def test_a_message_is_laid_out_as_ms_psrp_says() -> None:
    assert message_header(0x00041002, POOL, PIPELINE).hex() == (
        "0200000002100400" "11111111222233334455" "66778899aabb" "00000000000000000000000000000001"
    )  # fmt: skip
    assert whole_fragment(7, b"xyz").hex() == "00000000000000070000000000000000030000000378797a"


def test_a_message_in_one_fragment_is_taken() -> None:
    assert join(fragment(1, 0, 3, message(b"body"))) == [(0x00041004, b"body")]


def test_a_message_in_three_fragments_is_joined() -> None:
    whole = message(b"abcdefgh")

    assert join(fragment(1, 0, 1, whole[:10]), fragment(1, 1, 0, whole[10:45]), fragment(1, 2, 2, whole[45:])) == [
        (0x00041004, b"abcdefgh")
    ]


@given(
    bodies=st.lists(st.binary(max_size=200), max_size=8),
    room=st.integers(min_value=22, max_value=300),
    places=st.lists(st.integers(min_value=0), max_size=12),
)
def test_messages_come_back_however_their_bytes_are_packed_and_cut(
    bodies: list[bytes], room: int, places: list[int]
) -> None:
    packer = FragmentPacker(room, 1 << 40)
    envelopes = [content for body in bodies for content in packer.add(message(body))]
    envelopes.append(packer.flush())

    joined = join(*cut(b"".join(envelopes), places))

    assert joined == [(0x00041004, body) for body in bodies]
    assert all(len(content) <= room for content in envelopes)
    # All but the last are full: less than a header and one byte is left.
    assert all(len(content) > room - 22 for content in envelopes[:-1])


@given(data=st.binary(max_size=400), places=st.lists(st.integers(min_value=0), max_size=6))
def test_any_bytes_end_in_messages_a_refusal_or_a_message_that_is_not_whole(data: bytes, places: list[int]) -> None:
    joiner = FragmentJoiner()
    try:
        for piece in cut(data, places):
            for _ in joiner.feed(piece):
                pass
    except BytesBroken:
        return

    assert joiner.is_between_messages or data


@given(position=st.integers(min_value=0, max_value=60), value=st.integers(min_value=0, max_value=255))
def test_a_changed_header_never_gives_a_message_of_other_length_unnoticed(position: int, value: int) -> None:
    data = bytearray(fragment(1, 0, 1, message(b"abcd")[:30]) + fragment(1, 1, 2, message(b"abcd")[30:]))
    data[min(position, len(data) - 1)] = value
    joiner = FragmentJoiner()
    try:
        found = [bytes(body) for _, body, _ in joiner.feed(bytes(data))]
    except BytesBroken:
        return

    assert not joiner.is_between_messages or [len(body) for body in found] == [4]


@pytest.mark.parametrize(
    ("data", "lost", "reason"),
    [
        pytest.param(fragment(1, 1, 2, b"x"), True, "beginning is missing", id="no beginning"),
        pytest.param(fragment(1, 0, 1, b"x") + fragment(1, 2, 2, b"x"), True, "instead of fragment 1", id="gap"),
        pytest.param(fragment(1, 0, 1, b"x") + fragment(2, 1, 2, b"x"), True, "of message 2", id="other message"),
        pytest.param(fragment(1, 0, 1, b"x") + fragment(2, 0, 3, b"x"), True, "instead of", id="next before end"),
        pytest.param(fragment(1, 0, 2, b"x"), False, "flags 0x2", id="first without start"),
        pytest.param(fragment(1, 4, 1, b"x"), False, "flags 0x1", id="start later"),
        pytest.param(fragment(1, 0, 7, b"x"), False, "flags 0x7", id="unknown flag"),
        pytest.param(fragment(1, 0, 3, b"short"), False, "shorter than its header", id="short message"),
        pytest.param(struct.pack(">QQBI", 1, 0, 3, 0xFFFFFFF0), False, "longer than", id="absurd length"),
    ],
)
def test_fragments_that_do_not_fit_are_refused_at_once(data: bytes, lost: bool, reason: str) -> None:
    with pytest.raises(BytesBroken, match=reason) as caught:
        join(data)

    assert caught.value.lost is lost


def test_many_small_fragments_cannot_gather_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hvbackup.remote.fragments.MAXIMUM_MESSAGE", 100)
    joiner = FragmentJoiner()
    list(joiner.feed(fragment(1, 0, 1, bytes(60))))

    with pytest.raises(BytesBroken, match="longer than 100 bytes"):
        list(joiner.feed(fragment(1, 1, 0, bytes(60))))


@pytest.mark.parametrize(
    ("clixml", "expected"),
    [
        (b"<BA>AAEC</BA>", b"\0\1\2"),
        (b"\xef\xbb\xbf<BA>AAEC</BA>", b"\0\1\2"),
        (b"<BA></BA>", b""),
        (b"<BA />", b""),
        (b"<BA/>", b""),
        (b"<BA>AA\r\nEC</BA>", b"\0\1\2"),
        (b"<S>AAEC</S>", None),
        (b'<Obj RefId="0"><BA>AAEC</BA></Obj>', None),
        (b"", None),
    ],
)
def test_byte_arrays_are_told_from_other_objects(clixml: bytes, expected: bytes | None) -> None:
    assert read_byte_array(memoryview(clixml)) == expected


@given(st.binary(max_size=300))
def test_byte_arrays_come_back(data: bytes) -> None:
    assert read_byte_array(memoryview(byte_array_message(b"", data))) == data
    assert decode_base64(base64.encodebytes(data)) == data


def test_what_is_not_base64_is_refused() -> None:
    with pytest.raises(BytesBroken, match="not base64"):
        read_byte_array(memoryview(b"<BA>A!!C</BA>"))
