"""Rollups against brute force: every grain, grouping, count, percentile and histogram, late rows included."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any

import numpy as np
import pytest

from monitor.records import Checkpoint, Deployment, Fleet, Model, Slo
from monitor.store.archive import EVER
from monitor.store.owner import StoreOwner
from monitor.store.rollups import DAY_S, GRAINS, GROUPS, HISTOGRAM_METRICS, ZERO, recompute
from tests.conftest import wait_until
from tests.doorway import Line, one, post, select

Own = Callable[..., StoreOwner]
NOW = datetime(2026, 3, 10, 12, 34, 56, tzinfo=UTC)
SLO_MS = 400.0
FLEET = Fleet(
    {"m1": Model("m1")},
    {"c1": Checkpoint("c1", "m1")},
    {"a": Deployment("a", "c1", "m1", slo=Slo(latency_ms=SLO_MS)), "b": Deployment("b", "c1", "m1")},
)
HISTOGRAM_GRAINS = [grain.seconds for grain in GRAINS if grain.histogram]
WITHIN = 2 ** (1 / 128) * 1.0001  # half a bucket of the grid at scale 6
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 (as the store writes times)


def traffic(n: int, seed: int, spread: timedelta = timedelta(hours=30)) -> list[Line]:
    """Requests as messy as logs are: nulls, zeros, ties, several sources, unknown deployments, rows out of order."""
    rng = np.random.default_rng(seed)

    def maybe(share: float, value: Any) -> Any:
        return value if rng.random() < share else None

    events = []
    for i in range(n):
        failed = rng.random() < 0.2
        event = {
            "event_id": f"{seed}-{i}",
            "ts": (NOW - spread * float(rng.random()) ** 3).isoformat(),
            "deployment": str(rng.choice(["a", "b", "elsewhere"])),
            "checkpoint": maybe(0.3, str(rng.choice(["c1", "c2"]))),
            "source": str(rng.choice(["production", "demo", "canary"], p=[0.7, 0.2, 0.1])),
            "status": "error" if failed else "ok",
            "error_type": maybe(0.8, str(rng.choice(["Timeout", "OOM"]))) if failed else None,
            "error_message": maybe(0.5, f"message {i}") if failed else None,
            "latency_ms": maybe(0.9, float(rng.choice([0.0, 400.0, rng.lognormal(5, 2), round(rng.lognormal(3, 1))]))),
            "ttft_ms": maybe(0.5, float(rng.gamma(2, 30))),
            "queue_ms": maybe(0.3, float(rng.exponential(5))),
            "tokens_in": maybe(0.7, int(rng.integers(0, 500))),
            "tokens_out": maybe(0.7, int(rng.integers(0, 500))),
            "cost_usd": maybe(0.2, float(rng.random())),
        }
        events.append({name: value for name, value in event.items() if value is not None})
    return events


def understood(events: list[Line]) -> list[Line]:
    """What was sent, as the store is to understand it."""
    known = {"model": "m1", "checkpoint": "c1", "environment": "production"}
    unknown = dict.fromkeys((*GROUPS[1:], *HISTOGRAM_METRICS, "tokens_in", "tokens_out", "cost_usd", "error_message"))
    rows = []
    for event in events:
        row = unknown | {"source": "production", "status": "ok", "all": "all"}
        row |= (known if event["deployment"] in FLEET.deployments else dict.fromkeys(known, "")) | event
        row["ts"] = datetime.fromisoformat(event["ts"]).replace(tzinfo=None)
        row["kind"] = (row.get("error_type") or "unknown") if row["status"] == "error" else ""
        rows.append(row)
    return rows


def grouped(rows: list[Line], grain: int, *names: str) -> dict[tuple[Any, ...], list[Line]]:
    """Rows by their bucket and the given fields."""
    groups = defaultdict(list)
    for row in rows:
        seconds = int((row["ts"] - EPOCH).total_seconds()) // grain * grain
        groups[EPOCH + timedelta(seconds=seconds), *(row[name] for name in names)].append(row)
    return groups


def known(rows: list[Line], name: str) -> list[Any]:
    return [row[name] for row in rows if row[name] is not None]


def expected_cell(rows: list[Line]) -> dict[str, Any]:
    ok = [row for row in rows if row["status"] == "ok"]
    slow = [row for row in ok if row["deployment"] == "a" and (row["latency_ms"] or 0) > SLO_MS]
    sums = {
        name: sum(known(rows, name)) if known(rows, name) else None for name in ("tokens_in", "tokens_out", "cost_usd")
    }
    return sums | {
        "counts": (len(rows), len(rows) - len(ok), len(slow), len(known(rows, "tokens_out"))),
        **{metric: known(ok, metric) for metric in HISTOGRAM_METRICS},
    }


ROLLUPS = """
select bucket, source, by_what, key, n, errors, slow, n_tokens, tokens_in, tokens_out, cost_usd,
    n_latency, [p50_ms, p95_ms, p99_ms], n_ttft, [ttft_p50_ms, ttft_p95_ms], n_queue, [queue_p95_ms]
