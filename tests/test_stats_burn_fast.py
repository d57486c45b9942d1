"""The states of long grids, against the same rules computed the slow way: every window gathered at every minute."""

import math
from datetime import timedelta

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.records import STATES, Slo
from monitor.stats import burn
from monitor.stats.burn import BURN_RULES, StateSeries, state_series
from monitor.stats.burn_rules import BurnRule, bad_share_limit
from tests.burn_scenarios import DAY, START, Counts


def gathered(rule: BurnRule, limit: float, bad: Counts, n: Counts, min_bad: int) -> np.ndarray:
    """Whether the rule holds at the end of each minute, from counts that are cumulated from 0."""
    end = np.arange(1, bad.size)
    long_start = np.maximum(end - rule.long_s // 60, 0)
    needed = math.ceil(burn.CHANCE_Z**2 / limit) if limit > 0 else int(n[-1]) + 1
    enough = np.searchsorted(n, n[end] - needed, side="right") - 1
    short_start = np.maximum(np.minimum(end - rule.short_s // 60, enough), long_start)
    (bad_long, n_long), (bad_short, n_short) = ((bad[end] - bad[a], n[end] - n[a]) for a in (long_start, short_start))
    if limit >= 1:
        above, not_below = (bad_long == n_long) & (n_long > 0), (bad_short == n_short) & (n_short > 0)
    else:
        above = bad_long > limit * n_long
        not_below = bad_short > limit * n_short - burn.CHANCE_Z * np.sqrt(limit * (1 - limit) * n_short)
    held: np.ndarray = (bad_long >= max(min_bad, 1)) & above & not_below
    return held


def silent(n: Counts, slo: Slo) -> np.ndarray:
    """Whether each minute ends in a silence that is too long, from counts per minute."""
    busy, found = np.flatnonzero(n), np.ones(n.size, dtype=bool)
    for position, last in enumerate(busy):
        day = busy[: position + 1][busy[: position + 1] > last - DAY]
        gaps = int(n[day].sum()) - 1
        gap_s = max(int(last - day[0]), 1) * 60 / gaps if gaps else math.inf
        until = busy[position + 1] if position + 1 < busy.size else n.size
        since = np.arange(until - last) * 60
        found[last:until] = since > max(min(burn.NO_DATA_GAPS * gap_s, burn.LONGEST_SILENCE_S), slo.no_data_after_s)
    return found


def slow_states(n: Counts, bad: Counts, n_latency: Counts, slow: Counts, slo: Slo) -> list[str]:
    """All states, the worst rule of any objective first."""
    states = np.full(n.size, "ok", dtype="U7")
    totals = [("availability", slo.availability, bad, n), ("latency", slo.latency_target, slow, n_latency)]
    for rule in reversed(BURN_RULES):
        for objective, target, bad_of, n_of in totals[: 1 if slo.latency_ms is None else 2]:
            if objective in rule.objectives:
                bad_sum, n_sum = (np.concatenate(([0], np.cumsum(counts))) for counts in (bad_of, n_of))
                limit = bad_share_limit(rule, target)
                states[gathered(rule, limit, bad_sum, n_sum, slo.min_bad_events)] = rule.severity
    states[silent(n, slo)] = "no_data"
    return list(map(str, states))


def fast_states(n: Counts, bad: Counts, n_latency: Counts, slow: Counts, slo: Slo, minutes: float) -> StateSeries:
    grid = np.datetime64(START.replace(tzinfo=None), "m") + np.arange(n.size)
    return state_series(grid, n, bad, n_latency, slow, slo, START + timedelta(minutes=minutes))


@settings(max_examples=80, deadline=None)
@given(
    st.integers(0, 2**32),
    st.sampled_from([1, 7, 61, 1_500, 5_000]),
    st.sampled_from([0.002, 0.05, 1, 8]),
    st.sampled_from([0.5, 0.9, 0.99, 1.0]),
    st.sampled_from([None, 400.0]),
)
def test_long_grids_of_any_traffic_have_the_states_of_the_slow_way(
    seed: int, size: int, traffic: float, target: float, latency_ms: float | None
) -> None:
    rng = np.random.default_rng(seed)
    blocks = -(-size // 100)
    n = rng.poisson(traffic, size) * np.repeat(rng.random(blocks) < 0.8, 100)[:size]
    share = np.repeat(rng.choice([0, 0.004, 0.02, 0.3, 1], blocks), 100)[:size]
    n_latency = rng.binomial(n, rng.choice([0, 0.6, 1]))
    counts = n, rng.binomial(n, share), n_latency, rng.binomial(n_latency, share)
    slo = Slo(target, latency_ms, target, int(rng.integers(0, 7)), int(rng.choice([60, 900, 100_000])))
    found = fast_states(*counts, slo, size)
    assert found.states.tolist() == slow_states(*counts, slo)
    assert set(found.states) <= set(STATES)


@given(st.integers(0, 20), st.integers(-5_000, 30_000).map(lambda x: x / 1_000))
def test_the_minutes_that_count_are_those_that_began_before_now(size: int, now: float) -> None:
    none = np.zeros(size, dtype=np.int64)
    known = sum(minute < now for minute in range(size))
    assert fast_states(none, none, none, none, Slo(), now).minutes.size == known
