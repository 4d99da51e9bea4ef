"""Writers: vssadmin in any language, merging of listings, and whether the Hyper-V writer can be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from hvbackup.errors import WriterUnavailable
from hvbackup.models import HYPERV_WRITER_ID, Component, Writer
from hvbackup.vss.vssadmin import parse_vssadmin, without_vssadmin
from hvbackup.vss.writers import merge_writers, require_hyperv_writer

FIXTURES = Path(__file__).parent / "fixtures"

GERMAN = """vssadmin 1.1 - Verwaltungsbefehlszeilenprogramm des Volumeschattenkopie-Diensts
(C) Copyright 2001-2013 Microsoft Corp.

Verfassername: "Task Scheduler Writer"
   Verfasserkennung: {d61d61c8-d73a-4eee-8cdd-f6f9786b7124}
   Verfasserinstanzkennung: {1bddd48e-5052-49db-9b07-b96f99727e6b}
   Status: [1] Stabil
   Letzter Fehler: Kein Fehler

Verfassername: "System Writer"
   Verfasserkennung: {e8132975-6f93-4464-a53e-1050253ae220}
   Verfasserinstanzkennung: {a29aadde-0639-4400-923a-5fd982e53c7e}
   Status: [1] Stabil
   Letzter Fehler: Kein Fehler

Verfassername: "Microsoft Hyper-V VSS Writer"
   Verfasserkennung: {66841cd4-6ded-4f4b-8f17-fd23f8ddc3de}
   Verfasserinstanzkennung: {c35d6ab0-9588-412f-ae7b-cdc37534501f}
   Status: [8] Fehlgeschlagen
   Letzter Fehler: Wiederholbarer Fehler
"""


def block(name: str, identity: str, state: str, error: str) -> str:
    return f"名前: '{name}'\n   Id: {{{identity}}}\n   実体: {{{identity}}}\n   状態: {state}\n   エラー: {error}\n\n"


def test_english_blocks_are_read_and_a_cut_one_says_nothing_of_its_health() -> None:
    writers = parse_vssadmin((FIXTURES / "vssadmin_stable.txt").read_text(encoding="utf-8"))
    assert [(each.name, each.state, each.last_error, each.healthy) for each in writers] == [
        ("Task Scheduler Writer", "Stable", "No error", True),
        ("VSS Metadata Store Writer", "Stable", "No error", True),
        ("Performance Counters Writer", "Stable", "No error", True),
        ("System Writer", "Stable", "No error", True),
        ("ASR Writer", None, None, None),
    ]


def test_a_failed_writer_is_read_through_blank_lines_and_markdown() -> None:
    (writer,) = parse_vssadmin((FIXTURES / "vssadmin_failed.txt").read_text(encoding="utf-8"))
    assert (writer.id, writer.state_code, writer.state, writer.last_error, writer.healthy) == (
        HYPERV_WRITER_ID,
        8,
        "Failed",
        "Retryable error",
        False,
    )


def test_german_is_read_by_its_structure() -> None:
    assert [(each.name, each.state_code, each.healthy) for each in parse_vssadmin(GERMAN)] == [
        ("Task Scheduler Writer", 1, True),
        ("System Writer", 1, True),
        ("Microsoft Hyper-V VSS Writer", 8, False),
    ]


def test_what_most_stable_writers_say_is_no_error_in_any_language() -> None:
    ids = [f"{number:08x}-1111-4222-8333-444455556666" for number in range(4)]
    text = "".join(block(f"w{i}", ids[i], "[1] 安定", "エラーなし") for i in range(3))
    odd = text + block("w3", ids[3], "[1] 安定", "再試行可能")
    assert [each.healthy for each in parse_vssadmin(odd)] == [True, True, True, False]


def test_one_writer_in_an_unknown_language_is_not_judged() -> None:
    text = block("w", "00000000-1111-4222-8333-444455556666", "[1] 安定", "エラーなし")
    assert [each.healthy for each in parse_vssadmin(text)] == [None]


def test_other_text_holds_no_writers() -> None:
    assert parse_vssadmin("Writer name: 'x'\nnothing else\n") == ()
    assert parse_vssadmin("") == ()


def test_the_rest_of_a_text_is_left_without_the_blocks() -> None:
    assert without_vssadmin("before\n" + GERMAN + "after") == ("before\n(C) Copyright 2001-2013 Microsoft Corp.\nafter")


def writer(**changes: object) -> Writer:
    values: dict[str, object] = {"id": HYPERV_WRITER_ID, "name": "Microsoft Hyper-V VSS Writer", **changes}
    return Writer(**values)  # type: ignore[arg-type]


def test_components_and_states_of_one_writer_come_together() -> None:
    listed = writer(instance_id="i", components=(Component(name="A"),))
    status = writer(instance_id="i", state="STABLE", state_code=1, failure_code=0, healthy=True)
    admin = writer(instance_id="i", state="Stable", state_code=1, last_error="No error", healthy=True)
    assert merge_writers((listed,), (status,), (admin,)) == (
        writer(
            instance_id="i",
            components=(Component(name="A"),),
            state="STABLE",
            state_code=1,
            failure_code=0,
            last_error="No error",
            healthy=True,
        ),
    )


def test_instances_of_one_class_stay_apart() -> None:
    first, second = writer(instance_id="1"), writer(instance_id="2")
    merged = merge_writers((first, second), (writer(instance_id="2", state_code=9, healthy=False),))
    assert [each.healthy for each in merged] == [None, False]


def test_a_writer_that_only_the_states_have_is_kept() -> None:
    only = Writer(id="x", name="SqlServerWriter", state_code=6, healthy=False)
    assert merge_writers((writer(),), (only,)) == (writer(), only)


def test_one_listing_that_calls_it_failed_is_enough() -> None:
    merged = merge_writers((writer(state_code=1, healthy=True),), (writer(state_code=1, healthy=False),))
    assert merged[0].healthy is False


@pytest.mark.parametrize(
    ("writers", "message"),
    [
        ((), "the host has no Microsoft Hyper-V VSS Writer"),
        ((Writer(id="x", name="System Writer"),), "the host has no Microsoft Hyper-V VSS Writer"),
        (
            (writer(state="WAITING_FOR_FREEZE", state_code=2),),
            "the Microsoft Hyper-V VSS Writer is busy: [2] WAITING_FOR_FREEZE",
        ),
        (
            (writer(state="Failed", state_code=8, last_error="Retryable error", healthy=False),),
            "the Microsoft Hyper-V VSS Writer has failed: [8] Failed, Retryable error",
        ),
        (
            (writer(state="STABLE", state_code=1, failure_code=0x800423F4, healthy=False),),
            "the Microsoft Hyper-V VSS Writer has failed: [1] STABLE, 0x800423F4 VSS_E_WRITERERROR_NONRETRYABLE",
        ),
    ],
)
def test_a_writer_that_cannot_be_used_stops_a_job_with_a_cure(writers: tuple[Writer, ...], message: str) -> None:
    with pytest.raises(WriterUnavailable) as caught:
        require_hyperv_writer(writers)
    assert str(caught.value) == message
    assert "vmms" in (caught.value.hint or "")


@pytest.mark.parametrize("healthy", [True, None])
def test_a_writer_that_is_fit_or_unjudged_is_returned(healthy: bool | None) -> None:
    fit = writer(state="STABLE", state_code=1, healthy=healthy)
    assert require_hyperv_writer((fit,)) is fit
