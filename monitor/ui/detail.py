"""One request in full: what was asked and answered, where the time went, everything else that was logged.

From here it is opened in the probe, which asks the same again.
"""

import json
from contextlib import suppress
from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from monitor.charts import words
from monitor.charts.waterfall import phases, request_waterfall
from monitor.ui import access, text
from monitor.ui.probe import pictures
from monitor.ui.probe.reproduce import media_of

PROBE_FILE = "pages/ops/probe.py"
MOST_PICTURES = 8

HEAD = (
    "deployment",
    "checkpoint",
    "model",
    "environment",
    "source",
    "finish_reason",
    "session_id",
    "trace_id",
    "user_hash",
)


def draw_request(request: dict[str, Any], utc: bool) -> None:
    """The sections of one request; those without content are left out."""
    failed = request["status"] == "error"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(
            "Failed" if failed else "OK",
            icon=f":material/{'error' if failed else 'check_circle'}:",
            color="red" if failed else "green",
        )
        st.markdown(f"**{text.moment(request['ts'], utc)}** · `{request['event_id']}`")
        if access.may("probe"):
            _links(request)
    if failed:
        st.error(
            text.plain(request.get("error_message") or "The log has no message."),
            title=text.plain(request.get("error_type") or "Error"),
        )
    _timing(request)
    _texts(request)
    _media(request)
    _facts(request, utc)
    with st.expander("Raw JSON", icon=":material/data_object:"):
        st.json(as_json(request))


def _timing(request: dict[str, Any]) -> None:
    parts = phases(request)
    st.header("Where the time went", anchor=False)
    if not parts:
        st.caption("The log has no latency for this request.")
        return
    alt = ", ".join(f"{part.name} {words.milliseconds(part.length_ms)}" for part in parts)
    st.echarts_chart(request_waterfall(parts), height=50 + 36 * len(parts), key="waterfall", alt=f"Timing: {alt}")


def _texts(request: dict[str, Any]) -> None:
    cut = set(request["cut"]) if request.get("cut") is not None else set()
    for name, title in (("input_text", "Input"), ("output_text", "Output"), ("feedback_text", "Feedback")):
        if words.known(request.get(name)):
            st.header(title, anchor=False)
            st.code(request[name], language=None, wrap_lines=True)
            if name in cut:
                st.caption("Cut at the limit of the door; the rest was not kept.")


def _links(request: dict[str, Any]) -> None:
    """To the probe with this request filled in, and to the run that a probe belongs to."""
    at = request["ts"].isoformat().replace("+00:00", "Z")
    st.page_link(
        PROBE_FILE,
        label="Open in probe",
        icon=":material/experiment:",
        query_params={"request": str(request["event_id"]), "at": at},
        help="Ask the same again, of the checkpoint that answered and of another one",
    )
    if request["source"] == "probe" and words.known(request.get("session_id")):
        st.page_link(
            PROBE_FILE,
            label="Its run",
            icon=":material/list_alt:",
            query_params={"run": str(request["session_id"])},
            help="The probe run that this answer belongs to",
        )


def _media(request: dict[str, Any]) -> None:
    """Pictures that the media store has, and what is known of all of them: it keeps only what was sent to it."""
    media = media_of(request)
    if not media:
        return
    st.header("Media", anchor=False)
    hashes = [str(one["sha256"]) for one in media if words.known(one.get("sha256"))]
    kept = {sha256: pictures.shown(sha256, pictures.SMALL) for sha256 in hashes[:MOST_PICTURES]}
    with st.container(horizontal=True, gap="small"):
        for place, sha256 in enumerate(hashes[:MOST_PICTURES]):
            if (picture := kept[sha256]) is not None:
                st.image(
                    picture, width=200, output_format="PNG", alt=f"Image {place + 1} of the request ({sha256[:8]})"
                )
    gone = sum(picture is None for picture in kept.values()) + len(media) - len(hashes)
    if gone:
        st.caption(f"{gone} of {len(media)} not in the media store: the bytes are where the model server keeps them.")
    order = ["mime", "width", "height", "bytes", "sha256", "uri"]
    found = pd.DataFrame(media).dropna(axis="columns", how="all")
    st.dataframe(found, hide_index=True, column_order=order, placeholder="", alt="Media of this request")


def _facts(request: dict[str, Any], utc: bool) -> None:
    named = {name.replace("_", " "): text.plain(request[name]) for name in HEAD if words.known(request.get(name))}
    counts = {
        "latency": words.milliseconds(request.get("latency_ms")),
        "time to first token": words.milliseconds(request.get("ttft_ms")),
        "queue": words.milliseconds(request.get("queue_ms")),
        "tokens in, out": f"{words.count(request.get('tokens_in'))}, {words.count(request.get('tokens_out'))}",
        "confidence": words.share(request.get("confidence")),
        "cost": f"{request['cost_usd']:.6f} USD" if words.known(request.get("cost_usd")) else words.UNKNOWN,
        "label": text.plain(request["label"]) if words.known(request.get("label")) else words.UNKNOWN,
        "feedback": {1: "good", 0: "neutral", -1: "bad"}.get(request.get("feedback") or 99, words.UNKNOWN),
        "received": text.moment(request.get("received_at"), utc),
    }
    shown = named | {name: value for name, value in counts.items() if value.strip("–, ")}
    st.header("Everything else", anchor=False)
    st.table(shown, border="horizontal", alt="Other fields of this request")
    features = {**_mapping(request.get("features_num")), **_mapping(request.get("features_str"))}
    if features:
        st.header("Features", anchor=False)
        st.table(
            {text.plain(name): text.plain(value) for name, value in features.items()},
            border="horizontal",
            alt="Features",
        )


def as_json(request: dict[str, Any]) -> dict[str, Any]:
    """The request as it could be sent again: attributes parsed, times in RFC 3339, nothing that is unknown."""
    shown: dict[str, Any] = {}
    for name, value in request.items():
        if isinstance(value, (dict, list, tuple)) or hasattr(value, "tolist"):
            found = value.tolist() if hasattr(value, "tolist") else value
            if found not in ([], {}, (), None) and found == found:
                shown[name] = found
        elif words.known(value):
            shown[name] = value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value
    if isinstance(shown.get("attrs"), str):
        with suppress(ValueError):
            shown["attrs"] = json.loads(shown["attrs"])
    return shown


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
