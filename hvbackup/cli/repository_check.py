"""`hvbackup repository check`: is everything there, and whole."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import click

from hvbackup.cli.context import Invocation, pass_invocation, repository_options
from hvbackup.cli.interrupt import interruptible
from hvbackup.cli.progress import ProgressDisplay
from hvbackup.cli.sizes import size_text
from hvbackup.errors import InvalidRequest
from hvbackup.jobs.quantities import time_span


@click.command()
@repository_options
@click.option("--read-data", is_flag=True, help="Read every byte, not only the structure.")
@click.option(
    "--percent", type=click.FloatRange(0, 100, min_open=True), help="Read this share of the packs, by chance."
)
@click.option("--since", metavar="SPAN", help="Read only what was stored in the last SPAN, such as 7d or 12h.")
@pass_invocation
def check(
    invocation: Invocation,
    location: str | None,
    passphrase: str | None,
    read_data: bool,
    percent: float | None,
    since: str | None,
) -> int:
    """Check the repository; say which restore points and which of their files are hurt.

    Without options it proves that everything is there and fits together; --read-data also that every byte is the right
    one. --percent and --since imply it for a part.

    \b
    Exit status: 0 good · 1 damaged · 4 the storage cannot be read · 7 wrong passphrase · 130 interrupted
    """
    output = invocation.output
    read_data |= percent is not None or since is not None
    with (
        invocation.repository(location, passphrase) as opened,
        ProgressDisplay(output) as progress,
        interruptible(output, invocation.cancel) as cancel,
    ):
        report = opened.check(
            read_data=read_data,
            percent=100.0 if percent is None else percent,
            since=None if since is None else _ago(since),
            events=progress,
            cancel=cancel,
        )
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
    if not report.ok:
        output.talk("hint: `hvbackup repository repair --dry-run` shows what can be saved")
    code = 0 if report.ok else 1
    output.summary(code, problems=len(report.problems), points=report.points, packs=report.packs)
    return code


def _ago(text: str) -> datetime:
    span = time_span(text)
    if span > timedelta(days=36500):
        raise InvalidRequest(f"--since {text}: that is more than a century")
    return datetime.now(timezone.utc) - span
