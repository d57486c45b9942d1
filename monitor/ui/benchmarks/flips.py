"""Within one benchmark: two checkpoints by category, and the items on which they differ, one of them opened."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from monitor.charts import benchmarkwords as bw
from monitor.charts import words
from monitor.ui import access, data, faces, text
from monitor.ui.benchmarks import comparison, forestplot, place
from monitor.ui.benchmarks.parts import items_of
from monitor.ui.benchmarks.place import Place
from monitor.ui.data import Ask, ask
from monitor.ui.probe import diff, images

Row = Mapping[str, Any]

MOST_CATEGORIES = 30
MOST_FLIPS = 500


def by_category(at: Place) -> Ask:
    """The question for the categories of the benchmark."""
    return ask("benchmark_comparison", **at.pair, benchmarks=(at.benchmark,), categories=True)


def question(at: Place) -> Ask:
    """The question for the items that differ."""
    return ask("benchmark_flips", **at.pair, benchmark=at.benchmark, category=at.category, limit=MOST_FLIPS)


def draw_within(at: Place) -> None:
    """The categories, then the items."""
    data.prepare([by_category(at), question(at)])
    rows = [row for row in data.records(data.load(by_category(at))) if row["category"]]
    if rows:
        _categories(rows, at)
    st.header("Items that flipped", anchor=False)
    names = [str(row["category"]) for row in rows]
    if names:
        _pick_category(at, names)
    _flips(at, data.load(question(at)))


def _categories(rows: Sequence[Row], at: Place) -> None:
    known = sorted(
        (row for row in rows if forestplot.drawable(row)),
        key=lambda row: float(row["difference"]) if row["higher_is_better"] else -float(row["difference"]),
    )
    if not known:
        st.caption("No category has enough items to be compared by itself.")
        return
    n = comparison.tested(rows)
    st.markdown(ends(known))
    shown = (
        known if len(known) <= MOST_CATEGORIES else [*known[: MOST_CATEGORIES // 2], *known[-MOST_CATEGORIES // 2 :]]
    )
    forestplot.draw_forest(shown, "category", at.a)
    few = len(rows) - len(known)
    st.caption(
        " ".join(
            filter(
                None,
                [
                    "Worst for B on top.",
                    f"Filled dots are shown after the adjustment for {n} categories (Holm)." if n > 1 else "",
                    f"{bw.counted(few, 'category has', 'categories have')} too few items." if few else "",
                    f"The {MOST_CATEGORIES // 2} worst and best of {len(known)}." if len(known) > len(shown) else "",
                    "Categories overlap where an item has several.",
                ],
            )
        )
    )


def ends(known: Sequence[Row]) -> str:
    """The categories in which B does worst and best against A."""
    worst, best = known[0], known[-1]
    if worst["difference"] == best["difference"]:
        return f"In every category the difference is the same: {_told(worst)}."
    return f"Worst for B: {_told(worst)}. Best for B: {_told(best)}."


def _told(row: Row) -> str:
    unit = comparison.scaled(row)
    points = " points" if unit else ""
    sure = "shown" if words.known(row["better"]) else "not shown"
    return (
        f"**{text.plain(row['category'])}**, {bw.points(row['difference'], unit)}{points} "
        f"({bw.span(row['low'], row['high'], unit)}, n {words.count(row['n'])}, {sure})"
    )


def _pick_category(at: Place, names: Sequence[str]) -> None:
    st.session_state["flip-category"] = at.category
    st.selectbox(
        "Items of category",
        list(dict.fromkeys(["", *names, at.category])),
        format_func=lambda one: one or "All items",
        key="flip-category",
        on_change=_take,
        args=(at,),
        width=280,
    )


def _take(at: Place) -> None:
    _go(at, category=str(st.session_state["flip-category"]), item="")


def _go(at: Place, **changes: str) -> None:
    """Change the place, and put into the address what was only a default."""
    place.go(**({"part": place.COMPARE, "a": at.a, "b": at.b, "benchmark": at.benchmark} | changes))


def _flips(at: Place, rows: pd.DataFrame) -> None:
    if rows.empty:
        faces.nothing_yet("Both get the same of every item.", "flips")
        return
    found, raw = data.records(rows), access.may("read_text")
    better = ["A" if row["better"] == at.a else "B" for row in found]
    st.markdown(
        f"A gets more of {bw.counted(better.count('A'), 'item')}, B of {words.count(better.count('B'))}."
        + (f" The {MOST_FLIPS} with the largest differences." if len(found) == MOST_FLIPS else "")
    )
    shown = pd.DataFrame(
        {
            "Better": better,
            "Item": [row["item"] for row in found],
            "A gets": [bw.percent(row["share_a"]) for row in found],
            "B gets": [bw.percent(row["share_b"]) for row in found],
            "Categories": [[str(one) for one in items_of(row["categories"])] for row in found],
        }
    )
    if raw:
        for place_, (name, column) in enumerate(
            (("Question", "question"), ("Target", "target"), ("A answers", "answer_a"), ("B answers", "answer_b")), 2
        ):
            shown.insert(place_, name, [row[column] for row in found])
    key = f"flips-{at.benchmark}-{at.category}"
    marked = next((number for number, row in enumerate(found) if row["item"] == at.item), None)
    st.dataframe(
        shown,
        hide_index=True,
        key=key,
        on_select=lambda: _open(key, found, at),
        selection_mode="single-row",
        selection_default={"selection": {"rows": [] if marked is None else [marked]}},
        placeholder=words.UNKNOWN,
        alt="Items that the two do not get the same of, the largest differences first; select one to open it",
        column_config={
            "Question": st.column_config.TextColumn(width="medium"),
            "Target": st.column_config.TextColumn(width="small"),
            "A answers": st.column_config.TextColumn(width="medium"),
            "B answers": st.column_config.TextColumn(width="medium"),
            "Categories": st.column_config.ListColumn(),
        },
    )
    if marked is None:
        st.caption("Select an item to see it with both answers." if raw else _NOT_ALLOWED)
    else:
        _opened(found[marked], better[marked], raw)


_NOT_ALLOWED = "Seeing what was asked and answered needs the permission `read_text`."


def _open(key: str, rows: Sequence[Row], at: Place) -> None:
    selected: list[int] = st.session_state[key].selection.rows
    _go(at, item=str(rows[selected[0]]["item"]) if selected else "")


def _opened(row: Row, better: str, raw: bool) -> None:
    with st.container(border=True, key="flip"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{text.plain(row['item'])}**", width="content")
            st.badge(f"{better} is better", color="blue")
            st.markdown(" ".join(f":gray-badge[{text.plain(one)}]" for one in items_of(row["categories"])))
        if not raw:
            st.caption(_NOT_ALLOWED)
            return
        media = [str(one) for one in items_of(row["media"])]
        left, right = st.columns([2, 3] if media else [1, 2], gap="medium")
        with left:
            if media:
                images.draw_gallery(media, 220)
            _code("Question", row["question"])
            _code("Target", row["target"])
        with right:
            for column, name in zip(st.columns(2), ("a", "b"), strict=True):
                with column:
                    _answer(name, row)
            if words.known(row["answer_a"]) and words.known(row["answer_b"]):
                diff.draw_diff(str(row["answer_a"]), str(row["answer_b"]), ("A", "B"))


def _code(title: str, value: Any) -> None:
    if words.known(value) and str(value).strip():
        st.caption(title)
        st.code(str(value), language=None, wrap_lines=True)


def _answer(name: str, row: Row) -> None:
    st.caption(f"{name.upper()} gets {bw.percent(row[f'share_{name}'])}")
    if words.known(row[f"failed_{name}"]):
        st.markdown(f":material/error: No answer: {text.plain(row[f'failed_{name}'])}")
    elif words.known(row[f"answer_{name}"]) and str(row[f"answer_{name}"]):
        st.code(str(row[f"answer_{name}"]), language=None, wrap_lines=True)
    else:
        st.markdown(":material/remove: The answer is empty.")
