"""What the fleet page shows while nothing has ever arrived: three ways to send the first prediction."""

import streamlit as st

from monitor.ui import data

CURL = """curl -s {api}/api/v1/predictions \\
  -H 'Content-Type: application/json' \\
  -d '{{"deployment": "my-model", "latency_ms": 412.5, "tokens_out": 64,
       "input_text": "Hello?", "output_text": "Hello!"}}'"""

SDK = """from monitor.client import track

with track("my-model") as event:  # times the block, records its error
    event["output_text"] = "Hello!"
"""

IMPORT = """python -m monitor import predictions.jsonl --dry-run
python -m monitor import predictions.jsonl"""


def draw_first_start() -> None:
    """Says what is missing and how to send it; the page around it looks every few seconds whether it came."""
    api = data.reader().address
    st.info(
        "This page turns into the fleet as soon as the first prediction arrives.",
        title="Waiting for the first prediction",
        icon="spinner",
    )
    st.markdown("Only `deployment` is required. Pick the way that is nearest to you:")
    with st.grid("auto", min_column_width=330):
        _way(
            "Over HTTP",
            ":material/terminal:",
            "From any language. This is a complete request:",
            CURL.format(api=api),
            "bash",
        )
        _way(
            "From Python",
            ":material/code:",
            f"In the process of the model, where it never blocks or raises. `WATCHPOINT_API_URL={api}` says where to.",
            SDK,
            "python",
        )
        _way(
            "From a log that you have",
            ":material/upload_file:",
            "JSON Lines, CSV, Parquet, LiteLLM's log, Gradio's flags. Importing a file twice changes nothing.",
            IMPORT,
            "bash",
        )
    st.caption(f"All fields: {api}/docs. No log at hand? `make demo` shows 14 days of generated traffic.")


def _way(title: str, icon: str, why: str, code: str, language: str) -> None:
    with st.container(border=True):
        st.header(title, icon=icon, anchor=False)
        st.markdown(why)
        st.code(code, language=language, wrap_lines=True)
