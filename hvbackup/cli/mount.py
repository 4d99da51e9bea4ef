"""`hvbackup mount` and `unmount`: look into a restored VHD on a host."""

from __future__ import annotations

from typing import Any

import click

from hvbackup.cli.context import Invocation, host_options, pass_invocation
from hvbackup.cli.sizes import size_text

_ACCESS = click.option("--folder", "access_root", metavar="FOLDER", help="Folder on the host for access paths.")


@click.command()
@click.argument("name", metavar="HOST")
@click.argument("path")
@_ACCESS
@click.option("--letters/--no-letters", default=True, help="Let Windows give drive letters. Default: yes.")
@host_options
@pass_invocation
def mount(
    invocation: Invocation, name: str, path: str, access_root: str | None, letters: bool, connection: dict[str, Any]
) -> int:
    """Mount the VHD or VHDX at PATH of HOST read-only, and say under which letters and folders it can be read."""
    from hvbackup.jobs.requests import MountRequest

    output = invocation.output
    request = MountRequest(path=path, drive_letters=letters, access_root=access_root)
    with invocation.host(name, connection) as host:
        mounted = host.mount(request)
    output.record("mounted", mounted)
    already = " (it was already)" if mounted.already_mounted else ""
    output.line(f"{mounted.path} is disk {mounted.disk_number}, read-only{already}")
    output.table(
        ("partition", "size", "file system", "label", "at"),
        [
            (
                part.number,
                size_text(part.size_bytes),
                part.file_system or part.type,
                part.label,
                ", ".join(filter(None, (f"{part.drive_letter}:\\" if part.drive_letter else "", *part.access_paths))),
            )
            for part in mounted.partitions
        ],
    )
    output.summary(0, diskNumber=mounted.disk_number)
    return 0


@click.command()
@click.argument("name", metavar="HOST")
@click.argument("path")
@_ACCESS
@host_options
@pass_invocation
def unmount(invocation: Invocation, name: str, path: str, access_root: str | None, connection: dict[str, Any]) -> int:
    """Dismount the VHD or VHDX at PATH of HOST."""
    with invocation.host(name, connection) as host:
        result = host.unmount(path, access_root=access_root)
    invocation.output.record("unmounted", result)
    invocation.output.line(f"{path} is not mounted" if not result.was_mounted else f"{path} was dismounted")
    invocation.output.summary(0, wasMounted=result.was_mounted)
    return 0
