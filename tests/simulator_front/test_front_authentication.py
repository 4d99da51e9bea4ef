"""Who gets in, and how: stock clients against accounts, methods and certificates."""

from __future__ import annotations

import base64
import http.client
import os
import ssl
import tempfile
from pathlib import Path
from typing import Any

import pytest
import requests
import spnego
import winrm
from front_clients import PASSWORD, StartServer, client_options, connected, opened_pool, run
from hypothesis import given
from hypothesis import strategies as st
from pypsrp.exceptions import AuthenticationError
from pypsrp.powershell import RunspacePool
from pypsrp.wsman import WSMan

from hvbackup.simulator.authentication import METHODS, Accounts, ConnectionIdentity, SealBroken
from hvbackup.simulator.server import WSManServer

IDENTIFY = (
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" '
    'xmlns:i="http://schemas.dmtf.org/wbem/wsman/identify/1/wsmanidentity.xsd">'
    "<s:Header/><s:Body><i:Identify/></s:Body></s:Envelope>"
)


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("auth", ["basic", "ntlm", "negotiate"])
def test_an_administrator_gets_in(start_server: StartServer, tls: bool, auth: str) -> None:
    server = start_server(tls=tls)
    with opened_pool(server, auth=auth) as pool:
        assert run(pool, "hostname") == ["HV01"]
        assert [shell.owner.lower() for shell in server.service.shells] == ["administrator"]


def test_a_logon_takes_no_variable_away_from_other_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NTLM_USER_FILE", raising=False)
    with Accounts({"anna": PASSWORD}, tmp_path).for_acceptor():
        names = list(os.environ)  # where `os.environ.items()` of another thread begins

    assert "NTLM_USER_FILE" in names
    assert "" == {name: os.environ[name] for name in names}["NTLM_USER_FILE"]


@pytest.mark.parametrize("auth", ["ntlm", "negotiate"])
def test_messages_are_sealed_over_http(start_server: StartServer, auth: str, monkeypatch: pytest.MonkeyPatch) -> None:
    unsealed: list[bytes] = []
    original = ConnectionIdentity.unseal

    def unseal(self: ConnectionIdentity, body: bytes) -> bytes:
        assert b"hostname" not in body
        unsealed.append(original(self, body))
        return unsealed[-1]

    monkeypatch.setattr(ConnectionIdentity, "unseal", unseal)
    with opened_pool(start_server(), auth=auth) as pool:
        run(pool, "hostname")
        output = run(pool, "send 3 100000")

    assert len(unsealed) > 8
    assert [len(block) for block in output] == [100000] * 3


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("auth", ["basic", "ntlm", "negotiate"])
def test_a_wrong_password_is_refused(start_server: StartServer, tls: bool, auth: str) -> None:
    server = start_server(tls=tls)
    with WSMan("127.0.0.1", **client_options(server, auth=auth, password="guess")) as wsman:
        pool = RunspacePool(wsman)
        with pytest.raises(AuthenticationError):
            pool.open()


def test_a_domain_in_front_of_the_name_does_not_matter(server: WSManServer) -> None:
    with connected(server, auth="ntlm", username="HV01\\administrator") as wsman, RunspacePool(wsman) as pool:
        assert run(pool, "hostname") == ["HV01"]


def test_a_password_beyond_ascii_works_everywhere(start_server: StartServer) -> None:
    server = start_server(accounts={"Administrator": "p\u00e4ssw\u00f6rd"})
    for auth in ("basic", "ntlm"):
        with connected(server, auth=auth, password="p\u00e4ssw\u00f6rd") as wsman, RunspacePool(wsman) as pool:
            assert run(pool, "hostname") == ["HV01"]


def test_two_servers_in_one_process_keep_their_accounts_apart(start_server: StartServer) -> None:
    first, second = start_server(), start_server(accounts={"Administrator": "other"})
    with opened_pool(first, auth="ntlm") as pool:
        assert run(pool, "hostname") == ["HV01"]
    with WSMan("127.0.0.1", **client_options(second, auth="ntlm")) as wsman, pytest.raises(AuthenticationError):
        RunspacePool(wsman).open()


def test_only_the_methods_allowed_are_offered(start_server: StartServer) -> None:
    server = start_server(methods={"basic"})
    answer = requests.post(server.endpoint, data=b"", timeout=10)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="WSMAN"'
    answer.close()


