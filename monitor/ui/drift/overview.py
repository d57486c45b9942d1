"""Every deployment on a line of its own: the verdict of its last day, what moved most, and its last two weeks."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import streamlit as st

from monitor.charts import driftstrip, words
from monitor.charts.driftstrip import Day
from monitor.ui import data, faces, text
from monitor.ui.data import Ask, ask
from monitor.ui.drift import place, sentences
from monitor.ui.window import absolute

DAYS = 14
MOST_LINES = 20
MOST_MOVED = 3
URGENCY = list(sentences.BADGES)

Row = Mapping[str, Any]


def state(source: str) -> Ask:
    """The question for the line of each deployment."""
    return ask("drift", source=source)


def verdicts(source: str, grain: str, deployment: str = "") -> Ask:
    """The question for the verdicts of two weeks of days, or of two days of hours."""
    start = f"-{DAYS + 1}d" if grain == place.DAY else "-2d"
    return ask("drift_verdicts", source=source, grain=grain, deployment=deployment, start=start, end="now")


def exports(source: str) -> dict[str, Ask]:
    """The questions behind the overview."""
    return {
        "Deployments": state(source),
        "Verdicts of days": verdicts(source, place.DAY),
        "Verdicts of hours": verdicts(source, place.HOUR),
        "Changes": ask("drift_changes", source=source, start=f"-{DAYS}d", end="now"),
    }


def draw_none() -> None:
    """Nothing has been asked yet: what will happen, and how long it takes."""
    faces.nothing_yet(
        "No predictions to compare yet. The job of drift describes each hour of them once it is over. The first day of "
        "a deployment becomes its reference by itself, later its first week; after the second day the first verdict "
        "is here. A log that is imported is judged at once, as far back as 90 days.",
        "drift",
    )


def draw_overview(rows: pd.DataFrame, source: str, now: datetime, utc: bool) -> None:
    """The sentence that matters, then a line for each deployment, those with an alarm first."""
    told = sorted(data.records(rows), key=lambda row: (URGENCY.index(sentences.verdict_of(row)), row["deployment"]))
    days, hours = (by_deployment(data.load(verdicts(source, grain))) for grain in (place.DAY, place.HOUR))
    since = {name: first for name, found in days.items() if (first := sentences.worse_since(found)) is not None}
    st.markdown(sentences.summary(told, since))
    shown = told[:MOST_LINES]
    data.prepare([one for row in shown if has_moved(row) for one in asks_of(source, row).values()])
    kinds: set[str] = set()
    for row in shown:
        name = str(row["deployment"])
        with st.container(border=True, key=f"line-{name}"):
            kinds |= _line(row, source, days.get(name, []), hours.get(name, []), now)
    if kinds:
        st.caption(
            f"{driftstrip.legend(kinds)}. Days are those of UTC. A feature has moved where its effect is at least its "
            "threshold, is no chance over all features together, and is larger than such days of the reference differ "
            "among themselves. Only what moved and got worse is an alarm."
        )
    if len(told) > MOST_LINES:
        _table(told[MOST_LINES:])


def by_deployment(frame: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """Verdicts of each deployment, oldest first."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in data.records(frame):
        found.setdefault(str(row["deployment"]), []).append(row)
    return found


def asks_of(source: str, row: Row) -> dict[str, Ask]:
    """The ranking and the quality of the last day of a deployment."""
    one = {"source": source, "deployment": row["deployment"], "grain": place.DAY}
    bucket = row["day"]
    end = absolute(bucket + timedelta(days=1))
    return {
        "ranking": ask("drift_ranking", **one, bucket=absolute(bucket)),
        "quality": ask("drift_windows", **one, start=absolute(bucket), end=end),
    }


def has_moved(row: Row) -> bool:
    """Whether anything moved on the last day of a deployment."""
    return words.known(row["day_moved"]) and int(row["day_moved"]) > 0


def badge(verdict: str) -> None:
    """A verdict by icon, words and colour."""
    name, icon, colour = sentences.badge(verdict)
    st.badge(name, icon=icon, color=colour)


def strip(row: Row, days: Sequence[Row], now: datetime) -> list[Day]:
    """The last two weeks of a deployment; the first day that can be seen is the one of its newest prediction."""
    last = min(row["last_hour"], now) if words.known(row["last_hour"]) else now
    return driftstrip.days_of(days, (row["starts"], row["ends"]), last, DAYS)


