"""Errors of libraries become ours, each the most specific one."""

from __future__ import annotations

import socket
import ssl
import xml.etree.ElementTree as ET
from typing import Any

import pytest
import requests
import spnego.exceptions
import urllib3.exceptions
import winrm.exceptions
from pypsrp.exceptions import (
    AuthenticationError,
    FragmentError,
    InvalidPSRPOperation,
    WinRMError,
    WinRMTransportError,
    WSManFaultError,
)

from hvbackup.errors import (
    AuthenticationRefused,
    CallTimeout,
    Cancelled,
    CertificateNotTrusted,
    ConnectionLost,
    ContractViolated,
    HostUnreachable,
    HvBackupError,
    InvalidRequest,
    NotAdministrator,
    QuotaExceeded,
    RemoteError,
)
from hvbackup.remote.failures import translate, translated
from hvbackup.remote.options import ConnectionOptions
from hvbackup.remote.reception import CallerError
from hvbackup.secrets import Secret

OPTIONS = ConnectionOptions(host="hv01", username="admin", password=Secret("Correct-Horse-7"))


def fault(code: int, reason: str = "said") -> WSManFaultError:
    return WSManFaultError(code, "hv01", reason, None, None, None)


def wrapped(inner: BaseException) -> requests.exceptions.ConnectionError:
    """An error as requests wraps those of urllib3."""
    pool: Any = None
    return requests.exceptions.ConnectionError(urllib3.exceptions.MaxRetryError(pool, "/wsman", inner))  # type: ignore[arg-type]


def untrusted(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError("certificate verify failed")
    error.verify_code = code
    return error


CASES: list[tuple[BaseException, type[HvBackupError], str]] = [
    (wrapped(socket.gaierror(-2, "x")), HostUnreachable, "not found"),
    (wrapped(ConnectionRefusedError(111, "x")), HostUnreachable, "nothing listens"),
    (requests.exceptions.ConnectTimeout("x"), HostUnreachable, "within 30 s"),
    (requests.exceptions.ProxyError("x"), HostUnreachable, "proxy"),
    (requests.exceptions.ReadTimeout("x"), ConnectionLost, "no longer answers"),
    (ConnectionResetError(104, "x"), ConnectionLost, "broke the connection off"),
    (requests.exceptions.ChunkedEncodingError("x"), ConnectionLost, "broke the connection off"),
    (requests.exceptions.SSLError(wrapped(untrusted(18))), CertificateNotTrusted, "not trusted"),
    (requests.exceptions.SSLError(wrapped(untrusted(20))), CertificateNotTrusted, "not trusted"),
    (requests.exceptions.SSLError(wrapped(untrusted(10))), CertificateNotTrusted, "expired"),
    (requests.exceptions.SSLError(wrapped(untrusted(9))), CertificateNotTrusted, "not valid yet"),
    (requests.exceptions.SSLError(wrapped(untrusted(62))), CertificateNotTrusted, "another name"),
    (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] x"), HostUnreachable, "does not speak TLS"),
    (AuthenticationError("Failed to authenticate the user"), AuthenticationRefused, "refused to log admin on"),
    (
        AuthenticationError("The server did not response with one of the following authentication methods Negotiate"),
        AuthenticationRefused,
        "does not offer",
    ),
    (ValueError("Server responded with the auth protocol 'NTLM' which"), AuthenticationRefused, "does not offer"),
    (winrm.exceptions.InvalidCredentialsError("x"), AuthenticationRefused, "refused to log admin on"),
    (spnego.exceptions.NoCredentialError(), AuthenticationRefused, "could not be logged on to"),
    (fault(5), NotAdministrator, "not an administrator"),
    (fault(1326), AuthenticationRefused, "refused to log admin on"),
    (fault(0x80338029), CallTimeout, "in time"),
    (fault(0x8033805B), ConnectionLost, "no longer knows the session"),
    (fault(0x803381A6), QuotaExceeded, "0x803381A6"),
    (fault(0x803381E9), QuotaExceeded, "0x803381E9"),
    (fault(0x80338000), RemoteError, "0x80338000"),
    (
        winrm.exceptions.WSManFaultError(500, "m", "r", "reason", wsman_fault_code=5),
        NotAdministrator,
        "not an administrator",
    ),
    (WinRMTransportError("http", 400, ""), ConnectionLost, "HTTP 400"),
    (WinRMTransportError("http", 404, ""), HostUnreachable, "HTTP 404"),
    (WinRMTransportError("http", 407, ""), HostUnreachable, "proxy"),
    (WinRMTransportError("http", 413, ""), QuotaExceeded, "HTTP 413"),
    (WinRMTransportError("http", 503, ""), HostUnreachable, "HTTP 503"),
    (winrm.exceptions.WinRMTransportError("http", 403, ""), AuthenticationRefused, "HTTP 403"),
    (winrm.exceptions.WinRMOperationTimeoutError(), CallTimeout, "in time"),
    (ET.ParseError("x"), HostUnreachable, "not as WinRM does"),
    (InvalidPSRPOperation("broken pool"), ConnectionLost, "closed the PowerShell session"),
    (FragmentError("x"), ContractViolated, "not understood"),
    (WinRMError("Received related id does not match"), ContractViolated, "not understood"),
    (ImportError("no credssp"), InvalidRequest, "not installed"),
    (RuntimeError("anything"), RemoteError, "unforeseen way (RuntimeError)"),
]


@pytest.mark.parametrize(("error", "kind", "said"), CASES, ids=lambda value: getattr(value, "__name__", None))
def test_each_error_of_a_library_has_its_class_and_its_cure(
    error: BaseException, kind: type[HvBackupError], said: str
) -> None:
    found = translate(error, OPTIONS)

    assert type(found) is kind
    assert said in str(found)
    assert found.hint
    if isinstance(found, RemoteError):
        assert (found.host, found.port) == ("hv01", 5986)
        assert "hv01:5986" in str(found)


def test_what_the_host_says_of_a_fault_is_quoted() -> None:
    assert "The host says: out of shells" in (translate(fault(0x803381A5, "out of shells"), OPTIONS).hint or "")


def test_an_error_of_ours_stays_itself() -> None:
    error = Cancelled("stopped by the user")

    assert translate(error, OPTIONS) is error


def test_nothing_of_the_library_stays_attached() -> None:
    def fail() -> None:
        raise ConnectionResetError("Correct-Horse-7")

    with pytest.raises(ConnectionLost) as caught:
        translated(fail, OPTIONS)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    assert "Correct-Horse-7" not in f"{caught.value}{caught.value.hint}{caught.value.args}"


def test_the_callers_own_error_is_not_translated() -> None:
    mistake = CallerError(OSError("mine"))

    def fail() -> None:
        raise mistake

    with pytest.raises(CallerError) as caught:
        translated(fail, OPTIONS)
    assert caught.value is mistake
