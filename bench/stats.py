"""How often the statistics are right: coverage, false alarms and delays, by simulation with fixed seeds.

`python -m bench.stats` prints the table of docs/statistics.md in some seconds; a test holds the two together.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from monitor.records import Slo
from monitor.stats import histogram
from monitor.stats.band import band, compare_interval_to_band, compare_to_band
from monitor.stats.burn import StateSeries, runs, state_series
from monitor.stats.difference import mean_interval, mover_difference, verdict
from monitor.stats.intervals import Interval, newcombe_difference, poisson_rate_interval, wilson_arrays
from monitor.stats.knee import knee
from monitor.stats.paired import mcnemar_midp, paired_difference
from monitor.stats.signed_rank import paired_ratio

DAY = 1440  # minutes
START = datetime(2026, 1, 1, tzinfo=UTC)
Rng = np.random.Generator


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table: what was simulated, what the method promises, what came out (`value` in `unit`)."""

    method: str
    case: str
    promise: str
    value: float
    unit: str = "share"

    @property
    def text(self) -> str:
        if self.unit == "share":
            return f"{100 * self.value:.1f} %"
        return f"{self.value:,.0f} {self.unit}" if self.value >= 100 else f"{self.value:.3g} {self.unit}"


def _coverage(intervals: list[Interval], truth: float) -> float:
    return float(np.mean([low <= truth <= high for low, high in intervals]))


def _summary(values: NDArray[np.float64], q: float) -> tuple[float, float, float]:
    i, n = np.unique(histogram.index(values), return_counts=True)
    return (float(histogram.quantiles(i, n, [q])[0]), *histogram.quantile_interval(i, n, q))


def shares(rng: Rng) -> list[Figure]:
    """Coverage of the Wilson interval, and of the exact interval of a rate."""
    figures = []
    for p, n in ((0.0017, 100), (0.01, 100), (0.01, 1000), (0.05, 200), (0.5, 20)):
        low, high = wilson_arrays(rng.binomial(n, p, 50_000), n)
        covered = float(np.mean((low <= p) & (p <= high)))
        figures.append(Figure("share: Wilson, covers the truth", f"p = {p:g}, n = {n:,}", "95 % on average", covered))
    for expected in (1, 10, 100):
        intervals = [poisson_rate_interval(int(count), 60) for count in rng.poisson(expected, 3_000)]
        covered = _coverage(intervals, expected / 60)
        figures.append(Figure("rate: Garwood, covers the truth", f"{expected} expected", "at least 95 %", covered))
    return figures


def share_differences(rng: Rng) -> list[Figure]:
    """Coverage of Newcombe's interval."""
    figures = []
    for p1, n1, p2, n2 in ((0.02, 500, 0.02, 500), (0.01, 100, 0.05, 1000), (0.3, 50, 0.1, 50)):
        pairs = zip(rng.binomial(n1, p1, 3_000), rng.binomial(n2, p2, 3_000), strict=True)
        covered = _coverage([newcombe_difference(int(a), n1, int(b), n2) for a, b in pairs], p1 - p2)
        case = f"{p1:g} of {n1:,} - {p2:g} of {n2:,}"
        figures.append(Figure("difference of shares: Newcombe, covers the truth", case, "95 % on average", covered))
    return figures


def quantile_grid(rng: Rng) -> list[Figure]:
    """Largest error that the grid adds to a quantile."""
    worst = 0.0
    for values in (rng.lognormal(6, 1, 200_000), rng.gamma(2, 300, 200_000), rng.pareto(1.5, 200_000) + 1):
        i, n = np.unique(histogram.index(values), return_counts=True)
        qs = np.linspace(0, 1, 1001)
        exact = np.quantile(values, qs, method="lower")
        worst = max(worst, float(np.max(np.abs(histogram.quantiles(i, n, qs) / exact - 1))))
    return [
        Figure("quantile: grid, largest error", "three shapes, 200,000 values", "at most 0.542 %", 100 * worst, "%")
    ]


