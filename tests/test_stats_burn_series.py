"""The series of states itself, against the rules written down plainly, and its sentences."""

import itertools
import math
from collections.abc import Callable
from datetime import datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.records import STATES, Slo
from monitor.stats.burn import BURN_RULES, budget_left, burn_over, burn_rate, reason_at, runs, state_series, state_since
from monitor.stats.burn_rules import BurnRule, bad_share_limit
from tests.burn_scenarios import DAY, START, Counts, at, every, failing, series, steady

# The series itself.


def test_the_runs_cover_the_grid_without_gaps_and_end_now() -> None:
    n = np.r_[steady(0, 100), steady(20, 3 * DAY), steady(0, 200)]
    found = series(n, failing(n, 1.0, 2 * DAY, 2 * DAY + 30), now=at(n.size - 0.5))
    all_runs = runs(found)
    assert (all_runs[0].from_ts, all_runs[-1].to_ts) == (at(0), at(n.size - 0.5))
    for one, following in itertools.pairwise(all_runs):
        assert one.to_ts == following.from_ts
        assert one.state != following.state
    assert state_since(found) == all_runs[-1].from_ts


def test_runs_can_begin_later_than_the_grid() -> None:
    n = steady(20, 4 * DAY)
    found = series(n, failing(n, 1.0, 3 * DAY, 4 * DAY))
    clipped = runs(found, start=at(2 * DAY))
    assert [(run.state, run.from_ts) for run in clipped] == [("ok", at(2 * DAY)), ("alert", at(3 * DAY + 4))]
    assert clipped[0].reason == "80 of 28,880 requests failed in 1 day"
    assert clipped[1].reason == runs(found)[1].reason
    assert runs(found, start=at(9 * DAY)) == []


def test_the_state_now_is_the_same_from_any_grid_that_begins_three_days_earlier() -> None:
    rng = np.random.default_rng(42)
    n = rng.poisson(1, 6 * DAY)
    bad = rng.binomial(n, 0.012)
    whole, part = series(n, bad), series(n[-4 * DAY :], bad[-4 * DAY :])
    assert len(set(whole.states)) > 1
    assert whole.states[-DAY:].tolist() == part.states[-DAY:].tolist()


def test_minutes_that_have_not_begun_are_left_out() -> None:
    n = steady(20, 100)
    assert series(n, n * 0, now=at(40)).states.size == 40
    assert series(n, n * 0, now=at(40.1)).states.size == 41
    other_zone = at(40).astimezone(datetime.strptime("+0530", "%z").tzinfo)
    assert series(n, n * 0, now=other_zone).states.size == 40


def test_an_empty_grid_has_no_state() -> None:
    none = np.zeros(0, dtype=np.int64)
    found = series(none, none, now=at(5))
    assert (found.states.size, runs(found), state_since(found)) == (0, [], None)
    assert math.isnan(burn_over(found, 3600))


def test_one_minute_is_enough_for_a_state() -> None:
    assert series(steady(3, 1), steady(0, 1)).states.tolist() == ["ok"]
    assert series(steady(7, 1), steady(7, 1)).states.tolist() == ["alert"]


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda given: given | {"minutes": given["minutes"][::-1]}, "not a regular grid"),
        (lambda given: given | {"minutes": np.delete(given["minutes"], 1), "n": given["n"][1:]}, "one count for each"),
        (lambda given: given | {"bad_availability": given["n"] + 1}, "more bad requests than requests"),
        (lambda given: given | {"bad_latency": given["n_latency"] + 1}, "more bad requests than requests"),
        (lambda given: given | {"now": datetime(2026, 3, 2)}, "has no time zone"),  # noqa: DTZ001
        (lambda given: given | {"slo": Slo(availability=99.0)}, "a share between 0 and 1"),
    ],
)
def test_wrong_input_is_refused_by_name(change: Callable[[dict[str, Any]], dict[str, Any]], message: str) -> None:
    n = steady(2, 5)
    given = {
        "minutes": np.datetime64(START.replace(tzinfo=None), "m") + np.arange(5),
        "n": n,
        "bad_availability": n * 0,
        "n_latency": n,
        "bad_latency": n * 0,
        "slo": Slo(),
        "now": at(5),
    }
    with pytest.raises(ValueError, match=message):
        state_series(**change(given))


def test_the_times_of_the_store_may_have_microseconds() -> None:
    n = steady(2, 5)
    minutes = (np.datetime64(START.replace(tzinfo=None), "m") + np.arange(5)).astype("datetime64[us]")
    assert runs(state_series(minutes, n, n * 0, n, n * 0, Slo(), at(5)))[0].to_ts == at(5)


