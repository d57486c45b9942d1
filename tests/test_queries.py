"""The registered questions, asked of a real store."""

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import orjson
import pytest

from monitor.errors import BadInput, NotFound
from monitor.queries import QUERIES, Ask, ask
from monitor.records import Checkpoint, Deployment, Fleet, Model, Slo
from monitor.store.owner import StoreOwner

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
Own = Callable[..., StoreOwner]
Rows = list[dict[str, Any]]

FLEET = Fleet(
    models={"vision": Model("vision")},
    checkpoints={"v1": Checkpoint("v1", "vision"), "v2": Checkpoint("v2", "vision")},
    deployments={
        "vision-prod": Deployment("vision-prod", "v1", "vision", slo=Slo(latency_ms=400)),
        "silent": Deployment("silent", "v2", "vision"),
    },
)


def event(ago: timedelta, **fields: Any) -> dict[str, Any]:
    return {"deployment": "vision-prod", "ts": (NOW - ago).isoformat(), "latency_ms": 100.0} | fields


def post(owner: StoreOwner, events: Rows) -> None:
    answer = owner.door.accept(orjson.dumps(events), "application/json", NOW).result()
    assert answer.rejected == 0, answer.errors
    owner.wait_loaded(rolled=True)


def rows(owner: StoreOwner, name: str, **params: Any) -> Rows:
    with owner.cursor() as con:
        found: Rows = ask(name, params, Ask(con, owner.fleet, NOW, owner.figures)).to_pylist()
    return found


@pytest.fixture
def owner(own: Own) -> StoreOwner:
    return own(FLEET, lambda: NOW)


DAY = {"start": "-24h", "end": "now"}
PARAMS: dict[str, dict[str, str]] = {
    "fleet": {},
    "deployments": {},
    "ingest_status": {},
    "probe_targets": {},
    "probe_runs": {},
    "canary_deployments": {},
    "canary_runs": {},
    "canary_signals": {},
    "canary_learned": {"canary": "general", "deployment": "vision-prod", "checkpoint": "step-600"},
    "drift": {},
    "drift_backlog": {},
    "drift_deployments": {},
    "drift_due": {"deployment": "chat", "grain": "day"},
    "drift_heat": DAY | {"deployment": "chat"},
    "drift_images": DAY | {"deployment": "chat"},
    "drift_profiles": DAY | {"deployment": "chat", "reference": "none"},
    "drift_ranking": {"deployment": "chat"},
    "drift_references": {},
    "drift_rows": DAY | {"deployment": "chat"},
    "drift_windows": DAY | {"deployment": "chat"},
    "drift_reports": {},
    "drift_thresholds": {},
    "drift_trial": {"deployment": "chat", "threshold": "0.1"},
    "drift_wishes": {},
    "drift_words": {"reference": "none"},
    "benchmarks": {},
    "benchmark_runs": {},
    "benchmark_scores": {},
    "benchmark_best": {},
    "benchmark_protocols": {"benchmark": "mmmu"},
    "benchmark_items": {"run": "none"},
    "benchmark_published": {},
    "jobs": {},
    "job_runs": {},
    "compare": DAY | {"a": "vision-prod", "b": "silent"},
}
"""Parameters of the queries that need others than a window."""


OF_ONE = (
    {"request", "probe_run", "probe_items", "probe_comparison"}
    | {
        "benchmark_ranking",
        "benchmark_comparison",
        "benchmark_flips",
    }
    | {"drift_reference", "drift_feature", "drift_feature_history", "drift_examples", "drift_quality", "drift_slices"}
    | {"drift_report_rows", "drift_report_sides"}
    | {f"canary_{name}" for name in ("matrix", "item", "trend", "evidence", "noise", "comparison", "parted")}
)
"""Queries about one thing that has to be there."""


@pytest.mark.parametrize("name", sorted(set(QUERIES) - OF_ONE))
def test_every_query_answers_on_an_empty_store(owner: StoreOwner, name: str) -> None:
    rows(owner, name, **PARAMS.get(name, DAY))