def test_wrong_channel_bindings_are_refused(start_server: StartServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server = start_server(tls=True)
    original = ConnectionIdentity.__init__

    def other_certificate(self: ConnectionIdentity, *arguments: Any) -> None:
        original(self, arguments[0], arguments[1], b"hash of another certificate")

    monkeypatch.setattr(ConnectionIdentity, "__init__", other_certificate)
    with WSMan("127.0.0.1", **client_options(server, auth="ntlm")) as wsman, pytest.raises(AuthenticationError):
        RunspacePool(wsman).open()


@pytest.mark.parametrize("auth", ["ntlm", "negotiate"])
def test_a_client_without_channel_bindings_gets_in(start_server: StartServer, auth: str) -> None:
    server = start_server(tls=True)
    with connected(server, auth=auth, negotiate_send_cbt=False) as wsman, RunspacePool(wsman) as pool:
        assert run(pool, "hostname") == ["HV01"]


def test_a_message_sealed_for_no_connection_is_refused(server: WSManServer) -> None:
    identity = ConnectionIdentity(server.accounts, frozenset({"ntlm"}), None)

    with pytest.raises(SealBroken):
        identity.unseal(b"--Encrypted Boundary\r\n")


def test_a_client_certificate_gets_in_where_its_name_is_an_account(start_server: StartServer) -> None:
    server = start_server(tls=True)
    good, bad = server.authority.client("Administrator"), server.authority.client("Nobody")
    for files, accepted in ((good, True), (bad, False)):
        options = client_options(
            server, auth="certificate", certificate_pem=str(files.certificate), certificate_key_pem=str(files.key)
        )
        with WSMan("127.0.0.1", **options) as wsman:
            pool = RunspacePool(wsman)
            if accepted:
                with pool:
                    assert run(pool, "hostname") == ["HV01"]
            else:
                with pytest.raises(AuthenticationError):
                    pool.open()


def test_pywinrm_gets_in_by_a_client_certificate(start_server: StartServer) -> None:
    server = start_server(tls=True)
    files = server.authority.client("Administrator")
    session = winrm.Session(
        server.endpoint,
        auth=("", ""),
        transport="certificate",
        cert_pem=str(files.certificate),
        cert_key_pem=str(files.key),
        ca_trust_path=str(server.ca_file),
    )
    answer = session.run_cmd("hostname")
    session.protocol.transport.close_session()

    assert answer.std_out == b"HV01\r\n"


def test_identify_needs_no_account(server: WSManServer) -> None:
    headers = {"WSMANIDENTIFY": "unauthenticated", "Content-Type": "application/soap+xml;charset=UTF-8"}
    answer = requests.post(server.endpoint, data=IDENTIFY, headers=headers, timeout=10)

    assert answer.status_code == 200
    assert "<wsmid:ProductVersion>OS: 10.0.20348 SP: 0.0 Stack: 3.0</wsmid:ProductVersion>" in answer.text
    answer.close()


def test_the_password_is_random_for_each_server() -> None:
    with WSManServer() as first, WSManServer() as second:
        assert first.username == second.username == "Administrator"
        assert len(first.password) >= 20
        assert first.password != second.password


def test_an_impossible_account_is_refused() -> None:
    with pytest.raises(ValueError, match="not possible in a simulated account"):
        WSManServer(accounts={"Administrator": "with:colon"})


def test_the_servers_certificate_is_checked_by_name(start_server: StartServer) -> None:
    server = start_server(tls=True)
    context = ssl.create_default_context(cafile=str(server.ca_file))
    connection = http.client.HTTPSConnection("localhost", server.port, context=context, timeout=10)
    connection.request("GET", "/wsman")
    assert connection.getresponse().status == 405
    connection.close()


@given(scheme=st.sampled_from(["Negotiate", "NTLM"]), token=st.binary(max_size=120), real_start=st.booleans())
def test_whatever_is_no_token_is_refused(scheme: str, token: bytes, real_start: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        accounts = Accounts({"Administrator": PASSWORD}, Path(folder))
        identity = ConnectionIdentity(accounts, METHODS, None)
        start = b"NTLMSSP\x00\x03\x00\x00\x00" if real_start else b""
        for value in (start + token, token):
            text = base64.b64encode(value).decode()
            assert identity.authenticate(f"{scheme} {text}", None).user is None


@given(body=st.binary(max_size=200))
def test_whatever_is_no_sealed_message_is_broken(body: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        identity = _logged_on(Accounts({"Administrator": PASSWORD}, Path(folder)))
        parts = b"--Encrypted Boundary\r\nhead\r\n--Encrypted Boundary\r\n" + body
        with pytest.raises(SealBroken):
            identity.unseal(parts)


def _logged_on(accounts: Accounts) -> ConnectionIdentity:
    client = spnego.client("Administrator", PASSWORD, protocol="ntlm", options=spnego.NegotiateOptions.use_ntlm)
    identity = ConnectionIdentity(accounts, METHODS, None)
    token = client.step()
    while identity.user is None:
        assert token is not None
        verdict = identity.authenticate(f"NTLM {base64.b64encode(token).decode()}", None)
        if verdict.challenges:
            token = client.step(base64.b64decode(verdict.challenges[0].partition(" ")[2]))
    return identity
