"""Two data sets compared by Watchpoint and by Evidently's preset, side by side; and one that is wide and long.

Each contestant runs in a process of its own, one after the other, so that its peak of memory is its own. Evidently gets
data frames that are in memory already; what is timed of Watchpoint includes reading the files. The ratios are of
processor time, of all threads: all of them compute from beginning to end, and other work on the machine does not count.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.drift_files import twenty_columns, wide
from bench.result import Check, Result
from bench.server import ROOT

BAR_FILES, BAR_EXISTING = 30.0, 1000.0
WIDE_MINUTES, WIDE_MIB = 15.0, 1024.0


def run(quick: bool, folder: Path) -> Result:
    """1M rows against 1M in 20 columns, then 3M against 3M in 1,000."""
    rows, wide_rows, columns = (100_000, 300_000, 100) if quick else (1_000_000, 3_000_000, 1000)
    twenty = twenty_columns(folder, rows)
    found = {who: _measured(who, *twenty) for who in ("evidently", "files", "existing")}
    ratios = {who: found["evidently"]["cpu_s"] / found[who]["cpu_s"] for who in ("files", "existing")}
    large = _measured("files", *wide(folder, wide_rows, columns))
    size = f"{rows:,} x 20 twice"
    rows_shown = [
        _row("Evidently, data drift preset, frames in memory", size, found["evidently"], 1.0),
        _row("Watchpoint, from the files to the judgement", size, found["files"], ratios["files"]),
        _row("Watchpoint, from existing profiles", size, found["existing"], ratios["existing"]),
        _row("Watchpoint, from the files to the judgement", f"{wide_rows:,} x {columns:,} twice", large, None),
    ]
    bound = f"{wide_rows:,} x {columns:,} in {WIDE_MINUTES:g} minutes and {WIDE_MIB:,.0f} MiB"
    checks = [
        Check(bound, f"{large['seconds'] / 60:.1f} minutes, {large['peak_mib']:.0f} MiB", _within(large)),
        Check(
            "what shifted is called, nothing else", _said(found["files"], large, columns), _right(found, large, columns)
        ),
    ]
    if not quick:  # with few rows, what is fixed takes most of the time
        bars = {"files": (BAR_FILES, "with profile building"), "existing": (BAR_EXISTING, "from profiles")}
        checks += [
            Check(f"{bar:,.0f} times Evidently {what}", f"{ratios[who]:,.0f}", ratios[who] >= bar)
            for who, (bar, what) in bars.items()
        ]
    return Result(rows_shown, checks, {"contestants": found, "wide": large})


def _measured(who: str, reference: Path, window: Path) -> dict[str, Any]:
    """What a contestant prints, with its telemetry off."""
    module = ["bench.drift_evidently"] if who == "evidently" else ["bench.drift_contestants", who]
    command = [sys.executable, "-W", "ignore", "-m", *module, str(reference), str(window)]
    variables = {**os.environ, "DO_NOT_TRACK": "1", "ITERATIVE_DO_NOT_TRACK": "1"}
    done = subprocess.run(command, cwd=ROOT, env=variables, stdout=subprocess.PIPE, check=True)
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured


def _row(what: str, size: str, found: dict[str, Any], times: float | None) -> dict[str, Any]:
    return {
        "what": what,
        "data": size,
        "s": found["seconds"],
        "cpu s": found["cpu_s"],
        "times": times,
        "peak MiB": found["peak_mib"],
    }


def _within(found: dict[str, Any]) -> bool:
    return bool(found["seconds"] < 60 * WIDE_MINUTES and found["peak_mib"] < WIDE_MIB)


def _right(found: dict[str, dict[str, Any]], large: dict[str, Any], columns: int) -> bool:
    shifted = ["n0", "n1", "c0", "c1"]
    every = [f"f{at}" for at in range(0, columns, 100)]
    return (
        sorted(found["files"]["moved"]) == sorted(found["existing"]["moved"]) == sorted(shifted)
        and large["moved"] == every
    )


def _said(found: dict[str, Any], large: dict[str, Any], columns: int) -> str:
    return f"{', '.join(found['moved'])} of 20; {len(large['moved'])} of {columns:,}"
