"""The table of HRESULTs: every one that is known is named, explained and has a cure."""

from __future__ import annotations

import pytest

from hvbackup.vss.hresults import BY_NAME, described, meaning_of

#: From vsserror.h, as the facts of this field list them.
NAMES = {
    0x80042301: "VSS_E_BAD_STATE",
    0x80042302: "VSS_E_UNEXPECTED",
    0x80042304: "VSS_E_PROVIDER_NOT_REGISTERED",
    0x80042306: "VSS_E_PROVIDER_VETO",
    0x80042307: "VSS_E_PROVIDER_IN_USE",
    0x80042308: "VSS_E_OBJECT_NOT_FOUND",
    0x8004230C: "VSS_E_VOLUME_NOT_SUPPORTED",
    0x8004230D: "VSS_E_OBJECT_ALREADY_EXISTS",
    0x8004230E: "VSS_E_VOLUME_NOT_SUPPORTED_BY_PROVIDER",
    0x8004230F: "VSS_E_UNEXPECTED_PROVIDER_ERROR",
    0x80042310: "VSS_E_CORRUPT_XML_DOCUMENT",
    0x80042311: "VSS_E_INVALID_XML_DOCUMENT",
    0x80042312: "VSS_E_MAXIMUM_NUMBER_OF_VOLUMES_REACHED",
    0x80042313: "VSS_E_FLUSH_WRITES_TIMEOUT",
    0x80042314: "VSS_E_HOLD_WRITES_TIMEOUT",
    0x80042315: "VSS_E_UNEXPECTED_WRITER_ERROR",
    0x80042316: "VSS_E_SNAPSHOT_SET_IN_PROGRESS",
    0x80042317: "VSS_E_MAXIMUM_NUMBER_OF_SNAPSHOTS_REACHED",
    0x80042318: "VSS_E_WRITER_INFRASTRUCTURE",
    0x8004231F: "VSS_E_INSUFFICIENT_STORAGE",
    0x8004232A: "VSS_E_UNSELECTED_VOLUME",
    0x80042336: "VSS_E_WRITERERROR_PARTIAL_FAILURE",
    0x800423F0: "VSS_E_WRITERERROR_INCONSISTENTSNAPSHOT",
    0x800423F1: "VSS_E_WRITERERROR_OUTOFRESOURCES",
    0x800423F2: "VSS_E_WRITERERROR_TIMEOUT",
    0x800423F3: "VSS_E_WRITERERROR_RETRYABLE",
    0x800423F4: "VSS_E_WRITERERROR_NONRETRYABLE",
    0x800423FB: "VSS_E_AUTORECOVERY_FAILED",
    0x800423FE: "VSS_E_CANNOT_REVERT_DISKID",
    0x80042409: "VSS_E_WRITER_STATUS_NOT_AVAILABLE",
}


@pytest.mark.parametrize(("code", "name"), NAMES.items())
def test_it_is_named_explained_and_has_a_cure(code: int, name: str) -> None:
    known = meaning_of(code)
    assert known is not None
    assert known.name == name
    assert known.meaning.endswith(".")
    assert known.cure
    assert BY_NAME[name] == code


def test_what_is_not_known_is_shown_as_a_number_and_not_explained() -> None:
    assert meaning_of(0x8BADF00D) is None
    assert meaning_of(None) is None
    assert described(0x8BADF00D) == "0x8BADF00D"
    assert described(0x80042316) == "0x80042316 VSS_E_SNAPSHOT_SET_IN_PROGRESS"
    assert described(None) == ""
