"""The list of single requests: its filters, its pages, and the one that is open."""

from typing import Any

import pandas as pd
import streamlit as st

from monitor.charts import words
from monitor.ui import data, elsewhere, export, text
from monitor.ui.data import Ask, ask
from monitor.ui.filters import Scope
from monitor.ui.window import Window

PAGE = 50
ANY = "any"
ORDERS = {"newest": "Newest first", "slowest": "Slowest first"}
STATUSES = {ANY: "All", "error": "Failed", "ok": "OK"}


def pick_question(window: Window, scope: Scope) -> Ask:
    """The filters beyond window and deployments, as one question."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        status = _one_of("Status", STATUSES, "status")
        sort = _one_of("Order", ORDERS, "sort")
        found = st.text_input(
            "Text",
            key="text",
            bind="query-params",
            type="search",
            label_visibility="collapsed",
            width=260,
            placeholder="Text in input or output",
        )
        with st.popover("More filters", icon=":material/filter_list:"):
            more = {name: _field(name, label) for name, label in MORE.items()}
            least = st.number_input("Latency from, ms", 0.0, value=None, key="min_latency_ms", bind="query-params")
            most = st.number_input("Latency to, ms", 0.0, value=None, key="max_latency_ms", bind="query-params")
        question = ask(
            "requests",
            start=window.start,
            end=window.end,
            status=None if status == ANY else status,
            sort=sort,
            text=found,
            min_latency_ms=least,
            max_latency_ms=most,
            limit=PAGE,
            **more,
            **scope.plain,
        )
        export.draw_export({"Requests": question})
    _active(more | {"latency from": least, "latency to": most})
    return question


def _one_of(label: str, options: dict[str, str], key: str) -> str:
    chosen = st.segmented_control(
        label,
        list(options),
        format_func=options.__getitem__,
        default=next(iter(options)),
        key=key,
        bind="query-params",
        required=True,
        label_visibility="collapsed",
    )
    return str(chosen)


def _active(more: dict[str, Any]) -> None:
    """Filters in the closed menu that are in force: nobody should miss requests because of one that is out of sight."""
    used = [f"{name.replace('_', ' ')} {text.plain(value)}" for name, value in more.items() if value not in (None, "")]
    if used:
        st.caption(f":material/filter_alt: Only {', '.join(used)}")


MORE = {"error_type": "Error type", "checkpoint": "Checkpoint", "session_id": "Session", "trace_id": "Trace"}
"""Filters that ask for an exact value."""


def _field(name: str, label: str) -> str | None:
    return st.text_input(label, key=name, bind="query-params", placeholder="exact value")


def draw_list(question: Ask, scope: Scope, utc: bool) -> None:
    """One page of requests; a click on a row opens it."""
    here = _position(question)
    rows = data.load(ask("requests", **dict(question.params), cursor=here[-1] if here else None))
    if rows.empty:
        elsewhere.draw_elsewhere(scope, "pages/ops/requests.py", utc)
        return
    _table(rows, utc, f"requests-{hash((question, len(here)))}")
    _pager(question, rows, here)


def _table(rows: pd.DataFrame, utc: bool, key: str) -> None:
    zone = str(text.zone(utc))
    shown = rows.assign(status=["Failed" if status == "error" else "OK" for status in rows["status"]])
    order = [
        "ts",
        "deployment",
        "status",
        "error_type",
        "latency_ms",
        "ttft_ms",
        "tokens_out",
        "input_preview",
        "output_preview",
    ]
    st.dataframe(
        shown[[*order, "checkpoint", "event_id"]],
        hide_index=True,
        height=560,
        key=key,
        on_select=lambda: _open_row(rows, key),
        selection_mode="single-row",
        selection_default={"selection": {"rows": _marked(rows)}},
        placeholder="",
        alt="Requests; select a row to open it",
        column_config={
            "ts": st.column_config.DatetimeColumn(
                f"Start ({zone})", timezone=zone, format="YYYY-MM-DD HH:mm:ss.SSS", pinned=True
            ),
            "deployment": "Deployment",
            "status": "Status",
            "error_type": st.column_config.TextColumn("Error", width=150),
            "latency_ms": st.column_config.NumberColumn("Latency", format="%.0f ms"),
            "ttft_ms": st.column_config.NumberColumn("First token", format="%.0f ms"),
            "tokens_out": st.column_config.NumberColumn("Tokens out"),
            "input_preview": st.column_config.TextColumn("Input", width="medium"),
            "output_preview": st.column_config.TextColumn("Output", width="medium"),
            "checkpoint": "Checkpoint",
            "event_id": "Event",
        },
    )


def _marked(rows: pd.DataFrame) -> list[int]:
    """The row of the request that the URL shows, so that a shared link marks it too."""
    same = rows["event_id"] == st.query_params.get("event")
    return [int(place) for place in same.to_numpy().nonzero()[0][:1]]


def _open_row(rows: pd.DataFrame, key: str) -> None:
    """The open request stands in the URL, so that its link shows the same to somebody else."""
    selected: list[int] = st.session_state[key].selection.rows
    if selected:
        row = rows.iloc[selected[0]]
        st.query_params.update({"event": str(row["event_id"]), "at": row["ts"].isoformat().replace("+00:00", "Z")})
    else:
        close()


def opened() -> dict[str, Any] | None:
    """The request that the URL asks to show, with all its fields."""
    event = st.query_params.get("event")
    if not event:
        return None
    rows = data.load(ask("request", event_id=event, ts=st.query_params.get("at")))
    return data.records(rows)[0] if not rows.empty else None


def close() -> None:
    """Back to the list alone."""
    for name in ("event", "at"):
        if name in st.query_params:
            del st.query_params[name]


def _position(question: Ask) -> tuple[str, ...]:
    """The cursors of the pages gone through so far for this question.

    Session state and not the URL, because a cursor in a link shows another page once new requests came.
    """
    kept: tuple[Ask, tuple[str, ...]] | None = st.session_state.get("pages-of-requests")
    return kept[1] if kept and kept[0] == question else ()


def _pager(question: Ask, rows: pd.DataFrame, here: tuple[str, ...]) -> None:
    first = len(here) * PAGE + 1
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Previous", icon=":material/chevron_left:", disabled=not here, on_click=_go, args=(question, here[:-1])
        )
        following = (*here, str(rows["cursor"].iloc[-1]))
        st.button(
            "Next", icon=":material/chevron_right:", disabled=len(rows) < PAGE, on_click=_go, args=(question, following)
        )
        st.caption(f"Requests {words.count(first)} to {words.count(first + len(rows) - 1)}")


def _go(question: Ask, here: tuple[str, ...]) -> None:
    st.session_state["pages-of-requests"] = (question, here)
