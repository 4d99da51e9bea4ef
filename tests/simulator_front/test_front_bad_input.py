"""What no client should send: an HTTP error or a fault each time, never silence, never a traceback."""

from __future__ import annotations

import base64
import contextlib
import http.client
import io
import re
import socket
import uuid
from collections.abc import Iterator

import pytest
from front_clients import PASSWORD, StartServer, opened_pool, run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hvbackup.simulator.server import WSManServer
from hvbackup.simulator.wsman_envelope import MalformedEnvelope, parse_duration, parse_request
from hvbackup.simulator.wsman_http import Connection

AUTHORIZATION = "Basic " + base64.b64encode(f"Administrator:{PASSWORD}".encode()).decode()
UNKNOWN = uuid.UUID("11111111-2222-4333-8444-555555555555")
SHELL_URI = "http://schemas.microsoft.com/powershell/Microsoft.PowerShell"
HEAD = (
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" '
    'xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
    'xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" '
    'xmlns:rsp="http://schemas.microsoft.com/wbem/wsman/1/windows/shell" '
    'xmlns:p="http://schemas.microsoft.com/powershell">'
)


@pytest.fixture(autouse=True)
def _silent(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    yield
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


def post(server: WSManServer, body: bytes, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("POST", "/wsman", body, {"Authorization": AUTHORIZATION, **headers})
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def envelope(verb: str, body: str, *, uri: str = SHELL_URI, shell: str = "") -> bytes:
    selector = f'<w:SelectorSet><w:Selector Name="ShellId">{shell}</w:Selector></w:SelectorSet>' if shell else ""
    return (
        f"{HEAD}<s:Header><a:Action>http://x/{verb}</a:Action><a:MessageID>uuid:1</a:MessageID>"
        f"<w:ResourceURI>{uri}</w:ResourceURI>{selector}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def fault_code(answer: tuple[int, bytes]) -> int:
    status, body = answer
    assert status == 500
    match = re.search(rb'WSManFault[^>]*Code="(\d+)"', body)
    assert match is not None
    return int(match[1])


@pytest.mark.parametrize(
    "body",
    [
        b"garbage",
        b"<a>",
        b"<a/>",
        b"\x00\xff" * 100,
        f"{HEAD}<s:Header/><s:Body/></s:Envelope>".encode(),
        f"{HEAD}<s:Body/></s:Envelope>".encode(),
        b'<!DOCTYPE x [<!ENTITY e "boom">]>' + envelope("Create", ""),
    ],
)
def test_what_is_no_envelope_is_http_400(server: WSManServer, body: bytes) -> None:
    assert post(server, body) == (400, b"")


def test_a_body_that_is_too_large_is_http_413_and_not_read(server: WSManServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.putrequest("POST", "/wsman")
    connection.putheader("Authorization", AUTHORIZATION)
    connection.putheader("Content-Length", str(10 << 30))
    connection.endheaders()

    assert connection.getresponse().status == 413
    connection.close()


def test_a_body_without_length_is_http_411(server: WSManServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.putrequest("POST", "/wsman")
    connection.endheaders()

    assert connection.getresponse().status == 411
    connection.close()


@pytest.mark.parametrize("length", ["-1", "x", "1e3"])
def test_a_length_that_is_no_number_is_http_400(server: WSManServer, length: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.putrequest("POST", "/wsman")
    connection.putheader("Content-Length", length)
    connection.endheaders()

    assert connection.getresponse().status == 400
    connection.close()


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
def test_other_methods_are_http_405(server: WSManServer, method: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request(method, "/wsman")

    assert connection.getresponse().status == 405
    connection.close()


@pytest.mark.parametrize("value", ["Basic", "Basic ####", "Negotiate ####", "Negotiate AAAA", "NTLM", "Digest x", "x"])
def test_an_authorization_that_is_none_is_http_401(server: WSManServer, value: str) -> None:
    assert post(server, b"", Authorization=value)[0] == 401


def test_a_sealed_message_without_context_is_http_400(server: WSManServer) -> None:
    kind = 'multipart/encrypted;protocol="application/HTTP-SPNEGO-session-encrypted";boundary="Encrypted Boundary"'

    assert post(server, b"--Encrypted Boundary\r\n", **{"Content-Type": kind}) == (400, b"")


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("Create", ""),
        ("Create", "<rsp:Shell/>"),
        ("Create", "<rsp:Shell><p:creationXml>####</p:creationXml></rsp:Shell>"),
        ("Create", "<rsp:Shell><p:creationXml>AAAA</p:creationXml></rsp:Shell>"),
        ("Create", f"<rsp:Shell><p:creationXml>{'A' * 4000}</p:creationXml></rsp:Shell>"),
        ("Dance", ""),
    ],
)
def test_requests_that_cannot_be_meant_get_a_fault(server: WSManServer, verb: str, body: str) -> None:
    fault_code(post(server, envelope(verb, body)))

    assert server.service.shells == ()


def test_an_unknown_resource_gets_a_fault(server: WSManServer) -> None:
    assert fault_code(post(server, envelope("Create", "<rsp:Shell/>", uri="http://nowhere/"))) == 2150858752


@pytest.mark.parametrize("verb", ["Command", "Send", "Receive", "Signal", "Delete", "Disconnect", "Connect", "Get"])
def test_an_unknown_shell_gets_the_shell_not_found_fault(server: WSManServer, verb: str) -> None:
    assert fault_code(post(server, envelope(verb, "", shell=str(uuid.uuid4())))) == 2150858843


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("Command", ""),
        ("Command", '<rsp:CommandLine CommandId="x"/>'),
        ("Command", "<rsp:CommandLine><rsp:Command/><rsp:Arguments>AAAA</rsp:Arguments></rsp:CommandLine>"),
        ("Receive", ""),
        ("Receive", f'<rsp:Receive><rsp:DesiredStream CommandId="{UNKNOWN}"/></rsp:Receive>'),
        ("Send", '<rsp:Send><rsp:Stream Name="stdin">AAAAAAAA</rsp:Stream></rsp:Send>'),
        ("Send", f'<rsp:Send><rsp:Stream Name="stdin" CommandId="{UNKNOWN}">AAAA</rsp:Stream></rsp:Send>'),
        ("Signal", ""),
        ("Connect", "<rsp:Connect><p:connectXml>AAAA</p:connectXml></rsp:Connect>"),
    ],
)
def test_malformed_requests_to_a_shell_get_a_fault_and_the_shell_lives_on(
    server: WSManServer, verb: str, body: str
) -> None:
    with opened_pool(server) as pool:
        fault_code(post(server, envelope(verb, body, shell=pool.id)))

        assert run(pool, "hostname") == ["HV01"]


def test_a_client_that_hangs_up_in_the_middle_of_its_body_does_no_harm(server: WSManServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(b"POST /wsman HTTP/1.1\r\nContent-Length: 100\r\n\r\nhalf")
    with opened_pool(server) as pool:
        assert run(pool, "hostname") == ["HV01"]


class BrokenPipe(io.BytesIO):
    """A stream whose last bytes cannot be written."""

    def close(self) -> None:
        super().close()
        raise BrokenPipeError


def test_a_client_that_is_gone_when_its_answer_comes_leaves_nothing_open() -> None:
    connection = Connection.__new__(Connection)
    connection.wfile, connection.rfile = BrokenPipe(), io.BytesIO()
    connection.finish()

    assert connection.wfile.closed
    assert connection.rfile.closed


def test_a_client_without_tls_on_the_tls_port_does_no_harm(start_server: StartServer) -> None:
    server = start_server(tls=True)
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(b"POST /wsman HTTP/1.1\r\n\r\n")
        connection.settimeout(10)
        with contextlib.suppress(ConnectionResetError):
            while connection.recv(4096):
                pass
    with opened_pool(server) as pool:
        assert run(pool, "hostname") == ["HV01"]


def test_no_request_line_is_http_400(server: WSManServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.settimeout(10)
        connection.sendall(b"\x16\x03\x01 garbage\r\n\r\n")

        assert b" 400 " in connection.recv(4096)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=300))
def test_whatever_arrives_as_psrp_data_gets_an_answer(server: WSManServer, data: bytes) -> None:
    text = base64.b64encode(data).decode()
    body = f"<rsp:Shell><p:creationXml>{text}</p:creationXml></rsp:Shell>"

    fault_code(post(server, envelope("Create", body)))


@given(data=st.binary(max_size=200))
def test_whatever_is_parsed_is_an_envelope_or_malformed(data: bytes) -> None:
    with pytest.raises(MalformedEnvelope):
        parse_request(data)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("PT20.000S", 20.0), ("PT1H2M3S", 3723.0), ("PT5M", 300.0), ("P0DT0H0M1.5S", 1.5), ("soon", 60.0), ("", 60.0)],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds
