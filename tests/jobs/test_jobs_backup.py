"""Backups of a simulated host over real WinRM, into a real repository."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from hvbackup.errors import AuthenticationRefused, HyperVMissing, InvalidRequest, WriterUnavailable
from hvbackup.events import Cancellation, Event, JobFinished, Note, StepStarted
from hvbackup.jobs.host import Host
from hvbackup.jobs.requests import BackupRequest, Grouping
from hvbackup.jobs.results import JobResult, RunResult
from hvbackup.jobs.run_record import load_run, rerun_request
from hvbackup.models import JobStatus, Method
from hvbackup.remote.connect import open_transport
from hvbackup.remote.options import ConnectionOptions
from hvbackup.secrets import Secret
from hvbackup.simulator.builder import change_disk
from hvbackup.simulator.small_disk import write_small_disk
from hvbackup.simulator.vm_specs import VmSpec

Site = Any  # the fixtures' NamedTuple; pytest imports conftest by itself
MakeSite = Callable[..., Any]

CLEAN = (0, 0, 0)


def by_name(result: RunResult) -> dict[str, JobResult]:
    return {job.vm_name: job for job in result.jobs}


def vm_id(site: Site, name: str) -> str:
    return str(next(record.vm.id for record in site.served.host.read().vms if record.vm.name == name))


def history(site: Site, event: str) -> list[str]:
    return [entry.subject for entry in site.served.host.read().history if entry.event == event]


def test_each_vm_has_its_own_status_and_restore_point(site: Site) -> None:
    result = site.host.backup(site.repository, BackupRequest())

    jobs = by_name(result)
    assert (JobStatus.OK, Method.ONLINE, "guest") == (
        jobs["web01"].status,
        jobs["web01"].method,
        jobs["web01"].consistency,
    )
    assert JobStatus.OK == jobs["db01"].status
    assert JobStatus.SKIPPED == jobs["legacy"].status
    assert "paused" in (jobs["legacy"].reason or "")
    assert 0 == result.exit_code
    points = site.repository.points()
    assert {jobs["web01"].point_id, jobs["db01"].point_id} == {point.id for point in points}
    assert CLEAN == site.leftovers()


def test_the_point_holds_exactly_the_bytes_of_the_host(site: Site) -> None:
    result = site.host.backup(site.repository, BackupRequest(include=("db01",)))

    reader = site.repository.read(result.jobs[0].point_id)
    disks = [file for file in reader.point.files if file.kind == "disk"]
    assert 2 == len(disks)
    for file in reader.point.files:
        assert site.windows_file(file.source).read_bytes() == reader.read_at(file.name, 0, file.size_bytes)
    assert {"D", "E"} == {file.name[0] for file in disks}
    assert any(file.kind == "configuration" for file in reader.point.files)


def test_the_point_says_what_was_achieved_and_by_what_evidence(site: Site) -> None:
    result = site.host.backup(site.repository, BackupRequest(include=("web01",), tags=("nightly",)))

    point = site.repository.point(result.jobs[0].point_id)
    assert (Method.ONLINE, Method.ONLINE) == (point.method_asked, point.method)
    assert any("Online\\web01" in line for line in point.evidence)
    assert any("END BACKUP" in line for line in point.evidence)
    assert ("nightly",) == point.tags
    assert "HV01" == point.host
    assert point.vm is not None
    assert point.vm.disks[0].path is not None
    assert result.run_id == point.run_id


def test_offline_vms_are_paused_only_when_that_is_allowed(site: Site) -> None:
    site.host.backup(site.repository, BackupRequest())
    assert [] == history(site, "vm-saved")

    result = site.host.backup(site.repository, BackupRequest(include=("legacy",), allow_offline=True))

    assert "saved-state" == result.jobs[0].consistency
    assert [vm_id(site, "legacy")] == history(site, "vm-saved") == history(site, "vm-resumed")


def test_an_unchanged_disk_costs_its_hashes_alone(site: Site) -> None:
    first = site.host.backup(site.repository, BackupRequest(include=("web01",))).jobs[0]
    again = site.host.backup(site.repository, BackupRequest(include=("web01",))).jobs[0]
    change_disk(site.served.host, vm_id(site, "web01"))
    changed = site.host.backup(site.repository, BackupRequest(include=("web01",))).jobs[0]

    assert first.sent_bytes > 500_000
    assert 0 == again.sent_bytes == again.stored_bytes
    assert again.read_bytes == first.read_bytes
    assert 0 < changed.sent_bytes <= 4 * 262144


def test_vms_of_one_set_each_have_their_own_result(site: Site) -> None:
    request = BackupRequest(allow_offline=True, grouping=Grouping.SHARED, jobs=2)

    result = site.host.backup(site.repository, request)

    assert {"web01": JobStatus.OK, "db01": JobStatus.OK, "legacy": JobStatus.OK} == {
        job.vm_name: job.status for job in result.jobs
    }
    assert 2 == len(history(site, "shadow-created"))
    assert CLEAN == site.leftovers()


def test_jobs_run_side_by_side_with_the_same_result(site: Site) -> None:
    result = site.host.backup(site.repository, BackupRequest(allow_offline=True, jobs=3, lanes=1))

    assert {JobStatus.OK} == {job.status for job in result.jobs}
    assert CLEAN == site.leftovers()


def test_odd_names_and_two_vms_of_one_name_work(make_site: MakeSite) -> None:
    site = make_site(
        [
            VmSpec(key="files-old", name="files [old]", folder="files [old]"),
            VmSpec(key="twin-1", name="twin", folder="twin-1"),
            VmSpec(key="twin-2", name="twin", folder="twin-2"),
            VmSpec(key="odd", name='Büro O\'Neil "neu"', folder="Büro O'Neil neu"),
        ]
    )

    result = site.host.backup(site.repository, BackupRequest(include=("files [old]", "twin", "Büro*")))

    assert {JobStatus.OK} == {job.status for job in result.jobs}
    assert 4 == len({job.point_id for job in result.jobs})


def test_a_checkpoint_chain_is_backed_up_whole(make_site: MakeSite) -> None:
    site = make_site([VmSpec(key="chain01", name="chain01", chain=2)])

    result = site.host.backup(site.repository, BackupRequest())

    point = site.repository.point(result.jobs[0].point_id)
    assert 3 == sum(file.kind == "disk" for file in point.files)


def test_the_hosts_own_configuration_comes_along_when_asked_for(site: Site) -> None:
    result = site.host.backup(site.repository, BackupRequest(include=("web01",), host_component=True))

    point = site.repository.point(result.jobs[0].point_id)
    assert [file for file in point.files if file.kind == "host"]


def test_a_failing_vm_does_not_hurt_the_others(site: Site) -> None:
    with site.served.host.change() as record:
        record.faults.vanish_at_create = [vm_id(site, "db01")]

    result = site.host.backup(site.repository, BackupRequest(allow_offline=True, create_attempts=1))

    jobs = by_name(result)
    assert (JobStatus.FAILED, JobStatus.OK, JobStatus.OK) == (
        jobs["db01"].status,
        jobs["legacy"].status,
        jobs["web01"].status,
    )
    assert jobs["db01"].error is not None
    assert 3 == result.exit_code
    assert CLEAN == site.leftovers()
    assert {"legacy", "web01"} == {point.vm_name for point in site.repository.points()}


def test_only_the_failed_jobs_of_a_run_are_run_again(site: Site) -> None:
    with site.served.host.change() as record:
        record.faults.create_hresult = 0x80042306
    first = site.host.backup(site.repository, BackupRequest(include=("web01", "db01"), create_attempts=1))
    with site.served.host.change() as record:
        record.faults.create_hresult = None

    request = rerun_request(load_run("last", site.state))
    second = site.host.backup(site.repository, request)

    assert 1 == first.exit_code
    assert {"web01", "db01"} == {job.vm_name for job in second.jobs}
    assert 0 == second.exit_code


def test_abort_on_error_starts_no_further_job(site: Site) -> None:
    with site.served.host.change() as record:
        record.faults.create_hresult = 0x8004231F

    result = site.host.backup(
        site.repository, BackupRequest(allow_offline=True, abort_on_error=True, create_attempts=1)
    )

    assert [JobStatus.FAILED, JobStatus.SKIPPED, JobStatus.SKIPPED] == [job.status for job in result.jobs]
    assert "run aborted" == result.jobs[1].reason
    assert 3 == len(result.failed_vm_ids())


def test_a_failed_shadow_set_names_the_hresult_and_a_cure(site: Site) -> None:
    with site.served.host.change() as record:
        record.faults.create_hresult = 0x8004231F

    result = site.host.backup(site.repository, BackupRequest(include=("web01",), create_attempts=1))

    error = result.jobs[0].error
    assert error is not None
    assert "INSUFFICIENT_STORAGE" in error.message
    assert error.hint
    assert CLEAN == site.leftovers()
    assert [] == site.repository.points()


def test_a_writer_that_fails_during_creation_means_no_restore_point(site: Site) -> None:
    with site.served.host.change() as record:
        record.faults.writer_fails_at = 9

    result = site.host.backup(site.repository, BackupRequest(include=("web01",), create_attempts=1))

    assert JobStatus.FAILED == result.jobs[0].status
    assert [] == site.repository.points()
    assert CLEAN == site.leftovers()


def test_a_damaged_disk_is_refused_and_leaves_no_point(site: Site) -> None:
    disk = site.windows_file(next(d.path for d in site.host.vms()[0].disks))
    name = site.host.vms()[0].name
    data = bytearray(disk.read_bytes())
    data[0x10000 : 0x10000 + 8] = data[0x20000 : 0x20000 + 8] = b"\0" * 8
    disk.write_bytes(data)

    result = site.host.backup(site.repository, BackupRequest(include=(name,)))

    assert JobStatus.FAILED == result.jobs[0].status
    assert result.jobs[0].error is not None
    assert "ImageDamaged" == result.jobs[0].error.type
    assert CLEAN == site.leftovers()


def test_a_component_that_the_writer_lacks_fails_with_a_reason(site: Site) -> None:
    with site.served.host.change() as record:
        record.faults.missing_components = [vm_id(site, "web01")]

    result = site.host.backup(site.repository, BackupRequest(include=("web01",)))

    assert JobStatus.FAILED == result.jobs[0].status
    assert result.jobs[0].error is not None
    assert "does not list" in result.jobs[0].error.message


def test_somebody_elses_lease_fails_that_vm_alone(site: Site) -> None:
    with site.repository.lease(f"vm/{vm_id(site, 'web01')}", owner="another machine"):
        result = site.host.backup(site.repository, BackupRequest())

    jobs = by_name(result)
    assert jobs["web01"].error is not None
    assert "RepositoryLocked" == jobs["web01"].error.type
    assert "another machine" in jobs["web01"].error.message
    assert JobStatus.OK == jobs["db01"].status


def test_a_lost_connection_is_taken_up_again(site: Site) -> None:
    dropped = threading.Event()

    def drop_once(event: Event) -> None:
        if isinstance(event, StepStarted) and event.step == "copy" and not dropped.is_set():
            dropped.set()
            site.served.server.drop_connections()

    result = site.host.backup(site.repository, BackupRequest(include=("web01",)), events=drop_once)

    assert dropped.is_set()
    assert JobStatus.OK == result.jobs[0].status
    assert CLEAN == site.leftovers()


def test_a_stop_cleans_the_host_and_says_what_was_not_done(site: Site) -> None:
    cancel = Cancellation()

    def stop_at_copy(event: Event) -> None:
        if isinstance(event, StepStarted) and event.step == "copy":
            cancel.set()

    result = site.host.backup(site.repository, BackupRequest(), events=stop_at_copy, cancel=cancel)

    assert 130 == result.exit_code
    assert JobStatus.OK not in {job.status for job in result.jobs}
    assert [] == site.repository.points()
    assert CLEAN == site.leftovers()


def test_events_tell_every_job_s_end_once(site: Site) -> None:
    seen: list[JobFinished] = []

    site.host.backup(
        site.repository, BackupRequest(), events=lambda e: seen.append(e) if isinstance(e, JobFinished) else None
    )

    assert ["db01", "legacy", "web01"] == sorted(event.vm for event in seen)


def test_a_pattern_that_fits_no_vm_is_refused_before_anything_is_done(site: Site) -> None:
    with pytest.raises(InvalidRequest):
        site.host.backup(site.repository, BackupRequest(include=("ghost",)))

    assert [] == history(site, "shadow-created")


def test_a_plan_changes_nothing(site: Site) -> None:
    plan = site.host.plan_backup(BackupRequest(allow_offline=True))

    assert {"run"} == {job.action for job in plan.jobs}
    assert [] == history(site, "shadow-created")
    assert CLEAN == site.leftovers()


def test_hosts_that_cannot_be_backed_up_are_refused_with_the_reason(make_site: MakeSite) -> None:
    site = make_site(profile="no-role")

    with pytest.raises(HyperVMissing, match="no Hyper-V role"):
        site.host.backup(site.repository, BackupRequest())


def test_client_windows_is_refused_with_the_reason(make_site: MakeSite) -> None:
    site = make_site(profile="client")

    with pytest.raises(WriterUnavailable, match="client Windows"):
        site.host.backup(site.repository, BackupRequest())


def test_a_wrong_password_is_refused_before_anything(site: Site) -> None:
    options = ConnectionOptions(
        host="127.0.0.1",
        port=site.served.server.port,
        username="Administrator",
        password=Secret("wrong"),
        ca_file=site.served.ready.ca_file,
    )

    with Host(open_transport(options), state_folder=site.state) as host, pytest.raises(AuthenticationRefused):
        host.backup(site.repository, BackupRequest())


def test_a_parent_that_does_not_fit_its_child_is_a_warning_and_a_missing_one_a_failure(make_site: MakeSite) -> None:
    site = make_site([VmSpec(key="chain01", name="chain01", chain=1)])
    parent = site.windows_file(site.host.vms()[0].disks[0].chain[-1].path)
    parent.unlink()
    write_small_disk(parent, variant=77)

    doubtful = site.host.backup(site.repository, BackupRequest()).jobs[0]
    parent.unlink()
    lacking = site.host.backup(site.repository, BackupRequest()).jobs[0]

    assert JobStatus.WARNING == doubtful.status
    assert any("not the parent" in text for text in doubtful.warnings)
    assert JobStatus.FAILED == lacking.status


def at_step(name: str, action: Callable[[], None]) -> Callable[[Event], None]:
    """A sink that does something once, when a step begins."""
    done = threading.Event()

    def sink(event: Event) -> None:
        if isinstance(event, StepStarted) and event.step == name and not done.is_set():
            done.set()
            action()

    return sink


@pytest.mark.parametrize("step", ["shadow", "copy", "remove"])
def test_a_listener_that_fails_stops_the_run_in_order_and_leaves_nothing_on_the_host(site: Site, step: str) -> None:
    def broken_pipe() -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        site.host.backup(site.repository, BackupRequest(), events=at_step(step, broken_pipe))

    assert CLEAN == site.leftovers()
    assert [] == list((site.state / "journal").iterdir())


def test_a_checkpoint_made_since_the_run_began_is_in_the_point(make_site: MakeSite) -> None:
    site = make_site([VmSpec(key="a", name="a"), VmSpec(key="b", name="b", chain=1)])
    seen = next(vm for vm in site.host.vms() if vm.name == "b")

    def attach(path: str) -> None:
        with site.served.host.change() as record:
            b = next(each for each in record.vms if each.vm.name == "b")
            b.vm = msgspec.structs.replace(b.vm, disks=(msgspec.structs.replace(b.vm.disks[0], path=path),))

    # The first look sees the VM on what is the parent of its checkpoint later on.
    attach(seen.disks[0].chain[-1].path)
    leaf = str(seen.disks[0].path)

    result = site.host.backup(site.repository, BackupRequest(), events=at_step("copy", lambda: attach(leaf)))

    point = site.repository.point(by_name(result)["b"].point_id)
    assert leaf in {file.source for file in point.files}
    assert [leaf] == [disk.path for disk in point.vm.disks]


def test_a_vm_started_since_the_run_began_is_not_paused_without_leave(make_site: MakeSite) -> None:
    site = make_site([VmSpec(key="a", name="a"), VmSpec(key="z", name="z", generation=1, scsi=False, state="Off")])

    def start() -> None:
        with site.served.host.change() as record:
            z = next(each for each in record.vms if each.vm.name == "z")
            z.vm = msgspec.structs.replace(z.vm, state="Running")

    result = site.host.backup(site.repository, BackupRequest(), events=at_step("copy", start))

    job = by_name(result)["z"]
    assert JobStatus.FAILED == job.status
    assert job.error is not None
    assert "OfflineNotAllowed" == job.error.type
    assert [] == history(site, "vm-saved")


def test_a_vm_deleted_since_the_run_began_fails_alone(make_site: MakeSite) -> None:
    site = make_site([VmSpec(key="a", name="a"), VmSpec(key="z", name="z")])

    def delete() -> None:
        with site.served.host.change() as record:
            record.vms = [each for each in record.vms if each.vm.name != "z"]

    jobs = by_name(site.host.backup(site.repository, BackupRequest(), events=at_step("copy", delete)))

    assert (JobStatus.OK, JobStatus.FAILED) == (jobs["a"].status, jobs["z"].status)
    assert "not on the host any more" in str(jobs["z"].error)
    assert CLEAN == site.leftovers()


def test_a_run_whose_record_cannot_be_kept_still_tells_its_result(site: Site) -> None:
    (site.state).mkdir(exist_ok=True)
    (site.state / "runs").write_bytes(b"a file where a folder should be")

    result = site.host.backup(site.repository, BackupRequest(include=("web01",)))

    assert JobStatus.OK == result.jobs[0].status
    assert any("--rerun" in text for text in result.warnings)


def test_an_error_after_the_point_was_written_is_a_warning_of_its_job(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hvbackup.jobs.journal import Journal

    undone = Journal.undone

    def fail_for_the_scratch(self: Journal, number: int) -> None:
        if number == 2:
            raise OSError(28, "No space left on device")
        undone(self, number)

    monkeypatch.setattr(Journal, "undone", fail_for_the_scratch)

    job = site.host.backup(site.repository, BackupRequest(include=("web01",))).jobs[0]

    assert (JobStatus.WARNING, True) == (job.status, job.point_id is not None)
    assert any("No space left" in text for text in job.warnings)


def test_a_stop_while_waiting_for_the_next_try_ends_the_wait_and_leaves_nothing(site: Site) -> None:
    cancel = Cancellation()
    with site.served.host.change() as record:
        record.faults.create_hresult = 0x80042316  # another backup is being created: tried again after a while

    def stop_when_told_to_wait(event: Event) -> None:
        if isinstance(event, Note) and "trying again" in event.text:
            cancel.set()

    result = site.host.backup(
        site.repository, BackupRequest(include=("web01",)), events=stop_when_told_to_wait, cancel=cancel
    )

    assert cancel.is_set
    assert 130 == result.exit_code
    assert CLEAN == site.leftovers()
    assert [] == list((site.state / "journal").iterdir())


def test_a_connection_that_breaks_during_removal_is_tried_again(site: Site) -> None:
    def break_it(event: Event) -> None:
        if isinstance(event, StepStarted) and event.step == "remove":
            for number in (1, 3):
                site.served.server.faults.drop_connection(at=number, verb="Command", during="response")

    result = site.host.backup(site.repository, BackupRequest(include=("web01",)), events=break_it)

    assert JobStatus.OK == result.jobs[0].status
    assert CLEAN == site.leftovers()
    assert [] == list((site.state / "journal").iterdir())
