"""What the address asks to be shown: a benchmark, two checkpoints, an item, an evaluation. No query, no drawing but the
switch between the views.

These stand in the address by themselves and not through widgets, because buttons, rows and lists all set them. Their
names are not those that other pages bind to widgets (`view`, `by`): Streamlit would take those away.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import streamlit as st

OVERVIEW, COMPARE, EVALUATIONS = "overview", "compare", "evaluations"
VIEWS = {OVERVIEW: "Best checkpoints", COMPARE: "Compare two", EVALUATIONS: "Evaluations"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where on the page somebody is; empty where nothing is chosen."""

    part: str = ""
    benchmark: str = ""
    metric: str = ""
    category: str = ""
    model: str = ""
    group: str = ""
    over: str = ""  # what the trend runs over
    smooth: str = ""
    a: str = ""
    b: str = ""
    item: str = ""
    run: str = ""
    state: str = ""
    ignore: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """The view: as the address says, or as what it names calls for."""
        if self.part in VIEWS:
            return self.part
        return COMPARE if self.a and self.b else EVALUATIONS if self.run else OVERVIEW

    @property
    def pair(self) -> dict[str, Any]:
        """As parameters of a query about two checkpoints."""
        return {"a": self.a, "b": self.b, "metric": self.metric, "ignore": self.ignore}

    def under(self, group: str) -> "Place":
        """The same place under one protocol."""
        return replace(self, group=group)

    def comparing(self, a: str, b: str) -> "Place":
        """The same place with two checkpoints."""
        return replace(self, a=a, b=b)

    def within(self, benchmark: str) -> "Place":
        """The same place with one benchmark."""
        return replace(self, benchmark=benchmark)


NAMES = tuple(field.name for field in fields(Place))


def here() -> Place:
    """The place of the address."""
    one = {name: st.query_params.get(name, "") for name in NAMES if name != "ignore"}
    return Place(**one, ignore=tuple(st.query_params.get_all("ignore")))


def go(**changes: str | Sequence[str]) -> None:
    """Change the place; what is empty takes its parameter away. For callbacks."""
    for name, value in changes.items():
        if value:
            st.query_params[name] = value if isinstance(value, str) else list(value)
        elif name in st.query_params:
            del st.query_params[name]


def take(name: str, key: str) -> None:
    """Put what a widget holds into the address. For callbacks."""
    value = st.session_state[key]
    go(**{name: list(value) if isinstance(value, (list, tuple)) else str(value or "")})


def open_benchmark(benchmark: str) -> None:
    """Show one benchmark."""
    leave(OVERVIEW)
    go(benchmark=benchmark)


def compare(a: str, b: str, benchmark: str = "") -> None:
    """Show two checkpoints beside each other."""
    leave(COMPARE)
    go(a=a, b=b, benchmark=benchmark)


def leave(view: str) -> None:
    """To a view, with nothing chosen in it but parts of protocols that count as the same."""
    go(**{name: "" for name in NAMES if name != "ignore"})
    go(part="" if view == OVERVIEW else view)


def pick_view(at: Place) -> None:
    """The switch between the views; the benchmark that is open stays."""
    st.session_state["benchmark-view"] = at.shown
    st.segmented_control(
        "View",
        list(VIEWS),
        format_func=VIEWS.__getitem__,
        key="benchmark-view",
        required=True,
        label_visibility="collapsed",
        on_change=_switch,
        args=(at.benchmark,),
    )


def _switch(benchmark: str) -> None:
    leave(str(st.session_state["benchmark-view"]))
    go(benchmark=benchmark)
