"""What a saved output of diskshadow or vssadmin shows, for people and programs (pure): `hvbackup transcript FILE`.

Any listing, log or whole session will do, in UTF-16 or in a code page, with prompts and shell noise around it.
"""

from __future__ import annotations

from collections.abc import Iterable

from hvbackup.models import HYPERV_WRITER_ID, FileSpec, Method, Model, Writer
from hvbackup.vss.decoding import decode_bytes
from hvbackup.vss.findings import Deletion, Exclusion, Exposure, Failure, ListedProvider, ListedShadowCopy, Transcript
from hvbackup.vss.health import last_hresult
from hvbackup.vss.hresults import described, meaning_of
from hvbackup.vss.names import HOST_COMPONENT
from hvbackup.vss.transcript import parse_transcript
from hvbackup.vss.vssadmin import parse_vssadmin, without_vssadmin
from hvbackup.vss.writers import merge_writers


class ReportedVm(Model, frozen=True, kw_only=True):
    """A VM that the Hyper-V writer lists, or a caption that stands alone (then `vm_id` is empty).

    Attributes:
        vm_id: GUID in lower case.
        vm_name: From the caption.
    """

    vm_id: str
    vm_name: str
    method: Method
    caption: str
    files: tuple[FileSpec, ...] = ()
    paths: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()


class ReportedFailure(Model, frozen=True, kw_only=True):
    """A failure, explained.

    Attributes:
        kind: As in `Failure`; also `writer` (a writer's state) and `note` (END BACKUP was not commanded).
        code: HRESULT as text, `0x80042316`; None when none was printed.
        meaning: What it means; None when it is not known. `for_hyperv` and `cure` likewise.
        quote: The text as printed.
    """

    kind: str
    quote: str
    code: str | None = None
    name: str | None = None
    meaning: str | None = None
    for_hyperv: str | None = None
    cure: str | None = None
    command: str | None = None


class TranscriptReport(Model, frozen=True, kw_only=True):
    """Everything that a saved output shows.

    Attributes:
        kinds: What it holds: `writers`, `status`, `vssadmin`, `backup`, `providers`, `deletion`, `captions`; empty when
            nothing was recognised.
        writers: All of them, with components and states where they are shown.
        vms: The VMs of the Hyper-V writer, with their methods.
        host_component: Whether the writer lists the host's own configuration.
        dropped: Facts and lines that were too many to keep.
        unknown: Lines that were not understood.
    """

    kinds: tuple[str, ...] = ()
    writers: tuple[Writer, ...] = ()
    vms: tuple[ReportedVm, ...] = ()
    host_component: bool = False
    shadow_copies: tuple[ListedShadowCopy, ...] = ()
    listed_count: int | None = None
    providers: tuple[ListedProvider, ...] = ()
    exposures: tuple[Exposure, ...] = ()
    deletions: tuple[Deletion, ...] = ()
    deleted_count: int | None = None
    exclusions: tuple[Exclusion, ...] = ()
    failures: tuple[ReportedFailure, ...] = ()
    commands: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    dropped: int = 0


def read_transcript(data: bytes, *, code_page: int | None = None) -> TranscriptReport:
    """Report what a saved output shows; never raises.

    `code_page` is the OEM code page of the host, for a file that is neither UTF-16 nor UTF-8.
    """
    text = decode_bytes(data, code_page)
    states = parse_vssadmin(text)
    transcript = parse_transcript(without_vssadmin(text) if states else text)
    writers = merge_writers(transcript.writers, transcript.statuses, states)
    hyperv = [writer for writer in writers if writer.id == HYPERV_WRITER_ID]
    return TranscriptReport(
        kinds=tuple(_kinds(transcript, states)),
        writers=writers,
        vms=tuple(_vms(hyperv, transcript)),
        host_component=any(each.name == HOST_COMPONENT for writer in hyperv for each in writer.components),
        shadow_copies=transcript.shadow_copies,
        listed_count=transcript.listed_count,
        providers=transcript.providers,
        exposures=transcript.exposures,
        deletions=transcript.deletions,
        deleted_count=transcript.deleted_count,
        exclusions=transcript.exclusions,
        failures=tuple(_failures(transcript, writers)),
        commands=transcript.commands,
        unknown=transcript.unknown,
        dropped=transcript.dropped,
    )


