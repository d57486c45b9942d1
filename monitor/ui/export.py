"""Taking what is shown with you: as a file from the api, and as the address of each query behind the page."""

from collections.abc import Mapping
from functools import partial

import streamlit as st

from monitor.ui import data
from monitor.ui.data import Ask

FORMATS = {"CSV": ("text/csv", "csv"), "Parquet": ("application/vnd.apache.parquet", "parquet")}


def draw_export(asks: Mapping[str, Ask]) -> None:
    """A menu with a file of each table on the page, and the API query that made it."""
    # Filled when it is opened: the code block alone is 1.5 MB of JavaScript, which no first view should wait for.
    menu = st.popover("Export and API", icon=":material/ios_share:", key="export", on_change="rerun")
    if not menu.open:
        return
    with menu:
        what = st.selectbox("What", list(asks), key="export-what")
        with st.container(horizontal=True):
            for name, (media_type, ending) in FORMATS.items():
                st.download_button(
                    name,
                    partial(data.download, asks[what], media_type),  # fetched when it is clicked
                    file_name=f"{asks[what].name}.{ending}",
                    mime=media_type,
                    key=f"export-{ending}",
                    icon=":material/download:",
                    on_click="ignore",
                )
        st.caption("The same from a shell; the address of this page reproduces the view.")
        st.code(f"curl -s -H 'Accept: text/csv' '{asks[what].url}'", language="bash", wrap_lines=True)
