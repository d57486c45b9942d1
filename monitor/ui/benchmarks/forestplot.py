"""Differences of two checkpoints below each other, for benchmarks and for categories."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from monitor.charts import paired, words
from monitor.charts.forest import differences_by_group
from monitor.charts.paired import Effect
from monitor.ui.benchmarks import comparison

Row = Mapping[str, Any]

WIDEST = 170


def drawable(row: Row) -> bool:
    """Whether a row has a difference with an interval, in points."""
    return comparison.scaled(row) and all(words.known(row[name]) for name in ("difference", "low", "high"))


def draw_forest(rows: Sequence[Row], of: str, a: str) -> None:
    """A line for each row that is `drawable`, named by its column `of`; dots are filled where a difference is shown."""
    effects = [
        Effect(f"{row[of]} (n {words.count(_n(row))})", float(row["difference"]), float(row["low"]), float(row["high"]))
        for row in rows
    ]
    told = [f"{paired.in_words(one)}, {comparison.verdict(row, a)}" for one, row in zip(effects, rows, strict=True)]
    st.echarts_chart(
        differences_by_group(effects, shown=[words.known(row["better"]) for row in rows], widest=WIDEST),
        height=74 + 28 * len(effects),
        key=f"forest-{of}",
        alt=f"B minus A by {of}. {'. '.join(told)}",
    )


def _n(row: Row) -> int:
    """Items that both have; otherwise those of the one with fewer."""
    return int(row["n"]) or min(int(row[name]) for name in ("n_a", "n_b") if words.known(row[name]))
