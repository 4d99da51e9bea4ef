"""`hvbackup cleanup`: what dead runs have left on a host."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import click

from hvbackup.cli.context import Invocation, host_options, pass_invocation
from hvbackup.cli.progress import ProgressDisplay


@click.command()
@click.argument("name", metavar="HOST")
@click.option("--run", "run_id", metavar="RUN", help="Remove what this run left, whatever machine it ran on.")
@click.option(
    "--older-than", type=click.FloatRange(min=0), metavar="HOURS", help="Remove what is older, of any machine."
)
@click.option("--dry-run", "-n", is_flag=True, help="Only look.")
@host_options
@pass_invocation
def cleanup(
    invocation: Invocation,
    name: str,
    run_id: str | None,
    older_than: float | None,
    dry_run: bool,
    connection: dict[str, Any],
) -> int:
    """Find shadow sets, exposed folders and scratch folders of hvbackup on HOST, and remove those of dead runs.

    What another machine has begun may still be at work: it is shown, and removed only by --run or --older-than.

    \b
    Exit status: 0 · 1 something could not be removed · 4 unreachable · 7 authentication
    """
    output = invocation.output
    with ProgressDisplay(output) as progress, invocation.host(name, connection, events=progress) as host:
        result = host.cleanup(
            run_id=run_id,
            older_than=None if older_than is None else timedelta(hours=older_than),
            dry_run=dry_run,
            events=progress,
        )
    for each in result.leftovers:
        output.record("leftover", each)
    output.table(
        ("scratch folder", "run", "begun by", "at", "state"),
        [
            (each.scratch, each.run_id, each.owner, each.created_at, _state(each.alive, each.removed, each.error))
            for each in result.leftovers
        ],
    )
    if not result.leftovers:
        output.line("nothing of hvbackup is on the host")
    for text in result.problems:
        output.line(f"error: {text}", fg="red")
    code = 1 if result.problems else 0
    output.summary(code, leftovers=len(result.leftovers), problems=result.problems)
    return code


def _state(alive: bool | None, removed: bool, error: str | None) -> str:
    if removed:
        return "removed"
    if error:
        return f"could not be removed: {error}"
    if alive:
        return "at work"
    return "left over" if alive is False else "may be at work"
