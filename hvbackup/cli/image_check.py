"""`hvbackup image check`: is the structure of a disk whole, and does its chain fit."""

from __future__ import annotations

import click

from hvbackup.cli.context import Invocation, pass_invocation
from hvbackup.cli.image_disk import DiskOptions, disk_options, opened_disk, refuse_rest
from hvbackup.errors import InvalidRequest


@click.command()
@click.argument("disk", nargs=-1)
@disk_options
@pass_invocation
def check(invocation: Invocation, disk: tuple[str, ...], options: DiskOptions) -> int:
    """Check DISK: headers, tables, checksums, a dirty log, the length of the file, and each parent of its chain.

    The contents are not read: `hvbackup verify` does that for restore points.

    \b
    Exit status: 0 good · 1 damaged, a parent is missing or does not fit · 2 no such disk
    """
    from hvbackup.images.check import check_chain

    output = invocation.output
    # What is wrong with the chain is told with everything else.
    with opened_disk(invocation, options._replace(allow_mismatch=True), disk, leaf_at_least=True) as chosen:
        refuse_rest(chosen.rest)
        chain = chosen.guest.chain
        if chain.is_raw:
            raise InvalidRequest(f"{chain.name} is a flat file: there is nothing to check")
        report = check_chain([file.source for file in chain.files])
        names = [file.name for file in chain.files]
    links = (chain.broken.message,) if chain.broken else report.link_problems
    forgiven = options.allow_mismatch and not chain.broken
    for name, image in zip(names, report.images, strict=True):
        output.record("image", {"name": name, "report": image})
        output.line(f"{name}: {'DAMAGED' if image.problems else 'good'}", fg="red" if image.problems else "green")
        for text in image.problems:
            output.line(f"    {text}", fg="red")
        for text in image.notes:
            output.line(f"    note: {text}")
    for text in links:
        output.record("link_problem", {"text": text})
        output.line(f"chain: {text}", fg="yellow" if forgiven else "red")
    damaged = sum(bool(image.problems) for image in report.images)
    code = 1 if damaged or (links and not forgiven) else 0
    output.summary(code, images=len(names), damaged=damaged, linkProblems=len(links))
    return code
