"""How to reach a host: every choice checked before anything is sent."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, TypeAlias, get_args
from urllib.parse import urlsplit

import msgspec

from hvbackup.errors import InvalidRequest
from hvbackup.models import Model
from hvbackup.secrets import Secret

Auth: TypeAlias = Literal["negotiate", "kerberos", "ntlm", "certificate", "credssp", "basic"]
TransportName: TypeAlias = Literal["psrp", "winrs", "local"]

_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?|\[?[0-9A-Fa-f:.]+(?:%[\w.-]+)?\]?")
#: Methods that need a password here; the others may use the ticket or the session of the user who runs hvbackup.
_NEED_PASSWORD = ("ntlm", "credssp", "basic")


class ConnectionOptions(Model, frozen=True, kw_only=True):
    """Where a host is, how to log on, and what to trust.

    Attributes:
        host: Name or address, without scheme and port.
        transport: `psrp` (PowerShell remoting), `winrs` (a process for each call, where PowerShell remoting is
            refused) or `local` (this machine is the host).
        port: By default 5986 with TLS, 5985 without; None for `local`.
        auth: `negotiate` takes Kerberos where it can and else NTLM. `credssp` hands the password to the host.
        verify: Whether the host's certificate is checked. False is for experiments; it is warned about.
        ca_file: PEM file of the authorities to trust instead of the default ones.
        client_certificate, client_key: PEM files for `certificate`.
        proxy: `http://NAME:PORT`. Proxies of the environment are not used: a host is in the local network.
        connect_timeout: Seconds to wait for a TCP connection and for TLS.
        powershell: Program that `local` runs; by default `powershell.exe` on Windows, else `pwsh`.
    """

    host: str = "localhost"
    transport: TransportName = "psrp"
    port: int | None = None
    tls: bool = True
    username: str | None = None
    password: Secret | None = None
    auth: Auth = "negotiate"
    verify: bool = True
    ca_file: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None
    client_key_password: Secret | None = None
    proxy: str | None = None
    connect_timeout: float = 30.0
    powershell: str | None = None

    def __post_init__(self) -> None:
        """Check every choice; raises `InvalidRequest` with the cure."""
        _check_words(self)
        if self.transport == "local":
            return
        if self.port is None:
            msgspec.structs.force_setattr(self, "port", 5986 if self.tls else 5985)
        _check_place(self)
        _check_account(self)
        _check_trust(self)
        _check_certificate(self)
        _check_proxy(self)


def _refuse(text: str, hint: str) -> InvalidRequest:
    return InvalidRequest(text, hint=hint)


def _check_words(options: ConnectionOptions) -> None:
    for name, value, known in (
        ("transport", options.transport, get_args(TransportName)),
        ("auth", options.auth, get_args(Auth)),
    ):
        if value not in known:
            raise _refuse(f"unknown {name} {value!r}", f"Use one of: {', '.join(known)}.")
    for name in ("password", "client_key_password"):
        if not isinstance(getattr(options, name), Secret | None):
            raise _refuse(f"{name} must be a Secret", "Read it with hvbackup.secrets.read_secret('env:NAME').")


def _check_place(options: ConnectionOptions) -> None:
    if not _HOST.fullmatch(options.host):
        raise _refuse(
            f"{options.host!r} is not a host name or address",
            "Give the name alone; port and TLS are options of their own.",
        )
    if options.port is None or not 1 <= options.port <= 65535:
        raise _refuse(f"{options.port} is not a TCP port", "WinRM listens on 5986 (TLS) or 5985.")
    if not options.connect_timeout > 0:
        raise _refuse("connect_timeout must be more than 0 seconds", "30 is the default.")


def _check_account(options: ConnectionOptions) -> None:
    if options.auth == "basic" and not options.tls:
        raise _refuse(
            "basic authentication over plain HTTP would send the password readable by everybody on the way",
            "Use TLS (port 5986), or auth negotiate, which seals its messages on port 5985.",
        )
    if options.auth in _NEED_PASSWORD and (not options.username or options.password is None):
        raise _refuse(
            f"auth {options.auth} needs a user name and a password",
            "Give both, or use negotiate or kerberos with the ticket of the user who runs hvbackup.",
        )
    if options.transport == "winrs" and options.auth == "negotiate" and options.password is None:
        raise _refuse(
            "the transport winrs has no negotiate without a password",
            "Give user name and password, use auth kerberos, or the transport psrp.",
        )
    if options.password is not None and not options.username:
        raise _refuse("a password without a user name", "Give the user name: DOMAIN\\NAME, NAME@DOMAIN or NAME.")


def _check_trust(options: ConnectionOptions) -> None:
    if options.ca_file is not None and (not options.tls or not options.verify):
        raise _refuse("ca_file has no meaning without TLS and verification", "Leave it out, or turn both on.")
    if options.ca_file is not None:
        _check_file("ca_file", options.ca_file)


def _check_certificate(options: ConnectionOptions) -> None:
    given = [options.client_certificate, options.client_key, options.client_key_password]
    if options.auth != "certificate":
        if any(given):
            raise _refuse(f"a client certificate, but auth {options.auth}", "Use auth certificate.")
        return
    if not options.tls:
        raise _refuse("auth certificate needs TLS", "Use TLS (port 5986).")
    if not options.client_certificate or not options.client_key:
        raise _refuse("auth certificate needs client_certificate and client_key", "Give two PEM files.")
    if options.password is not None:
        raise _refuse("auth certificate takes no password", "A key's password is client_key_password.")
    if options.transport == "winrs" and options.client_key_password is not None:
        raise _refuse("winrs takes no encrypted client key", "Use psrp, or a key without password.")
    _check_file("client_certificate", options.client_certificate)
    _check_file("client_key", options.client_key)


def _check_proxy(options: ConnectionOptions) -> None:
    if options.proxy is None:
        return
    parts = urlsplit(options.proxy)
    if parts.username or parts.password or "@" in options.proxy:
        raise _refuse("a proxy with a password in its address", "Use a proxy that needs none; addresses get into logs.")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise _refuse(f"{options.proxy!r} is not a proxy", "Write http://NAME:PORT.")


def _check_file(name: str, path: str) -> None:
    if not Path(path).is_file():
        raise _refuse(f"{name}: there is no file {path}", "Give the path of a PEM file.")
