"""Writers and shadow sets of a host, through a `Transport`: what jobs call."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

import msgspec

from hvbackup.errors import Cancelled, DiskShadowTimeout, HvBackupError, ShadowSetFailed, TranscriptUnclear
from hvbackup.events import Cancellation, EventSink, Note, discard
from hvbackup.models import HostFacts, Model, ShadowCopy, Writer
from hvbackup.remote.calls import GetHost
from hvbackup.remote.session import Transport
from hvbackup.vss.findings import Transcript
from hvbackup.vss.leftovers import find_leftovers, remove_leftover, remove_run, shadow_copy_ids, shadow_set_ids
from hvbackup.vss.proof import ShadowSet, prove_shadow_set, quoted, refuse_failures
from hvbackup.vss.retry import RetryPolicy
from hvbackup.vss.running import printed_before_timeout, run_diskshadow
from hvbackup.vss.scratch import metadata_path, mount_points, scratch_folder
from hvbackup.vss.script import BackupScriptRequest, backup_script, list_writers_script
from hvbackup.vss.transcript import parse_transcript
from hvbackup.vss.vssadmin import parse_vssadmin
from hvbackup.vss.writers import merge_writers

__all__ = [
    "ShadowSet",
    "ShadowSetRequest",
    "create_shadow_set",
    "delete_shadow_set",
    "find_leftovers",
    "list_writers",
    "remove_leftover",
    "scratch_folder",
]


class ShadowSetRequest(Model, frozen=True, kw_only=True):
    """One shadow set.

    Attributes:
        vm_ids: The VMs that must be in it.
        volumes: Ids of all volumes that their files lie on.
        other_vm_ids: The other VMs of the Hyper-V writer; left alone.
        other_writer_ids: The other writers of the host; left alone.
        host_component: Whether the host's own configuration belongs in.
        timeout_seconds: How long diskshadow may take; saving many VMs takes its time.
    """

    vm_ids: tuple[str, ...]
    volumes: tuple[str, ...]
    other_vm_ids: tuple[str, ...] = ()
    other_writer_ids: tuple[str, ...] = ()
    host_component: bool = False
    timeout_seconds: int = 1800


def list_writers(
    transport: Transport,
    host: HostFacts,
    *,
    timeout_seconds: int = 300,
    events: EventSink | None = None,
    cancel: Cancellation | None = None,
) -> tuple[Writer, ...]:
    """Return the writers of the host with their components and states.

    States come from diskshadow, and from vssadmin where the host facts hold its listing.

    Raises:
        DiskShadowMissing, NotAdministrator, RemoteError: The host cannot be asked.
        ShadowSetFailed, TranscriptUnclear: diskshadow failed, or the listing could not be read whole.
    """
    ran = run_diskshadow(
        transport,
        list_writers_script(),
        scratch=scratch_folder(host, f"list-{uuid.uuid4().hex[:12]}"),
        step="list",
        marker={"tool": "hvbackup", "purpose": "list writers"},
        timeout_seconds=timeout_seconds,
        keep=False,
        events=events,
        cancel=cancel,
    )
    refuse_failures(ran.transcript, ran.exit_code)
    _check_whole(ran.transcript)
    states = [ran.transcript.statuses]
    if host.vssadmin_writers:
        states.append(parse_vssadmin(host.vssadmin_writers))
    return merge_writers(ran.transcript.writers, *states)


def _check_whole(transcript: Transcript) -> None:
    """The listings' own counts must be the numbers of writers that were read."""
    read = sorted((len(transcript.statuses), len(transcript.writers)))
    counted = sorted(transcript.writers_listed)
    if transcript.dropped or (counted and not set(counted) <= set(read)):
        raise TranscriptUnclear(
            f"the host counts {counted} writers, {read} could be read",
            hint=f"Report it with the output of diskshadow. It says:\n{quoted(transcript)}",
        )
    if not transcript.writers and not transcript.statuses:
        raise TranscriptUnclear("diskshadow listed no writers", hint=f"It says:\n{quoted(transcript)}")


