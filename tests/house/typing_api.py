"""What users of the library see of its types. mypy checks this file (test_house_typing.py); it is never run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from typing_extensions import assert_type

from hvbackup import (
    BackupRequest,
    Cancellation,
    ConnectionOptions,
    Host,
    HvBackupError,
    MountRequest,
    RebuildRequest,
    Repository,
    RestoreRequest,
    Secret,
    __version__,
    browse,
    browse_point,
    connect,
    restore_files,
    verify,
)
from hvbackup.events import Event
from hvbackup.images.filesystems.contract import Entry
from hvbackup.images.source import Source
from hvbackup.images.volumes import Volume
from hvbackup.jobs.cleanup import CleanupResult
from hvbackup.jobs.guest_disk import Found, GuestDisk
from hvbackup.jobs.guest_extraction import Extracted
from hvbackup.jobs.plan import BackupPlan
from hvbackup.jobs.rebuild import RebuildPlan, RebuildResult
from hvbackup.jobs.restore_local import RestoreResult
from hvbackup.jobs.results import JobResult, RunResult
from hvbackup.jobs.staging import StagedFile
from hvbackup.jobs.verify import VerifyResult
from hvbackup.models import Classification, HostFacts, Method, RestorePoint, Vm, Writer
from hvbackup.remote.calls import DiskDismounted, DiskMounted
from hvbackup.remote.session import Transport


def listen(event: Event) -> None:
    assert_type(event.host, str)


def ask(repository: Repository) -> None:
    assert_type(__version__, str)
    options = ConnectionOptions(host="hv01", username="admin", password=Secret("x"), auth="ntlm")
    with connect("hv01", options=options, events=listen) as host:
        assert_type(host, Host)
        assert_type(host.name, str)
        assert_type(host.transport, Transport)
        assert_type(host.facts(), HostFacts)
        assert_type(host.vms(), tuple[Vm, ...])
        assert_type(host.writers(), tuple[Writer, ...])
        assert_type(host.classify(), tuple[Classification, ...])
        assert_type(host.classify()[0].method, Method)
        back_up(host, repository)
        bring_back(host, repository)
    assert_type(connect("hv01", username="admin", password="text is taken too"), Host)


def back_up(host: Host, repository: Repository) -> None:
    request = BackupRequest(include=("web*",), allow_offline=True)
    assert_type(host.plan_backup(request), BackupPlan)
    result = host.backup(repository, request, events=listen, cancel=Cancellation())
    assert_type(result, RunResult)
    assert_type(result.jobs, tuple[JobResult, ...])
    assert_type(result.exit_code, int)
    assert_type(result.failed_vm_ids(), tuple[str, ...])


def bring_back(host: Host, repository: Repository) -> None:
    assert_type(repository.points(vm="web01"), list[RestorePoint])
    assert_type(repository.point("2026"), RestorePoint)
    to_host = RestoreRequest(point="2026", to="E:\\Restore")
    assert_type(host.plan_restore(repository, to_host), tuple[StagedFile, ...])
    assert_type(host.restore(repository, to_host), RestoreResult)
    again = RebuildRequest(point="2026", name="web01-drill", path="E:\\Drill")
    plan = host.plan_rebuild(repository, again)
    assert_type(plan, RebuildPlan)
    assert_type(host.rebuild(repository, again, plan=plan), RebuildResult)
    assert_type(host.mount(MountRequest(path="E:\\a.vhdx")), DiskMounted)
    assert_type(host.unmount("E:\\a.vhdx"), DiskDismounted)
    assert_type(host.cleanup(older_than=timedelta(hours=6), dry_run=True), CleanupResult)
    assert_type(restore_files(repository, RestoreRequest(point="2026", to="/tmp/x")), RestoreResult)  # noqa: S108
    assert_type(verify(repository, "2026"), VerifyResult)


def look_into(repository: Repository) -> None:
    with browse("disk.vhdx", folders=["old"]) as disk:
        assert_type(disk, GuestDisk)
        assert_type(disk.volumes, tuple[Volume, ...])
        assert_type(disk.find("**/*.txt", recursive=True), Iterator[Found])
        assert_type(disk.open("2:/a.txt"), Source)
        assert_type(disk.extract(["2:/a", "2:/b"], "out", events=listen), Extracted)
        with disk.files("2") as files:
            assert_type(files.entries("/"), Iterator[Entry])
    assert_type(browse_point(repository, "latest:web01", "data.vhdx"), GuestDisk)


def make() -> None:
    assert_type(Repository.init("folder", passphrase=Secret("x")), Repository)
    with Repository.open("folder", passphrase=None) as repository:
        assert_type(repository, Repository)
    try:
        ask(repository)
    except HvBackupError as error:
        assert_type(error.message, str)
        assert_type(error.hint, str | None)
        assert_type(error.exit_code, int)


def mistakes(host: Host, repository: Repository) -> None:
    """Each of these must be an error for mypy: with `warn_unused_ignores` (strict) a missing one is reported."""
    connect("hv01", "admin")  # type: ignore[call-arg]
    host.backup(repository)  # type: ignore[call-arg]
    host.backup(repository, RestoreRequest(point="2026", to="x"))  # type: ignore[arg-type]
    BackupRequest(includes=("web*",))  # type: ignore[call-arg]
    ConnectionOptions(host="hv01", auth="plain")  # type: ignore[arg-type]
    Repository.open("folder")  # type: ignore[call-arg]
    browse_point(repository)  # type: ignore[call-arg]
    Repository.open("folder", passphrase="text")  # type: ignore[arg-type]
    host.vms()[0].name = "other"  # type: ignore[misc]
