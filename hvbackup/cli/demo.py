"""`hvbackup demo`: the whole job on a simulated host, over real WinRM on loopback, in under a minute."""

from __future__ import annotations

import contextlib
import secrets
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hvbackup.cli.context import Invocation, pass_invocation
from hvbackup.cli.interrupt import interruptible
from hvbackup.cli.output import Output
from hvbackup.cli.progress import ProgressDisplay
from hvbackup.cli.reasons import why
from hvbackup.cli.sizes import duration_text, size_text
from hvbackup.errors import ConfigurationError, VerificationFailed
from hvbackup.events import Cancellation

if TYPE_CHECKING:
    from hvbackup.jobs.host import Host
    from hvbackup.jobs.results import RunResult
    from hvbackup.repository.repository import Repository
    from hvbackup.simulator.simulated_host import ServedHost


@click.command()
@click.option("--engine", type=click.Choice(["python", "pwsh"]), default="python", show_default=True,
              help="What answers: Python, or the PowerShell that HVBACKUP_PWSH names.")  # fmt: skip
@pass_invocation
def demo(invocation: Invocation, engine: str) -> int:
    """Show the whole job on a built-in simulated Hyper-V host; nothing is needed, nothing is left behind.

    Lists writers, explains VMs, backs all up, changes a disk, backs up again, verifies, deletes an Offline VM,
    rebuilds it, restores a disk and mounts it. Only the host is simulated: the WinRM that is spoken and the repository
    are real.

    \b
    Exit status: 0 everything went as it should · 1 something did not
    """
    try:
        from hvbackup.simulator.simulated_host import serve_host
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"the demo needs the package {error.name}", hint="pip install 'hvbackup[simulator]'"
        ) from None
    started = time.monotonic()
    output = invocation.output
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hvbackup-demo-")))
        served = stack.enter_context(serve_host(folder / "host", engine="pwsh" if engine == "pwsh" else "python"))
        cancel = stack.enter_context(interruptible(output))
        progress = stack.enter_context(ProgressDisplay(Output(json=output.json, quiet=True)))
        host, repository = _connect(stack, served, folder)
        _Demo(output, served, host, repository, folder, progress, cancel).run()
        left = host.cleanup(dry_run=True).leftovers
        shadows = host.facts().shadow_copies
    if left or shadows:
        raise VerificationFailed(f"{len(left)} scratch folders and {len(shadows)} shadow copies are left on the host")
    output.line()
    output.line(
        f"Done in {duration_text(time.monotonic() - started)}; no shadow copy, scratch folder or mounted disk is left.",
        bold=True,
    )
    output.summary(0)
    return 0


def _connect(stack: contextlib.ExitStack, served: ServedHost, folder: Path) -> tuple[Host, Repository]:
    from hvbackup.jobs.host import Host
    from hvbackup.remote.connect import open_transport
    from hvbackup.remote.options import ConnectionOptions
    from hvbackup.repository.repository import Repository
    from hvbackup.secrets import Secret

    options = ConnectionOptions(
        host="127.0.0.1",
        port=served.server.port,
        username=served.ready.username,
        password=Secret(served.ready.password),
        ca_file=served.ready.ca_file,
    )
    host = stack.enter_context(Host(open_transport(options), state_folder=folder / "state"))
    passphrase = Secret(secrets.token_urlsafe(24))
    repository = stack.enter_context(Repository.init(folder / "repository", passphrase=passphrase))
    return host, repository


