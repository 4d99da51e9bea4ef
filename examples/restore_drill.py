#!/usr/bin/env python3
r"""Prove that a VM can be restored: rebuild its newest restore point beside the original, look at it, remove it again.

    restore_drill.py hv02.example.com web01 --path 'E:\Drill' --repository /srv/hvbackup \
        --passphrase-from file:/etc/hvbackup/passphrase \
        --user 'EXAMPLE\svc-backup' --password-from keyring:hvbackup/svc-backup

Every byte of the point is read back and its disks are checked; then a VM of another name and id is made in a folder of
its own, with its network adapters disconnected. It is not started. Existing VMs and files are never touched: whatever
is in the way stops the drill. With --keep the VM stays, for somebody to start it and look.

Exit status: 0 the drill passed · 1 it failed · 2 usage · 4 unreachable · 7 authentication, and the others of hvbackup.
"""

from __future__ import annotations

import argparse
import io
import ntpath
import sys
from collections.abc import Iterator

from hvbackup import ConnectionOptions, Host, HvBackupError, RebuildRequest, Repository, connect, read_secret, verify
from hvbackup.errors import InvalidRequest, RestoreRefused, VerificationFailed
from hvbackup.events import Event, Note, StepStarted
from hvbackup.jobs.rebuild import RebuildPlan, RebuildResult
from hvbackup.jobs.requests import RebuildBy
from hvbackup.models import RestorePoint, Vm
from hvbackup.remote.calls import FileRoot, GetFile, RemoveFile, RemoveVm

#: Folders that Hyper-V makes in the folder of a VM; empty once the VM is removed.
HYPERV_FOLDERS = ("Virtual Machines", "Snapshots", "Planned Virtual Machines", "UndoLog Configuration")


