"""What a method finds, and what a method is; every file beside this one makes one."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Found:
    """How far the window is from the reference.

    `low` and `high` are the 95 % interval of the effect (NaN: not known), `p` is of the hypothesis that nothing has
    changed (NaN: no test), `expected` is the effect to be expected at these n without any change (NaN: not known).
    """

    effect: float
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan
    expected: float = math.nan


NOTHING = Found(math.nan)
"""One of the sides has no values."""


@dataclass(frozen=True, slots=True)
class Method:
    """A way to compare; `kinds` are of "number", "category" and "vector", `threshold` is where a drift begins.

    `compare` tells everything, `effect` only the effect, which is quicker. `smallest` is the smallest effect that is
    significant at a level wherever it lies: of (reference, window, level); NaN where that is not known.
    """

    name: str
    title: str
    about: str
    kinds: frozenset[str]
    threshold: float
    compare: Callable[[Any, Any], Found]
    effect: Callable[[Any, Any], float]
    smallest: Callable[[Any, Any, float], float]