def test_every_query_says_what_it_answers() -> None:
    assert all(query.summary.endswith(".") for query in QUERIES.values())


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"start": "yesterday", "end": "now"}, "start is 'yesterday': expected RFC 3339"),
        ({"start": "now", "end": "-1h"}, "is not before end"),
        ({"end": "now"}, "start is missing"),
        ({"start": "-1h", "end": "now", "by": "colour"}, "by is 'colour'"),
        ({"start": "-1h", "end": "now", "nonsense": "1"}, "there is no parameter 'nonsense'; there are start, end"),
        ({"start": "-1h", "end": "now", "resolution_s": "7"}, "resolution_s is 7: allowed are 0"),
        ({"start": "-90d", "end": "now", "resolution_s": "60"}, "more than 1500 buckets"),
        ({"start": "-99999999999999w", "end": "now"}, "too long ago"),
    ],
)
def test_a_bad_parameter_says_what_is_allowed(owner: StoreOwner, params: dict[str, str], message: str) -> None:
    with pytest.raises(BadInput, match=re.escape(message)):
        rows(owner, "golden_signals", **params)


def test_an_unknown_query_names_those_there_are(owner: StoreOwner) -> None:
    with pytest.raises(NotFound, match="golden_signals"):
        rows(owner, "golden_sinals")


def test_golden_signals_equal_what_numpy_finds_in_the_raw_requests(owner: StoreOwner) -> None:
    random = np.random.default_rng(1)
    latencies = random.lognormal(5, 0.5, 600)
    failed = random.random(600) < 0.1
    post(
        owner,
        [
            event(timedelta(seconds=float(s)), latency_ms=float(x), status="error" if bad else "ok", tokens_out=3)
            for s, x, bad in zip(random.uniform(0, 59, 600), latencies, failed, strict=True)
        ],
    )
    (row,) = [r for r in rows(owner, "golden_signals", start="-1m", end="now") if r["n"]]
    good = latencies[~failed]
    assert (row["n"], row["errors"], row["n_latency"]) == (600, failed.sum(), good.size)
    assert row["slow"] == (good > 400).sum()
    for column, q in (("p50_ms", 0.5), ("p95_ms", 0.95), ("p99_ms", 0.99)):
        assert row[column] == pytest.approx(np.quantile(good, q))
    assert row["error_rate_low"] < row["error_rate"] == failed.mean() < row["error_rate_high"]
    assert row["rate_per_s"] == pytest.approx(10)
    assert row["tokens_out_per_s"] == pytest.approx(30)


def test_a_bucket_without_requests_has_no_latency_instead_of_zero(owner: StoreOwner) -> None:
    post(owner, [event(timedelta(minutes=2)), event(timedelta(minutes=50))])
    found = rows(owner, "golden_signals", start="-1h", end="now", resolution_s=60)
    assert len(found) == 60
    empty = [row for row in found if row["n"] == 0]
    assert len(empty) == 58
    assert {(row["p95_ms"], row["error_rate"], row["rate_per_s"]) for row in empty} == {(None, None, 0.0)}


def test_a_log_without_latency_has_requests_and_no_percentiles(owner: StoreOwner) -> None:
    post(owner, [event(timedelta(minutes=i), latency_ms=None, tokens_in=10) for i in range(1, 40)])
    found = [row for row in rows(owner, "golden_signals", start="-1h", end="now") if row["n"]]
    assert sum(row["n"] for row in found) == 39
    assert {(row["n_latency"], row["p50_ms"]) for row in found} == {(0, None)}
    assert rows(owner, "latency_quantiles", start="-1h", end="now") == []


def test_only_the_asked_source_counts(owner: StoreOwner) -> None:
    post(owner, [event(timedelta(minutes=1)), event(timedelta(minutes=1), source="probe")])
    assert sum(row["n"] for row in rows(owner, "golden_signals", start="-1h", end="now")) == 1
    assert sum(row["n"] for row in rows(owner, "golden_signals", start="-1h", end="now", source="probe")) == 1


@pytest.mark.parametrize(("by", "keys"), [("model", {"vision", "m2"}), ("checkpoint", {"v1", "c2"}), ("all", {"all"})])
def test_signals_are_grouped_as_asked(owner: StoreOwner, by: str, keys: set[str]) -> None:
    post(owner, [event(timedelta(minutes=1)), event(timedelta(minutes=1), deployment="b", model="m2", checkpoint="c2")])
    found = rows(owner, "golden_signals", start="-1h", end="now", by=by)
    assert {row["key"] for row in found} == keys
    assert sum(row["n"] for row in found) == 2


