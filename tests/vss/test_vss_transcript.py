"""What is read from transcripts of diskshadow."""

from __future__ import annotations

from pathlib import Path

import pytest

from hvbackup.models import FileSpec, Method
from hvbackup.vss.decoding import decode_bytes
from hvbackup.vss.findings import Exclusion, ListedProvider, ListedShadowCopy, Transcript
from hvbackup.vss.names import read_caption
from hvbackup.vss.transcript import TranscriptParser, parse_transcript

FIXTURES = Path(__file__).parent / "fixtures"


def parsed(name: str) -> Transcript:
    return parse_transcript((FIXTURES / name).read_text(encoding="utf-8"))


def test_a_session_over_winrm_is_read_whole() -> None:
    found = parsed("create_nowriters_over_winrm.txt")
    assert found == Transcript(
        commands=(
            "set context persistent nowriters",
            "set metadata c:\\programdata\\df.cab",
            "set verbose on",
            "add volume c: alias df",
            "create",
            "expose %df% z:",
        ),
        shadow_copies=(
            ListedShadowCopy(
                id="b045604f-47d7-512d-a479-b781b616a486",
                set_id="e221608a-c6b1-58fb-b78d-9ac3761181a3",
                alias="df",
                volume="\\\\?\\Volume{fd9a406a-fa56-5216-9f6d-e048b527192e}\\",
                letters="C:\\",
                device="\\\\?\\GLOBALROOT\\Device\\HarddiskVolumeShadowCopy3",
                attributes=("No_Auto_Release", "Persistent", "No_Writers", "Differential"),
                created_text="3/14/2025 9:26:53 PM",
                provider_id="b5946137-7b9f-4925-af80-51abd60b20d5",
                original_count=1,
            ),
        ),
        aliases={
            "df": "b045604f-47d7-512d-a479-b781b616a486",
            "VSS_SHADOW_SET": "e221608a-c6b1-58fb-b78d-9ac3761181a3",
        },
        listed_count=1,
        exposures=found.exposures,
    )
    assert [(each.place, each.command) for each in found.exposures] == [("z:\\", "expose %df% z:")]


def test_the_note_about_end_backup_is_found() -> None:
    found = parsed("create_without_end_backup.txt")
    assert found.end_backup_missing
    assert found.shadow_copies[0].attributes == ("No_Auto_Release", "Persistent", "Differential")


def test_exclusions_of_verbose_mode_are_read_over_two_lines() -> None:
    found = parsed("create_with_exclusions.txt")
    assert found.exclusions == (
        Exclusion(
            writer="Shadow Copy Optimization Writer",
            text='Excluding writer "Shadow Copy Optimization Writer", because all of its components have been '
            "excluded.",
        ),
        Exclusion(
            writer="Task Scheduler Writer",
            component="\\TasksStore",
            volume="C:\\",
            text='Component "\\TasksStore" from writer "Task Scheduler Writer" is excluded from backup, because it '
            "requires volume C:\\ which is not in the shadow copy set.",
        ),
        Exclusion(
            writer="SqlServerWriter",
            component="\\HV07\\master",
            volume="C:\\",
            text='Component "\\HV07\\master" from writer "SqlServerWriter" is excluded from backup, because it '
            "requires volume C:\\ which is not in the shadow copy set.",
        ),
    )


def test_a_deletion_counts_even_when_the_console_wrapped_it() -> None:
    found = parsed("session_with_deletion.txt")
    assert [(each.shadow_id, each.volume) for each in found.deletions] == [
        ("562f924e-123b-5e06-ab50-8c5946e3e622", "\\\\FILESRV\\VM\\")
    ]
    assert found.deleted_count == 1
    assert found.listed_count == 1
    assert found.shadow_copies[0].volume == "\\\\FILESRV\\VM\\"
    assert found.shadow_copies[0].device == "\\\\FSN-02\\VM@{CA705494-423B-5E35-83A1-D1B4A3F9C062}"
    assert found.failures == ()
    assert found.unknown == ()


def test_a_call_that_failed_is_a_failure_at_its_command() -> None:
    (failure,) = parsed("not_administrator.txt").failures
    assert (failure.kind, failure.name, failure.command) == (
        "com-call",
        "InitializeForBackup",
        "add volume c: alias temp",
    )


