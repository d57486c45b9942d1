"""The filters that pages share. Each is a widget bound to the URL: the address of a page is the view."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from monitor.ui.window import Window

PRODUCTION = "production"
AUTOMATIC = "automatic"
VISIBLE = 6
ALL = "None chosen: all of them."
MOST_KEYS = 8
"""More lines than this in one chart tell nobody anything."""

REFERENCES = {"week": "A week before", "day": "A day before", "off": "Off"}


RESOLUTIONS = {0: "Automatic", 60: "Minute", 300: "5 minutes", 3600: "Hour", 86_400: "Day"}


@dataclass(frozen=True, slots=True)
class Group:
    """What one line of a chart stands for; `param` names its filter in the URL."""

    by: str
    label: str
    param: str


GROUPS = {
    group.by: group
    for group in (
        Group("deployment", "Deployment", "deployments"),
        Group("model", "Model", "models"),
        Group("checkpoint", "Checkpoint", "checkpoints"),
        Group("environment", "Environment", "environments"),
        Group("all", "All together", ""),
    )
}


@dataclass(frozen=True, slots=True)
class Scope:
    """Which requests are looked at: the chosen values of one group, and the deployments that these stand for."""

    source: str
    by: str = "deployment"
    keys: tuple[str, ...] = ()
    deployments: tuple[str, ...] = ()

    @property
    def grouped(self) -> dict[str, str | list[str]]:
        """As parameters of a query that groups."""
        return {"by": self.by, "keys": list(self.keys), "source": self.source}

    @property
    def plain(self) -> dict[str, str | list[str]]:
        """As parameters of a query that filters by deployment."""
        return {"deployments": list(self.deployments), "source": self.source}

    def link(self, window: Window) -> dict[str, str | Sequence[str]]:
        """As parameters of the URL of a page."""
        query: dict[str, str | Sequence[str]] = {"source": self.source, "start": window.start, "end": window.end}
        return query | ({"deployments": list(self.deployments)} if self.deployments else {})


def pick_source(known: pd.DataFrame) -> str:
    """Automatic is production, or what there is while there is none of it: a demo alone is shown at once.

    A default that changed with the data would drop out of the URL, and a link would show something else later.
    """
    sources = _sources(known)
    options = [AUTOMATIC, *sorted({PRODUCTION, *sources}, key=lambda name: (name != PRODUCTION, name))]
    chosen = str(st.selectbox("Source", options, key="source", bind="query-params"))
    if chosen != AUTOMATIC:
        return chosen
    return PRODUCTION if PRODUCTION in sources else sources[0]


def label_source(source: str) -> None:
    """Say it where what is shown did not come from users."""
    if source != PRODUCTION:
        said = {"demo": "generated traffic, not from users"}.get(source, "not production traffic")
        st.markdown(f":violet-badge[:material/science: {source}] Everything on this page is {said}.")


def pick_group() -> str:
    """What one line of a chart stands for."""
    chosen = st.selectbox(
        "One line per", list(GROUPS), format_func=lambda by: GROUPS[by].label, key="by", bind="query-params"
    )
    return str(chosen)


def pick_scope(known: pd.DataFrame, source: str, by: str = "deployment") -> Scope:
    """The deployments (or models, ...) to look at, offered from the query `deployments`. Nothing chosen means all."""
    rows = known[known["source"] == source]
    if by == "all":
        return Scope(source, by)
    names = sorted(name for name in rows[by].dropna().unique() if name)
    group = GROUPS[by]
    chosen = _some_of(f"{group.label}s", names, group.param)
    behind: set[str] = set(rows.loc[rows[by].isin(chosen), "deployment"]) if chosen else set()
    return Scope(source, by, tuple(chosen), tuple(sorted(behind)))


def _some_of(label: str, names: list[str], key: str) -> list[str]:
    """A few names are all on the screen, many are in a list to search."""
    if len(names) <= VISIBLE:
        return st.pills(label, names, selection_mode="multi", key=key, bind="query-params", help=ALL)
    return st.multiselect(
        label, names, key=key, bind="query-params", placeholder=f"All {key}", max_selections=MOST_KEYS, help=ALL
    )


def pick_reference() -> str | None:
    """What the usual range is made from; None when it is switched off."""
    chosen = st.selectbox(
        "Usual range from",
        list(REFERENCES),
        format_func=REFERENCES.__getitem__,
        key="reference",
        bind="query-params",
        help="The same hours a week or a day earlier, as a grey band. Drawn when one line is shown.",
    )
    return None if chosen == "off" else str(chosen)


def pick_resolution() -> int:
    """Seconds of one point in a chart; 0 leaves the choice to the traffic."""
    chosen = st.selectbox(
        "One point per", list(RESOLUTIONS), format_func=RESOLUTIONS.__getitem__, key="point", bind="query-params"
    )
    return int(chosen)


def pick_offset() -> str:
    """What the last hour is compared with on the Fleet page."""
    chosen = st.segmented_control(
        "Compared with",
        [offset for offset in REFERENCES if offset != "off"],
        format_func=lambda offset: f"vs. {REFERENCES[offset].lower()}",
        default="week",
        key="compared",
        bind="query-params",
        required=True,
        label_visibility="collapsed",
    )
    return str(chosen)


def _sources(known: pd.DataFrame) -> list[str]:
    """The sources that have requests, the largest first."""
    if known.empty:
        return [PRODUCTION]
    counts = known.groupby("source")["n"].sum()
    return [str(name) for name in counts[counts > 0].sort_values(ascending=False).index] or [PRODUCTION]
