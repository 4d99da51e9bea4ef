"""Writers: what several listings say of them, put together, and whether the Hyper-V writer can be used (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from hvbackup.errors import WriterUnavailable
from hvbackup.models import HYPERV_WRITER_ID, Writer
from hvbackup.vss.health import is_busy, last_hresult
from hvbackup.vss.hresults import described, meaning_of
from hvbackup.vss.names import HYPERV_WRITER_NAME

_RESTART = (
    "Read the Hyper-V-VMMS event log. When no backup runs on the host: Restart-Service vmms "
    "(VMs keep running; never while a backup runs)."
)


def merge_writers(listed: Sequence[Writer], *states: Iterable[Writer]) -> tuple[Writer, ...]:
    """Put together the components of LIST WRITERS and the states of other listings; later listings fill gaps only.

    Writers are the same when class and instance id are; a listing without instance ids is matched by class id alone
    where that is unambiguous. A writer that only a listing of states has is kept: it may have failed at IDENTIFY and
    so have no components.
    """
    merged = list(listed)
    for listing in states:
        for state in listing:
            place = _place_of(state, merged)
            if place is None:
                merged.append(state)
            else:
                merged[place] = _filled(merged[place], state)
    return tuple(merged)


def _place_of(writer: Writer, among: Sequence[Writer]) -> int | None:
    same_class = [i for i, each in enumerate(among) if each.id == writer.id]
    same = [i for i in same_class if among[i].instance_id == writer.instance_id]
    if same:
        return same[0]
    # A writer that was restarted between two listings has another instance id, but there is only one of it.
    return same_class[0] if len(same_class) == 1 else None


def _filled(writer: Writer, state: Writer) -> Writer:
    verdicts = (writer.healthy, state.healthy)
    healthy = False if False in verdicts else True if True in verdicts else None
    return msgspec.structs.replace(
        writer,
        instance_id=writer.instance_id or state.instance_id,
        state=writer.state if writer.state is not None else state.state,
        state_code=writer.state_code if writer.state_code is not None else state.state_code,
        last_error=writer.last_error if writer.last_error is not None else state.last_error,
        failure_code=writer.failure_code if writer.failure_code is not None else state.failure_code,
        healthy=healthy,
    )


def require_hyperv_writer(writers: Iterable[Writer]) -> Writer:
    """Return the Hyper-V writer, fit for a backup.

    Raises:
        WriterUnavailable: It is missing, failed or busy; the hint says what to do.
    """
    writer = next((each for each in writers if each.id == HYPERV_WRITER_ID), None)
    if writer is None:
        raise WriterUnavailable(
            f"the host has no {HYPERV_WRITER_NAME}",
            hint="It comes with the Hyper-V role of Windows Server (not of client Windows). Is the role installed and "
            "the service vmms running? A VM with broken configuration files can also make the writer vanish.",
        )
    if is_busy(writer.state_code):
        raise WriterUnavailable(
            f"the {writer.name} is busy: {state_text(writer)}",
            hint=f"Another backup is at work; wait for its end. If none is: {_RESTART}",
        )
    if writer.healthy is False:
        known = meaning_of(last_hresult(writer.failure_code, writer.last_error))
        cure = f"{known.cure} {_RESTART}" if known and known.cure != _RESTART else _RESTART
        raise WriterUnavailable(f"the {writer.name} has failed: {state_text(writer)}", hint=cure)
    return writer


def state_text(writer: Writer) -> str:
    """State and last error of a writer, for people."""
    state = f"[{writer.state_code}] {writer.state or 'unknown'}" if writer.state_code is not None else "state unknown"
    if writer.failure_code:
        state += f", {described(writer.failure_code)}"
    if writer.last_error and not writer.healthy:
        state += f", {writer.last_error}"
    return state
