"""Proof from a transcript that a shadow set is there and whole (pure).

The exit code of diskshadow is documented nowhere, and a script that leaves a VM out of the backup ends well. So success
is what positive evidence says: the count, one block for each volume, exposures, writers in order, and no shape of a
failure anywhere. The evidence goes into the restore point.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hvbackup.errors import ShadowSetFailed, TranscriptUnclear, VssError
from hvbackup.models import HYPERV_WRITER_ID, Model
from hvbackup.vss.findings import Failure, ListedShadowCopy, Transcript
from hvbackup.vss.health import is_failed
from hvbackup.vss.hresults import described, meaning_of
from hvbackup.vss.names import HYPERV_WRITER_NAME
from hvbackup.vss.writers import state_text

_QUOTED_LINES = 12
_NOT_ADMINISTRATOR = (
    "The account must be in the host's Administrators (or Backup Operators) group; a local account needs "
    "LocalAccountTokenFilterPolicy=1 to be an administrator over the network."
)
_REPORT = "Keep the transcript and report it: hvbackup does not take for granted what it cannot read."


class ShadowVolume(Model, frozen=True, kw_only=True):
    """One shadow copy of a set: of `volume` (as it was asked for), readable in the folder `mount`."""

    volume: str
    shadow_id: str
    alias: str
    device: str
    mount: str


class ShadowSet(Model, frozen=True, kw_only=True):
    """A shadow set that is proven to be there.

    Attributes:
        created_text: When, as diskshadow printed it, in the host's language.
        created_at: When, by the host's clock, ISO 8601 in UTC; empty until the host was asked.
        scratch: The folder on the host with its mount points and logs.
        evidence: Lines that prove it.
    """

    id: str
    volumes: tuple[ShadowVolume, ...]
    created_text: str = ""
    created_at: str = ""
    scratch: str = ""
    evidence: tuple[str, ...] = ()

    @property
    def mounts(self) -> dict[str, str]:
        """Volume, as it was asked for -> folder in which its shadow copy can be read."""
        return {each.volume: each.mount for each in self.volumes}


def prove_shadow_set(
    transcript: Transcript,
    *,
    vm_ids: Sequence[str],
    expected_volumes: Mapping[str, str],
    mount_points: Mapping[str, str],
    exit_code: int = 0,
) -> ShadowSet:
    """Return the shadow set that the transcript proves.

    Args:
        transcript: The output of a `backup_script`.
        vm_ids: The VMs that must be in it.
        expected_volumes: Alias -> volume.
        mount_points: Alias -> folder.
        exit_code: What diskshadow ended with; one signal among others.

    Raises:
        ShadowSetFailed: It failed, or something that was chosen was left out.
        TranscriptUnclear: There is no failure, but no proof either.
    """
    refuse_failures(transcript, exit_code)
    _refuse_exclusions(transcript, vm_ids)
    evidence = _writer_evidence(transcript)
    copies = _copies_by_alias(transcript, expected_volumes)
    set_ids = {copy.set_id for copy in copies.values()}
    set_id = next(iter(set_ids))
    if len(set_ids) != 1 or set_id is None or transcript.aliases.get("VSS_SHADOW_SET", set_id) != set_id:
        raise _unclear("the shadow copies do not belong to one set", transcript)
    _check_count(transcript, copies)
    evidence.append(f"{len(copies)} of {len(expected_volumes)} shadow copies listed, set {{{set_id}}}")
    volumes = []
    for alias, volume in expected_volumes.items():
        copy = copies[alias]
        _check_copy(copy, volume, transcript)
        exposed = _exposure_text(transcript, alias, mount_points[alias])
        evidence.append(f"{volume} -> {copy.device} [{' '.join(copy.attributes)}], created {copy.created_text}")
        evidence.append(exposed)
        volumes.append(
            ShadowVolume(
                volume=volume, shadow_id=copy.id, alias=alias, device=copy.device or "", mount=mount_points[alias]
            )
        )
    if "end backup" not in (command.casefold() for command in transcript.commands):
        raise _unclear("the transcript does not show END BACKUP", transcript)
    evidence.append("END BACKUP was commanded, and no note says otherwise")
    return ShadowSet(
        id=set_id,
        volumes=tuple(volumes),
        created_text=copies[next(iter(expected_volumes))].created_text,
        evidence=tuple(evidence),
    )


def refuse_failures(transcript: Transcript, exit_code: int = 0) -> None:
    """Raise if anything in the transcript has the shape of a failure.

    Raises:
        ShadowSetFailed: With HRESULT, its name, what it means and the cure.
        TranscriptUnclear: diskshadow ended with another exit code than 0, and says nothing about why.
    """
    for failure in transcript.failures:
        raise failure_error(failure, transcript)
    if transcript.end_backup_missing:
        raise ShadowSetFailed(
            "diskshadow ended before END BACKUP: the writers were not told that the backup is over",
            transcript=quoted(transcript),
            hint="The script stopped at the command before; its transcript shows why.",
        )
    if exit_code != 0:
        raise _unclear(f"diskshadow ended with exit code {exit_code}, but shows no failure", transcript)


def failure_error(failure: Failure, transcript: Transcript) -> VssError:
    """The error for a failure that a transcript shows."""
    at = f" at `{failure.command}`" if failure.command else ""
    known = meaning_of(failure.hresult)
    if known is not None:
        sentence = f"diskshadow failed{at}: {described(failure.hresult)}: {known.meaning}"
        hint = " ".join(part for part in (known.for_hyperv, known.cure) if part)
    elif failure.kind == "com-call":
        sentence, hint = f"diskshadow could not begin{at}: the call {failure.name} failed", _NOT_ADMINISTRATOR
    elif failure.kind == "usage":
        sentence, hint = f"diskshadow did not understand its script{at}", _REPORT
    else:
        code = described(failure.hresult, failure.name)
        sentence = f"diskshadow failed{at}: {code or failure.text}"
        hint = "The transcript and the Application event log of the host (source VSS) say more."
    return ShadowSetFailed(sentence, hresult=failure.hresult, transcript=quoted(transcript), hint=hint)


def quoted(transcript: Transcript) -> str:
    """What a transcript says in words, for an error: failures first, then what was not understood."""
    lines = [failure.text for failure in transcript.failures]
    lines += [exclusion.text for exclusion in transcript.exclusions if exclusion.writer == HYPERV_WRITER_NAME]
    lines += transcript.unknown
    if not lines:
        lines = [f"-> {command}" for command in transcript.commands[-_QUOTED_LINES:]]
    more = len(lines) - _QUOTED_LINES
    return "\n".join([*lines[:_QUOTED_LINES], *([f"... and {more} more lines"] if more > 0 else [])])


def _unclear(reason: str, transcript: Transcript) -> TranscriptUnclear:
    text = quoted(transcript)
    return TranscriptUnclear(f"there is no proof of the shadow set: {reason}", hint=f"{_REPORT} It says:\n{text}")


def _refuse_exclusions(transcript: Transcript, vm_ids: Sequence[str]) -> None:
    chosen = {vm_id.upper() for vm_id in vm_ids}
    for each in transcript.exclusions:
        of_hyperv = each.writer.casefold() == HYPERV_WRITER_NAME.casefold()
        if of_hyperv and (each.component is None or each.component.lstrip("\\").upper() in chosen):
            what = f"VM {each.component.lstrip(chr(92))}" if each.component else "the Hyper-V writer"
            needs = f", because it needs volume {each.volume}" if each.volume else ""
            raise ShadowSetFailed(
                f"{what} was left out of the backup{needs}",
                transcript=each.text,
                hint="A file of the VM lies on a volume that is not in the set; did the VM change since it was listed?",
            )
    for line in transcript.unknown:
        if HYPERV_WRITER_NAME.casefold() in line.casefold() or any(vm_id in line.upper() for vm_id in chosen):
            raise _unclear(f"a line about the chosen VMs could not be read: {line}", transcript)
    if transcript.dropped:
        raise _unclear(f"it is too long; {transcript.dropped} facts were not kept", transcript)


def _writer_evidence(transcript: Transcript) -> list[str]:
    """The Hyper-V writer's state between CREATE and END BACKUP."""
    writer = next((each for each in transcript.statuses if each.id == HYPERV_WRITER_ID), None)
    if writer is None:
        raise _unclear("the Hyper-V writer's state was not listed after CREATE", transcript)
    if is_failed(writer.state_code) or writer.failure_code:
        known = meaning_of(writer.failure_code)
        raise ShadowSetFailed(
            f"the Hyper-V writer failed while the shadow set was made: {state_text(writer)}",
            hresult=writer.failure_code or None,
            transcript=quoted(transcript),
            hint=f"{known.for_hyperv} {known.cure}".strip()
            if known
            else "The Hyper-V-VMMS event log of the host names the VM and the reason.",
        )
    return [f"Hyper-V writer after CREATE: {state_text(writer)}"]


