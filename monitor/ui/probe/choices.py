"""How probable each answer of a closed question was, as bars."""

import re
from collections.abc import Iterable, Mapping, Sequence

import streamlit as st

from monitor.charts.choicebars import choice_bars, in_words
from monitor.stats.choices import LETTERS as CHOICE_LETTERS
from monitor.stats.choices import YES_NO, choice_shares
from monitor.ui import text
from monitor.ui.probe.answer import LETTERS, Answer

MOST = 12


def draw_choices(answers: Sequence[Answer]) -> None:
    """Bars for the choices that were written down, or that the answers look like; nothing without alternatives."""
    told = {LETTERS[place]: answer for place, answer in enumerate(answers) if any(t.top for t in answer.tokens)}
    if not told:
        return
    usual = _usual(told.values())
    with st.expander(
        "Probability of given answers", expanded=bool(usual or st.query_params.get("choices")), key="odds"
    ):
        _draw(told, usual)


def _draw(told: Mapping[str, Answer], usual: list[str]) -> None:
    typed = st.text_input(
        "Choices",
        key="choices",
        bind="query-params",
        placeholder=", ".join(usual) or "yes, no",
        help="Answers to compare, with commas between them. Probabilities are those before temperature.",
        width=420,
    )
    names = chosen(typed) or usual
    if not names:
        st.caption("Write down the possible answers to see how probable each was.")
        return
    try:
        shares = {letter: choice_shares(answer.tokens, names) for letter, answer in told.items()}
    except ValueError as error:
        st.caption(text.plain(error))
        return
    st.echarts_chart(
        choice_bars(shares), height=80 + 34 * (len(names) + 1) * len(shares), key="choice-bars", alt=in_words(shares)
    )


def chosen(typed: str | None) -> list[str]:
    """The choices of a text with commas, without repetition."""
    return list(dict.fromkeys(one.strip() for one in (typed or "").split(",") if one.strip()))[:MOST]


def _usual(answers: Iterable[Answer]) -> list[str]:
    """Yes and no, or letters, where every answer is one of them."""
    plain = [re.sub(r"[\s.,!()]", "", answer.text) for answer in answers]
    if plain and all(one.casefold() in YES_NO for one in plain):
        return list(YES_NO)
    return list(CHOICE_LETTERS) if plain and all(one in CHOICE_LETTERS for one in plain) else []
