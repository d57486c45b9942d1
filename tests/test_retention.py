"""Retention: raw predictions leave the store by age, and the answers of the pages stay what they were."""

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import pytest

from monitor.queries import Ask, ask
from monitor.store.archive import EVER, FOREVER, raw_relation
from monitor.store.owner import StoreOwner
from tests.doorway import Line, one, post, select

Own = Callable[..., StoreOwner]
NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
ROLLUPS = ("rollups", "counts", "histograms")


class Clock:
    """A time that tests move."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


DAYS = (0, 1, 2, 29, 33, 34, 45, 70)
"""Days ago that have traffic: three are young, the others lie in February, January and December."""


def history(per_day: int = 3, days: Sequence[int] = DAYS) -> list[Line]:
    return [
        {
            "deployment": "d",
            "event_id": f"{day}-{i}",
            "ts": (NOW - timedelta(days=day, minutes=i)).isoformat(),
            "latency_ms": 10.0 * (i + 1) + day,
            "features": {"n": i, "s": "é"},
            "attrs": {"deep": [day, {"ä": None}]},
            "media": [{"sha256": "ab", "bytes": 5}],
            "input_text": "x" * 300,
            "feedback": 1,
        }
        for day in days
        for i in range(per_day)
    ]


OLD = sum(day > 30 for day in DAYS)


def raw_rows(owner: StoreOwner, start: datetime = EVER, end: datetime = FOREVER) -> list[tuple[Any, ...]]:
    """Every raw prediction of a window, whole, wherever it is."""
    with owner.cursor() as con:
        source = raw_relation(con, start, end)
        window = {"start": start, "end": end}
        rows: list[tuple[Any, ...]] = con.execute(
            f"select * from {source} where ts >= $start and ts < $end order by ts, event_id", window
        ).fetchall()
    return rows


def rollups(owner: StoreOwner, least_grain: int = 0) -> list[Any]:
    where = f"where grain_s >= {least_grain} order by all"
    return [select(owner, f"select * from {table} {where}") for table in ROLLUPS]


def files(owner: StoreOwner) -> list[str]:
    folder = owner.settings.data / "archive"
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*"))


def load(owner: StoreOwner, events: list[Line]) -> None:
    assert post(owner, events).errors == []
    owner.wait_loaded(rolled=True)


def test_archived_rows_answer_the_same_questions(own: Own, clock: Clock) -> None:
    owner = own(clock=clock)
    load(owner, history())
    before, before_rollups, by_page = raw_rows(owner), rollups(owner), pages(owner)
    assert owner.expire(NOW) == OLD * 3
    assert one(owner, "select count(*) from predictions") == (len(DAYS) - OLD) * 3
    assert [name[:8] for name in files(owner)] == ["2025-12/", "2026-01/", "2026-02/"]
    assert raw_rows(owner) == before
    assert pages(owner) == by_page
    assert rollups(owner, 3600) == [[row for row in table if row[0] >= 3600] for table in before_rollups]
    january = raw_rows(owner, datetime(2026, 1, 1), datetime(2026, 2, 1))  # noqa: DTZ001 (as the store has them)
    assert {row[2] for row in january} == {"45-0", "45-1", "45-2"}


def pages(owner: StoreOwner) -> list[Any]:
    """What the list of requests and a single old request say."""
    with owner.cursor() as con:
        by = Ask(con, owner.fleet, NOW, owner.figures)
        listed = ask("requests", {"start": "-90d", "end": "now", "limit": 500, "sort": "slowest"}, by)
        old = ask("request", {"event_id": "70-2"}, by)
    return [listed.to_pylist(), old.to_pylist()]


def test_young_days_stay_in_the_store_and_are_read_without_the_archive(own: Own, clock: Clock) -> None:
    owner = own(clock=clock)
    load(owner, history(1))
    owner.expire(NOW)
    border = datetime(2026, 2, 8)  # noqa: DTZ001 (30 days ago, at midnight)
    assert one(owner, "select min(ts) from predictions") >= border
    with owner.cursor() as con:
        assert raw_relation(con, border, FOREVER) == "predictions"
        assert "read_parquet" in raw_relation(con, border - timedelta(days=9), FOREVER)


def test_running_it_again_moves_nothing_twice(own: Own, clock: Clock) -> None:
    owner = own(clock=clock)
    load(owner, history(2))
    before = raw_rows(owner)
    assert [owner.expire(NOW) for _ in range(3)] == [OLD * 2, 0, 0]
    assert raw_rows(owner) == before


def test_months_that_have_gone_by_become_one_file_and_the_parts_go_with_the_next_run(own: Own, clock: Clock) -> None:
    owner = own(clock=clock)
    load(owner, history(2, range(30, 60, 4)))
    before, clock.now = raw_rows(owner), NOW - timedelta(days=28)
    parts = 0
    for _ in range(9):  # through two months
        owner.expire(clock.now)
        clock.now += timedelta(days=4)
        parts = max(parts, len(files(owner)))
        assert raw_rows(owner) == before
    owner.expire(clock.now)
    listed = select(owner, "select month, path from archive_files order by month")
    assert [month for month, _ in listed if month < date(2026, 2, 1)] == [date(2026, 1, 1)]
    assert parts > len(listed)
    assert files(owner) == sorted(path for _, path in listed)
    assert raw_rows(owner) == before


def test_a_crash_between_file_and_transaction_leaves_a_file_that_the_next_run_removes(own: Own, clock: Clock) -> None:
    owner = own(clock=clock)
    load(owner, history(2))
    before = raw_rows(owner)
    owner.run(lambda con: con.execute("alter table archive_files rename to hidden")).result(10)
    with pytest.raises(duckdb.Error, match="archive_files"):
        owner.expire(NOW)
    owner.run(lambda con: con.execute("alter table hidden rename to archive_files")).result(10)
    assert len(files(owner)) == 1  # the first month: written, and not listed
    assert len(raw_rows(owner)) == len(before)
    load(owner, [{"deployment": "d", "event_id": "still at work"}])
    owner.expire(NOW)
    assert files(owner) == [path for (path,) in select(owner, "select path from archive_files order by path")]
    assert len(raw_rows(owner)) == len(before) + 1


def test_files_that_the_store_does_not_know_are_never_removed(own: Own, clock: Clock) -> None:
    """An archive outlives the store that wrote it: a new store beside it must not take it for litter."""
    owner = own(clock=clock)
    stranger = owner.settings.data / "archive" / "2020-01" / "predictions-before.parquet"
    stranger.parent.mkdir(parents=True)
    stranger.write_bytes(b"precious")
    load(owner, history(2))
    for _ in range(3):
        owner.expire(NOW)
    assert stranger.read_bytes() == b"precious"


def test_late_rows_in_archived_days_are_counted_found_and_archived(own: Own, clock: Clock) -> None:
    owner = own(clock=clock)
    events = history(3)
    load(owner, events)
    owner.expire(NOW)
    late = {
        "deployment": "d",
        "event_id": "late",
        "ts": (NOW - timedelta(days=45, minutes=1)).isoformat(),
        "latency_ms": 1e5,
    }
    load(owner, [late])
    assert [row[2] for row in raw_rows(owner) if row[2] == "late"] == ["late"]
    hour = "select n, n_latency, p99_ms > 9e4 from rollups where grain_s = 3600 and by_what = 'all' and bucket = $hour"
    bucket = (NOW - timedelta(days=45)).replace(tzinfo=None, hour=11)
    assert select(owner, hour, hour=bucket) == [(3, 3, True)]
    before = rollups(owner, 3600)
    assert owner.expire(NOW) == 1
    assert len(raw_rows(owner)) == len(events) + 1
    assert rollups(owner, 3600) == before


def test_reading_goes_on_while_rows_leave(own: Own, clock: Clock) -> None:
    owner = own(clock=clock)
    load(owner, history(20, range(20, 60, 4)))
    expected, stop, wrong = len(raw_rows(owner)), threading.Event(), []

    def read() -> None:
        while not stop.is_set():
            if (found := len(raw_rows(owner))) != expected:
                wrong.append(found)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for _ in range(8):
        owner.expire(clock.now)
        clock.now += timedelta(days=2)
    stop.set()
    for reader in readers:
        reader.join()
    assert wrong == []


# -- deleting


def test_deleted_rows_are_gone_and_their_rollups_stay(own: Own, clock: Clock) -> None:
    owner = own(clock=clock, raw_action="delete")
    load(owner, history(3))
    hours = rollups(owner, 3600)
    left = owner.expire(NOW)
    assert left > 0
    assert len(raw_rows(owner)) == len(DAYS) * 3 - left
    assert files(owner) == []
    assert rollups(owner, 3600) == hours


def test_the_door_refuses_what_could_no_longer_be_counted_also_after_a_restart(own: Own, clock: Clock) -> None:
    owner = own(clock=clock, raw_action="delete")
    load(owner, history(1))
    owner.expire(NOW)
    for _ in range(2):
        old, young = ({"deployment": "d", "ts": (NOW - timedelta(days=days)).isoformat()} for days in (31, 29))
        answer = post(owner, [old, young])
        assert (answer.accepted, answer.rejected) == (1, 1)
        assert (
            "raw predictions before 2026-02-08T00:00:00+00:00 have left the store for good" in answer.errors[0].reason
        )
        owner.stop()
        owner = own(clock=clock, raw_action="delete")


def test_dirty_buckets_beside_deleted_days_do_not_empty_them(own: Own, clock: Clock) -> None:
    owner = own(clock=clock, raw_action="delete")
    load(owner, history(3))
    hours = rollups(owner, 3600)
    owner.expire(NOW)
    owner.run(
        lambda con: con.execute("insert or ignore into dirty select distinct grain_s, bucket from rollups")
    ).result(10)
    owner.wait_loaded(rolled=True)
    assert rollups(owner, 3600) == hours
    assert one(owner, "select count(*) from dirty") == 0


def test_rows_that_were_in_the_spool_are_counted_before_their_day_is_deleted(own: Own, clock: Clock) -> None:
    owner = own(clock=clock, raw_action="delete", segment_ms=60_000)
    post(owner, history(1))  # acknowledged, not loaded
    owner.expire(NOW)
    assert one(owner, "select sum(n) from rollups where grain_s = 86400 and by_what = 'all'") == len(DAYS)


# -- the rest


def test_fine_rollups_expire_and_hours_stay(own: Own, clock: Clock) -> None:
    owner = own(clock=clock, rollup_days=10)
    load(owner, history(2, range(0, 20, 3)))
    hours = rollups(owner, 3600)
    owner.expire(NOW)
    assert rollups(owner, 3600) == hours
    for table in ROLLUPS:
        oldest = one(owner, f"select min(bucket) from {table} where grain_s < 3600")
        assert oldest >= (NOW - timedelta(days=10)).replace(tzinfo=None)


def test_old_rejects_and_old_ledger_rows_go(own: Own, clock: Clock) -> None:
    owner = own(clock=clock)
    post(owner, [{"deployment": "d", "latency_ms": -1}])
    owner.wait_loaded()
    clock.now += timedelta(days=100)
    post(owner, [{"deployment": "d", "latency_ms": -1}])
    owner.expire(clock.now)
    assert one(owner, "select count(*) from rejects") == 1
    assert one(owner, "select count(*) from segments") == 1


def test_the_space_of_deleted_rows_is_used_again(own: Own, clock: Clock) -> None:
    owner = own(clock=clock, raw_days=2, raw_action="delete")
    sizes = []
    for _ in range(9):
        day = [
            {
                "deployment": "d",
                "ts": (clock.now - timedelta(seconds=i)).isoformat(),
                "input_text": f"{i * 7919:x}" * 40,
            }
            for i in range(1500)
        ]
        post(owner, day)
        owner.wait_loaded()
        owner.expire(clock.now)
        clock.now += timedelta(days=1)
        sizes.append((owner.settings.data / "watchpoint.duckdb").stat().st_size)
    assert max(sizes[6:]) <= 2.5 * max(sizes[3:6])


def test_the_archive_is_plain_parquet_that_other_tools_read(own: Own, clock: Clock) -> None:
    import pyarrow.parquet

    owner = own(clock=clock)
    load(owner, history(2))
    owner.expire(NOW)
    tables = [pyarrow.parquet.read_table(path) for path in (owner.settings.data / "archive").rglob("*.parquet")]
    assert sum(table.num_rows for table in tables) == OLD * 2
    assert all(table["ts"].to_pylist() == sorted(table["ts"].to_pylist()) for table in tables)
