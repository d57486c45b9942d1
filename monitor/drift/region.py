"""The part of a feature's values where a window has more of its predictions than the reference: where it moved to.

Queries count quality and find examples there. Of numbers it is the side of the point at which the shares up to it
differ most (the point of Kolmogorov and Smirnov); of categories it is the names whose share rose, most first.
"""

from dataclasses import dataclass

import numpy as np

from monitor.drift.profile import Category, Floats, Ints, Numeric, Profile

MOST_NAMES = 20
ROSE = 0.005
"""A name counts as risen if its share did so by more."""


@dataclass(frozen=True, slots=True)
class Region:
    """Values above `low` and up to `high` (None: no bound), or one of `names`; `missing`: predictions without a value.

    `share_reference` and `share_window` are the shares of the predictions that have a value there.
    """

    low: float | None = None
    high: float | None = None
    names: tuple[str, ...] = ()
    missing: bool = False
    share_reference: float = float("nan")
    share_window: float = float("nan")

    def holds(self, low: float, high: float) -> bool:
        """Whether a bin from above `low` up to `high` lies in a region of numbers."""
        return (self.low is not None and low >= self.low) or (self.high is not None and high <= self.high)


def moved_to(reference: Profile, window: Profile) -> Region | None:
    """Where the window has more than the reference; None where one of them has no values and none are missing.

    >>> from monitor.drift.profile import profile_names
    >>> moved_to(profile_names(["en"] * 9 + ["de"]), profile_names(["en"] * 4 + ["de"] * 6)).names
    ('de',)
    """
    gone = _missing_share(window) - _missing_share(reference)
    region = _among_values(reference, window) if reference.n and window.n else None
    if region is None or gone > region.share_window - region.share_reference:
        if gone <= 0:
            return region
        return Region(missing=True, share_reference=_missing_share(reference), share_window=_missing_share(window))
    return region


def _missing_share(one: Profile) -> float:
    total = one.n + one.missing
    return one.missing / total if total else 0.0


def _among_values(reference: Profile, window: Profile) -> Region:
    if isinstance(reference, Category) and isinstance(window, Category):
        return _names(reference, window)
    if isinstance(reference, Numeric) and isinstance(window, Numeric):
        return _numbers(reference, window)
    raise ValueError("one profile is of numbers and one of names: compare one kind")


def _numbers(reference: Numeric, window: Numeric) -> Region:
    cuts, up_to = _shares_up_to(reference, window)
    if not len(cuts):
        return Region(share_reference=1.0, share_window=1.0)
    apart = up_to[1] - up_to[0]
    at = int(np.argmax(np.abs(apart)))
    below = bool(apart[at] > 0)
    shares = [float(side[at] if below else 1 - side[at]) for side in up_to]
    cut = float(cuts[at])
    return Region(None if below else cut, cut if below else None, share_reference=shares[0], share_window=shares[1])


def _shares_up_to(reference: Numeric, window: Numeric) -> tuple[Floats, tuple[Floats, Floats]]:
    """Cuts, and the share of each side's values up to each of them; exactly where the values themselves are known."""
    (old, n_old), (new, n_new) = ((one.points, one.point_counts) for one in (reference, window))
    if old is not None and n_old is not None and new is not None and n_new is not None:
        cuts: Floats = np.union1d(old, new)[:-1]
        return cuts, (_up_to(old, n_old, cuts), _up_to(new, n_new, cuts))
    sides = [np.cumsum(one.counts)[:-1] / one.n for one in (reference, window)]
    return reference.edges, (sides[0], sides[1])


def _up_to(points: Floats, counts: Ints, cuts: Floats) -> Floats:
    """The share of the values up to each cut."""
    sums = np.concatenate([[0], np.cumsum(counts)])
    shares: Floats = sums[np.searchsorted(points, cuts, side="right")] / sums[-1]
    return shares


def _names(reference: Category, window: Category) -> Region:
    before = {name: int(n) / reference.n for name, n in zip(reference.names, reference.counts, strict=True)}
    now = {name: int(n) / window.n for name, n in zip(window.names, window.counts, strict=True)}
    rise = {name: share - before.get(name, 0.0) for name, share in now.items()}
    risen = sorted((name for name, by in rise.items() if by > ROSE), key=lambda name: -rise[name])[:MOST_NAMES]
    return Region(
        names=tuple(risen),
        share_reference=sum(before.get(name, 0.0) for name in risen),
        share_window=sum(now[name] for name in risen),
    )
