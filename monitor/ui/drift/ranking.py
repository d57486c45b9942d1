"""The features of one window, those that moved most first, each with what a decision needs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from monitor.charts import words
from monitor.ui import data, faces
from monitor.ui.data import Ask, ask
from monitor.ui.drift import place, sentences
from monitor.ui.drift.place import Place
from monitor.ui.window import absolute

ROWS = 16


def question(at: Place, bucket: datetime | None) -> Ask:
    """The features of a window; without one, of the newest."""
    return ask("drift_ranking", **at.windows, bucket=absolute(bucket) if bucket else "")


def draw_ranking(at: Place, bucket: datetime | None, utc: bool) -> None:
    """The table; a click on a feature opens it."""
    rows = data.records(data.load(question(at, bucket)))
    if not rows:
        faces.nothing_yet("This window was not judged.", "ranking")
        return
    st.dataframe(
        table(rows, at.grain, utc),
        hide_index=True,
        height=38 + 35 * min(ROWS, len(rows)),
        key="ranking",
        placeholder=words.UNKNOWN,
        alt="Features of the window, those that moved most first",
        column_config={
            "Open": st.column_config.ButtonColumn(
                "Feature",
                key="feature-opened",
                on_click=_open,
                args=([str(row["feature"]) for row in rows], bucket),
                type="tertiary",
                alignment="left",
            ),
            "Moved to": st.column_config.TextColumn(width="medium"),
            "Effect": st.column_config.TextColumn(
                help="Of shares: about so many predictions lie where those of the reference did not. In brackets the "
                "interval at 95 %"
            ),
            "Threshold": st.column_config.TextColumn(help="From which effect on it counts as moved"),
            "q": st.column_config.TextColumn(
                help="The share of false alarms to expect among features called as surely as this one "
                "(Benjamini and Hochberg)"
            ),
            "Since": st.column_config.TextColumn(width=110, help="Since when it has moved without a break"),
            "Seen from": st.column_config.TextColumn(
                help="The smallest effect that could have been called with so few predictions"
            ),
            "n": st.column_config.NumberColumn(help="Values in the window", format="localized"),
            "n reference": st.column_config.NumberColumn(format="localized"),
        },
    )
    if few := [row for row in rows if row["state"] == "too_few"]:
        least = min(few, key=lambda row: float(row["smallest"]) if words.known(row["smallest"]) else 1.0)
        st.caption(
            f":material/hourglass_empty: {len(few)} of {len(rows)} features have too few predictions to tell: "
            f"{sentences.blind(least)}."
        )
    with st.expander("What the features are", icon=":material/help:"):
        st.markdown("\n".join(f"- `{row['feature']}`: {sentences.about(str(row['feature']))}" for row in rows))


def table(rows: Sequence[dict[str, Any]], grain: str, utc: bool) -> pd.DataFrame:
    """The rows in words."""
    return pd.DataFrame(
        {
            "Open": [str(row["feature"]) for row in rows],
            "State": [sentences.state(row) for row in rows],
            "Effect": [sentences.effect(row["method"], row["effect"], row["low"], row["high"]) for row in rows],
            "Moved to": [sentences.moved_to(row) if row["state"] == "moved" else "" for row in rows],
            "Since": [
                sentences.since_name(row["since"], grain, utc) if words.known(row["since"]) else "" for row in rows
            ],
            "Threshold": [sentences.effect(row["method"], row["threshold"]) for row in rows],
            "q": [_q(row["q"]) for row in rows],
            "n": [row["n_window"] for row in rows],
            "n reference": [row["n_reference"] for row in rows],
            "Seen from": [sentences.effect(row["method"], row["smallest"]) for row in rows],
            "What it is": [sentences.about(str(row["feature"])) for row in rows],
        }
    )


def _q(value: Any) -> str:
    if not words.known(value):
        return words.UNKNOWN
    return "< 0.001" if float(value) < 0.001 else f"{float(value):.3f}"


def _open(features: Sequence[str], bucket: datetime | None) -> None:
    place.open_feature(features[st.session_state["feature-opened"].row], bucket)
