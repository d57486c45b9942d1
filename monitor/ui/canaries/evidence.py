"""What changed on one deployment: each signal with its evidence, and the changes of state of the last weeks."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from monitor.charts import words
from monitor.ui import cards, data, faces, text
from monitor.ui.canaries import place, sentences
from monitor.ui.canaries.place import Place
from monitor.ui.data import Ask, ask

MOST_ALARMS = 6
BACK = "-30d"


def changes(at: Place) -> Ask:
    """The question for changes of state."""
    return ask("canary_changes", **at.pair, start=BACK, end="now")


def draw_evidence(at: Place, signals: pd.DataFrame, now: datetime, utc: bool) -> None:
    """Alarms with their items, then every signal, then when states changed."""
    rows = data.records(signals)
    if not rows:
        faces.nothing_yet("No run has been judged yet: the first replay after learning is.", "signals")
        return
    alarms = loudest(rows)
    for number, row in enumerate(alarms[:MOST_ALARMS]):
        _alarm(row, number, now, utc)
    more = sum(row["state"] in sentences.ALARMS for row in rows) - min(len(alarms), MOST_ALARMS)
    if more:
        st.caption(f"{more} more of single tags are in the table.")
    st.header("All signals", anchor=False)
    _table(rows, utc)
    st.caption(
        "An e-value is how many times likelier the replays are under a change than under none; it may be looked at "
        "after every run. *At most 1 in 10 million looks* says how often chance alone would get this far. An alert "
        "needs two replays that show it; a warning may rest on one."
    )
    _changes(at, utc)


def loudest(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The alarms that say something new: one of a tag only where the whole suite raises none of its kind."""
    alarms = [row for row in rows if row["state"] in sentences.ALARMS]
    whole = {row["channel"] for row in alarms if not row["tag"]}
    return [row for row in alarms if not row["tag"] or row["channel"] not in whole]


def _alarm(row: Mapping[str, Any], number: int, now: datetime, utc: bool) -> None:
    icon, colour = cards.BADGES[str(row["state"])]
    with st.container(border=True, key=f"alarm-{number}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.badge(words.state(row["state"]), icon=icon, color=colour)
            said = sentences.effect(row, now, utc)
            st.markdown(f"**{sentences.CHANNELS[row['channel']]}**: {said}.", width="stretch")
        st.caption(sentences.proof(row))
        items = _listed(row["items"])
        if items:
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.caption("Items that tell most:", width="content")
                for item in items:
                    st.button(
                        item,
                        key=f"alarm-{number}-{item}",
                        type="tertiary",
                        icon=":material/arrow_forward:",
                        on_click=place.open_item,
                        args=(item,),
                    )


def _table(rows: Sequence[Mapping[str, Any]], utc: bool) -> None:
    shown = pd.DataFrame(
        {
            "State": [[words.state(row["state"])] for row in rows],
            "Of": [sentences.CHANNELS.get(row["channel"], row["channel"]) for row in rows],
            "Items with tag": [row["tag"] or "all" for row in rows],
            "Items": [row["n_items"] for row in rows],
            "Since": [row["since_at"] if row["state"] in sentences.ALARMS else None for row in rows],
            "Effect": [sentences.amount(row) for row in rows],
            "By chance": [sentences.chance(sentences.evidence_of(row)) for row in rows],
            "Replays": [row["n_recent"] for row in rows],
            "Learned": [row["n_reference"] for row in rows],
        }
    )
    shown["Since"] = pd.to_datetime(shown["Since"], utc=True)
    zone = str(text.zone(utc))
    st.dataframe(
        shown,
        hide_index=True,
        key="signals",
        placeholder=words.UNKNOWN,
        alt="Every signal with its state, effect and evidence, alarms first",
        column_config={
            "State": _states(),
            "Since": st.column_config.DatetimeColumn(f"Since ({zone})", timezone=zone, format="YYYY-MM-DD HH:mm"),
            "By chance": st.column_config.TextColumn(
                help="In how many looks evidence this strong comes up at most when nothing has changed"
            ),
            "Replays": st.column_config.NumberColumn(help="Newest replays that were compared"),
            "Learned": st.column_config.NumberColumn(help="Replays that they were compared with"),
        },
    )


def _changes(at: Place, utc: bool) -> None:
    st.header("Changes of state", anchor=False)
    rows = data.records(data.load(changes(at)))
    if not rows:
        faces.nothing_yet("No signal raised or ended an alarm in the last 30 days.", "changes")
        return
    zone = str(text.zone(utc))
    shown = pd.DataFrame(
        {
            "When": [row["judged_at"] for row in rows],
            "From": [[words.state(row["from_state"])] for row in rows],
            "To": [[words.state(row["to_state"])] for row in rows],
            "Of": [sentences.CHANNELS.get(row["channel"], row["channel"]) for row in rows],
            "Items with tag": [row["tag"] or "all" for row in rows],
            "Effect": [sentences.amount(row) for row in rows],
        }
    )
    st.dataframe(
        shown,
        hide_index=True,
        key="changes",
        alt="Changes of state, newest first",
        column_config={
            "When": st.column_config.DatetimeColumn(f"When ({zone})", timezone=zone, format="YYYY-MM-DD HH:mm:ss"),
            "From": _states(),
            "To": _states(),
        },
    )


def _states() -> Any:
    """A column of states, each in its colour."""
    names, colours = [words.state(state) for state in cards.BADGES], [colour for _, colour in cards.BADGES.values()]
    return st.column_config.MultiselectColumn(options=names, color=colours)


def _listed(items: Any) -> list[str]:
    return [str(one) for one in items] if items is not None else []
