#!/usr/bin/env python3
r"""Back up all VMs of several Hyper-V hosts side by side: one host per thread, one outcome per VM.

    nightly_backup.py hv01.example.com hv02.example.com --repository /srv/hvbackup \
        --passphrase-from file:/etc/hvbackup/passphrase \
        --user 'EXAMPLE\svc-backup' --password-from keyring:hvbackup/svc-backup

Secrets are named, never written here: keyring:SERVICE/USER, file:PATH (mode 600), env:NAME or prompt. Without --user
the account that runs this logs on (Kerberos, SSPI). What happens goes to standard error, the table to standard output.

Exit status: 0 no VM failed · 3 some failed · 1 all failed, or an error · 2 usage · 130 stopped (Ctrl-C, SIGTERM).
"""

from __future__ import annotations

import argparse
import io
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from hvbackup import BackupRequest, Cancellation, ConnectionOptions, HvBackupError, Repository, connect, read_secret
from hvbackup.events import Event, JobFinished, Note, Progress, StepStarted
from hvbackup.jobs.results import JobResult, RunResult
from hvbackup.models import JobStatus


def main() -> int:
    """Run the script and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a VM's name may be in any script, whatever the code page
            stream.reconfigure(errors="replace")
    arguments = parse_arguments()
    cancel = Cancellation()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: cancel.set())
    try:
        options = [connection(host, arguments) for host in arguments.hosts]
        reference = arguments.passphrase_from
        passphrase = None if reference == "none" else read_secret(reference, question="Passphrase of the repository")
        # One open repository serves all threads: what one host has brought, the others need not bring again.
        with Repository.open(arguments.repository, passphrase=passphrase) as repository:

            def run(of_host: ConnectionOptions) -> RunResult | HvBackupError:
                return back_up(of_host, repository, arguments, cancel)

            with ThreadPoolExecutor(max_workers=len(options)) as threads:
                outcomes = list(threads.map(run, options))
    except HvBackupError as error:
        tell(f"error: {error}" + (f" ({error.hint})" if error.hint else ""))
        return error.exit_code
    print_table(arguments.hosts, outcomes)
    return exit_code(outcomes)


def parse_arguments() -> argparse.Namespace:
    """Return the command line, checked."""
    parser = argparse.ArgumentParser(description="Back up all VMs of several Hyper-V hosts side by side.")
    parser.add_argument("hosts", nargs="+", metavar="HOST[:PORT]")
    parser.add_argument("--repository", required=True, metavar="PLACE", help="folder or URL")
    parser.add_argument(
        "--passphrase-from", required=True, metavar="REF", help="such as file:PATH; none: no encryption"
    )
    parser.add_argument("--user", metavar="NAME", help="default: who runs this (Kerberos, SSPI)")
    parser.add_argument("--password-from", metavar="REF", help="such as keyring:SERVICE/USER or env:NAME")
    parser.add_argument("--ca-file", metavar="FILE", help="authorities that sign the hosts' certificates (PEM)")
    parser.add_argument("--exclude", action="append", default=[], metavar="PATTERN", help="VMs to leave out")
    parser.add_argument("--allow-offline", action="store_true", help="allow VMs to be paused while the copy is made")
    arguments = parser.parse_args()
    if (arguments.user is None) != (arguments.password_from is None):
        parser.error("--user and --password-from belong together")
    if len(set(arguments.hosts)) < len(arguments.hosts):
        parser.error("a host is named twice")
    return arguments


def connection(host: str, arguments: argparse.Namespace) -> ConnectionOptions:
    """Say how to reach one host."""
    name, colon, port = host.rpartition(":")
    with_port = bool(colon) and port.isdecimal() and ":" not in name  # an IPv6 address has more colons
    return ConnectionOptions(
        host=name if with_port else host,
        port=int(port) if with_port else None,
        username=arguments.user,
        password=read_secret(arguments.password_from) if arguments.password_from else None,
        ca_file=arguments.ca_file,
    )


def back_up(
    options: ConnectionOptions, repository: Repository, arguments: argparse.Namespace, cancel: Cancellation
) -> RunResult | HvBackupError:
    """Back up one host. Its error is an outcome, not the end of the other hosts."""
    request = BackupRequest(
        exclude=tuple(arguments.exclude), allow_offline=arguments.allow_offline, jobs=2, tags=("nightly",)
    )
    events = reporter(options.host)
    try:
        with connect(options.host, options=options, events=events) as host:
            return host.backup(repository, request, events=events, cancel=cancel)
    except HvBackupError as error:
        tell(f"{options.host}: error: {error}" + (f" ({error.hint})" if error.hint else ""))
        return error


def reporter(host: str) -> Callable[[Event], None]:
    """Return a callback that tells steps, warnings, results and every tenth of a disk that is being read."""
    tenths: dict[tuple[str, str], int] = {}
    lock = threading.Lock()  # the jobs of a host call back from several threads

    def take(event: Event) -> None:
        who = f"{host} {event.vm}".rstrip()
        if isinstance(event, StepStarted):
            tell(f"{who}: {event.text}")
        elif isinstance(event, Note) and event.level == "warning":
            tell(f"{who}: warning: {event.text}")
        elif isinstance(event, JobFinished):
            tell(f"{who}: {event.status.value} {event.text}".rstrip())
        elif isinstance(event, Progress) and event.activity == "hash" and event.total:
            tenth = event.done * 10 // event.total
            with lock:
                before = tenths.get((event.vm, event.item), 0)
                tenths[event.vm, event.item] = max(before, tenth)
            if tenth > before:
                tell(f"{who}: {tenth * 10} % of {event.item}")

    return take


def tell(text: str) -> None:
    """Say something to people: one write, so that the lines of several threads do not mix."""
    sys.stderr.write(text + "\n")


def print_table(hosts: list[str], outcomes: list[RunResult | HvBackupError]) -> None:
    """Print one line for each VM, and one for each host that could not be backed up at all."""
    rows: list[tuple[str, ...]] = [("HOST", "VM", "STATUS", "METHOD", "CONSISTENCY", "SENT", "RESTORE POINT OR REASON")]
    for host, outcome in zip(hosts, outcomes, strict=True):
        if isinstance(outcome, RunResult):
            rows += [vm_row(host, job) for job in outcome.jobs]
        else:
            rows.append((host, "-", "failed", "-", "-", "-", str(outcome)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def vm_row(host: str, job: JobResult) -> tuple[str, ...]:
    """Return the line of one VM: what was achieved, not what was asked for."""
    why = job.error.message if job.error else job.reason
    return (
        host,
        job.vm_name,
        job.status.value,
        job.method.value,
        job.consistency or "-",
        f"{job.sent_bytes / 2**20:.1f} MiB",
        job.point_id or why or "-",
    )


def exit_code(outcomes: list[RunResult | HvBackupError]) -> int:
    """Say how it went in one number, from the outcomes of the VMs; a host that failed counts like one VM."""
    runs = [outcome for outcome in outcomes if isinstance(outcome, RunResult)]
    statuses = [job.status for run in runs for job in run.jobs]
    failed = len(outcomes) - len(runs) + statuses.count(JobStatus.FAILED)
    good = statuses.count(JobStatus.OK) + statuses.count(JobStatus.WARNING)
    stopped = [outcome for outcome in outcomes if isinstance(outcome, HvBackupError) and outcome.exit_code == 130]
    if stopped or any(run.cancelled for run in runs):
        return 130
    if not failed:
        return 0
    return 3 if good else 1


if __name__ == "__main__":
    sys.exit(main())
