"""`hvbackup config show`: every setting with its origin."""

from __future__ import annotations

import click

from hvbackup.cli.context import Invocation, pass_invocation


@click.group()
def config() -> None:
    """Show the settings and where each comes from."""


@config.command()
@pass_invocation
def show(invocation: Invocation) -> int:
    """Print each setting, its value and its origin; secrets are references, so nothing is hidden."""
    from hvbackup.settings import settings_files

    output = invocation.output
    rows = [(name, str(value.value), value.origin) for name, value in invocation.settings.items()]
    for name, value in invocation.settings.items():
        output.record("setting", {"name": name, "value": value.value, "origin": value.origin})
    output.table(("setting", "value", "from"), rows)
    output.line()
    for file in settings_files():
        output.line(f"{'read' if file.exists() else 'not there'}: {file}")
    output.summary(0)
    return 0
