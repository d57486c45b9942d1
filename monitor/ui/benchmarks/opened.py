"""One benchmark: its head, its filters, the trend of its scores, and the ranking of its checkpoints."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from monitor.charts import benchmarkwords as bw
from monitor.charts import words
from monitor.ui import data, faces, text
from monitor.ui.benchmarks import leaderboard, place, protocols, sentences, trend
from monitor.ui.benchmarks.place import Place
from monitor.ui.benchmarks.states import COUNTS
from monitor.ui.data import Ask, ask

Row = Mapping[str, Any]


def asks(at: Place) -> dict[str, Ask]:
    """The questions behind this part of the page."""
    narrowed = {"metric": at.metric, "category": at.category, "model": at.model, "ignore": at.ignore}
    return {
        "Scores": ask("benchmark_scores", benchmark=at.benchmark, **narrowed),
        "Ranking": leaderboard.question(at),
        "Protocols": ask("benchmark_protocols", benchmark=at.benchmark, ignore=at.ignore),
        "All categories": ask("benchmark_scores", benchmark=at.benchmark, categories=True),
        "Published figures": ask("benchmark_published", benchmark=at.benchmark),
    }


def draw_benchmark(at: Place, known: pd.DataFrame, now: datetime, utc: bool) -> None:
    """Everything about one benchmark."""
    row = next((one for one in data.records(known) if one["benchmark"] == at.benchmark), None)
    if row is None:
        st.warning(
            f"No evaluation of {text.plain(at.benchmark)} is here. It may have been forgotten since this link.",
            title="This benchmark is not known",
            icon=":material/search_off:",
        )
        return
    questions = asks(at)
    data.prepare(one for name, one in questions.items() if name != "Ranking")
    everything = data.load(questions["All categories"])
    _head(row, everything, now)
    groups = data.records(data.load(questions["Protocols"]))
    names = protocols.labels(groups)
    if everything.empty:
        faces.nothing_yet("No evaluation of this benchmark gave a figure; the view Evaluations says why.", "scores")
        return
    _filters(at, everything, several=len(groups) > 1)
    protocols.draw_warning(at)
    scores = protocols.with_lines(data.load(questions["Scores"]), names)
    there = leaderboard.groups_of(scores, groups)
    at = at.under(at.group if at.group in there else there[0] if there else "")
    ranking = data.records(data.load(leaderboard.question(at))) if there else []
    if ranking:
        st.markdown(f"{_under(at, there, names)}{sentences.first_of(ranking)}")
    trend.draw_trend(at, scores, data.load(questions["Published figures"]), utc)
    protocols.draw_apart(groups, names)
    st.header("Ranking", anchor=False)
    leaderboard.draw_ranking(at, ranking, scores, there, names, utc)


def _under(at: Place, there: Sequence[str], names: Mapping[str, str]) -> str:
    """Which protocol a sentence is about, where there are several."""
    return f"Under {names[at.group]}: " if len(there) > 1 else ""


def _head(row: Row, scores: pd.DataFrame, now: datetime) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "All benchmarks",
            icon=":material/arrow_back:",
            key="all-benchmarks",
            on_click=place.leave,
            args=("overview",),
        )
        st.markdown(f"**{text.plain(row['benchmark'])}**", width="stretch")
        for name, (word, colour) in COUNTS.items():
            if row[name]:
                st.badge(f"{row[name]} {word}", color=colour)  # type: ignore[arg-type]  # names of colours
    told = {
        f"{bw.listed([text.plain(one) for one in dict.fromkeys(scores['metric'])], 4)}": len(scores) or None,
        _scales(scores): len(scores) or None,
        "lower is better": True if row["higher_is_better"] is False else None,
        f"{words.count(row['n_items'])} items": row["n_items"] or None,
        f"weight {row['weight']:g} overall": row["weight"],
        "evaluated by the benchmark job": row["evaluated"] or None,
        f"newest {words.ago(row['newest_at'], now)}": row["newest_at"],
    }
    st.caption(" · ".join(name for name, value in told.items() if words.known(value)))


def _scales(scores: pd.DataFrame) -> str:
    """The scales of its figures, as their files have them."""
    scales = [f"0 to {float(most):,g}" for most in sorted(scores["most"].dropna().unique())]
    unknown = ["not known"] * bool(scores["most"].isna().any())
    return f"{'scale' if len(scales) + len(unknown) == 1 else 'scales'} {bw.listed([*scales, *unknown])}"


def _filters(at: Place, everything: pd.DataFrame, several: bool) -> None:
    categories = sorted({str(one) for one in everything["category"] if one})
    models = sorted({str(one) for one in everything["model"] if words.known(one)})
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if categories or at.category:
            _pick("category", "Category", ["", *categories], at.category, "The whole benchmark")
        if len(models) > 1 or at.model:
            _pick("model", "Model", ["", *models], at.model, "All models")
        trend.pick_options(at, everything)
        if several or at.ignore:
            protocols.pick_ignored(at, "ignore-parts")


def _pick(name: str, label: str, options: list[str], chosen: str, none: str) -> None:
    key = f"benchmark-{name}"
    st.session_state[key] = chosen
    st.selectbox(
        label,
        list(dict.fromkeys([*options, chosen])),
        format_func=lambda one: one or none,
        key=key,
        on_change=place.take,
        args=(name, key),
        width=240,
    )