from rollups
where grain_s = $grain
"""


def check_rollups(owner: StoreOwner, sent: list[Line], grain: int) -> None:
    expected = {
        (bucket, source, by, key): expected_cell(rows)
        for by in (*GROUPS, "all")
        for (bucket, source, key), rows in grouped(sent, grain, "source", by).items()
    }
    rows = select(owner, ROLLUPS, grain=grain)
    assert len(rows) == len(expected)
    for bucket, source, by, key, n, errors, slow, n_tokens, tokens_in, tokens_out, cost, *metrics in rows:
        cell = expected[bucket, source, by, key]
        assert (n, errors, slow, n_tokens) == cell["counts"]
        assert (tokens_in, tokens_out) == (cell["tokens_in"], cell["tokens_out"])
        assert cost == pytest.approx(cell["cost_usd"])
        quantiles = {"latency_ms": [0.5, 0.95, 0.99], "ttft_ms": [0.5, 0.95], "queue_ms": [0.95]}
        for (metric, qs), count, found in zip(quantiles.items(), metrics[::2], metrics[1::2], strict=True):
            check_quantiles(cell[metric], qs, count, found, exact=grain < DAY_S)


def check_quantiles(values: list[float], qs: list[float], count: int, found: list[Any], *, exact: bool) -> None:
    assert count == len(values)
    if count == 0:
        assert found == [None] * len(qs)
    elif exact:
        assert found == pytest.approx(np.quantile(values, qs))
    else:  # from the histogram: within half a bucket of the value of that rank
        for value, rank in zip(found, np.quantile(values, qs, method="lower"), strict=True):
            assert (value == 0) if rank == 0 else (rank / WITHIN <= value <= rank * WITHIN)


def check_counts(owner: StoreOwner, sent: list[Line], grain: int) -> None:
    expected = {}
    for group, rows in grouped(sent, grain, "source", *GROUPS, "kind").items():
        times, last = [row["ts"] for row in rows], max(rows, key=itemgetter("ts"))
        of_last = (last["event_id"], last["error_message"]) if last["status"] == "error" else (None, None)
        expected[group] = (len(rows), min(times), max(times), *of_last)
    found = select(owner, "select * exclude (grain_s) from counts where grain_s = $grain", grain=grain)
    assert {row[:7]: row[7:] for row in found} == expected
    assert len(found) == len(expected)


def check_histograms(owner: StoreOwner, sent: list[Line], grain: int) -> None:
    expected: Counter[tuple[Any, ...]] = Counter()
    for group, rows in grouped([row for row in sent if row["status"] == "ok"], grain, "source", *GROUPS).items():
        for metric in HISTOGRAM_METRICS:
            for value in known(rows, metric):
                expected[*group, metric, math.ceil(math.log2(value) * 64) - 1 if value else ZERO] += 1
    found = select(owner, "select * exclude (grain_s) from histograms where grain_s = $grain", grain=grain)
    assert {row[:-1]: row[-1] for row in found} == expected
    assert len(found) == len(expected)


def check_all(owner: StoreOwner, events: list[Line]) -> None:
    sent = understood(events)
    for grain in (grain.seconds for grain in GRAINS):
        check_rollups(owner, sent, grain)
        check_counts(owner, sent, grain)
    for grain in HISTOGRAM_GRAINS:
        check_histograms(owner, sent, grain)
    assert one(owner, "select count(*) from dirty") == 0


def test_every_grain_and_grouping_is_what_brute_force_says(own: Own) -> None:
    owner = own(FLEET, lambda: NOW)
    events = traffic(900, seed=1)
    for batch in range(0, len(events), 300):
        assert post(owner, events[batch : batch + 300]).errors == []
        owner.wait_loaded(rolled=batch % 600 == 0)  # some of them late, into buckets that were computed before
    owner.wait_loaded(rolled=True)
    check_all(owner, events)


def test_a_late_row_in_a_closed_bucket_is_counted_in_every_grain(own: Own) -> None:
    owner = own(FLEET, lambda: NOW)
    events = traffic(200, seed=2, spread=timedelta(hours=3))
    post(owner, events)
    owner.wait_loaded(rolled=True)
    late = {
        "event_id": "late",
        "deployment": "b",
        "ts": (NOW - timedelta(days=9, hours=5)).isoformat(),
        "latency_ms": 12.5,
    }
    post(owner, late)
    owner.wait_loaded(rolled=True)
    check_all(owner, [*events, late])


def dump(owner: StoreOwner) -> list[Any]:
    """All of the rollups; sums of floats may differ in their last digits."""
    statements = ("select * replace (round(cost_usd, 9) as cost_usd) from rollups", "from counts", "from histograms")
    return [select(owner, f"{statement} order by all") for statement in statements]


def test_computing_everything_again_changes_nothing(own: Own) -> None:
    owner = own(FLEET, lambda: NOW)
    post(owner, traffic(300, seed=3))
    owner.wait_loaded(rolled=True)
    before = dump(owner)
    again = "insert or ignore into dirty select distinct grain_s, bucket from rollups where grain_s < 86400"
    owner.run(lambda con: con.execute(again)).result(10)
    owner.wait_loaded(rolled=True)
    assert dump(owner) == before
    assert one(owner, "select count(*) from dirty") == 0


def test_rows_without_any_metric_make_no_percentiles_and_no_histograms(own: Own) -> None:
    owner = own(FLEET, lambda: NOW)
    post(owner, [{"deployment": "a", "event_id": str(i)} for i in range(10)])
    owner.wait_loaded(rolled=True)
    assert one(owner, "select count(*) from histograms") == 0
    found = select(
        owner, "select distinct grain_s, n, n_latency, p50_ms, tokens_in, cost_usd from rollups order by all"
    )
    assert found == [(grain.seconds, 10, 0, None, None, None) for grain in GRAINS]


def test_an_error_without_a_type_is_still_an_error(own: Own) -> None:
    owner = own(clock=lambda: NOW)
    post(owner, [{"deployment": "a", "status": "error", "error_type": kind} for kind in ("", None)])
    owner.wait_loaded(rolled=True)
    assert select(owner, "select distinct error_type, n from counts") == [("unknown", 2)]


def test_pages_see_new_rows_by_themselves_within_seconds(own: Own) -> None:
    owner = own()
    post(owner, {"deployment": "a", "ts": (datetime.now(UTC) - timedelta(days=1)).isoformat()})
    wait_until(lambda: len(select(owner, "select distinct grain_s from rollups")) == len(GRAINS), 15)
    wait_until(lambda: one(owner, "select count(*) from dirty") == 0, 15)


def test_a_day_follows_its_hours_whichever_was_computed_last(own: Own) -> None:
    """The pace lets a day be computed while its newest hour still waits: the hour must then mark the day again."""
    owner = own(clock=lambda: NOW)
    post(owner, {"deployment": "a"})
    owner.wait_loaded(rolled=True)
    post(owner, {"deployment": "a"})
    owner.wait_loaded()
    midnight = NOW.replace(tzinfo=None, hour=0, minute=0, second=0)
    day, hour = GRAINS[-1], GRAINS[-2]
    owner.run(lambda con: recompute(con, day, midnight, midnight + timedelta(days=1), EVER)).result(10)
    owner.run(lambda con: recompute(con, hour, midnight, midnight + timedelta(days=1), EVER)).result(10)
    owner.wait_loaded(rolled=True)
    assert select(owner, "select distinct n from rollups where grain_s = 86400") == [(2,)]


def test_an_import_of_years_is_rolled_up(own: Own) -> None:
    owner = own(clock=lambda: NOW)
    events = [
        {
            "deployment": "a",
            "event_id": str(day),
            "ts": (NOW - timedelta(days=day)).isoformat(),
            "latency_ms": 1.0 + day,
        }
        for day in range(0, 730, 40)
    ]
    post(owner, events)
    owner.wait_loaded(rolled=True)
    for grain in GRAINS:
        found = one(owner, "select sum(n) from rollups where grain_s = $grain and by_what = 'all'", grain=grain.seconds)
        assert found == len(events)
