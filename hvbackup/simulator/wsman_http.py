"""HTTP in front of the WSMan service: one handler for each TCP connection, because authentication belongs to it."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

from hvbackup.simulator.authentication import ConnectionIdentity, SealBroken
from hvbackup.simulator.faults import Denial, Moment, PlannedFault
from hvbackup.simulator.wsman_envelope import (
    INTERNAL_ERROR,
    Fault,
    MalformedEnvelope,
    Request,
    build_answer,
    build_fault,
    identify_answer,
    is_identify,
    parse_request,
)

if TYPE_CHECKING:
    from hvbackup.simulator.server import WSManServer

#: Room for what message encryption and headers of authentication add to an envelope.
_BODY_SLACK = 64 << 10
_STALLED_BODY_SECONDS = 60.0
_SOAP = "application/soap+xml;charset=UTF-8"
_SEALED = re.compile(r'multipart/(?:x-multi-)?encrypted;.*?protocol="([^"]+)"', re.IGNORECASE)


class Connection(BaseHTTPRequestHandler):
    """One TCP connection of a client."""

    protocol_version = "HTTP/1.1"
    server_version = "Microsoft-HTTPAPI/2.0"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    server: WSManServer

    def setup(self) -> None:
        """Begin; the TLS handshake is over."""
        super().setup()
        certificate = self.server.certificate_of(self.connection)
        self._identity = ConnectionIdentity(
            self.server.accounts, self.server.methods, certificate.endpoint_hash if certificate else None
        )
        # Asked for now: a connection that is dropped later has no certificate any more to ask for.
        self._client_name = _certificate_name(self.connection)
        self._challenges: tuple[str, ...] = ()
        self._cut = False

    def handle_one_request(self) -> None:
        """Wait for a request as long as the idle time allows, and answer it."""
        try:
            self.connection.settimeout(self.server.faults.idle_close)
            super().handle_one_request()
        except (ConnectionError, ssl.SSLError, TimeoutError):
            # The client has gone, or `server.stop` has closed the connection: there is nobody to tell.
            self.close_connection = True

    def finish(self) -> None:
        """End; a client that has gone is no error, and what could not be written keeps nothing open."""
        with contextlib.suppress(OSError):
            self.wfile.close()
        self.rfile.close()

    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing: the library never prints."""

    def do_GET(self) -> None:
        """Refuse: WSMan is POST only."""
        self.close_connection = True
        self._reply(HTTPStatus.METHOD_NOT_ALLOWED, b"")

    do_HEAD = do_PUT = do_DELETE = do_OPTIONS = do_GET  # noqa: N815 - names of http.server

    def do_POST(self) -> None:
        """Answer one request."""
        body = self._read_body()
        if body is None:
            return
        faults = self.server.faults
        if faults.delay:
            time.sleep(faults.delay)
        self.server.count_request()
        if is_identify(body) and (self.headers.get("WSMANIDENTIFY") or self._identity.user):
            self._reply(HTTPStatus.OK, identify_answer(self.server.os_version))
            return
        if not self._authenticate():
            return
        sealed = _SEALED.match(self.headers.get("Content-Type", ""))
        if sealed:
            try:
                body = self._identity.unseal(body)
            except SealBroken:
                # http.sys answers so when a message was sealed for another connection.
                self.close_connection = True
                self._reply(HTTPStatus.BAD_REQUEST, b"")
                return
        if not body:
            self._reply(HTTPStatus.OK, b"")
            return
        self._answer(body, sealed.group(1) if sealed else None)

    def _read_body(self) -> bytes | None:
        """Return the body of the request, or None after an error has been answered."""
        length = self.headers.get("Content-Length", "")
        status = None
        if not length.isdecimal():
            status = HTTPStatus.LENGTH_REQUIRED if not length else HTTPStatus.BAD_REQUEST
        elif int(length) > self.server.limits.envelope + _BODY_SLACK:
            status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        if status is not None:
            self.close_connection = True
            self._reply(status, b"")
            return None
        self.connection.settimeout(_STALLED_BODY_SECONDS)
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            self.close_connection = True
            return None
        return body

    def _authenticate(self) -> bool:
        faults = self.server.faults
        verdict = self._identity.authenticate(self.headers.get("Authorization", ""), self._client_name)
        self._challenges = verdict.challenges
        if verdict.user is not None and (faults.refuse_accounts or faults.not_administrator is Denial.HTTP_401):
            verdict = self._identity.refuse()
            self._challenges = verdict.challenges
        if verdict.user is None:
            self._reply(HTTPStatus.UNAUTHORIZED, b"")
            return False
        if faults.not_administrator is Denial.HTTP_403:
            self._reply(HTTPStatus.FORBIDDEN, b"")
            return False
        return True

    def _answer(self, body: bytes, protocol: str | None) -> None:
        try:
            request = parse_request(body)
        except MalformedEnvelope:
            self._reply(HTTPStatus.BAD_REQUEST, b"")
            return
        fault = self.server.faults.strike(request.verb)
        if fault is not None and fault.moment is Moment.REQUEST:
            self._strike(fault)
            return
        status, answer = self._serve(request)
        self._cut = fault is not None
        if protocol is not None:
            answer = self._identity.seal(answer, protocol)
            kind = f'multipart/encrypted;protocol="{protocol}";boundary="Encrypted Boundary"'
            self._reply(status, answer, kind)
        else:
            self._reply(status, answer)

    def _strike(self, fault: PlannedFault) -> None:
        self.close_connection = True
        if fault.status:
            self._reply(fault.status, b"")
            return
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _serve(self, request: Request) -> tuple[int, bytes]:
        user = self._identity.user or ""
        try:
            body = self.server.service.handle(request, user)
        except Fault as error:
            fault = error
        except Exception as error:  # noqa: BLE001 - whatever a request provokes, the client gets a fault
            fault = Fault(INTERNAL_ERROR, f"{type(error).__name__}: {error}")
        else:
            return HTTPStatus.OK, build_answer(request.action + "Response", request.message_id, body)
        return HTTPStatus.INTERNAL_SERVER_ERROR, build_fault(fault, request.message_id, self.server.computer_name)

    def _reply(self, status: int, body: bytes, content_type: str = _SOAP) -> None:
        self.send_response(status)
        for challenge in self._challenges:
            self.send_header("WWW-Authenticate", challenge)
        self._challenges = ()
        if body:
            self.send_header("Content-Type", content_type)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if self._cut else body)
        self.wfile.flush()
        if self._cut:
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)


def _certificate_name(connection: socket.socket) -> str | None:
    """Return the common name of the client's verified certificate, if it showed one."""
    try:
        certificate = connection.getpeercert() if isinstance(connection, ssl.SSLSocket) else None
    except (AttributeError, OSError, ValueError):
        return None  # dropped in this very moment: `SSLSocket.shutdown` takes the session away
    subject: Any = (certificate or {}).get("subject", ())
    return next((str(value) for names in subject for key, value in names if key == "commonName"), None)
