"""`hvbackup repository key`: the passphrases of a repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hvbackup.cli.context import Invocation, pass_invocation, repository_options
from hvbackup.errors import InvalidRequest

if TYPE_CHECKING:
    from hvbackup.repository.repository import Repository
    from hvbackup.secrets import Secret

_NEW_HELP = "Where the new passphrase comes from: keyring:SERVICE/USER, file:PATH, env:NAME or prompt. Default: prompt."
_EXIT = "\b\nExit status: 0 · 2 no such slot, the last one, not encrypted · 4 the storage refuses · 5 secret not there"


@click.group()
def key() -> None:
    """List, add, remove or change passphrases.

    Each passphrase has a slot; any of them opens the repository. A new passphrase does not encrypt anything anew:
    whoever copied an old slot, and knows its passphrase, can still read what is in the repository.
    """


@key.command("list", epilog=_EXIT)
@repository_options
@pass_invocation
def list_(invocation: Invocation, location: str | None, passphrase: str | None) -> int:
    """List the slots."""
    output = invocation.output
    with invocation.repository(location, passphrase) as repository:
        slots = repository.key_slots()
        encryption = repository.config.encryption
    for name, slot in slots.items():
        output.record("key", {"slot": _short(name), "label": slot.label, "createdAt": slot.created_at, "kdf": slot.kdf})
    output.table(
        ("slot", "made", "derivation", "label"),
        [
            (_short(name), slot.created_at, f"{slot.kdf} 2^{slot.log_n} r{slot.r} p{slot.p}", slot.label)
            for name, slot in slots.items()
        ],
    )
    if encryption == "none":
        output.talk("the repository is not encrypted")
    output.summary(0, slots=len(slots))
    return 0


@key.command(epilog=_EXIT)
@click.option("--new-passphrase-from", "new", metavar="REF", default="prompt", help=_NEW_HELP)
@click.option("--label", default="", help="For people: whose it is, or where it is kept.")
@repository_options
@pass_invocation
def add(invocation: Invocation, new: str, label: str, location: str | None, passphrase: str | None) -> int:
    """Let another passphrase open the repository."""
    with invocation.repository(location, passphrase) as repository:
        _require_encryption(repository)
        slot = repository.add_passphrase(_new_passphrase(repository, new), label=label)
    invocation.output.record("key", {"slot": _short(slot), "label": label})
    invocation.output.line(f"added slot {_short(slot)}")
    invocation.output.summary(0)
    return 0


@key.command(epilog=_EXIT)
@click.argument("slot")
@repository_options
@pass_invocation
def remove(invocation: Invocation, slot: str, location: str | None, passphrase: str | None) -> int:
    """Remove SLOT (or the beginning of its name): its passphrase opens the repository no more."""
    with invocation.repository(location, passphrase) as repository:
        name = _full_name(repository, slot)
        repository.remove_passphrase(name)
    invocation.output.line(f"removed slot {_short(name)}")
    invocation.output.summary(0, slot=_short(name))
    return 0


@key.command(epilog=_EXIT)
@click.option("--new-passphrase-from", "new", metavar="REF", default="prompt", help=_NEW_HELP)
@repository_options
@pass_invocation
def change(invocation: Invocation, new: str, location: str | None, passphrase: str | None) -> int:
    """Change the passphrase that opens the repository now (--passphrase-from) to a new one.

    The new slot is written and proven before the old one is removed; other slots stay.
    """
    from hvbackup.repository.repository import Repository

    place = invocation.repository_location(location)
    current = invocation.passphrase(place, passphrase)
    with Repository.open(place, passphrase=current) as repository:
        _require_encryption(repository)
        assert current is not None  # noqa: S101 - an encrypted repository does not open without one
        old = repository.opened_slots(current)
        secret = _new_passphrase(repository, new)
        if secret == current:
            raise InvalidRequest("the new passphrase is the old one")
        label = repository.key_slots()[old[0]].label
        slot = repository.add_passphrase(secret, label=label)
        Repository.open(place, passphrase=secret).close()
        for name in old:
            repository.remove_passphrase(name)
    invocation.output.record("key", {"slot": _short(slot), "label": label, "removed": [_short(name) for name in old]})
    invocation.output.line(f"changed: slot {_short(slot)} instead of {', '.join(map(_short, old))}")
    invocation.output.summary(0)
    return 0


def _new_passphrase(repository: Repository, reference: str) -> Secret:
    from hvbackup.secrets import read_secret

    question = f"New passphrase of {repository.location}"
    secret = read_secret(reference, question=question)
    if reference == "prompt" and secret != read_secret(reference, question=f"{question}, again"):
        raise InvalidRequest("the two passphrases differ; nothing was changed")
    return secret


def _require_encryption(repository: Repository) -> None:
    if repository.config.encryption == "none":
        raise InvalidRequest(
            "the repository is not encrypted and takes no passphrases", hint="Encryption is chosen by `init`."
        )


def _full_name(repository: Repository, slot: str) -> str:
    names = list(repository.key_slots())
    found = [name for name in names if _short(name).startswith(slot.lower())]
    if len(found) != 1:
        raise InvalidRequest(
            f"{'no key slot' if not found else 'more than one key slot'} begins with {slot!r}",
            hint=f"There are {', '.join(map(_short, names)) or 'none'}.",
        )
    return found[0]


def _short(name: str) -> str:
    return name.rpartition("/")[2]