def test_the_reference_band_is_the_week_before_moved_into_the_window(owner: StoreOwner) -> None:
    week = timedelta(days=7)
    post(
        owner,
        [event(week + timedelta(minutes=m, seconds=s), latency_ms=100 + m) for m in range(1, 40) for s in range(25)],
    )
    post(owner, [event(timedelta(minutes=5))])
    band = rows(owner, "reference_band", start="-30m", end="now", offset="week", resolution_s=60)
    assert [row["bucket"] for row in band] == [NOW - timedelta(minutes=m) for m in range(30, 0, -1)]
    middle = band[15]
    assert middle["p50_low"] < middle["p50_high"]
    assert middle["p50_low"] <= 100 + 15 <= middle["p50_high"]
    assert middle["rate_low"] == pytest.approx(25 / 60)


def test_top_errors_lead_to_an_example_that_can_be_opened(owner: StoreOwner) -> None:
    post(owner, [event(timedelta(minutes=i)) for i in range(1, 50)])
    post(
        owner,
        [
            event(timedelta(minutes=m), event_id=f"e{m}", error_type="Timeout", error_message=f"after {m}")
            for m in (30, 9)
        ],
    )
    (top,) = rows(owner, "top_errors", start="-1h", end="now")
    assert (top["error_type"], top["n"], top["total"], top["example_id"]) == ("Timeout", 2, 51, "e9")
    assert top["share_low"] < top["share"] < top["share_high"]
    assert top["example_message"] == "after 9"
    (whole,) = rows(owner, "request", event_id=top["example_id"], ts=top["example_ts"].isoformat())
    assert (whole["error_message"], whole["status"]) == ("after 9", "error")


def test_quantiles_of_a_window_carry_their_interval_and_stay_within_the_error_of_the_grid(owner: StoreOwner) -> None:
    values = np.random.default_rng(2).lognormal(5, 1, 2000)
    post(owner, [event(timedelta(seconds=10 + i), latency_ms=float(v)) for i, v in enumerate(values)])
    found = {row["quantile"]: row for row in rows(owner, "latency_quantiles", start="-1h", end="now")}
    for q, row in found.items():
        assert row["value_ms"] == pytest.approx(np.quantile(values, q, method="lower"), rel=0.0055)
        assert row["low_ms"] <= row["value_ms"] <= row["high_ms"]
        assert row["n"] == 2000
    shares = rows(owner, "latency_distribution", start="-1h", end="now")
    assert sum(row["n"] for row in shares) == 2000


def test_too_few_requests_give_no_upper_bound(owner: StoreOwner) -> None:
    post(owner, [event(timedelta(seconds=i)) for i in range(1, 50)])
    found = {row["quantile"]: row for row in rows(owner, "latency_quantiles", start="-1h", end="now")}
    assert found[0.99]["high_ms"] is None
    assert found[0.5]["high_ms"] is not None


def test_comparing_a_slower_deployment_says_so_with_an_interval(owner: StoreOwner) -> None:
    random = np.random.default_rng(3)
    for name, mean in (("a", 5.0), ("b", 5.5)):
        latencies = random.lognormal(mean, 0.4, 900)
        post(
            owner,
            [event(timedelta(seconds=i + 1), deployment=name, latency_ms=float(x)) for i, x in enumerate(latencies)],
        )
    found = {row["metric"]: row for row in rows(owner, "compare", start="-1h", end="now", a="a", b="b")}
    p50 = found["p50_ms"]
    assert p50["verdict"] == "b_higher"
    assert 0 < p50["difference_low"] < p50["difference"] == p50["b"] - p50["a"] < p50["difference_high"]
    assert found["error_rate"]["verdict"] == "no_difference_shown"
    assert found["ttft_p95_ms"]["verdict"] == "not_enough_data"
    assert found["ttft_p95_ms"]["a"] is None


def test_a_checkpoint_change_is_a_deploy_marker_at_its_first_request(owner: StoreOwner) -> None:
    post(owner, [event(timedelta(minutes=m), checkpoint="v1" if m > 90 else "v2") for m in range(1, 300, 7)])
    (marker,) = rows(owner, "deploy_markers", start="-6h", end="now")
    assert (marker["previous_checkpoint"], marker["checkpoint"]) == ("v1", "v2")
    assert marker["ts"] == NOW - timedelta(minutes=85)


