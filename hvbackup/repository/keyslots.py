"""Key slots: the master key, wrapped under a passphrase. One small JSON object for each passphrase, below `keys/`."""

from __future__ import annotations

import base64
import secrets

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from hvbackup.errors import FormatUnsupported, KeyRefused, RepositoryDamaged
from hvbackup.models import Model
from hvbackup.repository import format as f
from hvbackup.repository.crypto import Keys
from hvbackup.repository.store import Store
from hvbackup.secrets import Secret

#: scrypt costs 128 * r * 2^log_n bytes of memory: 32 MiB here, three times over (OWASP's equal of 2^17, r 8, p 1).
SCRYPT_LOG_N, SCRYPT_R, SCRYPT_P = 15, 8, 3
#: A slot that asks for more is not one of ours; it would only exhaust this machine.
MAX_LOG_N, MAX_R_P = 20, 64
BOUND = b"hvbackup key slot"


class KeySlot(Model, frozen=True, kw_only=True):
    """A wrapped master key. `salt`, `nonce` and `wrapped` are base64.

    `wrapped` is AES-256-GCM of the 32 bytes of the master key, bound to "hvbackup key slot" and the repository's id.
    `proof` lets `check` find a slot that was altered; opening does not need it.
    """

    kdf: str
    log_n: int
    r: int
    p: int
    salt: str
    nonce: str
    wrapped: str
    created_at: str
    label: str = ""
    proof: str = ""


def slot_proof(keys: Keys, slot: KeySlot) -> str:
    """Return the proof that belongs to a slot: only who has the master key can make it, or check it."""
    return keys.slot_proof(msgspec.json.encode(msgspec.structs.replace(slot, proof="")))


def _wrapping_key(passphrase: Secret, salt: bytes, log_n: int, r: int, p: int) -> bytes:
    return Scrypt(salt=salt, length=32, n=1 << log_n, r=r, p=p).derive(passphrase.reveal().encode())


def write_slot(
    store: Store,
    master: bytes,
    passphrase: Secret,
    *,
    repository_id: str,
    created_at: str,
    label: str = "",
    log_n: int = SCRYPT_LOG_N,
) -> str:
    """Wrap the master key under a passphrase, store the slot, and return its name."""
    salt, nonce = secrets.token_bytes(32), secrets.token_bytes(12)
    key = _wrapping_key(passphrase, salt, log_n, SCRYPT_R, SCRYPT_P)
    slot = KeySlot(
        kdf="scrypt",
        log_n=log_n,
        r=SCRYPT_R,
        p=SCRYPT_P,
        salt=base64.b64encode(salt).decode(),
        nonce=base64.b64encode(nonce).decode(),
        wrapped=base64.b64encode(AESGCM(key).encrypt(nonce, master, BOUND + repository_id.encode())).decode(),
        created_at=created_at,
        label=label,
    )
    name = f"{f.KEYS}{secrets.token_hex(8)}"
    slot = msgspec.structs.replace(slot, proof=slot_proof(Keys(master), slot))
    store.put(name, msgspec.json.encode(slot), create=True)
    return name


def read_slots(store: Store) -> dict[str, KeySlot]:
    """Return all slots by name.

    Raises:
        RepositoryDamaged: A slot cannot be read.
        FormatUnsupported: A slot uses a key derivation that this version does not know.
    """
    slots = {}
    for info in sorted(store.list(f.KEYS)):
        try:
            slot = msgspec.json.decode(store.get(info.name), type=KeySlot)
        except msgspec.MsgspecError as error:
            raise RepositoryDamaged(f"{info.name}: the key slot cannot be read: {error}") from error
        if slot.kdf != "scrypt":
            raise FormatUnsupported(f"{info.name}: key derivation {slot.kdf} is not known to this hvbackup")
        if not (1 <= slot.log_n <= MAX_LOG_N and 1 <= slot.r * slot.p <= MAX_R_P):
            raise RepositoryDamaged(f"{info.name}: the key slot asks for an unreasonable amount of memory")
        slots[info.name] = slot
    return slots


def find_master(store: Store, passphrase: Secret, repository_id: str) -> bytes:
    """Return the master key from the first slot that the passphrase opens.

    Raises:
        KeyRefused: None of the slots opens.
        RepositoryDamaged: There is no slot, or none can be read.
    """
    slots = read_slots(store)
    if not slots:
        raise RepositoryDamaged("the repository is encrypted, but has no key slot", hint="restore its keys/ folder")
    for slot in slots.values():
        key = _wrapping_key(passphrase, base64.b64decode(slot.salt), slot.log_n, slot.r, slot.p)
        try:
            return AESGCM(key).decrypt(
                base64.b64decode(slot.nonce), base64.b64decode(slot.wrapped), BOUND + repository_id.encode()
            )
        except InvalidTag:
            continue
    raise KeyRefused(
        "the passphrase does not open this repository", hint="check the passphrase; nothing can be read without it"
    )
