"""`hvbackup repository forget-lease`: release what a dead run holds."""

from __future__ import annotations

import sys
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import click

from hvbackup.cli.context import Invocation, pass_invocation, repository_options
from hvbackup.errors import InvalidRequest, RepositoryLocked

if TYPE_CHECKING:
    from hvbackup.repository.lease import Held
    from hvbackup.repository.repository import Repository


@click.command()
@click.argument("scope", required=False)
@click.option("--vm", metavar="NAME|GUID", help="The lease on this VM.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@repository_options
@pass_invocation
def forget_lease(
    invocation: Invocation,
    scope: str | None,
    vm: str | None,
    yes: bool,
    location: str | None,
    passphrase: str | None,
) -> int:
    """Release the lease on a VM, or on SCOPE as a message names it, when whoever holds it is surely dead.

    Leases run out by themselves about 16 minutes after their owner's last sign of life. If the owner is alive after
    all, it will find its lease lost, and its restore point will not be written. Without --vm and SCOPE the leases that
    are held are listed.

    \b
    Exit status: 0 · 2 no such lease · 4 the storage refuses · 6 not confirmed · 7 wrong passphrase
    """
    output = invocation.output
    with invocation.repository(location, passphrase) as repository:
        held = repository.held_leases()
        if scope is None and vm is None:
            _list(invocation, held)
            return 0
        wanted = _find(held, {scope} if scope is not None else _scopes(repository, str(vm)), scope or str(vm))
        record = wanted.record
        output.talk(
            f"the lease on {record.scope} is held by {record.owner} since {record.taken_at}; last sign of life "
            f"{_renewed_at(wanted)} by the store's clock"
        )
        if not yes:
            _confirm(record.owner)
        forgotten = repository.forget_lease(record.scope, owner=record.owner)
    output.record("lease", {"scope": record.scope, "owner": record.owner, "forgotten": forgotten})
    output.line(f"released {record.scope}" if forgotten else f"{record.scope} was released or taken over meanwhile")
    output.summary(0, forgotten=forgotten)
    return 0


def _list(invocation: Invocation, held: list[Held]) -> None:
    output = invocation.output
    rows = [(each.record.scope, each.record.owner, each.record.taken_at, _renewed_at(each)) for each in held]
    for scope, owner, since, renewed_at in rows:
        output.record("lease", {"scope": scope, "owner": owner, "since": since, "renewedAt": renewed_at})
    output.table(("lease", "held by", "since", "last sign of life"), rows)
    if not held:
        output.talk("no lease is held")
    output.summary(0, leases=len(held))


def _renewed_at(held: Held) -> str:
    return datetime.fromtimestamp(held.modified, timezone.utc).isoformat(timespec="seconds")


def _scopes(repository: Repository, vm: str) -> set[str]:
    """Return the scopes of a VM: by its id, and by the ids of all VMs of that name that have restore points."""
    named = {f"vm/{point.vm_id}" for point in repository.points(vm=vm, on_damage=lambda _error: None)}
    return {f"vm/{vm.strip('{}').lower()}", *named}


def _find(held: list[Held], scopes: set[str], asked: str) -> Held:
    found = [each for each in held if each.record.scope in scopes]
    if len(found) == 1:
        return found[0]
    there = ", ".join(each.record.scope for each in held)
    if found:
        raise InvalidRequest(f"several VMs are named {asked!r}, and more than one is in use", hint=f"Held: {there}.")
    raise InvalidRequest(f"nobody holds a lease on {asked!r}", hint=f"Held: {there}." if held else "None is held.")


def _confirm(owner: str) -> None:
    if not sys.stdin.isatty():
        raise RepositoryLocked(
            "the lease was left alone: nobody can be asked whether its owner is dead",
            hint=f"Make sure that {owner} is dead, then add --yes.",
        )
    if not click.confirm("Is its owner surely dead? Its backup would fail.", err=True):
        raise RepositoryLocked("not confirmed; the lease was left alone")
