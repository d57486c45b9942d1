"""One feature opened: how it is spread now and in the reference, since when, where from, and whether it matters."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from monitor.charts import driftbins, drifthistory, words
from monitor.drift.methods.table import METHODS
from monitor.drift.quality import Counts, compare
from monitor.errors import NotFound
from monitor.features.table import FEATURES
from monitor.ui import data, faces, text
from monitor.ui.data import Ask, ask
from monitor.ui.drift import contact, place, ranking, sentences
from monitor.ui.drift.place import Place
from monitor.ui.window import absolute

HEIGHT = 300
SAYS = {"worse": "▼ worse", "held": "✓ held", "unknown": "? not known"}

Row = Mapping[str, Any]


def within(at: Place, bucket: datetime) -> dict[str, str]:
    """As parameters of a query about the feature in a window."""
    end = bucket + place.LENGTHS[at.grain]
    return at.of | {"feature": at.feature, "start": absolute(bucket), "end": absolute(end)}


def asks(at: Place, bucket: datetime, now: datetime) -> dict[str, Ask]:
    """The questions behind the opened feature."""
    window = within(at, bucket)
    of = {"part_start": window["start"], "part_end": window["end"]}
    one = at.windows | {"feature": at.feature}
    quality = {name: value for name, value in window.items() if name != "feature"}
    return {
        "Distribution": ask("drift_feature", **window),
        "Moved part over time": ask("drift_feature_history", **one, **at.shown(now), **of),
        "Slices": ask("drift_slices", **window),
        "Quality where it moved": ask("drift_quality", **quality, features=[at.feature]),
    } | contact.asks(window)


def exports(at: Place, now: datetime) -> dict[str, Ask]:
    """The same, for the window of the address."""
    return asks(at, at.bucket, now) if at.bucket else {}


def draw_feature(at: Place, chosen: Row | None, now: datetime, utc: bool) -> None:
    """The feature in the chosen window."""
    bucket = chosen["bucket"] if chosen else None
    rows = data.records(data.load(ranking.question(at, bucket))) if bucket is not None else []
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.button("All features", icon=":material/arrow_back:", key="close-feature", on_click=_close)
        _pick(at, [str(row["feature"]) for row in rows])
    st.header(f"`{at.feature}`", anchor=False)
    st.caption(f"{text.plain(sentences.about(at.feature))}.")
    row = next((one for one in rows if one["feature"] == at.feature), None)
    if row is None or bucket is None:
        faces.nothing_yet(
            f"{text.plain(at.feature)} was not judged in this window. Choose another window or feature.", "feature"
        )
        return
    st.markdown(sentences.opened(row, at.grain, utc))
    questions = asks(at, bucket, now)
    data.prepare(questions.values())
    name = sentences.window_name(bucket, at.grain, utc)
    left, right = st.columns(2, gap="medium")
    with left, _part("spread"):
        _distribution(questions["Distribution"], row, name)
    with right, _part("history"):
        _history(questions["Moved part over time"], at, row, bucket, utc)
    if row["state"] == "moved":
        st.header("Where it comes from", anchor=False)
        with _part("slices"):
            _slices(questions["Slices"])
        st.header("Does it matter", anchor=False)
        with _part("quality"):
            _quality(questions["Quality where it moved"], at.feature)
    st.header("Examples", anchor=False)
    with _part("examples"):
        contact.draw_contact(questions, at, row, name)
    st.header("By other methods", anchor=False)
    _methods(row)


@contextmanager
def _part(key: str) -> Iterator[None]:
    """A part that there may be no rows for any more, without taking the others with it."""
    try:
        yield
    except NotFound as error:
        faces.nothing_yet(text.sentence(error), key)


def _pick(at: Place, features: list[str]) -> None:
    options = list(dict.fromkeys([*features, at.feature]))
    st.session_state["drift-feature"] = at.feature
    st.selectbox(
        "Feature", options, key="drift-feature", on_change=place.take, args=("feature", "drift-feature"), width=300
    )


def _close() -> None:
    place.go(feature="")


def _distribution(question: Ask, row: Row, name: str) -> None:
    frame = data.load(question)
    moved = row["state"] == "moved"
    st.subheader("Beside the reference", anchor=False)
    told = driftbins.in_words(frame)
    st.echarts_chart(
        driftbins.distribution_beside(frame, marked=moved),
        height=HEIGHT,
        key="distribution",
        alt=f"{row['feature']} on {name} and in the reference. {told}",
    )
    mark = f"{driftbins.MARK} marks the part that has more than the reference. " if moved else ""
    st.caption(f"{mark}{text.plain(told) if moved else 'Shares of the predictions that have a value.'}")


def _history(question: Ask, at: Place, row: Row, bucket: datetime, utc: bool) -> None:
    frame = data.load(question)
    what = "The part that moved" if row["state"] == "moved" else "Where it has more than the reference"
    st.subheader(f"{what}, over time", anchor=False)
    if frame.empty or frame["share"].isna().all():
        faces.nothing_yet("Nothing is described in this time.", "history")
        return
    length = place.LENGTHS[at.grain]
    view = drifthistory.view_of(frame, length, utc or at.grain == place.DAY)
    ends = (bucket - length / 2, bucket + length / 2)
    told = drifthistory.in_words(frame)
    st.echarts_chart(
        drifthistory.moved_share_over_time(frame, view=view, window=ends), height=HEIGHT, key="history", alt=told
    )
    st.caption(f"The share of predictions in that part, with its 95 % interval (Wilson). {told}")


def _slices(question: Ask) -> None:
    rows = data.records(data.load(question))
    if not rows:
        st.markdown(
            ":material/select_all: No client, language, size or other slice explains it beyond chance: the whole of "
            "the traffic moved, or what tells them apart is not carried by the events."
        )
        return
    top = rows[0]
    gone = words.share(round(float(top["explains"]), 3))
    st.markdown(
        f":material/filter_alt: Without **{slice_name(top)}**, {gone} of the shift is gone "
        f"(95 % interval {_span(top)})."
    )
    shown = pd.DataFrame(
        {
            "Slice": [slice_name(row) for row in rows],
            "Explains": [f"{words.share(round(float(row['explains']), 3))} ({_span(row)})" for row in rows],
            "Effect inside": [sentences.effect("ks", row["effect_inside"]) for row in rows],
            "Effect without": [sentences.effect("ks", row["effect_without"]) for row in rows],
            "Of the traffic": [
                f"{words.share(row['share_reference'])} before, {words.share(row['share_window'])} now" for row in rows
            ],
            "n": [f"{words.count(row['n_window'])} against {words.count(row['n_reference'])}" for row in rows],
        }
    ).set_index("Slice")
    st.table(shown, border="horizontal", alt="Slices that explain the shift, those that explain most first")
    sampled = [words.count(top[name]) for name in ("sampled_window", "sampled_reference")]
    st.caption(
        f"Looked for in {sampled[0]} predictions of the window and {sampled[1]} of the reference. Only slices are "
        "named that explain something beyond chance, over all that were tried. Slices may overlap."
    )


def _span(row: Row) -> str:
    """The interval of what a slice explains, in whole tenths of a percent: more digits say nothing."""
    low, high = (round(float(row[end]), 3) for end in ("low", "high"))
    return words.interval(low, high, "share")


def slice_name(row: Row) -> str:
    """A slice as Markdown: client = web."""
    name = str(row["dimension"]).removeprefix(sentences.CARRIED)
    return f"{text.plain(str(row['dimension']) if name in FEATURES else name)} = {text.plain(row['value'])}"


def _quality(question: Ask, feature: str) -> None:
    measures = compare([Counts(**row) for row in data.records(data.load(question))])
    here = [one for one in measures if one.feature == feature]
    whole = [one for one in measures if one.feature == ""]
    if not here and not whole:
        faces.nothing_yet("Nothing is known of the quality there: no labels, no feedback, no canaries.", "quality")
        return
    lines = [
        {
            "What": sentences.MEASURES.get(one.measure, one.measure),
            "Says": SAYS.get(one.state, one.state),
            "Where": "where it moved to" if one.feature else "the whole window",
            "Now": f"{words.share(one.share)} (n {words.count(one.n)})",
            "Before": f"{words.share(one.before)} (n {words.count(one.n_before)})",
            "Difference": sentences.difference(one),
        }
        for one in [*here, *whole]
    ]
    st.table(
        pd.DataFrame(lines).set_index("What"), border="horizontal", alt="Quality where the feature moved to, and before"
    )
    against = f"Where it moved to is compared with {sentences.against(here[0])}. " if here else ""
    st.caption(
        f"{against}Worse is said where the interval of the difference lies above nothing, at 95 % over all lines "
        "together. Held is said where answers are shown to be worse by no more than 5 points."
    )


def _methods(row: Row) -> None:
    effects: Mapping[str, Any] = row["effects"] or {}
    lines = [
        {
            "Method": METHODS[name].title,
            "Effect": sentences.effect(name, value),
            "Default threshold": sentences.effect(name, METHODS[name].threshold),
            "Above it": "▲ yes" if words.known(value) and float(value) >= METHODS[name].threshold else "no",
            "What it measures": METHODS[name].about,
        }
        for name, value in effects.items()
        if name in METHODS and words.known(value)
    ]
    if lines:
        st.table(pd.DataFrame(lines).set_index("Method"), border="horizontal", alt="The effect by every method")
    judged = METHODS[str(row["method"])].title
    st.caption(f"Judged by {judged}, and by missing values and unseen names; the others are shown to compare.")
