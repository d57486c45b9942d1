"""What drift says, in sentences that a manager understands; no Streamlit here but for safe texts."""

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from monitor.charts import words
from monitor.drift.methods.table import METHODS
from monitor.drift.quality import AGAINST, OF_ANSWERS, Compared
from monitor.features.table import FEATURES
from monitor.ui import text

Row = Mapping[str, Any]
Colour = Literal["red", "orange", "blue", "green", "gray"]

WAITING = "waiting"
BADGES: dict[str, tuple[str, str, Colour]] = {
    "worse": ("Moved and worse", ":material/error:", "red"),
    "unknown": ("Moved, quality not known", ":material/help:", "orange"),
    "held": ("Moved, quality held", ":material/verified:", "blue"),
    "too_few": ("Too few to tell", ":material/hourglass_empty:", "gray"),
    WAITING: ("Not judged yet", ":material/hourglass_top:", "gray"),
    "no_data": ("Nothing to judge", ":material/sensors_off:", "gray"),
    "steady": ("Nothing moved", ":material/check_circle:", "green"),
}
"""What a window is called, most urgent first. Only the first one is an alarm."""

MOVED = ("worse", "unknown", "held")
SILENT = ("too_few", "no_data")
STATES = {"moved": "Moved", "steady": "Steady", "too_few": "Too few to tell", "no_data": "No values"}
SHARES = ("ks", "tv", "missing", "unseen", "projections")
"""Methods whose effect is a share of predictions."""

MEASURES = {
    "wrong": "labelled answers were wrong",
    "disliked": "feedback was a thumbs down",
    "errors": "requests failed",
    "canary": "canary items failed",
}
CARRIED = "event."
LEAST_HOURS = 2
FAULTS = {"missing": "missing values", "unseen": "values never seen before"}


def verdict_of(row: Row) -> str:
    """The verdict of the last day of a deployment, or that it has none yet."""
    return str(row["day_verdict"]) if words.known(row["day_verdict"]) else WAITING


def badge(verdict: str) -> tuple[str, str, Colour]:
    """Words, icon and colour of a verdict."""
    return BADGES.get(verdict, (verdict, ":material/help:", "gray"))


def day_name(bucket: datetime) -> str:
    """A day of UTC: Fri 20 Nov."""
    there = bucket.astimezone(UTC)
    return f"{there:%a} {there.day} {there:%b}"


def window_name(bucket: datetime, grain: str, utc: bool) -> str:
    """A window by its start: Fri 20 Nov, or Fri 20 Nov 21:00 to 22:00 in the zone of the reader."""
    if grain == "day":
        return day_name(bucket)
    there = bucket.astimezone(text.zone(utc))
    end = there + timedelta(hours=1)
    return f"{there:%a} {there.day} {there:%b} {there:%H:%M} to {end:%H:%M}"


def since_name(bucket: datetime, grain: str, utc: bool) -> str:
    """When something began: Fri 20 Nov, or Fri 20 Nov 21:00."""
    return window_name(bucket, grain, utc).split(" to ")[0]


def summary(rows: Sequence[Row], since: Mapping[str, datetime]) -> str:
    """All deployments in one line; `since` is the first day of those that are worse."""
    judged = [row for row in rows if verdict_of(row) != WAITING]
    if not judged:
        return "**No day has been judged yet.** The first day of a deployment becomes its reference."
    moved = [row for row in judged if verdict_of(row) in MOVED]
    worse = [row for row in judged if verdict_of(row) == "worse"]
    of = f"{len(judged)} {'deployment' if len(judged) == 1 else 'deployments'}"
    if not moved:
        few = [row for row in judged if verdict_of(row) in SILENT]
        rest = f" {len(few)} had too few predictions to tell." if few else ""
        return f"**Nothing moved** on the last whole day of {of}.{rest}"
    head = f"**{len(moved)} of {of} moved** on the last whole day"
    if not worse:
        held = sum(verdict_of(row) == "held" for row in moved)
        if held == len(moved):
            return f"{head}, and the quality of answers held."
        unknown = len(moved) - held
        return f"{head}; nothing is known to have got worse, but for {unknown} of them quality is not known."
    told = [_worse_since(row, since.get(str(row["deployment"]))) for row in worse]
    return f"{head}; **answers got worse** on {listed(told)}."


def _worse_since(row: Row, since: datetime | None) -> str:
    name = f"**{text.plain(row['deployment'])}**"
    return f"{name} since {day_name(since)}" if since else name


def worse_since(verdicts: Sequence[Row]) -> datetime | None:
    """The first of the days in a row, up to the newest, that moved and were worse; windows that tell nothing count not.

    `verdicts` are rows of `drift_verdicts` of one deployment, oldest first.
    """
    first = None
    for row in reversed(verdicts):
        if row["verdict"] == "worse":
            first = row["bucket"]
        elif row["verdict"] not in SILENT:
            break
    return first


