"""What the pages load: answers of the api, kept for a few seconds, and the last good answer while the api is away."""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from monitor.client.reader import Reader, Unreachable, connect
from monitor.config import load_settings

FRESH_S = 5
"""Visitors who look at the same view within this time share one answer."""

KEPT = 256

Params = tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Ask:
    """One question to the api: the name of a query and its parameters."""

    name: str
    params: Params = ()

    @property
    def url(self) -> str:
        return reader().url(self.name, **dict(self.params))


def ask(name: str, **params: Any) -> Ask:
    """A question; empty parameters are left out, so that equal questions are equal."""
    kept = {key: tuple(value) if isinstance(value, list) else value for key, value in params.items()}
    return Ask(name, tuple(sorted((key, value) for key, value in kept.items() if value not in (None, "", ()))))


class LastGood:
    """The newest good answer to each of the last questions, so that a page stays readable while the api restarts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: OrderedDict[tuple[str, Ask], pd.DataFrame] = OrderedDict()

    def keep(self, address: str, question: Ask, answer: pd.DataFrame) -> None:
        with self._lock:
            self._answers[address, question] = answer
            self._answers.move_to_end((address, question))
            while len(self._answers) > KEPT:
                self._answers.popitem(last=False)

    def find(self, address: str, question: Ask) -> pd.DataFrame | None:
        with self._lock:
            return self._answers.get((address, question))


def reader() -> Reader:
    """The connection to the api that the settings name, shared by all sessions."""
    return _reader(load_settings().api)


def load(question: Ask) -> pd.DataFrame:
    """The answer to a question. While the api is away, the last good one; `faces.shown` then says so."""
    address = reader().address
    try:
        return _fresh(address, question.name, question.params)
    except Unreachable:
        known = _last_good().find(address, question)
        if known is None:
            raise
        return known.copy()


def records(answer: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of an answer, one dictionary each."""
    return [{str(name): value for name, value in row.items()} for row in answer.to_dict("records")]


def down_since() -> datetime | None:
    """Since when the api does not answer; None while it does."""
    return reader().down_since


def download(question: Ask, media_type: str) -> bytes:
    """The answer as a file, straight from the api."""
    params: Mapping[str, Any] = dict(question.params)
    return reader().fetch(question.name, media_type, **params)


@st.cache_resource(max_entries=4)
def _reader(address: str) -> Reader:
    return connect(address)


@st.cache_resource
def _last_good() -> LastGood:
    return LastGood()


@st.cache_data(ttl=FRESH_S, max_entries=KEPT, show_spinner=False)
def _fresh(address: str, name: str, params: Params) -> pd.DataFrame:
    answer = _reader(address).query(name, **dict(params))
    _last_good().keep(address, Ask(name, params), answer)
    return answer
