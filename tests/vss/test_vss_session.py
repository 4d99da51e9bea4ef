"""Shadow sets on the simulated host: created, proven, deleted, and what is left when something goes wrong."""

from __future__ import annotations

import base64
import contextlib
from typing import Any, Protocol

import pytest

from hvbackup.errors import (
    Cancelled,
    ConnectionLost,
    DiskShadowTimeout,
    InvalidRequest,
    NotAdministrator,
    PathRefused,
    ShadowSetFailed,
    TranscriptUnclear,
    VssError,
    WriterUnavailable,
)
from hvbackup.events import Cancellation, Event
from hvbackup.models import HYPERV_WRITER_ID, HostFacts, Method
from hvbackup.remote.calls import DiskShadowOutput, GetHost, InvokeDiskShadow, RemoveScratch
from hvbackup.remote.contract import Call
from hvbackup.remote.session import Transport
from hvbackup.simulator.state import HostState
from hvbackup.simulator.vm_specs import VmSpec
from hvbackup.vss.retry import ONCE, PATIENT, RetryPolicy
from hvbackup.vss.running import read_output
from hvbackup.vss.session import (
    ShadowSet,
    ShadowSetRequest,
    create_shadow_set,
    delete_shadow_set,
    find_leftovers,
    list_writers,
    remove_leftover,
    scratch_folder,
)
from hvbackup.vss.writers import require_hyperv_writer

ONE, TWO, OFF = (VmSpec(key=key, name=key).vm_id for key in ("one", "two", "off"))


class Direct(Transport, Protocol):
    """The transport of `conftest.py`."""

    calls: list[Call[Any]]
    before: Any


def request(facts: HostFacts, *letters: str, vm: str = ONE) -> ShadowSetRequest:
    volumes = {volume.paths[0][0]: volume.id for volume in facts.volumes if volume.paths}
    return ShadowSetRequest(
        vm_ids=(vm,),
        volumes=tuple(volumes[letter] for letter in letters or ("D",)),
        other_vm_ids=tuple(each for each in (ONE, TWO, OFF) if each != vm),
    )


def create(transport: Direct, facts: HostFacts, *letters: str, vm: str = ONE, **more: Any) -> ShadowSet:
    scratch = scratch_folder(facts, "run-1")
    return create_shadow_set(
        transport, facts, request(facts, *letters, vm=vm), scratch=scratch, marker={"runId": "run-1"}, **more
    )


def is_clean(state: HostState, transport: Direct) -> bool:
    return state.read().shadow_copies == [] and find_leftovers(transport) == ()


def change_fault(state: HostState, name: str, value: object) -> None:
    with state.change() as record:
        setattr(record.faults, name, value)


def test_writers_are_listed_with_components_and_states(transport: Direct, facts: HostFacts, state: HostState) -> None:
    writers = list_writers(transport, facts)
    writer = require_hyperv_writer(writers)
    assert [(each.name.lower(), each.method, each.label) for each in writer.components] == [
        ("host component", Method.UNKNOWN, ""),
        (ONE, Method.ONLINE, "one"),
        (TWO, Method.ONLINE, "two [x]"),
        (OFF, Method.OFFLINE, "off"),
    ]
    assert {each.healthy for each in writers} == {True}
    assert len(transport.calls) == 1
    assert is_clean(state, transport)


def test_a_failed_writer_is_seen(transport: Direct, facts: HostFacts, state: HostState) -> None:
    with state.change() as record:
        writer = next(each for each in record.writers if each.id == HYPERV_WRITER_ID)
        writer.state, writer.failure_code = 9, 0x800423F4
    with pytest.raises(WriterUnavailable, match="FAILED_AT_FREEZE, 0x800423F4"):
        require_hyperv_writer(list_writers(transport, facts))


def test_an_account_without_the_right_is_told_so(transport: Direct, facts: HostFacts, state: HostState) -> None:
    with state.change() as record:
        record.machine.elevated = False
    with pytest.raises(NotAdministrator) as caught:
        list_writers(transport, facts)
    assert (caught.value.host, caught.value.port) == ("hv01", 5986)
    assert "LocalAccountTokenFilterPolicy" in (caught.value.hint or "")


