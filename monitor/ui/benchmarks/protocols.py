"""How evaluations were run, in words: names for groups that cannot be compared, what keeps them apart, and the choice
to treat parts as the same all the same.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from monitor.benchmarks.protocol import PARTS
from monitor.charts import benchmarkwords as bw
from monitor.charts.benchmarkmarks import CLAIM
from monitor.ui import text
from monitor.ui.benchmarks import place
from monitor.ui.benchmarks.parts import ABOUT, difference, family, items_of
from monitor.ui.benchmarks.place import Place

Row = Mapping[str, Any]

CLAIMED = "claimed by others"


def labels(rows: Sequence[Row]) -> dict[str, str]:
    """A short name for each group, the main one first; no name is needed where there is one only."""
    main_first = sorted(rows, key=lambda row: not row["is_main"])
    if len(main_first) < 2:
        return {str(row["group"]): "" for row in main_first}
    return {str(row["group"]): f"protocol {number}" for number, row in enumerate(main_first, 1)}


def with_lines(scores: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """The scores with the name of their line: model and protocol, and the metric where there are several."""
    several = scores["metric"].nunique() > 1
    lines = [_line(row, names, several) for row in scores.to_dict("records")]
    return scores.assign(line=lines)


def _line(row: Mapping[Any, Any], names: Mapping[str, str], metrics: bool) -> str:
    metric = str(row["metric"]) if metrics else ""
    if row["origin"] == CLAIM:
        return CLAIMED
    return ", ".join(filter(None, [family(row), names.get(str(row["group"]), ""), metric]))


def draw_apart(rows: Sequence[Row], names: Mapping[str, str]) -> None:
    """What keeps the groups apart."""
    if len(rows) < 2:
        return
    lines = []
    for group, name in names.items():
        row = next(one for one in rows if one["group"] == group)
        checkpoints = bw.counted(int(row["n_checkpoints"]), "checkpoint")
        if row["is_main"]:
            lines.append(f"- **{name.capitalize()}**, the main one, with {checkpoints}")
        else:
            why = "; ".join(text.plain(difference(str(one))) for one in items_of(row["apart"]))
            lines.append(f"- **{name.capitalize()}**, with {checkpoints}: {why}")
    st.markdown(
        f":material/call_split: **{len(rows)} protocols that cannot be compared.** Their scores are drawn apart and "
        "ranked apart. What differs (theirs or the main one):\n" + "\n".join(lines)
    )


def pick_ignored(at: Place, key: str) -> None:
    """The choice of parts that count as the same; a menu, because it is the exception."""
    chosen = [part for part in at.ignore if part in PARTS]
    with st.popover(
        f"Treat as the same{f': {len(chosen)}' if chosen else ''}", icon=":material/merge:", key=f"{key}-menu"
    ):
        st.caption(
            "Scores that differ in the parts chosen here are drawn in one line, ranked together and tested together. "
            "Without a choice like is compared with like."
        )
        st.session_state[key] = chosen
        st.pills(
            "Parts that may differ",
            PARTS,
            selection_mode="multi",
            format_func=lambda part: ABOUT[part].capitalize(),
            key=key,
            on_change=place.take,
            args=("ignore", key),
        )


def draw_warning(at: Place) -> None:
    """Said wherever parts are treated as the same."""
    chosen = [ABOUT[part] for part in at.ignore if part in PARTS]
    if chosen:
        st.warning(
            f"Evaluations that differ in {bw.listed(chosen)} are joined and compared here because somebody chose so. "
            "Such a difference alone can move scores by several points: what you see may come from it and not from "
            "the checkpoints.",
            title="Unlike protocols are treated as the same",
            icon=":material/merge:",
        )


def in_table(protocol: Any) -> dict[str, str]:
    """A protocol as a table, with the parts that the files do not tell in its last line."""
    try:
        known = json.loads(protocol)
    except (TypeError, ValueError):
        known = {}
    told = {ABOUT[part].capitalize(): text.plain(known[part]) for part in PARTS if part in known}
    silent = [ABOUT[part] for part in PARTS if part not in known]
    return told | ({"Not told": bw.listed(silent)} if silent else {})
