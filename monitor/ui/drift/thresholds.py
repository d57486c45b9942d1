"""Thresholds: what another one would have called in the last 90 days, and saving it."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from monitor.charts import words
from monitor.ui import access, data, faces, text
from monitor.ui.data import Ask, ask
from monitor.ui.drift import deciding, ranking, sentences
from monitor.ui.drift.place import Place

DAYS = 90
DEFAULT = 0.1
ALL = ""

Row = Mapping[str, Any]


def saved(at: Place) -> Ask:
    """The thresholds that were saved."""
    return ask("drift_thresholds", deployment=at.deployment)


def exports(at: Place) -> dict[str, Ask]:
    """The questions behind this part."""
    return {"Saved thresholds": saved(at)}


def trial(at: Place, feature: str, threshold: float) -> Ask:
    """What a threshold would have called."""
    return ask("drift_trial", **at.windows, feature=feature, threshold=threshold, days=DAYS)


def draw_thresholds(at: Place) -> None:
    """Choose a feature and a threshold, see what it would have called, save it."""
    rows = data.records(data.load(ranking.question(at, at.bucket)))
    if not rows:
        faces.nothing_yet("Thresholds are tried against what was judged, and nothing was yet.", "thresholds")
        return
    by_name = {str(row["feature"]): row for row in rows}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        feature = st.selectbox(
            "Threshold of", [ALL, *by_name], format_func=lambda name: name or "All features", key="trial-feature",
            width=300,
        )  # fmt: skip
        one = by_name.get(feature)
        factor = 100.0 if one is None or one["method"] in sentences.SHARES else 1.0
        now = float(one["threshold"]) if one else _general(data.records(data.load(saved(at))))
        value = st.number_input(
            "Called from an effect of (%)" if factor > 1 else "Called from an effect of",
            min_value=0.1 if factor > 1 else 0.001,
            max_value=100.0 if factor > 1 else 10.0,
            value=round(now * factor, 4),
            step=1.0 if factor > 1 else 0.01,
            key=f"trial-threshold-{feature}",
            help=f"Now {now * factor:g}{' %' if factor > 1 else ''}",
            width=220,
        )
    threshold = float(value) / factor
    found = data.records(data.load(trial(at, feature, threshold)))
    st.markdown(in_words(found, at.grain, feature, f"{value:g}{' %' if factor > 1 else ''}"))
    if len(found) > 1:
        _table(found, at.grain)
    _save(at, feature, threshold)
    _saved(at, factor)


def in_words(rows: Sequence[Row], grain: str, feature: str, value: str) -> str:
    """What a threshold would have called, as a sentence."""
    if not rows:
        return f"Nothing was judged in the last {DAYS} days."
    windows = max(int(row["windows"]) for row in rows)
    counts = {name: sum(int(row[name]) for row in rows) for name in ("fired", "episodes", "called", "called_episodes")}
    if feature:
        last = rows[0]["last_fired"]
        newest = f", last on {sentences.window_name(last, grain, True)}" if words.known(last) else ""
        return (
            f"From **{value}** on, `{feature}` **would have been called {_times(counts['fired'], grain)}** of "
            f"{windows} in {_episodes(counts['episodes'])}{newest}. As it is: {_times(counts['called'], grain)} in "
            f"{_episodes(counts['called_episodes'])}."
        )
    some = [sum(bool(row[name]) for row in rows) for name in ("fired", "called")]
    return (
        f"From **{value}** on, **{some[0]} of {len(rows)} features would have been called** at least once in {windows} "
        f"{grain}s, in {_episodes(counts['episodes'])} together. As it is: {some[1]} features in "
        f"{_episodes(counts['called_episodes'])}."
    )


def _times(n: int, grain: str) -> str:
    return (
        f"on {words.count(n)} {grain}{'' if n == 1 else 's'}"
        if grain == "day"
        else f"in {words.count(n)} {grain}{'' if n == 1 else 's'}"
    )


def _episodes(n: int) -> str:
    return f"{words.count(n)} {'episode' if n == 1 else 'episodes'}"


def _general(rows: Sequence[Row]) -> float:
    return next((float(row["threshold"]) for row in rows if not row["feature"]), DEFAULT)


def _table(rows: Sequence[Row], grain: str) -> None:
    some = [row for row in rows if row["fired"] or row["called"]]
    if not some:
        return
    shown = pd.DataFrame(
        {
            "Feature": [row["feature"] for row in some],
            f"Would have been called ({grain}s)": [int(row["fired"]) for row in some],
            "In episodes": [int(row["episodes"]) for row in some],
            f"As it is ({grain}s)": [int(row["called"]) for row in some],
            "Episodes as it is": [int(row["called_episodes"]) for row in some],
            f"Judged ({grain}s)": [int(row["windows"]) for row in some],
        }
    )
    st.dataframe(shown, hide_index=True, key="trial", alt="What the threshold would have called, by feature")


def _save(at: Place, feature: str, threshold: float) -> None:
    if not access.may(deciding.PERMISSION):
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        reason = st.text_input(
            "Reason", key="threshold-reason", max_chars=1000, placeholder="Such as: lengths vary by campaign", width=420
        )
        st.button(
            "Save this threshold",
            type="primary",
            key="save-threshold",
            disabled=not (reason or "").strip(),
            help="Kept with your name and the time; it needs a reason",
            on_click=_take,
            args=(at, feature, threshold),
        )
    st.caption("Counts from the next window on; windows that were judged stay as they are.")


def _take(at: Place, feature: str, threshold: float | None) -> None:
    reason = str(st.session_state["threshold-reason"]).strip()
    by = access.visitor().name
    if deciding.done(
        lambda: deciding.drift().set_threshold(at.deployment, feature, threshold, by=by, reason=reason),
        f"Saved for {text.plain(feature or 'all features')} of {text.plain(at.deployment)}.",
        "drift_thresholds",
    ):
        st.session_state["threshold-reason"] = ""


def _saved(at: Place, factor: float) -> None:
    rows = data.records(data.load(saved(at)))
    st.header("Saved", anchor=False)
    if not rows:
        st.caption("No threshold was saved for this deployment: those of the methods and of the fleet file count.")
        return
    shown = pd.DataFrame(
        {
            "Feature": [row["feature"] or "All features" for row in rows],
            "Threshold": [f"{float(row['threshold']):g}" for row in rows],
            "Since": [row["since"] for row in rows],
            "By": [row["by_whom"] for row in rows],
            "Reason": [row["reason"] for row in rows],
        }
    )
    st.dataframe(shown, hide_index=True, key="saved-thresholds", alt="Thresholds that were saved")
