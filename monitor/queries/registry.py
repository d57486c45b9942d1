"""The registry: each question is one typed function; REST, the command line, MCP and the pages all come from it.

    @query
    def top_errors(ask: Ask, *, start: Moment, end: Moment, limit: Rows = 20) -> pa.Table:
        \"\"\"One line that says what it answers.\"\"\"

A query is read-only, bounded by a window and a row cap, and decides neither colours nor wording.
"""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from monitor.errors import BadInput, NotFound
from monitor.records import Fleet
from monitor.store.database import Connection

Source = Literal["production", "canary", "probe", "shadow", "demo"]
By = Literal["deployment", "model", "checkpoint", "environment", "all"]
Reference = Literal["day", "week"]
Metric = Literal["latency_ms", "ttft_ms", "queue_ms"]
Names = Annotated[list[str], Field(default=[], max_length=200, description="empty: all")]
ALL: list[str] = []
Rows = Annotated[int, Field(ge=1, le=10_000, description="most rows")]


MOMENT = "RFC 3339 (without an offset: UTC), or relative to now: `now`, `-15m`, `-24h`, `-7d`"
Moment = Annotated[datetime, MOMENT]


@dataclass(frozen=True, slots=True)
class Ask:
    """What every query may use: a reading cursor, the fleet, and the frozen `now` (aware, UTC)."""

    con: Connection
    fleet: Fleet
    now: datetime
    process: Callable[[], Mapping[str, float]] = dict  # figures that only the owning process knows

    def sql(self, statement: str, /, **values: Any) -> pa.Table:
        """Run one statement; aware times are handed over as the store keeps them."""
        naive = {k: v.astimezone(UTC).replace(tzinfo=None) if isinstance(v, datetime) else v for k, v in values.items()}
        return self.con.sql(statement, params=naive).to_arrow_table()


@dataclass(frozen=True, slots=True)
class Query:
    """One registered question."""

    name: str
    run: Callable[..., pa.Table]
    params: type[BaseModel]
    moments: frozenset[str]
    doc: str

    @property
    def summary(self) -> str:
        return self.doc.split("\n", 1)[0]


QUERIES: dict[str, Query] = {}

_RELATIVE = re.compile(r"^-(\d+)([smhdw])$")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def query(function: Callable[..., pa.Table]) -> Callable[..., pa.Table]:
    """Register a function under its name; its keyword parameters become the parameters of every door."""
    name, doc = function.__name__, inspect.getdoc(function)
    assert doc, f"query {name} needs a docstring"
    assert name not in QUERIES, f"there are two queries {name}"
    fields: dict[str, Any] = {}
    moments = set()
    for parameter in list(inspect.signature(function).parameters.values())[1:]:
        kind, default = parameter.annotation, parameter.default
        required = default is inspect.Parameter.empty
        if kind == Moment or kind == (Moment | None):  # comes in as text, and is resolved once `now` is known
            moments.add(parameter.name)
            kind = Annotated[str if kind == Moment else str | None, Field(description=MOMENT)]
        fields[parameter.name] = (kind, ... if required else default)
    params = create_model(name, __config__=ConfigDict(extra="forbid"), **fields)
    QUERIES[name] = Query(name, function, params, frozenset(moments), doc)
    return function


def find(name: str) -> Query:
    """Raises NotFound with the names there are."""
    if name not in QUERIES:
        raise NotFound(f"there is no query {name!r}; there are {', '.join(sorted(QUERIES))}")
    return QUERIES[name]


def ask(name: str, params: Mapping[str, Any], by: Ask) -> pa.Table:
    """Check the parameters, run the query, and mark its times as UTC. Raises NotFound and BadInput."""
    found = find(name)
    try:
        checked = found.params(**params)
    except ValidationError as error:
        raise BadInput(f"{name}: {_explain(error, found)}") from None
    values = {key: getattr(checked, key) for key in found.params.model_fields}
    for key in found.moments:
        values[key] = parse_moment(key, values[key], by.now) if values[key] is not None else None
    window = [values[name] for name in ("start", "end") if name in found.moments and values[name] is not None]
    if len(window) == 2 and window[0] >= window[1]:
        raise BadInput(f"{name}: start {values['start'].isoformat()} is not before end {values['end'].isoformat()}")
    return _in_utc(found.run(by, **values))


def parse_moment(name: str, text: str, now: datetime) -> datetime:
    """A parameter as an aware time in UTC. Raises BadInput."""
    if text == "now":
        return now
    if relative := _RELATIVE.match(text):
        try:
            return now - timedelta(seconds=int(relative[1]) * _UNITS[relative[2]])
        except OverflowError:
            raise BadInput(f"{name} is {text!r}: too long ago") from None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(
            f"{name} is {text!r}: expected RFC 3339 such as 2026-01-31T12:00:00Z, `now`, or relative such as -24h, -7d"
        ) from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _explain(error: ValidationError, found: Query) -> str:
    problems = []
    for one in error.errors():
        name = ".".join(str(part) for part in one["loc"])
        if one["type"] == "extra_forbidden":
            problems.append(f"there is no parameter {name!r}; there are {', '.join(found.params.model_fields)}")
        else:
            problems.append(
                f"{name} is {one['input']!r}: {one['msg'][:1].lower()}{one['msg'][1:]}"
                if one["type"] != "missing"
                else f"{name} is missing"
            )
    return "; ".join(problems)


def _in_utc(table: pa.Table) -> pa.Table:
    naive = pa.timestamp("us")
    fields = [field.with_type(pa.timestamp("us", tz="UTC")) if field.type == naive else field for field in table.schema]
    return table.cast(pa.schema(fields))
