"""How probable each answer of a closed question was, for one target or several side by side."""

from collections.abc import Mapping

from monitor.charts import palette, words
from monitor.charts.marks import Option
from monitor.charts.timeseries import legend
from monitor.stats.choices import ChoiceShares

REST = "anything else"
"""What no choice accounts for; drawn last, in grey with stripes, because it is not an answer."""

STRIPES = {"symbol": "rect", "color": "rgba(255,255,255,0.45)", "dashArrayX": [1, 0], "dashArrayY": [3, 3]}


def choice_bars(shares: Mapping[str, ChoiceShares]) -> Option:
    """One bar per choice and target, with its percentage beside it."""
    choices = list(next(iter(shares.values())).probabilities)
    return {
        "animation": False,
        "grid": {"left": 8, "right": 64, "top": 34 if len(shares) > 1 else 8, "bottom": 8, "containLabel": True},
        "legend": legend(list(shares)),
        "tooltip": {"show": False},
        "aria": {"decal": {"show": len(shares) > 1}},
        "xAxis": {"type": "value", "min": 0, "max": 100, "axisLabel": {"formatter": "{value} %"}},
        "yAxis": {"type": "category", "data": [*choices, REST], "inverse": True, "axisTick": {"show": False}},
        "series": [_series(target, own, choices) for target, own in shares.items()],
    }


def in_words(shares: Mapping[str, ChoiceShares]) -> str:
    """The same as text."""
    return ". ".join(
        f"{target}: " + ", ".join(f"{name} {words.share(part)}" for name, part in _parts(own).items())
        for target, own in shares.items()
    )


def _parts(shares: ChoiceShares) -> dict[str, float]:
    return shares.probabilities | {REST: shares.uncovered}


def _series(target: str, shares: ChoiceShares, choices: list[str]) -> Option:
    rest = {"itemStyle": {"color": palette.REFERENCE, "decal": STRIPES}}
    bars: list[Option] = [_bar(shares.probabilities[choice]) for choice in choices]
    return {
        "type": "bar",
        "name": target,
        "barMaxWidth": 18,
        "label": {"show": True, "position": "right"},
        "data": [*bars, _bar(shares.uncovered) | rest],
    }


def _bar(part: float) -> Option:
    return {"value": round(part * 100, 4), "label": {"formatter": words.share(part)}}
