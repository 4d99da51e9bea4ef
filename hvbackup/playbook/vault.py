"""Reads what `ansible-vault` encrypted: format 1.1 and 1.2, with vault ids. It never writes.

The format (docs.ansible.com, "Ansible Vault payload format 1.1 - 1.2"): a header line, then the hexadecimal of three
hexadecimal lines: salt, HMAC, ciphertext. PBKDF2-HMAC-SHA256 with 10 000 rounds gives 80 bytes: 32 for AES-256 in
counter mode, 32 for the HMAC over the ciphertext, 16 for the counter. The plaintext is padded as in PKCS #7.
"""

from __future__ import annotations

import threading
from binascii import Error as HexError
from binascii import unhexlify
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from hvbackup.errors import PlaybookError
from hvbackup.playbook.nodes import Place, place_text
from hvbackup.playbook.redaction import Redactor
from hvbackup.playbook.vault_passwords import read_password
from hvbackup.secrets import Secret

_ROUNDS = 10_000
_DAMAGED = "Take the value again from a backup, or encrypt it again with ansible-vault."


class _Envelope(NamedTuple):
    vault_id: str
    salt: bytes
    signature: bytes
    ciphertext: bytes


class Vault:
    """The passwords of a run by their ids, and what was decrypted with them. May be used from any thread.

    Attributes:
        redactor: Learns every text that is decrypted.
    """

    def __init__(self, passwords: Mapping[str, Secret], redactor: Redactor | None = None) -> None:
        self.redactor = redactor if redactor is not None else Redactor()
        self._passwords = dict(passwords)
        self._opened: dict[str, Secret] = {}
        self._lock = threading.Lock()
        for password in self._passwords.values():
            self.redactor.add(password)

    @classmethod
    def from_options(
        cls,
        sources: Sequence[str] = (),
        *,
        ask_password: bool = False,
        ask: Callable[[str], str] | None = None,
        redactor: Redactor | None = None,
    ) -> Vault:
        """Make a vault of what the command line says.

        Args:
            sources: Each `PATH`, `prompt`, `ID@PATH` or `ID@prompt`, as for Ansible's `--vault-id` and
                `--vault-password-file`. See `vault_passwords.read_password` for files and scripts.
            ask_password: Ask for the password of the id `default`.
            ask: Asks a person, without echo; by default `getpass`.

        Raises:
            PlaybookError: An id is there twice, or a file or script gives no password.
            SecretUnavailable: There is no terminal to ask on.
        """
        passwords: dict[str, Secret] = {}
        for source in [*sources, *(["prompt"] if ask_password else [])]:
            vault_id, separator, where = source.partition("@")
            if not separator:
                vault_id, where = "default", source
            if vault_id in passwords:
                raise PlaybookError(
                    f"there are two passwords for the vault id {vault_id!r}", hint="Name one source for each id."
                )
            passwords[vault_id] = read_password(vault_id, where, ask)
        return cls(passwords, redactor)

    def decrypt_value(self, ciphertext: str, place: Place | None = None) -> Secret:
        """Return the text behind a `!vault` value; the same ciphertext is decrypted once.

        Raises:
            PlaybookError: No password opens it, or it is damaged; with `place`.
        """
        # The lock is held while decrypting: other threads want the same value, and one decryption takes 10 ms.
        with self._lock:
            known = self._opened.get(ciphertext)
            if known is None:
                known = self._opened[ciphertext] = Secret(self._decrypt(ciphertext, place))
                self.redactor.add(known)
        return known

    def decrypt_file(self, text: str, place: Place | None = None) -> str:
        """Return the text of a file that is vaulted as a whole.

        Raises:
            PlaybookError: As for `decrypt_value`.
        """
        return self._decrypt(text, place)

    def _decrypt(self, text: str, place: Place | None) -> str:
        where = place_text(place)
        envelope = _parse(text, where)
        fitting = [name for name in self._passwords if name == envelope.vault_id]
        others = [name for name in self._passwords if name != envelope.vault_id]
        for name in fitting + others:
            content = _opened(envelope, self._passwords[name], where)
            if content is not None:
                try:
                    return content.decode("utf-8")
                except UnicodeDecodeError:
                    raise PlaybookError("the vaulted value is not UTF-8 text", place=where) from None
        raise self._unopened(envelope.vault_id, where)

    def _unopened(self, vault_id: str, where: str | None) -> PlaybookError:
        if not self._passwords:
            return PlaybookError(
                f"this is vaulted (vault id {vault_id!r}), and there is no vault password",
                place=where,
                hint="Give --vault-password-file or --ask-vault-pass.",
            )
        tried = ", ".join(sorted(self._passwords))
        if vault_id in self._passwords:
            return PlaybookError(
                f"the password of the vault id {vault_id!r} does not open this, or it is damaged (tried: {tried})",
                place=where,
                hint="Check the password; it may have been changed with `ansible-vault rekey`.",
            )
        return PlaybookError(
            f"no password for the vault id {vault_id!r}, and no other opens it (tried: {tried})",
            place=where,
            hint=f"Give --vault-id {vault_id}@FILE.",
        )


def _parse(text: str, where: str | None) -> _Envelope:
    lines = [line.strip() for line in text.strip().splitlines()]
    header = lines[0].split(";") if lines else [""]
    if header[0] != "$ANSIBLE_VAULT":
        raise PlaybookError(
            "this is no vaulted value: it does not begin with $ANSIBLE_VAULT", place=where, hint=_DAMAGED
        )
    if len(header) < 3 or header[1] not in ("1.1", "1.2") or header[2] != "AES256":
        raise PlaybookError(
            f"unknown vault format {';'.join(header[1:3])[:40]!r}; 1.1 and 1.2 with AES256 are read",
            place=where,
            hint="Encrypt it again with a current ansible-vault.",
        )
    vault_id = header[3] if header[1] == "1.2" and len(header) > 3 and header[3] else "default"
    try:
        salt, signature, ciphertext = (unhexlify(part) for part in unhexlify("".join(lines[1:])).split(b"\n", 2))
    except (HexError, ValueError):
        raise PlaybookError("the vaulted value is damaged: it is cut or altered", place=where, hint=_DAMAGED) from None
    return _Envelope(vault_id, salt, signature, ciphertext)


def _opened(envelope: _Envelope, password: Secret, where: str | None) -> bytes | None:
    """The plaintext, or None when the password does not fit."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, hmac, padding
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

    keys = PBKDF2HMAC(hashes.SHA256(), 80, envelope.salt, _ROUNDS).derive(password.reveal().encode())
    signer = hmac.HMAC(keys[32:64], hashes.SHA256())
    signer.update(envelope.ciphertext)
    try:
        signer.verify(envelope.signature)
    except InvalidSignature:
        return None
    decryptor = Cipher(algorithms.AES(keys[:32]), modes.CTR(keys[64:])).decryptor()
    unpadder = padding.PKCS7(128).unpadder()
    try:
        padded = decryptor.update(envelope.ciphertext) + decryptor.finalize()
        return unpadder.update(padded) + unpadder.finalize()
    except ValueError:
        raise PlaybookError("the vaulted value is damaged inside", place=where, hint=_DAMAGED) from None
