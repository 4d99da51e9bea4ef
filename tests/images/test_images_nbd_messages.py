"""What an NBD server says, without a server: options, requests, and what no client would send."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hvbackup.errors import ImageDamaged
from hvbackup.images.disk import Extent, Kind
from hvbackup.images.exports import Export
from hvbackup.images.nbd.negotiation import Agreement, Negotiation
from hvbackup.images.nbd.protocol import (
    ClientFlag,
    Command,
    CommandFlag,
    ErrorCode,
    Malformed,
    Option,
    Request,
    parse_client_flags,
    parse_option_header,
    parse_request,
)
from hvbackup.images.nbd.requests import Refused, answer, refusal
from hvbackup.images.source import BytesSource

MIB = 1024 * 1024
UNSUPPORTED, INVALID, UNKNOWN = 0x80000001, 0x80000003, 0x80000006
ACK, SERVER, INFO, META = 1, 2, 3, 4


class MappedSource:
    """Four MiB: data, a hole, data that cannot be read, data."""

    size = 4 * MIB

    def read_at(self, offset: int, size: int) -> bytes:
        if offset < 3 * MIB and offset + size > 2 * MIB:
            raise ImageDamaged("the third MiB is gone")
        return bytes(0 if MIB <= at < 2 * MIB else 0x64 for at in range(offset, offset + size))

    def extents(self, start: int = 0, end: int | None = None) -> Iterator[Extent]:
        end = self.size if end is None else end
        for number, kind in enumerate((Kind.DATA, Kind.ZERO, Kind.DATA, Kind.DATA)):
            first, last = max(start, number * MIB), min(end, (number + 1) * MIB)
            if first < last:
                yield Extent(first, last - first, kind)


EXPORTS = {
    "": Export(MappedSource(), "the whole disk"),
    "disk": Export(MappedSource(), "the whole disk"),
    "1": Export(BytesSource(b"volume"), "ntfs, Daten"),
}


def _negotiation(flags: ClientFlag = ClientFlag.FIXED_NEWSTYLE | ClientFlag.NO_ZEROES) -> Negotiation:
    return Negotiation(EXPORTS, flags)


def _replies(data: bytes) -> list[tuple[int, bytes]]:
    replies = []
    while data:
        magic, _option, kind, length = struct.unpack_from(">QIII", data)
        assert magic == 0x3E889045565A9
        replies.append((kind, data[20 : 20 + length]))
        data = data[20 + length :]
    return replies


def _go(name: str, *infos: int) -> bytes:
    raw = name.encode()
    return struct.pack(">I", len(raw)) + raw + struct.pack(f">H{len(infos)}H", len(infos), *infos)


def _meta(name: str, *queries: str) -> bytes:
    raw = [text.encode() for text in (name, *queries)]
    packed = [struct.pack(">I", len(text)) + text for text in raw]
    return packed[0] + struct.pack(">I", len(queries)) + b"".join(packed[1:])


# ---------------------------------------------------------------- options


def test_a_list_names_the_disk_and_its_volumes_once() -> None:
    replies = _replies(_negotiation().answer(Option.LIST, b"").data)

    assert replies == [
        (SERVER, struct.pack(">I", 4) + b"diskthe whole disk"),
        (SERVER, struct.pack(">I", 1) + b"1ntfs, Daten"),
        (ACK, b""),
    ]


def test_info_tells_size_and_flags_and_block_sizes_and_does_not_begin() -> None:
    answered = _negotiation().answer(Option.INFO, _go("1", 1, 2, 99))

    assert answered.agreement is None
    assert _replies(answered.data) == [
        (INFO, struct.pack(">HQH", 0, 6, 0b1_0000_0111)),
        (INFO, struct.pack(">H", 1) + b"1"),
        (INFO, struct.pack(">H", 2) + b"ntfs, Daten"),
        (INFO, struct.pack(">HIII", 3, 1, 4096, 32 * MIB)),
        (ACK, b""),
    ]


def test_go_begins_with_the_export_that_was_named() -> None:
    agreement = _negotiation().answer(Option.GO, _go("1")).agreement

    assert agreement is not None
    assert agreement.export.source.read_at(0, 6) == b"volume"
    assert (agreement.structured, agreement.allocation) == (False, False)


def test_what_was_not_agreed_on_is_not_offered() -> None:
    negotiation = _negotiation()
    before = _replies(negotiation.answer(Option.INFO, _go("")).data)[0]
    negotiation.answer(Option.STRUCTURED_REPLY, b"")
    after = _replies(negotiation.answer(Option.INFO, _go("")).data)[0]

    assert not before[1][-1] & 0x80  # a client must not ask for unfragmented replies before
    assert after[1][-1] & 0x80


@pytest.mark.parametrize(("flags", "zeroes"), [(ClientFlag.FIXED_NEWSTYLE, 124), (ClientFlag(3), 0)])
def test_export_name_begins_with_and_without_the_zeroes(flags: ClientFlag, zeroes: int) -> None:
    answered = _negotiation(flags).answer(Option.EXPORT_NAME, b"1")

    assert answered.agreement is not None
    assert answered.data == struct.pack(">QH", 6, 0b1_0000_0111) + bytes(zeroes)


@pytest.mark.parametrize(
    ("option", "data", "kind"),
    [
        (Option.GO, _go("2"), UNKNOWN),
        (Option.INFO, _go("2"), UNKNOWN),
        (Option.GO, _go("1") + b"x", INVALID),
        (Option.GO, b"", INVALID),
        (Option.GO, b"\xff\xff\xff\xff", INVALID),
        (Option.GO, struct.pack(">I", 2) + b"\xff\xfe\0\0", INVALID),
        (Option.GO, _go("n" * 5000), INVALID),
        (Option.LIST, b"x", INVALID),
        (Option.STRUCTURED_REPLY, b"x", INVALID),
        (Option.SET_META_CONTEXT, _meta("1", "base:allocation"), INVALID),  # structured replies come first
        (5, b"", UNSUPPORTED),  # STARTTLS
        (11, b"", UNSUPPORTED),  # EXTENDED_HEADERS
        (0xFFFFFFFF, b"anything", UNSUPPORTED),
    ],
)
def test_an_option_that_cannot_be_met_has_an_error_for_an_answer(option: int, data: bytes, kind: int) -> None:
    negotiation = _negotiation()

    answered = negotiation.answer(option, data)

    assert [each for each, _ in _replies(answered.data)] == [kind]
    assert (answered.agreement, answered.ends) == (None, False)
    assert negotiation.answer(Option.GO, _go("1")).agreement is not None


def test_abort_is_acknowledged_and_ends() -> None:
    answered = _negotiation().answer(Option.ABORT, b"")

    assert answered.ends
    assert _replies(answered.data) == [(ACK, b"")]


@pytest.mark.parametrize(
    ("option", "queries", "offered"),
    [
        (Option.LIST_META_CONTEXT, (), True),
        (Option.LIST_META_CONTEXT, ("base:",), True),
        (Option.LIST_META_CONTEXT, ("qemu:",), False),
        (Option.SET_META_CONTEXT, ("base:allocation",), True),
        (Option.SET_META_CONTEXT, ("qemu:dirty-bitmap:x", "base:allocation"), True),
        (Option.SET_META_CONTEXT, ("base:",), False),
        (Option.SET_META_CONTEXT, (), False),
    ],
)
def test_the_allocation_map_is_offered_to_whom_asks_for_it(
    option: Option, queries: tuple[str, ...], offered: bool
) -> None:
    negotiation = _negotiation()
    negotiation.answer(Option.STRUCTURED_REPLY, b"")

    kinds = [kind for kind, _ in _replies(negotiation.answer(option, _meta("1", *queries)).data)]
    agreement = negotiation.answer(Option.GO, _go("1")).agreement

    assert kinds == ([META, ACK] if offered else [ACK])
    assert agreement is not None
    assert agreement.allocation == (offered and option is Option.SET_META_CONTEXT)


def test_the_map_of_one_export_is_not_agreed_on_for_another() -> None:
    negotiation = _negotiation()
    negotiation.answer(Option.STRUCTURED_REPLY, b"")
    negotiation.answer(Option.SET_META_CONTEXT, _meta("1", "base:allocation"))

    agreement = negotiation.answer(Option.GO, _go("disk")).agreement

    assert agreement is not None
    assert not agreement.allocation


# ---------------------------------------------------------------- requests


def _agreement(*, structured: bool = True, allocation: bool = True) -> Agreement:
    return Agreement("disk", EXPORTS["disk"], structured, allocation)


def _chunks(data: bytes) -> list[tuple[int, int, bytes]]:
    """Flags, kind and content of chunks of the request 7."""
    chunks = []
    while data:
        magic, flags, kind, cookie, length = struct.unpack_from(">IHHQI", data)
        assert (magic, cookie) == (0x668E33EF, 7)
        chunks.append((flags, kind, data[20 : 20 + length]))
        data = data[20 + length :]
    return chunks


def _request(command: int, offset: int = 0, length: int = 0, flags: int = 0) -> Request:
    return Request(flags, command, 7, offset, length)


def _sent(agreement: Agreement, request: Request) -> bytes:
    sent = b""
    try:
        for chunk in answer(agreement, request):
            sent += b"".join(chunk)
    except Refused as error:
        sent += refusal(agreement, request, error)
    return sent


def test_a_simple_read_is_a_header_and_the_data() -> None:
    sent = _sent(_agreement(structured=False), _request(Command.READ, MIB - 2, 4))

    assert sent == struct.pack(">IIQ", 0x67446698, 0, 7) + b"dd\0\0"


def test_a_structured_read_has_chunks_of_data_and_holes() -> None:
    chunks = _chunks(_sent(_agreement(), _request(Command.READ, MIB - 2, MIB + 2)))

    assert chunks == [
        (0, 1, struct.pack(">Q", MIB - 2) + b"dd"),
        (1, 2, struct.pack(">QI", MIB, MIB)),
    ]


def test_a_small_hole_travels_as_the_zeros_that_it_is() -> None:
    assert _chunks(_sent(_agreement(), _request(Command.READ, MIB - 2, 4))) == [
        (1, 1, struct.pack(">Q", MIB - 2) + b"dd\0\0")
    ]


def test_a_read_that_must_not_be_cut_comes_in_one_chunk() -> None:
    chunks = _chunks(_sent(_agreement(), _request(Command.READ, 0, 2 * MIB, CommandFlag.DF)))

    assert [(flags, kind, len(content)) for flags, kind, content in chunks] == [(1, 1, 2 * MIB + 8)]


def test_what_cannot_be_read_is_an_error_after_what_can() -> None:
    chunks = _chunks(_sent(_agreement(), _request(Command.READ, 2 * MIB - 4, MIB)))

    text = b"1048576 bytes at 2097148 cannot be read: the third MiB is gone"
    assert chunks == [(1, 1 << 15 | 1, struct.pack(">IH", 5, len(text)) + text)]
    first, last = _chunks(_sent(_agreement(), _request(Command.READ, MIB, 2 * MIB)))
    assert (first[:2], last[:2]) == ((0, 2), (1, 1 << 15 | 1))


def test_what_cannot_be_read_is_an_error_in_place_of_a_simple_reply() -> None:
    sent = _sent(_agreement(structured=False), _request(Command.READ, 2 * MIB, 4))

    assert sent == struct.pack(">IIQ", 0x67446698, 5, 7)


@pytest.mark.parametrize("structured", [True, False])
@pytest.mark.parametrize("command", [Command.WRITE, Command.TRIM, Command.WRITE_ZEROES, Command.RESIZE])
def test_whatever_writes_is_not_permitted(command: Command, structured: bool) -> None:
    sent = _sent(_agreement(structured=structured), _request(command, 0, 4096))

    if structured:
        assert _chunks(sent)[0][2][:4] == struct.pack(">I", 1)
    else:
        assert sent == struct.pack(">IIQ", 0x67446698, 1, 7)


@pytest.mark.parametrize(
    "request_",
    [
        _request(Command.READ, 0, 0),
        _request(Command.READ, 4 * MIB, 1),
        _request(Command.READ, 4 * MIB - 1, 2),
        _request(Command.READ, (1 << 64) - 1, 2),
        _request(Command.READ, 0, 33 * MIB),
        _request(Command.READ, 0, 1, flags=1 << 9),
        _request(Command.READ, 0, 1, CommandFlag.REQ_ONE),
        _request(Command.BLOCK_STATUS, 0, 0),
        _request(Command.BLOCK_STATUS, 4 * MIB, 1),
        _request(Command.CACHE, 0, 1),
        _request(9),
        _request(0xFFFF),
    ],
)
def test_what_was_not_offered_or_lies_outside_is_invalid(request_: Request) -> None:
    with pytest.raises(Refused) as caught:
        list(answer(_agreement(), request_))

    assert caught.value.code is ErrorCode.INVALID
    assert not caught.value.reads_failed


def test_the_map_is_told_to_whom_agreed_on_it_only() -> None:
    request = _request(Command.BLOCK_STATUS, MIB - 512, 2 * MIB)
    one = request._replace(flags=CommandFlag.REQ_ONE)

    (whole,) = _chunks(_sent(_agreement(), request))
    (first,) = _chunks(_sent(_agreement(), one))

    assert whole == (1, 5, struct.pack(">IIIIIII", 1, 512, 0, MIB, 3, MIB - 512, 0))
    assert first == (1, 5, struct.pack(">III", 1, 512, 0))
    with pytest.raises(Refused):
        answer(_agreement(allocation=False), request)


@pytest.mark.parametrize("structured", [True, False])
def test_a_flush_is_done_at_once(structured: bool) -> None:
    sent = _sent(_agreement(structured=structured), _request(Command.FLUSH))

    done = struct.pack(">IHHQI", 0x668E33EF, 1, 0, 7, 0) if structured else struct.pack(">IIQ", 0x67446698, 0, 7)
    assert sent == done


# ---------------------------------------------------------------- what no client sends


@given(st.lists(st.tuples(st.integers(0, 12), st.binary(max_size=80)), max_size=8))
def test_any_options_have_an_answer_or_end_the_negotiation(options: list[tuple[int, bytes]]) -> None:
    negotiation = _negotiation()
    for option, data in options:
        try:
            answered = negotiation.answer(option, data)
        except Malformed:
            assert option == Option.EXPORT_NAME
            return
        if option != Option.EXPORT_NAME:
            assert _replies(answered.data)


@given(
    command=st.integers(0, 0xFFFF) | st.integers(0, 9),
    flags=st.integers(0, 0xFFFF) | st.just(0),
    offset=st.integers(0, (1 << 64) - 1) | st.integers(0, 4 * MIB),
    length=st.integers(0, (1 << 32) - 1) | st.integers(0, 70_000),
    structured=st.booleans(),
    allocation=st.booleans(),
)
def test_any_request_has_one_answer_that_is_whole(
    command: int, flags: int, offset: int, length: int, structured: bool, allocation: bool
) -> None:
    sent = _sent(_agreement(structured=structured, allocation=allocation), Request(flags, command, 7, offset, length))

    if sent[:4] == struct.pack(">I", 0x67446698):
        assert not structured
        assert len(sent) == 16 or (command == 0 and len(sent) == 16 + length)
    elif structured or command == Command.BLOCK_STATUS:
        assert [flags & 1 for flags, _, _ in _chunks(sent)][-1] == 1


@given(st.binary(min_size=28, max_size=28))
def test_any_bytes_are_a_request_or_malformed(raw: bytes) -> None:
    if raw[:4] == struct.pack(">I", 0x25609513):
        assert parse_request(raw).length == int.from_bytes(raw[24:], "big")
        return
    with pytest.raises(Malformed):
        parse_request(raw)


def test_flags_and_options_that_no_client_sends_are_malformed() -> None:
    with pytest.raises(Malformed, match="not offered"):
        parse_client_flags(b"\0\0\0\x04")
    with pytest.raises(Malformed, match="does not begin as one"):
        parse_option_header(b"IHAVEOPS" + bytes(8))
    with pytest.raises(Malformed, match="4294967295 bytes"):
        parse_option_header(b"IHAVEOPT" + b"\0\0\0\x03" + b"\xff" * 4)