def test_a_shadow_set_is_made_proven_and_removed(transport: Direct, facts: HostFacts, state: HostState) -> None:
    made = create(transport, facts, "D", "E", vm=TWO)
    assert [each.set_id for each in state.read().shadow_copies] == [made.id, made.id]
    assert list(made.mounts) == list(request(facts, "D", "E").volumes)
    assert [each.exposed for each in state.read().shadow_copies] == list(made.mounts.values())
    assert made.created_at == min(each.created_at for each in state.read().shadow_copies)
    assert made.evidence[0] == "Hyper-V writer after CREATE: [1] STABLE"
    assert made.evidence[1] == f"2 of 2 shadow copies listed, set {{{made.id}}}"
    assert sum("Win32_ShadowCopy lists" in line for line in made.evidence) == 2
    done = delete_shadow_set(transport, facts, made)
    assert len(done) == 3
    assert is_clean(state, transport)
    assert delete_shadow_set(transport, facts, made) == ()
    assert is_clean(state, transport)


def test_only_the_chosen_vm_takes_part(transport: Direct, facts: HostFacts, state: HostState) -> None:
    create(transport, facts, vm=OFF)
    lines = next(call for call in transport.calls if isinstance(call, InvokeDiskShadow)).lines
    assert [line for line in lines if line.startswith("writer verify")] == [
        f'writer verify "Microsoft Hyper-V VSS Writer:\\{OFF.upper()}"'
    ]
    assert sum("VSS Writer:\\" in line for line in lines if line.startswith("writer exclude")) == 3


def test_a_vm_with_a_file_on_a_volume_outside_the_set_is_a_failure(
    transport: Direct, facts: HostFacts, state: HostState
) -> None:
    with pytest.raises(VssError):
        create(transport, facts, "D", vm=TWO)
    remove_leftover(transport, facts, scratch_folder(facts, "run-1"))
    assert is_clean(state, transport)


def test_a_writer_that_fails_during_create_fails_the_set(transport: Direct, facts: HostFacts, state: HostState) -> None:
    change_fault(state, "writer_fails_at", 11)
    with pytest.raises(ShadowSetFailed):
        create(transport, facts)
    remove_leftover(transport, facts, scratch_folder(facts, "run-1"))
    assert is_clean(state, transport)


def test_another_backup_is_waited_for(transport: Direct, facts: HostFacts, state: HostState) -> None:
    change_fault(state, "create_hresult", 0x80042316)
    waits: list[float] = []

    class Waiting(Cancellation):
        def wait(self, seconds: float) -> bool:
            waits.append(seconds)
            change_fault(state, "create_hresult", None)
            return False

    events: list[Event] = []
    made = create(transport, facts, cancel=Waiting(), events=events.append)
    assert waits == [60.0]
    assert "VSS_E_SNAPSHOT_SET_IN_PROGRESS" in str(events[0])
    assert len(state.read().shadow_copies) == 1
    delete_shadow_set(transport, facts, made)
    assert is_clean(state, transport)


def test_trying_ends_after_as_many_attempts_as_the_policy_has(
    transport: Direct, facts: HostFacts, state: HostState
) -> None:
    change_fault(state, "create_hresult", 0x80042313)

    class Patient(Cancellation):
        def wait(self, seconds: float) -> bool:
            assert seconds == 600.0
            return False

    with pytest.raises(ShadowSetFailed) as caught:
        create(transport, facts, policy=PATIENT, cancel=Patient())
    assert caught.value.hresult == 0x80042313
    assert sum(isinstance(call, InvokeDiskShadow) for call in transport.calls) == 3


def test_what_trying_again_does_not_help_is_tried_once(transport: Direct, facts: HostFacts, state: HostState) -> None:
    change_fault(state, "create_hresult", 0x8004231F)
    with pytest.raises(ShadowSetFailed, match="VSS_E_INSUFFICIENT_STORAGE"):
        create(transport, facts)
    assert sum(isinstance(call, InvokeDiskShadow) for call in transport.calls) == 1


