"""The overview: which checkpoint of each model is best and whether that is the last one, then every benchmark."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from monitor.charts import benchmarkwords as bw
from monitor.charts import paired, words
from monitor.charts.forest import differences_by_group
from monitor.charts.paired import Effect
from monitor.ui import data, text
from monitor.ui.benchmarks import place, sentences
from monitor.ui.benchmarks.parts import items_of
from monitor.ui.benchmarks.states import COUNTS, TROUBLES
from monitor.ui.data import Ask, ask

Row = Mapping[str, Any]

MOST_CARDS = 12
MOST_BARS = 8
MOST_ROWS = 25
MOST_LEFT_OUT = 4


def asks(ignore: Sequence[str]) -> dict[str, Ask]:
    """The questions behind the overview."""
    return {
        "Best of each model": ask("benchmark_best", ignore=tuple(ignore)),
        "Best of all": ask("benchmark_best", by="all", ignore=tuple(ignore)),
        "Benchmarks": ask("benchmarks"),
    }


def draw_overview(known: pd.DataFrame, ignore: Sequence[str]) -> None:
    """A card for each model, and the table of benchmarks."""
    questions = asks(ignore)
    data.prepare(questions.values())
    rows = data.records(data.load(questions["Best of each model"]))
    models = _by_model(rows)
    if models:
        with st.grid("auto", min_column_width=430):
            for number, (model, of_it) in enumerate(models[:MOST_CARDS]):
                with st.container(border=True, height="stretch", key=f"model-{number}"):
                    _card(model, of_it)
        if len(models) > MOST_CARDS:
            more = bw.listed([text.plain(model) for model, _ in models[MOST_CARDS:]], 20)
            st.caption(f"And {len(models) - MOST_CARDS} more models: {more}. The table has their benchmarks.")
    else:
        st.markdown(
            ":material/hourglass_empty: **No checkpoint can be called the best yet.** That takes two checkpoints with "
            "items in common, under one protocol."
        )
    st.header("Benchmarks", anchor=False)
    _troubles(known)
    _table(known, data.records(data.load(questions["Best of all"])), rows)
    st.caption(
        "Best of all checkpoints that were evaluated in the same way, whatever their model. The probability comes from "
        "drawing the items again and again: how often that checkpoint comes first. Others that are not shown to be "
        "worse tie with it. Two protocols are never compared."
    )


def _by_model(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """The rows of each model, those with most benchmarks first."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(str(row["model"]), []).append(row)
    return sorted(found.items(), key=lambda one: (-len(one[1]), one[0]))


def _card(model: str, rows: Sequence[Row]) -> None:
    overall = next((row for row in rows if not row["benchmark"]), None)
    single = [row for row in rows if row["benchmark"]]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{text.plain(model)}**", width="stretch")
        _badge(overall or single[0])
    if overall is not None:
        st.markdown(sentences.best(overall))
        st.markdown(sentences.last(overall))
        _bars(model, single)
        for told in sentences.left_out(overall, single)[:MOST_LEFT_OUT]:
            st.caption(told)
    else:
        for row in single[:MOST_BARS]:
            st.markdown(f"{text.plain(row['benchmark'])}: {sentences.best(row)} {sentences.last(row)}")
        st.caption("These cannot be added up to one figure: a scale is not known, or a weight is 0.")
    _buttons(model, overall or single[0])


def _badge(row: Row) -> None:
    if not words.known(row["last_is_best"]):
        st.badge(
            "last not known" if not words.known(row["last"]) else "last not ranked",
            icon=":material/help:",
            color="gray",
        )
    elif row["last_is_best"] and not sentences.sure(row):
        st.badge("best is open", icon=":material/drag_handle:", color="gray")
    elif row["last_is_best"]:
        st.badge("last is best", icon=":material/check_circle:", color="green")
    elif sentences.shown(row):
        st.badge("best is not the last", icon=":material/trending_down:", color="orange")
    else:
        st.badge("last not shown to be worse", icon=":material/drag_handle:", color="gray")


def _bars(model: str, rows: Sequence[Row]) -> None:
    """The last one against the best of each benchmark; of one benchmark the sentence has said it."""
    known = (row for row in rows if words.known(row["last_difference"]) and row["in_shares"])
    behind = sorted(known, key=lambda row: row["last_difference"])
    if len(rows) < 2 or not behind:
        return
    effects = [
        Effect(f"{row['benchmark']} (n {row['n_items']})", row["last_difference"], row["last_low"], row["last_high"])
        for row in behind[:MOST_BARS]
    ]
    sure = [sentences.shown(row) for row in behind[:MOST_BARS]]
    told = ". ".join(
        f"{paired.in_words(one)}, {'shown' if is_shown else 'not shown'}"
        for one, is_shown in zip(effects, sure, strict=True)
    )
    st.echarts_chart(
        differences_by_group(effects, axis="points, last minus best of each", shown=sure),
        height=74 + 28 * len(effects),
        key=f"behind-{model}",
        alt=f"{model}: last minus best of each benchmark. {told}",
    )
    more = f" The {len(behind) - MOST_BARS} smallest are left out here." if len(behind) > MOST_BARS else ""
    st.caption(
        "Lines are 95 % intervals, each by itself. Filled dots: shown to be worse, tested with all other pairs of "
        f"checkpoints. Hollow ones: not shown.{more}"
    )


