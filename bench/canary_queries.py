"""Canary queries on 90 days of hourly replays: what their pages wait for, and the bar of a dashboard query."""

import statistics
import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.result import Check, Result
from monitor.config import load_settings
from monitor.queries import Ask, ask
from monitor.records import Canary, Fleet
from monitor.store.database import Connection
from monitor.store.owner import StoreOwner

BAR_MS = 50.0
JUDGING = ("canary_evidence", "canary_noise")
"""These compute what replays say, once for each run: a job waits for them, no page of the first view."""

DEPLOYMENTS = 6
FLEET = Fleet(canaries={"general": Canary("general", "general", tuple(f"deployment-{n}" for n in range(DEPLOYMENTS)))})
NOW = datetime(2026, 6, 1, tzinfo=UTC)
FILL = """
insert into canary_suites
select 'general', '0123456789abcdef', '',
    to_json(list({'item': 'item-' || n, 'item_hash': '0123456789abcdef'})), $now
from range($items) r(n);

insert into canary_items
select 'general', 'item-' || n, '0123456789abcdef',
    json_object('id', 'item-' || n, 'tags', ['tag-' || n % 8], 'weight', 1, 'group', null), $now
from range($items) r(n);

insert into canary_runs (
    run, canary, suite, version, deployment, checkpoint, slot, kind, trigger, state, claimed_by, started_at, beat_at,
    ended_at, in_flight, total, done, passed, failed, errors, tokens, usd
)
select 'run-' || d || '-' || h, 'general', 'general', '0123456789abcdef', 'deployment-' || d, 'one', moment,
    if(h = 0, 'learn', 'replay'), 'schedule', 'done', 'bench', moment, moment, moment, 8, $items,
    $items, $items, 0, 0, 0, 0
from range($deployments) r(d), range($hours) s(h), (select 1),
    lateral (select $now::timestamp - to_hours($hours - h) as moment);

insert into canary_results
select run, 'item-' || n, '0123456789abcdef', 8, k, started_at, null,
    if(hash(run, n) % 50 = 0, 'fail', 'pass'), '[]', 'an answer of some ten words, as most of them are', false,
    (hash(n) % 3)::varchar, -0.1 - n / 1000, 100, 20, 300 + hash(run, n, 1) % 100, 50, 'stop', 'm', null, null
from canary_runs, range($items) r(n), range(14) s(k)
where k = 0 or kind = 'learn';

insert into canary_signals
select run, canary, deployment, started_at, channel, 'tag-' || t, 'ok', 0, 0, 14, 24, $items // 8, null, 0, []
from canary_runs, (values ('quality'), ('behaviour'), ('latency')) c(channel), range(8) s(t)
where kind = 'replay';
"""
ONE = {"canary": "general", "deployment": "deployment-1"}
QUESTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("canary_deployments", {}),
    ("canary_runs", {}),
    ("canary_matrix", ONE),
    ("canary_item", ONE | {"item": "item-7"}),
    ("canary_trend", ONE),
    ("canary_signals", {}),
    ("canary_changes", {"start": "-7d", "end": "now"}),
    ("canary_comparison", {"canary": "general", "a": "deployment-1", "b": "deployment-2"}),
    ("canary_parted", {"canary": "general", "a": "deployment-1", "b": "deployment-2"}),
    ("canary_evidence", ONE),
    ("canary_noise", ONE),
)


def run(quick: bool, folder: Path) -> Result:
    """One row for each query: median and largest of several runs."""
    hours = 200 if quick else 90 * 24
    size = {"items": 60, "deployments": DEPLOYMENTS, "hours": hours, "now": NOW.replace(tzinfo=None)}
    rows = []
    with TemporaryDirectory() as made:
        owner = StoreOwner(load_settings({}, data_dir=made), FLEET, lambda: NOW)
        owner.start()
        try:
            owner.run(lambda con: _fill(con, size)).result()
            with owner.cursor() as con:
                (results,) = con.execute("select count(*) from canary_results").fetchall()[0]
                by = Ask(con, FLEET, NOW)
                rows = [timed(name, params, by) for name, params in QUESTIONS]
        finally:
            owner.stop()
    slow = [row["query"] for row in rows if row["query"] not in JUDGING and row["median ms"] > BAR_MS]
    bar = f"each query of the pages under {BAR_MS:g} ms with {results:,} results"
    return Result(rows, [Check(bar, f"slower: {', '.join(slow) or 'none'}", not slow)], {"results": results})


def _fill(con: Connection, size: dict[str, Any]) -> None:
    for statement in FILL.split(";\n\n"):
        named = {name: value for name, value in size.items() if f"${name}" in statement}
        con.execute(statement, named)


def timed(name: str, params: dict[str, Any], by: Ask, times: int = 7) -> dict[str, Any]:
    """Median and largest of several runs of a query, and the first one, which may have to compute what is then kept."""
    taken = []
    began = time.perf_counter()
    table = ask(name, params, by)
    first = (time.perf_counter() - began) * 1e3
    for _ in range(times):
        began = time.perf_counter()
        table = ask(name, params, by)
        taken.append((time.perf_counter() - began) * 1e3)
    figures = {"median ms": statistics.median(taken), "largest ms": max(taken), "first ms": first}
    return {"query": name, "rows": table.num_rows, **figures}
