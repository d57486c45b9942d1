"""Made-up replays of a deployment whose truth is known: what `bench.canary_stats` and the tests judge the signals by.

A suite of 60 items with a realistic mix: most answer alike each time, some are right only now and then, some have
several wordings, a few never say the same twice. Log probabilities carry the noise of a GPU at 16 bits, latencies
that of a shared machine, whose load may follow the day. Replays come every hour; they are learned at the quietest one.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from monitor.canary.noise import Replays

ITEMS = 60
LEARNED = 12

Rng = np.random.Generator
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class World:
    """How the items of a suite behave on a deployment, each by itself; arrays have one number for each item."""

    right: Floats  # probability to pass
    wordings: Floats  # probability of another wording of the same answer
    open_ended: NDArray[np.bool_]  # one of 30 answers at random
    logprob: Floats
    noise: Floats  # standard deviation of the logarithm of the log probability
    latency_ms: Floats
    busy: float = 0.1  # standard deviation of the load that all items of a replay share, in logarithms
    peak: float = 1.0  # so many times as long at the busiest time of the day as at the quietest, 12 hours before
    said: NDArray[np.int64] = field(
        default_factory=lambda: np.zeros(ITEMS, dtype=np.int64)
    )  # another number: another text


def world(rng: Rng) -> World:
    """A deployment with a mix of steady and flaky items."""
    right = np.ones(ITEMS)
    right[44:48] = 0.0
    right[48:56] = rng.uniform(0.8, 0.98, 8)
    right[56:] = rng.uniform(0.3, 0.7, 4)
    wordings = np.zeros(ITEMS)
    wordings[30:42] = rng.uniform(0.02, 0.4, 12)
    return World(
        right=right,
        wordings=wordings,
        open_ended=np.arange(ITEMS) % 15 == 14,
        logprob=-np.exp(rng.normal(-2, 1, ITEMS)),
        noise=0.005 * np.exp(rng.normal(0, 0.5, ITEMS)),
        latency_ms=np.exp(rng.normal(6, 0.5, ITEMS)),
    )


def replays(rng: Rng, parts: list[tuple[World, int]], tags: int = 0) -> Replays:
    """So many replays of each world, one after the other; the first LEARNED of all are the reference."""
    hours = np.maximum(np.arange(sum(n for _, n in parts)) - LEARNED + 1.0, 0.0)
    drawn, row = [], 0
    for truth, n in parts:
        drawn.append(_draw(rng, truth, hours[row : row + n]))
        row += n
    passed, variant, logprob, latency = (np.concatenate(arrays) for arrays in zip(*drawn, strict=True))
    return Replays(
        runs=tuple(f"run-{row}" for row in range(len(passed))),
        items=tuple(f"item-{item}" for item in range(ITEMS)),
        tags=tuple((f"tag-{item % tags}",) if tags else () for item in range(ITEMS)),
        weights=np.ones(ITEMS),
        passed=passed,
        variant=variant,
        logprob=logprob,
        latency_ms=latency,
        learned=LEARNED,
        times=tuple(3600 * hours),
    )


def _draw(rng: Rng, truth: World, hours: Floats) -> tuple[NDArray[np.int8], NDArray[np.int32], Floats, Floats]:
    n = hours.size
    passed = (rng.random((n, ITEMS)) < truth.right).astype(np.int8)
    other = rng.random((n, ITEMS)) < truth.wordings
    variant = 1000 * truth.said + 10 * passed + other
    variant = np.where(truth.open_ended, 100 + rng.integers(0, 30, (n, ITEMS)), variant).astype(np.int32)
    logprob = truth.logprob * (1 + 0.3 * (variant % 7)) * np.exp(truth.noise * rng.normal(size=(n, ITEMS)))
    load = truth.busy * rng.normal(size=(n, 1)) + 0.15 * rng.normal(size=(n, ITEMS))
    day = math.log(truth.peak) * (1 - np.cos(2 * np.pi * hours / 24)) / 2
    return passed, variant, logprob, truth.latency_ms * np.exp(load + day[:, None])


def broken(items: int) -> Callable[[World], World]:
    """So many items that were always right are always wrong."""

    def change(truth: World) -> World:
        right = truth.right.copy()
        right[:items] = 0.0
        return replace(truth, right=right)

    return change


def worse_all_over(points: float) -> Callable[[World], World]:
    """Every item is right less often, by so many percentage points."""
    return lambda truth: replace(truth, right=np.maximum(truth.right - points / 100, 0.0))


def other_words(items: int) -> Callable[[World], World]:
    """So many items are answered in other words, as rightly as before."""
    return lambda truth: replace(truth, said=np.where(np.arange(ITEMS) < items, 1, 0))


def other_weights(size: float, rng: Rng) -> Callable[[World], World]:
    """The log probabilities of all items move, by this standard deviation of their logarithm; the texts stay."""
    return lambda truth: replace(truth, logprob=truth.logprob * np.exp(size * rng.normal(size=ITEMS)))


def slower(times: float) -> Callable[[World], World]:
    """Everything takes so many times as long."""
    return lambda truth: replace(truth, latency_ms=truth.latency_ms * times)
