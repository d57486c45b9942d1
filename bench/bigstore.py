"""Builds stores with many predictions: rows by SQL into the store's own tables, then the store's own rollup functions.

30 days with a daily rhythm: 4 models in 9 deployments each, every deployment moves through the 3 checkpoints of its
model. Texts are short (about 50 characters), features and attributes are left out: 100 million rows fit on a laptop.
A built store is kept and used again; it ends at `Store.end`.
"""

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.words import vocabulary
from monitor.fleet import load_fleet
from monitor.records import Fleet
from monitor.store.archive import EVER, expire_rollups
from monitor.store.database import FILE, Connection, naive, open_database
from monitor.store.rollups import GRAINS, recompute

DAYS = 30
MODELS = ("chat", "code", "vision", "rerank")
ENVIRONMENTS = ("production", "production", "staging")
REGIONS = ("eu", "us", "asia")
STEPS = (300, 600, 900)
ERRORS = ("timeout", "out_of_memory", "bad_request", "upstream_502", "content_filter")
VERSION = 1
"""Raise it when the rows change: kept stores of another version are built anew."""

_CREATE_BASE = """
create temp table base as
with shares as (
    select m, m / 1440 + 0.08 * (cos(2 * pi() * 540 / 1440) - cos(2 * pi() * (m - 540) / 1440)) as before,
        (m + 1) / 1440 + 0.08 * (cos(2 * pi() * 540 / 1440) - cos(2 * pi() * (m - 539) / 1440)) as after
    from range(1440) as minutes(m)
),
minutes as (
    select m, floor($per_day * before)::bigint as first_row, floor($per_day * after)::bigint as last_row
    from shares
)
select i, ((m + (i - first_row + 0.5) / (last_row - first_row)) * 60e6)::bigint as offset_us
from minutes, unnest(range(first_row, last_row)) as rows(i)
"""
"""One day: the row number, and microseconds since midnight; afternoons have three times the traffic of nights."""

_INSERT_DAY = """
insert into predictions (
    ts, received_at, event_id, deployment, model, checkpoint, environment, source, status,
    error_type, error_message, finish_reason, latency_ms, ttft_ms, queue_ms, tokens_in, tokens_out,
    input_text, output_text, confidence, cost_usd, session_id
)
with times as (
    select $midnight::timestamp + to_microseconds(offset_us) as ts, $day * $per_day + i as row
    from base
    where ts >= $start and ts < $end
),
draws as (
    select *, hash(row * 4) as a, hash(row * 4 + 1) as b, hash(row * 4 + 2) as c,
        a::double / pow(2, 64) as share, (b::double + 1) / pow(2, 64) as radius, c::double / pow(2, 64) as angle
    from times
),
served as (
    select *, least(35, floor(36 * pow(share, 1.7)))::integer as d, b % 1000 < 8 as failed,
        exp(5.5 + 0.15 * (d % 9) + 0.5 * sqrt(-2 * ln(least(radius, 1))) * cos(2 * pi() * angle)) as latency
    from draws
)
select ts, ts + to_microseconds((latency * 1000)::bigint), '5eed00000000000000ab' || lpad(lower(to_hex(row)), 12, '0'),
    deployment, model,
    model || '-step-' || case when $day >= 20 + d % 5 then 900 when $day >= 10 + d % 5 then 600 else 300 end,
    environment,
    case when c % 50 = 0 then 'canary' else 'production' end,
    case when failed then 'error' else 'ok' end,
    case when failed then $errors[(1 + (c // 64) % 5)::bigint] end,
    case when failed then 'upstream answered ' || $errors[(1 + (c // 64) % 5)::bigint] end,
    case when failed then 'error' else 'stop' end,
    round(latency, 3), case when not failed then round(latency * 0.2, 3) end, round((a % 1000) / 100, 2),
    20 + (a // 1024) % 400, case when failed then 0 else 1 + (c // 1024) % 300 end,
    {input_text}, case when failed then '' else {output_text} end,
    round((c // 4096) % 10000 / 10000, 4), round((c // 1024) % 300 * 0.00002, 6), lower(to_hex(a // 4294967296))
from served join names using (d)
"""

_SEEN = """
insert into deployments_seen
select deployment, source, model, checkpoint, environment, min(first_ts), max(last_ts), sum(n)
from counts
where grain_s = 86400
group by all
"""


@dataclass(frozen=True, slots=True)
class Store:
    """A built store: its data folder, how many predictions it holds, where they end, and how long the build took."""

    data: Path
    rows: int
    end: datetime
    build_s: float
    bytes: int

    @property
    def fleet(self) -> Fleet:
        return load_fleet(self.data.parent / "watchpoint.toml")

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """The store opened in this process, with the settings of `api`."""
        con = open_database(self.data / FILE, self.end)
        try:
            yield con
        finally:
            con.close()


def stored(folder: Path, rows: int, *, no_older_than: timedelta | None = None) -> Store:
    """The store with this many predictions: the kept one if it fits, else a new one that ends now (to the minute)."""
    place = folder.resolve() / f"{rows // 1000}k"
    note = place / "store.json"
    if note.exists():
        known = json.loads(note.read_text())
        end = datetime.fromisoformat(known["end"])
        fresh = no_older_than is None or datetime.now(UTC) - end < no_older_than
        if known["version"] == VERSION and fresh:
            return Store(place / "data", rows, end, known["build_s"], _size(place / "data"))
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    end = datetime.now(UTC).replace(second=0, microsecond=0)
    print(f"building a store of {rows:,} predictions in {place}", flush=True)
    began = time.monotonic()
    _write_fleet(place / "watchpoint.toml")
    _build(place / "data" / FILE, rows, end, load_fleet(place / "watchpoint.toml"))
    build_s = time.monotonic() - began
    note.write_text(json.dumps({"version": VERSION, "end": end.isoformat(), "build_s": build_s}))
    return Store(place / "data", rows, end, build_s, _size(place / "data"))


def _build(path: Path, rows: int, end: datetime, fleet: Fleet) -> None:
    con = open_database(path, end)
    _prepare(con, rows, fleet)
    start, midnight = naive(end - timedelta(days=DAYS)), naive(end - timedelta(days=DAYS)).replace(hour=0, minute=0)
    for day in range(DAYS + 1):
        window = {"start": start, "end": naive(end), "midnight": midnight + timedelta(days=day)}
        _insert_day(con, window | {"day": day, "per_day": rows // DAYS, "errors": list(ERRORS), "words": _words()})
        _roll(con, window["midnight"])
        expire_rollups(con, end, 90, 48)
        con.execute("checkpoint")
    con.execute(_SEEN)
    con.close()


def _prepare(con: Connection, rows: int, fleet: Fleet) -> None:
    con.execute(_CREATE_BASE, {"per_day": rows // DAYS})
    con.execute("create temp table names (d integer, deployment varchar, model varchar, environment varchar)")
    for d, one in enumerate(fleet.deployments.values()):
        con.execute("insert into names values ($1, $2, $3, $4)", [d, one.id, one.model, one.environment])
        con.execute("insert into slos values ($1, $2)", [one.id, one.slo.latency_ms])


def _insert_day(con: Connection, values: dict[str, object]) -> None:
    con.execute(_INSERT_DAY.format(input_text=_text("a"), output_text=_text("b")), values)


def _text(number: str) -> str:
    """Seven words picked by a 64-bit number."""
    return " || ' ' || ".join(f"$words[(1 + ({number} // {256**place}) % 256)::bigint]" for place in range(7))


def _words() -> list[str]:
    return vocabulary()[:256]


def _roll(con: Connection, midnight: datetime) -> None:
    """Roll one day up as the owner does: grain by grain, in runs of the size that it uses."""
    for grain in GRAINS:
        step = timedelta(seconds=grain.seconds * grain.most_buckets)
        start = midnight
        while start < midnight + timedelta(days=1):
            recompute(con, grain, start, start + step, EVER)
            start += step


def _write_fleet(path: Path) -> None:
    """Every deployment that the rows name, each with an SLO."""
    lines = []
    for model in MODELS:
        lines.append(f"[models.{model}]")
        for step in STEPS:
            lines += [f"[checkpoints.{model}-step-{step}]", f'model = "{model}"', f"step = {step}"]
        for place, region in enumerate(REGIONS):
            for number in range(3):
                name = f"{model}-{region}-{number + 1}"
                lines += [f"[deployments.{name}]", f'checkpoint = "{model}-step-900"']
                lines += [f'environment = "{ENVIRONMENTS[place]}"']
                lines += [f"[deployments.{name}.slo]", "availability = 0.99", "latency_ms = 2000"]
    path.write_text("\n".join(lines) + "\n")


def _size(data: Path) -> int:
    return sum(file.stat().st_size for file in data.rglob("*") if file.is_file())
