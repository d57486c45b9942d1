"""Which of many e-values to act on, so that few of those acted on are noise: the e-BH procedure.

`monitor/canary/signals.py` calls it for every suite, deployment, tag and channel at each look.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray


def rejected(log_e: ArrayLike, level: float) -> NDArray[np.bool_]:
    """Which null hypotheses to reject, from the logarithms of their e-values.

    The k largest of K are rejected for the greatest k of which the smallest is at least K / (level * k). The expected
    share of wrong ones among them is at most `level`, however the e-values depend on each other; if no null is false,
    that is the chance to reject any.

    Source: Wang and Ramdas (2022), False discovery rate control with e-values, JRSS B 84:822.

    >>> rejected(np.log([1000.0, 0.5, 30.0, 13.0]), level=0.1).tolist()  # needed: 40, 20, 13.4 and 10
    [True, False, True, False]
    """
    if not 0 < level < 1:
        raise ValueError(f"level is {level}: it lies between 0 and 1, such as 0.05")
    values = np.asarray(log_e, dtype=float)
    if np.isnan(values).any():
        raise ValueError("an e-value is not known: leave out what was not tested")
    if not values.size:
        return np.zeros(0, dtype=bool)
    falling = np.sort(values)[::-1]
    needed = math.log(values.size / level) - np.log(np.arange(1, values.size + 1))
    enough = np.flatnonzero(falling >= needed)
    if not enough.size:
        return np.zeros(values.size, dtype=bool)
    return np.asarray(values >= falling[enough[-1]])