def _kinds(transcript: Transcript, states: tuple[Writer, ...]) -> Iterable[str]:
    shown = {
        "writers": transcript.writers,
        "status": transcript.statuses,
        "vssadmin": states,
        "backup": transcript.shadow_copies or transcript.exclusions,
        "providers": transcript.providers,
        "deletion": transcript.deletions,
        "captions": transcript.captions,
    }
    return (kind for kind, facts in shown.items() if facts)


def _vms(hyperv: Iterable[Writer], transcript: Transcript) -> Iterable[ReportedVm]:
    for writer in hyperv:
        for component in writer.components:
            if component.name != HOST_COMPONENT:
                yield ReportedVm(
                    vm_id=component.name.lower(),
                    vm_name=component.label,
                    method=component.method,
                    caption=component.caption,
                    files=component.files,
                    paths=component.paths,
                    volumes=component.volumes,
                )
    for line in transcript.captions:
        # Captions of other writers stand alone too; only the Hyper-V writer's are VMs.
        if line.method is not Method.UNKNOWN:
            yield ReportedVm(vm_id="", vm_name=line.label, method=line.method, caption=line.caption)


def _failures(transcript: Transcript, writers: Iterable[Writer]) -> Iterable[ReportedFailure]:
    for failure in transcript.failures:
        yield _explained(failure)
    if transcript.end_backup_missing:
        yield ReportedFailure(
            kind="note",
            quote="END BACKUP was not commanded, writers not notified BackupComplete.",
            meaning="diskshadow ended before END BACKUP; the writers were not told that the backup is over.",
            for_hyperv="VMs may show 'Backing up' until their writer gives up; persistent shadow copies stay.",
            cure="Find the failure before it, delete the shadow copies that are left, and back up again.",
        )
    for writer in writers:
        if writer.healthy is False:
            yield _failed_writer(writer)


def _explained(failure: Failure) -> ReportedFailure:
    known = meaning_of(failure.hresult)
    meaning, cure = (known.meaning, known.cure) if known else _BY_KIND.get(failure.kind, (None, None))
    return ReportedFailure(
        kind=failure.kind,
        quote=failure.text,
        code=described(failure.hresult).split(" ")[0] if failure.hresult is not None else None,
        name=failure.name or (known.name if known else None),
        meaning=meaning,
        for_hyperv=(known.for_hyperv or None) if known else None,
        cure=cure,
        command=failure.command,
    )


def _failed_writer(writer: Writer) -> ReportedFailure:
    known = meaning_of(last_hresult(writer.failure_code, writer.last_error))
    state = f"[{writer.state_code}] {writer.state}" if writer.state_code is not None else "state unknown"
    return ReportedFailure(
        kind="writer",
        quote=", ".join(part for part in (f"{writer.name}: {state}", writer.last_error) if part),
        code=f"0x{writer.failure_code:08X}" if writer.failure_code else None,
        name=known.name if known else None,
        meaning=known.meaning if known else "The writer's last operation failed.",
        for_hyperv=(known.for_hyperv or None) if known else None,
        cure=known.cure if known else _writer_cure(writer),
    )


def _writer_cure(writer: Writer) -> str:
    if writer.id == HYPERV_WRITER_ID:
        return (
            "Read the Hyper-V-VMMS event log. When no backup runs: Restart-Service vmms (VMs keep running; never "
            "while a backup runs)."
        )
    return "Read the Application event log; restarting the service that holds the writer resets it."


#: Kind of failure without a known HRESULT -> meaning, cure.
_BY_KIND: dict[str, tuple[str | None, str | None]] = {
    "com-call": (
        "diskshadow could not talk to VSS; InitializeForBackup fails for accounts without the right to make backups.",
        "Run it as a member of Administrators or Backup Operators, elevated.",
    ),
    "usage": (
        "diskshadow did not understand a command and stopped.",
        "Scripts need CRLF line ends and ASCII: with LF alone the last character of each line is lost.",
    ),
}
