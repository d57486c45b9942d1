"""The reference band: the range a figure had around the same time in an earlier window.

The queries `fleet` and `reference_band` call it.

A band describes, it does not test: of seven equally likely values the eighth lies outside two times in eight.
Compare the interval of a figure, not the figure itself, wherever few events stand behind it.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

CHANGES = ("in_band", "above", "below", "no_reference")


def band(values: ArrayLike, half_width: int = 3) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Arrays (low, high): smallest and largest value among each bucket and its `half_width` neighbours on both sides.

    NaN (nothing known) is left out; a bucket without any known neighbour has a band of NaN.

    >>> low, high = band([1, 5, np.nan, 2, 9], half_width=1)
    >>> low.tolist(), high.tolist()
    ([1.0, 1.0, 2.0, 2.0, 2.0], [5.0, 5.0, 5.0, 9.0, 9.0])
    """
    if half_width < 0:
        raise ValueError(f"half_width is {half_width}: expected 0 or more buckets")
    x = np.asarray(values, dtype=float)
    if not x.size:
        return x.copy(), x.copy()
    padded = np.pad(x, half_width, constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * half_width + 1)
    return np.fmin.reduce(windows, axis=-1), np.fmax.reduce(windows, axis=-1)


def compare_to_band(value: float | None, low: float | None, high: float | None) -> str:
    """Where a value lies, one of CHANGES; `no_reference` when the value or the band is not known.

    >>> compare_to_band(5, 1, 4), compare_to_band(4, 1, 4), compare_to_band(4, None, None)
    ('above', 'in_band', 'no_reference')
    """
    return compare_interval_to_band(value, value, low, high)


def compare_interval_to_band(
    low: float | None, high: float | None, band_low: float | None, band_high: float | None
) -> str:
    """Where a figure lies, one of CHANGES, from its interval: outside only if the whole interval is.

    >>> compare_interval_to_band(0.03, 0.20, 0.00, 0.02), compare_interval_to_band(0.01, 0.20, 0.00, 0.02)
    ('above', 'in_band')
    """
    first, last, bottom, top = (math.nan if number is None else number for number in (low, high, band_low, band_high))
    if any(map(math.isnan, (first, last, bottom, top))):
        return "no_reference"
    if first > top:
        return "above"
    return "below" if last < bottom else "in_band"
