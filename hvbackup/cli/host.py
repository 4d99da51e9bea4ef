"""`hvbackup host check`: is the host fit for backups, and if not, what is to be done."""

from __future__ import annotations

from typing import Any

import click

from hvbackup.cli.context import Invocation, host_options, pass_invocation
from hvbackup.cli.sizes import size_text
from hvbackup.errors import HvBackupError
from hvbackup.models import HostFacts


@click.group()
def host() -> None:
    """Ask whether a host is fit for backups."""


@host.command()
@click.argument("name", metavar="HOST")
@host_options
@pass_invocation
def check(invocation: Invocation, name: str, connection: dict[str, Any]) -> int:
    """Connect to HOST, and look at everything that a backup needs.

    \b
    Exit status: 0 fit · 1 not fit · 4 unreachable · 7 authentication or not an administrator
    """
    from hvbackup.jobs.plan import require_fit
    from hvbackup.vss.writers import require_hyperv_writer

    output = invocation.output
    with invocation.host(name, connection) as connected:
        facts = connected.facts()
        output.record("host", facts)
        _show(invocation, facts)
        try:
            require_fit(facts)
            require_hyperv_writer(connected.writers())
        except HvBackupError as error:
            output.record("problem", {"error": type(error).__name__, "message": error.message, "hint": error.hint})
            output.line(f"not fit: {error.message}", fg="red")
            if error.hint:
                output.line(f"  {error.hint}")
            output.summary(error.exit_code, fit=False)
            return error.exit_code
    output.line("fit for backups", fg="green")
    output.summary(0, fit=True)
    return 0


def _show(invocation: Invocation, facts: HostFacts) -> None:
    output = invocation.output
    rows = [
        ("host", facts.computer_name),
        ("Windows", f"{facts.os_caption} ({facts.os_version})"),
        ("PowerShell", facts.powershell_version),
        ("account", f"{facts.user}, {'administrator' if facts.elevated else 'NOT an administrator'}"),
        ("Hyper-V", f"module {facts.hyper_v.module_version}" if facts.hyper_v.installed else "not installed"),
        ("diskshadow", facts.diskshadow_path or "not there"),
        ("shadow copies", str(len(facts.shadow_copies))),
    ]
    for label, text in rows:
        output.line(f"{label:<14}{text}")
    output.line()
    output.table(
        ("volume", "file system", "size", "free", "label"),
        [
            (
                volume.paths[0] if volume.paths else volume.id,
                volume.file_system,
                size_text(volume.size_bytes),
                size_text(volume.free_bytes),
                volume.label,
            )
            for volume in facts.volumes
        ],
    )
    output.line()
