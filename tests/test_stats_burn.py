"""What the state of a deployment says during scripted incidents."""

import math

import numpy as np
import pytest

from monitor.records import Slo
from monitor.stats.burn import BURN_RULES, burn_over, reason_at, runs
from monitor.stats.burn_rules import bad_share_limit
from tests.burn_scenarios import DAY, at, every, failing, first, series, states_after, steady

# Scripted incidents.


def test_a_complete_outage_of_a_99_percent_slo_alerts_after_five_minutes() -> None:
    n = steady(20, 4 * DAY)
    found = series(n, failing(n, 1.0, 3 * DAY, 4 * DAY))
    assert set(found.states[: 3 * DAY]) == {"ok"}
    assert first(found, "alert") + 1 - 3 * DAY == 5
    assert states_after(found, 3 * DAY + 5) == {"alert"}
    assert reason_at(found, 3 * DAY + 4) == (
        "all 100 requests failed in the last 5 minutes: burning the 99 % availability budget 100 times too fast"
    )


def test_the_rule_of_the_workbook_alone_would_take_nine_minutes_for_it() -> None:
    n = steady(20, 4 * DAY)
    bad = failing(n, 1.0, 3 * DAY, 4 * DAY)
    bad[3 * DAY :: 2] -= 1  # one success every other minute keeps the rule for complete outages out
    assert first(series(n, bad), "alert") + 1 - 3 * DAY == 9


def test_one_failure_at_three_requests_per_hour_never_alerts() -> None:
    n = every(20, 4 * DAY)
    for minute in (0, 20, 3 * DAY, 4 * DAY - 20):
        bad = np.zeros_like(n)
        bad[minute] = 1
        assert states_after(series(n, bad), 0) == {"ok"}


def test_a_lone_failure_each_day_at_three_requests_per_hour_stays_ok() -> None:
    n = every(20, 30 * DAY)
    bad = every(DAY, 30 * DAY)
    assert states_after(series(n, bad), 0) == {"ok"}


def test_single_errors_here_and_there_do_not_flap() -> None:
    n = steady(50, 4 * DAY)
    assert states_after(series(n, every(7, n.size)), 0) == {"ok"}


def test_a_bad_deployment_with_little_traffic_does_not_flap() -> None:
    rng = np.random.default_rng(41)
    n = every(5, 30 * DAY)
    bad = n * (rng.random(n.size) < 0.2)  # one in five fails, at 12 per hour
    found = series(n, bad)
    # A short window of 30 minutes flat, six requests, would change the state 800 times in these 27 days.
    assert len(runs(found, start=at(3 * DAY))) <= 5
    assert np.mean(found.states[3 * DAY :] == "alert") > 0.99


def test_recovery_ends_the_alert_within_the_short_window() -> None:
    n = steady(20, 4 * DAY)
    found = series(n, failing(n, 1.0, 3 * DAY, 3 * DAY + 10))
    assert [run.state for run in runs(found)] == ["ok", "alert", "ok"]
    assert runs(found)[1].from_ts == at(3 * DAY + 4)
    assert runs(found)[1].to_ts <= at(3 * DAY + 10 + 5)


def test_a_long_outage_stays_a_warning_for_a_while_because_the_budget_is_gone() -> None:
    n = steady(20, 5 * DAY)
    found = series(n, failing(n, 1.0, 3 * DAY, 3 * DAY + 60))
    assert [run.state for run in runs(found)] == ["ok", "alert", "warn", "ok"]
    assert runs(found)[2].to_ts <= at(3 * DAY + 60 + 360)


def test_a_slow_leak_gives_a_warning_and_no_alert() -> None:
    n = steady(20, 6 * DAY)
    found = series(n, failing(n, 0.03, 3 * DAY, 6 * DAY))
    assert [run.state for run in runs(found)] == ["ok", "warn"]
    assert 0.9 * DAY < first(found, "warn") - 3 * DAY < 1.1 * DAY
    assert "in the last 3 days: burning the 99 % availability budget 1.00 times too fast" in runs(found)[1].reason


def test_a_tenth_of_requests_failing_alerts_within_four_hours() -> None:
    n = steady(20, 4 * DAY)
    found = series(n, failing(n, 0.1, 3 * DAY, 4 * DAY))
    assert first(found, "alert") + 1 - 3 * DAY == pytest.approx(0.06 / 0.1 * 360, abs=2)


def test_an_outage_at_night_is_found_at_the_fifth_failure_although_the_short_window_is_mostly_empty() -> None:
    n = every(5, 4 * DAY)
    bad = failing(n, 1.0, 3 * DAY, 4 * DAY)
    found = series(n, bad)
    assert first(found, "alert") == 3 * DAY + 20
    assert states_after(found, 3 * DAY + 20) == {"alert"}


def test_fewer_bad_requests_than_the_slo_asks_for_raise_nothing() -> None:
    n = steady(1, 4 * DAY)
    bad = failing(n, 1.0, 3 * DAY, 3 * DAY + 14)
    assert first(series(n, bad, Slo(min_bad_events=14)), "alert") == 3 * DAY + 13
    assert states_after(series(n, bad, Slo(min_bad_events=15)), 0) == {"ok"}


# Lax and strict targets.


