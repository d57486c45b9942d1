"""What the address asks to be shown: a deployment, hours or days, one such window, a feature. No query, no drawing.

These stand in the address by themselves and not through widgets, because cells of a chart, rows and lists all set them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import streamlit as st

from monitor.errors import BadInput
from monitor.ui.window import absolute

FILE = "pages/ops/drift.py"
NAMES = ("deployment", "grain", "window", "feature", "span")
DAY, HOUR = "day", "hour"
LENGTHS = {DAY: timedelta(days=1), HOUR: timedelta(hours=1)}
SPANS = {
    DAY: {"14": "14 days", "30": "30 days", "90": "90 days"},
    HOUR: {"24": "24 hours", "48": "2 days", "168": "7 days"},
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where on the page somebody is; empty texts where nothing is chosen. `source` comes from its own filter."""

    source: str
    deployment: str = ""
    grain: str = DAY
    window: str = ""
    feature: str = ""
    span: str = ""

    @property
    def of(self) -> dict[str, str]:
        """As parameters of a query about one deployment."""
        return {"source": self.source, "deployment": self.deployment}

    @property
    def windows(self) -> dict[str, str]:
        """As parameters of a query about its hours or days."""
        return self.of | {"grain": self.grain}

    @property
    def bucket(self) -> datetime | None:
        """The start of the chosen window. Raises BadInput."""
        if not self.window:
            return None
        try:
            moment = datetime.fromisoformat(self.window)
        except ValueError:
            raise BadInput(
                f"window={self.window!r} in the address is not a time: such as 2026-11-20T00:00:00Z, the start of a "
                "day or an hour; leave it out for the newest one"
            ) from None
        return moment.replace(tzinfo=moment.tzinfo or UTC)

    def shown(self, now: datetime) -> dict[str, str]:
        """Start and end of what is drawn over time: up to now, or around a window that lies farther back."""
        steps = int(self.span) if self.span in SPANS[self.grain] else int(next(iter(SPANS[self.grain])))
        length = LENGTHS[self.grain] * steps
        end = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        bucket = self.bucket
        if bucket is not None and bucket < end - length:
            end = bucket + length / 2
        start = end - length
        if self.grain == DAY:
            start = start.replace(hour=0)
        return {"start": absolute(start), "end": absolute(end)}


def here(source: str) -> Place:
    """The place of the address."""
    found = {name: st.query_params.get(name, "") for name in NAMES}
    found["grain"] = found["grain"] if found["grain"] in LENGTHS else DAY
    return Place(source=source, **found)


def go(**changes: str) -> None:
    """Change the place; an empty text takes its parameter away. For callbacks."""
    for name, value in changes.items():
        if value:
            st.query_params[name] = value
        elif name in st.query_params:
            del st.query_params[name]


def take(name: str, key: str) -> None:
    """Put what a widget holds into the address. For callbacks."""
    go(**{name: str(st.session_state[key] or "")})


def take_grain(key: str) -> None:
    """Hours or days; the window that was chosen is none of the others."""
    grain = str(st.session_state[key])
    go(grain="" if grain == DAY else grain, window="", span="")


def open_deployment(row: Mapping[str, Any]) -> None:
    """Show one deployment."""
    go(**dict.fromkeys(NAMES, ""))
    go(deployment=str(row["deployment"]))


def open_feature(feature: str, bucket: datetime | None = None) -> None:
    """Show one feature, in a window where one was clicked."""
    go(feature=feature)
    if bucket is not None:
        go(window=absolute(bucket))


def leave() -> None:
    """Back to the overview."""
    go(**dict.fromkeys(NAMES, ""))