def test_a_deployment_of_the_fleet_file_that_never_answered_has_no_data(owner: StoreOwner) -> None:
    post(owner, [event(timedelta(minutes=1)), event(timedelta(minutes=1), deployment="stranger")])
    found = {row["deployment"]: row for row in rows(owner, "fleet")}
    assert found["silent"]["state"] == "no_data"
    assert found["silent"]["n"] == 0
    assert found["silent"]["error_rate"] is None
    assert found["stranger"]["registered"] is False
    assert found["vision-prod"]["registered"] is True


def test_an_outage_alerts_and_says_since_when_and_why(owner: StoreOwner) -> None:
    post(
        owner,
        [
            event(timedelta(seconds=6 * i), **({"error_type": "Boom"} if 6 * i < 20 * 60 else {}))
            for i in range(1, 6 * 600)
        ],
    )
    (row,) = [row for row in rows(owner, "fleet") if row["deployment"] == "vision-prod"]
    assert row["state"] == "alert"
    assert NOW - timedelta(minutes=20) <= row["since"] <= NOW - timedelta(minutes=12)
    assert "requests failed" in row["state_reason"]
    assert row["budget_left"] < 0
    runs = rows(owner, "state_timeline", start="-2h", end="now", deployments=["vision-prod"])
    states = [run["state"] for run in runs]
    assert (states[0], states[-1]) == ("ok", "alert"), states
    assert runs[-1]["from_ts"] == row["since"]


def test_one_failure_at_low_traffic_does_not_flap(owner: StoreOwner) -> None:
    post(
        owner, [event(timedelta(minutes=20 * i + 1), **({"error_type": "Boom"} if i == 1 else {})) for i in range(200)]
    )
    (row,) = [row for row in rows(owner, "fleet") if row["deployment"] == "vision-prod"]
    assert row["state"] == "ok"


def test_a_change_is_told_only_beyond_the_reference_band(owner: StoreOwner) -> None:
    day = timedelta(days=1)
    post(owner, [event(day + timedelta(seconds=3 * i)) for i in range(1200)])
    post(owner, [event(timedelta(seconds=30 * i + 1), latency_ms=900.0) for i in range(110)])
    (row,) = [row for row in rows(owner, "fleet", reference="day") if row["deployment"] == "vision-prod"]
    assert (row["rate_change"], row["p95_change"], row["error_rate_change"]) == ("below", "above", "in_band")
    (row,) = [row for row in rows(owner, "fleet", reference="week") if row["deployment"] == "vision-prod"]
    assert row["rate_change"] == "no_reference"


@pytest.mark.parametrize("sort", ["newest", "slowest"])
def test_paging_shows_every_request_once(owner: StoreOwner, sort: str) -> None:
    random = np.random.default_rng(4)
    # many share a time and a latency, which is where a cursor without a tie-break loses rows
    post(
        owner,
        [
            event(timedelta(seconds=int(random.integers(1, 5))), latency_ms=float(random.integers(1, 4)))
            for _ in range(230)
        ],
    )
    seen, cursor = [], ""
    while page := rows(owner, "requests", start="-1h", end="now", sort=sort, limit=50, cursor=cursor):
        seen += page
        cursor = page[-1]["cursor"]
    assert len(seen) == len({row["event_id"] for row in seen}) == 230
    column = "ts" if sort == "newest" else "latency_ms"
    assert [row[column] for row in seen] == sorted((row[column] for row in seen), reverse=True)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"deployments": ["b"]}, {"2"}),
        ({"status": "error"}, {"3"}),
        ({"error_type": "Timeout"}, {"3"}),
        ({"checkpoint": "v9"}, {"4"}),
        ({"min_latency_ms": "500"}, {"5"}),
        ({"max_latency_ms": "50"}, {"6"}),
        ({"text": "PURPLE"}, {"7", "8"}),
        ({"text": "100%_"}, {"9"}),
        ({"session_id": "s"}, {"10"}),
        ({"trace_id": "t"}, {"11"}),
        ({"error_type": "Timeout", "status": "ok"}, set()),
    ],
)
def test_each_filter_finds_its_requests(owner: StoreOwner, filters: dict[str, Any], expected: set[str]) -> None:
    special: Rows = [
        {},
        {"deployment": "b"},
        {"error_type": "Timeout"},
        {"checkpoint": "v9"},
        {"latency_ms": 999.0},
        {"latency_ms": 1.0},
        {"input_text": "a purple square"},
        {"output_text": "Purple."},
        {"input_text": "100%_sure"},
        {"session_id": "s"},
        {"trace_id": "t"},
    ]
    post(owner, [event(timedelta(minutes=1), event_id=str(i + 1), **fields) for i, fields in enumerate(special)])
    found = rows(owner, "requests", start="-1h", end="now", **filters)
    assert {row["event_id"] for row in found} == expected


