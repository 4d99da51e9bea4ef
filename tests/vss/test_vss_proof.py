"""When a transcript proves a shadow set, and when it does not."""

from __future__ import annotations

import pytest

from hvbackup.errors import ShadowSetFailed, TranscriptUnclear
from hvbackup.vss.proof import prove_shadow_set
from hvbackup.vss.transcript import parse_transcript

VM = "0b7e1f5a-3a53-4e0e-9c1f-7d1b6a0c5e11"
SET = "5f0a1111-2222-4333-8444-555566667777"
COPY_0 = "c0000000-2222-4333-8444-555566667777"
COPY_1 = "c1000000-2222-4333-8444-555566667777"
VOLUME_0 = "\\\\?\\Volume{aaaaaaaa-0000-0000-0000-100000000000}\\"
VOLUME_1 = "\\\\?\\Volume{bbbbbbbb-0000-0000-0000-100000000000}\\"
MOUNTS = {"hv0": "C:\\hv\\r1\\v0", "hv1": "C:\\hv\\r1\\v1"}


def block(copy: str, alias: str, volume: str, number: int) -> str:
    return f"""
        * Shadow copy ID = {{{copy}}}\t\t%{alias}%
                - Shadow copy set: {{{SET}}}\t%VSS_SHADOW_SET%
                - Original count of shadow copies = 2
                - Original volume name: {volume} [D:\\]
                - Creation time: 3/14/2025 9:26:53 PM
                - Shadow copy device name: \\\\?\\GLOBALROOT\\Device\\HarddiskVolumeShadowCopy{number}
                - Originating machine: HV07.contoso.test
                - Service machine: HV07.contoso.test
                - Not exposed
                - Provider ID: {{b5946137-7b9f-4925-af80-51abd60b20d5}}
                - Attributes:  No_Auto_Release Persistent Differential
"""


SESSION = f"""Microsoft DiskShadow version 1.0
Copyright (C) 2013 Microsoft Corporation
On computer:  HV07,  3/14/2025 9:26:50 PM

-> set verbose on
-> set context persistent
-> set metadata C:\\hv\\r1\\vss.cab
-> writer verify "Microsoft Hyper-V VSS Writer:\\{VM.upper()}"
-> begin backup
-> add volume {VOLUME_0} alias hv0
-> add volume {VOLUME_1} alias hv1
-> create
Excluding writer "Registry Writer", because all of its components have been excluded.

Alias hv0 for shadow ID {{{COPY_0}}} set as environment variable.
Alias hv1 for shadow ID {{{COPY_1}}} set as environment variable.
Alias VSS_SHADOW_SET for shadow set ID {{{SET}}} set as environment variable.
Inserted file Manifest.xml into .cab file vss.cab

Querying all shadow copies with the shadow copy set ID {{{SET}}}
{block(COPY_0, "hv0", VOLUME_0, 4)}{block(COPY_1, "hv1", VOLUME_1, 5)}
Number of shadow copies listed: 2
-> list writers status
Listing writer status ...
* WRITER "Microsoft Hyper-V VSS Writer"
\t- Status: 5 (VSS_WS_WAITING_FOR_BACKUP_COMPLETE)
\t- Writer Failure code: 0x00000000 (S_OK)
\t- Writer ID: {{66841cd4-6ded-4f4b-8f17-fd23f8ddc3de}}
\t- Instance ID: {{7e631031-c695-4229-9da1-a7de057e64cb}}
1 writers listed.
-> end backup
-> expose %hv0% C:\\hv\\r1\\v0
-> %hv0% = {{{COPY_0}}}
The shadow copy was successfully exposed as C:\\hv\\r1\\v0\\.
-> expose %hv1% C:\\hv\\r1\\v1
-> %hv1% = {{{COPY_1}}}
The shadow copy was successfully exposed as C:\\hv\\r1\\v1\\.
->
"""


def prove(text: str, exit_code: int = 0) -> tuple[str, ...]:
    """The evidence of a transcript."""
    return prove_shadow_set(
        parse_transcript(text),
        vm_ids=(VM,),
        expected_volumes={"hv0": VOLUME_0, "hv1": VOLUME_1},
        mount_points=MOUNTS,
        exit_code=exit_code,
    ).evidence


