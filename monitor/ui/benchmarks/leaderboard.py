"""The checkpoints of one benchmark under one protocol in their order, ties as ties."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from monitor.charts import benchmarkwords as bw
from monitor.charts import words
from monitor.charts.benchmarkmarks import CLAIM
from monitor.ui import data, faces, text
from monitor.ui.benchmarks import place, sentences
from monitor.ui.benchmarks.place import Place
from monitor.ui.data import Ask, ask

Row = Mapping[str, Any]
MOST_CLAIMS = 8


def question(at: Place) -> Ask:
    """The ranking under the chosen protocol."""
    narrowed = {"metric": at.metric, "category": at.category, "model": at.model, "ignore": at.ignore}
    return ask("benchmark_ranking", benchmark=at.benchmark, group=at.group, **narrowed)


def groups_of(scores: pd.DataFrame, groups: Sequence[Row]) -> list[str]:
    """The protocols that have something to rank, the main one first."""
    own = scores[scores["origin"] != CLAIM]
    order = sorted(groups, key=lambda row: not row["is_main"])
    return [str(row["group"]) for row in order if (own["group"] == row["group"]).any()]


def draw_ranking(
    at: Place, rows: Sequence[Row], scores: pd.DataFrame, there: Sequence[str], names: Mapping[str, str], utc: bool
) -> None:
    """The table under the chosen protocol, and figures that are only claimed below it."""
    if not rows:
        faces.nothing_yet("Nothing was measured here that could be ranked.", "ranking")
    else:
        if len(there) > 1:
            _pick_group(at, there, names)
        _table(rows, scores, utc)
        if len(rows) > 1:
            st.caption(f"{sentences.ranked_by(rows)} A place such as 1–3 is a tie: the items leave all of these open.")
    _claims(scores[scores["origin"] == CLAIM])


def _pick_group(at: Place, there: Sequence[str], names: Mapping[str, str]) -> None:
    st.session_state["benchmark-group"] = at.group
    st.segmented_control(
        "Ranked under",
        there,
        format_func=lambda group: names.get(group, group).capitalize(),
        key="benchmark-group",
        required=True,
        on_change=place.take,
        args=("group", "benchmark-group"),
    )


def _table(rows: Sequence[Row], scores: pd.DataFrame, utc: bool) -> None:
    dated = dict(zip(scores["run"], scores["dated"], strict=True))
    zone = str(text.zone(utc))
    shown = pd.DataFrame(
        {
            "Rank": [bw.rank(row["rank_low"], row["rank_high"]) for row in rows],
            "Checkpoint": [row["checkpoint"] for row in rows],
            "Step": [row["step"] for row in rows],
            "Score": [bw.score(row["value"], row["most"]) for row in rows],
            "95 % interval": [bw.interval(row["low"], row["high"], row["most"]) for row in rows],
            "Interval from": [bw.origin(row["how"], row["reason"]) for row in rows],
            "Chance of best": [bw.chance(row["chance_of_best"]) for row in rows],
            "n": [row["n"] for row in rows],
            "Model": [row["model"] if words.known(row["model"]) else None for row in rows],
            "Evaluated": [row["at"] if dated.get(row["run"]) else None for row in rows],
        }
    )
    shown["Evaluated"] = pd.to_datetime(shown["Evaluated"], utc=True)
    st.dataframe(
        shown,
        hide_index=True,
        key="ranking",
        on_select="rerun",
        selection_mode="multi-row",
        placeholder=words.UNKNOWN,
        alt="Checkpoints of this benchmark, best first, with the places that are left open",
        column_config={
            "Rank": st.column_config.TextColumn(help="The places that the items leave open, all at once with 95 %"),
            "Checkpoint": st.column_config.TextColumn(width="medium"),
            "Step": st.column_config.NumberColumn(format="localized"),
            "Chance of best": st.column_config.TextColumn(help="Probability of being the best of these"),
            "n": st.column_config.NumberColumn(format="localized", help="Items behind the score"),
            "Evaluated": st.column_config.DatetimeColumn(
                f"Evaluated ({zone})", timezone=zone, format="YYYY-MM-DD HH:mm", help="Empty where no file says when"
            ),
        },
    )
    _compare_selected(rows)


def _compare_selected(rows: Sequence[Row]) -> None:
    selected: list[int] = [one for one in st.session_state["ranking"].selection.rows if one < len(rows)]
    if len(selected) == 2:
        first, second = (rows[one] for one in sorted(selected))
        st.button(
            f"Compare {text.plain(first['checkpoint'])} and {text.plain(second['checkpoint'])}",
            icon=":material/compare_arrows:",
            key="compare-selected",
            on_click=place.compare,
            args=(str(first["checkpoint"]), str(second["checkpoint"]), str(first["benchmark"])),
        )
    elif len(rows) > 1:
        st.caption("Select two rows to compare these checkpoints item by item.")


def _claims(claims: pd.DataFrame) -> None:
    """Figures that others claim: never ranked."""
    if claims.empty:
        return
    rows = data.records(claims)
    told = [f"{text.plain(row['checkpoint'])} {bw.score(row['value'], row['most'])}" for row in rows]
    st.caption(
        f":material/campaign: Claimed by others and not ranked, because nothing is known of the items: "
        f"{bw.listed(told, MOST_CLAIMS)}."
    )
