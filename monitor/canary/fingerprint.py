"""The behaviour of an item as a code: its answer, and where several runs of log probabilities lie apart, which of them.

`monitor/canary/signals.py` calls it. Another quantisation, kernel or template moves the log probability of the same
words, often long before a word changes; the noise of an unchanged deployment moves it too, but only a little. What is
compared is log(-log p): the logits move it alike for sure and for unsure answers.
"""

import numpy as np
from numpy.typing import NDArray

CERTAIN = 1e-3
"""Added to the surprise of an answer, -log p, before its logarithm is taken: float32 says little about smaller ones."""

HOPELESS = 1e3
"""Surprises beyond this are alike, such as that of a token that the model rules out (minus infinity)."""

FLOOR = 1e-3
"""Logarithms of the surprise as near as this are the same. Batches change it by some 1e-5 in float32 on a CPU, weights
of 8 bits by 1e-3 to 1e-2 on the small checkpoints."""

GAP = 6.0
"""How many times as wide as the densest half of the values a gap between two groups of them is."""

FEWEST = 7
"""Log probabilities of fewer equal answers are not split: they do not show how much they vary."""


def behaviour(variant: NDArray[np.int32], logprob: NDArray[np.float64]) -> NDArray[np.int64]:
    """Codes of shape (rows, items), equal where an item behaved alike; -1 where its answer is not known.

    It does not depend on the order of the rows, which the tests of `monitor.stats.evidence` ask for.

    >>> logprobs = np.array([[-0.2]] * 4 + [[-0.2 + 1e-6]] * 4 + [[-0.21]])
    >>> behaviour(np.zeros((9, 1), dtype=np.int32), logprobs).ravel().tolist()
    [0, 0, 0, 0, 0, 0, 0, 0, 1]
    """
    codes = np.where(variant < 0, -1, variant.astype(np.int64) * (len(variant) + 1))
    surprise = np.log(CERTAIN + np.clip(-logprob, 0.0, HOPELESS))
    alike = (variant == variant[:1]).all(axis=0) & (variant[:1] >= 0).all(axis=0) & (len(variant) >= FEWEST)
    codes[:, alike] += _groups(surprise[:, alike])
    for item in np.flatnonzero(~alike):
        answers, sizes = np.unique(variant[:, item], return_counts=True)
        for answer in answers[(answers >= 0) & (sizes >= FEWEST)]:
            same = np.flatnonzero(variant[:, item] == answer)
            codes[same, item] += _groups(surprise[same, item, None])[:, 0]
    return codes


def _groups(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """The number of the group of each value within its column: neighbours share one unless the gap is wide."""
    groups = np.zeros(values.shape, dtype=np.int64)
    if not values.size:
        return groups
    order = np.argsort(values, axis=0)
    ordered = np.take_along_axis(values, order, axis=0)
    half = (len(values) - 1) // 2
    densest = (ordered[half:] - ordered[: len(values) - half]).min(axis=0)
    wide = np.diff(ordered, axis=0) > np.maximum(FLOOR, GAP * densest)
    wide &= ~np.isnan(values).any(axis=0)
    numbers = np.concatenate([np.zeros((1, values.shape[1]), dtype=np.int64), np.cumsum(wide, axis=0)])
    np.put_along_axis(groups, order, numbers, axis=0)
    return groups
