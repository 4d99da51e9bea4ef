"""What goes wrong between a client and the host, on demand."""

from __future__ import annotations

import ssl
import threading
import time

import pytest
import requests
import winrm
from front_clients import PASSWORD, StartServer, client_options, connected, opened_pool, run
from pypsrp.exceptions import AuthenticationError, WinRMTransportError, WSManFaultError
from pypsrp.powershell import PowerShell, RunspacePool
from pypsrp.shell import WinRS
from pypsrp.wsman import WSMan

from hvbackup.simulator.faults import CertificateKind, Denial, Faults
from hvbackup.simulator.server import WSManServer


def test_a_slow_link_adds_its_delay_to_every_request(server: WSManServer) -> None:
    with opened_pool(server) as pool:
        server.faults.delay = 0.05
        before, began = server.requests, time.monotonic()
        run(pool, "hostname")
        took, made = time.monotonic() - began, server.requests - before
        server.faults.clear()

    assert made == 3
    assert took >= 3 * 0.05


def test_a_connection_breaks_in_the_nth_request_before_anything_is_done(server: WSManServer) -> None:
    with opened_pool(server) as pool:
        server.faults.drop_connection(at=2, verb="Command")
        assert run(pool, "hostname") == ["HV01"]
        powershell = PowerShell(pool).add_script("hostname")
        with pytest.raises(requests.exceptions.ConnectionError):
            powershell.begin_invoke()

        assert server.service.shells[0].commands == {}
        assert run(pool, "hostname") == ["HV01"]


def test_a_connection_breaks_in_the_middle_of_an_answer_after_it_was_done(server: WSManServer) -> None:
    with opened_pool(server) as pool:
        server.faults.drop_connection(verb="Command", during="response")
        powershell = PowerShell(pool).add_script("hostname")
        with pytest.raises((requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError)):
            powershell.begin_invoke()

        assert len(server.service.shells[0].commands) == 1


@pytest.mark.parametrize("status", [400, 500, 503])
def test_the_nth_request_is_answered_by_an_http_status(server: WSManServer, status: int) -> None:
    with opened_pool(server) as pool:
        server.faults.answer_http(status, at=1, verb="Receive")
        powershell = PowerShell(pool).add_script("hostname")
        powershell.begin_invoke()
        with pytest.raises(WinRMTransportError) as caught:
            powershell.poll_invoke()

        assert caught.value.code == status
        assert powershell.end_invoke() == ["HV01"]
        powershell.close()


def test_an_idle_connection_is_closed_and_basic_over_http_recovers(server: WSManServer) -> None:
    with opened_pool(server) as pool:
        server.faults.idle_close = 1.0  # longer than a busy machine pauses between two requests of one run
        run(pool, "hostname")
        _wait_until_no_connection(server)
        server.faults.clear()

        assert run(pool, "hostname") == ["HV01"]


def test_a_sealed_session_whose_connection_was_dropped_gets_http_400(server: WSManServer) -> None:
    wsman = WSMan("127.0.0.1", **client_options(server, auth="ntlm"))
    pool = RunspacePool(wsman)
    pool.open()
    server.drop_connections()
    _wait_until_no_connection(server)
    powershell = PowerShell(pool).add_script("hostname")
    with pytest.raises(WinRMTransportError) as caught:
        powershell.begin_invoke()
    wsman.close()

    assert caught.value.code == 400


def test_one_command_too_many_is_refused_until_others_are_closed(server: WSManServer) -> None:
    server.faults.max_commands = 3
    with opened_pool(server) as pool:
        for _ in range(3):
            PowerShell(pool).add_script("hostname").invoke()
        with pytest.raises(WSManFaultError) as caught:
            PowerShell(pool).add_script("hostname").invoke()
    with opened_pool(server) as pool:
        for _ in range(8):
            assert run(pool, "hostname") == ["HV01"]

    assert caught.value.code == 2150859174


