"""The planted incidents of the demo, each found at its time by the queries that the pages ask, and nothing else."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor.demo.incidents import Incident, Truth, read_truth
from monitor.queries import Ask, ask
from monitor.store.owner import StoreOwner

Rows = list[dict[str, Any]]


class Told:
    """The demo's store, asked at the moment that the demo ends."""

    def __init__(self, owner: StoreOwner, truth: Truth) -> None:
        self.owner, self.truth = owner, truth

    def ask(self, name: str, **params: Any) -> Rows:
        with self.owner.cursor() as con:
            found: Rows = ask(name, params, Ask(con, self.owner.fleet, self.truth.now)).to_pylist()
        return found

    def signals(self, deployment: str, start: datetime, end: datetime, resolution_s: int) -> Rows:
        return self.ask(
            "golden_signals",
            start=start.isoformat(),
            end=end.isoformat(),
            keys=[deployment],
            source="demo",
            resolution_s=resolution_s,
        )

    def states(self, deployment: str) -> Rows:
        return self.ask("state_timeline", start="-14d", end="now", deployments=[deployment], source="demo")

    def incidents(self, kind: str) -> list[Incident]:
        return [one for one in self.truth.incidents if one.kind == kind]


@pytest.fixture(scope="module")
def told(demo_owner: StoreOwner, demo_data: Path) -> Told:
    return Told(demo_owner, read_truth(demo_data / "demo-truth.json"))


def inside(runs: Rows, state: str, incident: Incident) -> Rows:
    return [r for r in runs if r["state"] == state and r["from_ts"] < incident.end and r["to_ts"] > incident.start]


def median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def test_the_latency_regression_shows_from_its_deploy_marker_on(told: Told) -> None:
    (incident,) = told.incidents("latency_regression")
    markers = told.ask("deploy_markers", start="-14d", end="now", deployments=[incident.deployment], source="demo")
    assert incident.checkpoint is not None
    switched = {marker["checkpoint"]: marker["ts"] for marker in markers if marker["ts"] >= incident.start}
    assert timedelta(0) <= switched[incident.checkpoint] - incident.start < timedelta(minutes=5)
    hours = told.signals(incident.deployment, incident.start - timedelta(days=1), incident.end, 3600)
    during = [row["p95_ms"] for row in hours if row["bucket"] >= incident.start]
    before = [row["p95_ms"] for row in hours if row["bucket"] < incident.start - timedelta(hours=4)]
    assert median(during) / median(before) > 1.5
    assert inside(told.states(incident.deployment), "alert", incident)


def test_the_error_burst_alerts_within_minutes_and_names_its_errors(told: Told) -> None:
    (incident,) = told.incidents("error_burst")
    first = inside(told.states(incident.deployment), "alert", incident)[0]
    # the fast rule asks for 7.2 % of an hour at this SLO, which 30 % failing reach after 15 minutes
    assert timedelta(0) < first["from_ts"] - incident.start < timedelta(minutes=20)
    window = {"start": incident.start.isoformat(), "end": incident.end.isoformat()}
    top = told.ask("top_errors", **window, deployments=[incident.deployment], source="demo")
    assert {row["error_type"] for row in top[:2]} == set(incident.error_types)
    minutes = told.signals(incident.deployment, incident.start, incident.end, 60)
    failed = sum(row["errors"] for row in minutes) / sum(row["n"] for row in minutes)
    assert failed == pytest.approx(incident.magnitude, abs=0.08)


def test_the_slow_leak_climbs_until_its_restart_and_is_an_alert_now(told: Told) -> None:
    finished, going_on = told.incidents("slow_leak")
    assert going_on.end > told.truth.now
    hours = told.signals(finished.deployment, finished.start, finished.end, 3600)
    p95 = [row["p95_ms"] for row in hours if row["p95_ms"] is not None]
    assert sum(p95[-6:]) / sum(p95[:6]) > 1.5
    states = {row["deployment"]: row["state"] for row in told.ask("fleet")}
    assert states == {"vision-edge": "alert", "vision-prod": "ok", "text-prod": "ok"}


def test_the_quiet_outage_is_a_gap_and_a_state_of_its_own(told: Told) -> None:
    (incident,) = told.incidents("quiet_outage")
    minutes = told.signals(incident.deployment, incident.start, incident.end, 60)
    assert sum(row["n"] for row in minutes) == 0
    assert {row["p95_ms"] for row in minutes} == {None}
    (silence,) = inside(told.states(incident.deployment), "no_data", incident)
    assert silence["from_ts"] - incident.start < timedelta(minutes=25)
    assert silence["to_ts"] - incident.end < timedelta(minutes=5)


def test_no_alert_begins_where_nothing_was_planted(told: Told) -> None:
    for deployment in ("vision-prod", "vision-edge", "text-prod"):
        planted = [one for one in told.truth.incidents if one.deployment == deployment]
        for run in told.states(deployment):
            if run["state"] in ("alert", "no_data") and run["from_ts"] > told.truth.now - timedelta(days=13):
                # a burn looks back over hours, so that a state may flicker for some time after its cause
                assert any(one.start <= run["from_ts"] <= one.end + timedelta(hours=6) for one in planted), run


def test_everything_is_labelled_demo_and_production_stays_empty(told: Told) -> None:
    assert {row["source"] for row in told.ask("deployments") if row["n"]} == {"demo"}
    assert told.ask("golden_signals", start="-14d", end="now", source="production") == []
    assert {row["source"] for row in told.ask("fleet") if row["n"]} == {"demo"}
