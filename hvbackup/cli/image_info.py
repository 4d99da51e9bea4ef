"""`hvbackup image info`: what a disk is, how it is kept, and what is in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hvbackup.cli.context import Invocation, pass_invocation
from hvbackup.cli.image_disk import Chosen, DiskOptions, disk_options, opened_disk, refuse_rest
from hvbackup.cli.image_volumes import tell_next, tell_volumes
from hvbackup.cli.output import Output
from hvbackup.cli.sizes import count_text, size_text

if TYPE_CHECKING:
    from hvbackup.images.check import ImageReport
    from hvbackup.images.volumes import DiskLayout


@click.command()
@click.argument("disk", nargs=-1)
@disk_options
@pass_invocation
def info(invocation: Invocation, disk: tuple[str, ...], options: DiskOptions) -> int:
    """Show what DISK is: its format, chain and log, its partition table, and each volume with its file system.

    Of what cannot be read here it says why, and what can read it.

    \b
    Exit status: 0 · 1 damaged, or a parent is missing · 2 no such disk
    """
    from hvbackup.images.check import check_image

    output = invocation.output
    with opened_disk(invocation, options, disk, leaf_at_least=True) as chosen:
        refuse_rest(chosen.rest)
        chain = chosen.guest.chain
        reports = [] if chain.is_raw else [check_image(file.source) for file in chain.files]
        _tell_disk(output, chosen, reports)
        if chain.broken is not None:
            raise chain.broken
        layout = chosen.guest.layout
        _tell_table(output, layout)
        tell_volumes(output, layout.volumes)
        tell_next(output, chosen, layout.volumes)
    output.summary(0, volumes=len(layout.volumes))
    return 0


def _tell_disk(output: Output, chosen: Chosen, reports: list[ImageReport]) -> None:
    chain = chosen.guest.chain
    names = [file.name for file in chain.files]
    output.record(
        "disk",
        {
            "name": chain.name,
            "sizeBytes": chain.image.size,
            "sectorSize": chain.image.sector_size,
            "chain": [
                {"name": name, "report": reports[number] if reports else None} for number, name in enumerate(names)
            ],
        },
    )
    _line(output, "disk", chain.name)
    _line(output, "size", size_text(chain.image.size))
    if not reports:
        _line(output, "format", "flat file")
    for number, (name, report) in enumerate(zip(names, reports, strict=bool(reports))):
        if number:
            _line(output, "lies on", name)
        _line(output, "format", _format(report))
        if report.format == "vhdx":
            _line(output, "log", _log(report.log_entries))
        for text in report.problems:
            _line(output, "problem", text, fg="red")
        for text in report.notes:
            if not text.startswith("the VHDX log"):  # told above
                _line(output, "note", text)


def _format(report: ImageReport) -> str:
    words = [f"{report.format.upper()}, {report.type}"]
    if report.block_size_bytes:
        words.append(f"blocks of {size_text(report.block_size_bytes)}")
    words.append(f"sectors of {report.logical_sector_size}/{report.physical_sector_size} bytes")
    words.append(f"file of {size_text(report.file_size_bytes)}")
    if report.creator:
        words.append(f"made by {report.creator}")
    return ", ".join(words)


def _log(entries: int) -> str:
    if not entries:
        return "clean"
    what = count_text(entries, "entry", "entries")
    return f"{what} not written back; replayed in memory here (`hvbackup image bake-log` makes a clean copy)"


def _tell_table(output: Output, layout: DiskLayout) -> None:
    table = layout.table
    output.record("partition_table", table)
    style = {"gpt": "GPT", "mbr": "MBR", "none": "none"}.get(table.style, table.style)
    _line(output, "partitions", style + (f", disk id {table.disk_id}" if table.disk_id else ""))
    for text in (*table.notes, *layout.notes):
        _line(output, "note", text)
    output.line()


def _line(output: Output, label: str, text: str, *, fg: str | None = None) -> None:
    output.line(f"{label:<12}{text}", fg=fg)
