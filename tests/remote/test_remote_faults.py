"""What goes wrong between here and the host: each comes out as one class, with host, port and what to do."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from hvbackup.errors import (
    AuthenticationRefused,
    CertificateNotTrusted,
    ConnectionLost,
    HostUnreachable,
    NotAdministrator,
    QuotaExceeded,
    RemoteError,
)
from hvbackup.secrets import Secret
from hvbackup.simulator.faults import CertificateKind, Denial
from hvbackup.simulator.server import WSManServer

if TYPE_CHECKING:
    from tests.remote.conftest import Link


def refused(link: Link, kind: type[RemoteError], **changes: Any) -> RemoteError:
    """Ask through a transport with other options, and return the error, which must be of `kind` exactly."""
    link.transport = link.open(**changes)
    with pytest.raises(kind) as caught:
        link.echo("hello")
    error = caught.value
    assert type(error) is kind
    assert (error.host, error.port) == (link.transport.host, link.transport.port)
    assert f"{error.host}:{error.port}" in str(error)
    assert error.hint
    assert error.__cause__ is None
    assert error.__context__ is None
    return error


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port on which nobody listens."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


@pytest.fixture
def other_service() -> Iterator[int]:
    """A port on which something else than WinRM answers."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    thread = threading.Thread(target=serve)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


@pytest.fixture(params=["psrp", "winrs"])
def tls_link(request: pytest.FixtureRequest, new_link: Callable[[str], Link]) -> Link:
    return new_link(f"{request.param} basic tls")


@pytest.fixture(params=["psrp", "winrs"])
def ntlm_link(request: pytest.FixtureRequest, new_link: Callable[[str], Link]) -> Link:
    return new_link(f"{request.param} ntlm http")


def test_a_port_where_nobody_listens_is_unreachable(tls_link: Link, silent_port: int) -> None:
    error = refused(tls_link, HostUnreachable, port=silent_port)

    assert "refuses the connection: nothing listens there" in str(error)
    assert "Enable-PSRemoting" in (error.hint or "")
    assert "5985" in (error.hint or "")


def test_an_unknown_name_is_unreachable(tls_link: Link) -> None:
    error = refused(tls_link, HostUnreachable, host="no-such-host.invalid")

    assert "DNS" in (error.hint or "")


def test_another_service_on_the_port_is_unreachable(ntlm_link: Link, other_service: int) -> None:
    assert "404" in str(refused(ntlm_link, HostUnreachable, port=other_service))


def test_a_port_without_tls_is_told_from_an_untrusted_one(tls_link: Link, plain_server: WSManServer) -> None:
    error = refused(tls_link, HostUnreachable, port=plain_server.port)

    assert "does not speak TLS" in str(error)


def test_a_certificate_of_an_unknown_authority_is_not_trusted(tls_link: Link) -> None:
    error = refused(tls_link, CertificateNotTrusted, ca_file=None)

    assert "--ca-file" in (error.hint or "")


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (CertificateKind.EXPIRED, "expired"),
        (CertificateKind.WRONG_NAME, "another name"),
        (CertificateKind.UNTRUSTED, "not trusted"),
    ],
)
@pytest.mark.parametrize("transport", ["psrp", "winrs"])
def test_a_bad_certificate_says_what_is_wrong_with_it(
    new_server_link: Callable[[str], Link], transport: str, kind: CertificateKind, said: str
) -> None:
    link = new_server_link(f"{transport} basic tls")
    assert link.server is not None
    link.server.faults.certificate = kind

    assert said in str(refused(link, CertificateNotTrusted))


def test_verification_can_be_turned_off_with_a_warning(tls_link: Link) -> None:
    notes: list[Any] = []
    tls_link.transport = tls_link.open(events=notes.append, ca_file=None, verify=False)

    assert tls_link.echo("hello").data.text == "hello"
    assert [note.level for note in notes] == ["warning"]


@pytest.mark.parametrize("way", ["psrp basic tls", "psrp ntlm http", "psrp negotiate tls", "winrs ntlm http"])
def test_a_wrong_password_is_refused(new_link: Callable[[str], Link], way: str) -> None:
    error = refused(new_link(way), AuthenticationRefused, password=Secret("wrong"))

    assert error.exit_code == 7
    assert "Administrator" in str(error)
    assert "LocalAccountTokenFilterPolicy" in (error.hint or "")


def test_a_domain_account_gets_no_advice_for_local_ones(ntlm_link: Link) -> None:
    error = refused(ntlm_link, AuthenticationRefused, username="CORP\\someone")

    assert "LocalAccountTokenFilterPolicy" not in (error.hint or "")


@pytest.mark.parametrize(
    ("denial", "kind"),
    [
        (Denial.FAULT, NotAdministrator),
        (Denial.HTTP_401, AuthenticationRefused),
        (Denial.HTTP_403, AuthenticationRefused),
    ],
)
def test_an_account_that_is_no_administrator_is_told_so(faulty: Link, denial: Denial, kind: type[RemoteError]) -> None:
    assert faulty.server is not None
    faulty.server.faults.not_administrator = denial

    assert "Administrator" in f"{refused(faulty, kind)}{faulty.options.username}"


