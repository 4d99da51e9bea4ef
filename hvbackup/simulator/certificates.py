"""An authority of the simulated host: server certificates, good and bad ones, and client certificates."""

from __future__ import annotations

import itertools
import ssl
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple

import trustme
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from hvbackup.simulator.faults import CertificateKind

_NAMES = ("localhost", "127.0.0.1", "::1")


class ClientCertificate(NamedTuple):
    """Files of a client's certificate and key, both PEM."""

    certificate: Path
    key: Path


class ServerCertificate(NamedTuple):
    """What a connection needs: the TLS context, and the certificate's hash for channel bindings (RFC 5929 4.1)."""

    context: ssl.SSLContext
    endpoint_hash: bytes


class Authority:
    """A certificate authority in memory; only what a client must read is written to `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._authority = trustme.CA()
        self._numbers = itertools.count(1)
        self._servers: dict[CertificateKind, ServerCertificate] = {}
        self.ca_file = folder / "ca.pem"
        self._authority.cert_pem.write_to_path(str(self.ca_file))

    def server(self, kind: CertificateKind) -> ServerCertificate:
        """Return the host's certificate of a kind, made at its first use."""
        if kind not in self._servers:
            self._servers[kind] = self._issue(kind)
        return self._servers[kind]

    def _issue(self, kind: CertificateKind) -> ServerCertificate:
        authority = trustme.CA() if kind is CertificateKind.UNTRUSTED else self._authority
        now = datetime.now(tz=timezone.utc)
        expired = kind is CertificateKind.EXPIRED
        leaf = authority.issue_cert(
            *(("other.example",) if kind is CertificateKind.WRONG_NAME else _NAMES),
            not_before=now - timedelta(days=30),
            not_after=now - timedelta(days=1) if expired else now + timedelta(days=30),
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        leaf.configure_cert(context)
        self._authority.configure_trust(context)
        context.verify_mode = ssl.CERT_OPTIONAL
        return ServerCertificate(context, _endpoint_hash(leaf))

    def client(self, account: str) -> ClientCertificate:
        """Write a client certificate for an account and return its files; the key is readable by the owner only."""
        leaf = self._authority.issue_cert(common_name=account)
        number = next(self._numbers)
        files = ClientCertificate(self._folder / f"client{number}.pem", self._folder / f"client{number}.key")
        leaf.cert_chain_pems[0].write_to_path(str(files.certificate))
        files.key.touch(mode=0o600)
        leaf.private_key_pem.write_to_path(str(files.key))
        return files


def _endpoint_hash(leaf: trustme.LeafCert) -> bytes:
    # trustme signs with SHA-256, so that is the hash that RFC 5929 wants.
    return x509.load_pem_x509_certificate(leaf.cert_chain_pems[0].bytes()).fingerprint(SHA256())
