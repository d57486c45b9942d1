"""Points and boxes that answers name, drawn over the image, with a threshold for how sure the model was of each."""

from collections.abc import Sequence

import streamlit as st

from monitor.charts.overlay import in_words, shapes_over_image
from monitor.errors import NotFound
from monitor.stats.points import Shape, confidences, shapes
from monitor.ui import text
from monitor.ui.probe.answer import LETTERS, Answer
from monitor.ui.probe.draft import Message, images_of
from monitor.ui.probe.service import prober


def draw_marks(answers: Sequence[Answer], messages: Sequence[Message]) -> None:
    """One picture an answer that names a place; nothing where no answer does."""
    hashes = images_of(messages)
    found = [(LETTERS[place], answer, shapes(answer.text)) for place, answer in enumerate(answers)]
    found = [(letter, answer, marks) for letter, answer, marks in found if marks]
    if not hashes or not found:
        return
    st.header("Points and boxes", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        sha256 = hashes[0] if len(hashes) == 1 else _pick_image(hashes)
        sure = {letter: confidences(answer.text, answer.tokens, marks) for letter, answer, marks in found}
        known = any(one is not None for several in sure.values() for one in several)
        threshold = _pick_threshold() if known else 0.0
    try:
        image = prober().media(sha256)
    except NotFound:
        st.caption("The image is not in the media store, so nothing can be drawn over it.")
        return
    for column, (letter, _, marks) in zip(st.columns(max(2, len(found))), found, strict=False):
        with column:
            _draw(image, letter, marks, sure[letter], threshold)


def _draw(image: bytes, letter: str, marks: list[Shape], sure: Sequence[float | None], threshold: float) -> None:
    try:
        overlay = shapes_over_image(image, marks, sure, threshold)
    except OSError as error:
        st.caption(f"The image cannot be drawn: {text.plain(error)}")
        return
    drawn = sum(mark.drawn for mark in overlay.marks)
    st.markdown(f"**{letter}**: {drawn} of {len(marks)} drawn")
    st.image(overlay.png, width=480, alt=f"Answer {letter} over the image. {overlay.alt}")
    st.caption(text.plain(in_words(overlay.marks)))


def _pick_image(hashes: Sequence[str]) -> str:
    place = st.segmented_control(
        "Image",
        list(range(len(hashes))),
        format_func=lambda at: f"Image {at + 1}",
        default=0,
        required=True,
        key="over",
    )
    return hashes[int(place or 0)]


def _pick_threshold() -> float:
    percent = st.slider("Least confidence", 0, 100, 0, format="%d %%", key="threshold", persist_state="page", width=320)
    return float(percent) / 100
