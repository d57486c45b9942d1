"""The simulations of bench/stats.py as a benchmark; their table is held up to date in docs/statistics.md."""

from dataclasses import asdict
from pathlib import Path

from bench import stats
from bench.result import Result


def run(quick: bool, folder: Path) -> Result:
    """All studies; they take seconds, so that there is no quicker way."""
    lines = stats.figures()
    rows = [{"what": line.method, "case": line.case, "promised": line.promise, "found": line.text} for line in lines]
    return Result(rows, figures={"lines": [asdict(line) for line in lines]})
