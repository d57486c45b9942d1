"""Intervals of divergences, sums over cells that are 0 where the shares are equal: for `psi`, `js` and `chi2`."""

import math

import numpy as np

from monitor.drift.profile import Floats

Z = 1.959963984540054
"""Standard score of 95 %."""


def interval(
    value: float, slopes: tuple[Floats, Floats], shares: tuple[Floats, Floats], sizes: tuple[int, int], scale: float
) -> tuple[float, float, float]:
    """Both ends of the 95 % interval, and the value to be expected without any change.

    `slopes` are the derivatives of the divergence by the shares of either side; near equality it is `scale` times the
    chi-squared statistic by the effective size. Two things make it vary: the shares themselves (the delta method), and
    noise where the shares are alike, which also makes it too large by `expected`. The value itself is never left out.

    Source: Cramér (1946), Mathematical methods of statistics, 28.4 and 30.1.
    """
    noise = scale * sum(1 / n for n in sizes)
    freedom = max(shares[0].size - 1, 0)
    variance = 2 * freedom * noise * noise
    for slope, share, n in zip(slopes, shares, sizes, strict=True):
        mean = float((share * slope).sum())
        variance += float((share * (slope - mean) ** 2).sum()) / n
    expected, half = freedom * noise, Z * math.sqrt(variance)
    return max(0.0, min(value, value - expected - half)), max(value, value - expected + half), expected


def divided(above: Floats, below: Floats) -> Floats:
    """Element by element, 0 where below is 0."""
    return np.divide(above, below, out=np.zeros(above.size), where=below > 0)
