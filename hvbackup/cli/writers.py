"""`hvbackup writers`: the VSS writers of a host with states and errors."""

from __future__ import annotations

from typing import Any

import click

from hvbackup.cli.context import Invocation, host_options, pass_invocation
from hvbackup.models import HYPERV_WRITER_ID, Method, Writer


@click.command()
@click.argument("name", metavar="HOST")
@click.option("--components", is_flag=True, help="Show the components of each writer too.")
@host_options
@pass_invocation
def writers(invocation: Invocation, name: str, components: bool, connection: dict[str, Any]) -> int:
    """List the VSS writers of HOST.

    \b
    Exit status: 0 · 1 a writer is unhealthy, or there is no Hyper-V writer · 4 unreachable · 7 authentication
    """
    with invocation.host(name, connection) as host:
        found = host.writers()
    return show_writers(invocation, found, components=components)


def show_writers(invocation: Invocation, found: tuple[Writer, ...], *, components: bool) -> int:
    """Show writers; return 1 when one is unhealthy or the Hyper-V writer is missing."""
    output = invocation.output
    for writer in found:
        output.record("writer", writer)
    output.table(
        ("writer", "state", "last error", "id"),
        [(writer.name, state_text(writer), writer.last_error or "", writer.id) for writer in found],
    )
    if components:
        for writer in found:
            _show_components(invocation, writer)
    unhealthy = [writer.name for writer in found if writer.healthy is False]
    there = any(writer.id == HYPERV_WRITER_ID for writer in found)
    for text in unhealthy:
        output.talk(f"warning: {text} is not healthy", fg="yellow")
    if not there:
        output.talk("warning: there is no Hyper-V writer", fg="yellow")
    code = 1 if unhealthy or not there else 0
    output.summary(code, writers=len(found), unhealthy=unhealthy, hypervWriter=there)
    return code


def state_text(writer: Writer) -> str:
    """Return a state as people look for it: number and word."""
    if writer.state is None:
        return "unknown"
    return writer.state if writer.state_code is None else f"[{writer.state_code}] {writer.state}"


def _show_components(invocation: Invocation, writer: Writer) -> None:
    output = invocation.output
    for component in writer.components:
        method = "" if component.method is Method.UNKNOWN else f"  {component.method.value}"
        output.line(f"  {writer.name}: {component.name}  {component.caption}{method}")
        for spec in component.files:
            output.line(f"      {spec.path.rstrip(chr(92))}\\{spec.filespec}")
