"""`hvbackup image config`: the configuration of a VM out of its file, for a VM whose host is gone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import click

from hvbackup.cli.context import Invocation, pass_invocation, repository_options
from hvbackup.cli.image_settings import setting_lines
from hvbackup.cli.output import Output, one_line
from hvbackup.errors import HvBackupError, ImageUnsupported, InvalidRequest
from hvbackup.jobs.disk_chain import ChainFile, unreadable_file

if TYPE_CHECKING:
    from hvbackup.models import PointFile, RestorePoint

_EXTENSIONS = (".vmcx", ".xml")


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1)
@click.option("--point", metavar="ID", help="Files of this restore point; `latest:VM` is the newest of a VM.")
@click.option("--new-vm", is_flag=True, help="Print PowerShell that makes such a VM: read it before you run it.")
@click.option("--name", metavar="NAME", help="With --new-vm: another name for the VM.")
@click.option("--disk-folder", metavar="FOLDER", help="With --new-vm: where its disks are on the new host.")
@repository_options
@pass_invocation
def config(
    invocation: Invocation,
    files: tuple[str, ...],
    point: str | None,
    new_vm: bool,
    name: str | None,
    disk_folder: str | None,
    location: str | None,
    passphrase: str | None,
) -> int:
    """Show what FILE says of a VM: a .vmcx, the .xml of Server 2012 R2 and earlier, or a host's data.vmcx.

    What the file does not say is left out; what it holds and nobody can know is marked as unknown, with the reason.
    With --point all configurations of the point are shown, or those that FILE (with * and ?) means.

    \b
    hvbackup image config 'Virtual Machines/4C57771A-3230-4B92-B029-D63F96518E70.vmcx'
    hvbackup image config --point latest:web01 --new-vm --disk-folder 'E:\\VMs' > new-vm.ps1

    \b
    Exit status: 0 · 1 damaged, or not a configuration · 2 no such file · 3 some of several files could not be read
    """
    if not new_vm and (name or disk_folder):
        raise InvalidRequest("--name and --disk-folder belong to --new-vm")
    output = invocation.output
    failed = shown = 0
    with _sources(invocation, files, point, location, passphrase) as sources:
        for file in sources:
            try:
                if new_vm:
                    _tell_plan(output, file, name, disk_folder)
                else:
                    _tell_settings(output, file)
                shown += 1
            except HvBackupError as error:
                if len(sources) == 1:
                    raise
                failed += 1
                output.record("error", {"file": file.name, "error": type(error).__name__, "message": error.message})
                output.talk(f"{file.name}: error: {error.message}", fg="red")
    code = 0 if not failed else 3 if shown else 1
    output.summary(code, files=shown, failed=failed)
    return code


@contextmanager
def _sources(
    invocation: Invocation, names: tuple[str, ...], point: str | None, location: str | None, passphrase: str | None
) -> Iterator[list[ChainFile]]:
    from hvbackup.images.source import FileSource
    from hvbackup.jobs.image_source import PointSource
    from hvbackup.jobs.point_disks import find_point

    with ExitStack() as opened:
        if point is not None:
            repository = opened.enter_context(invocation.repository(location, passphrase))
            found = find_point(repository, point)
            reader = repository.read(found)
            yield [ChainFile(file.name, PointSource(reader, file.name)) for file in _of_point(found, names)]
            return
        if not names:
            raise InvalidRequest("no file is named", hint="Name a .vmcx or .xml file, or a restore point with --point.")
        try:
            yield [ChainFile(name, opened.enter_context(FileSource(name))) for name in names]
        except OSError as error:
            raise unreadable_file(error.filename or names[0], error) from error


def _of_point(point: RestorePoint, names: tuple[str, ...]) -> tuple[PointFile, ...]:
    from hvbackup.jobs.point_files import choose_files

    if names:
        return choose_files(point, names)
    found = tuple(file for file in point.files if file.name.lower().endswith(_EXTENSIONS) and file.kind != "host")
    if not found:
        raise InvalidRequest(f"restore point {point.id} holds no .vmcx and no .xml file")
    return found


def _tell_plan(output: Output, file: ChainFile, name: str | None, disk_folder: str | None) -> None:
    from hvbackup.images.vmconfig.new_vm import new_vm_plan
    from hvbackup.images.vmconfig.read import read_configuration

    plan = new_vm_plan(read_configuration(file.source), name=name, disk_folder=disk_folder)
    output.record("new_vm_plan", {"file": file.name, **plan.to_dict(), "script": plan.script()})
    output.line(plan.script().rstrip("\n"))


def _tell_settings(output: Output, file: ChainFile) -> None:
    from hvbackup.images.vmconfig.read import list_configurations, read_configuration

    try:
        found = read_configuration(file.source)
    except ImageUnsupported as refused:
        try:
            vms = list_configurations(file.source)
        except ImageUnsupported:
            raise refused from None
        for vm in vms:
            output.record("listed_vm", {"file": file.name, **vm.to_dict()})
        output.table(("VM", "configuration file"), [(vm.id, vm.path) for vm in vms])
        return
    output.record("configuration", {"file": file.name, **found.to_dict()})
    output.line(file.name, bold=True)
    for label, text in setting_lines(found):
        output.line(one_line(f"  {label:<22}{text}"), fg="yellow" if label == "doubt" else None)
