"""One item opened: what was asked and expected, what was answered now and when it last passed, and its history."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from monitor.charts import canaryruns, words
from monitor.ui import access, data, faces, text
from monitor.ui.canaries import expectations, place
from monitor.ui.canaries.place import Place
from monitor.ui.data import Ask, ask
from monitor.ui.probe import diff, images
from monitor.ui.probe.draft import images_of, readable

PROBE_FILE, REQUESTS_FILE = "pages/ops/probe.py", "pages/ops/requests.py"
SHOWN = 200
OUTCOMES = {
    "pass": ("Passed", ":material/check_circle:", "green"),
    "fail": ("Failed", ":material/cancel:", "red"),
    "unknown": ("Could not be checked", ":material/help:", "gray"),
    "error": ("No answer", ":material/error:", "violet"),
}


def question(at: Place) -> Ask:
    """The answers to the item."""
    return ask("canary_item", **at.pair, item=at.item, limit=SHOWN)


def draw_item(at: Place, others: list[str], now: datetime, utc: bool) -> None:
    """The item with one answer of it: that of the address, or the newest."""
    st.button("All items", icon=":material/arrow_back:", key="close-item", on_click=_close)
    st.header(f"Item {text.plain(at.item)}", anchor=False)
    answers = data.load(question(at))
    if answers.empty:
        faces.nothing_yet("No run has asked this item yet.", "item")
        return
    rows = data.records(answers)
    chosen = _chosen(rows, at.answer)
    definition = expectations.parsed(chosen["definition"]) or {}
    left, right = st.columns([2, 3], gap="medium")
    with left:
        _question(definition)
    with right:
        _answer(chosen, definition, rows, others, utc)
    _history(at, answers, chosen, now, utc)


def _chosen(rows: list[dict[str, Any]], wanted: str) -> dict[str, Any]:
    """The answer of the address, named by its event or by its run; the newest where there is none."""
    return next((row for row in rows if wanted and wanted in (row["event_id"], row["run"])), rows[0])


def _question(definition: Mapping[str, Any]) -> None:
    tags = " ".join(f":gray-badge[{text.plain(tag)}]" for tag in definition.get("tags") or ())
    if tags:
        st.markdown(tags)
    if not access.may("read_text"):
        st.caption("Seeing what is asked and answered needs the permission `read_text`.")
        return
    for message in readable(definition.get("messages")):
        st.caption(str(message["role"]).capitalize())
        images.draw_gallery(images_of([message]), 200)
        for part in message["content"]:
            if part.get("type") != "image" and str(part.get("text") or "").strip():
                st.code(part["text"], language=None, wrap_lines=True)
    st.caption(text.plain(expectations.settings_in_words(definition.get("settings"))).capitalize())


def _answer(
    row: Mapping[str, Any], definition: Mapping[str, Any], rows: list[dict[str, Any]], others: list[str], utc: bool
) -> None:
    raw = access.may("read_text")
    name, icon, colour = OUTCOMES[str(row["outcome"])]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(name, icon=icon, color=colour)  # type: ignore[arg-type]  # names of colours
        learning = ", while it was learned" if row["kind"] == "learn" else ""
        st.markdown(f"{text.moment(row['ts'], utc)}{learning}")
    if row["outcome"] == "error":
        why = text.plain(row["error_message"]) if raw and words.known(row["error_message"]) else ""
        st.error(why or "It gave no answer.", title=text.plain(row["error_type"] or "No answer"))
    elif raw:
        _texts(row, rows, utc)
    checks, outcomes = definition.get("checks") or [], expectations.parsed(row["checks"]) or []
    st.markdown("  \n".join(expectations.verdicts(checks, outcomes, raw)))
    st.caption(figures(row))
    _links(row, others)


def _texts(row: Mapping[str, Any], rows: list[dict[str, Any]], utc: bool) -> None:
    """This answer and the last good one side by side, and what differs."""
    good = next((one for one in rows if one["last_good"] and one["item_hash"] == row["item_hash"]), None)
    answer = str(row["answer"]) if words.known(row["answer"]) else ""
    if good is None or good is row:
        _text("Answer", answer, row["cut"])
        st.caption("This is the newest answer that passed." if good else "No answer to it passed since it is as it is.")
        return
    here, there = st.columns(2)
    with here:
        _text("This answer", answer, row["cut"])
    with there:
        _text(f"Last good one, {text.moment(good['ts'], utc)}", str(good["answer"] or ""), good["cut"])
    diff.draw_diff(str(good["answer"] or ""), answer, ("the last good one", "this one"))


def _text(title: str, said: str, cut: bool) -> None:
    st.caption(title)
    if said:
        st.code(said, language=None, wrap_lines=True)
    else:
        st.markdown(":material/remove: The answer is empty.")
    if cut:
        st.caption("Cut at its limit; the request has more of it.")


def figures(row: Mapping[str, Any]) -> str:
    """The numbers of an answer in one line; what is not known is left out."""
    told = {
        f"latency {words.milliseconds(row['latency_ms'])}": row["latency_ms"],
        f"first token after {words.milliseconds(row['ttft_ms'])}": row["ttft_ms"],
        f"{words.count(row['tokens_out'])} tokens": row["tokens_out"],
        f"mean log probability {row['logprob']:.4f}" if words.known(row["logprob"]) else "": row["logprob"],
        f"{row['in_flight']} in flight": row["in_flight"],
        f"served as {text.plain(row['served_as'])}": row["served_as"],
    }
    return " · ".join(name for name, value in told.items() if words.known(value))


def _links(row: Mapping[str, Any], others: list[str]) -> None:
    """To the same question in the probe, and to the request in the log."""
    event = row["event_id"]
    if not words.known(event) or not access.may("read_text"):
        return
    at = row["ts"].isoformat().replace("+00:00", "Z")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if access.may("probe"):
            asked = st.multiselect(
                "Ask again in the probe", others, default=others[:2], max_selections=4, key="ask-again", width=340
            )
            st.page_link(
                PROBE_FILE,
                label="Open in probe",
                icon=":material/experiment:",
                query_params={"request": str(event), "at": at} | ({"targets": asked} if asked else {}),
                help="The same messages and settings, asked of these deployments now",
            )
        st.page_link(
            REQUESTS_FILE,
            label="Logged as a request",
            icon=":material/history:",
            query_params={"event": str(event), "at": at, "source": "canary"},
        )


def _history(at: Place, answers: pd.DataFrame, chosen: Mapping[str, Any], now: datetime, utc: bool) -> None:
    noise = next((row for row in data.records(data.load(noise_ask(at))) if row["item"] == at.item), None)
    st.header("What is normal for it", anchor=False)
    st.markdown(expectations.noise_in_words(noise))
    replays = answers[(answers["kind"] == "replay") & answers["latency_ms"].notna()].sort_values("ts")
    st.header("Latency", anchor=False)
    if replays.empty:
        faces.nothing_yet("No replay of it has a latency.", "item-latency")
    else:
        low, high = (float(noise[end]) if noise else float("nan") for end in ("latency_low", "latency_high"))
        view = canaryruns.window(replays["ts"], now, utc)
        st.echarts_chart(
            canaryruns.item_latency(replays, low, high, view=view),
            height=220,
            key="item-latency",
            alt=f"Latency of each answer to {at.item}, and the band that was learned",
        )
        st.caption("The band is what it took before, at the same number of questions at once.")
    st.header("Answers", anchor=False)
    _answers(answers, chosen, utc)


def noise_ask(at: Place) -> Ask:
    """The question for what was learned."""
    return ask("canary_noise", **at.pair)


def _answers(answers: pd.DataFrame, chosen: Mapping[str, Any], utc: bool) -> None:
    zone = str(text.zone(utc))
    shown = pd.DataFrame(
        {
            "Outcome": [[OUTCOMES[str(one)][0]] for one in answers["outcome"]],
            "When": answers["ts"],
            "Run": ["learned" if kind == "learn" else "replay" for kind in answers["kind"]],
            "In flight": answers["in_flight"],
            "Latency": answers["latency_ms"],
            "Checkpoint": answers["checkpoint"],
        }
    )
    if access.may("read_text"):
        shown.insert(2, "Answer", answers["answer"].fillna(answers["error_message"]))
    key = f"answers-{answers['event_id'].iloc[0]}"
    marked = int((answers["event_id"] == chosen["event_id"]).to_numpy().argmax())
    st.dataframe(
        shown,
        hide_index=True,
        height=min(460, 40 + 35 * len(shown)),
        key=key,
        on_select=lambda: _open(key, answers),
        selection_mode="single-row",
        selection_default={"selection": {"rows": [marked]}},
        placeholder=words.UNKNOWN,
        alt="Answers to this item, newest first; select one to see it",
        column_config={
            "Outcome": st.column_config.MultiselectColumn(
                options=[name for name, _, _ in OUTCOMES.values()],
                color=[colour for _, _, colour in OUTCOMES.values()],
            ),
            "When": st.column_config.DatetimeColumn(f"When ({zone})", timezone=zone, format="YYYY-MM-DD HH:mm:ss"),
            "Answer": st.column_config.TextColumn(width="large"),
            "Latency": st.column_config.NumberColumn(format="%.0f ms"),
        },
    )
    if len(answers) == SHOWN:
        st.caption(f"The newest {SHOWN} answers.")


def _open(key: str, answers: pd.DataFrame) -> None:
    selected: list[int] = st.session_state[key].selection.rows
    if selected:
        place.go(answer=str(answers.iloc[selected[0]]["event_id"] or answers.iloc[selected[0]]["run"]))


def _close() -> None:
    place.go(item="", answer="")
