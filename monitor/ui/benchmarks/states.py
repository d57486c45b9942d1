"""States and origins of evaluations: their words, icons and colours, wherever the page names them."""

from collections.abc import Mapping
from typing import Any

from monitor.charts import words

STATES: dict[str, tuple[str, str, str]] = {
    "done": ("Done", ":material/check_circle:", "green"),
    "failed": ("Failed", ":material/error:", "red"),
    "skipped": ("Skipped", ":material/skip_next:", "orange"),
    "running": ("Running", ":material/progress_activity:", "blue"),
    "interrupted": ("Interrupted", ":material/pause_circle:", "violet"),
}
OPEN = ("running", "interrupted")

COUNTS = {
    "n_done": ("done", "green"),
    "n_failed": ("failed", "red"),
    "n_skipped": ("skipped", "orange"),
    "n_open": ("open", "blue"),
}
"""Columns of the query `benchmarks` that count evaluations, their words and colours."""

TROUBLES = {
    "n_failed": ("failed", ":material/error:", "failed", "failed"),
    "n_skipped": ("skipped", ":material/skip_next:", "was skipped", "were skipped"),
    "n_open": ("open", ":material/pending:", "is not finished", "are not finished"),
}
"""Those that gave no figure: the state to show, its icon, and what is said of one and of several."""

ORIGINS = {"job": "benchmark job", "import": "import", "claim": "claimed by others"}


def items(row: Mapping[str, Any]) -> str:
    """How many items an evaluation has: 300, or 120 of 300 where it is not finished."""
    total, done = int(row["total"] or 0), int(row["done"] or 0)
    return words.count(done) if done == total else f"{words.count(done)} of {words.count(total)}"