def _line(row: Row, source: str, days: Sequence[Row], hours: Sequence[Row], now: datetime) -> set[str]:
    """One deployment; returns the kinds of days that its strip has."""
    name = str(row["deployment"])
    left, right = st.columns([3, 2], gap="medium")
    with left:
        with st.container(horizontal=True, vertical_alignment="center"):
            badge(sentences.verdict_of(row))
            st.button(
                f"**{text.plain(name)}**",
                icon=":material/arrow_forward:",
                icon_position="right",
                type="tertiary",
                key=f"open-{name}",
                on_click=place.open_deployment,
                args=(dict(row),),
                help="Features over time, what moved most, examples, thresholds and references",
            )
        _verdict(row, source, days, hours)
    found = strip(row, days, now)
    with right:
        st.echarts_chart(
            driftstrip.verdict_strip(found),
            height=56,
            key=f"strip-{name}",
            alt=f"The last {DAYS} days of {name}. {driftstrip.in_words(found)}",
        )
        _footnotes(row)
    return {day.kind for day in found}


def _verdict(row: Row, source: str, days: Sequence[Row], hours: Sequence[Row]) -> None:
    if sentences.verdict_of(row) == sentences.WAITING:
        st.markdown(_waiting(row))
        if days:
            st.markdown(f"Under its earlier reference: {sentences.headline(days[-1], [])}")
        return
    told = {"verdict": row["day_verdict"], "bucket": row["day"], "n": row["day_n"]}
    told |= {"n_moved": row["day_moved"], "n_features": row["day_features"]}
    measures = []
    if has_moved(row):
        asked = asks_of(source, row)
        windows = data.records(data.load(asked["quality"]))
        measures = sentences.measures_of(windows[0]["quality"]) if windows else []
        ranking = data.records(data.load(asked["ranking"]))
    st.markdown(sentences.headline(told, measures))
    if has_moved(row):
        st.markdown(most_moved(ranking))
    if more := " ".join(filter(None, (sentences.within_day(row, hours), sentences.since_then(row, hours)))):
        st.caption(more)


def most_moved(ranking: Sequence[Row]) -> str:
    """The features that moved most, as Markdown."""
    moved = [one for one in ranking if one["state"] == "moved"]
    rest = f" and {len(moved) - MOST_MOVED} more" if len(moved) > MOST_MOVED else ""
    return f"Most: {'; '.join(sentences.feature(one) for one in moved[:MOST_MOVED])}{rest}."


def _waiting(row: Row) -> str:
    if not words.known(row["reference"]):
        begins = row["first_hour"] + timedelta(days=1, hours=1)
        return (
            "Not compared with anything yet: its first day becomes the reference once it is over, about "
            f"{begins:%Y-%m-%d %H:%M} UTC. The first verdict follows a day later."
        )
    if int(row["due"]):
        return "Its hours are being described; the first verdict follows as soon as a day is."
    return "No whole day after its reference yet; each day is judged once it is over."


def _footnotes(row: Row) -> None:
    st.caption(f"Compared with: {sentences.reference(row)}.")
    if said := sentences.progress(row):
        done, due = int(row["described"]), int(row["due"])
        st.progress(done / (done + due), text=said)


def _table(rows: Sequence[Row]) -> None:
    shown = pd.DataFrame(
        {
            "Verdict": [[sentences.badge(sentences.verdict_of(row))[0]] for row in rows],
            "Open": [row["deployment"] for row in rows],
            "Day": [row["day"] for row in rows],
            "Moved": [row["day_moved"] for row in rows],
            "n": [row["day_n"] for row in rows],
            "Compared with": [sentences.reference(row).replace("\\", "") for row in rows],
        }
    )
    st.dataframe(
        shown,
        hide_index=True,
        key="drift-table",
        placeholder=words.UNKNOWN,
        alt="The less urgent deployments",
        column_config={
            "Open": st.column_config.ButtonColumn(
                "Deployment", key="drift-opened", on_click=_open, args=(list(rows),), type="tertiary", alignment="left"
            ),
            "Verdict": st.column_config.MultiselectColumn(
                options=[name for name, _, _ in sentences.BADGES.values()],
                color=[colour for _, _, colour in sentences.BADGES.values()],
            ),
            "Day": st.column_config.DateColumn(),
        },
    )


def _open(rows: Sequence[Row]) -> None:
    place.open_deployment(rows[st.session_state["drift-opened"].row])
