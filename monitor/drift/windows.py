"""Hours put together to windows, feature by feature; for the job and for queries, so that both say the same.

A feature that an hour does not have is missing in all of its predictions. One that was a number in some hours and a
name in others, as events may carry it, counts as what it was more often, and as missing where it was the other.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from monitor.drift.profile import Category, Numeric, Profile, category, merge, profile_numbers

Features = Mapping[str, Profile]


def together(hours: Iterable[Features]) -> dict[str, Profile]:
    """The profiles of several hours as one of each feature.

    >>> from monitor.drift.profile import profile_names
    >>> both = together([{"x": profile_names(["a", "b"])}, {"y": profile_names(["c"])}])
    >>> both["x"].n, both["x"].missing, both["y"].missing
    (2, 1, 2)
    """
    parts: dict[str, list[Profile]] = defaultdict(list)
    n = 0
    for features in hours:
        n += rows_of(features)
        for feature, profile in features.items():
            parts[feature].append(profile)
    whole = {feature: merge(_of_one_kind(of_it)) for feature, of_it in parts.items()}
    return {feature: replace(one, missing=n - one.n) for feature, one in whole.items()}


def rows_of(features: Features) -> int:
    """The predictions that profiles were made of."""
    return max((one.n + one.missing for one in features.values()), default=0)


def side_by_side(before: Features, now: Features) -> dict[str, tuple[Profile, Profile]]:
    """Every feature of either side with both of its profiles; one that a side lacks is missing there."""
    totals = rows_of(before), rows_of(now)
    found: dict[str, tuple[Profile, Profile]] = {}
    for feature in sorted(before.keys() | now.keys()):
        old, new = before.get(feature), now.get(feature)
        if old is None and new is not None:
            old = _nothing(new, totals[0])
        elif old is not None and (new is None or type(new) is not type(old)):
            new = _nothing(old, totals[1])
        if old is not None and new is not None:
            found[feature] = old, new
    return found


def _of_one_kind(profiles: list[Profile]) -> list[Profile]:
    kinds = {type(one) for one in profiles}
    if len(kinds) == 1:
        return profiles
    most = max(kinds, key=lambda kind: (sum(one.n for one in profiles if type(one) is kind), kind is Numeric))
    return [one for one in profiles if type(one) is most]


def _nothing(like: Profile, missing: int) -> Profile:
    empty = category([], [], 0) if isinstance(like, Category) else profile_numbers(np.empty(0), like.edges)
    return replace(empty, missing=missing)
