"""Bulk requests of one pipeline over a connection that is kept from call to call, and a reader of its output."""

from __future__ import annotations

import http.client
import logging
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

from pypsrp.complex_objects import PSInvocationState
from pypsrp.exceptions import AuthenticationError, WinRMTransportError, WSManFaultError
from pypsrp.powershell import PowerShell
from pypsrp.wsman import WSMan
from spnego.exceptions import SpnegoError

from hvbackup.remote.bulk_output import Output
from hvbackup.remote.envelope import Envelope, Shell, check_answers, is_done, read_fault, streams
from hvbackup.remote.fragments import PIPELINE_STATE, BytesBroken, FragmentJoiner, Message
from hvbackup.remote.own_connection import OwnConnection, Unsuitable, wait_for_any
from hvbackup.remote.watch import LOOK_SECONDS

_log = logging.getLogger(__name__)

_OPERATION_TIMED_OUT = 0x80338029
_OK, _UNAUTHORIZED = 200, 401

#: Connections that are kept, by the `WSMan` beside which they run and by what they carry; None: there cannot be one.
_kept: weakref.WeakKeyDictionary[WSMan, dict[str, OwnConnection | None]] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


class NoAnswer(Exception):
    """The connection broke, or nothing came over it for too long."""


class Line:
    """Requests of one kind, one after the other."""

    def __init__(self, connection: OwnConnection, envelope: Envelope, envelope_bytes: int, patience: float) -> None:
        self.connection = connection
        self.payload_room = envelope.payload_room(envelope_bytes)
        self.patience = patience
        self._envelope = envelope
        self._message_id = b""
        self.asked_at = 0.0

    def begin(self, payload: bytes = b"") -> None:
        """Send the next request."""
        self._message_id, request = self._envelope.render(payload)
        self.asked_at = time.monotonic()
        try:
            self.connection.begin(request)
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswer(type(error).__name__) from None

    def answer(self) -> bytes | None:
        """Return the answer; None when the host had nothing to say in time.

        Raises:
            NoAnswer: The connection broke.
            WSManFaultError, WinRMTransportError, AuthenticationError: The host refused.
        """
        try:
            status, content = self.connection.finish()
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswer(type(error).__name__) from None
        if status == _OK:
            check_answers(content, self._message_id)
            return content
        if status == _UNAUTHORIZED:
            raise AuthenticationError("the host refused a request of the bulk path")
        fault = read_fault(content)
        if fault is None:
            raise WinRMTransportError("http", status, "")
        if fault.code == _OPERATION_TIMED_OUT:
            return None
        raise WSManFaultError(fault.code, None, fault.reason, None, None, None)


class Reader:
    """Reads the output of a pipeline; asks for more before it works on what came."""

    def __init__(self, line: Line, output: Output) -> None:
        self.line = line
        self.ended = False
        self._output = output
        self._joiner = FragmentJoiner()

    def begin(self) -> None:
        """Ask for the first output."""
        self.line.begin()

    def step(self) -> bool:
        """Take the answer that has begun to arrive; return whether there was any output in it."""
        answer = self.line.answer()
        if answer is None:
            self.line.begin()
            return False
        messages = [message for part in streams(answer) for message in self._joiner.feed(part)]
        done = is_done(answer)
        if not done and not _has_state(messages):
            self.line.begin()
            self._take(messages)
            return True
        self._take(messages)
        if self._output.powershell.state == PSInvocationState.RUNNING:
            if done:
                raise BytesBroken("the pipeline ended without saying how", lost=True)
            self.line.begin()
            return True
        if not self._joiner.is_between_messages:
            raise BytesBroken("the pipeline ended within a message", lost=True)
        self.ended = True
        return True

    def _take(self, messages: list[Message]) -> None:
        messages.reverse()
        while messages:
            self._output.take(messages.pop())


def _has_state(messages: list[Message]) -> bool:
    return any(kind == PIPELINE_STATE for kind, _, _ in messages)


def wait_for_lines(lines: list[Line], check: Callable[[], None]) -> list[Line]:
    """Wait until an answer arrives on one of the lines, and look at `check` each second.

    Raises:
        NoAnswer: The host was silent for longer than it may be.
    """
    while True:
        check()
        try:
            ready = wait_for_any([line.connection for line in lines], LOOK_SECONDS)
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise NoAnswer(type(error).__name__) from None
        if ready:
            return [line for line in lines if line.connection in ready]
        now = time.monotonic()
        for line in lines:
            if now - line.asked_at > line.patience:
                raise NoAnswer(f"no answer for {line.patience:g} s")


# ---------------------------------------------------------------- connections that are kept


def open_line(powershell: PowerShell, kind: str) -> Line | None:
    """Return a line for `receive` or `send` requests of a pipeline; None when pypsrp's own way must serve."""
    pool = powershell.runspace_pool
    wsman = pool.connection
    transport: Any = wsman.transport
    try:
        pool._parse_responses  # noqa: B018, SLF001 - the one private name of pypsrp; Output uses it
        # A host that has no output says so in time for a look at the watch.
        seconds = LOOK_SECONDS if kind == "receive" else wsman.operation_timeout
        shell = Shell(
            transport.endpoint,
            pool.shell.resource_uri,
            str(pool.shell.id),
            str(wsman.session_id).upper(),
            wsman.locale,
            wsman.data_locale,
            wsman.max_envelope_size,
            seconds,
        )
        envelope = Envelope.receive(shell, powershell.id) if kind == "receive" else Envelope.send(shell, powershell.id)
        connection = _connection(wsman, kind)
        patience = seconds + transport.read_timeout
    except AttributeError as error:
        _log.warning("this pypsrp has no %s; block bytes travel slowly", error.name)
        return None
    if connection is None:
        return None
    return Line(connection, envelope, wsman.max_envelope_size, patience)


def _connection(wsman: WSMan, kind: str) -> OwnConnection | None:
    """Return the kept connection, or a new one; None when there cannot be one beside pypsrp's."""
    with _lock:
        kept = _kept.get(wsman)
        if kept is None:
            kept = _kept[wsman] = {}
            weakref.finalize(wsman, _close_all, kept)
    if kind in kept:
        connection = kept[kind]
        if connection is None or not _is_stale(connection):
            return connection
        connection.close()
        del kept[kind]
    try:
        kept[kind] = OwnConnection(wsman.transport)
    except Unsuitable as reason:
        _log.info("block bytes travel by pypsrp's own connection: %s", reason)
        kept[kind] = None
    except (OSError, http.client.HTTPException, AuthenticationError, SpnegoError) as error:
        # pypsrp's own connection stands and is verified; if it falls too, its error is the one to tell.
        _log.warning("a further connection was refused (%s); block bytes travel slowly", type(error).__name__)
        return None
    return kept[kind]


def _is_stale(connection: OwnConnection) -> bool:
    """Whether a connection on which nothing is due has something to say: that it was closed."""
    try:
        return connection.is_ready(0)
    except (OSError, ValueError, http.client.HTTPException):
        return True


def release(wsman: WSMan) -> None:
    """Close the connections that run beside a `WSMan`, with what is under way; they are opened again when needed."""
    with _lock:
        kept = _kept.get(wsman)
    if kept is not None:
        _close_all(kept)


def _close_all(kept: dict[str, OwnConnection | None]) -> None:
    for kind, connection in list(kept.items()):
        if connection is not None:
            connection.close()
            del kept[kind]
