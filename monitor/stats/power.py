"""How many items a comparison of two on the same items needs to see a drop, and which drop so many items can see.

The comparison on the Canaries page says it beside a difference that was not shown.
"""

import math

from scipy import special

_HALVINGS = 60


def items_needed(drop: float, discordance: float, power: float = 0.8, alpha: float = 0.05) -> int:
    """Items for which McNemar's two-sided test shows a drop of the share of right answers this often.

    `drop` is the difference of the two shares; `discordance` is the share of items that just one of the two gets right,
    at least the drop. Both between 0 and 1.

    Source: Connor (1987), Sample size for testing differences in proportions for the paired-sample design,
    Biometrics 43:207.

    >>> items_needed(0.05, 0.05), items_needed(0.05, 0.10), items_needed(0.01, 0.05)
    (155, 312, 3923)
    """
    _check(discordance, power, alpha)
    if not 0 < drop <= discordance:
        raise ValueError(f"drop is {drop} and discordance {discordance}: expected 0 < drop <= discordance <= 1")
    return math.ceil(_items(drop, discordance, power, alpha))


def smallest_drop(n: int, discordance: float, power: float = 0.8, alpha: float = 0.05) -> float:
    """The smallest drop that n items show this often; NaN where they do not even show one of all that is discordant.

    >>> round(smallest_drop(312, 0.10), 3), smallest_drop(20, 0.10)
    (0.05, nan)
    """
    _check(discordance, power, alpha)
    if n < 0:
        raise ValueError(f"n is {n}: expected 0 or more items")
    if _items(discordance, discordance, power, alpha) > n:
        return math.nan
    low, high = 0.0, discordance
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _items(middle, discordance, power, alpha) > n else (low, middle)
    return high


def _items(drop: float, discordance: float, power: float, alpha: float) -> float:
    if drop**2 == 0:
        return math.inf
    chance = float(special.ndtri(1 - alpha / 2)) * math.sqrt(discordance)
    found = float(special.ndtri(power)) * math.sqrt(discordance - drop**2)
    return ((chance + found) / drop) ** 2


def _check(discordance: float, power: float, alpha: float) -> None:
    if not 0 < discordance <= 1:
        raise ValueError(f"discordance is {discordance}: expected a share above 0, at most 1")
    if not (0 < alpha < power < 1):
        raise ValueError(f"power is {power} and alpha {alpha}: expected 0 < alpha < power < 1, such as 0.8 and 0.05")
