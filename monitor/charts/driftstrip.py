"""Two weeks of a deployment as a strip: a cell a day, each with a symbol, from the query `drift_verdicts`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from monitor.charts import palette, words
from monitor.charts.marks import Option

ALERT, WARN, OK, NONE = (palette.STATE_COLOURS[name] for name in ("alert", "warn", "ok", "no_data"))


@dataclass(frozen=True, slots=True)
class Kind:
    """What a window can say: its symbol, its words, its colour, and the colour of the symbol on it."""

    id: str
    symbol: str
    words: str
    colour: str
    ink: str


KINDS = (
    Kind("worse", "▼", "moved and worse", ALERT, "#FFFFFF"),
    Kind("unknown", "?", "moved, quality not known", "rgba(199,119,0,0.42)", WARN),
    Kind("held", "▲", "moved, quality held", "rgba(0,114,178,0.34)", palette.SERIES_LIGHT[0]),
    Kind("steady", "✓", "nothing moved", "rgba(15,138,95,0.17)", OK),
    Kind("too_few", "…", "too few to tell", "rgba(124,135,148,0.22)", NONE),
    Kind("no_data", "·", "nothing to judge", "rgba(124,135,148,0.08)", NONE),
    Kind("reference", "=", "the reference itself", "rgba(138,147,160,0.22)", palette.REFERENCE),
    Kind("none", " ", "not judged", "rgba(124,135,148,0.06)", NONE),
)
BY_ID = {kind.id: kind for kind in KINDS}


@dataclass(frozen=True, slots=True)
class Day:
    """One cell: the start of a day of UTC, what it says, and how many features moved of how many predictions."""

    bucket: datetime
    kind: str
    n: int = 0
    moved: int = 0
    features: int = 0

    @property
    def hover(self) -> str:
        """The cell in words."""
        told = BY_ID[self.kind].words
        of = f", {self.moved} of {self.features} features" if self.moved else ""
        n = f" (n {words.count(self.n)})" if self.n else ""
        return f"{self.bucket:%a} {self.bucket.day} {self.bucket:%b}: {told}{of}{n}"


def days_of(
    rows: Sequence[Mapping[str, Any]], reference: tuple[Any, Any], last: datetime, count: int = 14
) -> list[Day]:
    """The days up to the one of `last`, oldest first; those of the reference are not judged against themselves."""
    known = {row["bucket"]: row for row in rows}
    midnight = last.replace(hour=0, minute=0, second=0, microsecond=0)
    found = []
    for back in range(count - 1, -1, -1):
        bucket = midnight - timedelta(days=back)
        if bucket in known:
            row = known[bucket]
            kind = row["verdict"] if row["verdict"] in BY_ID else "none"
            found.append(Day(bucket, kind, int(row["n"]), int(row["n_moved"]), int(row["n_features"])))
        else:
            found.append(Day(bucket, "reference" if _inside(bucket, reference) else "none"))
    return found


def verdict_strip(days: Sequence[Day]) -> Option:
    """One row, one cell a day; the hover has it in words."""
    return {
        "animation": False,
        "grid": {"left": 2, "right": 2, "top": 2, "bottom": 18},
        "tooltip": {"trigger": "item", "confine": True, "formatter": "{b}"},
        "visualMap": {
            "show": False,
            "type": "piecewise",
            "dimension": 2,
            "pieces": [{"value": code, "color": kind.colour} for code, kind in enumerate(KINDS)],
        },
        "xAxis": {
            "type": "category",
            "data": [f"{day.bucket.day} {day.bucket:%b}" for day in days],
            "axisTick": {"show": False},
            "axisLine": {"show": False},
            "axisLabel": {"fontSize": 10, "margin": 4, "hideOverlap": True},
        },
        "yAxis": {"type": "category", "data": [""], "show": False},
        "series": [
            {
                "type": "heatmap",
                "name": kind.words,
                "data": [
                    {"name": day.hover, "value": [place, 0, code]}
                    for place, day in enumerate(days)
                    if day.kind == kind.id
                ],
                "label": {
                    "show": True,
                    "formatter": kind.symbol,
                    "color": kind.ink,
                    "fontSize": 12,
                    "fontWeight": "bold",
                },
                "itemStyle": {"borderColor": "rgba(124,135,148,0.22)", "borderWidth": 1},
            }
            for code, kind in enumerate(KINDS)
            if any(day.kind == kind.id for day in days)
        ],
    }


def in_words(days: Sequence[Day]) -> str:
    """The strip as text: the days that moved, and how many did not."""
    told = [day.hover for day in days if day.kind in ("worse", "unknown", "held")]
    steady = sum(day.kind == "steady" for day in days)
    return "; ".join([*told, f"{steady} of {len(days)} days on which nothing moved"]) + "."


def legend(kinds: set[str]) -> str:
    """What the symbols mean that there are."""
    return " · ".join(f"{kind.symbol} {kind.words}" for kind in KINDS if kind.id in kinds and kind.symbol.strip())


def _inside(bucket: datetime, reference: tuple[Any, Any]) -> bool:
    starts, ends = reference
    if not (words.known(starts) and words.known(ends)):
        return False
    return bool(bucket + timedelta(days=1) > starts and bucket < ends)
