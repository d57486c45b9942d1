"""Durable ingest over HTTP: acknowledged events/s by batch size, and a paced run that the loader must follow."""

import tempfile
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from bench.events import bodies
from bench.load import Requests, Tally, closed_loop, paced
from bench.result import Check, Result
from bench.server import Api, running_api
from monitor.store.database import FILE, naive, open_database

CONNECTIONS = 64
BAR_EVENTS_PER_S = 50_000
BAR_P99_MS = 250
PACE = 20_000
BAR_LAG_S = 5.0
POOL_EVENTS = 6_400


@dataclass(frozen=True, slots=True)
class Cell:
    """One line of the table."""

    name: str
    batch: int
    seconds: float
    pace: float = 0.0  # events/s; 0: as fast as it goes
    like_sdk: bool = False


CELLS = (
    Cell("batch 1", 1, 8),
    Cell("batch 10", 10, 8),
    Cell("batch 100", 100, 8),
    Cell("batch 1000", 1000, 8),
    Cell("batch 100 like the SDK", 100, 8, like_sdk=True),
    Cell("batch 100, paced", 100, 30, PACE),
)


def run(quick: bool, folder: Path) -> Result:
    """Each cell against an api and a store of its own."""
    rows = [_measure(cell, cell.seconds / 4 if quick else cell.seconds) for cell in CELLS]
    found = {row["cell"]: row for row in rows}
    fast, steady = found["batch 100"], found["batch 100, paced"]
    checks = [
        Check(
            f"batch 100: at least {BAR_EVENTS_PER_S:,} acknowledged events/s",
            f"{fast['events/s']:,.0f}",
            fast["events/s"] >= BAR_EVENTS_PER_S,
        ),
        Check(f"batch 100: p99 under {BAR_P99_MS} ms", f"{fast['p99 ms']:.0f} ms", fast["p99 ms"] < BAR_P99_MS),
        Check(
            f"the loader keeps up at {PACE:,} events/s: never more than {BAR_LAG_S:g} s behind",
            f"at most {steady['max lag s']:.1f} s at {steady['events/s']:,.0f} events/s",
            steady["max lag s"] <= BAR_LAG_S and steady["events/s"] >= 0.98 * PACE,
        ),
        Check(
            "no request fails, nothing acknowledged is missing",
            f"{sum(row['errors'] for row in rows)} errors, {sum(row['missing'] for row in rows)} missing",
            all(row["errors"] == 0 and row["missing"] == 0 for row in rows),
        ),
    ]
    return Result(rows, checks, {"connections": CONNECTIONS, "bytes_per_event": len(bodies(100, 1)[0]) / 100})


def _measure(cell: Cell, seconds: float) -> dict[str, Any]:
    requests = Requests(bodies(cell.batch, max(2, POOL_EVENTS // cell.batch)), like_sdk=cell.like_sdk)
    with tempfile.TemporaryDirectory(prefix="watchpoint-bench-") as place:
        if cell.pace:
            _age(Path(place) / "data")
        with running_api(Path(place) / "data") as api:
            return _run_cell(cell, seconds, requests, api)


def _run_cell(cell: Cell, seconds: float, requests: Requests, api: Api) -> dict[str, Any]:
    closed_loop(api.port, requests, 4, 0.5)  # warm up
    _drained(api)
    before = api.figure("watchpoint_loaded_rows")
    with _LagWatch(api) as watch:
        began, cpu = time.monotonic(), api.cpu_s()
        if cell.pace:
            tally = paced(api.port, requests, CONNECTIONS, cell.pace / cell.batch, seconds)
        else:
            tally = closed_loop(api.port, requests, CONNECTIONS, seconds)
        cpu = api.cpu_s() - cpu
        behind = tally.acked - (api.figure("watchpoint_loaded_rows") - before)
        lag = api.figure("watchpoint_loader_lag_seconds")
        _drained(api)
        drained = time.monotonic() - began
    loaded = api.figure("watchpoint_loaded_rows") - before
    return _row(cell, tally) | {
        "429": tally.statuses.get(429, 0),
        "errors": tally.broken + sum(n for status, n in tally.statuses.items() if status not in (200, 429)),
        "loaded/s": loaded / drained,
        "behind at end": int(behind),
        "lag s": lag,
        "max lag s": max(watch.lags, default=lag),
        "missing": int(tally.acked - loaded),
        "api us/event": 1e6 * cpu / tally.acked,
        "api cores": cpu / tally.seconds,
        "peak MiB": api.peak_memory_mib(),
    }


def _row(cell: Cell, tally: Tally) -> dict[str, Any]:
    return {
        "cell": cell.name,
        "requests/s": tally.requests / tally.seconds,
        "events/s": tally.acked / tally.seconds,
        "p50 ms": tally.quantile_ms(0.5),
        "p99 ms": tally.quantile_ms(0.99),
    }


def _age(data: Path) -> None:
    """A store whose loader has run for a day: a segment each quarter of a second stands in its ledger."""
    now = datetime.now(UTC)
    con = open_database(data / FILE, now)
    con.execute(
        """
        insert into segments
        select lpad((i * 250000000)::varchar, 20, '0') || '.ndjson', 5000, 0, $now
        from range(4 * 86400) as quarters(i)
        """,
        {"now": naive(now)},
    )
    con.close()


def _drained(api: Api) -> None:
    """Return once the spool is empty."""
    while api.figure("watchpoint_spool_bytes") > 0:
        time.sleep(0.05)


class _LagWatch:
    """Reads the lag of the loader each half second, in a thread of the benchmark."""

    def __init__(self, api: Api) -> None:
        self._api, self._stop = api, threading.Event()
        self.lags: list[float] = []
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.5):
            self.lags.append(self._api.figure("watchpoint_loader_lag_seconds"))
