"""`hvbackup vms`: which VMs would be backed up Online or Offline, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hvbackup.cli.context import Invocation, host_options, pass_invocation
from hvbackup.cli.reasons import why
from hvbackup.errors import InvalidRequest
from hvbackup.models import Classification, Verdict, Vm

_MARKS = {Verdict.MET: "✓", Verdict.FAILED: "✗", Verdict.UNSEEN: "?"}
_COLOURS = {Verdict.MET: "green", Verdict.FAILED: "red", Verdict.UNSEEN: "yellow"}


@click.command()
@click.argument("name", metavar="HOST", required=False)
@click.option("--explain", is_flag=True, help="Show every condition of the Online method, and how to meet it.")
@click.option("--include", multiple=True, metavar="PATTERN", help="Only VMs that fit (name with * and ?, or GUID).")
@click.option("--exclude", multiple=True, metavar="PATTERN", help="Leave out VMs that fit.")
@click.option(
    "--from", "file", type=click.Path(exists=True, dir_okay=False), help="Classify from a saved output of diskshadow."
)
@host_options
@pass_invocation
def vms(
    invocation: Invocation,
    name: str | None,
    explain: bool,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    file: str | None,
    connection: dict[str, Any],
) -> int:
    """List the VMs of HOST: Online (keeps running) or Offline (is paused), why, and what would change it.

    \b
    Exit status: 0 · 2 a pattern fits no VM · 4 unreachable · 7 authentication
    """
    if file is not None:
        return _from_file(invocation, Path(file))
    if name is None:
        raise InvalidRequest("no host is named", hint="hvbackup vms HOST, or hvbackup vms --from FILE")
    from hvbackup.jobs.selection import select_vms

    with invocation.host(name, connection) as host:
        classifications = {each.vm_id: each for each in host.classify()}
        everything = host.vms()
    methods = {vm_id: each.method for vm_id, each in classifications.items()}
    chosen = select_vms(everything, include=include, exclude=exclude, methods=methods).vms
    pairs = [(vm, classifications[vm.id]) for vm in chosen if vm.id in classifications]
    for vm, classification in pairs:
        invocation.output.record("vm", {**vm.to_dict(), "classification": classification.to_dict()})
    _table(invocation, pairs)
    if explain:
        for _, classification in pairs:
            show_classification(invocation, classification)
    invocation.output.summary(0, vms=len(pairs))
    return 0


def _table(invocation: Invocation, pairs: list[tuple[Vm, Classification]]) -> None:
    invocation.output.table(
        ("VM", "state", "method", "id", "why"),
        [(vm.name, vm.state, each.method.value, vm.id, why(each)) for vm, each in pairs],
    )


def show_classification(invocation: Invocation, classification: Classification) -> None:
    """Show every condition of one VM."""
    output = invocation.output
    output.line()
    output.line(f"{classification.vm_name}  ({classification.vm_id}): {classification.method.value}", bold=True)
    caption = classification.caption or "(the writer does not list it)"
    output.line(f"  the writer says {classification.by_writer.value}: {caption}")
    output.line(f"  the conditions say {classification.by_conditions.value}")
    if not classification.agree:
        output.line("  they disagree: the writer decides when the backup runs", fg="yellow")
    for condition in classification.conditions:
        output.line(
            f"  {_MARKS[condition.verdict]} {condition.text}: {condition.reason}", fg=_COLOURS[condition.verdict]
        )
        if condition.cure and condition.verdict is not Verdict.MET:
            output.line(f"      cure: {condition.cure}")


def _from_file(invocation: Invocation, file: Path) -> int:
    from hvbackup.hyperv.classify import classify_from_report
    from hvbackup.vss.report import read_transcript

    found = classify_from_report(read_transcript(file.read_bytes()))
    for each in found:
        invocation.output.record("vm", each)
    invocation.output.table(
        ("VM", "method", "id", "caption"), [(c.vm_name, c.method.value, c.vm_id, c.caption or "") for c in found]
    )
    if not found:
        invocation.output.talk("warning: the file lists no component of the Hyper-V writer", fg="yellow")
    invocation.output.summary(0, vms=len(found))
    return 0
