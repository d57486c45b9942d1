"""Every canary on every deployment, those with alarms first: as cards, or as a table where there are many."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from monitor.charts import words
from monitor.stats.intervals import wilson
from monitor.ui import cards, data, faces, text
from monitor.ui.canaries import place, sentences

MOST_CARDS = 24
EXAMPLE = """[canaries.general]
suite = "general"                   # one that ships, or a file or folder beside this one
deployments = ["my-chat"]           # left out: every deployment that can be asked
every = "1h"                        # or cron = "7 * * * *"
"""

Rows = Sequence[Mapping[str, Any]]


def draw_none() -> None:
    """What stands where no canary is known: what to write into the fleet file."""
    faces.nothing_yet(
        "The fleet file names no canary. A canary replays a suite of prompts on deployments on a schedule, and tells a "
        "real change from noise. Write one, check it with `python -m monitor check`, and start the api and the "
        "scheduler again.",
        "canaries",
    )
    st.code(EXAMPLE, language="toml", wrap_lines=True)


def draw_overview(known: pd.DataFrame, signals: pd.DataFrame, now: datetime, utc: bool) -> None:
    """How many need a look, and each of them."""
    rows = urgent_first(known)
    said = _by_pair(signals)
    wrong = sum(sentences.state_of(row) in sentences.ALARMS for row in rows)
    st.markdown(f"**{wrong} of {len(rows)}** need a look" if wrong else f"None of **{len(rows)}** needs a look")
    with st.grid("auto", min_column_width=400):
        for row in rows[:MOST_CARDS]:
            with st.container(border=True, height="stretch", key=f"canary-{row['canary']}-{row['deployment']}"):
                _card(row, said.get((row["canary"], row["deployment"]), ()), now, utc)
    if len(rows) > MOST_CARDS:
        st.caption(f"The {len(rows) - MOST_CARDS} others, which are less urgent:")
        _table(rows[MOST_CARDS:], said, now, utc)
    st.caption(
        "Pass rates are of the newest run, in brackets a 95 % interval and how many items stand behind it. Alarms are "
        "decided over all canaries together, so that looking often does not raise more false ones."
    )


def urgent_first(known: pd.DataFrame) -> list[dict[str, Any]]:
    """Alerts first, then warnings, then what is not known."""
    return sorted(
        data.records(known),
        key=lambda row: (cards.URGENCY.get(sentences.state_of(row), 0), row["canary"], row["deployment"]),
    )


def headline(row: Mapping[str, Any]) -> None:
    """The state in words with its icon."""
    state = sentences.state_of(row)
    icon, colour = cards.BADGES.get(state, cards.BADGES["no_data"])
    st.badge(words.state(state), icon=icon, color=colour)
    if not row["planned"]:
        st.badge("not planned", color="gray", help="The fleet file does not name this canary on this deployment now.")


def facts(row: Mapping[str, Any], now: datetime) -> dict[str, str]:
    """The numbers of the newest run."""
    if not words.known(row["run"]):
        return {"Last run": "never"}
    n = int(row["passed"]) + int(row["failed"])
    low, high = wilson(int(row["passed"]), n) if n else (None, None)
    ended = row["ended_at"] if words.known(row["ended_at"]) else None
    took = f", took {words.milliseconds((ended - row['started_at']).total_seconds() * 1000)}" if ended else ""
    found = {
        "Passed": sentences.passed(row, low, high),  # type: ignore[arg-type]  # without n they are not written
        "Flips": sentences.flips(row["flips_bad"], row["flips_good"]),
        "Last run": f"{words.ago(row['started_at'], now)}{took}",
        "Learned": words.ago(row["learned_at"], now),
        "Checkpoint": text.plain(row["checkpoint"]),
        "Suite": f"{text.plain(row['suite'])} · {words.count(row['total'])} items",
    }
    if row["errors"]:
        found["Not judged"] = (
            f"{words.count(row['errors'])} {'item' if row['errors'] == 1 else 'items'} without an answer or a verdict"
        )
    return found


def _card(row: Mapping[str, Any], signals: Rows, now: datetime, utc: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        headline(row)
        # A button and not a link: a link to the page that it stands on loses its part of the address.
        st.button(
            f"**{text.plain(row['canary'])}** on **{text.plain(row['deployment'])}**",
            icon=":material/arrow_forward:",
            icon_position="right",
            type="tertiary",
            key=f"open-{row['canary']}-{row['deployment']}",
            on_click=place.open_pair,
            args=(row,),
            help="Signals, items, trend and comparison",
        )
    st.markdown(sentences.in_words(row, signals, now, utc))
    st.table(facts(row, now), border="horizontal", alt=f"Newest run of {row['canary']} on {row['deployment']}")


def _table(rows: Rows, said: Mapping[tuple[str, str], Rows], now: datetime, utc: bool) -> None:
    shown = pd.DataFrame(
        {
            "State": [[words.state(sentences.state_of(row))] for row in rows],
            "Canary": [row["canary"] for row in rows],
            "Open": [row["deployment"] for row in rows],
            "Passed": [facts(row, now).get("Passed", words.UNKNOWN) for row in rows],
            "Last run": [row["started_at"] for row in rows],
            "What is up": [
                sentences.in_words(row, said.get((row["canary"], row["deployment"]), ()), now, utc)
                .replace("\\", "")
                .replace("**", "")
                for row in rows
            ],
        }
    )
    st.dataframe(
        shown,
        hide_index=True,
        key="canary-table",
        placeholder=words.UNKNOWN,
        alt="The less urgent canaries",
        column_config={
            "Open": st.column_config.ButtonColumn(
                "Deployment", key="canary-opened", on_click=_open, args=(rows,), type="tertiary", alignment="left"
            ),
            "State": st.column_config.MultiselectColumn(
                options=[words.state(state) for state in cards.BADGES],
                color=[colour for _, colour in cards.BADGES.values()],
            ),
            "Last run": st.column_config.DatetimeColumn(format="distance"),
            "What is up": st.column_config.TextColumn(width="large"),
        },
    )


def _open(rows: Rows) -> None:
    place.open_pair(rows[st.session_state["canary-opened"].row])


def _by_pair(signals: pd.DataFrame) -> dict[tuple[str, str], list[dict[str, Any]]]:
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in data.records(signals):
        found.setdefault((row["canary"], row["deployment"]), []).append(row)
    return found
