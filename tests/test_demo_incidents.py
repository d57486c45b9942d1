from collections import Counter
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from monitor.demo.deployments import PROFILES
from monitor.demo.incidents import KINDS, incidents
from monitor.demo.rhythm import arrivals
from monitor.stats.burn import runs
from tests.demo_log import (
    DAY_S,
    DAYS,
    FLEET,
    NOW,
    WEEKEND_NIGHT,
    leak_still_going_on,
    logs_of,
    one,
    planted,
    states,
)

SIX_HOURS, DAY = timedelta(hours=6), timedelta(days=1)
AFTERMATH = {"error_burst": timedelta(hours=1), "quiet_outage": timedelta(0)}
"""How long a state outlives its incident; of the others the windows of six hours must pass."""


def test_traffic_follows_the_day_and_the_week() -> None:
    for profile in PROFILES:
        seconds = logs_of(NOW)[profile.id].ts.tolist()
        by_hour = np.bincount([datetime.fromtimestamp(s, UTC).hour for s in seconds], minlength=24)
        assert abs(int(by_hour.argmax()) - profile.peak_hour) <= 2
        assert by_hour.max() > by_hour.min() / profile.trough * 0.8
        days = Counter(datetime.fromtimestamp(s, UTC).date() for s in seconds)
        whole = [(day.weekday() >= 5, n) for day, n in sorted(days.items())[1:-1]]
        free, working = (np.mean([n for weekend, n in whole if weekend == kind]) for kind in (True, False))
        assert free / working == pytest.approx(profile.weekend, abs=0.06)