def create_shadow_set(
    transport: Transport,
    host: HostFacts,
    request: ShadowSetRequest,
    *,
    scratch: str,
    marker: dict[str, Any] | None = None,
    policy: RetryPolicy | None = None,
    events: EventSink = discard,
    cancel: Cancellation | None = None,
) -> ShadowSet:
    """Create a persistent shadow set, expose it below `scratch`, and prove that it is there.

    `scratch` is a `scratch_folder`; the marker is written into it before anything happens. A host makes one set at a
    time: the caller keeps its calls for one host apart. What another program does at the same time is waited for, as
    `policy` says.

    Whatever is raised, shadow copies may be there: `remove_leftover(transport, host, scratch)` removes them.

    Raises:
        InvalidRequest: The request cannot be written as a script.
        ShadowSetFailed, TranscriptUnclear: It failed, or there is no proof.
        DiskShadowMissing, DiskShadowTimeout, NotAdministrator, RemoteError, Cancelled: As they say.
    """
    policy = policy or RetryPolicy()
    cancel = cancel or Cancellation()
    attempt = 1
    while True:
        cancel.check()
        try:
            return _create_once(
                transport, request, scratch=scratch, attempt=attempt, marker=marker, events=events, cancel=cancel
            )
        except DiskShadowTimeout as error:
            _remove_what_it_said(transport, host, scratch, error, events)
            raise
        except ShadowSetFailed as error:
            wait = policy.wait_seconds(error.hresult, attempt)
            if wait is None:
                raise
            text = f"{error.message}; trying again in {wait:g} seconds (attempt {attempt} of {policy.attempts})"
            events(Note(host=transport.host, text=text, level="warning"))
        remove_leftover(transport, host, scratch, keep_scratch=True)
        if cancel.wait(wait):
            raise Cancelled("stopped by the user while waiting for another backup of the host")
        attempt += 1


def _remove_what_it_said(
    transport: Transport, host: HostFacts, scratch: str, error: DiskShadowTimeout, events: EventSink
) -> None:
    """Remove the shadow set of a diskshadow that was killed: its output may name what its log does not yet."""
    said = parse_transcript(printed_before_timeout(error))
    try:
        remove_run(
            transport,
            host,
            scratch,
            set_ids=shadow_set_ids((said,)),
            shadow_ids=shadow_copy_ids((said,)),
            keep_scratch=True,
        )
    except HvBackupError as failure:
        # The time-out is what the caller must hear of; what is left stays for the next clean-up.
        events(Note(host=transport.host, text=f"not cleaned up yet: {failure}", level="warning"))


def _create_once(
    transport: Transport,
    request: ShadowSetRequest,
    *,
    scratch: str,
    attempt: int,
    marker: dict[str, Any] | None,
    events: EventSink,
    cancel: Cancellation,
) -> ShadowSet:
    mounts = mount_points(scratch, len(request.volumes))
    lines = backup_script(
        BackupScriptRequest(
            vm_ids=request.vm_ids,
            volumes=request.volumes,
            metadata_path=metadata_path(scratch),
            mount_points=mounts,
            other_vm_ids=request.other_vm_ids,
            other_writer_ids=request.other_writer_ids,
            host_component=request.host_component,
        )
    )
    ran = run_diskshadow(
        transport,
        lines,
        scratch=scratch,
        step="create" if attempt == 1 else f"create{attempt}",
        folders=tuple(mounts.values()),
        marker=marker,
        timeout_seconds=request.timeout_seconds,
        events=events,
        cancel=cancel,
    )
    proven = prove_shadow_set(
        ran.transcript,
        vm_ids=request.vm_ids,
        expected_volumes=dict(zip(mounts, request.volumes, strict=True)),
        mount_points=mounts,
        exit_code=ran.exit_code,
    )
    return _witnessed(proven, transport.call(GetHost(), cancel=cancel).data, scratch)


def _witnessed(shadow_set: ShadowSet, host: HostFacts, scratch: str) -> ShadowSet:
    """The set with its time by the host's clock, and with what Windows itself lists, as a second witness."""
    listed = {each.id: each for each in host.shadow_copies}
    own: Iterable[ShadowCopy] = [listed[v.shadow_id] for v in shadow_set.volumes if v.shadow_id in listed]
    times = sorted(each.created_at for each in own if each.created_at)
    evidence = tuple(f"Win32_ShadowCopy lists {{{each.id}}}, created {each.created_at}" for each in own)
    return msgspec.structs.replace(
        shadow_set,
        scratch=scratch,
        # The host's time right after CREATE where it does not list the time: never earlier than the shadow copy.
        created_at=times[0] if times else host.time,
        evidence=shadow_set.evidence + evidence,
    )


def delete_shadow_set(transport: Transport, host: HostFacts, shadow_set: ShadowSet) -> tuple[str, ...]:
    """Take the exposures back, delete the shadow copies and remove the scratch folder; return what was done.

    What is gone already is no error.

    Raises:
        ShadowSetFailed: A shadow copy is still there afterwards.
        RemoteError: The host cannot be asked, or the scratch folder cannot be removed.
    """
    return remove_run(
        transport,
        host,
        shadow_set.scratch,
        set_ids=[shadow_set.id],
        shadow_ids=[each.shadow_id for each in shadow_set.volumes],
    )
