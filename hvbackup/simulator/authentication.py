"""Who a TCP connection belongs to: Basic, NTLM, Negotiate and client certificates, and message encryption."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hmac
import os
import re
import struct
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import spnego
import spnego.channel_bindings
import spnego.exceptions

_BOUNDARY = re.compile(rb"--\s*Encrypted Boundary(?:--)?\r\n")
_OCTET_STREAM = b"\tContent-Type: application/octet-stream\r\n"
#: pyspnego's acceptor finds its accounts by this environment variable only, so servers take turns. Between turns
#: it is empty, which is none to pyspnego: deleting it would make `os.environ.items()` of any other thread fail, and
#: `requests` calls that.
_ACCOUNTS_VARIABLE = "NTLM_USER_FILE"
_ENVIRONMENT_LOCK = threading.Lock()

METHODS = frozenset({"basic", "negotiate", "ntlm", "certificate"})


class SealBroken(Exception):
    """An encrypted message is malformed, or was sealed for another connection."""


def check_accounts(accounts: Mapping[str, str]) -> None:
    """Raise ValueError for a name or password that cannot be written into pyspnego's file of accounts."""
    for name, password in accounts.items():
        if not name or re.search(r"[:\r\n]", name + password):
            raise ValueError(f"account {name!r}: ':' and line breaks are not possible in a simulated account")


class Accounts:
    """Names and passwords of a host; names have no case, a domain in front of a name does not matter."""

    def __init__(self, accounts: Mapping[str, str], folder: Path, *, domains: tuple[str, ...] = ()) -> None:
        self._passwords = {_bare(name).lower(): password for name, password in accounts.items()}
        self.names = {_bare(name).lower(): _bare(name) for name in accounts}
        self._file = folder / "ntlm-accounts"
        self._file.touch(mode=0o600)
        lines = [
            f"{domain}:{_bare(name)}:{password}"
            for name, password in accounts.items()
            for domain in ("", ".", "WORKSTATION", *domains)
        ]
        self._file.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def check(self, name: str, password: str) -> bool:
        """Whether the password is that of the account."""
        expected = self._passwords.get(_bare(name).lower())
        return expected is not None and hmac.compare_digest(expected.encode(), password.encode())

    def known(self, name: str) -> bool:
        """Whether there is such an account."""
        return _bare(name).lower() in self._passwords

    @contextlib.contextmanager
    def for_acceptor(self) -> Iterator[None]:
        """Let pyspnego's acceptor see these accounts while the block runs."""
        with _ENVIRONMENT_LOCK:
            before = os.environ.get(_ACCOUNTS_VARIABLE, "")
            os.environ[_ACCOUNTS_VARIABLE] = str(self._file)
            try:
                yield
            finally:
                os.environ[_ACCOUNTS_VARIABLE] = before


def _bare(name: str) -> str:
    return name.rpartition("\\")[2]


class Verdict(NamedTuple):
    """Outcome of one request's authentication: the user, or None and what WWW-Authenticate offers or continues."""

    user: str | None
    challenges: tuple[str, ...] = ()


