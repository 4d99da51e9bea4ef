"""Block bytes to and from a pipeline of pypsrp, by the fast way where it is open, else by pypsrp's own.

The fast way: ready-made envelopes (`envelope`), a connection of its own (`own_connection`), fragments joined once
(`fragments`), and the next request under way while the caller works on the last answer. Everything that is no
`byte[]` goes to pypsrp, which keeps the pipeline's state. pypsrp's own way serves where a connection cannot be
repeated (sealed HTTP, proxy, CredSSP), or where the private name that this file uses is missing.

All functions run in the thread that owns the `WSMan`. When they raise, the pipeline has been stopped; the caller closes
it. Errors: `Cancelled`, `CallTimeout`, `ConnectionLost`, `ContractViolated`, errors of pypsrp and requests from
requests that pypsrp would have failed at likewise, and unchanged what `sink` or `frames` raise.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pypsrp.complex_objects import PSInvocationState
from pypsrp.exceptions import WSManFaultError
from pypsrp.messages import ProgressRecord
from pypsrp.powershell import PowerShell

from hvbackup.remote.bulk_line import Line, NoAnswer, Reader, open_line, release, wait_for_lines
from hvbackup.remote.bulk_output import Output
from hvbackup.remote.fragments import (
    END_OF_PIPELINE_INPUT,
    PIPELINE_INPUT,
    BytesBroken,
    FragmentPacker,
    byte_array_message,
    message_header,
)
from hvbackup.remote.watch import LOOK_SECONDS, Watch

__all__ = ["begin_with_input", "receive_frames", "release", "send_frames"]

_log = logging.getLogger(__name__)

#: So many polls in a row without any answer, and the connection is lost.
_SILENT_POLLS = 8
#: pypsrp counts its messages from 1; ours must differ within one pool, and need only be positive (MS-PSRP 2.2.4).
_object_ids = itertools.count(1 << 40, 1 << 20)


def _poll(powershell: PowerShell) -> bool:
    powershell.poll_invoke(timeout=LOOK_SECONDS)
    return True


def receive_frames(
    powershell: PowerShell,
    sink: Callable[[bytes], None],
    *,
    watch: Watch,
    on_progress: Callable[[ProgressRecord], None] | None = None,
    poll: Callable[[PowerShell], bool] = _poll,
) -> list[str]:
    """Drain a pipeline that has begun: each `byte[]` goes to `sink`, in order; the texts are returned at its end.

    Errors and warnings of the pipeline stay in `powershell.streams`; other records are dropped, so that memory stays
    flat: never more is held than the answers of two round trips.

    Args:
        watch: Looked at each second and before each object, begun anew after each.
        on_progress: Gets each progress record of pypsrp.
        poll: Polls the pipeline once, by pypsrp's own way; returns whether the host answered.
    """
    output = Output(powershell, sink, watch, on_progress)
    with _guarded(output):
        line = open_line(powershell, "receive")
        if line is None:
            _poll_to_the_end(powershell, output, poll)
        else:
            reader = Reader(line, output)
            reader.begin()
            _read_to_the_end(reader, output)
    return output.texts


def begin_with_input(powershell: PowerShell) -> None:
    """Begin a pipeline that waits for the input of `send_frames`."""
    # An input that is None at once: pypsrp begins with the input open, sends nothing and does not end it.
    nothing: Iterator[Any] = (item for item in (None,))
    powershell.begin_invoke(input=nothing)


def send_frames(
    powershell: PowerShell,
    frames: Iterable[bytes],
    *,
    watch: Watch,
    on_progress: Callable[[ProgressRecord], None] | None = None,
    poll: Callable[[PowerShell], bool] = _poll,
) -> list[str]:
    """Give `byte[]` objects to a pipeline that `begin_with_input` began, end its input, and return its texts.

    Output is taken while input is sent, so that neither side waits for the other for ever (by pypsrp's own way only
    after it). A pipeline that ends before its input does is no error: its texts say why. The watch
    begins anew with each request that the host accepts, else as in `receive_frames`.
    """
    output = Output(powershell, None, watch, on_progress)
    with _guarded(output):
        receiving = open_line(powershell, "receive")
        sending = open_line(powershell, "send") if receiving is not None else None
        if receiving is None or sending is None:
            _send_by_pypsrp(powershell, frames, output)
            _poll_to_the_end(powershell, output, poll)
        else:
            reader = Reader(receiving, output)
            reader.begin()
            _send(sending, _payloads(powershell, frames, sending.payload_room, output), reader, output)
            _read_to_the_end(reader, output)
    return output.texts


@contextlib.contextmanager
def _guarded(output: Output) -> Iterator[None]:
    """Stop the pipeline when anything is raised, and give up the answers that are still to come."""
    powershell = output.powershell
    try:
        with _translated(output):
            yield
    except BaseException:
        release(powershell.runspace_pool.connection)
        if powershell.state == PSInvocationState.RUNNING:
            try:
                powershell.stop()
            except Exception as error:  # noqa: BLE001 - the first error is the one to tell
                _log.warning("a pipeline could not be stopped (%s)", type(error).__name__)
        raise


@contextlib.contextmanager
def _translated(output: Output) -> Iterator[None]:
    try:
        yield
    except NoAnswer as error:
        raise output.lost(str(error)) from None
    except BytesBroken as error:
        raise output.broken(error) from None


# ---------------------------------------------------------------- the fast way


def _read_to_the_end(reader: Reader, output: Output) -> None:
    while not reader.ended:
        if wait_for_lines([reader.line], output.watch.check):
            reader.step()


def _send(sending: Line, payloads: Iterator[bytes], reader: Reader, output: Output) -> None:
    """Send each payload; the next one is made ready while the host works on the last."""
    under_way = False
    for payload in payloads:
        if under_way and not _accepted(sending, reader, output):
            return
        sending.begin(payload)
        under_way = True
    _accepted(sending, reader, output)


def _accepted(sending: Line, reader: Reader, output: Output) -> bool:
    """Wait until the host has accepted a payload, reading output meanwhile; False when the pipeline has ended."""
    while not reader.ended:
        ready = wait_for_lines([sending, reader.line], output.watch.check)
        if reader.line in ready:
            reader.step()
        if sending in ready:
            break
    try:
        sending.answer()
    except WSManFaultError:
        # What the pipeline says of its end is worth more than that it takes no input any more.
        _read_what_is_there(reader, output)
        if not reader.ended:
            raise
        return False
    output.watch.restart()
    return not reader.ended


def _read_what_is_there(reader: Reader, output: Output) -> None:
    """Read until the pipeline ends, or until the host has nothing to say."""
    while not reader.ended and wait_for_lines([reader.line], output.watch.check):
        if not reader.step():
            return


def _payloads(powershell: PowerShell, frames: Iterable[bytes], room: int, output: Output) -> Iterator[bytes]:
    """Yield the contents of the envelopes that carry the frames and the end of input."""
    pool_id = powershell.runspace_pool.id
    packer = FragmentPacker(room, next(_object_ids))
    header = message_header(PIPELINE_INPUT, pool_id, powershell.id)
    for frame in frames:
        output.watch.check()
        yield from packer.add(byte_array_message(header, frame))
    yield from packer.add(message_header(END_OF_PIPELINE_INPUT, pool_id, powershell.id))
    yield packer.flush()


# ---------------------------------------------------------------- pypsrp's own way


def _poll_to_the_end(powershell: PowerShell, output: Output, poll: Callable[[PowerShell], bool]) -> None:
    silent = 0
    while powershell.state == PSInvocationState.RUNNING:
        output.watch.check()
        silent = 0 if poll(powershell) else silent + 1
        if silent >= _SILENT_POLLS:
            raise NoAnswer(f"{silent} requests in a row were not answered")
        items, powershell.output = powershell.output, []
        for item in items:
            output.take_object(item)
        output.drain_streams()


def _send_by_pypsrp(powershell: PowerShell, frames: Iterable[bytes], output: Output) -> None:
    pool = powershell.runspace_pool
    for payload in _payloads(powershell, frames, pool.connection.max_payload_size, output):
        output.watch.check()
        pool.shell.send("stdin", payload, command_id=powershell.id)
        output.watch.restart()
