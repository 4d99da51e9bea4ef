"""`hvbackup repository stats`: what dedup and compression save."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hvbackup.cli.context import Invocation, pass_invocation, repository_options
from hvbackup.cli.interrupt import interruptible
from hvbackup.cli.progress import ProgressDisplay
from hvbackup.cli.sizes import size_text, sparkline

if TYPE_CHECKING:
    from hvbackup.repository.measure import BlockMeasure, RepositoryMeasure
    from hvbackup.repository.stats import RepositoryStats

#: Bars of a sparkline: the newest points of a VM.
_BARS = 24


@click.command()
@repository_options
@pass_invocation
def stats(invocation: Invocation, location: str | None, passphrase: str | None) -> int:
    """Show what dedup and compression save, for each VM and over time.

    Dedup is the size of all files to that of their different blocks (zeros are none), compression what zstd makes of
    those. The bars are what each restore point has added, the newest on the right.

    \b
    Exit status: 0 · 1 no repository, newer format, damaged · 4 the storage cannot be read
    · 7 wrong passphrase · 130 interrupted
    """
    output = invocation.output
    with (
        invocation.repository(location, passphrase) as repository,
        ProgressDisplay(output) as progress,
        interruptible(output, invocation.cancel) as cancel,
    ):
        numbers = repository.stats()
        measured = repository.measure(events=progress, cancel=cancel)
    _records(invocation, numbers, measured)
    _vm_table(invocation, numbers, measured)
    _period_table(invocation, numbers)
    if measured.skipped:
        output.talk(f"warning: left out, because it is damaged: {', '.join(measured.skipped)}", fg="yellow")
    if not measured.total.exact:
        output.talk("dedup and compression are estimated from a sample of the blocks, within about half a percent")
    output.summary(0, points=numbers.points, packBytes=numbers.pack_bytes)
    return 0


def _records(invocation: Invocation, numbers: RepositoryStats, measured: RepositoryMeasure) -> None:
    output = invocation.output
    blocks = {(row.host, row.vm_id): row.blocks for row in measured.vms}
    for vm in numbers.vms:
        if (vm.host, vm.vm_id) in blocks:
            output.record("vm_stats", {**vm.to_dict(), **_ratios(blocks[vm.host, vm.vm_id])})
    for period in numbers.periods:
        output.record("period_stats", period)
    output.record(
        "stats",
        {
            "points": numbers.points,
            "packs": numbers.packs,
            "packBytes": numbers.pack_bytes,
            "sourceBytes": numbers.source_bytes,
            **_ratios(measured.total),
            "skipped": measured.skipped,
        },
    )


def _ratios(blocks: BlockMeasure) -> dict[str, object]:
    return {
        "distinctBytes": blocks.distinct_bytes,
        "distinctStoredBytes": blocks.stored_bytes,
        "dedup": round(blocks.dedup, 3),
        "compression": round(blocks.compression, 3),
        "exact": blocks.exact,
    }


def _vm_table(invocation: Invocation, numbers: RepositoryStats, measured: RepositoryMeasure) -> None:
    blocks = {(row.host, row.vm_id): row.blocks for row in measured.vms}
    rows = [
        (
            vm.vm_name,
            vm.host,
            vm.points,
            size_text(vm.source_bytes),
            size_text(blocks[vm.host, vm.vm_id].stored_bytes),
            f"{blocks[vm.host, vm.vm_id].dedup:.1f}x",
            f"{blocks[vm.host, vm.vm_id].compression:.1f}x",
            sparkline(vm.history[-_BARS:]),
        )
        for vm in numbers.vms
        if (vm.host, vm.vm_id) in blocks
    ]
    total = measured.total
    rows.append(
        (
            "all, shared blocks once",
            "",
            numbers.points,
            size_text(total.source_bytes),
            size_text(total.stored_bytes),
            f"{total.dedup:.1f}x",
            f"{total.compression:.1f}x",
            "",
        )
    )
    invocation.output.table(
        ("VM", "host", "points", "files", "stored", "dedup", "compression", "added by each point"), rows
    )
    unused = numbers.pack_bytes - total.stored_bytes
    invocation.output.line()
    invocation.output.line(
        f"{numbers.packs} packs of {size_text(numbers.pack_bytes)}; {size_text(max(0, unused))} of it is lists of "
        "blocks, and blocks that no point needs"
    )


def _period_table(invocation: Invocation, numbers: RepositoryStats) -> None:
    if not numbers.periods:
        return
    shown = numbers.periods[-_BARS:]
    output = invocation.output
    output.line()
    output.line(f"added over time  {sparkline([period.stored_bytes for period in shown])}")
    output.table(
        ("period", "points", "files", "added"),
        [(each.period, each.points, size_text(each.source_bytes), size_text(each.stored_bytes)) for each in shown],
    )