def test_a_usage_block_is_one_failure() -> None:
    found = parsed("usage_after_lost_character.txt")
    (failure,) = found.failures
    assert (failure.kind, failure.command) == ("usage", "end backu")
    assert failure.text.startswith("END { BACKUP | RESTORE } / BACKUP ")
    assert found.end_backup_missing


def test_an_hresult_without_0x_and_its_name_are_one_failure() -> None:
    text = (
        "-> create\n\nThe last operation failed.\n\t- Returned HRESULT: 80042306\n\t- Error text: VSS_E_PROVIDER_VETO\n"
    )
    (failure,) = parse_transcript(text).failures
    assert (failure.kind, failure.hresult, failure.name, failure.command) == (
        "operation",
        0x80042306,
        "VSS_E_PROVIDER_VETO",
        "create",
    )


def test_an_hresult_is_found_in_a_language_that_is_not_known() -> None:
    text = (
        "-> create\n\nLetzter Vorgang fehlgeschlagen.\n"
        "\t- HRESULT-Wert: 80042316\n\t- Text: VSS_E_SNAPSHOT_SET_IN_PROGRESS\n"
    )
    found = parse_transcript(text)
    (failure,) = found.failures
    assert (failure.hresult, failure.name) == (0x80042316, "VSS_E_SNAPSHOT_SET_IN_PROGRESS")
    assert found.unknown == ("Letzter Vorgang fehlgeschlagen.",)


def test_states_are_read_by_their_constants() -> None:
    found = parsed("list_writers_status.txt")
    assert [(each.name, each.state, each.state_code, each.failure_code, each.healthy) for each in found.statuses] == [
        ("System Writer", "WAITING_FOR_BACKUP_COMPLETE", 5, 0, None),
        ("Shadow Copy Optimization Writer", "STABLE", 1, 0, True),
        ("Registry Writer", "STABLE", 1, 0, True),
    ]
    assert found.writers_listed == (8,)
    assert found.writers == ()


def test_a_component_of_a_vm_is_read_whole() -> None:
    (writer,) = parsed("list_writers_detailed_offline.txt").writers
    assert writer.id == "66841cd4-6ded-4f4b-8f17-fd23f8ddc3de"
    (component,) = writer.components
    assert component.name == "946EF90C-3834-57DB-BE97-5EF4E376D23F"
    assert (component.method, component.label, component.caption) == (Method.OFFLINE, "i$", "Offline\\i$")
    assert (component.selectable, component.top_level) == (True, True)
    assert component.files[0] == FileSpec(
        path="D:\\Hyper-V\\Virtual Machines\\", filespec="946EF90C-3834-57DB-BE97-5EF4E376D23F.xml"
    )
    assert component.files[2].filespec == "*"
    assert component.paths[0] == "D:\\Hyper-V\\Snapshots"
    assert component.volumes == ("\\\\?\\Volume{a469d37d-fcab-55fd-80ca-4e2990ba1d7c}\\",)


def test_the_quoted_values_of_vshadow_are_read_too() -> None:
    (writer,) = parsed("list_writers_vshadow_style.txt").writers
    (component,) = writer.components
    assert writer.name == "FRS Writer"
    assert component.logical_path == "SYSVOL"
    assert component.caption == ""
    assert component.selectable is True
    assert component.files == (FileSpec(path="d:\\windows\\sysvol", filespec="*"),)