def test_a_foreign_cursor_is_refused(owner: StoreOwner) -> None:
    with pytest.raises(BadInput, match="cursor is 'garbage'"):
        rows(owner, "requests", start="-1h", end="now", cursor="garbage")


def test_a_request_that_is_not_there_says_why_that_may_be(owner: StoreOwner) -> None:
    with pytest.raises(NotFound, match="left the store by age"):
        rows(owner, "request", event_id="none")


def test_one_request_comes_back_whole(owner: StoreOwner) -> None:
    sent = event(
        timedelta(minutes=3),
        event_id="whole",
        input_text="what is this",
        features={"brightness": 0.5, "language": "en"},
        media=[{"sha256": "ab", "mime": "image/png", "width": 3, "height": 4}],
        attrs={"seed": 7},
        feedback=-1,
        user="mia",
    )
    post(owner, [sent])
    (row,) = rows(owner, "request", event_id="whole")
    assert dict(row["features_num"]) == {"brightness": 0.5}
    assert dict(row["features_str"]) == {"language": "en"}
    assert (row["media"][0]["width"], row["feedback"], orjson.loads(row["attrs"])) == (3, -1, {"seed": 7})
    assert row["checkpoint"] == "v1", "filled from the fleet file"
    assert len(row["user_hash"]) == 24
    assert "mia" not in str(row)


def test_the_status_counts_what_is_stored(owner: StoreOwner) -> None:
    post(owner, [event(timedelta(minutes=1))] * 3)
    (status,) = rows(owner, "ingest_status")
    assert (status["predictions"], status["spool_bytes"], status["rejects_24h"]) == (3, 0, 0)
    assert status["newest_ts"] == NOW - timedelta(minutes=1)
    assert not math.isnan(status["loader_lag_seconds"])


def test_the_resolution_gets_coarser_where_a_bucket_would_hold_too_few_requests_for_a_percentile(
    owner: StoreOwner,
) -> None:
    post(owner, [event(timedelta(minutes=5 * i + 1)) for i in range(12 * 23)])
    (sparse,) = {row["resolution_s"] for row in rows(owner, "golden_signals", start="-24h", end="now")}
    post(owner, [event(timedelta(seconds=10 * i + 1), deployment="busy") for i in range(360 * 23)])
    (busy,) = {row["resolution_s"] for row in rows(owner, "golden_signals", start="-24h", end="now", keys=["busy"])}
    (asked,) = {row["resolution_s"] for row in rows(owner, "golden_signals", start="-24h", end="now", resolution_s=300)}
    assert (sparse, busy, asked) == (3600, 300, 300)


def test_one_error_after_a_week_without_any_is_not_a_change(owner: StoreOwner) -> None:
    week = timedelta(days=7)
    post(owner, [event(week + timedelta(seconds=15 * i + 1)) for i in range(240)])
    post(
        owner, [event(timedelta(seconds=15 * i + 1), **({"error_type": "Boom"} if i == 3 else {})) for i in range(240)]
    )
    (row,) = [row for row in rows(owner, "fleet", reference="week") if row["deployment"] == "vision-prod"]
    assert (row["errors"], row["error_rate_change"]) == (1, "in_band")
    assert 0 < row["error_rate_ref_high"] < 0.02


def test_fine_rollups_that_left_by_age_are_replaced_by_hours(owner: StoreOwner) -> None:
    post(owner, [event(timedelta(days=400, seconds=i)) for i in range(60)])
    then = NOW - timedelta(days=400)
    window = {"start": (then - timedelta(hours=4)).isoformat(), "end": (then + timedelta(hours=1)).isoformat()}
    assert {row["resolution_s"] for row in rows(owner, "golden_signals", **window)} == {300}
    owner.expire(NOW)
    found = rows(owner, "golden_signals", **window)
    assert {row["resolution_s"] for row in found} == {3600}
    assert sum(row["n"] for row in found) == 60
