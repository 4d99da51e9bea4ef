"""`hvbackup rebuild`: a VM out of a restore point."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from hvbackup.cli.context import Invocation, host_options, pass_invocation, repository_options
from hvbackup.cli.interrupt import interruptible
from hvbackup.cli.progress import ProgressDisplay
from hvbackup.errors import RestoreRefused

if TYPE_CHECKING:
    from hvbackup.jobs.rebuild import RebuildPlan


@click.command()
@click.argument("point")
@click.argument("name", metavar="HOST")
@click.option("--as", "vm_name", metavar="NAME", help="Name of the VM. Default: the one that it had.")
@click.option("--path", metavar="FOLDER", help="Folder on the host for all files. Default: where they came from.")
@click.option("--switch", metavar="SWITCH", help="Connect all network adapters to this virtual switch.")
@click.option(
    "--connect/--disconnect", "connect_network", default=None, help="Default: connect only if the original is gone."
)
@click.option("--replace", is_flag=True, help="Replace the VM of the same id, and files in the way.")
@click.option(
    "--by", type=click.Choice(["auto", "import", "new"]), default="auto", help="Import-VM, New-VM, or choose."
)
@click.option("--drop-saved-state", is_flag=True, help="Start as after a power cut instead of resuming.")
@click.option("--lanes", type=click.IntRange(1, 8), default=2, show_default=True, help="Writing connections.")
@click.option("--dry-run", "-n", is_flag=True, help="Show the plan and stop.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask before something is destroyed.")
@repository_options
@host_options
@pass_invocation
def rebuild(
    invocation: Invocation,
    point: str,
    name: str,
    vm_name: str | None,
    by: str,
    dry_run: bool,
    yes: bool,
    location: str | None,
    passphrase: str | None,
    connection: dict[str, Any],
    **wishes: Any,
) -> int:
    """Make a VM out of POINT on HOST.

    By Import-VM of the backed-up configuration where that is possible, else by New-VM with the recorded settings. All
    files are written and read back before any VM is touched. Nothing is replaced without --replace.

    \b
    Exit status: 0 the VM is there and was checked · 1 refused or failed · 4 unreachable
    · 7 authentication · 130 interrupted
    """
    from hvbackup.jobs.requests import RebuildBy, RebuildRequest

    request = RebuildRequest(point=point, name=vm_name, by=RebuildBy(by), **wishes)
    output = invocation.output
    with (
        invocation.repository(location, passphrase) as repository,
        ProgressDisplay(output) as progress,
        invocation.host(name, connection, events=progress) as host,
    ):
        plan = host.plan_rebuild(repository, request)
        _show_plan(invocation, plan)
        if dry_run:
            output.summary(0)
            return 0
        if plan.destroys and not yes:
            _confirm(plan)
        with interruptible(output, invocation.cancel) as cancel:
            result = host.rebuild(repository, request, plan=plan, events=progress, cancel=cancel)
    output.record("rebuilt", result)
    for text in result.warnings:
        output.line(f"warning: {text}", fg="yellow")
    output.line(f"{result.vm.name} is there: {result.vm.id}, {result.vm.state}", fg="green")
    output.summary(0, vmId=result.vm.id, vmName=result.vm.name)
    return 0


def _show_plan(invocation: Invocation, plan: RebuildPlan) -> None:
    output = invocation.output
    output.record(
        "rebuild_plan",
        {
            "pointId": plan.point_id,
            "name": plan.choice.name,
            "by": plan.choice.by,
            "keepsId": plan.choice.keeps_id,
            "steps": plan.steps,
            "destroys": plan.destroys,
        },
    )
    output.line(f"plan for {plan.host}:", bold=True)
    for text in plan.steps:
        output.line(f"  {text}")
    for text in plan.destroys:
        output.line(f"  WILL BE GONE: {text}", fg="red")


def _confirm(plan: RebuildPlan) -> None:
    if not sys.stdin.isatty():
        raise RestoreRefused(
            f"{len(plan.destroys)} thing(s) would be destroyed, and nobody can be asked", hint="Allow it with --yes."
        )
    if not click.confirm("Go on?", err=True):
        raise RestoreRefused("not confirmed; nothing was touched")