def main() -> int:
    """Run the script and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a VM's name may be in any script, whatever the code page
            stream.reconfigure(errors="replace")
    arguments = parse_arguments()
    reference = arguments.passphrase_from
    try:
        passphrase = None if reference == "none" else read_secret(reference, question="Passphrase of the repository")
        options = ConnectionOptions(
            host=arguments.host,
            port=arguments.port,
            username=arguments.user,
            password=read_secret(arguments.password_from) if arguments.password_from else None,
            ca_file=arguments.ca_file,
        )
        with (
            Repository.open(arguments.repository, passphrase=passphrase) as repository,
            connect(arguments.host, options=options, events=tell) as host,
        ):
            drill(host, repository, arguments)
    except HvBackupError as error:
        print(f"FAILED: {error}")
        if error.hint:
            print(f"        {error.hint}")
        return error.exit_code
    print("PASSED")
    return 0


def parse_arguments() -> argparse.Namespace:
    """Return the command line, checked."""
    parser = argparse.ArgumentParser(description="Prove that the newest restore point of a VM can be restored.")
    parser.add_argument("host", help="where the drill takes place")
    parser.add_argument("vm", help="name or id of the VM that was backed up")
    parser.add_argument("--path", required=True, metavar="FOLDER", help=r"where to on the host, such as E:\Drill")
    parser.add_argument("--name", help="name of the VM while it is there; default: VM-drill")
    parser.add_argument("--keep", action="store_true", help="do not remove it again")
    parser.add_argument("--repository", required=True, metavar="PLACE", help="folder or URL")
    parser.add_argument(
        "--passphrase-from", required=True, metavar="REF", help="such as file:PATH; none: no encryption"
    )
    parser.add_argument("--user", metavar="NAME", help="default: who runs this (Kerberos, SSPI)")
    parser.add_argument("--password-from", metavar="REF", help="such as keyring:SERVICE/USER or env:NAME")
    parser.add_argument("--port", type=int, help="default: 5986")
    parser.add_argument("--ca-file", metavar="FILE", help="authorities that sign the host's certificate (PEM)")
    arguments = parser.parse_args()
    if (arguments.user is None) != (arguments.password_from is None):
        parser.error("--user and --password-from belong together")
    return arguments


def drill(host: Host, repository: Repository, arguments: argparse.Namespace) -> None:
    """Do all of it; any error means that the drill failed, and its sentence says where."""
    point = newest_point(repository, arguments.vm)
    print(f"point     {point.id}: {point.vm_name} of {point.host}, {point.method.value}, {point.consistency}")
    found = verify(repository, point.id, events=tell)
    if found.problems:
        raise VerificationFailed(f"{point.id} cannot be trusted: {'; '.join(found.problems)}")
    print(f"verified  {found.files} files, {found.size_bytes} bytes")
    request = RebuildRequest(
        point=point.id,
        name=arguments.name or f"{point.vm_name}-drill",
        path=arguments.path,
        connect_network=False,
        by=RebuildBy.NEW,  # an id of its own, so that what is removed at the end is never the original
    )
    plan = host.plan_rebuild(repository, request)
    if plan.destroys:
        raise RestoreRefused(f"the drill would destroy {', '.join(plan.destroys)}")
    result = host.rebuild(repository, request, plan=plan, events=tell)
    print(f"rebuilt   {result.vm.name} ({result.vm.id}), {len(plan.files)} files below {arguments.path}")
    try:
        problems = differences(point, result.vm)
        if problems:
            raise VerificationFailed(f"{result.vm.name} is not what was backed up: {'; '.join(problems)}")
        print(f"checked   {len(result.vm.disks)} disks attached, network disconnected, state {result.vm.state}")
    finally:
        if arguments.keep:
            print(f"kept      {result.vm.name}, as asked")
        else:
            remove(host, point, plan, result, arguments.path)


def newest_point(repository: Repository, vm: str) -> RestorePoint:
    """Return the newest restore point of the one VM that `vm` names."""
    points = repository.points(vm=vm)
    if not points:
        raise InvalidRequest(f"the repository has no restore point of {vm!r}", hint="`hvbackup points` lists them.")
    ids = {point.vm_id for point in points}
    if len(ids) > 1:
        raise InvalidRequest(f"{len(ids)} VMs are called {vm!r}", hint=f"Give one's id: {', '.join(sorted(ids))}.")
    return points[-1]


def differences(point: RestorePoint, built: Vm) -> list[str]:
    """Compare the VM that is there now with the one that was recorded; an empty list is a pass."""
    recorded = point.vm
    if recorded is None:
        return ["the point holds no record of the VM"]
    problems = []
    for name in ("generation", "memory", "processor"):
        was, now = getattr(recorded, name), getattr(built, name)
        if was != now:
            problems.append(f"{name} was {was}, is {now}")
    was_disks = sorted(disk.chain[0].size_bytes for disk in recorded.disks if disk.chain)
    now_disks = sorted(disk.chain[0].size_bytes for disk in built.disks if disk.chain)
    if was_disks != now_disks:
        problems.append(f"its disks had {was_disks} bytes, have {now_disks}")
    problems += [f"{disk.path}: {disk.error}" for disk in built.disks if disk.error]
    problems += [
        f"{each.name} is connected to {each.switch_name}" for each in built.network_adapters if each.switch_name
    ]
    return problems


def remove(host: Host, point: RestorePoint, plan: RebuildPlan, result: RebuildResult, path: str) -> None:
    """Remove the VM by its id, then the files that the plan wrote, then the folders that are empty now."""
    if result.vm.id == point.vm_id:
        raise RestoreRefused(f"{result.vm.id} is the id of the original: the drill does not remove it")
    host.transport.call(RemoveVm(id=result.vm.id, turn_off=True))
    files = tuple(file.path for file in plan.files)
    home = result.vm.path.rstrip("\\")
    emptied = [*files, *(ntpath.join(home, name, "*") for name in HYPERV_FOLDERS)]
    folders = {folder for each in emptied for folder in folders_between(path, each)}
    deepest_first = tuple(sorted(folders, key=lambda each: -each.count("\\")))
    host.transport.call(RemoveFile(files=files, folders=deepest_first))
    left = host.transport.call(GetFile(roots=(FileRoot(path=home, recurse=True),))).data.files
    if left:
        raise VerificationFailed(f"files are left: {', '.join(file.path for file in left)}")
    print(f"removed   {result.vm.name} and its files")


def folders_between(top: str, path: str) -> Iterator[str]:
    """Yield the folders that `path` is in, up to the folder `top`, which stays."""
    start = top.rstrip("\\").casefold() + "\\"
    folder = ntpath.dirname(path)
    while folder.casefold().startswith(start) and len(folder) > len(start):
        yield folder
        folder = ntpath.dirname(folder)


def tell(event: Event) -> None:
    """Say on standard error what is going on."""
    if isinstance(event, StepStarted):
        print(f"{event.vm or event.host}: {event.text}", file=sys.stderr)
    elif isinstance(event, Note):
        print(f"{event.vm or event.host}: {event.level}: {event.text}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
