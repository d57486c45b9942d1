"""`python -m bench [NAME ...] [--quick] [--dir FOLDER]`: measure, print tables, write JSON.

The exit code is 1 if a bar is missed.
"""

import argparse
import importlib
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bench.result import RESULTS, Result, save, show


@dataclass(frozen=True, slots=True)
class Bench:
    """One benchmark: a module of this package with `run(quick, folder) -> Result`."""

    name: str
    module: str
    what: str


BENCHES = (
    Bench("stats", "bench.simulations", "coverage, false alarms and delays of the statistics, by simulation"),
    Bench("canary_stats", "bench.canary_stats", "false alarms and delays of the canaries over 90 days, by simulation"),
    Bench("canary_planted", "bench.canary_planted", "changes behind an address: how soon canaries find them"),
    Bench("canary_queries", "bench.canary_queries", "what the Canaries page asks, with 90 days of hourly replays"),
    Bench("benchmark_stats", "bench.benchmark_stats", "coverage, false claims and power of comparisons, by simulation"),
    Bench("benchmark_queries", "bench.benchmark_queries", "what the Benchmarks page asks, up to 100,000 items"),
    Bench("drift_stats", "bench.drift_stats", "false calls, power, intervals and slices of drift, by simulation"),
    Bench("drift", "bench.drift", "two data sets compared, beside Evidently; and 3M rows of 1,000 columns"),
    Bench("ingest", "bench.ingest", "acknowledged events/s, latency and loader rate by batch size"),
    Bench("crash", "bench.crash", "kill -9 under load: lost and duplicated events"),
    Bench("dashboard", "bench.dashboard", "every query over 24 h at 1, 10 and 100 million predictions"),
    Bench("pages", "bench.pages", "time to interactive of the pages in headless Chromium"),
    Bench("idle", "bench.idle", "memory and processor of all processes while nothing happens"),
    Bench(
        "inference",
        "bench.inference",
        "batched answers of the small checkpoints, beside plain transformers and its server",
    ),
)


def main() -> int:
    """Run what was asked for, in the order of the table."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Measure Watchpoint against its bars; exit code 1 if one is missed."
    )
    known = {bench.name: bench for bench in BENCHES}
    listed = "; ".join(f"{bench.name}: {bench.what}" for bench in BENCHES)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which; default: all. {listed}")
    parser.add_argument("--quick", action="store_true", help="smaller and shorter: does it run, not how fast is it")
    parser.add_argument("--dir", type=Path, default=RESULTS / "stores", help="where large stores are kept between runs")
    asked = parser.parse_args()
    if unknown := [name for name in asked.names if name not in known]:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are {', '.join(known)}")
    missed = []
    for bench in BENCHES:
        if asked.names and bench.name not in asked.names:
            continue
        began = time.monotonic()
        result: Result = importlib.import_module(bench.module).run(quick=asked.quick, folder=asked.dir)
        path = save(bench.name, result, quick=asked.quick, seconds=time.monotonic() - began)
        print(show(f"{bench.name}: {bench.what}", result), f"  written to {path}", sep="\n", flush=True)
        if not result.met:
            missed.append(bench.name)
    if missed:
        print(f"\nbars missed in: {', '.join(missed)}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