def slow_states(n: Counts, bad: Counts, slo: Slo) -> list[str]:
    """The same rules minute by minute, written down as the documentation states them."""

    def holds(rule: BurnRule, end: int) -> bool:
        limit = bad_share_limit(rule, slo.availability)
        long_start = max(end - rule.long_s // 60, 0)
        start = max(end - rule.short_s // 60, 0)
        while start > long_start and n[start:end].sum() < math.ceil(1.645**2 / limit):
            start -= 1
        (bad_long, n_long), (bad_short, n_short) = ((bad[a:end].sum(), n[a:end].sum()) for a in (long_start, start))
        if bad_long < slo.min_bad_events:
            return False
        if limit == 1:
            return bool(bad_long == n_long)
        chance = 1.645 * math.sqrt(limit * (1 - limit) / n_short)
        return bool(bad_long / n_long > limit and bad_short / n_short > limit - chance)

    def silent(end: int) -> bool:
        busy = np.flatnonzero(n[:end])
        if not busy.size:
            return True
        day = busy[busy > busy[-1] - DAY]
        gaps = int(n[day].sum()) - 1
        gap_s = max(int(day[-1] - day[0]), 1) * 60 / gaps if gaps else math.inf
        return bool((end - 1 - busy[-1]) * 60 > max(min(20 * gap_s, 86400), slo.no_data_after_s))

    def state(end: int) -> str:
        if silent(end):
            return "no_data"
        return next((rule.severity for rule in BURN_RULES if holds(rule, end)), "ok")

    return [state(end) for end in range(1, n.size + 1)]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([0.01, 0.1, 1, 10]), st.sampled_from([0.9, 0.99, 0.999]))
def test_the_fast_computation_agrees_with_the_rules_minute_by_minute(seed: int, traffic: float, target: float) -> None:
    rng = np.random.default_rng(seed)
    n = rng.poisson(traffic, 400) * np.repeat(rng.random(8) < 0.8, 50)
    bad = rng.binomial(n, np.repeat(rng.choice([0, 0.01, 0.2, 1], 20), 20))
    slo = Slo(availability=target, min_bad_events=int(rng.integers(1, 8)))
    assert series(n, bad, slo).states.tolist() == slow_states(n, bad, slo)


# Burn rates and budgets.


def test_burn_and_budget_are_the_arithmetic_of_the_workbook() -> None:
    assert burn_rate(0, 100, 0.99) == 0
    assert burn_rate(1, 100, 0.99) == pytest.approx(1)
    assert burn_rate(100, 100, 0.99) == pytest.approx(100)
    assert budget_left(0, 100, 0.99) == 1
    assert budget_left(2, 100, 0.99) == pytest.approx(-1)
    assert math.isnan(burn_rate(0, 0, 0.99))
    assert math.isnan(budget_left(0, 0, 0.99))
    assert (burn_rate(0, 10, 1.0), burn_rate(1, 10, 1.0)) == (0, math.inf)


@pytest.mark.parametrize("rule, share", [(BURN_RULES[1], 0.02), (BURN_RULES[2], 0.05), (BURN_RULES[3], 0.10)])
def test_each_rule_holds_back_until_the_published_share_of_the_budget_is_gone(rule: BurnRule, share: float) -> None:
    """The Site Reliability Workbook, chapter 5, table 5-8."""
    assert rule.factor * rule.long_s / (30 * 86400) == pytest.approx(share)


def test_every_rule_raises_a_state_that_exists_and_is_in_order() -> None:
    severities = [STATES.index(rule.severity) for rule in BURN_RULES]
    assert severities == sorted(severities, reverse=True)
    assert all(rule.short_s <= rule.long_s for rule in BURN_RULES)


def test_burn_over_a_window_is_read_from_the_series() -> None:
    n = steady(20, DAY)
    found = series(n, failing(n, 0.5, DAY - 30, DAY))
    assert burn_over(found, 3600) == pytest.approx(25)
    assert burn_over(found, 6 * 3600) == pytest.approx(25 / 6)
    assert burn_over(found, 3600, position=DAY - 31) == 0


BUT = "but too little, too brief or already over"


@pytest.mark.parametrize(
    "bad, expected",
    [
        (0, "none of 60 requests failed in the last hour, within the 99 % availability budget"),
        (4, "4 of 60 requests failed in the last hour, fewer than the 5 that it takes to raise a state"),
        (6, "6 of 60 requests failed in the last hour, 10.0 times what the 99 % availability budget allows, " + BUT),
    ],
)
def test_an_ok_state_says_how_close_it_is(bad: int, expected: str) -> None:
    n = steady(1, 4 * DAY)
    found = series(n, failing(n, bad / 60, n.size - 60, n.size))
    assert (found.states[-1], reason_at(found)) == ("ok", expected)


def test_an_ok_state_without_a_request_in_the_hour_is_told_from_the_last_six() -> None:
    n = np.r_[every(20, DAY), steady(0, 90)]
    assert reason_at(series(n, n * 0)).startswith("none of 13 requests failed in the last 6 hours")
