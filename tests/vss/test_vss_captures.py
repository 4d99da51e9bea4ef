"""Real captures, read in place; they are not part of the project, so the tests skip where they are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from hvbackup.models import Method
from hvbackup.vss.report import TranscriptReport, read_transcript

CAPTURES = Path(__file__).resolve().parents[2] / "../shared/data/captures"


def report(name: str) -> TranscriptReport:
    path = CAPTURES / name
    if not path.is_file():
        pytest.skip(f"the capture {name} is not here")
    # The first line names the source; it is not part of the capture.
    return read_transcript(path.read_bytes().partition(b"\n")[2])


@pytest.mark.parametrize(
    ("name", "copies", "failures"),
    [
        ("ds_create_expose_verbose_nowriters_winrm_server2019.txt", 1, []),
        ("ds_create_with_writers_missing_end_backup.txt", 1, ["note"]),
        ("ds_hyperv_smb_full_session_create_delete_restore_2012.txt", 1, []),
        ("ds_error_InitializeForBackup_not_admin_1.txt", 0, ["com-call"]),
        ("ds_error_InitializeForBackup_not_admin_2.txt", 0, ["com-call"]),
        ("ds_syntax_error_truncated_line_LF_script.txt", 0, ["usage", "note"]),
        ("ds_interactive_prompt_session.txt", 0, []),
        ("ds_metadata_file_exists_message_head.txt", 0, []),
    ],
)
def test_sessions(name: str, copies: int, failures: list[str]) -> None:
    found = report(name)
    assert len(found.shadow_copies) == copies
    assert [each.kind for each in found.failures] == failures
    assert found.commands


@pytest.mark.parametrize(
    "name",
    [
        "ds_list_writers_detailed_hyperv_offline_KB3098315_raw.txt",
        "ds_list_writers_detailed_hyperv_offline_KB3098315_NORMALISED_not_verbatim.txt",
    ],
)
def test_the_one_hyperv_component_that_was_captured(name: str) -> None:
    found = report(name)
    (vm,) = found.vms
    assert (vm.vm_id, vm.vm_name, vm.method) == ("006f792f-99ea-4a4a-a241-f8853a3b0cb6", "i$", Method.OFFLINE)
    assert [each.filespec for each in vm.files] == [
        "006F792F-99EA-4A4A-A241-F8853A3B0CB6.xml",
        "A544BB47-0349-4EED-ABDC-DFE66CAF2927.xml",
        "*",
    ]


@pytest.mark.parametrize(
    "name", ["ds_list_writers_status_msdoc_quoted.txt", "ds_list_writers_status_msdoc_unquoted.txt"]
)
def test_states(name: str) -> None:
    assert [(each.name, each.state_code) for each in report(name).writers] == [
        ("System Writer", 5),
        ("Shadow Copy Optimization Writer", 1),
        ("Registry Writer", 1),
    ]


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("err_dpm_csv_backup_in_progress_32612.txt", {"0x8007173D"}),
        ("err_dpm_child_partition_snapshot_30112.txt", {"0x800423F3"}),
        ("err_autorecovery_failed_2012R2_KB3175561.txt", {"0x800423FB", "0x80070050"}),
        ("err_event12289_hyperv_writer_old_session.txt", {"0x80042409", "0x800423F4"}),
        ("err_event8194_IVssWriterCallback_de.txt", {"0x80070005"}),
        ("err_netapp_dataset-backup-might-fail-with-a-partial-writer-error.txt",
         {"0x80042336", "0x800423F3", "0x8004230F", "0x80070057", "0x80042302"}),
    ],
)  # fmt: skip
def test_hresults_in_other_texts(name: str, codes: set[str]) -> None:
    assert {each.code for each in report(name).failures} == codes


@pytest.mark.parametrize(
    "path", sorted(CAPTURES.glob("*.txt")) if CAPTURES.is_dir() else [], ids=lambda path: path.name
)
def test_no_capture_is_too_much(path: Path) -> None:
    found = report(path.name)
    assert found.dropped == 0
