"""Scores from a plain CSV that has one on each line; for `plain`."""

from monitor.benchmarks.evaluation import Score
from monitor.harnesses.plain_table import Row

COLUMNS = ("metric", "value", "scale", "most", "higher_is_better", "category", "n", "stderr")
SCALES = {"share": 1.0, "fraction": 1.0, "percent": 100.0, "%": 100.0, "none": None, "unbounded": None}
"""Words for what a perfect checkpoint gets; a number says it as well."""


def most_of(row: Row) -> tuple[float | None, bool]:
    """What a perfect checkpoint gets by the columns `most` and `scale`, and whether one of them says so."""
    name = "most" if row.get("most") else "scale"
    written = row.get(name)
    if written is None:
        return None, False
    if written.strip().lower() in SCALES:
        return SCALES[written.strip().lower()], True
    found = row.number(name)
    if found is not None and found <= 0:
        row.problems.add(row.line, f"{name} is {found:g}, allowed is a number above 0 or one of {', '.join(SCALES)}")
    return found, True


def scores_in(rows: list[Row], notes: list[str]) -> tuple[Score, ...]:
    """The scores of one evaluation; the first that is not of a category is its headline."""
    scores: dict[tuple[str, str], Score] = {}
    headline = False
    for row in rows:
        metric, category = row.needed("metric"), row.get("category") or ""
        if (metric, category) in scores:
            row.problems.add(row.line, f"{metric[:60]!a} is given twice for one evaluation and category")
            continue
        most, said = most_of(row)
        value = row.number("value", 0 if most else None, most)
        if value is None and not row.get("value"):
            row.problems.add(row.line, "value is missing")
        if not said:
            notes.append(f"{metric}: the file does not say the scale")
        scores[metric, category] = Score(
            metric=metric,
            value=0.0 if value is None else value,
            most=most,
            higher_is_better=row.yes_no("higher_is_better", otherwise=True),
            category=category,
            n=row.whole("n", 1, 10**9),
            stderr=row.number("stderr", 0),
            headline=not headline and not category,
        )
        headline = headline or not category
    notes[:] = dict.fromkeys(notes)
    return tuple(scores.values())
