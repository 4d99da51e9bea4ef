"""`hvbackup verify`: are restore points really there, and are their disks whole."""

from __future__ import annotations

import click

from hvbackup.cli.context import Invocation, pass_invocation, repository_options
from hvbackup.cli.interrupt import interruptible
from hvbackup.cli.progress import ProgressDisplay
from hvbackup.cli.sizes import size_text
from hvbackup.errors import InvalidRequest


@click.command()
@click.argument("points", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every restore point of the repository.")
@repository_options
@pass_invocation
def verify(
    invocation: Invocation, points: tuple[str, ...], everything: bool, location: str | None, passphrase: str | None
) -> int:
    """Read POINTS back, block by block against their hashes, and check the structure of every disk.

    \b
    Exit status: 0 all good · 1 something is damaged · 7 wrong passphrase
    """
    from hvbackup.jobs.host import verify as verify_one

    if not points and not everything:
        raise InvalidRequest("no restore point is named", hint="Name some, or use --all.")
    output = invocation.output
    damaged = 0
    with (
        invocation.repository(location, passphrase) as repository,
        ProgressDisplay(output) as progress,
        interruptible(output, invocation.cancel) as cancel,
    ):
        wanted = [point.id for point in repository.points()] if everything else list(points)
        for point in wanted:
            result = verify_one(repository, point, events=progress, cancel=cancel)
            output.record("verified", result)
            damaged += bool(result.problems)
            state = "DAMAGED" if result.problems else "good"
            output.line(
                f"{result.point_id}  {result.vm_name}: {state}, {result.files} files, {size_text(result.size_bytes)}",
                fg="red" if result.problems else "green",
            )
            for text in (*result.problems, *result.notes):
                output.line(f"    {text}")
    code = 1 if damaged else 0
    output.summary(code, verified=len(wanted), damaged=damaged)
    return code
