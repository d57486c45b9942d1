"""Which of many p-values to act on, so that few of those acted on are noise: the procedure of Benjamini and Hochberg.

`monitor/drift/judging.py` calls it over all tests of all features of a window.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def benjamini_hochberg(p_values: ArrayLike) -> NDArray[np.float64]:
    """Adjusted p-values (q), in the order given: act on those of at most the false discovery rate that is accepted.

    The k-th smallest of m is multiplied by m / k, and none is above a larger one. Of those acted on, the expected share
    of true null hypotheses is at most the rate, for tests that are independent or positively dependent. NaN (not
    tested) stays NaN and does not count.

    Sources: Benjamini and Hochberg (1995), Controlling the false discovery rate, JRSS B 57:289; Benjamini and Yekutieli
    (2001), Annals of Statistics 29:1165, for dependent tests.

    >>> benjamini_hochberg([0.01, 0.04, 0.03, np.nan]).tolist()
    [0.03, 0.04, 0.04, nan]
    """
    p = np.asarray(p_values, dtype=float)
    if p.ndim != 1:
        raise ValueError(f"p-values of {p.ndim} dimensions: pass one list")
    tested = np.flatnonzero(~np.isnan(p))
    if wrong := [float(each) for each in p[tested] if not 0 <= each <= 1]:
        raise ValueError(f"p-value {wrong[0]:g}: it lies between 0 and 1; pass NaN for what was not tested")
    falling = tested[np.argsort(-p[tested], kind="stable")]
    shrunk = p[falling] * (tested.size / np.arange(tested.size, 0, -1))
    adjusted = np.full(p.shape, np.nan)
    adjusted[falling] = np.minimum.accumulate(np.minimum(shrunk, 1.0))
    return adjusted