def test_arrivals_vary_more_than_a_poisson_process() -> None:
    rng = np.random.default_rng(1)
    noon = datetime(2026, 11, 18, 12, tzinfo=UTC)
    counts = [np.bincount((arrivals(PROFILES[0], noon, rng)[0] // 60).astype(int), minlength=60) for _ in range(20)]
    assert np.var(counts) / np.mean(counts) > 2


def test_the_fleet_file_registers_the_deployments_as_they_answer() -> None:
    logs = logs_of(NOW)
    assert set(FLEET.deployments) == set(logs)
    for profile in PROFILES:
        registered = FLEET.deployments[profile.id]
        said = (registered.checkpoint, registered.model, registered.environment)
        assert said == (profile.checkpoint, profile.model, profile.environment)
        assert logs[profile.id].checkpoint[-1] == registered.checkpoint
        assert set(logs[profile.id].checkpoint.tolist()) <= set(FLEET.checkpoints)


def test_incidents_hang_on_the_hour_of_now() -> None:
    assert incidents(NOW) == incidents(NOW.replace(minute=0, second=0, microsecond=0))
    for before, after in zip(incidents(NOW), incidents(NOW + timedelta(hours=1)), strict=True):
        moved = timedelta(0) if before.kind == "quiet_outage" else timedelta(hours=1)
        assert (after.start - before.start, after.end - before.end) == (moved, moved)
    assert {incident.kind for incident in incidents(NOW)} == set(KINDS)
    assert {incident.kind for incident in incidents(NOW, days=1)} == {"error_burst", "slow_leak"}


def test_the_outage_is_on_a_working_day_whenever_the_demo_is_made() -> None:
    for hours in range(7 * 24):
        now = NOW + timedelta(hours=hours)
        [outage] = [i for i in incidents(now) if i.kind == "quiet_outage"]
        [regression] = [i for i in incidents(now) if i.kind == "latency_regression"]
        assert outage.start.weekday() < 5
        assert regression.end + timedelta(hours=8) < outage.start < outage.end < now - DAY


def test_the_latency_regression_begins_and_ends_with_the_checkpoint() -> None:
    incident = one("latency_regression")
    log = logs_of(NOW)[incident.deployment]
    assert ((log.checkpoint == incident.checkpoint) == log.during(incident.start, incident.end)).all()
    p95 = log.p95(incident.start, incident.end)
    for shift in (-DAY, DAY):
        assert p95 / log.p95(incident.start + shift, incident.end + shift) == pytest.approx(
            incident.magnitude, rel=0.06
        )
    assert incident.end - incident.start == timedelta(hours=20)


def test_the_error_burst_fails_three_in_ten_with_its_own_errors() -> None:
    incident = one("error_burst")
    log = logs_of(NOW)[incident.deployment]
    inside = log.during(incident.start, incident.end)
    assert inside.sum() > 60
    assert log.failed[inside].mean() == pytest.approx(incident.magnitude, abs=0.03)
    assert set(log.error_type[inside & log.failed].tolist()) == set(incident.error_types)
    assert log.failed[log.during(incident.start - DAY, incident.start)].mean() < 0.003
    assert incident.end - incident.start == timedelta(minutes=25)


@pytest.mark.parametrize("hours, at_least, at_most", [(12, 1.0, 1.25), (36, 1.15, 1.7), (60, 1.5, 2.0)])
def test_the_slow_leak_creeps_up(hours: int, at_least: float, at_most: float) -> None:
    leak = planted("slow_leak")[0]
    log = logs_of(NOW)[leak.deployment]
    moment = leak.start + timedelta(hours=hours)
    assert at_least < log.p95(moment - SIX_HOURS, moment) / log.p95(leak.start - DAY, leak.start) < at_most


def test_the_slow_leak_ends_with_a_restart_and_brings_no_errors() -> None:
    leak = planted("slow_leak")[0]
    log = logs_of(NOW)[leak.deployment]
    before = log.p95(leak.start - DAY, leak.start)
    assert log.p95(leak.end - SIX_HOURS, leak.end) / before == pytest.approx(leak.magnitude, rel=0.1)
    assert log.p95(leak.end, leak.end + SIX_HOURS) / before == pytest.approx(1, rel=0.1)
    assert log.queue_p95(leak.end - SIX_HOURS, leak.end) > 10 * log.queue_p95(leak.start - DAY, leak.start)
    assert log.failed[log.during(leak.start, leak.end)].mean() < 0.005
    assert leak.end - leak.start == timedelta(days=3)


def test_the_quiet_outage_is_silent_and_nothing_else_is() -> None:
    outage = one("quiet_outage")
    for deployment, log in logs_of(NOW).items():
        gaps = np.diff(log.ts)
        if deployment == outage.deployment:
            longest = int(gaps.argmax())
            assert not log.during(outage.start, outage.end).any()
            assert log.ts[longest] < outage.start.timestamp() < outage.end.timestamp() <= log.ts[longest + 1]
            around = log.during(outage.start - timedelta(hours=1), outage.end + timedelta(hours=1))
            assert log.failed[around].mean() < 0.01
            gaps = np.delete(gaps, longest)
        assert gaps.max() < FLEET.deployments[deployment].slo.no_data_after_s / 2


def test_errors_stay_within_the_objective_but_in_the_burst() -> None:
    burst = one("error_burst")
    for deployment, log in logs_of(NOW).items():
        calm = ~log.during(burst.start, burst.end) | (deployment != burst.deployment)
        budget = 1 - FLEET.deployments[deployment].slo.availability
        assert log.failed[calm].mean() < budget / 3
        day = (log.ts[calm] // DAY_S).astype(int)
        errors = np.bincount(day - day.min(), log.failed[calm])
        assert (errors < budget * np.bincount(day - day.min())).all()


@pytest.mark.parametrize("now, seed", [(NOW, 7), (WEEKEND_NIGHT, 8)])
def test_each_incident_raises_its_state_and_nothing_else_does(now: datetime, seed: int) -> None:
    for deployment, log in logs_of(now, seed).items():
        series = states(log, deployment, now)
        here = [incident for incident in incidents(now) if incident.deployment == deployment]
        for incident in here:
            seen = [r for r in runs(series) if r.state == incident.state and incident.start <= r.from_ts < incident.end]
            assert seen, f"not seen in time: {incident}"
        for run in runs(series, now - timedelta(days=DAYS, minutes=-30)):
            explained = any(
                i.start <= run.from_ts and run.to_ts <= i.end + AFTERMATH.get(i.kind, timedelta(hours=6.5))
                for i in here
            )
            assert run.state == "ok" or explained, run


def test_now_one_deployment_is_unwell_and_the_others_are_not() -> None:
    last = {name: str(states(log, name, NOW).states[-1]) for name, log in logs_of(NOW).items()}
    leak = leak_still_going_on()
    assert last == dict.fromkeys(last, "ok") | {leak.deployment: leak.state}
