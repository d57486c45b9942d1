"""What the replays of a suite on one deployment held, and how much each of its items varies by itself.

The canary job and the queries fill `Replays` from the store; the Canaries page shows `noise`, and
`monitor/canary/signals.py` compares new replays with it. Greedy decoding is not bitwise reproducible across batch sizes
on real engines, so an item has a pass probability, variants of its answer and a band of latency, learned from repeats.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.stats.intervals import clopper_pearson

BAND = (0.05, 0.95)
"""Between these quantiles lies the latency band of an item."""

MAD_TO_SD = 1.4826
"""The standard deviation of a normal distribution, in median absolute deviations."""


@dataclass(frozen=True, slots=True)
class Replays:
    """Replays of one suite on one deployment, oldest first; arrays of shape (replays, items)."""

    runs: tuple[str, ...]  # run id of each row; a learning run gives one row for each repeat and concurrency
    items: tuple[str, ...]
    tags: tuple[tuple[str, ...], ...]  # of each item
    weights: NDArray[np.float64]  # of each item, above 0
    passed: NDArray[np.int8]  # 1, 0, -1 not known
    variant: NDArray[np.int32]  # code of the normalised answer, -1 not known
    logprob: NDArray[np.float64]  # mean log probability of the answer's tokens, NaN not known
    latency_ms: NDArray[np.float64]  # NaN not known
    learned: int  # the first so many rows are the reference
    concurrency: tuple[int, ...] = ()  # requests in flight, of each row; empty where that is not known
    times: tuple[float, ...] = ()  # seconds since the first row, of each row; empty where that is not known

    def __post_init__(self) -> None:
        shape = (len(self.runs), len(self.items))
        arrays = {name: getattr(self, name).shape for name in ("passed", "variant", "logprob", "latency_ms")}
        if wrong := {name: found for name, found in arrays.items() if found != shape}:
            raise ValueError(f"{wrong}: expected {shape}, one row for each run and one column for each item")
        if len(self.tags) != len(self.items) or self.weights.shape != (len(self.items),):
            raise ValueError(f"{len(self.tags)} tags, {self.weights.size} weights: expected one for each of the items")
        if not 0 <= self.learned <= len(self.runs) or len(self.concurrency) not in (0, len(self.runs)):
            raise ValueError(
                f"learned is {self.learned}, {len(self.concurrency)} concurrencies: there are {len(self.runs)} rows"
            )
        if len(self.times) not in (0, len(self.runs)):
            raise ValueError(f"{len(self.times)} times: expected one for each of the {len(self.runs)} rows, or none")


@dataclass(frozen=True, slots=True)
class ItemNoise:
    """How one item varied in the reference; NaN is not known."""

    item: str
    n: int  # reference rows in which it passed or failed
    passes: int
    pass_low: float  # Clopper-Pearson
    pass_high: float
    variants: int  # different answers
    flaky: bool  # both passed and failed
    latency_low: float  # ms
    latency_median: float
    latency_high: float
    logprob_median: float
    logprob_scale: float  # as a standard deviation, from the median absolute deviation


def noise(replays: Replays) -> list[ItemNoise]:
    """The noise of each item, in the order of the suite, from the reference rows.

    Latency is of rows at the concurrency of the newest row, where there are any: at another one it says little.
    """
    timed = np.arange(replays.learned)
    if replays.concurrency:
        alike = timed[np.array(replays.concurrency)[timed] == replays.concurrency[-1]]
        timed = alike if alike.size else timed
    return [_noise(replays, column, timed) for column in range(len(replays.items))]


def _noise(replays: Replays, column: int, timed: NDArray[np.int64]) -> ItemNoise:
    learned = slice(replays.learned)
    passed, variant = replays.passed[learned, column], replays.variant[learned, column]
    logprob, latency = replays.logprob[learned, column], replays.latency_ms[timed, column]
    n, passes = int((passed >= 0).sum()), int((passed == 1).sum())
    low, high = clopper_pearson(passes, n)
    fast, slow = (_quantile(latency, q) for q in BAND)
    centre = _quantile(logprob, 0.5)
    return ItemNoise(
        item=replays.items[column],
        n=n,
        passes=passes,
        pass_low=low,
        pass_high=high,
        variants=int(np.unique(variant[variant >= 0]).size),
        flaky=0 < passes < n,
        latency_low=fast,
        latency_median=_quantile(latency, 0.5),
        latency_high=slow,
        logprob_median=centre,
        logprob_scale=MAD_TO_SD * _quantile(np.abs(logprob - centre), 0.5),
    )


def _quantile(values: NDArray[np.float64], q: float) -> float:
    """The median, or an order statistic on the outer side of any other quantile: a value that was seen."""
    known = values[~np.isnan(values)]
    if not known.size:
        return float("nan")
    if q == 0.5:
        return float(np.median(known))
    return float(np.quantile(known, q, method="lower" if q < 0.5 else "higher"))