def test_a_whole_session_proves_its_set() -> None:
    found = prove_shadow_set(
        parse_transcript(SESSION),
        vm_ids=(VM,),
        expected_volumes={"hv0": VOLUME_0, "hv1": VOLUME_1},
        mount_points=MOUNTS,
        exit_code=0,
    )
    assert found.id == SET
    assert found.mounts == {VOLUME_0: "C:\\hv\\r1\\v0", VOLUME_1: "C:\\hv\\r1\\v1"}
    assert found.volumes[1].device == "\\\\?\\GLOBALROOT\\Device\\HarddiskVolumeShadowCopy5"
    assert found.evidence == (
        "Hyper-V writer after CREATE: [5] WAITING_FOR_BACKUP_COMPLETE",
        f"2 of 2 shadow copies listed, set {{{SET}}}",
        (
            f"{VOLUME_0} -> \\\\?\\GLOBALROOT\\Device\\HarddiskVolumeShadowCopy4 "
            "[No_Auto_Release Persistent Differential], created 3/14/2025 9:26:53 PM"
        ),
        "The shadow copy was successfully exposed as C:\\hv\\r1\\v0\\.",
        (
            f"{VOLUME_1} -> \\\\?\\GLOBALROOT\\Device\\HarddiskVolumeShadowCopy5 "
            "[No_Auto_Release Persistent Differential], created 3/14/2025 9:26:53 PM"
        ),
        "The shadow copy was successfully exposed as C:\\hv\\r1\\v1\\.",
        "END BACKUP was commanded, and no note says otherwise",
    )


def test_sentences_in_another_language_still_prove_it() -> None:
    """Invented German: no capture in another language exists. Structure and constants are what is relied on."""
    german = (
        SESSION.replace("Number of shadow copies listed:", "Anzahl aufgelisteter Schattenkopien:")
        .replace("The shadow copy was successfully exposed as", "Die Schattenkopie wurde verfügbar gemacht als")
        .replace("- Original volume name:", "- Name des Originalvolumes:")
        .replace("- Shadow copy set:", "- Schattenkopiesatz:")
        .replace("- Attributes:", "- Attribute:")
        .replace("- Provider ID:", "- Anbieter-ID:")
        .replace("- Creation time:", "- Erstellt:")
        .replace("- Shadow copy device name:", "- Gerät:")
        .replace("Shadow copy ID =", "Schattenkopie =")
        .replace("set as environment variable", "als Umgebungsvariable")
        .replace("1 writers listed.", "1 Verfasser.")
    )
    assert len(prove(german)) == 7


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("No_Auto_Release Persistent Differential", "No_Auto_Release Persistent No_Writers Differential"),
        ("-> end backup\n", "-> end backup\n\nThe last operation failed.\n\t- Returned HRESULT: 80042301\n"),
        ("->\n", "Note: END BACKUP was not commanded, writers not notified BackupComplete.\nDiskShadow is exiting.\n"),
        (
            'Excluding writer "Registry Writer"',
            'Excluding writer "Microsoft Hyper-V VSS Writer"',
        ),
        (
            'Excluding writer "Registry Writer", because all of its components have been excluded.',
            (
                f'Component "\\{VM.upper()}" from writer "Microsoft Hyper-V VSS Writer" is excluded from backup,\n'
                "because it requires volume C:\\ which is not in the shadow copy set."
            ),
        ),
        ("Status: 5 (VSS_WS_WAITING_FOR_BACKUP_COMPLETE)", "Status: 11 (VSS_WS_FAILED_AT_POST_SNAPSHOT)"),
        (
            "Writer Failure code: 0x00000000 (S_OK)",
            "Writer Failure code: 0x80042336 (VSS_E_WRITERERROR_PARTIAL_FAILURE)",
        ),
        ("-> end backup\n", "-> end backu\n\nEND { BACKUP | RESTORE }\n"),
    ],
)
def test_whatever_says_that_it_failed_is_a_failure(old: str, new: str) -> None:
    assert old in SESSION
    with pytest.raises(ShadowSetFailed) as caught:
        prove(SESSION.replace(old, new))
    assert caught.value.hint


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Number of shadow copies listed: 2", "Number of shadow copies listed: 3"),
        ("Number of shadow copies listed: 2", ""),
        ("Original count of shadow copies = 2", "Original count of shadow copies = 3"),
        (block(COPY_1, "hv1", VOLUME_1, 5), ""),
        (VOLUME_1 + " [D:\\]", VOLUME_0 + " [D:\\]"),
        ("The shadow copy was successfully exposed as C:\\hv\\r1\\v1\\.", ""),
        ("exposed as C:\\hv\\r1\\v1\\.", "exposed as C:\\hv\\r1\\v9\\."),
        ("66841cd4-6ded-4f4b-8f17-fd23f8ddc3de", "e8132975-6f93-4464-a53e-1050253ae220"),
        ("-> end backup\n", ""),
        ("Persistent Differential", "Differential"),
        (
            f"%hv1%\n                - Shadow copy set: {{{SET}}}",
            "%hv1%\n                - Shadow copy set: {" + VM + "}",
        ),
        ("Querying all", 'Der Verfasser "Microsoft Hyper-V VSS Writer" ist nicht dabei.\nQuerying all'),
        ("Querying all", f"VM {VM} ist nicht dabei.\nQuerying all"),
        (SESSION, ""),
        (SESSION, "gibberish"),
    ],
)
def test_what_is_not_proven_is_unclear(old: str, new: str) -> None:
    assert old in SESSION
    with pytest.raises(TranscriptUnclear) as caught:
        prove(SESSION.replace(old, new))
    assert caught.value.hint


