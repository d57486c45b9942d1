"""Texts that came from outside, made safe to stand in Markdown, and times in the zone of the reader."""

import re
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from monitor.charts import words

_MARKUP = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~:$&])")


def plain(text: Any) -> str:
    """The text as it is: names of deployments and messages of errors are free text, and none of it is markup."""
    return _MARKUP.sub(r"\\\1", " ".join(str(text).split()))


def sentence(text: Any) -> str:
    """The text as a sentence: a capital at its start, a full stop at its end."""
    words_ = plain(text)
    return f"{words_[:1].upper()}{words_[1:]}{'' if words_.endswith('.') else '.'}"


def zone(utc: bool) -> tzinfo:
    """UTC, or the time zone of the browser when it tells one that this machine knows."""
    try:
        return UTC if utc or not st.context.timezone else ZoneInfo(st.context.timezone)
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


def moment(value: datetime | None, utc: bool) -> str:
    """A time with its zone: 2026-11-20 14:03:05 UTC."""
    return f"{value.astimezone(zone(utc)):%Y-%m-%d %H:%M:%S %Z}" if words.known(value) and value else words.UNKNOWN
