"""Importing results of a harness by upload: a file or a zip, and a line for each evaluation that was in it."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from monitor.charts import benchmarkwords as bw
from monitor.client.benchmarks import Benchmarks
from monitor.config import MIB, load_settings
from monitor.errors import WatchpointError
from monitor.ui import access, text

PERMISSION = "import_benchmarks"
TYPES = ["zip", "xlsx", "csv", "tsv", "json", "jsonl", "yaml", "yml", "md"]
LINES = "import-lines"
MOST_LINES = 100
OUTCOMES = {
    "kept": (":material/check_circle:", "kept", "green"),
    "known": (":material/history:", "known already", "gray"),
    "refused": (":material/error:", "refused", "red"),
}
ABOUT = (
    "What VLMEvalKit, lm-evaluation-harness, lighteval, lmms-eval, TRI vlm-evaluation, RoboPoint, DepictQA or a model "
    "card wrote, or a plain table. A run folder goes in as a zip. Importing it again changes nothing."
)


def draw_upload(opened: bool = False) -> None:
    """The menu; nothing for those who may not."""
    if not access.may(PERMISSION):
        return
    if opened:
        with st.container(border=True, key="import-open"):
            _form()
        return
    menu = st.expander("Import results", icon=":material/upload_file:", key="import-menu", on_change="rerun")
    if menu.open:
        with menu:
            _form()


def _form() -> None:
    st.caption(ABOUT)
    largest = load_settings().max_body_bytes // MIB
    st.file_uploader("File", type=TYPES, key="import-file", max_upload_size=max(1, largest))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input("Checkpoint", key="import-checkpoint", placeholder="as the files say", width=280)
        st.number_input("Step", min_value=0, step=1, value=None, key="import-step", placeholder="not told", width=160)
        st.button(
            "Import",
            type="primary",
            icon=":material/upload:",
            key="import",
            disabled=st.session_state.get("import-file") is None,
            on_click=_import,
        )
    st.caption("A checkpoint is needed only where the names in the files are not those of the fleet file.")
    _told(st.session_state.get(LINES))


def _import() -> None:
    """Send the file; what came of it stays on the page until the next one."""
    file = st.session_state["import-file"]
    if file is None:
        return
    step = st.session_state["import-step"]
    try:
        lines = _benchmarks(load_settings().api).upload(
            file.getvalue(),
            file.name,
            checkpoint=str(st.session_state["import-checkpoint"] or "").strip(),
            step=None if step is None else int(step),
        )
        st.session_state[LINES] = (file.name, lines, "")
    except WatchpointError as error:
        st.session_state[LINES] = (file.name, [], str(error))


def _told(found: tuple[str, Sequence[Mapping[str, Any]], str] | None) -> None:
    if found is None:
        return
    name, lines, problem = found
    if problem:
        st.error(text.plain(problem), title=f"Nothing of {name} was imported", icon=":material/error:")
        return
    with st.container(key="import-lines", gap="xsmall"):
        st.markdown(f"**{text.plain(name)}**: {summary(lines)}")
        for line in sorted(lines, key=lambda one: one["outcome"] != "refused")[:MOST_LINES]:
            st.markdown(in_words(line))
        if len(lines) > MOST_LINES:
            st.caption(f"And {len(lines) - MOST_LINES} more.")


def summary(lines: Sequence[Mapping[str, Any]]) -> str:
    """How many of what: 3 kept, 1 refused."""
    counts = {said: sum(line["outcome"] == outcome for line in lines) for outcome, (_, said, _) in OUTCOMES.items()}
    return bw.listed([f"{n} {said}" for said, n in counts.items() if n]) or "nothing was in it"


def in_words(line: Mapping[str, Any]) -> str:
    """One evaluation, or one file that was refused, as Markdown."""
    icon, said, colour = OUTCOMES.get(str(line["outcome"]), (":material/help:", str(line["outcome"]), "gray"))
    head = f"{icon} :{colour}-badge[{said}]"
    if line["outcome"] == "refused":
        return f"{head} {text.plain(line['source'])}: {text.plain(line['problem'])}"
    what = f"**{text.plain(line['benchmark'])}** of {text.plain(line['checkpoint'])}"
    if line["state"] == "done":
        items = bw.counted(int(line["items"]), "item") if line["items"] else "no items"
        result = f"{text.plain(line['figure'])}, {items}"
    else:
        result = f"{line['state']}: {text.plain(line['problem'])}"
    notes = "".join(f"; {text.plain(note)}" for note in line["notes"])
    return f"{head} {what} ({text.plain(line['harness'])}): {result}{notes}"


@st.cache_resource(max_entries=4, on_release=Benchmarks.close)
def _benchmarks(address: str) -> Benchmarks:
    return Benchmarks(address)
