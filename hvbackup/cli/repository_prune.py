"""`hvbackup repository prune`: delete the restore points that a policy does not keep."""

from __future__ import annotations

from calendar import monthrange
from datetime import datetime, tzinfo
from itertools import groupby
from typing import TYPE_CHECKING, Any

import click

from hvbackup.cli.context import Invocation, pass_invocation, repository_options
from hvbackup.cli.interrupt import interruptible
from hvbackup.cli.progress import ProgressDisplay
from hvbackup.errors import InvalidRequest
from hvbackup.jobs.local_zone import LocalZone
from hvbackup.jobs.quantities import time_span

if TYPE_CHECKING:
    from hvbackup.repository.retention import Decision, RetentionPlan, RetentionPolicy

_NUMBER = click.IntRange(0)


@click.command()
@click.option("--keep-last", "last", type=_NUMBER, default=0, metavar="N", help="The N newest points.")
@click.option("--keep-hourly", "hourly", type=_NUMBER, default=0, metavar="N", help="One for each of N hours.")
@click.option("--keep-daily", "daily", type=_NUMBER, default=0, metavar="N", help="One for each of N days.")
@click.option("--keep-weekly", "weekly", type=_NUMBER, default=0, metavar="N", help="One for each of N weeks.")
@click.option("--keep-monthly", "monthly", type=_NUMBER, default=0, metavar="N", help="One for each of N months.")
@click.option("--keep-yearly", "yearly", type=_NUMBER, default=0, metavar="N", help="One for each of N years.")
@click.option("--keep-within", "within", metavar="SPAN", help="All that are this much older than the newest: 30d, 12h.")
@click.option("--keep-tag", "--tag", "tags", multiple=True, metavar="TAG", help="All with this tag.")
@click.option("--vm", metavar="NAME|GUID", help="Only points of this VM.")
@click.option("--host", "host_name", metavar="NAME", help="Only points of this host.")
@click.option("--timezone", metavar="NAME", help="Calendar, such as Europe/Berlin or UTC. Default: this machine's.")
@click.option("--dry-run", "-n", is_flag=True, help="Show the calendar of what would stay and go; delete nothing.")
@repository_options
@pass_invocation
def prune(
    invocation: Invocation,
    within: str | None,
    vm: str | None,
    host_name: str | None,
    timezone: str | None,
    dry_run: bool,
    location: str | None,
    passphrase: str | None,
    **rules: Any,
) -> int:
    """Delete the restore points that no rule keeps. Each VM is judged by itself; a point stays if any rule keeps it.

    Always kept: pinned points, the newest point of a VM, and its last verified one. A day counts only if it has a
    point, so that old points do not vanish because backups have stopped. Space comes back with `collect`.

    \b
    Exit status: 0 · 1 damaged, so that nothing was deleted · 2 no rule · 4 the storage refuses
    · 6 somebody else prunes, collects or repairs · 7 wrong passphrase · 130 interrupted
    """
    from hvbackup.repository.retention import RetentionPolicy

    policy = RetentionPolicy(within=None if within is None else time_span(within), **rules)
    output = invocation.output
    with (
        invocation.repository(location, passphrase) as repository,
        ProgressDisplay(output) as progress,
        interruptible(output, invocation.cancel) as cancel,
    ):
        plan = repository.prune(
            _checked(policy),
            zone=_zone(timezone),
            dry_run=dry_run,
            host=host_name,
            vm=vm,
            events=progress,
            cancel=cancel,
        )
    _show(invocation, plan, dry_run)
    output.summary(0, kept=len(plan.kept), removed=len(plan.removed), dryRun=dry_run)
    return 0


def _checked(policy: RetentionPolicy) -> RetentionPolicy:
    if policy.empty:
        raise InvalidRequest(
            "no rule says what to keep", hint="Such as --keep-last 3 --keep-daily 7 --keep-weekly 4 --keep-monthly 12."
        )
    return policy


def _zone(name: str | None) -> tzinfo:
    if name is None:
        return LocalZone()
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidRequest(f"{name!r} is no time zone known here", hint="Such as Europe/Berlin or UTC.") from None


def _show(invocation: Invocation, plan: RetentionPlan, dry_run: bool) -> None:
    output = invocation.output
    for decision in plan.decisions:
        output.record("decision", {**decision.to_dict(), "kept": decision.kept})
    for (host, _vm_id), rows in groupby(plan.decisions, key=lambda row: (row.host, row.vm_id)):
        own = list(rows)
        output.line(f"{own[-1].vm_name} on {host}      # a point stays that day, x all of its points go", bold=True)
        for text in month_lines(own):
            output.line(text)
        output.table(
            ("", "restore point", "at", "kept by"),
            [("keep" if row.kept else "GO", row.point_id, _weekday(row.time), ", ".join(row.kept_by)) for row in own],
        )
        output.line()
    word = "would go" if dry_run else "deleted"
    output.line(f"{len(plan.kept)} stay, {len(plan.removed)} {word}")
    if plan.removed and not dry_run:
        output.talk("`hvbackup repository collect` frees their space")


def month_lines(rows: list[Decision]) -> list[str]:
    """Return one line for each month that has points: a character for each day (pure).

    `#` a point stays · `x` points were there and go · `.` no point
    """
    days: dict[str, dict[int, bool]] = {}
    for row in rows:
        known = days.setdefault(row.time[:7], {})
        day = int(row.time[8:10])
        known[day] = known.get(day, False) or row.kept
    lines = []
    for month, known in days.items():
        length = monthrange(int(month[:4]), int(month[5:]))[1]
        marks = {None: ".", True: "#", False: "x"}
        lines.append(f"  {month}  " + "".join(marks[known.get(day)] for day in range(1, length + 1)))
    return lines


def _weekday(time: str) -> str:
    moment = datetime.fromisoformat(time)
    return f"{moment:%a} {time[:10]} {time[11:16]}"