class _Demo:
    def __init__(
        self,
        output: Output,
        served: ServedHost,
        host: Host,
        repository: Repository,
        folder: Path,
        progress: ProgressDisplay,
        cancel: Cancellation,
    ) -> None:
        self._output = output
        self._served = served
        self._host = host
        self._repository = repository
        self._folder = folder
        self._progress = progress
        self._cancel = cancel

    def run(self) -> None:
        self._title("A simulated Hyper-V host answers at", self._served.ready.endpoint)
        self._list_writers()
        self._explain_vms()
        first = self._back_up("Back up every VM; Offline ones may be paused")
        self._require(all(job.point_id for job in first.jobs), "a VM has no restore point")
        self._change_a_disk()
        second = self._back_up("Back up again: only the changed blocks travel")
        self._compare(first, second)
        self._verify(second)
        self._rebuild(second)
        self._mount(second)

    # ------------------------------------------------------------ steps

    def _list_writers(self) -> None:
        self._title("VSS writers", "hvbackup writers HOST")
        for writer in self._host.writers():
            self._output.record("writer", writer)
            self._output.line(f"  {writer.name:<34}{writer.state}")

    def _explain_vms(self) -> None:
        self._title("Which VMs keep running, which are paused, and why", "hvbackup vms HOST --explain")
        found = self._host.classify()
        for each in found:
            self._output.record("classification", each)
        self._output.table(("VM", "method", "why"), [(each.vm_name, each.method.value, why(each)) for each in found])

    def _back_up(self, title: str) -> RunResult:
        from hvbackup.jobs.requests import BackupRequest

        self._title(title, "hvbackup backup HOST --allow-offline --jobs 2")
        request = BackupRequest(allow_offline=True, jobs=2)
        result = self._host.backup(self._repository, request, events=self._progress, cancel=self._cancel)
        self._cancel.check()
        for job in result.jobs:
            self._output.record("job", job)
        self._output.table(
            ("VM", "status", "method", "consistency", "hashed", "travelled", "stored"),
            [
                (
                    job.vm_name,
                    job.status.value,
                    job.method.value,
                    job.consistency or "",
                    size_text(job.read_bytes),
                    size_text(job.sent_bytes),
                    size_text(job.stored_bytes),
                )
                for job in result.jobs
            ],
        )
        for job in result.jobs:
            self._require(job.error is None, f"{job.vm_name}: {job.error.message if job.error else ''}")
        return result

    def _change_a_disk(self) -> None:
        from hvbackup.simulator.builder import change_disk

        vm = next(vm for vm in self._host.vms() if vm.name == "web01")
        change_disk(self._served.host, vm.id)
        self._title("The guest of web01 writes to its disk", "")

    def _compare(self, first: RunResult, second: RunResult) -> None:
        before = sum(job.sent_bytes for job in first.jobs)
        after = sum(job.sent_bytes for job in second.jobs)
        hashed = sum(job.read_bytes for job in second.jobs)
        self._output.line(
            f"  The first run sent {size_text(before)}. The second hashed {size_text(hashed)} on the host and sent "
            f"{size_text(after)}.",
            fg="green",
        )
        self._require(0 < after < before / 10, "the second run sent too much, or nothing")

    def _verify(self, result: RunResult) -> None:
        from hvbackup.jobs.host import verify

        self._title("Read the restore points back, check every block and every disk", "hvbackup verify --all")
        read = 0
        for job in result.jobs:
            found = verify(self._repository, job.point_id or "", events=self._progress, cancel=self._cancel)
            self._output.record("verified", found)
            self._require(not found.problems, "; ".join(found.problems))
            read += found.size_bytes
        self._output.line(f"  {len(result.jobs)} restore points are whole: {size_text(read)} compared", fg="green")

    def _rebuild(self, result: RunResult) -> None:
        from hvbackup.jobs.requests import RebuildRequest
        from hvbackup.remote.calls import RemoveFile, RemoveVm

        job = next(job for job in result.jobs if job.vm_name == "legacy")
        point = self._repository.point(job.point_id or "")
        self._title(
            "Somebody deletes the Offline VM legacy with all its files; it is rebuilt", "hvbackup rebuild POINT HOST"
        )
        self._host.transport.call(RemoveVm(id=job.vm_id, turn_off=True))
        files = tuple(file.source for file in point.files if file.kind != "host")
        self._host.transport.call(RemoveFile(files=files))
        self._require(all(vm.id != job.vm_id for vm in self._host.vms()), "the VM is still there")
        request = RebuildRequest(point=point.id)
        rebuilt = self._host.rebuild(self._repository, request, events=self._progress, cancel=self._cancel)
        self._output.record("rebuilt", rebuilt)
        for text in rebuilt.steps:
            self._output.line(f"  {text}")
        self._require(rebuilt.vm.id == job.vm_id, "the VM has another id")
        self._output.line(f"  {rebuilt.vm.name} is there again: {rebuilt.vm.id}, {rebuilt.vm.state}", fg="green")

    def _mount(self, result: RunResult) -> None:
        from hvbackup.jobs.requests import MountRequest, RestoreRequest

        job = next(job for job in result.jobs if job.vm_name == "web01")
        self._title("Restore a disk beside the VM and look into it", "hvbackup restore ... ; hvbackup mount HOST PATH")
        request = RestoreRequest(point=job.point_id or "", to="E:\\Restore", files=("*.vhdx",))
        restored = self._host.restore(self._repository, request, events=self._progress, cancel=self._cancel)
        path = restored.files[0].path
        mounted = self._host.mount(MountRequest(path=path))
        try:
            self._output.record("mounted", mounted)
            for part in mounted.partitions:
                where = ", ".join(part.access_paths) or (part.drive_letter or "no letter")
                self._output.line(f"  {path}: partition {part.number}, {part.file_system or part.type}, at {where}")
            self._require(bool(mounted.partitions), "the disk has no partition")
        finally:
            self._host.unmount(path)

    # ------------------------------------------------------------ saying

    def _title(self, text: str, command: str) -> None:
        self._output.line()
        self._output.line(text, bold=True)
        if command:
            self._output.line(f"  $ {command}" if command.startswith("hvbackup") else f"  {command}", fg="cyan")

    def _require(self, condition: bool, otherwise: str) -> None:
        if not condition:
            raise VerificationFailed(f"the demo did not go as it should: {otherwise}")
