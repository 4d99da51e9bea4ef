"""What `hvbackup transcript` is told about saved outputs."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from hvbackup.hyperv.classify import classify_from_report
from hvbackup.models import Method
from hvbackup.vss.report import read_transcript

FIXTURES = Path(__file__).parent / "fixtures"


def test_a_detailed_listing_shows_vm_and_method() -> None:
    report = read_transcript((FIXTURES / "list_writers_detailed_offline.txt").read_bytes())
    assert report.kinds == ("writers",)
    (vm,) = report.vms
    assert (vm.vm_id, vm.vm_name, vm.method) == ("946ef90c-3834-57db-be97-5ef4e376d23f", "i$", Method.OFFLINE)
    assert not report.host_component
    assert report.unknown == ()


def test_captions_alone_show_names_without_ids() -> None:
    report = read_transcript((FIXTURES / "captions_found.txt").read_bytes())
    assert report.kinds == ("captions",)
    assert [(each.vm_id, each.vm_name, each.method.value) for each in classify_from_report(report)] == [
        ("", "2012", "offline"),
        ("", "windows", "offline"),
        ("", "centos", "online"),
        ("", "VMname1", "offline"),
        ("", "VMname2", "online"),
    ]


def test_vssadmin_shows_the_failed_writer_with_its_cure() -> None:
    report = read_transcript((FIXTURES / "vssadmin_failed.txt").read_bytes())
    assert report.kinds == ("vssadmin",)
    (failure,) = report.failures
    assert failure.kind == "writer"
    assert failure.quote == "Microsoft Hyper-V VSS Writer: [8] Failed, Retryable error"
    assert (failure.code, failure.name) == (None, "VSS_E_WRITERERROR_RETRYABLE")
    assert failure.meaning == "The writer failed, and may not fail the next time."
    assert "Hyper-V-VMMS event log" in (failure.cure or "")
    assert report.unknown == ()


def test_an_error_of_a_writer_in_words_that_nobody_knows_has_the_general_cure() -> None:
    text = (
        "名前: 'Microsoft Hyper-V VSS Writer'\n   Id: {66841cd4-6ded-4f4b-8f17-fd23f8ddc3de}\n"
        "   Id: {c35d6ab0-9588-412f-ae7b-cdc37534501f}\n   状態: [8] 失敗\n   エラー: 再試行可能なエラー\n"
    )
    (failure,) = read_transcript(text.encode("utf-16")).failures
    assert (failure.code, failure.name, failure.meaning) == (None, None, "The writer's last operation failed.")
    assert "Restart-Service vmms" in (failure.cure or "")


def test_a_failure_has_hresult_name_meaning_and_cure() -> None:
    text = "-> create\r\nThe last operation failed.\r\n\t- Returned HRESULT: 80042316\r\n"
    (failure,) = read_transcript(b"\xff\xfe" + text.encode("utf-16-le")).failures
    assert failure.code == "0x80042316"
    assert failure.name == "VSS_E_SNAPSHOT_SET_IN_PROGRESS"
    assert failure.meaning == "Another shadow set is being created; a host makes one at a time."
    assert failure.cure == "Wait for the other backup; give backup programs different times."
    assert failure.command == "create"


def test_an_unknown_hresult_is_shown_without_a_meaning() -> None:
    (failure,) = read_transcript(b"The last operation failed.\n- Returned HRESULT: 8badf00d\n").failures
    assert (failure.code, failure.name, failure.meaning, failure.cure) == ("0x8BADF00D", None, None, None)


def test_the_missing_end_of_a_backup_is_explained() -> None:
    report = read_transcript((FIXTURES / "create_without_end_backup.txt").read_bytes())
    assert report.kinds == ("backup",)
    assert [(each.kind, bool(each.cure)) for each in report.failures] == [("note", True)]
    assert report.shadow_copies[0].letters == "C:\\"


def test_missing_rights_are_explained() -> None:
    report = read_transcript((FIXTURES / "not_administrator.txt").read_bytes())
    assert "Administrators" in (report.failures[0].cure or "")


def test_text_that_is_something_else_is_quoted_as_unknown() -> None:
    report = read_transcript(b"Dear diary,\nnothing happened today.\n")
    assert report.kinds == ()
    assert report.unknown == ("Dear diary,", "nothing happened today.")


def test_a_report_is_json() -> None:
    data = (FIXTURES / "create_nowriters_over_winrm.txt").read_bytes()
    report = json.loads(msgspec.json.encode(read_transcript(data)))
    assert report["shadowCopies"][0]["attributes"] == ["No_Auto_Release", "Persistent", "No_Writers", "Differential"]
    assert report["listedCount"] == 1


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"\xff", b"\x00" * 1000, bytes(range(256)) * 20])
def test_any_bytes_are_read(data: bytes) -> None:
    read_transcript(data)