def reference(row: Row) -> str:
    """What a deployment is compared with."""
    if not words.known(row["reference"]):
        return "no reference yet"
    what = text.plain(row["name"])
    if words.known(row["other"]):
        what += f" of {text.plain(row['other'])}"
    if words.known(row["starts"]) and words.known(row["ends"]):
        what += f" ({day_name(row['starts'])} to {day_name(row['ends'])})"
    elif words.known(row["days"]):
        what += f" (the {int(row['days'])} days before each day)"
    return f"{what}, version {int(row['version'])}"


def progress(row: Row) -> str:
    """How far the hours are described; nothing where all are."""
    due = int(row["due"])
    if not words.known(row["reference"]) or not due:
        return ""
    done = int(row["described"])
    return f"{words.count(done)} of {words.count(done + due)} hours are described; the others come by themselves."


def headline(row: Row, measures: Sequence[Compared], name: str = "") -> str:
    """What the last day of a deployment, or another window of it, says; Markdown. `row` is of `drift_verdicts`."""
    verdict, n = str(row["verdict"]), f"n {words.count(row['n'])}"
    name = name or day_name(row["bucket"])
    of = f"{int(row['n_moved'])} of {int(row['n_features'])} features"
    if verdict == "worse":
        return f"**{name}: {of} moved, and answers got worse.** {evidence(measures, 'worse')}"
    if verdict == "held":
        return f"**{name}: {of} moved, quality held.** {evidence(measures, 'held')}"
    if verdict == "unknown":
        return (
            f"**{name}: {of} moved; whether answers are as good as before is not known** ({n}). Labels and feedback "
            "on such predictions would tell."
        )
    if verdict == "steady":
        return f"**{name}: nothing moved** beyond its threshold ({n})."
    if verdict == "too_few":
        return f"**{name}: too few predictions to tell** ({n}): only a large shift would be seen."
    return f"**{name}: nothing to judge** ({n})."


def measures_of(quality: Any) -> list[Compared]:
    """The column `quality` of `drift_windows`."""
    found = json.loads(quality) if isinstance(quality, str) else quality
    return [Compared(**one) for one in found or []]


def evidence(measures: Sequence[Compared], state: str) -> str:
    """The measures that a verdict rests on most, one for a feature and one for the whole window, as sentences."""
    fitting = [one for one in measures if one.state == state]
    if state == "worse":
        risen = {one.measure for one in measures if not one.feature and one.difference > 0}
        alarming = [
            one for one in fitting if one.against == "same" or (one.against == "whole" and one.measure in risen)
        ]
        fitting = alarming or fitting
    else:
        whole = {one.measure for one in fitting if not one.feature and one.measure in OF_ANSWERS}
        fitting = [one for one in fitting if one.measure in whole]
    if not fitting:
        return ""
    first = {name: place for place, name in enumerate(MEASURES)}
    measure = min((one.measure for one in fitting), key=lambda name: first.get(name, len(first)))
    fitting = [one for one in fitting if one.measure == measure]
    there = sorted((one for one in fitting if one.feature), key=lambda one: -one.low if state == "worse" else one.high)
    best = [*there[:1], *(one for one in fitting if not one.feature)]
    return " ".join(in_words(one) for one in best)


def in_words(one: Compared) -> str:
    """A measure as a sentence with both shares, both n and the interval of their difference."""
    where = f"Where `{one.feature}` moved to" if one.feature else "Over all of it"
    before = f"in {against(one)}" if one.feature else "before"
    return (
        f"{where}, {words.share(one.share)} of {_of(one.measure)} (n {words.count(one.n)}) against "
        f"{words.share(one.before)} {before} (n {words.count(one.n_before)}): {difference(one)}."
    )


def against(one: Compared) -> str:
    """What a measure is compared with."""
    return AGAINST.get(one.against, "the reference")


def _of(measure: str) -> str:
    return MEASURES.get(measure, measure)


def difference(one: Compared) -> str:
    """The difference with its interval: 28 points more (95 % interval +25 to +30)."""
    points = one.difference * 100
    if abs(points) < 0.05:
        return f"about as many (95 % interval of the difference {one.low * 100:+.1f} to {one.high * 100:+.1f} points)"
    much = f"{abs(points):.1f}" if abs(points) < 10 else f"{abs(points):.0f}"
    side = "more" if points > 0 else "fewer"
    return f"{much} points {side} (95 % interval {one.low * 100:+.1f} to {one.high * 100:+.1f})"