def quantile_intervals(rng: Rng) -> list[Figure]:
    """Coverage of the interval of a quantile, and how often it has no upper bound."""
    figures = []
    for q, n in ((0.5, 20), (0.5, 500), (0.95, 50), (0.95, 500), (0.99, 500), (0.99, 5_000)):
        truth = math.exp(6 + float(special.ndtri(q)))
        intervals = [Interval(*_summary(rng.lognormal(6, 1, n), q)[1:]) for _ in range(1_000)]
        open_above = " (no upper bound)" if math.isinf(intervals[0].high) else ""
        case = f"p{100 * q:g}, n = {n:,}{open_above}"
        covered = _coverage(intervals, truth)
        figures.append(Figure("quantile: order statistics, covers the truth", case, "at least 95 %", covered))
    return figures


def means(rng: Rng) -> list[Figure]:
    """Coverage of the t interval, on a symmetric and on a skewed distribution."""
    figures = []
    shapes: list[tuple[str, float, Callable[[int], NDArray[np.float64]]]] = [
        ("normal", 100.0, lambda n: rng.normal(100, 20, n)),
        ("lognormal, sigma 1", math.exp(6.5), lambda n: rng.lognormal(6, 1, n)),
    ]
    for name, truth, draw in shapes:
        for n in (20, 1_000):
            samples = [draw(n) for _ in range(2_000)]
            covered = _coverage([mean_interval(float(s.mean()), float(s.std(ddof=1)), n) for s in samples], truth)
            promise = "95 %" if name == "normal" else "95 % for large n"
            figures.append(Figure("mean: Student's t, covers the truth", f"{name}, n = {n:,}", promise, covered))
    return figures


def quantile_differences(rng: Rng) -> list[Figure]:
    """How often two deployments are told apart by their quantiles: equal ones, and one that is slower."""
    figures = []
    for q, n, slower in ((0.5, 100, 1.0), (0.95, 100, 1.0), (0.95, 1_000, 1.0), (0.95, 1_000, 1.2), (0.95, 1_000, 1.5)):
        verdicts = [
            verdict(
                *mover_difference(
                    *_summary(slower * rng.lognormal(6, 0.5, n), q), *_summary(rng.lognormal(6, 0.5, n), q)
                )
            )
            for _ in range(500)
        ]
        shown = float(np.mean([found in ("b_lower", "b_higher") for found in verdicts]))
        case = f"p{100 * q:g}, n = {n:,} each, " + ("equal" if slower == 1 else f"b {slower - 1:.0%} slower")
        promise = "at most 5 %" if slower == 1 else "as often as it can"
        figures.append(Figure("difference of quantiles: MOVER, shows one", case.replace("%", " %"), promise, shown))
    return figures


def bands(rng: Rng) -> list[Figure]:
    """How often a figure is outside of the band of a reference that had the same distribution."""
    buckets, per_bucket, p = 20_000, 100, 0.02
    reference, present = (rng.binomial(per_bucket, p, buckets) for _ in range(2))
    low, high = band(reference / per_bucket)
    own_low, own_high = wilson_arrays(present, per_bucket)
    value = [compare_to_band(*row) != "in_band" for row in zip(present / per_bucket, low, high, strict=True)]
    interval = [compare_interval_to_band(*row) != "in_band" for row in zip(own_low, own_high, low, high, strict=True)]
    case = "2 % errors of 100 requests in each bucket"
    return [
        Figure("band of 7 buckets: value outside, nothing changed", case, "at most 25 %", float(np.mean(value))),
        Figure("band of 7 buckets: interval outside, nothing changed", case, "rarely", float(np.mean(interval))),
    ]


