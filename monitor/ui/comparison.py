"""Two deployments side by side, with a sentence for each difference that needs no statistics to be read."""

from typing import Any

import pandas as pd
import streamlit as st

from monitor.charts import words
from monitor.ui import data, faces, text
from monitor.ui.data import ask
from monitor.ui.filters import Scope
from monitor.ui.window import Window

METRICS = {
    "error_rate": "Error rate",
    "p50_ms": "Latency, p50",
    "p90_ms": "Latency, p90",
    "p95_ms": "Latency, p95",
    "p99_ms": "Latency, p99",
    "ttft_p50_ms": "Time to first token, p50",
    "ttft_p95_ms": "Time to first token, p95",
}
UNITS = {"ms": "ms", "share": "share"}
ICONS = {
    "b_lower": ":material/arrow_downward:",
    "b_higher": ":material/arrow_upward:",
    "no_difference_shown": ":material/drag_handle:",
    "not_enough_data": ":material/hourglass_empty:",
}


def draw_comparison(window: Window, scope: Scope, known: pd.DataFrame) -> None:
    """Pick two deployments, see what differs between them in the window."""
    names = sorted(known.loc[known["source"] == scope.source, "deployment"].unique())
    if len(names) < 2:
        faces.nothing_yet(f"A comparison needs two deployments; {scope.source} has {len(names)}.", "compare")
        return
    chosen = [name for name in scope.deployments if name in names] + [n for n in names if n not in scope.deployments]
    left, right = st.columns(2)
    a = left.selectbox("A, the one that is known", names, index=names.index(chosen[0]), key="a", bind="query-params")
    b = right.selectbox("B, compared with it", names, index=names.index(chosen[1]), key="b", bind="query-params")
    if a == b:
        faces.nothing_yet("A and B are the same deployment: choose two different ones.", "compare")
        return
    rows = data.load(ask("compare", start=window.start, end=window.end, a=a, b=b, source=scope.source))
    table = pd.DataFrame([_line(row, str(a), str(b)) for row in data.records(rows)]).set_index("Metric")
    st.table(table, border="horizontal", alt=f"{b} compared with {a}")
    st.caption("Differences are B minus A, with 95 % intervals. An interval that contains zero shows no difference.")


def _line(row: dict[str, Any], a: str, b: str) -> dict[str, str]:
    unit = UNITS.get(row["unit"], "count")
    return {
        "Metric": METRICS.get(row["metric"], row["metric"]),
        f"A: {text.plain(a)}": words.with_evidence(row["a"], row["a_low"], row["a_high"], row["n_a"], unit),
        f"B: {text.plain(b)}": words.with_evidence(row["b"], row["b_low"], row["b_high"], row["n_b"], unit),
        "What it means": f"{ICONS.get(row['verdict'], '')} {in_words(row)}",
    }


def in_words(row: dict[str, Any]) -> str:
    """One difference as a sentence."""
    silent = [name for name, n in (("A", row["n_a"]), ("B", row["n_b"])) if not n]
    if silent:
        return f"{' and '.join(silent)} logged nothing to compare."
    if row["verdict"] == "not_enough_data":
        return "Too few requests to tell."
    unit = UNITS.get(row["unit"], "count")
    low, high = float(row["difference_low"]), float(row["difference_high"])
    if row["verdict"] == "no_difference_shown":
        return f"No difference shown: B may be {_signed(low, unit)} to {_signed(high, unit)}."
    direction = "lower" if row["verdict"] == "b_lower" else "higher"
    near, far = sorted((abs(low), abs(high)))
    by = _amount(abs(float(row["difference"])), unit)
    return f"B is {direction} by {by} ({_amount(near, unit)} to {_amount(far, unit)})."


def _signed(value: float, unit: str) -> str:
    return f"{_amount(abs(value), unit)} {'lower' if value < 0 else 'higher'}"


def _amount(value: float, unit: str) -> str:
    if unit == "share":
        return f"{value * 100:.2f} points"
    return words.milliseconds(value) if unit == "ms" else f"{value:,.1f}"
