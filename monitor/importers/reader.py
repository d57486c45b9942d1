"""Open a file as an import: sniff it, plan its columns, and turn its rows into events. The command line calls it."""

from collections.abc import Callable, Iterator, Mapping
from datetime import tzinfo
from itertools import islice
from pathlib import Path
from typing import Any

from monitor.errors import BadInput
from monitor.importers.cells import BadCell
from monitor.importers.identity import Identities
from monitor.importers.mapping import Plan, apply, extended, keep_rest, plan
from monitor.importers.records import Import, Parsed, Reading, Row
from monitor.importers.source import look
from monitor.importers.table import choose
from monitor.importers.times import utc_text, zone_of
from monitor.importers.words import listed

MOST_COLUMNS = 1000

Convert = Callable[[Mapping[str, Any]], dict[str, Any]]


def open_import(
    path: str | Path,
    *,
    importer: str | None = None,
    mapping: Mapping[str, str] | None = None,
    constants: Mapping[str, str] | None = None,
    timezone: str = "UTC",
    keep_rest: bool = False,
) -> Import:
    """The file as an import; it is only looked at here, and read when iterated.

    `mapping` is target to column, `constants` target to value, `timezone` is where times without an offset belong.
    Raises BadInput when the file cannot be imported this way; a single bad row is a Row with a problem instead.
    """
    zone = zone_of(timezone)
    source = look(Path(path))
    chosen = choose(source, importer)
    reading = chosen.read(source, zone)
    planned = plan(reading, mapping or {}, constants or {})
    _require(source.path, reading, planned)
    return Import(
        path=source.path,
        importer=chosen.name,
        columns=planned.columns,
        notes=planned.notes,
        total=reading.total,
        unit=reading.unit,
        rows=lambda: _rows(chosen.name, reading, planned, zone, keep_rest),
    )


def preview(imported: Import, n: int = 5) -> list[Row]:
    """The first rows as they would be sent."""
    return list(islice(imported, n))


def _require(path: Path, reading: Reading, planned: Plan) -> None:
    """No import without a deployment and a time: without its time a row would count as new at every import."""
    ways = {
        "deployment": "add --set deployment=NAME, or name its column with --map deployment=COLUMN",
        "ts": "name the column of the time with --map ts=COLUMN",
    }
    for field, way in ways.items():
        if field not in planned.fields:
            what = "which deployment the rows belong to" if field == "deployment" else "when the rows happened"
            raise BadInput(f"{path}: it is not known {what}; {way} (columns: {listed(reading.names) or 'none'})")


def _rows(importer: str, reading: Reading, planned: Plan, zone: tzinfo, rest: bool) -> Iterator[Row]:
    identities, known = Identities(importer), {column.name for column in planned.columns}
    for parsed in reading.rows():
        if not reading.exhaustive and not known.issuperset(parsed.record) and len(known) < MOST_COLUMNS:
            late = [name for name in parsed.record if name not in known]
            known.update(late)
            planned = extended(planned, reading, late)
        if parsed.problem:
            yield Row(parsed.line, None, parsed.problem, parsed.raw, parsed.at)
            continue
        try:
            event = _event(parsed, reading.convert, planned, zone, rest)
            if not event.get("event_id"):
                event["event_id"] = identities.next_id(event["deployment"], parsed.record)
        except (ValueError, RecursionError) as error:
            problem = "the row is nested too deeply" if isinstance(error, RecursionError) else str(error)
            yield Row(parsed.line, None, problem, None, parsed.at)
            continue
        yield Row(parsed.line, event, None, None, parsed.at)


def _event(parsed: Parsed, convert: Convert, planned: Plan, zone: tzinfo, rest: bool) -> dict[str, Any]:
    """The event of a row, with a UTC time, a deployment and a source. Raises ValueError with the reason."""
    event = convert(parsed.record)
    apply(planned, parsed.record, event)
    if rest:
        keep_rest(planned, parsed.record, event)
    for field in ("ts", "deployment"):
        if event.get(field) in (None, ""):
            raise BadCell(f"{field} is missing{_where(planned, field)}")
    event["ts"] = utc_text(event["ts"], zone)
    event.setdefault("source", "production")
    return event


def _where(planned: Plan, field: str) -> str:
    names = [column.name for column in planned.columns if column.target == field]
    return f": column {names[0]} is empty" if names else ""
