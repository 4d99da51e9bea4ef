"""`hvbackup restore`: files of a restore point, to this machine or to a host."""

from __future__ import annotations

from typing import Any

import click

from hvbackup.cli.context import Invocation, host_options, pass_invocation, repository_options
from hvbackup.cli.interrupt import interruptible
from hvbackup.cli.progress import ProgressDisplay
from hvbackup.cli.sizes import size_text


@click.command()
@click.argument("point")
@click.option("--to", required=True, metavar="FOLDER", help="Where to: here, or on the host named by --host.")
@click.option("--host", "name", metavar="HOST", help="Restore to this host instead of this machine.")
@click.option("--file", "files", multiple=True, metavar="PATTERN", help="Only these files, such as *.vhdx.")
@click.option("--replace", is_flag=True, help="Replace files that are there.")
@click.option("--lanes", type=click.IntRange(1, 8), default=2, show_default=True, help="Writing connections (--host).")
@click.option("--dry-run", "-n", is_flag=True, help="Show what would be written where, and stop.")
@repository_options
@host_options
@pass_invocation
def restore(
    invocation: Invocation,
    point: str,
    to: str,
    name: str | None,
    files: tuple[str, ...],
    replace: bool,
    lanes: int,
    dry_run: bool,
    location: str | None,
    passphrase: str | None,
    connection: dict[str, Any],
) -> int:
    """Restore files of POINT as plain files, without VSS. Every byte is checked on its way.

    \b
    Exit status: 0 · 1 refused (files are in the way) or failed, nothing half-written is left
    · 4 unreachable or no room · 7 authentication or passphrase · 130 interrupted
    """
    from hvbackup.jobs.host import restore_files
    from hvbackup.jobs.requests import RestoreRequest
    from hvbackup.jobs.restore_local import plan_local_restore

    request = RestoreRequest(point=point, to=to, files=files, replace=replace, lanes=lanes)
    output = invocation.output
    with (
        invocation.repository(location, passphrase) as repository,
        ProgressDisplay(output) as progress,
        interruptible(output, invocation.cancel) as cancel,
    ):
        if name is None:
            if dry_run:
                reader = repository.read(repository.point(point))
                _plan(invocation, [(str(path), file.size_bytes) for file, path in plan_local_restore(reader, request)])
                return 0
            result = restore_files(repository, request, events=progress, cancel=cancel)
        else:
            with invocation.host(name, connection, events=progress) as host:
                if dry_run:
                    staged = host.plan_restore(repository, request)
                    _plan(invocation, [(each.path, each.file.size_bytes) for each in staged])
                    return 0
                result = host.restore(repository, request, events=progress, cancel=cancel)
    for file in result.files:
        output.record("file", file)
    output.table(("file", "size"), [(file.path, size_text(file.size_bytes)) for file in result.files])
    output.summary(0, files=len(result.files), sizeBytes=result.size_bytes, pointId=result.point_id)
    return 0


def _plan(invocation: Invocation, rows: list[tuple[str, int]]) -> None:
    for path, size in rows:
        invocation.output.record("file_plan", {"path": path, "sizeBytes": size})
    invocation.output.table(("would be written", "size"), [(path, size_text(size)) for path, size in rows])
    invocation.output.summary(0, files=len(rows))
