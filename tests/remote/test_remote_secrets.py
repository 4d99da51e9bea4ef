"""A password is nowhere but on its way to the library that needs it."""

from __future__ import annotations

import base64
import logging
import traceback
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from hvbackup.errors import HvBackupError, RemoteError
from hvbackup.secrets import Secret
from hvbackup.simulator.faults import CertificateKind, Denial, Faults
from hvbackup.simulator.server import WSManServer

if TYPE_CHECKING:
    from tests.remote.conftest import Link

CANARY = "C4nary-\u00fc-Pa55phrase"
SHAPES = (
    CANARY,
    base64.b64encode(CANARY.encode()).decode().rstrip("="),
    base64.b64encode(f"Administrator:{CANARY}".encode()).decode(),
    base64.b64encode(f"Administrator:{CANARY}".encode("latin-1")).decode(),
    CANARY.encode("unicode-escape").decode(),
)
#: Every library that may speak while a call is carried, at its most talkative.
LOGGERS = ("", "pypsrp", "winrm", "requests", "urllib3", "spnego", "requests_ntlm", "hvbackup")

Harm = Callable[[Faults], None]


class Ear(logging.Handler):
    """Keeps all that is logged, as text."""

    def __init__(self) -> None:
        super().__init__(level=1)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(f"{record.getMessage()} {record.args!r} {self.format(record)}")


@pytest.fixture
def ear() -> Iterator[Ear]:
    """Listens to every logger at every level."""
    import hvbackup.remote.psrp
    import hvbackup.remote.winrs  # noqa: F401

    ear = Ear()
    levels = {name: logging.getLogger(name).level for name in LOGGERS}
    for name in LOGGERS:
        logging.getLogger(name).setLevel(1)
    logging.getLogger().addHandler(ear)
    yield ear
    logging.getLogger().removeHandler(ear)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def shown(error: BaseException) -> str:
    """All that anybody may print of an error."""
    parts = [*traceback.format_exception(error), str(error), repr(error), repr(error.args), repr(vars(error))]
    captured = traceback.TracebackException.from_exception(error, capture_locals=True)
    return "\n".join([*parts, *captured.format()])


def nothing(_faults: Faults) -> None:
    """Do no harm."""


def expired(faults: Faults) -> None:
    faults.certificate = CertificateKind.EXPIRED


def refuse_all(faults: Faults) -> None:
    faults.refuse_accounts = True


def not_administrator(faults: Faults) -> None:
    faults.not_administrator = Denial.FAULT


def drop(faults: Faults) -> None:
    for verb in ("Create", "Command", "Receive"):
        for at in (1, 2):
            faults.drop_connection(verb=verb, at=at)


def http_500(faults: Faults) -> None:
    faults.answer_http(500)


def http_400(faults: Faults) -> None:
    faults.answer_http(400, verb="Create")


@pytest.mark.parametrize("harm", [nothing, expired, refuse_all, not_administrator, drop, http_500, http_400])
@pytest.mark.parametrize(
    "way", ["psrp basic tls", "psrp ntlm http", "psrp negotiate tls", "winrs basic tls", "winrs ntlm http"]
)
def test_no_log_and_no_error_holds_the_password(
    new_server_link: Callable[[str], Link], ear: Ear, way: str, harm: Harm
) -> None:
    link = new_server_link(way)
    assert link.server is not None
    harm(link.server.faults)
    link.transport = link.open(password=Secret(CANARY))
    with pytest.raises(RemoteError) as caught:
        link.echo("hello")
    link.transport.close()

    said = "\n".join([*ear.texts, shown(caught.value), repr(link.transport), repr(vars(link.transport))])
    assert [shape for shape in SHAPES if shape in said] == []


def test_a_good_password_is_not_logged_either(scripts_folder: Any, ear: Ear, new_link: Callable[[str], Link]) -> None:
    from hvbackup.remote.connect import open_transport
    from hvbackup.remote.options import ConnectionOptions

    server = WSManServer(scripts=scripts_folder, accounts={"Administrator": CANARY}, tls=True)
    for transport in ("psrp", "winrs"):
        options = ConnectionOptions(
            host="127.0.0.1", port=server.port, transport=transport, username="Administrator", auth="ntlm",
            password=Secret(CANARY), ca_file=str(server.ca_file),
        )  # fmt: skip
        opened = open_transport(options)
        with pytest.raises(HvBackupError):
            new_link("psrp basic tls").echo_on(opened, "no handler there")
        opened.close()
    server.stop()

    assert ear.texts
    assert [shape for shape in SHAPES if any(shape in text for text in ear.texts)] == []


def test_the_talkative_loggers_are_pinned() -> None:
    import hvbackup.remote.psrp
    import hvbackup.remote.winrs  # noqa: F401

    assert [logging.getLogger(name).level for name in ("pypsrp", "urllib3", "requests", "spnego", "winrm")] == [
        logging.WARNING
    ] * 5
