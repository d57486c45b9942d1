"""What the address asks to be shown: a canary on a deployment, a tag, an item, an answer. No query, no drawing.

These stand in the address by themselves and not through widgets, because a click on a card, on a cell and in a list all
set them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

FILE = "pages/ops/canaries.py"
NAMES = ("canary", "deployment", "tag", "item", "answer", "b")


@dataclass(frozen=True, slots=True)
class Place:
    """Where on the page somebody is; empty texts where nothing is chosen."""

    canary: str
    deployment: str
    tag: str = ""
    item: str = ""
    answer: str = ""
    b: str = ""

    @property
    def name(self) -> str:
        return f"{self.canary} on {self.deployment}"

    @property
    def pair(self) -> dict[str, str]:
        """As parameters of a query about one canary on one deployment."""
        return {"canary": self.canary, "deployment": self.deployment}


def here() -> Place | None:
    """The place of the address; None is the overview."""
    found = {name: st.query_params.get(name, "") for name in NAMES}
    return Place(**found) if found["canary"] and found["deployment"] else None


def go(**changes: str) -> None:
    """Change the place; an empty text takes its parameter away. For callbacks."""
    for name, value in changes.items():
        if value:
            st.query_params[name] = value
        elif name in st.query_params:
            del st.query_params[name]


def open_pair(row: Mapping[str, Any]) -> None:
    """Show a canary on a deployment."""
    go(canary=str(row["canary"]), deployment=str(row["deployment"]))


def open_item(item: str) -> None:
    """Show one item with its newest answer."""
    go(item=item, answer="")


def leave() -> None:
    """Back to the overview."""
    go(**dict.fromkeys(NAMES, ""))
