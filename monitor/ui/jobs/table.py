"""Every job with its schedule, how its newest run went and when it is due; and a button that runs it now."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

import pandas as pd
import streamlit as st

from monitor.charts import words
from monitor.ui import text
from monitor.ui.jobs import asking

Colour = Literal["green", "orange", "red", "gray", "blue"]

STATES: dict[str, tuple[str, str, Colour]] = {
    "waiting": ("Waiting", ":material/schedule:", "blue"),
    "running": ("Running", ":material/progress_activity:", "blue"),
    "done": ("Done", ":material/check_circle:", "green"),
    "failed": ("Failed", ":material/error:", "red"),
    "skipped": ("Skipped", ":material/skip_next:", "gray"),
    "interrupted": ("Interrupted", ":material/warning:", "orange"),
    "lost": ("Lost", ":material/heart_broken:", "orange"),
}
"""Lost: it runs, and was not heard of for 90 seconds."""

NEVER: tuple[str, str, Colour] = ("Never ran", ":material/pending:", "gray")
UNDER_WAY = ("waiting", "running")
DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
UNITS = {"s": "second", "m": "minute", "h": "hour", "d": "day"}
TRIGGERS = {"schedule": "by its schedule", "page": "from this page", "command": "by a command"}
START = "`python -m monitor up` starts one with everything else, `python -m monitor scheduler` one alone."


def draw_jobs(rows: pd.DataFrame, now: datetime, utc: bool) -> None:
    """One line for each job; above them a warning where nothing would run them."""
    if not rows["scheduler_here"].any():
        heard = words.ago(rows["seen_at"].max(), now)
        st.warning(
            f"Nothing runs on schedule: the last scheduler was heard of {heard}. {START} Jobs can also be run from "
            "cron, for example `python -m jobs.canary`.",
            title="No scheduler is there",
            icon=":material/timer_off:",
        )
    for row in data_rows(rows):
        with st.container(border=True, key=f"job-{row['job']}"):
            _job(row, now, utc)


def moved(rows: pd.DataFrame) -> bool:
    """Whether a run began or ended since this was asked last in this session."""
    now = () if rows.empty else tuple(zip(rows["run"].fillna(""), rows["state"].fillna(""), strict=True))
    before = st.session_state.get("jobs-seen", now)
    st.session_state["jobs-seen"] = now
    return bool(before != now)


def data_rows(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Those that are under way first, then those that did not end well."""
    order = {"running": 0, "waiting": 0, "lost": 1, "failed": 1, "interrupted": 1}
    found: list[dict[str, Any]] = rows.to_dict("records")  # type: ignore[assignment]  # columns are texts
    return sorted(found, key=lambda row: (order.get(str(row["state"]), 2), str(row["job"])))


def _job(row: Mapping[str, Any], now: datetime, utc: bool) -> None:
    name, icon, colour = STATES.get(str(row["state"]), NEVER)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(name, icon=icon, color=colour)
        st.markdown(f"**{text.plain(row['job'])}** {text.plain(row['about'])}", width="stretch")
        asking.draw_run_now(str(row["job"]), bool(row["scheduler_here"]), f"run-now-{row['job']}")
    st.caption(" · ".join(facts(row, now, utc)))
    if row["state"] in UNDER_WAY:
        draw_progress(row)
    elif words.known(row["problem"]) and row["problem"]:
        st.markdown(f":material/warning: {text.sentence(row['problem'])}")


def facts(row: Mapping[str, Any], now: datetime, utc: bool) -> list[str]:
    """Schedule, last run, how long it took, and when it is due, as short sentences."""
    found = [text.plain(schedule_in_words(row))]
    if words.known(row["started_at"]):
        verb = "began" if row["state"] in UNDER_WAY else "last run"
        found.append(f"{verb} {words.ago(row['started_at'], now)}, {asked_by(row)}")
    else:
        found.append("never ran")
    if words.known(row["seconds"]) and row["state"] not in UNDER_WAY:
        found.append(f"took {length(row['seconds'])}")
    if words.known(row["next_at"]):
        due = words.span(row["next_at"] - now)
        found.append(f"next {text.moment(row['next_at'], utc)}, in {due}")
    else:
        found.append("not due while no scheduler is there")
    return found


def schedule_in_words(row: Mapping[str, Any]) -> str:
    """Such as: every 10 minutes, at a random moment of the first 20 s."""
    said = str(row["schedule"])
    if said.startswith("every "):
        n, unit = int(said[6:-1]), UNITS[said[-1]]
        said = f"every {unit}" if n == 1 else f"every {n} {unit}s"
    else:
        said = _cron_in_words(said)
    if words.known(row["jitter_s"]) and row["jitter_s"]:
        said += f", at a random moment of the first {words.span(timedelta(seconds=int(row['jitter_s'])))}"
    return said


def _cron_in_words(said: str) -> str:
    """A cron line that is due once an hour, a day or a week in words, any other as it is."""
    minute, hour, day, month, weekday = said.removeprefix("cron ").removesuffix(" (UTC)").split()
    if not minute.isdigit() or (day, month) != ("*", "*"):
        return said
    if hour == weekday == "*":
        return f"every hour at minute {int(minute)}"
    if not hour.isdigit() or not (weekday == "*" or weekday.isdigit()):
        return said
    on = "every day" if weekday == "*" else f"every {DAYS[int(weekday) % 7]}"
    return f"{on} at {int(hour):02}:{int(minute):02} UTC"


def asked_by(row: Mapping[str, Any]) -> str:
    """Who or what started a run."""
    how = TRIGGERS.get(str(row["trigger"]), text.plain(row["trigger"]))
    return f"{how} ({text.plain(row['asked_by'])})" if row["trigger"] == "page" else how


def length(seconds: Any) -> str:
    """How long something took."""
    return words.milliseconds(float(seconds) * 1000) if words.known(seconds) else words.UNKNOWN


def draw_progress(row: Mapping[str, Any]) -> None:
    """How far a run is; one without a total only says that it goes on."""
    if row["state"] == "waiting":
        st.markdown(":shimmer[Waits for the scheduler to take it up]")
        return
    total, done = (int(row[name]) if words.known(row[name]) else 0 for name in ("total", "done"))
    failed = f", {words.count(row['failed'])} failed" if words.known(row["failed"]) and row["failed"] else ""
    if total:
        st.progress(min(1.0, done / total), f"{words.count(done)} of {words.count(total)}{failed}")
    else:
        st.markdown(":shimmer[At work]")
