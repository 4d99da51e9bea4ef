"""An HTTP(S) connection of the bulk path's own, as trusted and as authenticated as pypsrp's.

It takes everything from the session that pypsrp has set up and used already: what is verified by which certificates,
client certificate, headers, authentication. Where that cannot be repeated faithfully (`Unsuitable`) the bulk path uses
pypsrp's connection: sealed HTTP, a proxy, CredSSP.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import re
import select
import socket
import ssl
from pathlib import Path
from typing import Any

from pypsrp.exceptions import AuthenticationError
from pypsrp.negotiate import HTTPNegotiateAuth
from requests import PreparedRequest, Request
from requests.auth import HTTPBasicAuth
from requests.utils import DEFAULT_CA_BUNDLE_PATH, resolve_proxies, select_proxy
from urllib3.util.ssl_ import create_urllib3_context

_TOKEN = re.compile(r"(?:Kerberos|Negotiate|NTLM)\s+([A-Za-z0-9+/=]+)", re.IGNORECASE)
_UNAUTHORIZED = 401


class Unsuitable(Exception):
    """This connection cannot be repeated beside pypsrp's; the text says why, and holds no secret."""


class OwnConnection:
    """One connection, one request at a time: `begin`, then `finish`."""

    def __init__(self, transport: Any) -> None:
        """Connect and authenticate as `transport` (pypsrp's `_TransportHTTP`) has done.

        Raises:
            Unsuitable: See the module.
            OSError: No connection, or a certificate that is not trusted.
            pypsrp.exceptions.AuthenticationError: The host took pypsrp's logon, but not this one.
        """
        session = transport.session
        if transport.wrap_required:
            raise Unsuitable("messages are sealed")
        if session is None:
            raise Unsuitable("pypsrp has not connected yet")
        if not (session.auth is None or isinstance(session.auth, (HTTPBasicAuth, HTTPNegotiateAuth))):
            raise Unsuitable(f"the authentication is {transport.auth}")
        prepared = session.prepare_request(Request("POST", transport.endpoint, data=b""))
        proxies = resolve_proxies(prepared, session.proxies, session.trust_env)
        if select_proxy(transport.endpoint, proxies):
            raise Unsuitable("there is a proxy")
        self._path = "/" + transport.path
        self._headers = _headers(prepared)
        self._negotiate = session.auth if isinstance(session.auth, HTTPNegotiateAuth) else None
        self._request = b""
        self._http = _open(transport)
        try:
            if self._negotiate is not None:
                self._authenticate()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection; a request that is under way is given up."""
        self._http.close()

    def begin(self, body: bytes) -> None:
        """Send one request."""
        self._request = body
        self._http.request("POST", self._path, body, self._headers)

    def is_ready(self, seconds: float) -> bool:
        """Wait at most `seconds` for the beginning of the answer."""
        return bool(wait_for_any([self], seconds))

    def finish(self) -> tuple[int, bytes]:
        """Return status and content of the answer."""
        response = self._http.getresponse()
        content = response.read()
        if response.status == _UNAUTHORIZED and self._negotiate is not None:
            # A host may want each request authenticated; the request has not been looked at.
            self._authenticate()
            self._http.request("POST", self._path, self._request, self._headers)
            response = self._http.getresponse()
            content = response.read()
        return response.status, content

    @property
    def socket(self) -> socket.socket:
        """The connection's socket."""
        found: socket.socket | None = self._http.sock
        if found is None:
            raise http.client.NotConnected
        return found

    def _authenticate(self) -> None:
        """Log on by Negotiate, NTLM or Kerberos, the way pypsrp's own connection did (RFC 4559)."""
        auth = self._negotiate
        assert auth is not None  # noqa: S101 - only called with one
        scheme = _scheme(auth)
        context = _security_context(auth, scheme, self._http.host, self.socket)
        token = context.step()
        status = _UNAUTHORIZED
        while token is not None or not context.complete:
            text = base64.b64encode(token or b"").decode()
            self._http.request("POST", self._path, b"", {**self._headers, "Authorization": f"{scheme} {text}"})
            response = self._http.getresponse()
            response.read()
            status = response.status
            match = _TOKEN.search(response.headers.get("WWW-Authenticate", ""))
            if match is None:
                break
            token = context.step(base64.b64decode(match[1]))
        if status == _UNAUTHORIZED:
            raise AuthenticationError("the host refused the logon of a further connection")


