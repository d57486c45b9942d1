"""The answers of a run as a file, and the address that gives the same to a program."""

import json
from functools import partial

import streamlit as st

from monitor.ui import data
from monitor.ui.data import ask

FORMATS = {
    "CSV": ("text/csv", "csv"),
    "JSONL": ("application/x-ndjson", "jsonl"),
    "Parquet": ("application/vnd.apache.parquet", "parquet"),
}


def draw_saving(run: str) -> None:
    """A menu with the three formats; a file is made when its button is pressed."""
    menu = st.popover("Export and API", icon=":material/ios_share:", key="save-run", on_change="rerun")
    if not menu.open:
        return
    question = ask("probe_items", run=run)
    with menu:
        with st.container(horizontal=True):
            for name, (media_type, ending) in FORMATS.items():
                st.download_button(
                    name,
                    partial(_lines if ending == "jsonl" else data.download, question, media_type),
                    file_name=f"{run}.{ending}",
                    mime=media_type,
                    key=f"save-{ending}",
                    icon=":material/download:",
                    on_click="ignore",
                )
        st.caption("Every answer with its question, settings and times; the same from a shell:")
        st.code(f"curl -s -H 'Accept: text/csv' '{question.url}'", language="bash", wrap_lines=True)
        st.caption("The address of this page leads back to this run.")


def _lines(question: data.Ask, _: str) -> bytes:
    """One JSON object a line, out of the rows as the api sends them."""
    rows = json.loads(data.download(question, "application/json"))["rows"]
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows).encode()
