"""What stands where no benchmark has been evaluated yet: three ways to get the first figure."""

import streamlit as st

from monitor.ui import access, faces
from monitor.ui.benchmarks import uploading

COMMAND = "python -m monitor import-benchmarks outputs/my-model     # a run folder, a file or a zip"
SUITE = """[benchmarks.my-set]
suite = "my-set"                    # a folder or JSONL file of items beside this file
model = "my-model"                  # every checkpoint of it that has no result yet
every = "1h"
"""


def draw_first() -> None:
    """How to begin."""
    faces.nothing_yet(
        "No benchmark has been evaluated or imported yet. This page shows which checkpoint is best and how sure that "
        "is, once it has figures of two checkpoints on the same items.",
        "benchmarks",
    )
    st.header("Import what a harness wrote", anchor=False)
    st.markdown("VLMEvalKit, lm-evaluation-harness, lighteval, lmms-eval and others; from the machine of the api:")
    st.code(COMMAND, language="bash", wrap_lines=True)
    if access.may(uploading.PERMISSION):
        st.header("Or upload it here", anchor=False)
        uploading.draw_upload(opened=True)
    st.header("Or evaluate checkpoints here", anchor=False)
    st.markdown("Name a suite in the fleet file; the scheduler runs it on each checkpoint through the worker:")
    st.code(SUITE, language="toml", wrap_lines=True)
