"""`hvbackup repository`: make and look after a repository."""

from __future__ import annotations

import click

from hvbackup.cli.context import Invocation, pass_invocation, repository_options
from hvbackup.cli.interrupt import interruptible
from hvbackup.cli.progress import ProgressDisplay
from hvbackup.cli.sizes import size_text


@click.group()
def repository() -> None:
    """Make and look after a repository."""


@repository.command()
@repository_options
@click.option("--zstd-level", type=click.IntRange(1, 19), default=3, show_default=True, help="1 fast ... 19 small.")
@pass_invocation
def init(invocation: Invocation, location: str | None, passphrase: str | None, zstd_level: int) -> int:
    """Make a repository in an empty folder or bucket.

    Keep the passphrase where the repository is not: without it the backups are lost. `--passphrase-from none` makes a
    repository that anybody can read who gets at it.
    """
    from hvbackup.repository.repository import Repository

    place = invocation.repository_location(location)
    secret = invocation.passphrase(place, passphrase)
    with Repository.init(place, passphrase=secret, zstd_level=zstd_level) as made:
        invocation.output.record("repository", {"location": made.location, "encrypted": secret is not None})
        invocation.output.line(f"made a repository at {made.location}")
        if secret is None:
            invocation.output.talk("warning: it is not encrypted; anybody who gets at it can read it", fg="yellow")
    invocation.output.summary(0)
    return 0


@repository.command()
@repository_options
@click.option("--read-data", is_flag=True, help="Read every byte, not only the structure.")
@pass_invocation
def check(invocation: Invocation, location: str | None, passphrase: str | None, read_data: bool) -> int:
    """Check the repository; say which restore points are hurt.

    \b
    Exit status: 0 good · 1 damaged · 4 the storage cannot be read · 7 wrong passphrase
    """
    output = invocation.output
    with (
        invocation.repository(location, passphrase) as opened,
        ProgressDisplay(output) as progress,
        interruptible(output) as cancel,
    ):
        report = opened.check(read_data=read_data, events=progress, cancel=cancel)
    output.record("check", report)
    for problem in report.problems:
        output.line(f"{problem.object}: {problem.text}", fg="red")
        for file in problem.files:
            output.line(f"    hurt: {file}")
    what = f"{report.points} restore points, {report.packs} packs"
    if read_data:
        what += f", {report.blocks} blocks read ({size_text(report.bytes_read)})"
    output.line(
        f"{what}: {'good' if report.ok else f'{len(report.problems)} problem(s)'}", fg="green" if report.ok else "red"
    )
    code = 0 if report.ok else 1
    output.summary(code, problems=len(report.problems), points=report.points, packs=report.packs)
    return code


@repository.command()
@repository_options
@pass_invocation
def info(invocation: Invocation, location: str | None, passphrase: str | None) -> int:
    """Show what the repository is, and what it holds of each VM."""
    output = invocation.output
    with invocation.repository(location, passphrase) as opened:
        stats = opened.stats()
        place = opened.location
    output.record("repository", {"location": place, **stats.to_dict()})
    output.line(f"{place}: {stats.encryption}, made {stats.created_at}")
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
