"""`hvbackup repository pin` and `unpin`: restore points that no policy deletes."""

from __future__ import annotations

import click

from hvbackup.cli.context import Invocation, pass_invocation, repository_options

_EXIT = "\b\nExit status: 0 · 1 no such point · 4 the storage refuses · 7 wrong passphrase"


@click.command(epilog=_EXIT)
@click.argument("point")
@click.option("--reason", default="", help="Why, for people.")
@repository_options
@pass_invocation
def pin(invocation: Invocation, point: str, reason: str, location: str | None, passphrase: str | None) -> int:
    """Keep POINT whatever the retention policy says."""
    with invocation.repository(location, passphrase) as repository:
        found = repository.point(point)
        repository.pin(found.id, reason)
    invocation.output.record("pin", {"pointId": found.id, "pinned": True, "reason": reason})
    invocation.output.line(f"pinned {found.id} of {found.vm_name}")
    invocation.output.summary(0)
    return 0


@click.command(epilog=_EXIT)
@click.argument("point")
@repository_options
@pass_invocation
def unpin(invocation: Invocation, point: str, location: str | None, passphrase: str | None) -> int:
    """Let the retention policy decide on POINT again."""
    with invocation.repository(location, passphrase) as repository:
        found = repository.point(point)
        was = repository.unpin(found.id)
    invocation.output.record("pin", {"pointId": found.id, "pinned": False, "wasPinned": was})
    invocation.output.line(f"unpinned {found.id} of {found.vm_name}" if was else f"{found.id} was not pinned")
    invocation.output.summary(0)
    return 0
