"""`python -m bench.drift_contestants files|existing REFERENCE WINDOW`: Watchpoint on two Parquet files.

`bench/drift.py` starts it in a process of its own and reads the JSON that it prints: seconds, what has moved, and the
largest resident memory of the process.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

from bench.drift_files import PROGRESS_EVERY
from bench.spent import Spent, peak_mib
from monitor.datasets.comparing import compare, pairs
from monitor.drift.judging import Judged, Rule, judge

TIMES = 20


def files(reference: Path, window: Path) -> tuple[dict[str, float], list[Judged]]:
    """Both files from the disk to what is judged: reading, profiles and the judgement."""
    spent = Spent()
    found = compare(reference, window, on_progress=_progress())
    return spent.upto_now(), found


def existing(reference: Path, window: Path) -> tuple[dict[str, float], list[Judged]]:
    """The judgement alone, from profiles that exist: the median of TIMES."""
    known, spent = pairs(reference, window), []
    for _ in range(TIMES):
        one = Spent()
        found = judge(known, Rule())
        spent.append(one.upto_now())
    middle = {name: sorted(each[name] for each in spent)[TIMES // 2] for name in spent[0]}
    return middle, found


def _progress() -> Callable[[int, int], None]:
    spent = Spent()

    def told(done: int, total: int) -> None:
        if done % PROGRESS_EVERY == 0:
            print(
                f"    {done} of {total} columns after {spent.upto_now()['seconds']:.0f} s", file=sys.stderr, flush=True
            )

    return told


if __name__ == "__main__":
    measured, judged = {"files": files, "existing": existing}[sys.argv[1]](*map(Path, sys.argv[2:]))
    moved = [one.feature for one in judged if one.state == "moved"]
    print(json.dumps({**measured, "results": len(judged), "moved": moved, "peak_mib": peak_mib()}))
