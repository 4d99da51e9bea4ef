"""`hvbackup repository init`: make a repository."""

from __future__ import annotations

import click

from hvbackup.cli.context import Invocation, pass_invocation, repository_options


@click.command()
@repository_options
@click.option("--zstd-level", type=click.IntRange(1, 19), default=3, show_default=True, help="1 fast ... 19 small.")
@pass_invocation
def init(invocation: Invocation, location: str | None, passphrase: str | None, zstd_level: int) -> int:
    """Make a repository in an empty folder or bucket.

    Keep the passphrase where the repository is not: without it the backups are lost. `--passphrase-from none` makes a
    repository that anybody can read who gets at it.

    \b
    Exit status: 0 · 1 there is something already · 4 no room, no rights, read-only, no network
    """
    from hvbackup.repository.repository import Repository

    place = invocation.repository_location(location)
    secret = invocation.passphrase(place, passphrase)
    with Repository.init(invocation.store(place, create=True), passphrase=secret, zstd_level=zstd_level) as made:
        invocation.output.record("repository", {"location": made.location, "encrypted": secret is not None})
        invocation.output.line(f"made a repository at {made.location}")
        if secret is None:
            invocation.output.talk("warning: it is not encrypted; anybody who gets at it can read it", fg="yellow")
    invocation.output.summary(0)
    return 0
