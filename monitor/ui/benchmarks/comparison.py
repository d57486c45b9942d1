"""Two checkpoints in sentences: who is better on a benchmark, by how much, how sure, and what it would take."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from monitor.charts import benchmarkwords as bw
from monitor.charts import words
from monitor.ui import text
from monitor.ui.benchmarks.parts import difference, items_of

Row = Mapping[str, Any]

NOT_COMPARABLE = "not_comparable"
ICONS = {
    "A is better": ":material/arrow_back:",
    "B is better": ":material/arrow_forward:",
    "no difference shown": ":material/drag_handle:",
    "not enough data": ":material/hourglass_empty:",
    "not comparable": ":material/block:",
}


def verdict(row: Row, a: str) -> str:
    """The outcome of a row in words, the same everywhere."""
    if words.known(row["better"]):
        return "A is better" if row["better"] == a else "B is better"
    return {
        "not_enough_data": "not enough data",
        NOT_COMPARABLE: "not comparable",
    }.get(str(row["verdict"]), "no difference shown")


def scaled(row: Row) -> bool:
    """Whether differences are percentage points; otherwise they are in the unit of the file."""
    return words.known(row["most"])


def tested(rows: Sequence[Row]) -> int:
    """For how many tests the p-values of these rows are adjusted."""
    return sum(words.known(row["p_adjusted"]) for row in rows)


def summary(rows: Sequence[Row], a: str) -> str:
    """All benchmarks together in a sentence."""
    counts = Counter(verdict(row, a) for row in rows)
    comparable = len(rows) - counts["not comparable"]
    if not comparable:
        return "Nothing of what both have may be compared: each was run under another protocol."
    won = {side: counts[f"{side} is better"] for side in ("A", "B")}
    of = bw.counted(comparable, "benchmark")
    if any(won.values()):
        said = " and ".join(f"**{side} is better on {n}**" for side, n in won.items() if n)
    else:
        said = "**No difference is shown**"
    rest = [f"no difference is shown on {counts['no difference shown']}"] * (
        any(won.values()) and counts["no difference shown"] > 0
    )
    rest += [f"{counts['not enough data']} with too little data"] * (counts["not enough data"] > 0)
    rest += [f"{counts['not comparable']} more not comparable"] * (counts["not comparable"] > 0)
    return f"{said} of {of} that may be compared{''.join(f'; {one}' for one in rest)}."


def sentence(row: Row, a: str, n_tests: int) -> str:
    """One benchmark (or category) as Markdown: verdict, difference, interval, n, p-value, and what else it shows."""
    told = verdict(row, a)
    name = text.plain(row["category"] or row["benchmark"])
    head = f"{ICONS[told]} **{name}: {told}"
    if told == "not comparable":
        return f"{head}.** What differs: {_why(row)}."
    if told == "not enough data":
        return f"{head}.** {_too_few(row)}"
    end = f", by {_size(row)}**" if words.known(row["better"]) else "**"
    unpaired = "" if row["n"] else f"Not item by item: {_why(row)}."
    parts = [f"{head}{end} {_evidence(row, n_tests)}.", unpaired, _more(row), inferior(row)]
    return " ".join(filter(None, parts))


def _size(row: Row) -> str:
    difference = abs(float(row["difference"]))
    return f"{difference * 100:.1f} points" if scaled(row) else f"{difference:.4g}"


def _evidence(row: Row, n_tests: int) -> str:
    lower = "" if row["higher_is_better"] else "; lower is better"
    span = bw.span(row["low"], row["high"], scaled(row))
    n = f"n {words.count(row['n'])}" if row["n"] else f"n {words.count(row['n_a'])} and {words.count(row['n_b'])}"
    groups = f" in {words.count(row['n_groups'])} groups" if row["n"] and row["n_groups"] < row["n"] else ""
    p = ""
    if words.known(row["p_adjusted"]):
        adjusted = f", adjusted for {n_tests}" if n_tests > 1 else ""
        p = f", p {bw.p_value(row['p_adjusted'])}{adjusted}"
    points = " points" if scaled(row) else ""
    value = f"B minus A {bw.points(row['difference'], scaled(row))}{points}, 95 % interval"
    value = "95 % interval of B minus A" if words.known(row["better"]) else value
    method = bw.TESTS.get(str(row["method"]), str(row["method"]))
    return f"({value} {span}, {n}{groups}{p}; {method}{lower})"


def _more(row: Row) -> str:
    """What it would take to decide."""
    if words.known(row["better"]) or not words.known(row["items_needed"]):
        return ""
    more = int(row["items_needed"])
    if more <= 0:
        return "By itself it would be shown; among all that are compared here it may be chance."
    return f"Some {bw.counted(more, 'more item')} would show a difference as large as this one."


def inferior(row: Row) -> str:
    """What is shown about B losing less than the margin."""
    if not words.known(row["non_inferior"]) or not scaled(row):
        return ""
    margin = f"the margin of {float(row['margin']) * 100:.3g} points"
    if row["non_inferior"]:
        return f"That B loses less than {margin} is shown."
    least = -float(row["high"]) if row["higher_is_better"] else float(row["low"])
    if least > float(row["margin"]):
        return f"B loses more than {margin}."
    return f"Whether B loses less than {margin} is open."


def _too_few(row: Row) -> str:
    if row["n"]:
        return f"{bw.counted(int(row['n']), 'item')} that both have show nothing either way."
    return f"What is missing: {_why(row)}."


def _why(row: Row) -> str:
    return "; ".join(text.plain(difference(str(one))) for one in items_of(row["why"])) or "not known"
