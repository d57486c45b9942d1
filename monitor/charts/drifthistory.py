"""The share of predictions in the part that a feature moved to, over time, from the query `drift_feature_history`."""

from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from monitor.charts import palette, words
from monitor.charts.marks import Option
from monitor.charts.timeseries import Band, Line, View, over_time

SHARE, BEFORE, SURE = "share there", "in the reference", "95 % interval"


def moved_share_over_time(
    frame: pd.DataFrame, *, view: View, window: tuple[datetime, datetime] | None = None
) -> Option:
    """The share with its interval, the share of the reference as a dashed line, and the window that is looked at."""
    low, high = (frame[name].to_numpy(dtype=float, na_value=np.nan) for name in ("low", "high"))
    share = frame["share"].to_numpy(dtype=float, na_value=np.nan)
    before = frame["share_reference"].to_numpy(dtype=float, na_value=np.nan)
    lines = [
        Line(SHARE, share, [_told(row) for row in frame.itertuples()]),
        Line(BEFORE, before, [words.share(one) for one in before], "dashed"),
    ]
    band = Band(low, high, [words.interval(*ends, "share") for ends in zip(low, high, strict=True)], SURE)
    option = over_time(frame["bucket"], lines, unit="share", view=view, band=band)
    for series in option["series"]:
        if series.get("name") == BEFORE:
            series |= {"showSymbol": False, "itemStyle": {"color": palette.REFERENCE}}
            series["lineStyle"] = series["lineStyle"] | {"color": palette.REFERENCE}
        if series.get("name") == SHARE and window is not None:
            ends = [{"xAxis": moment.isoformat()} for moment in window]
            area = {"silent": True, "itemStyle": {"color": palette.MOVED_AREA}, "data": [ends]}
            series |= {"markArea": area}
    return {name: value for name, value in option.items() if name not in ("brush", "toolbox")}


def in_words(frame: pd.DataFrame) -> str:
    """The first, the highest and the newest window as text."""
    known = frame[frame["share"].notna()]
    if known.empty:
        return "No window has a value."
    top, last = known.iloc[int(known["share"].to_numpy().argmax())], known.iloc[-1]
    return f"Newest: {_told(last)}. Highest on {top['bucket']:%a %d %b %H:%M} UTC: {_told(top)}."


def view_of(frame: pd.DataFrame, step: timedelta, utc: bool) -> View:
    """The axis from the first window to the end of the last one."""
    first, last = frame["bucket"].min().to_pydatetime(), frame["bucket"].max().to_pydatetime()
    return View(first - step / 2, last + step, utc)


def _told(row: object) -> str:
    value = {name: getattr(row, name) for name in ("share", "low", "high", "n")}
    return words.with_evidence(value["share"], value["low"], value["high"], value["n"], "share")
