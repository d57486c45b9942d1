"""The connection of the page to the probes of the api: what is sent, streamed and looked at while it runs."""

from typing import Any

import pandas as pd
import streamlit as st

from monitor.client.prober import Prober
from monitor.config import load_settings
from monitor.errors import NotFound
from monitor.ui import data
from monitor.ui.data import Ask


def prober() -> Prober:
    """The connection to the api that the settings name, shared by all sessions."""
    return _prober(load_settings().api)


def fresh(question: Ask) -> pd.DataFrame:
    """The answer of this moment, past the few seconds that pages share one: for what is watched while it runs."""
    return data.reader().query(question.name, **dict(question.params))


def one(question: Ask, *, now: bool = False) -> dict[str, Any]:
    """The only row of an answer. Raises NotFound where there is none."""
    rows = data.records(fresh(question) if now else data.load(question))
    if not rows:
        values = ", ".join(str(value) for _, value in question.params)
        raise NotFound(f"{question.name} knows nothing of {values}")
    return rows[0]


@st.cache_resource(max_entries=4, on_release=Prober.close)
def _prober(address: str) -> Prober:
    return Prober(address)
