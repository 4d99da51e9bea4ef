"""`hvbackup repository repair`: save what a damaged repository still holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hvbackup.cli.context import Invocation, pass_invocation, repository_options
from hvbackup.cli.interrupt import interruptible
from hvbackup.cli.progress import ProgressDisplay
from hvbackup.cli.sizes import size_text

if TYPE_CHECKING:
    from hvbackup.repository.repair import RepairReport


@click.command()
@click.option(
    "--structure-only", is_flag=True, help="Do not read every byte; finds only what is missing or unreadable."
)
@click.option(
    "--move-points", is_flag=True, help="Put hurt restore points aside, so that prune and collect work again."
)
@click.option("--dry-run", "-n", is_flag=True, help="Say what is wrong and what would be put aside; change nothing.")
@repository_options
@pass_invocation
def repair(
    invocation: Invocation,
    structure_only: bool,
    move_points: bool,
    dry_run: bool,
    location: str | None,
    passphrase: str | None,
) -> int:
    """Save what a damaged repository still holds. Nothing is deleted: what is hurt is put aside (`aside/`).

    The index is rebuilt, and the good blocks of hurt packs are stored anew. Blocks that are lost are brought again by
    the next backup that has them; restore points that lacked them are whole then, and those that were put aside come
    back at the next repair.

    \b
    Exit status: 0 every restore point is whole · 1 some are hurt, or, with --dry-run, something is wrong
    · 4 the storage refuses · 6 somebody else prunes, collects or repairs · 7 wrong passphrase · 130 interrupted
    """
    output = invocation.output
    with (
        invocation.repository(location, passphrase) as repository,
        ProgressDisplay(output) as progress,
        interruptible(output, invocation.cancel) as cancel,
    ):
        report = repository.repair(
            read_data=not structure_only, move_points=move_points, dry_run=dry_run, events=progress, cancel=cancel
        )
    output.record("repair", report)
    _show(invocation, report)
    code = 1 if report.hurt or (dry_run and report.problems) else 0
    output.summary(code, problems=len(report.problems), hurt=len(report.hurt), dryRun=dry_run)
    return code


def _show(invocation: Invocation, report: RepairReport) -> None:
    output = invocation.output
    for problem in report.problems:
        output.line(f"{problem.object}: {problem.text}", fg="red")
    if not report.problems:
        output.line("nothing was wrong", fg="green")
    if report.salvaged_blocks:
        output.line(f"stored anew: {report.salvaged_blocks} good blocks, {size_text(report.salvaged_bytes)}")
    if report.segments:
        output.line(f"index: {report.segments} segments written anew or put aside")
    aside = "would be put aside" if report.dry_run else "put aside"
    for name in (*report.packs_aside, *report.objects_aside):
        output.line(f"{aside}: {name}")
    for name in report.missing_packs:
        output.line(f"gone: {name}", fg="red")
    for point in report.points_back:
        output.line(f"whole again, put back: {point}", fg="green")
    for hurt in report.hurt:
        output.line(f"hurt: {hurt.point_id}{' (put aside)' if hurt.point_id in report.points_aside else ''}", fg="red")
        for file in hurt.files:
            output.line(f"    {file}")
    if report.hurt and not report.dry_run:
        output.talk("hint: back the VMs up again; what a new backup still has makes these points whole, too")