def paired_shares(rng: Rng) -> list[Figure]:
    """Coverage of the interval for the same items, and how often a difference without reason is shown."""
    figures = []
    method = "paired difference of shares: Tango, covers the truth"
    cases = (
        (20, 0.9, 0.9, 0.6),
        (50, 0.9, 0.9, 0.0),
        (50, 0.7, 0.9, 0.3),
        (200, 0.95, 0.99, 0.3),
        (200, 0.6, 0.8, 0.5),
    )
    for n, a, b, correlation in cases:
        counts = _pairs(rng, n, a, b, correlation, 2_000)
        covered = _coverage([_paired_interval(int(only_b), int(only_a), n) for only_a, only_b in counts], b - a)
        case = f"{a:g} and {b:g} right, correlation {correlation:g}, n = {n}"
        figures.append(Figure(method, case, "95 % on average", covered))
    for n, p in ((50, 0.9), (200, 0.9), (200, 0.98)):
        counts = _pairs(rng, n, p, p, 0.5, 4_000)
        shown = np.mean([_parted(int(only_a), int(only_b), n) for only_a, only_b in counts])
        case = f"{p:g} right both, correlation 0.5, n = {n}"
        figures.append(Figure("paired difference of shares: verdict, shows one", case, "at most 5 %", float(shown)))
    return figures


def _parted(only_a: int, only_b: int, n: int) -> bool:
    """As the query `probe_comparison` judges."""
    shown = verdict(*_paired_interval(only_b, only_a, n)) in ("b_lower", "b_higher")
    return shown and mcnemar_midp(only_b, only_a) < 0.05


_paired_interval = functools.cache(paired_difference)  # the same few counts come again and again


def _pairs(rng: Rng, n: int, a: float, b: float, correlation: float, times: int) -> NDArray[np.int64]:
    """How many of n items only a, and only b, got right; one row each time."""
    both = a * b + correlation * math.sqrt(a * (1 - a) * b * (1 - b))
    counts: NDArray[np.int64] = rng.multinomial(n, [both, a - both, b - both, 1 - a - b + both], times)[:, 1:3]
    return counts


def paired_ratios(rng: Rng) -> list[Figure]:
    """Coverage of the interval of a paired ratio of latencies: noise of several shapes around a true median ratio."""
    shapes: list[tuple[str, Callable[[int], NDArray[np.float64]]]] = [
        ("even noise of 20 %", lambda n: rng.normal(0, 0.2, n)),
        ("one in ten three times as slow", lambda n: rng.normal(0, 0.1, n) + math.log(3) * (rng.random(n) < 0.1)),
        ("heavy tails on both sides", lambda n: 0.1 * rng.standard_t(2, n)),
    ]
    figures = []
    for name, noise in shapes:
        large = noise(1_000_000)  # the truth: the median of the mean of two
        truth = 1.2 * math.exp(float(np.median(large[::2] + large[1::2])) / 2)
        for n in (10, 200):
            items = [rng.lognormal(6, 1, n) for _ in range(500)]
            intervals = [paired_ratio(1.2 * a * np.exp(noise(n)), a)[1] for a in items]
            method = "paired ratio of latencies: signed ranks, covers the truth"
            figures.append(Figure(method, f"{name}, n = {n}", "95 %", _coverage(intervals, truth)))
    return figures


def knees(rng: Rng) -> list[Figure]:
    """How often the knee of a load curve is found at the right step, with noise at each."""
    c = np.array([1, 2, 4, 8, 16], dtype=float)
    curves: list[tuple[str, NDArray[np.float64], int | None]] = [
        ("full from 4 on", np.minimum(c, 4), 2),
        ("half of the most at 4", c / (4 + c), 2),
        ("one at a time", np.ones(5), 0),
        ("in proportion, no knee", c, None),
        ("68 % more with each doubling, no knee", c**0.75, None),
    ]
    figures = []
    for name, curve, expected in curves:
        for noise in (0.03, 0.1):
            found = [knee(c, curve * np.exp(rng.normal(0, noise, c.size))) for _ in range(2_000)]
            case = f"{name}, noise of {100 * noise:g} %"
            figures.append(Figure("knee: at the right one of 1, 2, 4, 8, 16", case, "-", found.count(expected) / 2_000))
    return figures