@pytest.mark.parametrize("end", range(0, len(SESSION) - 120, 37))
def test_a_transcript_that_is_cut_off_proves_nothing(end: int) -> None:
    with pytest.raises((TranscriptUnclear, ShadowSetFailed)):
        prove(SESSION[:end])


def test_another_exit_code_than_zero_is_not_a_proof() -> None:
    with pytest.raises(TranscriptUnclear, match="exit code 1"):
        prove(SESSION, exit_code=1)


def test_a_failure_is_named_and_has_its_cure() -> None:
    with pytest.raises(ShadowSetFailed) as caught:
        prove(
            "-> create\n\nThe last operation failed.\n"
            "\t- Returned HRESULT: 8004231f\n\t- Error text: VSS_E_INSUFFICIENT_STORAGE\n"
        )
    assert caught.value.hresult == 0x8004231F
    assert str(caught.value) == (
        "diskshadow failed at `create`: 0x8004231F VSS_E_INSUFFICIENT_STORAGE: "
        "There is no room for the differences of the shadow copy."
    )
    assert "vssadmin resize shadowstorage" in (caught.value.hint or "")


def test_an_hresult_that_nobody_knows_is_quoted() -> None:
    with pytest.raises(ShadowSetFailed) as caught:
        prove("-> create\n\nThe last operation failed.\n\t- Returned HRESULT: 8badf00d\n")
    assert caught.value.hresult == 0x8BADF00D
    assert str(caught.value) == "diskshadow failed at `create`: 0x8BADF00D"


def test_an_exclusion_names_the_vm_and_the_volume() -> None:
    old = 'Excluding writer "Registry Writer", because all of its components have been excluded.'
    new = (
        f'Component "\\{VM.upper()}" from writer "Microsoft Hyper-V VSS Writer" is excluded from backup,\n'
        "because it requires volume C:\\ which is not in the shadow copy set."
    )
    with pytest.raises(
        ShadowSetFailed, match=r"VM 0B7E1F5A-3A53-4E0E-9C1F-7D1B6A0C5E11 was left out .* needs volume C:"
    ):
        prove(SESSION.replace(old, new))


def test_other_vms_may_be_left_out() -> None:
    old = 'Excluding writer "Registry Writer", because all of its components have been excluded.'
    new = (
        f'Component "\\{SET.upper()}" from writer "Microsoft Hyper-V VSS Writer" is excluded from backup,\n'
        "because it requires volume C:\\ which is not in the shadow copy set."
    )
    assert len(prove(SESSION.replace(old, new))) == 7