DETAILED = """
Listing writer metadata ...
\t* WRITER "Microsoft Hyper-V VSS Writer"
\t\t- Writer ID   = {66841cd4-6ded-4f4b-8f17-fd23f8ddc3de}
\t\t- Writer instance ID = {0d6b1e1c-1111-4222-8333-444455556666}
\t\t- Supports restore events = TRUE
\t\t- Writer restore conditions = VSS_WRE_ALWAYS
\t\t- Excluded files:
\t\t+ Component "Microsoft Hyper-V VSS Writer:\\Host Component"
\t\t\t- Name: Host Component
\t\t\t- Logical path:
\t\t\t- Full path: \\Host Component
\t\t\t- Caption: Host Component
\t\t\t- Type: VSS_CT_FILEGROUP [2]
\t\t\t- Is selectable: TRUE
\t\t+ Component "Microsoft Hyper-V VSS Writer:\\0B7E1F5A-3A53-4E0E-9C1F-7D1B6A0C5E11"
\t\t\t- Name: 0B7E1F5A-3A53-4E0E-9C1F-7D1B6A0C5E11
\t\t\t- Logical path:
\t\t\t- Full path: \\0B7E1F5A-3A53-4E0E-9C1F-7D1B6A0C5E11
\t\t\t- Caption: Online\\Büro [x] \\ O'Neil: 日本
\t\t\t- Type: VSS_CT_FILEGROUP [2]
\t\t\t- Is selectable: TRUE
\t\t\t- Is top level: FALSE
\t\t\t- Components:
\t\t\t\t- File List: Path = D:\\a, Filespec = b\\c, d, Filespec = disk, one.vhdx
\t\t\t- Paths affected by this component:
\t\t\t\t- D:\\a
\t\t\t- Volumes affected by this component:
\t\t\t\t- \\\\?\\Volume{bbbbbbbb-0000-0000-0000-100000000000}\\ [D:\\]
\t\t\t- Component Dependencies:
1 writer listed.
"""


def test_odd_names_and_commas_do_not_confuse_the_reader() -> None:
    found = parse_transcript(DETAILED)
    (writer,) = found.writers
    host, vm = writer.components
    assert (host.name, host.method) == ("Host Component", Method.UNKNOWN)
    assert (vm.method, vm.label) == (Method.ONLINE, "Büro [x] \\ O'Neil: 日本")
    assert (vm.selectable, vm.top_level) == (True, False)
    assert vm.files == (FileSpec(path="D:\\a, Filespec = b\\c, d", filespec="disk, one.vhdx"),)
    assert vm.volumes == ("\\\\?\\Volume{bbbbbbbb-0000-0000-0000-100000000000}\\",)
    assert found.writers_listed == (1,)
    assert found.unknown == ()


def test_a_caption_is_known_by_its_place_where_its_word_is_not() -> None:
    translated = (
        DETAILED.replace("- Name:", "- Jméno:")
        .replace("- Logical path:", "- Logická cesta:")
        .replace("- Full path:", "- Úplná cesta:")
        .replace("- Caption:", "- Popisek:")
        .replace("- Type:", "- Typ:")
        .replace("- Is selectable:", "- Volitelné:")
        .replace("+ Component", "+ Součást")
        .replace("File List: Path =", "Seznam: Cesta =")
    )
    (writer,) = parse_transcript(translated).writers
    vm = writer.components[1]
    assert (vm.name, vm.method) == ("0B7E1F5A-3A53-4E0E-9C1F-7D1B6A0C5E11", Method.ONLINE)
    assert vm.selectable is True


def test_a_second_listing_that_runs_into_a_component_is_not_mixed_into_it() -> None:
    broken = DETAILED.replace("\t\t\t- Component Dependencies:", "\t\t\t- Name: another\n\t\t\t- Caption: Offline\\x")
    (writer,) = parse_transcript(broken).writers
    assert writer.components[1].name == "0B7E1F5A-3A53-4E0E-9C1F-7D1B6A0C5E11"
    assert writer.components[1].method is Method.ONLINE


def test_providers_are_read() -> None:
    text = """* ProviderID: {b5946137-7b9f-4925-af80-51abd60b20d5}
        Type: [1] VSS_PROV_SYSTEM
        Name: Microsoft Software Shadow Copy provider 1.0
        Version: 1.0.0.7
        CLSID: {65ee1dba-8ff4-4a58-ac1c-3470ee2f376a}
1 provider registered.
"""
    found = parse_transcript(text)
    assert found.providers == (
        ListedProvider(
            id="b5946137-7b9f-4925-af80-51abd60b20d5",
            name="Microsoft Software Shadow Copy provider 1.0",
            type="VSS_PROV_SYSTEM",
            version="1.0.0.7",
        ),
    )
    assert found.unknown == ()
    assert parse_transcript("* Thing: {b5946137-7b9f-4925-af80-51abd60b20d5}\n\tColour: red\n").providers == ()


