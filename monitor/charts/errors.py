"""Which errors happened when, from the query `errors_over_time`."""

from collections.abc import Sequence

import pandas as pd

from monitor.charts.marks import Marker, Option
from monitor.charts.timeseries import TIME, View, stacked_bars

SHOWN = 5
OTHER = "other errors"


def error_classes_over_time(frame: pd.DataFrame, *, view: View, markers: Sequence[Marker] = ()) -> Option:
    """Errors per bucket, stacked by class: the five most frequent ones, and the rest as one."""
    totals = frame.groupby("error_type", dropna=False)["n"].sum().sort_values(ascending=False)
    top = [str(name) for name in totals.index[:SHOWN]]
    named = frame.assign(error_type=frame["error_type"].astype(str))
    named.loc[~named["error_type"].isin(top), "error_type"] = OTHER
    wide = named.pivot_table(index="bucket", columns="error_type", values="n", aggfunc="sum", fill_value=0)
    names = [name for name in [*top, OTHER] if name in wide.columns]
    source = wide[names].reset_index().rename(columns={"bucket": TIME})
    source.columns.name = None
    return stacked_bars(source, names, view=view, markers=markers)
