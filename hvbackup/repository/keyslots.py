"""Key slots: the master key, wrapped under a passphrase. One small JSON object for each passphrase.

They lie below `keys/<repository id>/`, so that what an init that was cut off left behind is never taken for a slot.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from hvbackup.errors import FormatUnsupported, KeyRefused, RepositoryDamaged, RepositoryError
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


def encode_slot(slot: KeySlot) -> bytes:
    """Return the bytes of a slot's object."""
    return msgspec.json.encode(slot)


def slot_proof(keys: Keys, slot: KeySlot) -> str:
    """Return the proof that belongs to a slot: only who has the master key can make it, or check it."""
    return keys.slot_proof(encode_slot(msgspec.structs.replace(slot, proof="")))


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
    name = f"{f.KEYS}{repository_id}/{secrets.token_hex(8)}"
    slot = msgspec.structs.replace(slot, proof=slot_proof(Keys(master), slot))
    store.put(name, encode_slot(slot), create=True)
    return name


def read_slots(
    store: Store, repository_id: str, on_damage: Callable[[str, RepositoryError], None] | None = None
) -> dict[str, KeySlot]:
    """Return all slots by name.

    Args:
        on_damage: Told of each slot that cannot be read, which is then left out.

    Raises:
        RepositoryDamaged: A slot cannot be read, and nobody listens.
        FormatUnsupported: A slot uses a key derivation that this version does not know, and nobody listens.
    """
    slots = {}
    for info in sorted(store.list(f"{f.KEYS}{repository_id}/")):
        try:
            slots[info.name] = _decode_slot(info.name, store.get(info.name))
        except (RepositoryDamaged, FormatUnsupported) as error:
            if on_damage is None:
                raise
            on_damage(info.name, error)
    return slots


def _decode_slot(name: str, data: bytes) -> KeySlot:
    slot = f.decode_json(data, KeySlot, f"{name}: the key slot")
    if slot.kdf != "scrypt":
        raise FormatUnsupported(f"{name}: key derivation {slot.kdf} is not known to this hvbackup")
    if not (1 <= slot.log_n <= MAX_LOG_N and slot.r >= 1 and slot.p >= 1 and slot.r * slot.p <= MAX_R_P):
        raise RepositoryDamaged(f"{name}: the key slot asks for an unreasonable amount of memory")
    return slot


def slots_opened_by(store: Store, passphrase: Secret, repository_id: str) -> list[str]:
    """Return the names of all slots that a passphrase opens; each try costs a key derivation."""
    slots = read_slots(store, repository_id, lambda _name, _error: None)
    return [name for name, slot in slots.items() if _open_slot(slot, passphrase, repository_id) is not None]


def find_master(store: Store, passphrase: Secret, repository_id: str) -> bytes:
    """Return the master key from the first slot that the passphrase opens.

    Raises:
        KeyRefused: None of the slots opens.
        RepositoryDamaged: None opens, and there is none or one of them cannot be read.
        FormatUnsupported: None opens, and one of them is of a kind that this version does not know.
    """
    damage: list[RepositoryError] = []
    slots = read_slots(store, repository_id, lambda _name, error: damage.append(error))
    for slot in slots.values():
        master = _open_slot(slot, passphrase, repository_id)
        if master is not None:
            return master
    if damage:
        raise damage[0]
    if not slots:
        raise RepositoryDamaged("the repository is encrypted, but has no key slot", hint="restore its keys/ folder")
    raise KeyRefused(
        "the passphrase does not open this repository", hint="check the passphrase; nothing can be read without it"
    )


def _open_slot(slot: KeySlot, passphrase: Secret, repository_id: str) -> bytes | None:
    try:
        salt, nonce, wrapped = (base64.b64decode(text) for text in (slot.salt, slot.nonce, slot.wrapped))
        key = _wrapping_key(passphrase, salt, slot.log_n, slot.r, slot.p)
        return AESGCM(key).decrypt(nonce, wrapped, BOUND + repository_id.encode())
    except (InvalidTag, ValueError):  # ValueError: base64 or a nonce that are none; `check` tells by the slot's proof
        return None
