"""States of writers, by number: VSS_WRITER_STATE of vss.h. LIST WRITERS STATUS and vssadmin print the same numbers."""

from __future__ import annotations

#: Number -> constant without VSS_WS_.
STATES = {
    0: "UNKNOWN",
    1: "STABLE",
    2: "WAITING_FOR_FREEZE",
    3: "WAITING_FOR_THAW",
    4: "WAITING_FOR_POST_SNAPSHOT",
    5: "WAITING_FOR_BACKUP_COMPLETE",
    6: "FAILED_AT_IDENTIFY",
    7: "FAILED_AT_PREPARE_BACKUP",
    8: "FAILED_AT_PREPARE_SNAPSHOT",
    9: "FAILED_AT_FREEZE",
    10: "FAILED_AT_THAW",
    11: "FAILED_AT_POST_SNAPSHOT",
    12: "FAILED_AT_BACKUP_COMPLETE",
    13: "FAILED_AT_PRE_RESTORE",
    14: "FAILED_AT_POST_RESTORE",
    15: "FAILED_AT_BACKUPSHUTDOWN",
}
#: What vssadmin says of a writer's last error -> HRESULT; where its texts are known from sources.
_ERROR_TEXTS = {
    "inconsistent shadow copy": 0x800423F0,
    "cliché instantané incohérent": 0x800423F0,
    "out of resources": 0x800423F1,
    "ressources insuffisantes": 0x800423F1,
    "timed out": 0x800423F2,
    "délai dépassé": 0x800423F2,
    "retryable error": 0x800423F3,
    "erreur récupérable": 0x800423F3,
    "wiederholbarer fehler": 0x800423F3,
    "non-retryable error": 0x800423F4,
    "erreur non récupérable": 0x800423F4,
}
STABLE = 1
_BUSY = range(2, 6)
_FAILED = range(6, 16)


def is_busy(state_code: int | None) -> bool:
    """Whether a backup is between its beginning and its end for this writer."""
    return state_code in _BUSY


def is_failed(state_code: int | None) -> bool:
    """Whether the state is one of the failed ones."""
    return state_code in _FAILED


def is_healthy(state_code: int | None, failure_code: int | None) -> bool | None:
    """Whether a writer can be relied on; None when its state does not say."""
    if is_failed(state_code) or failure_code:
        return False
    if state_code == STABLE and failure_code is not None:
        return True
    return None


def last_hresult(failure_code: int | None, last_error: str | None) -> int | None:
    """The HRESULT of a writer's last error: as printed, else by vssadmin's words for it; None when there is none."""
    return failure_code or _ERROR_TEXTS.get((last_error or "").casefold())