def test_a_dropped_connection_is_mended_once_for_an_idempotent_call(faulty: Link) -> None:
    assert faulty.server is not None
    faulty.echo("before")
    faulty.server.faults.drop_connection(verb="Receive")

    assert faulty.echo("after").data.text == "after"


def test_a_dropped_connection_is_not_mended_for_a_call_that_changes_something(faulty: Link) -> None:
    assert faulty.server is not None
    faulty.echo("before")
    faulty.server.faults.drop_connection(verb="Receive")

    with pytest.raises(ConnectionLost) as caught:
        faulty.echo("changes", once=True)
    assert caught.value.hint
    assert faulty.echo("after").data.text == "after"
    faulty.transport.close()
    assert faulty.nothing_is_left()


def test_a_connection_that_breaks_twice_is_lost(faulty: Link) -> None:
    assert faulty.server is not None
    faulty.echo("before")
    faulty.server.faults.drop_connection(verb="Command", at=1)
    faulty.server.faults.drop_connection(verb="Receive", at=1)
    faulty.server.faults.drop_connection(verb="Receive", at=2)

    with pytest.raises(ConnectionLost):
        faulty.echo("after")


def test_a_script_whose_connection_broke_is_stopped_on_the_host(faulty: Link) -> None:
    assert faulty.server is not None
    server = faulty.server

    def drop() -> None:
        faulty.has_started()
        server.faults.drop_connection(verb="Receive")

    thread = threading.Thread(target=drop)
    thread.start()
    with pytest.raises(ConnectionLost):
        faulty.slow()
    thread.join()

    assert faulty.has_stopped()


@pytest.mark.parametrize("status", [400, 500])
def test_a_refused_message_renews_the_session(faulty: Link, status: int) -> None:
    assert faulty.server is not None
    faulty.echo("before")
    faulty.server.faults.answer_http(status, verb="Command")

    assert faulty.echo("after").data.text == "after"


def test_connections_that_the_host_closed_while_idle_are_no_trouble(faulty: Link) -> None:
    assert faulty.server is not None
    faulty.echo("before")
    faulty.server.drop_connections()

    assert faulty.echo("after").data.text == "after"


@pytest.mark.parametrize("scheme", ["basic tls", "ntlm http"])
def test_a_quota_that_lasts_is_told(new_server_link: Callable[[str], Link], scheme: str) -> None:
    link = new_server_link(f"psrp {scheme}")
    assert link.server is not None
    link.server.faults.max_commands = 0

    error = refused(link, QuotaExceeded)
    assert "winrm/config/winrs" in (error.hint or "")


@pytest.mark.parametrize("way", ["psrp basic tls", "psrp ntlm http"])
def test_a_full_shell_is_left_for_a_new_one_even_by_a_call_that_changes_something(
    new_server_link: Callable[[str], Link], way: str
) -> None:
    link = new_server_link(way)
    assert link.server is not None
    link.echo("before")
    (shell,) = link.server.service.shells
    link.server.faults.max_commands = 1
    stuck = shell.new_command("11111111-1111-1111-1111-111111111111")

    assert link.echo("after", once=True).data.text == "after"
    assert link.server.service.shells != (shell,)
    assert stuck.stopped.is_set()


@pytest.mark.parametrize(("module", "limit"), [("psrp", "_PIPELINES_PER_POOL"), ("winrs", "_COMMANDS_PER_SHELL")])
def test_a_shell_is_renewed_before_the_host_refuses(
    new_server_link: Callable[[str], Link], monkeypatch: pytest.MonkeyPatch, module: str, limit: str
) -> None:
    monkeypatch.setattr(f"hvbackup.remote.{module}.{limit}", 3)
    link = new_server_link(f"{module} basic tls")
    assert link.server is not None
    seen = set()
    for number in range(7):
        link.echo(str(number))
        seen |= {shell.id for shell in link.server.service.shells}

    assert len(seen) >= 3
    assert len(link.server.service.shells) == 1


def test_a_session_that_was_idle_is_looked_at_before_it_is_used(faulty: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    assert faulty.server is not None
    for module in ("psrp", "winrs"):
        monkeypatch.setattr(f"hvbackup.remote.{module}._IDLE_SECONDS", 0.0)
    faulty.echo("before")
    faulty.server.drop_connections()

    assert faulty.echo("after", once=True).data.text == "after"
    assert len(faulty.server.service.shells) == 1


def test_every_pipeline_is_closed(faulty: Link) -> None:
    assert faulty.server is not None
    faulty.server.faults.max_commands = 3
    for number in range(10):
        faulty.echo(str(number))

    assert [len(shell.commands) for shell in faulty.server.service.shells] == [0]


@pytest.mark.parametrize("scheme", ["basic tls", "ntlm http"])
def test_a_closed_powershell_endpoint_says_which_transport_may_help(
    new_server_link: Callable[[str], Link], scheme: str
) -> None:
    link = new_server_link(f"psrp {scheme}")
    assert link.server is not None
    link.server.faults.powershell_missing = True

    with pytest.raises(RemoteError) as caught:
        link.echo("hello")
    assert "winrs" in (caught.value.hint or "")
    link.transport = link.open(transport="winrs")
    assert link.echo("hello").data.text == "hello"


def test_a_slow_link_only_takes_longer(faulty: Link) -> None:
    assert faulty.server is not None
    faulty.server.faults.delay = 0.05

    assert faulty.echo("slow").data.text == "slow"