@pytest.mark.parametrize(
    ("hresult", "attempt", "wait"),
    [
        (0x80042316, 1, 60.0),
        (0x80042316, 3, None),
        (0x80042306, 2, None),
        (0x80042336, 1, None),
        (0x12345678, 1, None),
        (None, 1, None),
    ],
)
def test_the_policy_knows_what_to_wait_for(hresult: int | None, attempt: int, wait: float | None) -> None:
    assert RetryPolicy().wait_seconds(hresult, attempt) == wait
    assert ONCE.wait_seconds(hresult, attempt) is None


def test_a_patient_policy_waits_for_what_needs_ten_minutes() -> None:
    assert PATIENT.wait_seconds(0x80042306, 2) == 600.0
    assert PATIENT.wait_seconds(0x80042306, 3) is None


def test_a_stop_while_waiting_is_heard(transport: Direct, facts: HostFacts, state: HostState) -> None:
    change_fault(state, "create_hresult", 0x80042316)

    class Stopped(Cancellation):
        def wait(self, seconds: float) -> bool:
            return True

    with pytest.raises(Cancelled):
        create(transport, facts, cancel=Stopped())


def test_a_lost_connection_after_create_leaves_what_the_next_run_removes(
    transport: Direct, facts: HostFacts, state: HostState
) -> None:
    """The answer of the script is lost, its effect is not: the log on the host names the set."""

    def lose(call: Call[Any]) -> None:
        if isinstance(call, GetHost):
            raise ConnectionLost("lost", host="hv01")

    transport.before = lose
    with pytest.raises(ConnectionLost):
        create(transport, facts, "D", "E", vm=TWO)
    transport.before = lambda call: None
    assert len(state.read().shadow_copies) == 2
    (leftover,) = find_leftovers(transport)
    assert leftover.marker == {"runId": "run-1"}
    assert len(remove_leftover(transport, facts, leftover.scratch)) == 3
    assert is_clean(state, transport)
    assert remove_leftover(transport, facts, leftover.scratch) == ()


def test_a_diskshadow_that_was_killed_is_cleaned_up_by_what_it_had_printed(
    transport: Direct, facts: HostFacts, state: HostState
) -> None:
    """The set is there, no log is: only the output that came with the time-out names it."""
    made = create(transport, facts)
    remembered = made.volumes[0]
    said = (
        "-> create\nAlias hv0 for shadow ID {" + remembered.shadow_id + "} set as environment variable.\n"
        "Alias VSS_SHADOW_SET for shadow set ID {" + made.id + "} set as environment variable.\n"
    )

    def time_out(call: Call[Any]) -> None:
        if isinstance(call, InvokeDiskShadow) and call.step == "create":
            output = base64.b64encode(said.encode()).decode()
            raise DiskShadowTimeout("killed", details={"output": output})

    transport.before = time_out
    other = scratch_folder(facts, "run-2")
    with pytest.raises(DiskShadowTimeout):
        create_shadow_set(transport, facts, request(facts), scratch=other)
    assert state.read().shadow_copies == []


@pytest.mark.parametrize("details", [None, "text", {"output": "not base64!"}, {"output": 5}, {}])
def test_a_timeout_that_tells_nothing_stays_a_timeout(
    transport: Direct, facts: HostFacts, state: HostState, details: object
) -> None:
    def time_out(call: Call[Any]) -> None:
        if isinstance(call, InvokeDiskShadow):
            raise DiskShadowTimeout("killed", details=details)

    transport.before = time_out
    with pytest.raises(DiskShadowTimeout):
        create(transport, facts)


@pytest.mark.parametrize("step", range(5))
def test_a_removal_that_dies_at_any_step_is_finished_by_the_next(
    transport: Direct, facts: HostFacts, state: HostState, step: int
) -> None:
    made = create(transport, facts, "D", "E", vm=TWO)
    begun = len(transport.calls)

    def die(_call: Call[Any]) -> None:
        if len(transport.calls) - begun > step:
            raise ConnectionLost("lost", host="hv01")

    transport.before = die
    with contextlib.suppress(ConnectionLost):
        remove_leftover(transport, facts, made.scratch)
    assert len(transport.calls) > begun
    transport.before = lambda call: None
    remove_leftover(transport, facts, made.scratch)
    assert is_clean(state, transport)


