"""The window of time: two texts in the URL, `start` and `end`, each relative (`-6h`, `now`) or absolute in UTC.

Both are widgets bound to the URL, so that a link shows the same window to everybody, in the zone of whoever opens it.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import streamlit as st

from monitor.charts import words
from monitor.charts.timeseries import View
from monitor.errors import BadInput
from monitor.ui import text

PRESETS = {"-1h": "1 h", "-6h": "6 h", "-24h": "24 h", "-7d": "7 d", "-14d": "14 d", "-30d": "30 d"}
DEFAULT = "-6h"
NOW = "now"
ZONES = ("Local", "UTC")
_RELATIVE = re.compile(r"-(\d{1,6})(s|m|h|d|w)")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


@dataclass(frozen=True, slots=True)
class Window:
    """What was asked for; `start` and `end` go to the api as they are."""

    start: str
    end: str
    utc: bool

    @property
    def moves(self) -> bool:
        """Whether new requests fall into it, so that it is worth refreshing."""
        return self.end == NOW

    def view(self, now: datetime) -> View:
        """The axis of the charts."""
        return View(resolve(self.start, now), resolve(self.end, now), self.utc)

    def words(self, now: datetime) -> str:
        """The window as a sentence."""
        view = self.view(now)
        length = words.span(view.end - view.start)
        if self.moves and self.start.startswith("-"):
            return f"the last {length}"
        return f"{text.moment(view.start, self.utc)} to {text.moment(view.end, self.utc)} ({length})"


def resolve(value: str, now: datetime) -> datetime:
    """The moment that a text of the URL means."""
    if value == NOW:
        return now
    if relative := _RELATIVE.fullmatch(value):
        return now - timedelta(seconds=int(relative[1]) * _UNITS[relative[2]])
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise BadInput(
            f"{value!r} is not a time: write now, a length back such as -6h or -7d, or 2026-11-20T14:00:00Z"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def absolute(moment: datetime) -> str:
    """How a moment is written in the URL."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def last_day(newest: datetime, now: datetime) -> tuple[str, str]:
    """Start and end of the day up to the newest request: a log that was imported may be years old."""
    if now - newest < timedelta(days=1):
        return "-24h", NOW
    return absolute(newest - timedelta(days=1)), absolute(newest + timedelta(seconds=1))


def narrow(start_ms: float, end_ms: float) -> None:
    """Make the window the range that was selected in a chart; called before the page runs again."""
    first, last = sorted((start_ms, end_ms))
    st.session_state["start"] = absolute(datetime.fromtimestamp(first / 1000, UTC))
    st.session_state["end"] = absolute(datetime.fromtimestamp(max(last, first + 1000) / 1000, UTC))


def pick_window() -> Window:
    """The widgets of the window in one line: presets, another range, the time zone; and what they mean, in words."""
    seed("start", DEFAULT)
    seed("end", NOW)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        presets = st.container(width="content")
        other = st.popover("Other range", icon=":material/calendar_month:", key="range", on_change="rerun")
        with other:
            start = st.text_input("From", key="start", bind="query-params", on_change=_in_utc, args=("start",))
            end = st.text_input("To", key="end", bind="query-params", on_change=_in_utc, args=("end",))
            st.caption("`-90m`, `-3d`, `now`, or a time such as `2026-11-20 14:00`.")
            calendar = st.container()
        window = Window(start or DEFAULT, end or NOW, pick_zone() == "UTC")
        st.caption(f"Showing {window.words(datetime.now(UTC))}")
    with presets:
        _presets(window)
    if other.open:
        with calendar:
            _calendar(text.zone(window.utc))
    return window


def seed(key: str, value: str) -> None:
    """What a bound widget shows when the URL says nothing; as its default it would clash with values of callbacks."""
    if key not in st.session_state and key not in st.query_params:
        st.session_state[key] = value


def pick_zone() -> str:
    """Whose clock is on the screen."""
    zone = st.segmented_control(
        "Time zone", ZONES, default=ZONES[0], key="tz", bind="query-params", required=True, label_visibility="collapsed"
    )
    return str(zone)


def _presets(window: Window) -> None:
    st.session_state["preset"] = window.start if window.end == NOW and window.start in PRESETS else None
    st.segmented_control(
        "Window",
        list(PRESETS),
        format_func=PRESETS.__getitem__,
        key="preset",
        on_change=_take_preset,
        label_visibility="collapsed",
    )


def _take_preset() -> None:
    st.session_state["start"] = st.session_state["preset"] or DEFAULT
    st.session_state["end"] = NOW


def _in_utc(key: str) -> None:
    """What was typed without a zone is meant in the zone on the screen; the URL keeps UTC."""
    typed = str(st.session_state[key]).strip()
    try:
        moment = datetime.fromisoformat(typed)
    except ValueError:
        st.session_state[key] = typed
        return
    here = text.zone(st.session_state.get("tz") == "UTC")
    st.session_state[key] = absolute(moment if moment.tzinfo else moment.replace(tzinfo=here))


def _calendar(here: tzinfo) -> None:
    now = datetime.now(here).replace(tzinfo=None, second=0, microsecond=0)
    with st.form("calendar", border=False):
        st.datetime_input("First moment", now - timedelta(hours=6), key="calendar-start")
        st.datetime_input("Last moment", now, key="calendar-end")
        st.form_submit_button("Apply", on_click=_take_calendar, args=(here,), type="primary")


def _take_calendar(here: tzinfo) -> None:
    for key in ("start", "end"):
        picked: Any = st.session_state[f"calendar-{key}"]
        st.session_state[key] = absolute(picked.replace(tzinfo=here))
