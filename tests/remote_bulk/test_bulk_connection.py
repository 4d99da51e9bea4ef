"""The bulk path's own connections: as trusted and as authenticated as pypsrp's, or none at all; secrets stay inside."""

from __future__ import annotations

import logging
import ssl
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from bulk_host import PASSWORD, begin, block, connect, open_pool
from pypsrp.exceptions import AuthenticationError
from pypsrp.powershell import RunspacePool
from pypsrp.wsman import WSMan

from hvbackup.errors import ConnectionLost
from hvbackup.remote import bulk, bulk_line
from hvbackup.remote.bulk import receive_frames
from hvbackup.remote.own_connection import OwnConnection, Unsuitable
from hvbackup.remote.watch import Watch
from hvbackup.simulator.faults import CertificateKind
from hvbackup.simulator.server import WSManServer


def receive(pool: RunspacePool) -> list[bytes]:
    found: list[bytes] = []
    with begin(pool, "frames 2 1000") as powershell:
        receive_frames(powershell, found.append, watch=Watch(timeout=60))
    return found


def kept(pool: RunspacePool) -> OwnConnection | None:
    """The connection that `receive` has left."""
    return bulk_line._kept[pool.connection]["receive"]


@pytest.mark.parametrize("auth", ["basic", "ntlm", "negotiate"])
def test_over_tls_the_own_connection_logs_on_by_the_same_method(auth: str, server: WSManServer) -> None:
    with open_pool(connect(server, auth=auth)) as pool:
        assert receive(pool) == [block(0, 1000), block(1, 1000)]
        assert kept(pool) is not None


def test_a_client_certificate_is_used_too(server: WSManServer) -> None:
    client = server.authority.client(server.username)
    wsman = WSMan(
        "127.0.0.1",
        port=server.port,
        auth="certificate",
        certificate_pem=str(client.certificate),
        certificate_key_pem=str(client.key),
        cert_validation=str(server.ca_file),  # type: ignore[arg-type]  # a path is allowed
        no_proxy=True,
    )
    with open_pool(wsman) as pool:
        assert receive(pool) == [block(0, 1000), block(1, 1000)]
        assert kept(pool) is not None


def test_sealed_http_has_no_own_connection_and_works(new_server: Callable[..., WSManServer]) -> None:
    with open_pool(connect(new_server(tls=False), auth="negotiate")) as pool:
        assert receive(pool) == [block(0, 1000), block(1, 1000)]
        assert kept(pool) is None


@pytest.mark.parametrize(
    "kind",
    [CertificateKind.UNTRUSTED, CertificateKind.EXPIRED, CertificateKind.WRONG_NAME],
    ids=lambda kind: kind.value,
)
def test_a_certificate_that_pypsrp_would_refuse_is_refused(
    kind: CertificateKind, new_server: Callable[..., WSManServer], caplog: pytest.LogCaptureFixture
) -> None:
    server = new_server()
    with open_pool(connect(server)) as pool:
        server.faults.certificate = kind
        with pytest.raises(ssl.SSLCertVerificationError):
            OwnConnection(pool.connection.transport)

        # pypsrp's own connection stands and was verified: the bytes go over it.
        assert receive(pool) == [block(0, 1000), block(1, 1000)]
        server.faults.certificate = CertificateKind.GOOD
    assert "a further connection was refused (SSLCertVerificationError)" in caplog.text


def test_an_own_connection_that_is_not_logged_on_any_more_is_refused(
    new_server: Callable[..., WSManServer],
) -> None:
    server = new_server()
    with open_pool(connect(server, auth="ntlm")) as pool:
        server.faults.refuse_accounts = True
        with pytest.raises(AuthenticationError):
            OwnConnection(pool.connection.transport)
        server.faults.refuse_accounts = False


def test_verification_that_is_off_for_pypsrp_is_off_here(new_server: Callable[..., WSManServer]) -> None:
    server = new_server()
    wsman = connect(server)
    wsman.transport.cert_validation = False
    with open_pool(wsman) as pool:
        assert receive(pool) == [block(0, 1000), block(1, 1000)]
        assert kept(pool) is not None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda transport, _patch: setattr(transport.session, "proxies", {"https": "http://proxy:3128"}), "a proxy"),
        (lambda _transport, patch: patch.setenv("HTTPS_PROXY", "http://proxy:3128"), "a proxy"),
        (lambda transport, _patch: setattr(transport.session, "auth", object()), "the authentication is basic"),
        (lambda transport, _patch: setattr(transport, "session", None), "not connected yet"),
    ],
    ids=["proxy", "proxy of the environment", "other authentication", "no session"],
)
def test_what_cannot_be_repeated_is_unsuitable(
    change: Callable[[Any, pytest.MonkeyPatch], None], reason: str, server: WSManServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_pool(connect(server)) as pool:
        transport: Any = pool.connection.transport
        session, auth, proxies = transport.session, transport.session.auth, transport.session.proxies
        if reason == "a proxy":
            session.proxies = {}
        change(transport, monkeypatch)
        with pytest.raises(Unsuitable, match=reason):
            OwnConnection(transport)
        transport.session = session
        session.auth, session.proxies = auth, proxies


def test_the_password_is_in_no_log_no_error_and_no_text(
    server: WSManServer, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG, "hvbackup")
    texts = []
    for auth in ("basic", "ntlm"):
        with open_pool(connect(server, auth=auth)) as pool:
            receive(pool)
            texts.append(repr(kept(pool)))
            with pytest.raises(ConnectionLost) as caught:
                receive_frames(begin(pool, "endless"), lambda _: server.drop_connections(), watch=Watch(timeout=60))
            texts += traceback.format_exception(caught.value)
            bulk.release(pool.connection)

    told = "".join(texts) + caplog.text + "".join(capsys.readouterr())
    assert "Traceback" in told
    assert PASSWORD not in told
    # base64 of Administrator:PASSWORD, as the Authorization header has it
    assert "QWRtaW5pc3RyYXRvcjpjNG5hcnktUGE1NXdvcmQ" not in told