def _buttons(model: str, row: Row) -> None:
    if words.known(row["last"]) and row["last"] != row["best"]:
        st.button(
            "Compare best and last",
            icon=":material/compare_arrows:",
            key=f"compare-{model}",
            on_click=place.compare,
            args=(str(row["best"]), str(row["last"])),
        )


def _troubles(known: pd.DataFrame) -> None:
    """Evaluations that gave no figure, said before the table."""
    found = {column: int(known[column].sum()) for column in TROUBLES}
    if not any(found.values()):
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="troubles"):
        for column, (state, icon, one, many) in TROUBLES.items():
            if n := found[column]:
                said = f"{bw.counted(n, 'evaluation')} {one if n == 1 else many}"
                st.button(
                    said,
                    icon=icon,
                    key=f"show-{state}",
                    type="tertiary",
                    on_click=_show,
                    args=(state,),
                    help="Show them",
                )


def _show(state: str) -> None:
    place.leave(place.EVALUATIONS)
    place.go(state=state)


def _table(known: pd.DataFrame, best_of_all: Sequence[Row], by_model: Sequence[Row]) -> None:
    found = {row["benchmark"]: row for row in best_of_all}
    rows = sorted(data.records(known), key=lambda row: _interest(row, found))
    states, colours = _states(rows)
    shown = pd.DataFrame(
        {
            "Open": [row["benchmark"] for row in rows],
            "Best": [_best_of(row, found.get(row["benchmark"])) for row in rows],
            "Probability": [
                bw.chance(found[row["benchmark"]]["chance_of_best"]) if row["benchmark"] in found else ""
                for row in rows
            ],
            "Ties with it": [
                ", ".join(map(str, items_of(found[row["benchmark"]]["tied"]))) if row["benchmark"] in found else ""
                for row in rows
            ],
            "Last one": [_last_of(row["benchmark"], found, by_model) for row in rows],
            "Items": [row["n_items"] or None for row in rows],
            "Evaluations": [[f"{row[name]} {word}" for name, (word, _) in COUNTS.items() if row[name]] for row in rows],
            "Protocols": [_protocols(int(row["n_groups"])) for row in rows],
            "Newest": [row["newest_at"] for row in rows],
        }
    )
    st.dataframe(
        shown,
        hide_index=True,
        key="benchmark-table",
        height="content" if len(rows) <= MOST_ROWS else 35 * MOST_ROWS,
        placeholder=words.UNKNOWN,
        alt="Every benchmark with its best checkpoint, ties, items and evaluations",
        column_config={
            "Open": st.column_config.ButtonColumn(
                "Benchmark", key="benchmark-opened", on_click=_open, args=(rows,), type="tertiary", alignment="left"
            ),
            "Probability": st.column_config.TextColumn(help="That the checkpoint is the best of those compared"),
            "Ties with it": st.column_config.TextColumn(help="Not shown to be worse than the best", width=130),
            "Last one": st.column_config.TextColumn(
                width=250, help="The last checkpoint of the same model against the best, with the 95 % interval"
            ),
            "Items": st.column_config.NumberColumn(help="Most items of one evaluation", format="localized"),
            "Protocols": st.column_config.TextColumn(
                width=130, help="Ways in which it was run; scores of two are never compared"
            ),
            "Evaluations": st.column_config.MultiselectColumn(options=states, color=colours),
            "Newest": st.column_config.DatetimeColumn(format="distance"),
        },
    )


def _interest(row: Row, found: Mapping[str, Row]) -> tuple[int, str]:
    """Those with a best checkpoint first, those without any figure last."""
    known = 0 if row["benchmark"] in found else 1 if row["n_checkpoints"] else 2 if row["n_done"] else 3
    return known, str(row["benchmark"])


def _best_of(row: Row, found: Row | None) -> str:
    """The best checkpoint, or why there is none."""
    if found is not None:
        return bw.named(found["best"], found["best_step"])
    if not row["n_done"]:
        return "no figures"
    if not row["n_checkpoints"]:
        return "only claimed figures"
    return "only one checkpoint" if row["n_checkpoints"] == 1 else "no items in common"


def _last_of(benchmark: str, found: Mapping[str, Row], by_model: Sequence[Row]) -> str:
    """Of the model of the best checkpoint: its last one against the best."""
    if benchmark not in found:
        return ""
    rows = [row for row in by_model if row["benchmark"] == benchmark]
    row = next((one for one in rows if one["best"] == found[benchmark]["best"]), None)
    if row is None or not words.known(row["last_is_best"]):
        return ""
    if row["last_is_best"]:
        return "is the best"
    if not words.known(row["last_difference"]):
        return "not the best"
    scaled = bool(row["in_shares"])
    told = f"{bw.points(row['last_difference'], scaled)}{' points' if scaled else ''}"
    span = bw.span(row["last_low"], row["last_high"], scaled)
    return f"{told} ({span}), {'shown' if sentences.shown(row) else 'not shown'}"


def _protocols(n: int) -> str:
    return f"{n}, not comparable" if n > 1 else "1" if n else ""


def _states(rows: Sequence[Row]) -> tuple[list[str], Any]:
    """What the column of states can hold, and the colour of each."""
    pairs = {f"{row[name]} {word}": colour for name, (word, colour) in COUNTS.items() for row in rows if row[name]}
    return list(pairs), list(pairs.values())


def _open(rows: Sequence[Row]) -> None:
    place.open_benchmark(str(rows[st.session_state["benchmark-opened"].row]["benchmark"]))
