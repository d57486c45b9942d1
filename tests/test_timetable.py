"""Schedules: cron lines and intervals, and the slots that they name."""

from datetime import UTC, datetime

import pytest

from monitor.records import Schedule
from monitor.timetable import cron_problem, last_slot, next_slot, words_of


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "line, now, before, after",
    [
        ("* * * * *", "2026-01-01 00:00:30", "2026-01-01 00:00", "2026-01-01 00:01"),
        ("7 * * * *", "2026-01-01 00:06", "2025-12-31 23:07", "2026-01-01 00:07"),
        ("7 * * * *", "2026-01-01 00:07", "2026-01-01 00:07", "2026-01-01 01:07"),
        ("*/15 8-17 * * mon-fri", "2026-11-21 12:00", "2026-11-20 17:45", "2026-11-23 08:00"),  # a Saturday
        ("0 0 * * 0", "2026-11-21 12:00", "2026-11-15 00:00", "2026-11-22 00:00"),
        ("0 0 * * 7", "2026-11-21 12:00", "2026-11-15 00:00", "2026-11-22 00:00"),
        ("0 0 29 2 *", "2026-11-21 12:00", "2024-02-29 00:00", "2028-02-29 00:00"),
        ("30 6 1 * mon", "2026-11-21 12:00", "2026-11-16 06:30", "2026-11-23 06:30"),  # the 1st, or any Monday
        ("5,35 0 1 jan *", "2026-06-01 00:00", "2026-01-01 00:35", "2027-01-01 00:05"),
        ("10/20 * * * *", "2026-01-01 00:35", "2026-01-01 00:30", "2026-01-01 00:50"),
    ],
)
def test_a_cron_line_names_the_slots_before_and_after_now(line: str, now: str, before: str, after: str) -> None:
    schedule = Schedule(cron=line)
    assert (last_slot(schedule, at(now)), next_slot(schedule, at(now))) == (at(before), at(after))


def test_an_interval_names_the_same_slots_whoever_asks_and_whenever() -> None:
    schedule = Schedule(every_s=900)
    assert {last_slot(schedule, at(f"2026-01-01 10:{minute}")) for minute in ("15", "20", "29:59")} == {
        at("2026-01-01 10:15")
    }
    assert next_slot(schedule, at("2026-01-01 10:15")) == at("2026-01-01 10:30")


@pytest.mark.parametrize(
    "line, problem",
    [
        ("60 * * * *", "minute is '60'; allowed are 0 to 59"),
        ("* 5-2 * * *", "hour is '5-2'"),
        ("*/0 * * * *", "minute is '*/0'"),
        ("* * * * someday", "weekday is 'someday'; allowed are 0 to 7"),
        ("0 0 31 2 *", "would never be due"),
        ("0 0 * *", "has 4 fields; it needs five"),
        ("a * * * *", "minute is 'a'"),
        ("1, * * * *", "minute is '1,'"),
    ],
)
def test_a_cron_line_that_cannot_be_says_which_field(line: str, problem: str) -> None:
    assert problem in (cron_problem(line) or "")


def test_a_schedule_in_words() -> None:
    assert words_of(Schedule(every_s=900)) == "every 15m"
    assert words_of(Schedule(every_s=7200)) == "every 2h"
    assert words_of(Schedule(cron="7 * * * *")) == "cron 7 * * * * (UTC)"
