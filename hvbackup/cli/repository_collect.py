"""`hvbackup repository collect`: free the space of blocks that no restore point needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hvbackup.cli.context import Invocation, pass_invocation, repository_options
from hvbackup.cli.interrupt import interruptible
from hvbackup.cli.progress import ProgressDisplay
from hvbackup.cli.sizes import size_text
from hvbackup.jobs.quantities import time_span

if TYPE_CHECKING:
    from hvbackup.repository.collect import CollectReport


@click.command()
@click.option(
    "--grace", metavar="SPAN", default="24h", show_default=True, help="How long a pack is condemned before it goes."
)
@click.option("--dry-run", "-n", is_flag=True, help="Say what would be done; do nothing.")
@repository_options
@pass_invocation
def collect(invocation: Invocation, grace: str, dry_run: bool, location: str | None, passphrase: str | None) -> int:
    """Free the space of blocks that no restore point needs.

    It works in two steps: packs that nobody needs are condemned now, and deleted by a later collect, once the grace
    time has passed. Backups and restores may go on beside it. It may be stopped at any moment and run again.

    \b
    Exit status: 0 · 1 damaged, so that what is needed is not known · 4 the storage refuses
    · 6 somebody else prunes, collects or repairs · 7 wrong passphrase · 130 interrupted
    """
    seconds = time_span(grace).total_seconds()
    output = invocation.output
    with (
        invocation.repository(location, passphrase) as repository,
        ProgressDisplay(output) as progress,
        interruptible(output, invocation.cancel) as cancel,
    ):
        report = repository.collect(grace_seconds=seconds, dry_run=dry_run, events=progress, cancel=cancel)
    output.record("collect", report)
    _show(invocation, report)
    output.summary(0, dryRun=dry_run, deletedBytes=report.deleted_bytes, waitingBytes=report.waiting_bytes)
    return 0


def _show(invocation: Invocation, report: CollectReport) -> None:
    output = invocation.output
    would = "would be " if report.dry_run else ""
    output.line(
        f"{report.packs} packs of {size_text(report.pack_bytes)}, of which {report.points} restore points need "
        f"{size_text(report.needed_bytes)}"
    )
    output.line(f"{would}deleted: {report.deleted_packs} packs, {size_text(report.deleted_bytes)}")
    output.line(
        f"{would}condemned: {report.condemned_packs} packs, {size_text(report.condemned_bytes)}; "
        f"{size_text(report.copied_bytes)} of it stored anew"
    )
    if report.young_bytes:
        output.line(f"too young to be judged: {size_text(report.young_bytes)}")
    if report.next_at is not None:
        output.line(f"{size_text(report.waiting_bytes)} wait for a collect from {report.next_at} on")
    for name in report.hurt_packs:
        output.talk(f"warning: {name} cannot be read whole and was left alone", fg="yellow")
    if report.lost_blocks:
        output.talk(
            f"warning: {report.lost_blocks} blocks that restore points need are lost; `check` tells which", fg="yellow"
        )
