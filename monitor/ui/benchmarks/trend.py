"""The scores of one benchmark over training steps, over dates, or side by side."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from monitor.charts import benchmarktrend, words
from monitor.charts import benchmarkwords as bw
from monitor.charts.benchmarkmarks import CLAIM, Level, in_percent
from monitor.charts.benchmarktrend import SMOOTHED
from monitor.ui import data, faces, text
from monitor.ui.benchmarks import place
from monitor.ui.benchmarks.place import Place

STEP, DATE, BESIDE = "step", "date", "beside"
OVER = {STEP: "Training step", DATE: "Date", BESIDE: "Side by side"}
HEIGHT = 360
MOST_ROWS = 40
LEAST_ROWS = 4
"""So high is a chart whose published lines carry their names along them."""


def axis_of(at: Place, scores: pd.DataFrame) -> str:
    """What the chart runs over: as chosen, or what the scores allow."""
    if at.over in OVER:
        return at.over
    own = scores[scores["origin"] != CLAIM]
    if own["step"].notna().sum() > 1:
        return STEP
    return DATE if (own["dated"] & own["is_newest"]).sum() > 1 and own["at"].nunique() > 1 else BESIDE


def pick_options(at: Place, scores: pd.DataFrame) -> None:
    """What the chart runs over, and whether a running mean is drawn."""
    over = axis_of(at, scores[scores["category"] == ""])
    st.session_state["trend-over"] = over
    st.segmented_control(
        "Over",
        list(OVER),
        format_func=OVER.__getitem__,
        key="trend-over",
        required=True,
        on_change=place.take,
        args=("over", "trend-over"),
    )
    if over != BESIDE:
        st.session_state["trend-smooth"] = bool(at.smooth)
        st.toggle(
            f"Smooth ({SMOOTHED})",
            key="trend-smooth",
            help=f"Adds the mean of each {SMOOTHED} neighbouring checkpoints as a line of its own; the scores stay.",
            on_change=_smooth,
        )


def _smooth() -> None:
    place.go(smooth="1" if st.session_state["trend-smooth"] else "")


def draw_trend(at: Place, scores: pd.DataFrame, published: pd.DataFrame, utc: bool) -> None:
    """The chart and what its parts mean; plain numbers have a chart of their own."""
    if scores.empty:
        faces.nothing_yet("There is no score of this category and model.", "trend")
        return
    over = axis_of(at, scores)
    levels = [] if at.category else [_level(row) for row in data.records(published)]
    with_scale = scores["most"].notna()
    for part in (scores[with_scale], scores[~with_scale]):
        if not part.empty:
            _chart(over, part, levels, bool(at.smooth), utc)
    if levels:
        # Not a caption: a link in one is too pale to be read.
        st.markdown(f":small[Dashed lines: {_sources(published)}. Drawn to look at beside ours, never compared.]")


def _chart(over: str, scores: pd.DataFrame, levels: Sequence[Level], smooth: bool, utc: bool) -> None:
    percent = in_percent(scores)
    drawn, missing = _drawn(over, scores)
    if drawn.empty:
        word = "training step" if over == STEP else "date"
        faces.nothing_yet(
            f"None of these evaluations has a {word}. *Side by side* shows them all.", f"trend-{over}-{percent}"
        )
        return
    if over == STEP:
        option = benchmarktrend.scores_over_steps(drawn, levels, smooth=smooth)
    elif over == DATE:
        option = benchmarktrend.scores_over_time(drawn, levels, smooth=smooth, utc=utc)
    else:
        option = benchmarktrend.scores_side_by_side(drawn, levels)
    height = HEIGHT if over != BESIDE else 90 + 26 * max(len(drawn), LEAST_ROWS if levels else 1)
    told = benchmarktrend.in_words(drawn)
    st.echarts_chart(option, height=height, key=f"trend-{over}-{percent}", alt=f"{OVER[over]}: {told}")
    st.caption(" ".join(filter(None, [*_explained(over, drawn, smooth), missing])))


def _drawn(over: str, scores: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """What the chart can hold, and what it leaves out in words."""
    if over == DATE:
        drawn = scores[scores["dated"]]
        gone = scores[~scores["dated"] & scores["is_newest"]]
        return drawn, _left_out(
            gone, "their files do not say when they were made", "its file does not say when it was made"
        )
    newest = scores[scores["is_newest"]]
    older = len(scores) - len(newest)
    repeated = (
        f"{bw.counted(older, 'older evaluation')} of the same checkpoints {'is' if older == 1 else 'are'} drawn over "
        "dates only."
        if older
        else ""
    )
    if over == STEP:
        return newest[newest["step"].notna()], " ".join(
            filter(
                None,
                [
                    _left_out(newest[newest["step"].isna()], "they have no training step", "it has no training step"),
                    repeated,
                ],
            )
        )
    best = benchmarktrend.best_first(newest)
    more = f"The {MOST_ROWS} first of {len(best)}." if len(best) > MOST_ROWS else ""
    return best.head(MOST_ROWS), " ".join(filter(None, [more, repeated]))


def _left_out(rows: pd.DataFrame, many: str, one: str) -> str:
    if rows.empty:
        return ""
    names = bw.listed([text.plain(name) for name in dict.fromkeys(rows["checkpoint"])], 3)
    verb, why = ("is", one) if rows["checkpoint"].nunique() == 1 else ("are", many)
    return f"Not drawn {verb} {names}: {why}."


def _explained(over: str, drawn: pd.DataFrame, smooth: bool) -> list[str]:
    known = drawn["low"].notna()
    found = (
        ["Upright lines are 95 % intervals." if over != BESIDE else "Lines are 95 % intervals."] if known.any() else []
    )
    own = drawn[drawn["origin"] != CLAIM]
    without = own[own["low"].isna()]
    if len(without):
        reasons = dict.fromkeys(text.plain(one) for one in without["reason"] if one)
        n = bw.counted(len(without), "score")
        found.append(
            f"No interval can be given for {n}: {bw.listed(list(reasons), 2) or 'nothing to compute it from'}."
        )
    if own["line"].nunique() > 1:
        apart = ", set apart a little so that intervals do not hide each other" if over == STEP else ""
        found.append(f"Each model and protocol has a line of its own{apart}.")
    if (drawn["origin"] == CLAIM).any():
        found.append("Hollow points are figures that others claim.")
    if smooth and over != BESIDE:
        found.append(
            f"The broad line is smoothed: the mean of each {SMOOTHED} neighbouring checkpoints, none at the ends."
        )
    if not drawn["higher_is_better"].all():
        found.append("Lower is better.")
    if not in_percent(drawn):
        found.append("The scale of these scores is not known, so they are plain numbers.")
    return found


def _level(row: Mapping[str, Any]) -> Level:
    return Level(str(row["model"]), float(row["value"]), float(row["most"]) if words.known(row["most"]) else None)


def _sources(published: pd.DataFrame) -> str:
    """Published figures with their source as links, one for each source."""
    parts = []
    for (source, url), rows in published.groupby(["source", "url"], sort=False):
        told = ", ".join(
            f"{text.plain(row['model'])} {bw.score(row['value'], row['most'])}" for row in data.records(rows)
        )
        parts.append(f"{told}, published in [{text.plain(source)}]({url}), its harness and prompt not known")
    return "; ".join(parts)
