"""Running diskshadow on a host, and reading what it left: the edge of this room."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

import msgspec

from hvbackup.errors import ContractViolated, DiskShadowTimeout, NotAdministrator
from hvbackup.events import Cancellation, EventSink
from hvbackup.remote.calls import DiskShadowOutput, InvokeDiskShadow, Leftover
from hvbackup.remote.session import Transport
from hvbackup.vss.decoding import decode_bytes
from hvbackup.vss.findings import Transcript
from hvbackup.vss.transcript import parse_transcript

#: What the script around diskshadow may take beyond diskshadow's own time.
_MARGIN_SECONDS = 60.0


class Ran(msgspec.Struct, frozen=True, kw_only=True):
    """One run of diskshadow: what it showed, and what it ended with."""

    transcript: Transcript
    exit_code: int


def run_diskshadow(
    transport: Transport,
    lines: Sequence[str],
    *,
    scratch: str,
    step: str,
    folders: Sequence[str] = (),
    marker: dict[str, Any] | None = None,
    timeout_seconds: int = 900,
    keep: bool = True,
    events: EventSink | None = None,
    cancel: Cancellation | None = None,
) -> Ran:
    """Run a script on the host and read its transcript.

    Raises:
        NotAdministrator: diskshadow could not initialise VSS, which is what it says to accounts without the right.
        RemoteError: As `Transport.call`.
    """
    call = InvokeDiskShadow(
        scratch=scratch,
        step=step,
        lines=tuple(lines),
        folders=tuple(folders),
        marker=marker,
        timeout_seconds=timeout_seconds,
        keep=keep,
    )
    answer = transport.call(call, timeout=timeout_seconds + _MARGIN_SECONDS, events=events, cancel=cancel)
    transcript = read_output(answer.data)
    if any(each.kind == "com-call" and each.name == "InitializeForBackup" for each in transcript.failures):
        raise NotAdministrator(
            f"the account may not make backups on {transport.host}: diskshadow could not initialise VSS",
            host=transport.host,
            port=transport.port,
            hint="It must be in the host's Administrators group; a local account needs "
            "LocalAccountTokenFilterPolicy=1 to be an administrator over the network.",
        )
    return Ran(transcript=transcript, exit_code=answer.data.exit_code)


def read_output(answer: DiskShadowOutput) -> Transcript:
    """Read the log, which is UTF-16 and so keeps every name; standard output where it shows more.

    A failure counts wherever it stands.
    """
    log = parse_transcript(decode_bytes(_bytes(answer.log, "log"), answer.code_page))
    output = parse_transcript(decode_bytes(_bytes(answer.output, "output"), answer.code_page))
    first, second = (log, output) if _weight(log) >= _weight(output) else (output, log)
    seen = {failure.text for failure in first.failures}
    return msgspec.structs.replace(
        first,
        failures=first.failures + tuple(failure for failure in second.failures if failure.text not in seen),
        end_backup_missing=first.end_backup_missing or second.end_backup_missing,
    )


def printed_before_timeout(error: DiskShadowTimeout) -> str:
    """What diskshadow had printed when it was killed, as far as the script could tell; only ASCII is relied on."""
    details = error.details if isinstance(error.details, dict) else {}
    try:
        return decode_bytes(base64.b64decode(str(details.get("output", "")), validate=True))
    except (binascii.Error, ValueError):
        return ""


def read_logs(leftover: Leftover) -> tuple[Transcript, ...]:
    """Read the logs of an earlier run; one that is damaged shows nothing."""
    transcripts = []
    for log in leftover.logs:
        try:
            content = base64.b64decode(log.content, validate=True)
        except (binascii.Error, ValueError):
            continue
        transcripts.append(parse_transcript(decode_bytes(content)))
    return tuple(transcripts)


def _weight(transcript: Transcript) -> tuple[bool, int]:
    """Which of two transcripts of one run shows more."""
    facts = (transcript.shadow_copies, transcript.writers, transcript.statuses, transcript.exposures)
    return bool(transcript.commands), sum(map(len, facts)) + len(transcript.deletions)


def _bytes(text: str, what: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ContractViolated(f"the {what} of diskshadow did not come as base64") from None
