"""`hvbackup repository info`: what a repository is."""

from __future__ import annotations

import click

from hvbackup.cli.context import Invocation, pass_invocation, repository_options
from hvbackup.cli.sizes import size_text


@click.command()
@repository_options
@pass_invocation
def info(invocation: Invocation, location: str | None, passphrase: str | None) -> int:
    """Show what the repository is, and what it holds of each VM.

    \b
    Exit status: 0 · 1 no repository, newer format, damaged · 4 the storage cannot be read · 7 wrong passphrase
    """
    output = invocation.output
    with invocation.repository(location, passphrase) as opened:
        stats = opened.stats()
        place = opened.location
    output.record("repository", {"location": place, **stats.to_dict()})
    output.line(f"{place}: encryption {stats.encryption}, made {stats.created_at}")
    output.line(
        f"{stats.points} restore points of {size_text(stats.source_bytes)} in {stats.packs} packs of "
        f"{size_text(stats.pack_bytes)}"
    )
    output.line()
    output.table(
        ("host", "VM", "points", "first", "last"),
        [(vm.host, vm.vm_name, vm.points, vm.first, vm.last) for vm in stats.vms],
    )
    output.summary(0)
    return 0
