"""What the pages load: answers of the api, kept for a few seconds, and the last good answer while the api is away."""

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from monitor.client.reader import Reader, Unreachable, connect
from monitor.config import load_settings
from monitor.errors import WatchpointError

FRESH_S = 5
"""Visitors who look at the same view within this time share one answer."""

KEPT = 512
AT_ONCE = 4

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


class Answers:
    """The last answers of one api, shared by all sessions; frames that come from here are not to be changed."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="ask")
        self._lock = threading.Lock()
        self._kept: OrderedDict[Ask, tuple[float, pd.DataFrame]] = OrderedDict()

    def get(self, question: Ask) -> pd.DataFrame:
        """A fresh answer, or the last good one while the api does not answer."""
        with self._lock:
            at, known = self._kept.get(question, (0.0, None))
        if known is not None and time.monotonic() - at < FRESH_S:
            return known
        try:
            answer = self.reader.query(question.name, **dict(question.params))
        except Unreachable:
            if known is None:
                raise
            return known
        with self._lock:
            self._kept[question] = (time.monotonic(), answer)
            self._kept.move_to_end(question)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return answer

    def forget(self, names: Iterable[str]) -> None:
        """Ask anew what these queries say."""
        gone = set(names)
        with self._lock:
            self._kept = OrderedDict((one, kept) for one, kept in self._kept.items() if one.name not in gone)

    def close(self) -> None:
        self._pool.shutdown(wait=False)
        self.reader.close()

    def prepare(self, questions: Iterable[Ask]) -> None:
        """Ask several questions side by side; what goes wrong is told to whoever then loads the answer."""
        for asked in [self._pool.submit(self.get, question) for question in questions]:
            with suppress(WatchpointError):
                asked.result()


def reader() -> Reader:
    """The connection to the api that the settings name, shared by all sessions."""
    return _answers(load_settings().api).reader


def load(question: Ask) -> pd.DataFrame:
    """The answer to a question. While the api is away, the last good one; `faces.shown` then says so."""
    return _answers(load_settings().api).get(question)


def prepare(questions: Iterable[Ask]) -> None:
    """Fetch what the page is going to load, side by side."""
    _answers(load_settings().api).prepare(questions)


def forget(*names: str) -> None:
    """Somebody has just changed what these queries say."""
    _answers(load_settings().api).forget(names)


def records(answer: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of an answer, one dictionary each."""
    return [{str(name): value for name, value in row.items()} for row in answer.to_dict("records")]


def down_since() -> datetime | None:
    """Since when the api does not answer; None while it does."""
    return reader().down_since


def download(question: Ask, media_type: str) -> bytes:
    """The answer as a file, straight from the api."""
    return reader().fetch(question.name, media_type, **dict(question.params))


@st.cache_resource(max_entries=4, on_release=Answers.close)
def _answers(address: str) -> Answers:
    return Answers(connect(address))