def wait_for_any(connections: list[OwnConnection], seconds: float) -> list[OwnConnection]:
    """Wait at most `seconds`; return the connections on which an answer has begun to arrive."""
    buffered = [each for each in connections if isinstance(each.socket, ssl.SSLSocket) and each.socket.pending()]
    if buffered:
        return buffered
    readable, _, _ = select.select([each.socket for each in connections], [], [], seconds)
    return [each for each in connections if each.socket in readable]


def _headers(prepared: PreparedRequest) -> dict[str, str]:
    headers = {str(name): value for name, value in prepared.headers.items() if name.lower() != "content-length"}
    headers["Content-Type"] = "application/soap+xml;charset=UTF-8"
    return headers


def _open(transport: Any) -> http.client.HTTPConnection:
    place: dict[str, Any] = {"timeout": transport.connection_timeout, "blocksize": 1 << 18}
    if transport.ssl:
        context = _tls_context(transport)
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            transport.server, transport.port, context=context, **place
        )
    else:
        connection = http.client.HTTPConnection(transport.server, transport.port, **place)
    connection.connect()
    connection.sock.settimeout(transport.read_timeout)
    return connection


def _tls_context(transport: Any) -> ssl.SSLContext:
    """Return a context that verifies what requests verifies for this session, by the same certificates."""
    session = transport.session
    context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
    if session.verify is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        bundle = Path(DEFAULT_CA_BUNDLE_PATH if session.verify is True else session.verify)
        if bundle.is_dir():
            context.load_verify_locations(capath=str(bundle))
        else:
            context.load_verify_locations(cafile=str(bundle))
        context.check_hostname = True
    if session.cert:
        certificate, key = (session.cert, None) if isinstance(session.cert, str) else session.cert
        context.load_cert_chain(certificate, key, transport.certificate_key_password)
    return context


def _scheme(auth: HTTPNegotiateAuth) -> str:
    """Return the authentication scheme on which host and pypsrp agreed."""
    for context in auth.contexts.values():
        scheme: str = getattr(context, "response_auth_header", "")
        if scheme:
            return {"ntlm": "NTLM"}.get(scheme, scheme.capitalize())
    raise Unsuitable("pypsrp has not logged on yet")


def _security_context(auth: HTTPNegotiateAuth, scheme: str, host: str, connected: socket.socket) -> Any:
    import spnego

    protocol = auth.auth_provider
    if protocol == "negotiate":
        protocol = scheme.lower()
    request = spnego.ContextReq.default
    if auth.delegate:
        request |= spnego.ContextReq.delegate
    return spnego.client(
        auth.username,
        auth.password,
        hostname=auth.hostname_override or host,
        service=auth.service,
        channel_bindings=_channel_bindings(connected) if auth.send_cbt else None,
        context_req=request,
        protocol=protocol,
    )


def _channel_bindings(connected: socket.socket) -> Any:
    """Bind the logon to the TLS connection (RFC 5929, tls-server-end-point); None without TLS."""
    if not isinstance(connected, ssl.SSLSocket):
        return None
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes
    from spnego.channel_bindings import GssChannelBindings

    encoded = connected.getpeercert(binary_form=True) or b""
    algorithm: hashes.HashAlgorithm | None = None
    with contextlib.suppress(UnsupportedAlgorithm):
        algorithm = x509.load_der_x509_certificate(encoded).signature_hash_algorithm
    if algorithm is None or algorithm.name in ("md5", "sha1"):
        algorithm = hashes.SHA256()
    digest = hashes.Hash(algorithm)
    digest.update(encoded)
    return GssChannelBindings(application_data=b"tls-server-end-point:" + digest.finalize())
