"""Which rows that join are computed in one prefill: prompts of unlike lengths pad each other, yet each pass costs.

A group of rows costs its rows times its longest prompt, padding included, and each group costs something whatever its
size. How much that is depends on model and machine (a small model on a CPU: as much as hundreds of tokens), so it is
learnt from the prefills that ran.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

MOST_TOKENS = 16_384
"""Of one prefill, and of all that are computed between two steps, padding included, unless a single prompt is longer:
what more would gain, memory and the rows that wait meanwhile lose."""

FIRST_GUESS, LEAST, MOST = 100.0, 4.0, 4096.0
"""Tokens that a pass costs by itself: before anything was learnt, and the bounds of what may be learnt."""

DECAY = 0.98
SAMPLES = 8
SPREAD = 0.1
"""Of the sizes of prefills: below this they are too much alike to tell what a pass costs from what a token costs."""

Item = TypeVar("Item")


class PassCost:
    """Tokens that a prefill costs by itself: the intercept over the slope of its seconds against its tokens."""

    def __init__(self) -> None:
        self.tokens = FIRST_GUESS
        self._count = self._x = self._y = self._xx = self._xy = 0.0

    def learn(self, tokens: int, seconds: float) -> None:
        """Take the size, padding included, and the time of a prefill into account; older ones count less and less."""
        self._count = self._count * DECAY + 1
        self._x = self._x * DECAY + tokens
        self._y = self._y * DECAY + seconds
        self._xx = self._xx * DECAY + tokens * tokens
        self._xy = self._xy * DECAY + tokens * seconds
        spread = self._count * self._xx - self._x**2
        if self._count < SAMPLES or spread < SPREAD * self._x**2:
            return
        slope = (self._count * self._xy - self._x * self._y) / spread
        by_itself = (self._y - slope * self._x) / self._count
        if slope > 0:
            self.tokens = min(max(by_itself / slope, LEAST), MOST)


def split(items: Sequence[Item], width: Callable[[Item], int], pass_cost: float) -> list[list[Item]]:
    """The groups that cost least together; each item is in one, and the first item in the first.

    >>> split([30, 30, 160, 31, 33], lambda item: item, pass_cost=100)
    [[30, 30, 31, 33], [160]]
    >>> split([30, 30, 160, 31, 33], lambda item: item, pass_cost=1000)
    [[30, 30, 31, 33, 160]]
    """
    ordered = sorted(items, key=width)
    best: list[tuple[float, int]] = [
        (0.0, 0)
    ]  # of the first so many: what they cost, and where their last group begins
    for end in range(1, len(ordered) + 1):
        longest = width(ordered[end - 1])
        best.append(
            min(
                (best[begin][0] + pass_cost + (end - begin) * longest, begin)
                for begin in range(end)
                if (end - begin) * longest <= MOST_TOKENS or end - begin == 1
            )
        )
    groups, end = [], len(ordered)
    while end:
        begin = best[end][1]
        groups.append(ordered[begin:end])
        end = begin
    return sorted(groups, key=lambda group: not any(item is items[0] for item in group))
