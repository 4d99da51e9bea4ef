"""Which points stay: every rule, every guard, in the calendar of the caller, over changes of the clock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from repository_points import make_point

from hvbackup.errors import InvalidRequest
from hvbackup.models import RestorePoint
from hvbackup.repository.retention import UNLIMITED, RetentionPlan, RetentionPolicy, plan_retention, point_time

BERLIN = ZoneInfo("Europe/Berlin")
UTC = timezone.utc


def point_at(when: str, number: int = 0, **changes: Any) -> RestorePoint:
    """A point whose snapshot was taken at `when` (UTC)."""
    time = datetime.fromisoformat(when).replace(tzinfo=UTC)
    point = make_point(f"{time:%Y%m%dT%H%M%SZ}-{number:08x}")
    return msgspec.structs.replace(point, snapshot_at=f"{time:%Y-%m-%dT%H:%M:%SZ}", **changes)


def daily_points(first: str, days: int) -> list[RestorePoint]:
    start = datetime.fromisoformat(first)
    return [point_at((start + timedelta(days=day)).isoformat()) for day in range(days)]


def kept(
    points: Sequence[RestorePoint],
    policy: RetentionPolicy,
    *,
    zone: tzinfo = UTC,
    verified: Sequence[str] = (),
    pinned: Sequence[str] = (),
) -> dict[str, tuple[str, ...]]:
    """The times (UTC, to the minute) of the points that stay, and why."""
    plan = plan_retention(points, policy, zone=zone, verified=verified, pinned=pinned)
    times = {point.id: f"{point_time(point).astimezone(UTC):%Y-%m-%d %H:%M}" for point in points}
    return {times[decision.point_id]: decision.kept_by for decision in plan.kept}


def test_last_keeps_that_many_newest_points_in_whatever_order_they_come() -> None:
    points = daily_points("2026-11-01T22:00", 5)

    assert kept(points[::-1], RetentionPolicy(last=2)) == {
        "2026-11-04 22:00": ("last",),
        "2026-11-05 22:00": ("newest", "last"),
    }


def test_daily_keeps_the_newest_point_of_each_day_that_has_one() -> None:
    points = [
        point_at(when) for when in ("2026-11-01T08:00", "2026-11-01T20:00", "2026-11-04T08:00", "2026-11-04T20:00")
    ]

    assert kept(points, RetentionPolicy(daily=2)) == {
        "2026-11-01 20:00": ("daily",),
        "2026-11-04 20:00": ("newest", "daily"),
    }


def test_weeks_are_those_of_iso_8601_and_the_turn_of_the_year_does_not_cut_one() -> None:
    points = daily_points("2026-12-26T12:00", 12)  # week 53 of 2026 ends on Sunday, 3 January 2027

    assert list(kept(points, RetentionPolicy(weekly=3))) == ["2026-12-27 12:00", "2027-01-03 12:00", "2027-01-06 12:00"]


def test_months_and_years_keep_their_newest_points_and_each_rule_is_named() -> None:
    points = daily_points("2024-12-30T12:00", 430)

    result = kept(points, RetentionPolicy(monthly=2, yearly=2))

    assert result == {
        "2025-12-31 12:00": ("yearly",),
        "2026-02-28 12:00": ("monthly",),
        "2026-03-04 12:00": ("newest", "monthly", "yearly"),
    }


def test_a_rule_that_has_not_met_its_number_keeps_the_oldest_point_too() -> None:
    points = daily_points("2026-11-01T12:00", 10)

    assert kept(points, RetentionPolicy(monthly=12)) == {
        "2026-11-01 12:00": ("monthly, oldest",),
        "2026-11-10 12:00": ("newest", "monthly"),
    }


def test_unlimited_keeps_one_of_every_period() -> None:
    assert len(kept(daily_points("2020-01-01T12:00", 700), RetentionPolicy(monthly=UNLIMITED))) == 24


def test_within_counts_from_the_newest_point_of_the_vm_and_includes_its_border() -> None:
    points = daily_points("2026-11-01T12:00", 10)

    assert list(kept(points, RetentionPolicy(within=timedelta(days=2)))) == [
        "2026-11-08 12:00",
        "2026-11-09 12:00",
        "2026-11-10 12:00",
    ]


def test_tags_and_pins_keep_a_point_whatever_the_numbers_say() -> None:
    points = [
        point_at("2026-11-01T12:00", tags=("before upgrade",)),
        point_at("2026-11-02T12:00"),
        point_at("2026-11-03T12:00", tags=("other",)),
        point_at("2026-11-04T12:00"),
    ]

    result = kept(points, RetentionPolicy(last=1, tags=("before upgrade",)), pinned=[points[1].id])

    assert result == {
        "2026-11-01 12:00": ("tag before upgrade",),
        "2026-11-02 12:00": ("pinned",),
        "2026-11-04 12:00": ("newest", "last"),
    }


def test_the_last_verified_point_stays_and_so_does_the_newest() -> None:
    points = daily_points("2026-11-01T12:00", 6)

    result = kept(points, RetentionPolicy(last=1), verified=[points[0].id, points[2].id])

    assert result == {"2026-11-03 12:00": ("last verified",), "2026-11-06 12:00": ("newest", "last")}


def test_a_policy_of_tags_alone_still_keeps_the_newest() -> None:
    points = daily_points("2026-11-01T12:00", 3)

    assert kept(points, RetentionPolicy(tags=("none has it",))) == {"2026-11-03 12:00": ("newest",)}


def test_every_vm_is_judged_by_itself_and_a_renamed_one_is_still_one_vm() -> None:
    other = "99999999-2222-3333-4444-555555555555"
    points = [
        point_at("2026-11-01T12:00", 1, vm_name="old name"),
        point_at("2026-11-02T12:00", 2, vm_name="new name"),
        point_at("2026-10-01T12:00", 3, vm_id=other, vm_name="idle"),
        point_at("2026-09-01T12:00", 4, host="HV02"),
        point_at("2026-09-02T12:00", 5, host="hv02"),
    ]

    plan = plan_retention(points, RetentionPolicy(last=1), zone=UTC)

    assert {decision.point_id[-1] for decision in plan.kept} == {"2", "3", "5"}
    assert [decision.point_id[-1] for decision in plan.decisions] == ["3", "1", "2", "4", "5"]


def test_a_host_whose_clock_runs_ahead_does_not_make_the_point_that_was_written_last_go() -> None:
    ahead = msgspec.structs.replace(point_at("2026-11-01T12:00"), snapshot_at="2031-01-01T00:00:00Z")
    written_last = point_at("2026-11-02T12:00")

    assert kept([ahead, written_last], RetentionPolicy(last=1)) == {
        "2026-11-02 12:00": ("newest",),
        "2031-01-01 00:00": ("newest", "last"),
    }


def test_a_point_without_a_readable_snapshot_time_counts_by_its_id() -> None:
    point = msgspec.structs.replace(point_at("2026-11-01T12:00"), snapshot_at="unknown")

    assert point_time(point) == datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


def test_days_are_those_of_the_callers_calendar() -> None:
    points = [point_at("2026-06-01T21:30"), point_at("2026-06-01T22:30")]  # 23:30 and 00:30 in Berlin

    assert len(kept(points, RetentionPolicy(daily=9), zone=BERLIN)) == 2
    assert kept(points, RetentionPolicy(daily=1), zone=BERLIN) == {"2026-06-01 22:30": ("newest", "daily")}
    assert plan_retention(points, RetentionPolicy(daily=9), zone=BERLIN).decisions[1].time == (
        "2026-06-02T00:30:00+02:00"
    )


def test_the_hour_that_comes_twice_in_autumn_is_two_hours() -> None:
    # 25 October 2026: at 03:00 summer time (01:00 UTC) clocks in Berlin go back to 02:00.
    points = [point_at(f"2026-10-25T{time}") for time in ("00:10", "00:40", "01:10", "01:40", "02:10")]

    assert list(kept(points, RetentionPolicy(hourly=3), zone=BERLIN)) == [
        "2026-10-25 00:40",
        "2026-10-25 01:40",
        "2026-10-25 02:10",
    ]


def test_a_day_of_23_or_25_hours_is_one_day() -> None:
    for day, before in (("2026-03-29", "2026-03-28"), ("2026-10-25", "2026-10-24")):
        start = datetime.fromisoformat(f"{before}T12:00")
        points = [point_at((start + timedelta(hours=hour)).isoformat()) for hour in range(36)]

        result = kept(points, RetentionPolicy(daily=2), zone=BERLIN)

        last_of_day = datetime.fromisoformat(f"{day}T23:00").replace(tzinfo=BERLIN).astimezone(UTC)
        assert f"{last_of_day:%Y-%m-%d %H:%M}" in [*result][-2:]
        assert len(result) == 2


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (RetentionPolicy(), "keeps nothing"),
        (RetentionPolicy(last=0, within=None), "keeps nothing"),
        (RetentionPolicy(daily=-1), "cannot keep -1 daily"),
        (RetentionPolicy(within=timedelta(days=-1)), "cannot keep restore points within"),
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused(policy: RetentionPolicy, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        plan_retention([], policy, zone=UTC)


def test_no_points_make_an_empty_plan() -> None:
    assert plan_retention([], RetentionPolicy(last=1), zone=UTC) == RetentionPlan()


numbers = st.integers(0, 4)


@given(
    hours=st.lists(st.integers(0, 24 * 400), min_size=1, max_size=60, unique=True),
    policy=st.builds(
        RetentionPolicy,
        last=numbers, hourly=numbers, daily=numbers, weekly=numbers, monthly=numbers, yearly=numbers,
        within=st.none() | st.timedeltas(timedelta(0), timedelta(days=100)), tags=st.just(("keep",)),
    ),
    chosen=st.sets(st.integers(0, 59)),
    chance=st.randoms(use_true_random=False),
)  # fmt: skip
def test_pruning_twice_removes_nothing_more_and_the_guards_always_hold(
    hours: list[int], policy: RetentionPolicy, chosen: set[int], chance: Any
) -> None:
    start = datetime.fromisoformat("2025-10-20T00:15")
    points = [point_at((start + timedelta(hours=hour)).isoformat()) for hour in hours]
    verified = [points[number].id for number in sorted(chosen) if number < len(points) and number % 2]
    pinned = [points[number].id for number in sorted(chosen) if number < len(points) and not number % 3]
    chance.shuffle(points)

    plan = plan_retention(points, policy, zone=BERLIN, verified=verified, pinned=pinned)
    stay = {decision.point_id for decision in plan.kept}
    again = plan_retention(
        [point for point in points if point.id in stay], policy, zone=BERLIN, verified=verified, pinned=pinned
    )

    assert again.removed == ()
    assert max(point.id for point in points) in stay
    assert {*pinned} <= stay
    assert not verified or max(verified) in stay
    assert len(plan.kept) + len(plan.removed) == len(points)