def _series(n: NDArray[np.int64], bad: NDArray[np.int64]) -> StateSeries:
    minutes = np.datetime64(START.replace(tzinfo=None), "m") + np.arange(n.size)
    now = START + timedelta(minutes=n.size)
    return state_series(minutes, n, bad, n * 0, n * 0, Slo(availability=0.99), now)


def false_states(rng: Rng) -> list[Figure]:
    """How often a month brings a new warning or alert, when errors are independent and their share stays the same."""
    months = 6
    promises = {0.002: "0", 0.008: "0, the budget is kept", 0.02: "1 that lasts, twice the budget"}
    figures = []
    for per_hour in (3, 60, 1_200):
        for share, promise in promises.items():
            found = []
            for _ in range(months):
                n = rng.poisson(per_hour / 60, 33 * DAY)
                found += runs(_series(n, rng.binomial(n, share)), start=START + timedelta(days=3))
            case = f"{per_hour:,} requests/h, {100 * share:g} % fail"
            for state, expected in (("warn", promise), ("alert", "0")):
                raised = sum(run.state == state for run in found) / months
                figures.append(Figure(f"state: new {state}s, nothing changes", case, expected, raised, "a month"))
    return figures


def delays(rng: Rng) -> list[Figure]:
    """Median minutes from the start of an incident to the state that it deserves."""
    figures = []
    for per_hour in (12, 60, 1_200):
        for share, state in ((1.0, "alert"), (0.5, "alert"), (0.2, "alert"), (0.03, "warn")):
            waits = [_minutes_until(state, rng, per_hour, share) for _ in range(15)]
            case = f"{per_hour:,} requests/h, {100 * share:g} % begin to fail"
            promise = _promised_delay(per_hour, share)
            figures.append(Figure(f"state: delay of the {state}", case, promise, float(np.median(waits)), "minutes"))
    return figures


def _promised_delay(per_hour: float, share: float) -> str:
    """The time that the rules take at steady traffic without any errors before."""
    if share == 1 and per_hour >= 60:
        return "5 minutes"
    fewest = 5 / share / per_hour * 60  # five bad requests
    burnt = 0.144 * 60 / share if share > 0.144 else 0.01 * 3 * DAY / share
    return f"{max(burnt, fewest):,.0f} minutes"


def _minutes_until(state: str, rng: Rng, per_hour: float, share: float) -> float:
    n = rng.poisson(per_hour / 60, 6 * DAY)
    bad = rng.binomial(n, np.where(np.arange(n.size) < 3 * DAY, 0.001, share))
    reached = np.flatnonzero(_series(n, bad).states[3 * DAY :] == state)
    return float(reached[0] + 1) if reached.size else math.inf


STUDIES = (
    shares,
    share_differences,
    quantile_grid,
    quantile_intervals,
    means,
    quantile_differences,
    bands,
    false_states,
    delays,
    paired_shares,
    paired_ratios,
    knees,
)


def figures() -> list[Figure]:
    """All lines of the table; each study has its own seed, so that one can change without the others."""
    return [figure for seed, study in enumerate(STUDIES) for figure in study(np.random.default_rng(seed))]


def table(lines: list[Figure]) -> str:
    """The figures as a Markdown table."""
    rows = [f"| {line.method} | {line.case} | {line.promise} | {line.text} |" for line in lines]
    return "\n".join(["| what | case | promised | simulated |", "| --- | --- | --- | --- |", *rows])


def main() -> dict[str, Any]:
    """Print the table; return its lines."""
    lines = figures()
    print(table(lines))
    return {"name": "stats", "figures": [asdict(line) for line in lines]}


if __name__ == "__main__":
    main()
