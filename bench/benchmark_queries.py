"""What the Benchmarks page asks: twenty checkpoints on six benchmarks, and six checkpoints on one of 100,000 items."""

from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.canary_queries import timed
from bench.result import Check, Result
from monitor.config import load_settings
from monitor.queries import Ask
from monitor.records import Fleet
from monitor.store.database import Connection
from monitor.store.owner import StoreOwner

BAR_MS, LARGE_BAR_MS = 500.0, 2000.0
"""A page has a second for all that it asks; a benchmark of 100,000 items is shown with a spinner.

The first answer after a new evaluation is in the column `first ms`: it is computed then, and kept.
"""

NOW = datetime(2026, 6, 1, tzinfo=UTC)
FILL = """
insert into benchmark_items
select $benchmark, 'item-' || n, '0123456789abcdef', 'question ' || n, 'target', []
from range($items) r(n);

insert into benchmark_runs
select $benchmark || '-' || c, $benchmark, 'checkpoint-' || c, 'checkpoint-' || c, 'model', c * 100, null,
    '{"harness": "bench", "version": "1"}', 'import', 'done', null, [], $now, 'file', 'hash', 'bench', null, $now, $now,
    $now, $items, $items, 0
from range($checkpoints) r(c);

insert into benchmark_results
select $benchmark || '-' || c, 'item-' || n, '0123456789abcdef',
    map {'acc': (hash(n // 3, $benchmark) % 1000 + hash(n, c) % 400 < 800 + 20 * (c - abs(c - 14)))::double},
    ['category=' || n % 8], 'image-' || n // 3, 'an answer of some ten words, as most of them are', false, null, null
from range($checkpoints) r(c), range($items) s(n);

insert into benchmark_scores
select run, 'acc', category, avg(share), 1, true, category = '', count(*), count(*) // 3, null, avg(share) - 0.01,
    avg(share) + 0.01, 'wilson', '', true
from (
    select run, unnest(['', categories[1]]) as category, scores['acc'] as share
    from benchmark_results
    where starts_with(run, $benchmark || '-')
)
group by run, category;
"""
PAIR = {"a": "checkpoint-14", "b": "checkpoint-13"}
SMALL: tuple[tuple[str, dict[str, Any]], ...] = (
    ("benchmarks", {"model": "model"}),
    ("benchmark_runs", {}),
    ("benchmark_scores", {}),
    ("benchmark_scores", {"benchmark": "bench-1", "categories": True}),
    ("benchmark_protocols", {"benchmark": "bench-1"}),
    ("benchmark_ranking", {"benchmark": "bench-1"}),
    ("benchmark_best", {}),
    ("benchmark_comparison", PAIR | {"benchmarks": [f"bench-{n}" for n in range(6)]}),
    ("benchmark_comparison", PAIR | {"benchmarks": ["bench-1"], "categories": True}),
    ("benchmark_flips", PAIR | {"benchmark": "bench-1"}),
    ("benchmark_items", {"run": "bench-1-3"}),
)
LARGE_PAIR = {"a": "checkpoint-5", "b": "checkpoint-4"}
LARGE: tuple[tuple[str, dict[str, Any]], ...] = (
    ("benchmark_ranking", {"benchmark": "large"}),
    ("benchmark_comparison", LARGE_PAIR | {"benchmarks": ["large"]}),
    ("benchmark_flips", LARGE_PAIR | {"benchmark": "large"}),
)


def run(quick: bool, folder: Path) -> Result:
    """One row for each question: median and largest of several runs."""
    items, large = (200, 5_000) if quick else (1_000, 100_000)
    with TemporaryDirectory() as made:
        owner = StoreOwner(load_settings({}, data_dir=made), Fleet(), lambda: NOW)
        owner.start()
        try:
            for n in range(6):
                owner.run(partial(_fill, benchmark=f"bench-{n}", checkpoints=20, items=items)).result()
            rows = _ask(owner, SMALL)
            owner.run(partial(_fill, benchmark="large", checkpoints=6, items=large)).result()
            rows_large = _ask(owner, LARGE, times=3)
        finally:
            owner.stop()
    slow = [row["query"] for row in rows if row["median ms"] > BAR_MS]
    slower = [row["query"] for row in rows_large if row["median ms"] > LARGE_BAR_MS]
    checks = [
        Check(f"20 checkpoints, 6 benchmarks of {items:,} items: under {BAR_MS:g} ms", _named(slow), not slow),
        Check(f"6 checkpoints, {large:,} items: under {LARGE_BAR_MS:g} ms", _named(slower), not slower),
    ]
    named = [row | {"query": f"{row['query']}, {large:,} items"} for row in rows_large]
    return Result([*rows, *named], checks, {"items": items, "large": large})


def _ask(owner: StoreOwner, questions: tuple[tuple[str, dict[str, Any]], ...], times: int = 7) -> list[dict[str, Any]]:
    with owner.cursor() as con:
        by = Ask(con, Fleet(), NOW)
        return [timed(name, params, by, times) for name, params in questions]


def _fill(con: Connection, benchmark: str, checkpoints: int, items: int) -> None:
    size = {"benchmark": benchmark, "checkpoints": checkpoints, "items": items, "now": NOW.replace(tzinfo=None)}
    for statement in FILL.split(";\n\n"):
        con.execute(statement, {name: value for name, value in size.items() if f"${name}" in statement})


def _named(slow: list[str]) -> str:
    return f"slower: {', '.join(slow) or 'none'}"