def test_shadow_copies_of_others_stay(transport: Direct, facts: HostFacts, state: HostState) -> None:
    mine = create(transport, facts)
    with state.change() as record:
        copy = record.shadow_copies[0].__class__(
            id="99999999-1111-4222-8333-444455556666",
            set_id="88888888-1111-4222-8333-444455556666",
            set_count=1,
            volume_guid=record.shadow_copies[0].volume_guid,
            number=99,
            created_at=record.shadow_copies[0].created_at,
        )
        record.shadow_copies.append(copy)
    remove_leftover(transport, facts, mine.scratch)
    assert [each.id for each in state.read().shadow_copies] == ["99999999-1111-4222-8333-444455556666"]


def test_an_exposure_that_is_gone_already_does_not_stop_the_removal(
    transport: Direct, facts: HostFacts, state: HostState
) -> None:
    made = create(transport, facts, "D", "E", vm=TWO)
    transport.call(InvokeDiskShadow(scratch=made.scratch, step="hand", lines=(f"unexpose {made.volumes[0].mount}",)))
    assert len(delete_shadow_set(transport, facts, made)) == 3
    assert is_clean(state, transport)


def test_a_shadow_copy_that_cannot_be_deleted_is_an_error_with_its_id(
    transport: Direct, facts: HostFacts, monkeypatch: pytest.MonkeyPatch, state: HostState
) -> None:
    made = create(transport, facts)
    monkeypatch.setattr("hvbackup.simulator.diskshadow.delete", lambda *_: None)
    monkeypatch.setattr("hvbackup.simulator.diskshadow.deletion", lambda *_: "Not today.")
    with pytest.raises(ShadowSetFailed) as caught:
        delete_shadow_set(transport, facts, made)
    assert made.volumes[0].shadow_id in str(caught.value)
    assert "delete shadows id" in (caught.value.hint or "")


def test_nothing_outside_the_scratch_root_is_touched(transport: Direct, facts: HostFacts) -> None:
    with pytest.raises(InvalidRequest):
        remove_leftover(transport, facts, "C:\\Windows")
    assert transport.calls == []


def test_a_folder_with_something_mounted_is_not_removed(transport: Direct, facts: HostFacts) -> None:
    made = create(transport, facts)
    with pytest.raises(PathRefused):
        transport.call(RemoveScratch(scratch=made.scratch))


@pytest.mark.parametrize("run_id", ["", "..", "a\\b", "a/b", "a b", "ü", "x" * 101, "a..b", "a."])
def test_a_run_id_is_one_plain_name(facts: HostFacts, run_id: str) -> None:
    with pytest.raises(InvalidRequest):
        scratch_folder(facts, run_id)


def test_a_listing_that_was_cut_off_is_not_taken_for_whole(
    transport: Direct, facts: HostFacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hvbackup.vss import session
    from hvbackup.vss.running import Ran
    from hvbackup.vss.transcript import parse_transcript

    text = '* WRITER "System Writer"\n\t- Writer ID   = {e8132975-6f93-4464-a53e-1050253ae220}\n2 writers listed.\n'
    monkeypatch.setattr(session, "run_diskshadow", lambda *_, **__: Ran(transcript=parse_transcript(text), exit_code=0))
    with pytest.raises(TranscriptUnclear, match="counts \\[2\\] writers"):
        list_writers(transport, facts)


def output(log: bytes, standard: bytes) -> DiskShadowOutput:
    return DiskShadowOutput(
        exit_code=0,
        output=base64.b64encode(standard).decode(),
        log=base64.b64encode(log).decode(),
        code_page=850,
        seconds=1.0,
        scratch="C:\\x",
    )


def test_the_log_is_read_before_standard_output_and_a_failure_in_either_counts() -> None:
    head = '* WRITER "Müller"\n- Writer ID = {e8132975-6f93-4464-a53e-1050253ae220}\n'
    log = b"\xff\xfe" + head.encode("utf-16-le")
    failed = head.encode("cp850") + b"The last operation failed.\n- Returned HRESULT: 80042301\n"
    read = read_output(output(log, failed))
    assert read.writers[0].name == "Müller"
    assert [each.hresult for each in read.failures] == [0x80042301]
    assert read_output(output(b"", head.encode("cp850"))).writers[0].name == "Müller"
