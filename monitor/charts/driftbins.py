"""How a feature is spread in a window beside its reference, from the query `drift_feature`; what moved is marked."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from monitor.charts import palette, words
from monitor.charts.marks import Option
from monitor.charts.timeseries import legend

REFERENCE, WINDOW, MISSING, GAP = "reference", "window", "(missing)", "⋯"
MARK = "▲"
LONGEST = 24


def distribution_beside(frame: pd.DataFrame, marked: bool = True) -> Option:
    """Shares of both sides in each bin; `marked`: bins where the window has more are named with a triangle.

    The last row of the query, that of missing values, is drawn where there are any.
    """
    rows = shown(frame)
    return {
        "animation": False,
        "grid": {"left": 8, "right": 16, "top": 34, "bottom": 8, "containLabel": True},
        "legend": legend([REFERENCE, WINDOW]),
        "tooltip": {"trigger": "axis", "confine": True, "axisPointer": {"type": "shadow"}},
        "dataset": {"source": _source(rows, marked)},
        "xAxis": {
            "type": "category",
            "axisTick": {"show": False},
            "axisLabel": {"hideOverlap": True, "width": 92, "overflow": "truncate", "lineHeight": 14},
        },
        "yAxis": {"type": "value", "min": 0, "axisLabel": {"formatter": "{value} %"}},
        "series": [
            _bars(REFERENCE, {"color": palette.REFERENCE, "opacity": 0.75}),
            _bars(WINDOW, {"color": palette.SERIES_LIGHT[1]}) | {"markArea": _areas(rows, marked)},
        ],
    }


def in_words(frame: pd.DataFrame) -> str:
    """The bins that moved as text, with both shares, the interval of the window's and both n."""
    rows = [row for row in shown(frame) if row is not None]
    told = [f"{name(row)}: {_pair(row)}" for row in rows if row["moved"]]
    totals = [int(sum(row[side] for row in rows)) for side in ("n_window", "n_reference")]
    n = f"n {words.count(totals[0])} in the window, {words.count(totals[1])} in the reference"
    if not told:
        return f"No part has more predictions than in the reference ({n})."
    shares = [
        sum(float(row[side] or 0) for row in rows if row["moved"]) for side in ("share_window", "share_reference")
    ]
    return (
        f"It moved to {_listed(told)}. Together {words.share(shares[0])} of the predictions are there now, "
        f"{words.share(shares[1])} before ({n})."
    )


def shown(frame: pd.DataFrame) -> list[Mapping[str, Any] | None]:
    """The rows of the chart; None where bins without any prediction were left out between two."""
    found: list[Mapping[str, Any] | None] = []
    for row in ({str(key): value for key, value in one.items()} for one in frame.to_dict("records")):
        if row["name"] == MISSING and not (row["n_reference"] or row["n_window"]):
            continue
        last = found[-1] if found else None
        if last is not None and not words.known(row["name"]) and words.known(row["low"]) and row["low"] > last["high"]:
            found.append(None)
        found.append(row)
    return found


def name(row: Mapping[str, Any]) -> str:
    """A bin or a name: 0.2 to 0.4."""
    if words.known(row["name"]):
        said = " ".join(str(row["name"]).split()) or "(empty)"
        return said if len(said) <= LONGEST else f"{said[: LONGEST - 1]}…"
    return f"{_short(row['low'])} to {_short(row['high'])}"


def _source(rows: Sequence[Mapping[str, Any] | None], marked: bool) -> pd.DataFrame:
    told: list[dict[str, Any]] = []
    for place, row in enumerate(rows):
        if row is None:
            told.append({"bin": f"{GAP}{' ' * place}", f"{REFERENCE} drawn": None, f"{WINDOW} drawn": None})
            continue
        sign = f"{MARK} " if marked and row["moved"] else ""
        told.append(
            {
                "bin": sign + name(row),
                f"{REFERENCE} drawn": _percent(row["share_reference"]),
                f"{WINDOW} drawn": _percent(row["share_window"]),
                REFERENCE: f"{words.share(row['share_reference'])} (n {words.count(row['n_reference'])})",
                WINDOW: words.with_evidence(
                    row["share_window"], row["window_low"], row["window_high"], row["n_window"], "share"
                ),
            }
        )
    return pd.DataFrame(told)


def _bars(side: str, style: Option) -> Option:
    return {
        "type": "bar",
        "name": side,
        "barGap": "-62%",
        "barCategoryGap": "24%",
        "barMaxWidth": 34,
        "itemStyle": style,
        "encode": {"x": "bin", "y": f"{side} drawn", "tooltip": [side]},
    }


def _areas(rows: Sequence[Mapping[str, Any] | None], marked: bool) -> Option:
    """A band behind each run of bins that moved."""
    runs: list[list[int]] = []
    for place, row in enumerate(rows):
        if marked and row is not None and row["moved"]:
            if runs and runs[-1][1] == place - 1:
                runs[-1][1] = place
            else:
                runs.append([place, place])
    data = [[{"xAxis": first}, {"xAxis": last}] for first, last in runs]
    return {"silent": True, "itemStyle": {"color": palette.MOVED_AREA}, "data": data}


def _pair(row: Mapping[str, Any]) -> str:
    return f"{words.share(row['share_window'])} (before {words.share(row['share_reference'])})"


def _percent(value: Any) -> float | None:
    return float(value) * 100 if words.known(value) else None


def _short(value: Any) -> str:
    return f"{float(value):,.4g}" if abs(float(value)) < 10_000 else f"{float(value):,.0f}"


def _listed(parts: Sequence[str], most: int = 6) -> str:
    rest = f" and {len(parts) - most} more" if len(parts) > most else ""
    return ", ".join(parts[:most]) + rest