class ConnectionIdentity:
    """Authentication of one TCP connection; NTLM and its sealing keys belong to the connection."""

    def __init__(self, accounts: Accounts, methods: frozenset[str], endpoint_hash: bytes | None) -> None:
        self._accounts = accounts
        self._methods = methods
        self._endpoint_hash = endpoint_hash
        self._context: Any = None
        self.user: str | None = None

    def authenticate(self, authorization: str, certificate_name: str | None) -> Verdict:
        """Look at the Authorization header of a request; `certificate_name` is that of a verified certificate."""
        scheme, _, value = authorization.strip().partition(" ")
        scheme = scheme.lower()
        if not scheme and self.user is not None:
            return Verdict(self.user)
        if scheme == "basic" and "basic" in self._methods:
            return self._basic(value)
        if scheme in ("negotiate", "ntlm") and scheme in self._methods and value:
            return self._negotiate(scheme, value)
        if (
            scheme.endswith("/https/mutual")
            and "certificate" in self._methods
            and certificate_name is not None
            and self._accounts.known(certificate_name)
        ):
            self.user = certificate_name
            return Verdict(self.user)
        return self.refuse()

    def refuse(self) -> Verdict:
        """Forget who it is, and offer the methods that are allowed."""
        self.user = None
        offers = (("negotiate", "Negotiate"), ("basic", 'Basic realm="WSMAN"'))
        return Verdict(None, tuple(text for method, text in offers if method in self._methods))

    def _basic(self, value: str) -> Verdict:
        try:
            data = base64.b64decode(value, validate=True)
        except binascii.Error:
            return self.refuse()
        try:
            text = data.decode()
        except UnicodeDecodeError:
            text = data.decode("latin-1")  # what requests sends; RFC 7617 leaves it open
        name, _, password = text.partition(":")
        if not self._accounts.check(name, password):
            return self.refuse()
        self.user = name
        return Verdict(name)

    def _negotiate(self, scheme: str, value: str) -> Verdict:
        if self._context is None or self._context.complete:
            options = spnego.NegotiateOptions.use_ntlm if scheme == "ntlm" else spnego.NegotiateOptions.none
            with self._accounts.for_acceptor():
                self._context = spnego.server(protocol=scheme, options=options)
            self.user = None
        try:
            token = self._step(base64.b64decode(value))
        except (spnego.exceptions.SpnegoError, ValueError, struct.error, IndexError, KeyError):
            self._context = None
            return self.refuse()
        answer = f"{'NTLM' if scheme == 'ntlm' else 'Negotiate'} {base64.b64encode(token or b'').decode()}"
        if not self._context.complete:
            return Verdict(None, (answer,))
        self.user = str(self._context.client_principal)
        return Verdict(self.user, (answer,) if token else ())

    def _step(self, token: bytes) -> bytes | None:
        """Take one token; a client without channel bindings is let in, one with wrong bindings is not.

        That is CbtHardeningLevel=Relaxed, the default of Windows.
        """
        bindings = None
        if self._endpoint_hash is not None:
            bindings = spnego.channel_bindings.GssChannelBindings(
                application_data=b"tls-server-end-point:" + self._endpoint_hash
            )
        with self._accounts.for_acceptor():
            try:
                answer: bytes | None = self._context.step(token, channel_bindings=bindings)
            except spnego.exceptions.BadBindingsError as error:
                if "not present" not in str(error):
                    raise
                answer = self._context.step(token)
        return answer

    def unseal(self, body: bytes) -> bytes:
        """Decrypt a message of MS-WSMV 2.2.9.1.

        Raises:
            SealBroken: There is no context on this connection, or the message is not for it.
        """
        if self._context is None or not self._context.complete:
            raise SealBroken("no security context on this connection")
        plain = b""
        parts = [part for part in _BOUNDARY.split(body) if part]
        if len(parts) < 2:
            raise SealBroken("no encrypted part")
        try:
            for part in parts[1::2]:
                data = part.removeprefix(_OCTET_STREAM)
                length = struct.unpack_from("<i", data)[0]
                plain += self._context.unwrap_winrm(data[4 : 4 + length], data[4 + length :])
        except (spnego.exceptions.SpnegoError, struct.error, ValueError) as error:
            raise SealBroken(str(error)) from None
        return plain

    def seal(self, body: bytes, protocol: str) -> bytes:
        """Encrypt an answer."""
        header, data, padding = self._context.wrap_winrm(body)
        name = protocol.encode()
        return b"".join(
            [
                b"--Encrypted Boundary\r\n\tContent-Type: " + name + b"\r\n\tOriginalContent: ",
                b"type=application/soap+xml;charset=UTF-8;Length=%d\r\n" % (len(body) + padding),
                b"--Encrypted Boundary\r\n" + _OCTET_STREAM,
                struct.pack("<i", len(header)),
                header,
                data,
                b"--Encrypted Boundary--\r\n",
            ]
        )
