"""Items of a run as cards: the picture, what was asked, what each target said."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from monitor.charts import words
from monitor.ui import data, text
from monitor.ui.probe import images

PAGE = 24
LONGEST = 200


def draw_gallery(items: pd.DataFrame, letters: Mapping[str, str]) -> None:
    """A page of cards."""
    pages = -(-len(items) // PAGE)
    place = st.pagination(pages, key="gallery-page") if pages > 1 else 1
    start = (min(place, pages) - 1) * PAGE
    with st.grid("auto", min_column_width=220):
        for item in data.records(items.iloc[start : start + PAGE]):
            with st.container(border=True, height="stretch", key=f"item-{item['item']}"):
                _card(item, letters)


def _card(item: Mapping[str, Any], letters: Mapping[str, str]) -> None:
    if item["images"]:
        images.draw_gallery(item["images"], 120)
    st.caption(text.plain(_short(item["prompt"])))
    if words.known(item["label"]):
        st.markdown(f"Expected: {text.plain(_short(item['label']))}")
    for letter in letters.values():
        if f"{letter} answer" in item and words.known(item[f"{letter} answer"]):
            st.markdown(f"{_icon(item, letter)} **{letter}** {text.plain(_short(item[f'{letter} answer']))}")


def _icon(item: Mapping[str, Any], letter: str) -> str:
    """Right, wrong, failed, or not known: by shape and name, not by colour."""
    if item[f"{letter} failed"]:
        return ":material/error:"
    right = item[f"{letter} right"]
    if not isinstance(right, bool):
        return ":material/chat_bubble:"
    return ":material/check:" if right else ":material/close:"


def _short(value: Any) -> str:
    shown = " ".join(str(value or "").split())
    return shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}…"
