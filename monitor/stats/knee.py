"""The knee of a load curve: the concurrency from which on more of it buys waiting and hardly any throughput.

The load probe calls it with what it measured, at one concurrency after the other.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

FALLEN = 0.75
"""The power at the last step, as a part of the greatest: above it the curve still rises, or is too noisy to tell."""

LEAST_STEPS = 3


def knee(concurrency: ArrayLike, per_s: ArrayLike) -> int | None:
    """Position of the knee among rising concurrencies and their throughputs; None where the throughput still rises.

    The knee has the greatest power, throughput divided by latency. With c requests always in flight the latency is
    c / throughput, so the power is throughput^2 / c. Up to the knee a doubling of c brings over 41 % more throughput,
    beyond it less. It is told only once the power has fallen to `FALLEN` of its greatest value. Steps without any
    known throughput (NaN) are left out; fewer than 3 known ones have no knee.

    Source: Kleinrock (1979), Power and deterministic rules of thumb for probabilistic problems in computer
    communications, Proceedings of the ICC; the latency is by Little (1961), Operations Research 9:383.

    >>> knee([1, 2, 4, 8, 16], [10, 19, 36, 41, 40])
    2
    >>> knee([1, 2, 4, 8, 16], [10, 19, 37, 70, 130]) is None
    True
    """
    c, x = np.asarray(concurrency, dtype=float), np.asarray(per_s, dtype=float)
    if c.shape != x.shape or c.ndim != 1:
        raise ValueError(f"{c.size} concurrencies and {x.size} throughputs: pass one throughput for each")
    if not ((c > 0).all() and (np.diff(c) > 0).all()):
        raise ValueError(f"concurrency {c.tolist()}: expected rising numbers above 0, such as 1, 2, 4, 8")
    if (x < 0).any():
        raise ValueError(f"throughput {float(np.nanmin(x)):g}: a rate is at least 0")
    power = np.where(np.isfinite(x), x * x / c, math.nan)
    known = np.flatnonzero(np.isfinite(power))
    if known.size < LEAST_STEPS or not power[known].any():
        return None
    best = int(np.nanargmax(power))
    return best if power[known[-1]] <= FALLEN * power[best] else None