def test_captions_that_stand_alone_are_read() -> None:
    found = parsed("captions_found.txt")
    assert [(each.method.value, each.label) for each in found.captions] == [
        ("offline", "2012"),
        ("offline", "windows"),
        ("online", "centos"),
        ("offline", "VMname1"),
        ("online", "VMname2"),
    ]


@pytest.mark.parametrize(
    ("caption", "method", "label"),
    [
        ("Online\\a\\b/c", Method.ONLINE, "a\\b/c"),
        ("Offline/centos", Method.OFFLINE, "centos"),
        ("Backup Using Saved State\\i$", Method.OFFLINE, "i$"),
        ("Backup Using Child Partition Snapshot\\x", Method.ONLINE, "x"),
        ("En ligne\\x", Method.UNKNOWN, ""),
        ("Online", Method.UNKNOWN, ""),
        ("", Method.UNKNOWN, ""),
        ("Onlinework\\Offline\\x", Method.UNKNOWN, ""),
    ],
)
def test_only_known_captions_have_a_method(caption: str, method: Method, label: str) -> None:
    assert read_caption(caption) == (method, label)


def test_an_exposure_in_another_language_counts_only_when_the_script_went_on() -> None:
    begun = "-> expose %hv0% C:\\hv\\v0\n-> %hv0% = {b045604f-47d7-512d-a479-b781b616a486}\n"
    said = "Die Schattenkopie wurde als C:\\hv\\v0\\ verfügbar gemacht.\n"
    assert [each.place for each in parse_transcript(begun + said + "->\n").exposures] == ["C:\\hv\\v0"]
    stopped = parse_transcript(begun + said)
    assert stopped.exposures == ()
    assert stopped.unknown == (said.strip(),)


def test_a_count_in_another_language_counts_only_when_it_fits() -> None:
    block = (FIXTURES / "create_nowriters_over_winrm.txt").read_text(encoding="utf-8")
    fits = block.replace("Number of shadow copies listed: 1", "Anzahl der Schattenkopien: 1")
    assert parse_transcript(fits).listed_count == 1
    wrong = parse_transcript(block.replace("Number of shadow copies listed: 1", "Anzahl der Schattenkopien: 2"))
    assert wrong.listed_count is None
    assert "Anzahl der Schattenkopien: 2" in wrong.unknown


def test_memory_is_bounded_and_what_is_not_kept_is_counted() -> None:
    parser = TranscriptParser()
    for number in range(3_000):
        parser.feed(f"gibberish {number}\n")
    found = parser.finish()
    assert len(found.unknown) == 500
    assert found.dropped == 2_500
    assert len(parse_transcript("x" * 1_000_000).unknown[0]) == 500


@pytest.mark.parametrize("name", sorted(path.name for path in FIXTURES.glob("*.txt")))
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_and_encodings_make_no_difference(name: str, end: str) -> None:
    text = (FIXTURES / name).read_text(encoding="utf-8")
    log = b"\xff\xfe" + text.replace("\n", end).encode("utf-16-le")
    assert parse_transcript(decode_bytes(log)) == parse_transcript(text)


@pytest.mark.parametrize(
    ("data", "code_page", "text"),
    [
        (b"\xff\xfeB\x00\xfc\x00", 850, "Bü"),
        (b"\xfe\xff\x00B\x00\xfc", None, "Bü"),
        ("plain ascii text".encode("utf-16-le"), None, "plain ascii text"),
        (b"B\x81ro", 850, "Büro"),
        (b"B\xfcro", 1252, "Büro"),
        ("Büro".encode(), None, "Büro"),
        (b"B\x81ro", None, "Büro"),
        (b"\x93\xfa", 932, "日"),
        (b"B\x81ro", 99999, "Büro"),
        (b"\xff\xfeB\x00\xfc", 850, "B\ufffd"),
        (b"", None, ""),
    ],
)
def test_bytes_become_text(data: bytes, code_page: int | None, text: str) -> None:
    assert decode_bytes(data, code_page) == text
