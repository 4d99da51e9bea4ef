"""One client: its negotiation, then its requests, several at once."""

from __future__ import annotations

import contextlib
import logging
import queue
import socket
import threading
import time
from collections.abc import Mapping

from hvbackup.errors import HvBackupError
from hvbackup.events import EventSink, Note
from hvbackup.images.exports import Export
from hvbackup.images.nbd import protocol, requests
from hvbackup.images.nbd.negotiation import Agreement, Negotiation
from hvbackup.images.nbd.protocol import Command, Malformed, Request
from hvbackup.images.nbd.requests import Chunk, Refused

_log = logging.getLogger(__name__)

#: Threads that answer the requests of one client.
WORKERS = 4
#: How long a client may take to say what it wants.
NEGOTIATION_SECONDS = 30.0
#: How long a client that said good-bye has for taking the answers that are under way.
_FAREWELL_SECONDS = 10.0
#: Bytes of answers that are read or sent at a time for one client, and what the smallest request counts for.
_IN_FLIGHT = protocol.MAX_PAYLOAD
_LEAST = 64 * 1024
_JOINED = 64 * 1024


class _Gone(Exception):
    """The client went away, or has to."""


class _Budget:
    """Bytes that may be in flight; waits for room."""

    def __init__(self, limit: int) -> None:
        self._left = limit
        self._changed = threading.Condition()

    def take(self, amount: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._left >= amount)
            self._left -= amount

    def give(self, amount: int) -> None:
        with self._changed:
            self._left += amount
            self._changed.notify_all()


class Connection:
    """Serves one client in the thread that calls `run`, with some threads of its own.

    A client that sends requests and takes no answers holds up nobody but itself: what it asked for waits, within
    bounds, and the rest stays in its socket.
    """

    def __init__(self, client: socket.socket, exports: Mapping[str, Export], events: EventSink) -> None:
        self._client = client
        self._exports = exports
        self._events = events
        self._sending = threading.Lock()
        self._budget = _Budget(_IN_FLIGHT)
        self._waiting: queue.SimpleQueue[Request | None] = queue.SimpleQueue()

    def run(self) -> None:
        """Serve the client until it leaves, sends nonsense or `drop` is called. Raises nothing."""
        try:
            with self._client:
                agreement = self._negotiate()
                if agreement is not None:
                    self._transmit(agreement)
        except Malformed as error:
            tell(self._events, f"a client was sent away: it sent {error}")
        except (_Gone, OSError) as error:
            _log.debug("a client is gone: %s", error)

    def drop(self) -> None:
        """Cut the connection; whoever waits for the client wakes up. From any thread."""
        with contextlib.suppress(OSError):
            self._client.shutdown(socket.SHUT_RDWR)

    # ------------------------------------------------------------ negotiation

    def _negotiate(self) -> Agreement | None:
        deadline = time.monotonic() + NEGOTIATION_SECONDS
        self._client.settimeout(NEGOTIATION_SECONDS)
        self._client.sendall(protocol.GREETING)
        flags = protocol.parse_client_flags(self._receive(protocol.CLIENT_FLAGS.size, deadline))
        negotiation = Negotiation(self._exports, flags)
        while True:
            header = self._receive(protocol.OPTION_HEADER.size, deadline)
            option, length = protocol.parse_option_header(header)
            answer = negotiation.answer(option, self._receive(length, deadline))
            self._client.sendall(answer.data)
            if answer.agreement is not None or answer.ends:
                return answer.agreement

    def _receive(self, size: int, deadline: float | None = None) -> bytes:
        received = bytearray()
        while len(received) < size:
            if deadline is not None:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise _Gone("it did not say in time what it wants")
                self._client.settimeout(left)
            piece = self._client.recv(min(size - len(received), protocol.MIB))
            if not piece:
                raise _Gone("it hung up")
            received += piece
        return bytes(received)

    # ------------------------------------------------------------ requests

    def _transmit(self, agreement: Agreement) -> None:
        self._client.settimeout(None)
        workers = [threading.Thread(target=self._work, args=(agreement,), daemon=True) for _ in range(WORKERS)]
        for worker in workers:
            worker.start()
        try:
            self._take_requests()
        finally:
            for _ in workers:
                self._waiting.put(None)
            deadline = time.monotonic() + _FAREWELL_SECONDS
            for worker in workers:
                worker.join(max(0.0, deadline - time.monotonic()))
            self.drop()

    def _take_requests(self) -> None:
        while True:
            request = protocol.parse_request(self._receive(protocol.REQUEST_HEADER.size))
            if request.command == Command.DISCONNECT:
                return
            self._skip(requests.payload_length(request))
            self._budget.take(_cost(request))
            self._waiting.put(request)

    def _skip(self, length: int) -> None:
        """Take the data of a write off the line; they are refused."""
        if length > protocol.MAX_PAYLOAD:
            raise Malformed(f"a write of {length} bytes")
        for start in range(0, length, protocol.MIB):
            self._receive(min(protocol.MIB, length - start))

    def _work(self, agreement: Agreement) -> None:
        while (request := self._waiting.get()) is not None:
            try:
                self._serve(agreement, request)
            except OSError as error:
                _log.debug("an answer was not taken: %s", error)
                self.drop()
            except Exception:  # noqa: BLE001 - a mistake of ours ends this connection, and no other
                _log.exception("a request could not be answered: %s", request)
                self.drop()
            finally:
                self._budget.give(_cost(request))

    def _serve(self, agreement: Agreement, request: Request) -> None:
        try:
            for chunk in requests.answer(agreement, request):
                self._send(chunk)
        except Refused as error:
            if error.reads_failed:
                tell(self._events, f"{agreement.name or 'disk'}: {error.message}")
            self._send((requests.refusal(agreement, request, error),))

    def _send(self, chunk: Chunk) -> None:
        with self._sending:
            if sum(map(len, chunk)) <= _JOINED:
                chunk = (b"".join(chunk),)
            for part in chunk:
                self._client.sendall(part)


def tell(events: EventSink, text: str) -> None:
    """Give people a line; a sink that fails does not stop a server."""
    try:
        events(Note(text=text, level="warning"))
    except (HvBackupError, OSError) as error:
        _log.warning("%s (and it could not be shown: %s)", text, error)


def _cost(request: Request) -> int:
    length = request.length if request.command == Command.READ else 0
    return max(_LEAST, min(length, _IN_FLIGHT))