def _copies_by_alias(transcript: Transcript, expected: Mapping[str, str]) -> dict[str, ListedShadowCopy]:
    copies: dict[str, ListedShadowCopy] = {}
    by_id = {value: alias for alias, value in transcript.aliases.items()}
    wanted = {alias.casefold(): alias for alias in expected}
    for copy in transcript.shadow_copies:
        alias = wanted.get((copy.alias or by_id.get(copy.id, "")).casefold())
        if alias is None or (alias in copies and copies[alias].id != copy.id):
            raise _unclear(f"shadow copy {{{copy.id}}} was not asked for", transcript)
        copies[alias] = copy
    if missing := [alias for alias in expected if alias not in copies]:
        raise _unclear(f"no shadow copy of {expected[missing[0]]} is described", transcript)
    return copies


def _check_count(transcript: Transcript, copies: Mapping[str, ListedShadowCopy]) -> None:
    if transcript.listed_count != len(copies):
        raise _unclear(f"{len(copies)} shadow copies are described, {transcript.listed_count} counted", transcript)
    for copy in copies.values():
        if copy.original_count not in (None, len(copies)):
            raise _unclear(f"the set was created with {copy.original_count} shadow copies", transcript)


def _check_copy(copy: ListedShadowCopy, volume: str, transcript: Transcript) -> None:
    if (copy.volume or "").rstrip("\\").casefold() != volume.rstrip("\\").casefold():
        raise _unclear(f"%{copy.alias}% is a shadow copy of {copy.volume}, not of {volume}", transcript)
    attributes = {word.casefold() for word in copy.attributes}
    if "no_writers" in attributes:
        raise ShadowSetFailed(
            f"the shadow copy of {volume} was made without writers",
            transcript=quoted(transcript),
            hint="The context of the script was not PERSISTENT with writers.",
        )
    if "persistent" not in attributes or not copy.device:
        raise _unclear(f"the shadow copy of {volume} is not described as persistent with a device", transcript)


def _exposure_text(transcript: Transcript, alias: str, mount: str) -> str:
    wanted = mount.rstrip("\\").casefold()
    for exposure in transcript.exposures:
        named = exposure.command.casefold().split()
        if exposure.place.rstrip("\\").casefold() == wanted and f"%{alias.casefold()}%" in named:
            return exposure.text
    raise _unclear(f"the shadow copy %{alias}% is not said to be exposed as {mount}", transcript)
