"""Targets of a run in numbers: each by itself with its interval, and two on the same items."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from monitor.charts import paired, words
from monitor.stats.intervals import wilson
from monitor.ui import data, text
from monitor.ui.data import ask
from monitor.ui.probe.answer import LETTERS

ICONS = {
    "b_lower": ":material/arrow_downward:",
    "b_higher": ":material/arrow_upward:",
    "no_difference_shown": ":material/drag_handle:",
    "not_enough_data": ":material/hourglass_empty:",
}


def draw_summary(rows: pd.DataFrame, letters: Mapping[str, str]) -> None:
    """One column a target: answers, failures, right ones, median latency, mean confidence."""
    lines = {}
    for target, letter in letters.items():
        own = rows[rows["target"] == target]
        good = own[own["status"] == "ok"]
        known = own["right"].dropna()
        lines[f"{letter}: {text.plain(target)}"] = {
            "Answers": words.count(len(good)),
            "Failed": words.count(len(own) - len(good)),
            "Right": _right(int(known.sum()), len(known)),
            "Latency, p50": words.milliseconds(good["latency_ms"].median()),
            "First token, p50": words.milliseconds(good["ttft_ms"].median()),
            "Confidence, mean": words.share(good["confidence"].mean()),
        }
    st.table(pd.DataFrame(lines), border="horizontal", width=240 + 260 * len(lines), alt="Each target of this run")


def _right(right: int, n: int) -> str:
    """The share of right answers with its interval."""
    return words.with_evidence(right / n, *wilson(right, n), n, "share") if n else "no labels"


def draw_comparison(run: str, targets: Sequence[str]) -> None:
    """Two targets on the items that both answered, with what the numbers do and do not show."""
    st.header("Compared on the same items", anchor=False)
    a, b = (targets[0], targets[1]) if len(targets) == 2 else _pick(targets)
    if a == b:
        st.caption("Choose two different targets.")
        return
    row = data.records(data.load(ask("probe_comparison", run=run, a=a, b=b)))[0]
    names = LETTERS[targets.index(a)], LETTERS[targets.index(b)]
    for sentence in sentences(row, *names):
        st.markdown(sentence)
    effects = paired.effects(row)
    if effects:
        with st.grid(2, min_column_width=320):
            for place, effect in enumerate(effects):
                told = _renamed(paired.in_words(effect), names)
                with st.container(key=f"effect-{place}"):
                    st.caption(text.plain(told))
                    st.echarts_chart(paired.difference_interval(effect), height=110, key=f"interval-{place}", alt=told)
    if row["n_labelled"]:
        table = paired.right_wrong_table(row)
        table.index, table.columns = (
            [_renamed(str(one), names) for one in axis] for axis in (table.index, table.columns)
        )
        st.table(table, border="horizontal", width=420, alt="Items by who was right")


def sentences(row: Mapping[str, Any], a: str, b: str) -> list[str]:
    """The comparison in words, each claim with its numbers."""
    found = [_pairs(row, a, b)]
    if row["n_pairs"]:
        agree = words.with_evidence(
            row["agreement"], row["agreement_low"], row["agreement_high"], row["n_pairs"], "share"
        )
        found.append(f":material/join_inner: The same answer on {agree} of them.")
    if row["n_labelled"]:
        found.append(f"{ICONS[row['verdict']]} {_accuracy(row, a, b)}")
    elif row["n_pairs"]:
        found.append(":material/label_off: No item has an expected answer, so which of them is right is not known.")
    if row["n_latency"]:
        found.append(f"{ICONS[row['latency_verdict']]} {_latency(row, a, b)}")
    return found


def _pairs(row: Mapping[str, Any], a: str, b: str) -> str:
    left_out = row["n_items"] - row["n_pairs"]
    counted = f"{words.count(row['n_pairs'])} of {words.count(row['n_items'])} items were answered by both"
    if not left_out:
        return f":material/done_all: {counted}."
    return (
        f":material/rule: {counted}; the others are left out ({a} failed on {words.count(row['failed_a'])}, {b} on "
        f"{words.count(row['failed_b'])}). If the hard ones are among them, the comparison looks better than it is."
    )


def _accuracy(row: Mapping[str, Any], a: str, b: str) -> str:
    both = f"{a} is right on {words.share(row['accuracy_a'])}, {b} on {words.share(row['accuracy_b'])}"
    parted = (
        f"they part on {words.count(row['only_a'] + row['only_b'])} of {words.count(row['n_labelled'])} labelled items"
    )
    if row["verdict"] == "not_enough_data":
        return (
            f"{both}, but {words.count(row['n_labelled'])} labelled items are too few to tell a difference from chance."
        )
    low, high = float(row["difference_low"]), float(row["difference_high"])
    span = f"{_points(low)} to {_points(high)}"
    if row["verdict"] == "no_difference_shown":
        return (
            f"{both}; {parted}. No difference shown: with 95 % confidence {b} minus {a} lies between {span}. That is "
            "no proof that they are equal."
        )
    word = "more" if row["verdict"] == "b_higher" else "less"
    return (
        f"{both}; {parted}. **{b} is {word} often right**: {b} minus {a} is {_points(float(row['difference']))} (95 % "
        f"interval {span}; McNemar's mid-p {_p_value(row['p_value'])})."
    )


def _latency(row: Mapping[str, Any], a: str, b: str) -> str:
    medians = (
        f"median {words.milliseconds(row['median_a_ms'])} for {a}, {words.milliseconds(row['median_b_ms'])} for {b}"
    )
    low, high = row["latency_ratio_low"], row["latency_ratio_high"]
    if row["latency_verdict"] == "not_enough_data" or not (words.known(low) and words.known(high)):
        return f"Latency: {medians}; too few items answered by both to compare them."
    span = f"{float(low):.2f} to {float(high):.2f}"
    if row["latency_verdict"] == "no_difference_shown":
        return f"Latency: {medians}. No difference shown: {b} takes {span} times as long as {a} (95 % interval)."
    word = "longer" if row["latency_verdict"] == "b_higher" else "less long"
    return (
        f"Latency: {medians}. **{b} takes {word}**: {float(row['latency_ratio']):.2f} times as long as {a} on the same "
        f"item (95 % interval {span}). Both were asked at the same time, so they may share a machine."
    )


def _points(value: float) -> str:
    return f"{value * 100:+.1f} points"


def _p_value(value: Any) -> str:
    return words.UNKNOWN if not words.known(value) else "< 0.001" if value < 0.001 else f"{float(value):.3f}"


def _pick(targets: Sequence[str]) -> tuple[str, str]:
    left, right = st.columns(2)
    a = left.selectbox("A, the one that is known", targets, index=0, key="pair-a")
    b = right.selectbox("B, compared with it", targets, index=1, key="pair-b")
    return str(a), str(b)


def _renamed(told: str, names: tuple[str, str]) -> str:
    """The two are called A and B in the charts; here they keep the letters of the run."""
    if names == ("A", "B"):
        return told
    marks = {"A": names[0], "B": names[1]}
    return " ".join(marks.get(word, word) for word in told.split(" "))
