"""What a benchmark hands back, and how it is shown: a plain table, the checks against the bars, and JSON."""

import os
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Check:
    """One bar: what was asked for, what came out, and whether that is enough."""

    bar: str
    measured: str
    met: bool


@dataclass(frozen=True, slots=True)
class Result:
    """Rows for a table (all with the same keys), the bars, and whatever else belongs into the JSON."""

    rows: Sequence[dict[str, Any]]
    checks: Sequence[Check] = ()
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def met(self) -> bool:
        return all(check.met for check in self.checks)


def show(name: str, result: Result) -> str:
    """The table and the bars as text."""
    lines = ["", f"## {name}", "", *_table(result.rows)]
    lines += [f"  {'met   ' if check.met else 'MISSED'}  {check.bar}: {check.measured}" for check in result.checks]
    return "\n".join(lines)


def _table(rows: Sequence[dict[str, Any]]) -> list[str]:
    if not rows:
        return []
    names = list(rows[0])
    cells = [names, *([text(row[name]) for name in names] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(names))]
    numeric = [all(isinstance(row[name], int | float | None) for row in rows) for name in names]
    lines = ["  ".join(_aligned(*cell) for cell in zip(line, widths, numeric, strict=True)).rstrip() for line in cells]
    return [lines[0], "  ".join("-" * width for width in widths), *lines[1:], ""]


def _aligned(value: str, width: int, right: bool) -> str:
    return value.rjust(width) if right else value.ljust(width)


def text(value: Any) -> str:
    """A cell: three significant digits below 100, thousands separated above, `-` for what is not known."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def save(name: str, result: Result, *, quick: bool, seconds: float) -> Path:
    """Write results/NAME.json, with the machine that it was measured on."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    document = {
        "name": name,
        "taken_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "quick": quick,
        "seconds": round(seconds, 1),
        "machine": machine(),
        "met": result.met,
        "checks": [asdict(check) for check in result.checks],
        "rows": list(result.rows),
        "figures": result.figures,
    }
    path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS, default=str))
    return path


def machine() -> dict[str, Any]:
    """Where this runs, and how busy that place is with other work."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }
