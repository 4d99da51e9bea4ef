"""Makes a repository where there is none."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timezone
from importlib import resources

import msgspec

from hvbackup._version import __version__
from hvbackup.errors import InvalidRequest, RepositoryExists
from hvbackup.repository import format as f
from hvbackup.repository import keyslots
from hvbackup.repository.crypto import Keys
from hvbackup.repository.store import ObjectExists, Store
from hvbackup.secrets import Secret


def found(
    store: Store, passphrase: Secret | None, *, zstd_level: int, pack_size: int, scrypt_log_n: int
) -> tuple[f.Config, bytes | None]:
    """Make a repository; return its configuration, which is written last, and its master key.

    Raises:
        RepositoryExists: There is a repository, or something else, at this place.
        InvalidRequest: An empty passphrase, or a level that is none.
    """
    if passphrase is not None and not passphrase:
        raise InvalidRequest("an empty passphrase protects nothing", hint="give one, or choose no encryption")
    if not 1 <= zstd_level <= 19:
        raise InvalidRequest(f"the zstd level is between 1 and 19, not {zstd_level}")
    _refuse_occupied(store)
    config = f.Config(
        format=f.FORMAT_NAME,
        version=f.FORMAT_VERSION,
        id=secrets.token_hex(16),
        created_at=now_text(),
        encryption="none" if passphrase is None else "aes-256-gcm",
        zstd_level=zstd_level,
        pack_size=pack_size,
        conditional_create=_probe_conditional_create(store),
        help_hashes=_write_help(store),
        tool_version=__version__,
    )
    master = None
    if passphrase is not None:
        master = secrets.token_bytes(32)
        keyslots.write_slot(
            store, master, passphrase, repository_id=config.id, created_at=now_text(), log_n=scrypt_log_n
        )
    line = msgspec.json.encode(config)
    try:
        store.put(f.CONFIG_NAME, line + b"\n" + Keys(master).config_proof(line).encode() + b"\n", create=True)
    except ObjectExists as error:
        raise RepositoryExists(f"{store.location}: somebody made a repository here at the same time") from error
    return config, master


def now_text() -> str:
    """Return the time as the format writes it."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _refuse_occupied(store: Store) -> None:
    # What an init that was cut off leaves behind is no obstacle.
    ours = (f.KEYS, f.PROBES, f.GUIDE_NAME, f.EXTRACTOR_NAME, "staging/")
    for info in store.list(""):
        if info.name == f.CONFIG_NAME:
            raise RepositoryExists(
                f"{store.location}: there is a repository already", hint="open it, or take another place"
            )
        if not info.name.startswith(ours):
            raise RepositoryExists(
                f"{store.location}: there is something else here: {info.name}", hint="take an empty folder or prefix"
            )


def _probe_conditional_create(store: Store) -> bool:
    name = f"{f.PROBES}{secrets.token_hex(8)}"
    store.put(name, b"1", create=True)
    try:
        store.put(name, b"2", create=True)
    except ObjectExists:
        return True
    else:
        return False
    finally:
        store.delete(name)


def _write_help(store: Store) -> dict[str, str]:
    """Lay the extractor and a guide beside the data, for who has nothing but this repository; return their hashes."""
    package = resources.files("hvbackup.repository")
    hashes = {}
    for name in (f.EXTRACTOR_NAME, f.GUIDE_NAME):
        data = package.joinpath(name).read_bytes()
        store.put(name, data)
        hashes[name] = hashlib.sha256(data).hexdigest()
    return hashes
