"""`hvbackup backup`: VMs of a host into a repository."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hvbackup.cli.context import Invocation, host_options, pass_invocation, repository_options
from hvbackup.cli.interrupt import interruptible
from hvbackup.cli.progress import ProgressDisplay
from hvbackup.cli.sizes import size_text
from hvbackup.errors import ConfigurationError, InvalidRequest
from hvbackup.models import JobStatus

if TYPE_CHECKING:
    from hvbackup.jobs.plan import BackupPlan
    from hvbackup.jobs.requests import BackupRequest, Grouping
    from hvbackup.jobs.results import RunResult


@click.command()
@click.argument("name", metavar="HOST")
@repository_options
@click.option("--include", "-i", multiple=True, metavar="PATTERN", help="VMs: name with * and ?, GUID, Offline/NAME.")
@click.option("--exclude", "-x", multiple=True, metavar="PATTERN", help="VMs to leave out.")
@click.option("--allow-offline/--no-allow-offline", default=None, help="Allow VMs to be PAUSED while the copy is made.")
@click.option("--abort-on-error/--no-abort-on-error", default=None, help="Start no further job after a failure.")
@click.option("--jobs", "-j", type=click.IntRange(1, 16), help="VMs copied at the same time. Default: 1.")
@click.option("--lanes", type=click.IntRange(1, 8), help="Reading connections for each VM. Default: 2.")
@click.option("--compress/--no-compress", default=None, help="Compress on the host. Default: yes.")
@click.option("--shadow-set", "grouping", type=click.Choice(["each", "shared"]), help="Default: each VM its own.")
@click.option(
    "--attempts", "create_attempts", type=click.IntRange(1, 10), help="Tries to create a shadow set. Default: 3."
)
@click.option(
    "--longest-wait",
    "longest_wait_seconds",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Between two tries. Default: 120; VSS wants 600 after time-outs and vetoes.",
)
@click.option("--host-component/--no-host-component", default=None, help="Keep the host's own configuration too.")
@click.option("--tag", "tags", multiple=True, help="Kept in the restore points.")
@click.option("--rerun", metavar="RUN", help="Only the failed jobs of a run (its id, or `last`).")
@click.option("--dry-run", "-n", is_flag=True, help="Show the plan and stop.")
@host_options
@pass_invocation
def backup(
    invocation: Invocation,
    name: str,
    location: str | None,
    passphrase: str | None,
    rerun: str | None,
    dry_run: bool,
    connection: dict[str, Any],
    **wishes: Any,
) -> int:
    """Back up VMs of HOST through VSS, one job for each.

    VMs whose method is Offline are paused (saved and resumed) while the shadow copy is made; they are skipped unless
    --allow-offline is given.

    \b
    Exit status: 0 every job ok, with warnings, or skipped · 3 some failed · 1 all failed
    · 4 unreachable · 6 locked · 7 authentication · 130 interrupted
    """
    request = _request(invocation, rerun, wishes)
    output = invocation.output
    if dry_run:
        with invocation.host(name, connection) as host:
            plan = host.plan_backup(request)
        _show_plan(invocation, plan)
        output.summary(0, shadowSets=plan.sets, sizeBytes=plan.size_bytes, warnings=plan.warnings)
        return 0
    if request.allow_offline:
        output.talk("warning: VMs whose method is Offline will be paused while the shadow copy is made", fg="yellow")
    with (
        invocation.repository(location, passphrase) as repository,
        ProgressDisplay(output) as progress,
        invocation.host(name, connection, events=progress) as host,
        interruptible(output, invocation.cancel) as cancel,
    ):
        result = host.backup(repository, request, events=progress, cancel=cancel)
    _show_result(invocation, result)
    return result.exit_code


def _request(invocation: Invocation, rerun: str | None, wishes: dict[str, Any]) -> BackupRequest:
    import msgspec

    from hvbackup.jobs.requests import BackupRequest
    from hvbackup.jobs.run_record import load_run, rerun_request

    if rerun is not None:
        if wishes["include"] or wishes["exclude"]:
            raise InvalidRequest("--rerun names the VMs by itself", hint="Leave --include and --exclude out.")
        request = rerun_request(load_run(rerun))
        changes = {key: value for key, value in wishes.items() if value is not None and value != ()}
    else:
        request = BackupRequest()
        settings = {key: invocation.settings.get("backup", key) for key in wishes if key not in _NO_SETTINGS}
        merged = {key: wishes[key] if wishes[key] is not None else settings.get(key) for key in wishes}
        changes = {key: value for key, value in merged.items() if value is not None}
    if "grouping" in changes:
        changes["grouping"] = _grouping(changes["grouping"])
    return msgspec.structs.replace(request, **changes)


def _grouping(text: str) -> Grouping:
    from hvbackup.jobs.requests import Grouping

    try:
        return Grouping(text)
    except ValueError:
        raise ConfigurationError(f"backup.grouping is each or shared, not {text!r}") from None


_NO_SETTINGS = frozenset({"include", "exclude", "tags"})


def _show_plan(invocation: Invocation, plan: BackupPlan) -> None:
    output = invocation.output
    for job in plan.jobs:
        output.record(
            "job_plan",
            {
                "vmId": job.vm.id,
                "vmName": job.vm.name,
                "method": job.classification.method,
                "action": job.action,
                "reason": job.reason,
                "hint": job.hint,
                "pauses": job.pauses,
                "volumes": job.volumes,
                "sizeBytes": job.size_bytes,
                "warnings": job.warnings,
            },
        )
    output.table(
        ("VM", "method", "action", "to read", "why"),
        [
            (job.vm.name, job.classification.method.value, _action(job.action, job.pauses), size_text(job.size_bytes),
             job.reason or "; ".join(job.warnings))
            for job in plan.jobs
        ],
    )  # fmt: skip
    output.line()
    for number, vm_ids in enumerate(plan.sets, 1):
        names = ", ".join(plan.job(vm_id).vm.name for vm_id in vm_ids)
        volumes = dict.fromkeys(volume for vm_id in vm_ids for volume in plan.job(vm_id).volumes)
        output.line(f"shadow set {number} for {names}")
        for volume in volumes:
            output.line(f"    volume {volume}")
    if plan.sets:
        output.line()
        output.line(
            f"The host reads and hashes {size_text(plan.size_bytes)} at most; only blocks that the repository lacks "
            "travel."
        )
        output.line(
            "Created on the host and removed again: the shadow sets, and a scratch folder each below "
            "%ProgramData%\\hvbackup\\runs."
        )
    for text in plan.warnings:
        output.talk(f"warning: {text}", fg="yellow")


def _action(action: str, pauses: bool) -> str:
    return "run, PAUSES" if pauses else action


def _show_result(invocation: Invocation, result: RunResult) -> None:
    output = invocation.output
    for job in result.jobs:
        output.record("job", job)
    output.line()
    output.table(
        ("VM", "status", "method", "hashed", "travelled", "stored", "restore point or reason"),
        [
            (
                job.vm_name,
                job.status.value,
                job.method.value,
                size_text(job.read_bytes),
                size_text(job.sent_bytes),
                size_text(job.stored_bytes),
                job.point_id or job.reason or (job.error.message if job.error else ""),
            )
            for job in result.jobs
        ],
    )
    for job in result.jobs:
        for text in job.warnings:
            output.line(f"{job.vm_name}: {text}", fg="yellow")
        if job.error is not None:
            output.line(f"{job.vm_name}: {job.error.message}", fg="red")
            if job.error.hint:
                output.line(f"    {job.error.hint}")
    for text in result.warnings:
        output.line(f"warning: {text}", fg="yellow")
    output.line()
    failed = len(result.failed_vm_ids())
    output.line(
        f"run {result.run_id}" + (f"; again with: hvbackup backup HOST --rerun {result.run_id}" if failed else "")
    )
    output.summary(
        result.exit_code,
        runId=result.run_id,
        **{status.value: sum(job.status is status for job in result.jobs) for status in JobStatus},
        warnings=result.warnings,
    )
