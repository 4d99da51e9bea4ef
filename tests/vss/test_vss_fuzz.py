"""The readers never raise, never hang, and junk around a transcript does not change what it shows."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hvbackup.errors import VssError
from hvbackup.vss.decoding import decode_bytes
from hvbackup.vss.findings import Transcript
from hvbackup.vss.proof import prove_shadow_set
from hvbackup.vss.report import read_transcript
from hvbackup.vss.transcript import parse_transcript
from hvbackup.vss.vssadmin import parse_vssadmin

TEXTS = [path.read_text(encoding="utf-8") for path in sorted((Path(__file__).parent / "fixtures").glob("*.txt"))]
LINES = sorted({line for text in TEXTS for line in text.splitlines()})

#: Lines of a transcript, whole or cut, in any order, with any text between.
line = st.one_of(
    st.sampled_from(LINES),
    st.builds(lambda text, end: text[:end], st.sampled_from(LINES), st.integers(0, 60)),
    st.text(max_size=80),
    st.text(alphabet='*-+>"\\:={}[]%,. \t0123456789abcdefVSS_E', max_size=60),
)
soup = st.lists(line, max_size=40).map("\n".join)
#: Words as people and shells write them; nothing in them has the shape of a transcript.
junk = st.lists(
    st.text(alphabet="abcdefghijklmnop $#!?äß日", min_size=1, max_size=40).filter(str.strip), max_size=5
).map("\n".join)


def facts(transcript: Transcript) -> Transcript:
    """Everything but the lines that were not understood."""
    return msgspec.structs.replace(transcript, unknown=(), dropped=0)


def read_everything(text: str) -> None:
    transcript = parse_transcript(text)
    assert parse_transcript(text.splitlines()) is not None
    parse_vssadmin(text)
    read_transcript(text.encode("utf-8", errors="surrogatepass"))
    with pytest.raises(VssError):
        prove_shadow_set(
            transcript,
            vm_ids=("0b7e1f5a-3a53-4e0e-9c1f-7d1b6a0c5e11",),
            expected_volumes={"hv0": "\\\\?\\Volume{aaaaaaaa-0000-0000-0000-100000000000}\\"},
            mount_points={"hv0": "C:\\hv\\v0"},
        )


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)
@given(soup)
def test_any_soup_of_lines_is_read_and_proves_nothing(text: str) -> None:
    read_everything(text)


@pytest.mark.slow
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=5_000)
@given(soup)
def test_any_soup_of_lines_is_read_and_proves_nothing_for_long(text: str) -> None:
    read_everything(text)


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=400), st.one_of(st.none(), st.integers(-5, 100_000)))
def test_any_bytes_become_text(data: bytes, code_page: int | None) -> None:
    parse_transcript(decode_bytes(data, code_page))


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(TEXTS), junk, junk)
def test_junk_around_a_transcript_changes_no_fact(text: str, before: str, after: str) -> None:
    assert facts(parse_transcript(f"{before}\n{text}\n{after}")) == facts(parse_transcript(text))


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(TEXTS), st.sampled_from(TEXTS))
def test_two_transcripts_in_one_file_show_what_both_show(first: str, second: str) -> None:
    both = parse_transcript(first + "\n" + second)
    one, other = parse_transcript(first), parse_transcript(second)
    assert both.shadow_copies == one.shadow_copies + other.shadow_copies
    assert both.exclusions == one.exclusions + other.exclusions
    assert both.commands == one.commands + other.commands


@pytest.mark.parametrize(
    "hard",
    [
        "+ " * 4000,
        '"' * 8000,
        "a" * 8000 + ":",
        "- " + "a, b = " * 1200,
        "* " + "{" * 8000,
        "- File List: Path = " + ", Filespec = " * 600,
        "Deleting shadow copy " + "\\\\" * 4000,
        "Number of shadow copies listed: " + "9" * 8000,
        "[" * 8000,
        "%a%" * 2600,
        'Component "' + "\\" * 8000,
    ],
)
def test_hard_lines_take_no_time(hard: str) -> None:
    begun = time.perf_counter()
    parse_transcript([hard] * 20)
    parse_vssadmin([hard] * 20)
    assert time.perf_counter() - begun < 5.0


def test_a_large_listing_is_read_in_little_memory_and_time() -> None:
    component = (Path(__file__).parent / "fixtures/list_writers_detailed_offline.txt").read_text(encoding="utf-8")
    found = parse_transcript(component * 2_000)
    assert len(found.writers) == 1
    assert len(found.writers[0].components) == 2_000
