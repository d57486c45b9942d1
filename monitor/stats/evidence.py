"""Evidence against "nothing has changed" as e-values: replays before a moment against the replays since then.

`monitor/canary/signals.py` calls it. Replays of an unchanged deployment are exchangeable: given what was answered in
all of them, any m of the N replays are equally likely to have been the last m. Each e-value here is what was seen,
divided by its mean over all such choices, so that its expectation is exactly 1 however rare or frequent the noise of an
item is. It is large only where the last replays stand apart from the others.

Arrays have one row for each replay, oldest first, and one column for each item; the first `reference` rows are what the
others are compared with. Of k recent rows each may be the first one after a change: row s of a result is for the
change before recent row s, which compares the k - s newest rows with all before them. Results are logarithms.

Sources: Fisher (1935), The logic of inductive inference, JRSS 98 (the conditional distribution of a 2 x 2 table and its
noncentral form); Vovk and Wang (2021), E-values: calibration, combination and applications, Annals of Statistics 49;
Grünwald, de Heide and Koolen (2024), Safe testing, JRSS B 86 (likelihood ratios and mixtures of them as e-values).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]
Integers = NDArray[np.integer]

UNKNOWN = -1
"""What stands for a missing value; it is left out of its item."""


def more_often(marked: Integers, reference: int, odds: float) -> Floats:
    """Log e-values, shape (recent rows, items), for: rows are marked (1, not 0) more often since the change.

    Given how many of the N values of an item are marked, the number x among the newest m is hypergeometric. The
    e-value is the likelihood ratio odds^x / E[odds^X] of Fisher's noncentral form against it.

    >>> passed_12_times_then_failed_twice = np.array([[0]] * 12 + [[1]] * 2)
    >>> np.exp(more_often(passed_12_times_then_failed_twice, 12, odds=1000.0)).round(1).ravel().tolist()
    [88.9, 7.0]
    """
    marked = np.asarray(marked)
    total, odd = (marked != UNKNOWN).sum(axis=0), (marked == 1).sum(axis=0)
    values: Floats = np.zeros((marked.shape[0] - reference, marked.shape[1]))
    varied = (odd > 0) & (odd < total)
    if values.size and varied.any():
        recent = marked[reference:, varied]
        values[:, varied] = _noncentral(
            _since(recent != UNKNOWN), _since(recent == 1), total[varied], odd[varied], odds
        )
    return values


def _noncentral(
    newest: NDArray[np.int64], found: NDArray[np.int64], total: NDArray[np.int64], odd: NDArray[np.int64], odds: float
) -> Floats:
    """Log of odds^found / E[odds^X], X hypergeometric: marked ones among the newest, `odd` of `total` being marked."""
    counts = np.arange(int(newest.max()) + 1)[:, None, None]
    ways = _log_choose(odd, counts) + _log_choose(total - odd, newest - counts)
    mean = np.logaddexp.reduce(ways + counts * np.log(odds), axis=0) - _log_choose(total, newest)
    return np.asarray(found * np.log(odds) - mean)


def never_before(codes: Integers, reference: int) -> Floats:
    """Log e-values, shape (recent rows, items), for: since the change, no answer is one that was given before it.

    Answers are codes of equal ones. If the newest m hold only answers of their own, the e-value is the number of ways
    to choose m of N rows, divided by the number of those that would leave no answer on both sides; if not, it is 0
    (-inf). Where no choice could do so, an unchanged answer above all, it is 1.

    >>> always_a_then_b_and_c = np.array([[7]] * 12 + [[8], [9]])
    >>> np.exp(never_before(always_a_then_b_and_c, 12)).ravel().round(1).tolist()
    [91.0, 7.0]
    >>> np.exp(never_before(np.array([[7]] * 14), 12)).ravel().tolist()
    [1.0, 1.0]
    """
    codes = np.asarray(codes)
    newest = _since((codes != UNKNOWN)[reference:])
    apart, ways = np.zeros(newest.shape, dtype=bool), np.zeros(newest.shape)
    varied = np.flatnonzero((codes != codes[:1]).any(axis=0))
    for item in varied:
        distinct, place = np.unique(codes[:, item], return_inverse=True)
        given = place.reshape(-1, 1) == np.flatnonzero(distinct != UNKNOWN)
        sizes, here = given.sum(axis=0), _since(given[reference:])
        apart[:, item] = ((here == 0) | (here == sizes)).all(axis=1)
        ways[:, item] = _ways(sizes, len(newest))[newest[:, item]]
    choices = _log_choose((codes != UNKNOWN).sum(axis=0), newest)
    seen = np.subtract(choices, np.log(np.maximum(ways, 1.0)))
    values: Floats = np.where(ways > 0, np.where(apart, seen, -np.inf), 0.0)
    return values


def over_items(log_e: Floats, members: Floats, share: float) -> Floats:
    """Log e-values, shape (recent rows, groups): the product over the items of each group, if a change touches a share.

    `members` is 1 where an item (row) belongs to a group (column). Each item counts as (1 - share) + share * e, so that
    one that goes on as before costs little. A product of independent e-values is an e-value.

    >>> np.exp(over_items(np.log([[13.0, 0.5, 1.0]]), np.ones((3, 1)), share=0.5)).round(3).tolist()
    [[5.25]]
    """
    rest = np.log1p(-share) if share < 1 else -np.inf
    mixed: Floats = np.logaddexp(rest, np.log(share) + log_e) @ members
    return mixed


def over_guesses(log_e: Sequence[Floats]) -> Floats:
    """The mean of several e-values of the same shape, in logarithms: none needs to be right, and it is an e-value."""
    mean: Floats = np.logaddexp.reduce(np.stack(log_e), axis=0) - np.log(len(log_e))
    return mean


def over_starts(log_e: Floats, fewest: int = 1) -> tuple[Floats, NDArray[np.int64]]:
    """Log evidence of each group that there was a change, and the recent row that explains most as its start.

    A mean over the starts, the one a rows ago weighing 1 / a: whoever looks after each replay wants the latest changes
    soonest, and old ones had time to add up. Starts of less than `fewest` rows are left out; without any it is 0, -1.

    >>> log_evidence, start = over_starts(np.log([[1.0], [1.0], [100.0]]))
    >>> round(float(np.exp(log_evidence[0])), 1), start.tolist()
    (55.0, [2])
    """
    recent, groups = log_e.shape
    if recent < fewest:
        return np.zeros(groups), np.full(groups, -1, dtype=np.int64)
    ages = np.arange(recent, fewest - 1, -1)
    weights = 1.0 / ages
    terms = log_e[: ages.size] + np.log(weights / weights.sum())[:, None]
    return np.logaddexp.reduce(terms, axis=0), np.argmax(terms, axis=0)


def _since(flags: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many are set from each row on."""
    counts: NDArray[np.int64] = np.cumsum(flags[::-1].astype(np.int64), axis=0)[::-1]
    return counts


def _ways(sizes: NDArray[np.int64], most: int) -> Floats:
    """In how many ways some of the groups, each taken whole, make up 0, 1, ... `most` rows."""
    ways = np.zeros(most + 1)
    ways[0] = 1.0
    for size in sizes[sizes <= most]:
        ways[size:] += ways[: most + 1 - size].copy()
    return ways


def _log_choose(n: NDArray[np.int64], k: NDArray[np.int64]) -> Floats:
    """Logarithm of "n choose k"; -inf where there is no way."""
    whole, part = (np.asarray(numbers) for numbers in np.broadcast_arrays(n, k))
    possible = (part >= 0) & (part <= whole)
    inside = np.where(possible, part, 0)
    log_factorial = special.gammaln(np.arange(1, int(whole.max(initial=0)) + 2))
    values: Floats = log_factorial[whole] - log_factorial[inside] - log_factorial[whole - inside]
    return np.where(possible, values, -np.inf)
