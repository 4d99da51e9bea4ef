"""Spans, rates, bars and the local calendar: how people write and read them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest

from hvbackup.cli.repository_prune import month_lines
from hvbackup.cli.sizes import sparkline
from hvbackup.errors import InvalidRequest
from hvbackup.jobs.local_zone import LocalZone
from hvbackup.jobs.quantities import byte_rate, time_span
from hvbackup.repository.retention import Decision


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("90m", timedelta(minutes=90)),
        ("12h", timedelta(hours=12)),
        ("30d", timedelta(days=30)),
        ("6W", timedelta(weeks=6)),
        ("0d", timedelta()),
    ],
)
def test_spans(text: str, span: timedelta) -> None:
    assert span == time_span(text)


@pytest.mark.parametrize("text", ["", "d", "30", "-1d", "1.5d", "30 d", "1y", "9999999d", "²d"])
def test_texts_that_are_no_span(text: str) -> None:
    with pytest.raises(InvalidRequest, match="no time span"):
        time_span(text)


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("500K", 512_000),
        ("10M", 10_485_760),
        ("1.5G", 1_610_612_736),
        ("10MiB/s", 10_485_760),
        ("10 mb", 10_485_760),
        ("4096", 4096),
        (4096, 4096),
    ],
)
def test_rates(text: str | int, rate: int) -> None:
    assert rate == byte_rate(text)


@pytest.mark.parametrize("text", ["", "0", "-1", "M", "1e9", "10T", "0.1", "nan", "10Mbit"])
def test_texts_that_are_no_rate(text: str) -> None:
    with pytest.raises(InvalidRequest, match="no rate"):
        byte_rate(text)


def test_bars_are_as_high_as_their_values() -> None:
    assert "▁▅█·" == sparkline([1, 50, 100, 0])
    assert "███" == sparkline([7, 7, 7])
    assert "··" == sparkline([0, 0])
    assert not sparkline([])


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalZone]:
    if not hasattr(time, "tzset"):
        pytest.skip("this system has no tzset")
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield LocalZone()
    monkeypatch.undo()
    time.tzset()


def test_the_local_calendar_knows_summer_time_of_each_date(berlin: LocalZone) -> None:
    def local(*utc: int) -> str:
        return datetime(*utc, tzinfo=timezone.utc).astimezone(berlin).isoformat()  # type: ignore[misc, arg-type]

    assert "2026-01-15T13:00:00+01:00" == local(2026, 1, 15, 12)
    assert "2026-07-15T14:00:00+02:00" == local(2026, 7, 15, 12)
    assert "2026-12-31T23:30:00+01:00" == local(2026, 12, 31, 22, 30)
    assert "2026-10-25T02:30:00+02:00" == local(2026, 10, 25, 0, 30)
    assert "2026-10-25T02:30:00+01:00" == local(2026, 10, 25, 1, 30)


def test_the_calendar_of_a_month_shows_days_that_keep_a_point_and_days_that_lose_theirs() -> None:
    def decision(number: int, time: str, *kept_by: str) -> Decision:
        return Decision(point_id=str(number), host="h", vm_id="v", vm_name="n", time=time, kept_by=kept_by)

    lines = month_lines(
        [
            decision(1, "2026-09-30T23:00:00+02:00", "monthly"),
            decision(2, "2026-10-01T23:00:00+02:00"),
            decision(3, "2026-10-03T01:00:00+02:00"),
            decision(4, "2026-10-03T23:00:00+02:00", "last"),
        ]
    )

    assert ["  2026-09  .............................#", "  2026-10  x.#............................"] == lines
