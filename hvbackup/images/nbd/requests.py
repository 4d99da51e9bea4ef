"""What a request of the transmission phase is answered with. No sockets here."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TypeAlias

from hvbackup.errors import HvBackupError
from hvbackup.images.disk import Extent, Kind
from hvbackup.images.nbd import protocol
from hvbackup.images.nbd.negotiation import Agreement
from hvbackup.images.nbd.protocol import Command, CommandFlag, ErrorCode, Request

#: Data travel in chunks of this size at most, so that the first are on their way while the next are read.
CHUNK = 1 * protocol.MIB
#: Shorter holes are sent as the zeros that they are: a chunk of its own would cost more.
_SMALLEST_HOLE = 64 * 1024
#: Stretches of one answer; a client asks on from where an answer ends.
_MAX_STRETCHES = 8192

_WRITES = (Command.WRITE, Command.TRIM, Command.WRITE_ZEROES, Command.RESIZE)
_FLAGS = {
    Command.READ: CommandFlag.DF,
    Command.BLOCK_STATUS: CommandFlag.REQ_ONE,
    Command.FLUSH: CommandFlag(0),
}


#: Bytes to send one after the other, without those of another request between them.
Chunk: TypeAlias = tuple[bytes, ...]


class Refused(Exception):
    """A request is answered with an error. Never leaves the room.

    Attributes:
        reads_failed: The image could not be read; it is not the client's fault.
    """

    def __init__(self, code: ErrorCode, message: str, *, reads_failed: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reads_failed = reads_failed


def payload_length(request: Request) -> int:
    """Bytes that follow a request."""
    return request.length if request.command == Command.WRITE else 0


def answer(agreement: Agreement, request: Request) -> Iterator[Chunk]:
    """Yield what to send; a chunk is read when it is asked for.

    Raises:
        Refused: The request fails, perhaps after some chunks; `refusal` is what to send then.
    """
    command = _known(agreement, request)
    if command is Command.FLUSH:
        return iter([(_done(agreement, request),)])
    if not 0 < request.length <= protocol.MAX_PAYLOAD and command is Command.READ:
        raise Refused(ErrorCode.INVALID, f"reads have 1 to {protocol.MAX_PAYLOAD} bytes")
    if not request.length or request.offset + request.length > agreement.export.size:
        raise Refused(ErrorCode.INVALID, "it reaches behind the end, or has no length")
    if command is Command.BLOCK_STATUS:
        return iter([(_block_status(agreement, request),)])
    if not agreement.structured:
        return _simple_read(agreement, request)
    if request.flags & CommandFlag.DF:
        return _read_in_one(agreement, request)
    return _read_in_chunks(agreement, request)


def refusal(agreement: Agreement, request: Request, error: Refused) -> bytes:
    """What to send for a request that fails."""
    if agreement.structured:
        return protocol.pack_error(request.cookie, error.code, error.message)
    return protocol.pack_simple_reply(request.cookie, error.code)


def _known(agreement: Agreement, request: Request) -> Command:
    """The command, if it is one that reads, with flags that it has."""
    try:
        command = Command(request.command)
    except ValueError:
        raise Refused(ErrorCode.INVALID, f"command {request.command} is not known") from None
    if command in _WRITES:
        raise Refused(ErrorCode.PERMISSION, "the export is read-only")
    if command not in _FLAGS or (command is Command.BLOCK_STATUS and not agreement.allocation):
        raise Refused(ErrorCode.INVALID, f"command {command.name} was not offered")
    if request.flags & ~int(_FLAGS[command]):  # the inverse of an IntFlag has no unknown bits
        raise Refused(ErrorCode.INVALID, f"command {command.name} has no such flags: {request.flags:#x}")
    return command


def _done(agreement: Agreement, request: Request) -> bytes:
    return protocol.pack_done(request.cookie) if agreement.structured else protocol.pack_simple_reply(request.cookie)


def _read(agreement: Agreement, offset: int, length: int) -> bytes:
    try:
        data = agreement.export.source.read_at(offset, length)
    except (HvBackupError, OSError) as error:
        raise Refused(ErrorCode.IO, f"{length} bytes at {offset} cannot be read: {error}", reads_failed=True) from error
    if len(data) != length:
        raise Refused(ErrorCode.IO, f"{length} bytes at {offset}: the image ends before them", reads_failed=True)
    return data


def _extents(agreement: Agreement, request: Request) -> Iterator[Extent]:
    try:
        yield from agreement.export.extents(request.offset, request.offset + request.length)
    except (HvBackupError, OSError) as error:
        raise Refused(ErrorCode.IO, f"what is allocated cannot be told: {error}", reads_failed=True) from error


def _simple_read(agreement: Agreement, request: Request) -> Iterator[Chunk]:
    """All at once: behind a header that says that all is well there is no way to say that it is not."""
    data = _read(agreement, request.offset, request.length)
    yield protocol.pack_simple_reply(request.cookie), data


def _read_in_one(agreement: Agreement, request: Request) -> Iterator[Chunk]:
    data = _read(agreement, request.offset, request.length)
    yield protocol.pack_data_header(request.cookie, request.offset, request.length, done=True), data


def _read_in_chunks(agreement: Agreement, request: Request) -> Iterator[Chunk]:
    end = request.offset + request.length
    for offset, length, hole in _pieces(_extents(agreement, request)):
        done = offset + length == end
        if hole:
            yield (protocol.pack_hole(request.cookie, offset, length, done=done),)
        else:
            data = _read(agreement, offset, length)
            yield protocol.pack_data_header(request.cookie, offset, length, done=done), data


def _pieces(extents: Iterator[Extent]) -> Iterator[tuple[int, int, bool]]:
    """Offset, length, and whether it is a hole: small holes joined to what is around them, the rest cut into chunks."""
    start = end = -1
    for extent in extents:
        if extent.kind is Kind.ZERO and extent.length >= _SMALLEST_HOLE:
            yield from _cut(start, end)
            start = end = -1
            yield extent.offset, extent.length, True
        else:
            start, end = extent.offset if start < 0 else start, extent.end
    yield from _cut(start, end)


def _cut(start: int, end: int) -> Iterator[tuple[int, int, bool]]:
    for offset in range(start, end, CHUNK):
        yield offset, min(CHUNK, end - offset), False


def _block_status(agreement: Agreement, request: Request) -> bytes:
    limit = 1 if request.flags & CommandFlag.REQ_ONE else _MAX_STRETCHES
    empty = protocol.STATE_HOLE | protocol.STATE_ZERO
    stretches = [
        (extent.length, empty if extent.kind is Kind.ZERO else 0)
        for extent in islice(_extents(agreement, request), limit)
    ]
    return protocol.pack_block_status(request.cookie, stretches)