def since_then(row: Row, hours: Sequence[Row]) -> str:
    """What the hours after the last judged day say; nothing where there are none."""
    after = [one for one in hours if not words.known(row["day"]) or one["bucket"] >= row["day"] + timedelta(days=1)]
    if not after:
        return ""
    counts = {name: sum(one["verdict"] == name for one in after) for name in BADGES}
    told = [f"{badge(name)[0].lower()} in {count}" for name, count in counts.items() if count]
    return f"The {words.count(len(after))} {'hour' if len(after) == 1 else 'hours'} since: {', '.join(told)}."


def within_day(row: Row, hours: Sequence[Row]) -> str:
    """Hours of the last judged day that were worse where the day as a whole was not; a single one may be chance."""
    if not words.known(row["day"]) or row["day_verdict"] == "worse":
        return ""
    inside = [one for one in hours if row["day"] <= one["bucket"] < row["day"] + timedelta(days=1)]
    worse = [one for one in inside if one["verdict"] == "worse"]
    if len(worse) < LEAST_HOURS:
        return ""
    return f"Within {day_name(row['day'])}, {len(worse)} of {len(inside)} hours moved and were worse."


def effect(method: str, value: Any, low: Any = None, high: Any = None) -> str:
    """An effect with its interval: 27 % (25 % to 28 %); in the unit of its method where that is no share."""
    if not words.known(value):
        return words.UNKNOWN
    write = words.share if method in SHARES else _two
    span = f" ({write(low)} to {write(high)})" if words.known(low) and words.known(high) else ""
    return f"{write(value)}{span}"


def _two(value: Any) -> str:
    return f"{float(value):.2f}" if words.known(value) and math.isfinite(float(value)) else words.UNKNOWN


def moved_to(row: Row) -> str:
    """The bin or name that changed most: german: 0 % before, 27 % now."""
    if not words.known(row["moved_at"]) or not row["moved_at"]:
        return ""
    return f"{row['moved_at']}: {words.share(row['moved_reference'])} before, {words.share(row['moved_window'])} now"


def feature(row: Row) -> str:
    """A feature that moved, with its effect and since when, as Markdown."""
    since = f", since {day_name(row['since'])}" if words.known(row["since"]) else ""
    return f"`{row['feature']}` {effect(row['method'], row['effect'], row['low'], row['high'])}{since}"


def about(name: str) -> str:
    """What a feature is, in words."""
    if name in FEATURES:
        known = FEATURES[name]
        return f"{known.about} ({known.unit})" if known.kind == "number" else known.about
    return f"the feature {name.removeprefix(CARRIED)} that events carry" if name.startswith(CARRIED) else name


def state(row: Row) -> str:
    """The state of a feature in words; for too few, from which effect on it would have been called."""
    if row["state"] == "too_few":
        return f"Too few, sees {effect(str(row['method']), row['smallest'])} or more"
    called = [FAULTS[name] for name in items(row["called_by"]) if name in FAULTS]
    extra = f" ({listed(called)})" if called else ""
    return f"{STATES.get(str(row['state']), str(row['state']))}{extra}"


def opened(row: Row, grain: str, utc: bool) -> str:
    """One feature of one window as a sentence: moved or not, by how much, what called it, over how many."""
    n = f"n {words.count(row['n_window'])} against {words.count(row['n_reference'])}"
    method = METHODS[str(row["method"])].title
    said = f"{effect(row['method'], row['effect'], row['low'], row['high'])} by {method}, {n}"
    limit = f"its threshold is {effect(row['method'], row['threshold'])}"
    if words.known(row["band"]) and float(row["band"]) > float(row["threshold"]):
        limit += (
            f", and such windows of the reference differ by up to {effect(row['method'], row['band'])} among themselves"
        )
    if row["state"] == "moved":
        since = f" since {since_name(row['since'], grain, utc)}" if words.known(row["since"]) else ""
        return f"**Moved{since}**: {said}; {limit}. {_sure(row)}"
    if row["state"] == "too_few":
        return f"**Too few to tell**: {blind(row)}. What was found is {said}."
    return f"**{STATES.get(str(row['state']), row['state'])}**: {said}; {limit}."


def blind(row: Row) -> str:
    """What so few predictions can show at all."""
    seen = effect(str(row["method"]), row["smallest"])
    return f"with n = {words.count(row['n_window'])} only a shift above {seen} would be seen"


def _sure(row: Row) -> str:
    called = [FAULTS[name] for name in items(row["called_by"]) if name in FAULTS]
    also = f"Called for {listed(called)}, too. " if called else ""
    q = row["q"]
    if not words.known(q):
        return also.strip()
    small = "less than 0.1 %" if float(q) < 0.001 else words.share(q)
    return f"{also}Of features called as surely as this, {small} would be false alarms."


def items(value: Any) -> list[Any]:
    """A column that holds a list, as a list."""
    return list(value) if value is not None and not isinstance(value, float) else []


def listed(parts: Sequence[str]) -> str:
    """One, two and three."""
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]])) if parts else ""