@pytest.mark.parametrize("target", [0.5, 0.9, 0.9306, 0.999])
def test_a_complete_outage_alerts_whatever_the_target(target: float) -> None:
    n = steady(20, 4 * DAY)
    assert first(series(n, failing(n, 1.0, 3 * DAY, 4 * DAY), Slo(availability=target)), "alert") <= 3 * DAY + 5


def test_a_rule_that_could_never_hold_holds_when_every_request_is_bad() -> None:
    hour = BURN_RULES[1]
    assert bad_share_limit(hour, 0.93) == 1.0
    assert bad_share_limit(hour, 0.95) == pytest.approx(0.72)
    n = steady(20, 4 * DAY)
    found = series(n, n * 0, Slo(latency_ms=500, latency_target=0.8), (n, failing(n, 1.0, 3 * DAY, 4 * DAY)))
    assert first(found, "alert") == 3 * DAY + 59


def test_what_a_lax_target_allows_raises_nothing() -> None:
    n = steady(20, 4 * DAY)
    assert states_after(series(n, failing(n, 0.4, 0, n.size), Slo(availability=0.5)), 0) == {"ok"}


def test_a_target_of_all_requests_has_no_budget_to_burn() -> None:
    n = steady(20, 4 * DAY)
    found = series(n, failing(n, 0.01, 3 * DAY, 4 * DAY), Slo(availability=1.0))
    assert first(found, "alert") < 3 * DAY + 30
    assert reason_at(found).endswith("the 100 % availability objective leaves no budget")
    assert states_after(series(n, n * 0, Slo(availability=1.0)), 0) == {"ok"}


# Latency.


def test_a_slow_deployment_alerts_for_its_latency_objective() -> None:
    n = steady(20, 4 * DAY)
    found = series(n, n * 0, Slo(latency_ms=2000), (n, failing(n, 1.0, 3 * DAY, 4 * DAY)))
    assert first(found, "alert") + 1 - 3 * DAY == 44  # 14.4 * 5 % of an hour
    assert reason_at(found, 3 * DAY + 43) == (
        "880 of 1,200 requests took longer than 2000 ms in the last hour: "
        "burning the 95 % latency budget 14.7 times too fast"
    )


def test_a_log_without_latency_is_not_called_fast() -> None:
    n = steady(20, DAY)
    found = series(n, n * 0, Slo(latency_ms=2000))
    assert states_after(found, 0) == {"ok"}
    assert reason_at(found) == (
        "none of 1,200 requests failed in the last hour, within the 99 % availability budget; "
        "no known latencies in the last 3 days, so the latency objective is not evaluated"
    )
    assert math.isnan(burn_over(found, 3600, "latency"))


def test_without_a_latency_objective_slow_requests_raise_nothing() -> None:
    n = steady(20, DAY)
    found = series(n, n * 0, Slo(), (n, n))
    assert states_after(found, 0) == {"ok"}
    assert "latency" not in reason_at(found)
    assert math.isnan(burn_over(found, 3600, "latency"))


def test_requests_of_unknown_latency_do_not_dilute_the_known_ones() -> None:
    n = steady(20, DAY)
    known = steady(1, DAY)
    found = series(n, n * 0, Slo(latency_ms=2000), (known, known))
    assert found.states[-1] == "alert"
    assert burn_over(found, 3600, "latency") == pytest.approx(20)


# Silence.


def test_before_the_first_request_there_is_no_data() -> None:
    n = np.r_[steady(0, 100), steady(5, 100)]
    found = series(n, n * 0)
    assert [(run.state, run.from_ts) for run in runs(found)] == [("no_data", at(0)), ("ok", at(100))]
    assert reason_at(found, 99) == "no request in the 1.7 hours that were looked at"


def test_silence_after_normal_traffic_is_no_data_after_the_time_of_the_slo() -> None:
    n = np.r_[steady(20, DAY), steady(0, 60)]
    found = series(n, n * 0, Slo(no_data_after_s=900))
    assert first(found, "no_data") == DAY + 15
    assert reason_at(found) == "no request for 1 hour; one was expected within 15 minutes"


def test_silence_is_measured_against_the_usual_gap() -> None:
    n = np.r_[every(20, 2 * DAY), steady(0, 2 * DAY)]  # 3 per hour: 20 gaps are 400 minutes
    last = int(np.flatnonzero(n)[-1])
    assert first(series(n, n * 0), "no_data") == last + 400 + 1


def test_the_longest_silence_is_a_day_unless_the_slo_allows_more() -> None:
    n = np.r_[every(6 * 60, 4 * DAY), steady(0, 4 * DAY)]
    last = int(np.flatnonzero(n)[-1])
    assert first(series(n, n * 0), "no_data") == last + DAY + 1
    assert first(series(n, n * 0, Slo(no_data_after_s=2 * 86400)), "no_data") == last + 2 * DAY + 1


def test_after_a_single_request_the_longest_silence_is_allowed() -> None:
    n = steady(0, 2 * DAY)
    n[10] = 1
    assert first(series(n[10:], n[10:] * 0), "no_data") == DAY + 1


def test_silence_outranks_the_alert_that_came_before() -> None:
    n = np.r_[steady(20, DAY), steady(0, 30)]
    found = series(n, failing(n, 1.0, DAY - 20, DAY))
    assert found.states[DAY + 5] == "alert"
    assert found.states[-1] == "no_data"
