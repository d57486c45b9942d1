"""Many p-values at once, so that the chance to be wrong about any of them stays what one test promises.

Comparisons of checkpoints over several benchmarks and the pairs of a ranking go through it.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Adjusted p-values, in the order given: those at most alpha may be acted on together at level alpha.

    The k-th smallest of m is multiplied by m - k + 1, and none is below a smaller one. The chance that any true null
    hypothesis is among those acted on is at most alpha, however the tests depend on each other. NaN (not tested) stays
    NaN and does not count.

    Source: Holm (1979), A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6.

    >>> holm([0.01, 0.04, 0.03, np.nan]).tolist()
    [0.03, 0.06, 0.06, nan]
    """
    p = np.asarray(p_values, dtype=float)
    if p.ndim != 1:
        raise ValueError(f"p-values of {p.ndim} dimensions: pass one list")
    tested = np.flatnonzero(~np.isnan(p))
    if wrong := [float(each) for each in p[tested] if not 0 <= each <= 1]:
        raise ValueError(f"p-value {wrong[0]:g}: it lies between 0 and 1; pass NaN for what was not tested")
    rising = tested[np.argsort(p[tested], kind="stable")]
    raised = np.maximum.accumulate(p[rising] * np.arange(tested.size, 0, -1))
    adjusted = np.full(p.shape, np.nan)
    adjusted[rising] = np.minimum(raised, 1.0)
    return adjusted
