"""Every registered query over 24 h on stores of 1, 10 and 100 million predictions, in process and over HTTP."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from bench.bigstore import Store, stored
from bench.questions import DAY, QUESTIONS, Question, check_complete
from bench.result import Check, Result
from bench.server import running_api
from monitor.api.formats import FORMATS
from monitor.queries import Ask, ask
from monitor.store.database import Connection

SIZES = {"1M": 1_000_000, "10M": 10_000_000, "100M": 100_000_000}
QUICK = {"100k": 100_000, "1M": 1_000_000}
BAR_MS = 50.0
BAR_GROWTH = 1.5
FLOOR_MS = 5.0
"""Growth counts from here: below, the time is that of Python and of preparing the statement."""

WARM_UP, RUNS, LONGEST_S = 3, 15, 6.0


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds of several runs; `cpu` counts all threads of this process, and is steadier on a busy machine."""

    median: float
    cpu: float
    p95: float
    rows: int


def run(quick: bool, folder: Path) -> Result:
    """All sizes; stores that are not there yet are built first."""
    check_complete()
    sizes = QUICK if quick else SIZES
    inside: dict[str, dict[str, Timing]] = {}
    outside: dict[str, dict[str, Timing]] = {}
    stores: dict[str, dict[str, Any]] = {}
    for size, rows in sizes.items():
        store = stored(folder, rows)
        stores[size] = {"rows": rows, "build_s": store.build_s, "bytes": store.bytes, "end": store.end}
        inside[size] = _in_process(store)
        outside[size] = _over_http(store)
    rows_shown = [_row(question, inside, outside) for question in QUESTIONS]
    return Result(rows_shown, _checks(inside, list(sizes)), {"stores": stores, "runs": RUNS})


def _row(
    question: Question, inside: dict[str, dict[str, Timing]], outside: dict[str, dict[str, Timing]]
) -> dict[str, Any]:
    largest = list(inside)[-1]
    return {
        "query": question.name,
        **{f"{size} ms": timings[question.name].median for size, timings in inside.items()},
        f"CPU at {largest}": inside[largest][question.name].cpu,
        f"p95 at {largest}": inside[largest][question.name].p95,
        f"HTTP at {largest}": outside[largest][question.name].median,
        "rows": inside[largest][question.name].rows,
        "bar": "-" if question.scans else "yes",
    }


def _checks(inside: dict[str, dict[str, Timing]], sizes: list[str]) -> list[Check]:
    small, large = sizes[-2:]
    held = [question.name for question in QUESTIONS if not question.scans]
    slow = [(inside[large][name].median, name) for name in held if inside[large][name].median >= BAR_MS]
    growths = [(inside[large][name].median / max(inside[small][name].median, FLOOR_MS), name) for name in held]
    steep = [(growth, name) for growth, name in growths if growth > BAR_GROWTH]
    slowest, steepest = max((inside[large][name].median, name) for name in held), max(growths)
    return [
        Check(
            f"each query under {BAR_MS:g} ms at {large}",
            "; ".join(f"{name} {ms:.0f} ms" for ms, name in slow) or f"slowest: {slowest[1]} {slowest[0]:.0f} ms",
            not slow,
        ),
        Check(
            f"each at most {BAR_GROWTH:g} times its time at {small} (counted from {FLOOR_MS:g} ms)",
            "; ".join(f"{name} x {growth:.1f}" for growth, name in steep) or f"most: {steepest[1]} x {steepest[0]:.1f}",
            not steep,
        ),
    ]


def _in_process(store: Store) -> dict[str, Timing]:
    with store.connect() as con:
        fleet, sample = store.fleet, _sample(store, con)

        def answer(question: Question) -> int:
            cursor = con.cursor()
            try:
                table = ask(question.query, question.values(store.end, sample), Ask(cursor, fleet, store.end))
                return int(table.num_rows)
            finally:
                cursor.close()

        return {question.name: _time(lambda q=question: answer(q)) for question in QUESTIONS}  # type: ignore[misc]  # binds the question of this round


def _over_http(store: Store) -> dict[str, Timing]:
    with store.connect() as con:
        sample = _sample(store, con)
    with (
        running_api(store.data, ("bench.api_at", store.end.isoformat())) as api,
        httpx.Client(base_url=api.url, headers={"Accept": FORMATS["arrow"]}, timeout=120, trust_env=False) as http,
    ):

        def answer(question: Question) -> int:
            params = question.values(store.end, sample)
            response = http.get(f"/api/v1/queries/{question.query}", params=params).raise_for_status()
            return len(response.content)

        return {question.name: _time(lambda q=question: answer(q)) for question in QUESTIONS}  # type: ignore[misc]  # binds the question of this round


def _sample(store: Store, con: Connection) -> dict[str, Any]:
    """A request from the middle of the window."""
    middle = store.end - DAY / 2
    found = ask(
        "requests",
        {"start": (middle - DAY).isoformat(), "end": middle.isoformat(), "limit": 1},
        Ask(con, store.fleet, store.end),
    )
    row = found.to_pylist()[0]
    whole = ask("request", {"event_id": row["event_id"], "ts": row["ts"].isoformat()}, Ask(con, store.fleet, store.end))
    return {
        "event_id": row["event_id"],
        "ts": row["ts"].astimezone(UTC).isoformat(),
        "session_id": whole["session_id"][0].as_py(),
    }


def _time(work: Callable[[], int]) -> Timing:
    began, found, cpu, size = time.monotonic(), [], [], 0
    for turn in range(WARM_UP + RUNS):
        start, busy = time.perf_counter(), time.process_time()
        size = work()
        if turn >= WARM_UP:
            found.append(1000 * (time.perf_counter() - start))
            cpu.append(1000 * (time.process_time() - busy))
        if len(found) >= 3 and time.monotonic() - began > LONGEST_S:
            break
    found.sort()
    return Timing(median(found), median(cpu), found[int(0.95 * (len(found) - 1) + 0.5)], size)