@pytest.mark.parametrize("auth", ["basic", "ntlm", "negotiate"])
def test_every_account_is_refused(server: WSManServer, auth: str) -> None:
    server.faults.refuse_accounts = True
    with WSMan("127.0.0.1", **client_options(server, auth=auth)) as wsman, pytest.raises(AuthenticationError):
        RunspacePool(wsman).open()


def test_an_account_that_is_no_administrator_gets_the_access_denied_fault(server: WSManServer) -> None:
    server.faults.not_administrator = Denial.FAULT
    with WSMan("127.0.0.1", **client_options(server)) as wsman:
        with pytest.raises(WSManFaultError) as of_powershell:
            RunspacePool(wsman).open()
        with pytest.raises(WSManFaultError) as of_winrs:
            WinRS(wsman).open()

    assert of_powershell.value.code == 5
    assert of_winrs.value.code == 5
    assert "Access is denied." in str(of_powershell.value)


def test_an_account_that_is_no_administrator_may_get_an_http_status_instead(server: WSManServer) -> None:
    with WSMan("127.0.0.1", **client_options(server)) as wsman:
        server.faults.not_administrator = Denial.HTTP_401
        with pytest.raises(AuthenticationError):
            RunspacePool(wsman).open()
        server.faults.not_administrator = Denial.HTTP_403
        with pytest.raises(WinRMTransportError) as caught:
            RunspacePool(wsman).open()

    assert caught.value.code == 403


def test_a_host_without_powershell_remoting_still_has_winrs(server: WSManServer) -> None:
    server.faults.powershell_missing = True
    with WSMan("127.0.0.1", **client_options(server)) as wsman, pytest.raises(WSManFaultError) as caught:
        RunspacePool(wsman).open()
    session = winrm.Session(server.endpoint, auth=("Administrator", PASSWORD), transport="basic")
    answer = session.run_cmd("hostname")
    session.protocol.transport.close_session()

    assert caught.value.code == 2150858752
    assert answer.std_out == b"HV01\r\n"


def test_a_host_may_refuse_winrs(server: WSManServer) -> None:
    server.faults.winrs_missing = True
    with connected(server) as wsman, pytest.raises(WSManFaultError) as caught:
        WinRS(wsman).open()

    assert caught.value.code == 5


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (CertificateKind.EXPIRED, "certificate has expired"),
        (CertificateKind.WRONG_NAME, "IP address mismatch"),
        (CertificateKind.UNTRUSTED, "unable to get local issuer certificate"),
    ],
)
def test_a_bad_certificate_is_shown_on_new_connections(
    start_server: StartServer, kind: CertificateKind, words: str
) -> None:
    server = start_server(tls=True)
    server.faults.certificate = kind
    with (
        WSMan("127.0.0.1", **client_options(server)) as wsman,
        pytest.raises(requests.exceptions.SSLError, match=words) as caught,
    ):
        RunspacePool(wsman).open()
    server.faults.clear()
    with opened_pool(server) as pool:
        assert run(pool, "hostname") == ["HV01"]

    assert isinstance(caught.value.args[0].reason.args[0], ssl.SSLCertVerificationError)


def test_faults_are_counted_by_their_verb_and_strike_once() -> None:
    faults = Faults()
    faults.answer_http(500, at=2, verb="Receive")
    struck = [faults.strike(verb) for verb in ("Receive", "Command", "Receive", "Receive")]

    assert [fault.status if fault else None for fault in struck] == [None, None, 500, None]


def test_a_fault_counts_from_one() -> None:
    with pytest.raises(ValueError, match="counted from 1"):
        Faults().drop_connection(at=0)


def _wait_until_no_connection(server: WSManServer) -> None:
    waiting = threading.Event()
    for _ in range(500):
        if not server.has_connections:
            return
        waiting.wait(0.01)
    raise AssertionError("the connections stay open")
