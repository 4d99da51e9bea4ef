"""Hosts and repositories for one task: opened in it and closed at its end, so that tasks of hosts run in parallel."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hvbackup.errors import ConfigurationError, InvalidRequest, SecretUnavailable
from hvbackup.playbook.modules.arguments import RepositoryArguments
from hvbackup.playbook.modules.contract import ModuleContext

if TYPE_CHECKING:
    from hvbackup.jobs.host import Host
    from hvbackup.repository.repository import Repository
    from hvbackup.repository.store import Store
    from hvbackup.secrets import Secret


@contextmanager
def open_host(context: ModuleContext) -> Iterator[Host]:
    """Connect to the host of the task.

    Raises:
        InvalidRequest: The host is this machine, and this machine is no Windows.
    """
    from hvbackup.playbook.modules.kept_hosts import KeptHosts

    if context.connection.transport == "local" and os.name != "nt":
        raise InvalidRequest(
            f"{context.inventory_hostname} is this machine, which is no Hyper-V host",
            hint="Run the task on the Hyper-V host, with ansible_connection psrp or winrm; do not delegate it.",
        )
    if context.kept is not None:
        with context.kept.host(context.connection, context.events) as host:
            yield host
        return
    with KeptHosts() as own, own.host(context.connection, context.events) as host:
        yield host


@contextmanager
def open_repository(arguments: RepositoryArguments, context: ModuleContext) -> Iterator[Repository]:
    """Open the repository that the arguments name."""
    from hvbackup.repository.repository import Repository

    secret = passphrase(arguments)
    with Repository.open(open_place(arguments, context), passphrase=secret) as repository:
        yield repository


def open_place(arguments: RepositoryArguments, context: ModuleContext, *, create: bool = False) -> Store:
    """Open the place of a repository, with the limit on its transfers."""
    from hvbackup.jobs.quantities import byte_rate
    from hvbackup.repository.store import open_store
    from hvbackup.repository.throttle import limited

    rate = byte_rate(arguments.limit_rate) if arguments.limit_rate is not None else None
    return limited(open_store(arguments.repository, create=create), rate, rate, stop=context.cancel)


def passphrase(arguments: RepositoryArguments) -> Secret | None:
    """Return the passphrase; None for a repository that is not encrypted.

    Raises:
        ConfigurationError: Both or neither of the arguments are given.
        SecretUnavailable: It is not where the reference says.
    """
    from hvbackup.secrets import Secret, read_secret

    reference = arguments.passphrase_from
    if (reference is None) == (arguments.passphrase is None):
        raise ConfigurationError(
            "give exactly one of passphrase and passphrase_from",
            hint="passphrase_from: none is a repository that is not encrypted.",
        )
    if arguments.passphrase is not None:
        return Secret(arguments.passphrase.get_secret_value())
    if reference == "none":
        return None
    if reference == "prompt":
        raise SecretUnavailable(
            "nobody can be asked for a passphrase while a playbook runs",
            hint="Use a vaulted passphrase, or passphrase_from: keyring:SERVICE/USER, file:PATH or env:NAME.",
        )
    return read_secret(reference or "")
