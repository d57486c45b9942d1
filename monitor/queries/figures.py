"""Figures of comparisons as columns of an answer: what is not known is null, never NaN or infinite."""

import math

from monitor.stats.intervals import Interval


def figure(name: str, value: float, interval: Interval) -> dict[str, float | None]:
    """A value with both ends of its interval; an open end is null."""
    return {name: finite(value), f"{name}_low": finite(interval.low), f"{name}_high": finite(interval.high)}


def finite(value: float | None) -> float | None:
    """The number, or null."""
    return value if value is not None and math.isfinite(value) else None
