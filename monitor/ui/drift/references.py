"""References: what a deployment was and is compared with, and choosing something else."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pandas as pd
import streamlit as st

from monitor.charts import words
from monitor.ui import access, data, text
from monitor.ui.data import Ask, ask
from monitor.ui.drift import deciding, sentences
from monitor.ui.drift.place import Place

KINDS = {
    "pinned": "A window that stands still",
    "rolling": "The days before each window",
    "deployment": "Another deployment",
}

Row = Mapping[str, Any]


def exports(at: Place) -> dict[str, Ask]:
    """The questions behind this part."""
    return {
        "References": ask("drift_references", **at.of),
        "Wishes": ask("drift_wishes", source=at.source),
    }


def draw_references(at: Place, row: Row, utc: bool) -> None:
    """Every version, what somebody has asked for, and the form."""
    found = exports(at)
    _versions(data.records(data.load(found["References"])), utc)
    wishes = [one for one in data.records(data.load(found["Wishes"])) if one["deployment"] == at.deployment]
    _wishes(wishes, utc)
    if access.may(deciding.PERMISSION):
        st.header("Compare with something else", anchor=False)
        _form(at, row)


def _versions(rows: list[dict[str, Any]], utc: bool) -> None:
    if not rows:
        st.markdown(":material/hourglass_top: No reference yet: the first day becomes it once it is over.")
        return
    shown = pd.DataFrame(
        {
            "Version": [int(row["version"]) for row in rows],
            "In force": [
                "✓ now" if not words.known(row["ended_at"]) else f"until {text.moment(row['ended_at'], utc)}"
                for row in rows
            ],
            "Compared with": [sentences.reference(row | {"reference": row["id"]}).replace("\\", "") for row in rows],
            "Made": [row["made_at"] for row in rows],
            "By": ["itself" if row["automatic"] else row["by_whom"] for row in rows],
            "Reason": [row["reason"] for row in rows],
        }
    )
    st.dataframe(shown, hide_index=True, key="references", placeholder=words.UNKNOWN, alt="References, newest first")
    st.caption("What was judged under an earlier version stays as it was.")


def _wishes(rows: list[dict[str, Any]], utc: bool) -> None:
    for row in rows[:5]:
        who = f"{text.plain(row['by_whom'])}, {text.moment(row['asked_at'], utc)}"
        said = f"{text.plain(row['name'])} was asked for by {who}"
        if not words.known(row["done_at"]):
            st.info(f"{said}. The job of drift sees to it in its next run.", icon=":material/hourglass_top:")
        elif words.known(row["problem"]):
            st.warning(text.sentence(row["problem"]), title=f"{said}: it could not be made", icon=":material/error:")


def _form(at: Place, row: Row) -> None:
    kind = st.segmented_control(
        "Compare with", list(KINDS), format_func=KINDS.__getitem__, default="pinned", key="want-kind", required=True
    )
    spec: dict[str, Any] = {}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if kind == "deployment":
            others = [name for name in _others(at) if name != at.deployment]
            spec["other"] = st.selectbox("Deployment", others, key="want-other", width=260)
        if kind in ("rolling", "deployment"):
            spec["days"] = int(st.number_input("Days before each window", 1, 366, 7, key="want-days", width=200))
        else:
            spec |= _pick_window(row)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input(
            "Name", key="want-name", max_chars=100, placeholder="Such as: after the release", width=260
        )
        reason = st.text_input("Reason", key="want-reason", max_chars=1000, width=360)
        ready = bool((name or "").strip() and (reason or "").strip() and all(spec.values()))
        st.button(
            "Compare with this from now on",
            type="primary",
            key="want",
            disabled=not ready,
            help="It needs a name and a reason",
            on_click=_want,
            args=(at, str(kind), spec),
        )
    st.caption(
        "The job of drift learns it and judges the last weeks anew against it, at once where a scheduler runs. It "
        "takes seconds to minutes."
    )


def _others(at: Place) -> list[str]:
    rows = data.load(ask("drift", source=at.source))
    return [str(name) for name in rows["deployment"]]


def _pick_window(row: Row) -> dict[str, Any]:
    """Whole days of UTC among those that there are."""
    first, last = row["first_hour"].date(), datetime.now(UTC).date()
    begin = max(first, last - timedelta(days=8))
    chosen = st.date_input(
        "Days (UTC), the last one included", (begin, max(begin, last - timedelta(days=1))), min_value=first,
        max_value=last, key="want-window", width=280,
    )  # fmt: skip
    ends: tuple[date, ...] = chosen if isinstance(chosen, tuple) else (chosen,)
    if len(ends) != 2:
        return {"starts": None}
    midnight = [datetime.combine(day, time(), UTC) for day in ends]
    return {"starts": midnight[0], "ends": midnight[1] + timedelta(days=1)}


def _want(at: Place, kind: str, spec: dict[str, Any]) -> None:
    name, reason = (str(st.session_state[key]).strip() for key in ("want-name", "want-reason"))
    by = access.visitor().name

    def act() -> None:
        deciding.drift().want(at.deployment, kind, name, by=by, reason=reason, source=at.source, **spec)  # type: ignore[arg-type]  # one of KINDS
        deciding.judge_now()

    if deciding.done(act, f"{text.plain(at.deployment)} will be compared with {text.plain(name)}.", "drift_wishes"):
        for key in ("want-name", "want-reason"):
            st.session_state[key] = ""
