"""Every choice about a connection is checked before anything is sent."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from hvbackup.errors import InvalidRequest
from hvbackup.events import Event, Note
from hvbackup.remote.connect import open_transport
from hvbackup.remote.options import ConnectionOptions
from hvbackup.secrets import Secret

ACCOUNT: dict[str, Any] = {"username": "admin", "password": Secret("x")}


@pytest.fixture
def pem(tmp_path: Path) -> str:
    path = tmp_path / "file.pem"
    path.write_text("-")
    return str(path)


@pytest.mark.parametrize(("tls", "port"), [(True, 5986), (False, 5985)])
def test_the_port_follows_from_tls(tls: bool, port: int) -> None:
    assert ConnectionOptions(host="hv01", tls=tls).port == port


def test_the_defaults_are_the_safe_ones() -> None:
    options = ConnectionOptions(host="hv01")

    assert (options.transport, options.tls, options.auth, options.verify) == ("psrp", True, "negotiate", True)


def test_options_show_no_password() -> None:
    assert "Correct-Horse" not in repr(ConnectionOptions(host="hv01", username="a", password=Secret("Correct-Horse-7")))


def test_a_local_host_has_no_port() -> None:
    assert ConnectionOptions(transport="local").port is None


@pytest.mark.parametrize(
    "host", ["hv01", "hv01.corp.example", "10.0.0.5", "fe80::1%eth0", "[fe80::1]", "HV_01", "hv01."]
)
def test_names_and_addresses_are_hosts(host: str) -> None:
    assert ConnectionOptions(host=host).host == host


@pytest.mark.parametrize("host", ["", " ", "https://hv01", "hv01:5986", "hv01/wsman", "a b", "-hv", "hv01\n"])
def test_anything_else_is_no_host(host: str) -> None:
    with pytest.raises(InvalidRequest, match="host name") as caught:
        ConnectionOptions(host=host)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"auth": "basic", "tls": False, **ACCOUNT}, "plain HTTP"),
        ({"auth": "digest"}, "unknown auth 'digest'"),
        ({"transport": "ssh"}, "unknown transport 'ssh'"),
        ({"port": 0}, "not a TCP port"),
        ({"port": 65536}, "not a TCP port"),
        ({"connect_timeout": 0.0}, "connect_timeout"),
        ({"auth": "ntlm"}, "needs a user name and a password"),
        ({"auth": "credssp", "username": "admin"}, "needs a user name and a password"),
        ({"auth": "basic", "password": Secret("x")}, "needs a user name and a password"),
        ({"password": Secret("x")}, "without a user name"),
        ({"username": "admin", "password": "literal"}, "must be a Secret"),
        ({"ca_file": "/no/such/file.pem"}, "there is no file"),
        ({"ca_file": "x.pem", "verify": False}, "no meaning"),
        ({"ca_file": "x.pem", "tls": False}, "no meaning"),
        ({"client_certificate": "x.pem"}, "but auth negotiate"),
        ({"transport": "winrs"}, "without a password"),
        ({"auth": "certificate"}, "needs client_certificate and client_key"),
        ({"auth": "certificate", "tls": False}, "needs TLS"),
        ({"proxy": "http://me:secret@proxy:8080"}, "a proxy with a password"),
        ({"proxy": "socks://proxy"}, "is not a proxy"),
        ({"proxy": "proxy:8080"}, "is not a proxy"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_cure(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequest, match=said) as caught:
        ConnectionOptions(**({"host": "hv01"} | changes))
    assert caught.value.hint
    assert "literal" not in f"{caught.value}{caught.value.hint}"
    assert "secret@" not in f"{caught.value}{caught.value.hint}"


def test_a_client_certificate_takes_two_files(pem: str) -> None:
    options = ConnectionOptions(host="hv01", auth="certificate", client_certificate=pem, client_key=pem)

    assert options.client_key == pem


@pytest.mark.parametrize(
    "changes",
    [
        {"client_key": "/no/such.pem"},
        {"password": Secret("x")},
        {"transport": "winrs", "client_key_password": Secret("x")},
    ],
)
def test_a_client_certificate_is_checked(pem: str, changes: dict[str, Any]) -> None:
    given = {"host": "hv01", "auth": "certificate", "client_certificate": pem, "client_key": pem}
    with pytest.raises(InvalidRequest):
        ConnectionOptions(**(given | changes))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"auth": "credssp"}, "hands the password"),
        ({"verify": False}, "not checked"),
        ({"transport": "winrs"}, "uses NTLM"),
    ],
)
def test_a_risky_choice_is_warned_about(changes: dict[str, Any], said: str) -> None:
    events: list[Event] = []
    open_transport(ConnectionOptions(**({"host": "hv01"} | ACCOUNT | changes)), events=events.append).close()

    (event,) = events
    assert isinstance(event, Note)
    assert (event.level, event.host) == ("warning", "hv01")
    assert said in event.text


def test_a_safe_choice_is_not_warned_about() -> None:
    events: list[Event] = []
    open_transport(ConnectionOptions(host="hv01", **ACCOUNT), events=events.append).close()

    assert events == []


def test_a_missing_library_is_named_with_the_command_that_installs_it() -> None:
    if find_spec("requests_credssp") is not None:
        pytest.skip("requests-credssp is installed here")
    from hvbackup.remote.calls import GetHost

    transport = open_transport(ConnectionOptions(host="127.0.0.1", port=9, auth="credssp", **ACCOUNT))
    with pytest.raises(InvalidRequest) as caught:
        transport.call(GetHost())
    transport.close()
    assert caught.value.hint == "pip install 'hvbackup[credssp]'"


def test_a_file_without_certificates_is_named_before_anything_is_sent(pem: str) -> None:
    for changes in (
        {"ca_file": pem},
        {"auth": "certificate", "client_certificate": pem, "client_key": pem},
        {"auth": "certificate", "client_certificate": pem, "client_key": pem, "client_key_password": Secret("x")},
    ):
        with pytest.raises(InvalidRequest, match=r"file\.pem") as caught:
            open_transport(ConnectionOptions(**({"host": "hv01"} | changes)))
        assert "PEM" in (caught.value.hint or "")
