"""A contact sheet: predictions where a feature moved to beside those of the reference, as images or as texts."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from monitor.charts import words
from monitor.ui import access, data, faces, text
from monitor.ui.data import Ask, ask
from monitor.ui.drift.place import Place
from monitor.ui.probe import images

REQUESTS_FILE = "pages/ops/requests.py"
SHOWN = 8
LONGEST = 120
WIDTH = 110

Row = Mapping[str, Any]


def asks(window: Mapping[str, str]) -> dict[str, Ask]:
    """The examples of both sides."""
    return {
        "Examples of the window": ask("drift_examples", **window, of="window", limit=SHOWN),
        "Examples of the reference": ask("drift_examples", **window, of="reference", limit=SHOWN),
    }


def draw_contact(questions: Mapping[str, Ask], at: Place, row: Row, name: str) -> None:
    """Both sides; those of the window are the ones that lie farthest where it moved to."""
    if not access.may("read_text"):
        st.caption("Seeing what is asked and answered needs the permission `read_text`.")
        return
    sides = [data.records(data.load(one)) for title, one in questions.items() if title.startswith("Examples")]
    left, right = st.columns(2, gap="medium")
    moved = "where it moved to" if row["state"] == "moved" else "where it has more than the reference"
    with left:
        _side(f"{name}, {moved}", sides[0], at, "window")
    with right:
        _side("In the reference, at random", sides[1], at, "reference")
    st.caption("Of equal images or prompts only one is shown. The number or name is the value of the feature.")
    st.page_link(
        REQUESTS_FILE,
        label="All requests of this window",
        icon=":material/list_alt:",
        query_params=_window(questions, at),
    )


def _window(questions: Mapping[str, Ask], at: Place) -> dict[str, str]:
    params = dict(questions["Examples of the window"].params)
    return {"deployments": at.deployment, "source": at.source, "start": params["start"], "end": params["end"]}


def _side(title: str, rows: list[dict[str, Any]], at: Place, side: str) -> None:
    st.subheader(title, anchor=False)
    if not rows:
        faces.nothing_yet("No described predictions are left; raw ones leave the store by age.", f"examples-{side}")
        return
    pictures = any(words.known(row["image"]) and row["image"] for row in rows)
    with st.grid("auto", min_column_width=150 if pictures else 260, gap="small"):
        for number, row in enumerate(rows):
            with st.container(border=True, height="stretch", key=f"example-{side}-{number}", gap="xsmall"):
                _card(row, at, number)


def _card(row: Row, at: Place, number: int) -> None:
    if words.known(row["image"]) and row["image"]:
        images.draw_image(str(row["image"]), f"Example {number + 1}, {at.feature} {_value(row)}", WIDTH)
    st.caption(f"{text.plain(_value(row))}")
    if words.known(row["input_preview"]):
        st.markdown(text.plain(_short(row["input_preview"])))
    answer = _short(row["output_preview"]) if words.known(row["output_preview"]) else ""
    st.markdown(f"{_icon(row)} {text.plain(answer) if answer else 'no answer'}")
    if words.known(row["label"]) and row["wrong"] is True:
        st.caption(f"Expected: {text.plain(_short(row['label']))}")
    st.page_link(
        REQUESTS_FILE,
        label="Open",
        icon=":material/arrow_forward:",
        query_params={
            "event": str(row["event_id"]),
            "at": row["ts"].isoformat().replace("+00:00", "Z"),
            "source": at.source,
        },
        help="This request with all that was logged",
    )


def _value(row: Row) -> str:
    """The value of the feature, short."""
    value = row["value"]
    if not words.known(value):
        return "(missing)"
    try:
        return f"{float(value):.4g}"
    except ValueError:
        return _short(value)


def _icon(row: Row) -> str:
    """Failed, wrong, disliked or right: by shape and name, not by colour."""
    if words.known(row["outcome"]) and row["outcome"] != "ok":
        return f":material/error: {text.plain(row['outcome'])}"
    if words.known(row["wrong"]):
        return ":material/close: wrong:" if row["wrong"] else ":material/check: right:"
    return ":material/thumb_down:" if words.known(row["disliked"]) and row["disliked"] else ":material/chat_bubble:"


def _short(value: Any) -> str:
    shown = " ".join(str(value or "").split())
    return shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}…"
