"""From a decoded event to the row that is kept: times, defaults from the fleet file, bounds of texts, redaction."""

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain, count
from typing import Any

import msgspec

from monitor.errors import BadInput
from monitor.ingest.event import IDS, SHORT_TEXTS, TEXTS, Event, Row
from monitor.ingest.redact import Redactor
from monitor.records import Fleet

MAX_SKEW = timedelta(minutes=10)
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
MAX_ATTRS_BYTES = 64 * 1024
MAX_DEPTH = 8
MAX_FEATURE_BYTES = 1024


class Rejected(BadInput):
    """This one event cannot be kept; its neighbours can."""


class EventIds:
    """Ids for events without one: unique by a random start per process, and in order, so that they compress well."""

    def __init__(self) -> None:
        self._prefix = os.urandom(10).hex()
        self._numbers = count()

    def next(self) -> str:
        return f"{self._prefix}{next(self._numbers):012x}"


@dataclass(frozen=True, slots=True)
class Normaliser:
    """What every event is held against. `salt` keeps user hashes of two installations apart."""

    fleet: Fleet
    redactor: Redactor
    salt: bytes
    max_text_bytes: int
    ids: EventIds

    def rows(self, events: list[Event], now: datetime, oldest: datetime) -> list[Row | str]:
        """Each event as a row, or the reason why it is rejected. `oldest`: older events could no longer be counted."""
        arrived = stamp(now)
        found = [self._row_or_reason(event, now, arrived, oldest) for event in events]
        rows = [row for row in found if isinstance(row, Row)]
        for row in self._suspects(rows, _texts, cards=True):
            self._redact(row)
        for row in self._suspects(rows, _ids, cards=False):  # hexadecimal digits look like cards too often
            self._hide_ids(row)
        return found

    def _suspects(self, rows: list[Row], texts: Callable[[Row], list[str]], *, cards: bool) -> list[Row]:
        """Rows with something to redact. One pass over the texts of all of them finds out that there are none."""
        found = self.redactor.found
        if not found(list(chain.from_iterable(map(texts, rows))), cards=cards):
            return []
        return [row for row in rows if found(texts(row), cards=cards)]

    def _row_or_reason(self, event: Event, now: datetime, arrived: str, oldest: datetime) -> Row | str:
        try:
            return self._row(event, now, arrived, oldest)
        except Rejected as reason:
            return str(reason)

    def _row(self, event: Event, now: datetime, arrived: str, oldest: datetime) -> Row:
        deployed = self.fleet.deployments.get(event.deployment)
        numbers, strings = _split_features(event.features) if event.features else (None, None)
        row = Row(
            event.deployment,
            event.event_id or self.ids.next(),
            arrived if event.ts is None else stamp(_time(event.ts, now, oldest)),
            arrived,
            event.source,
            event.status or ("error" if event.error_type else "ok"),
            event.model or (deployed.model if deployed else None),
            event.checkpoint or (deployed.checkpoint if deployed else None),
            event.environment or (deployed.environment if deployed else None),
            event.error_type or None,
            event.error_message,
            event.finish_reason,
            event.latency_ms,
            event.ttft_ms,
            event.queue_ms,
            event.tokens_in,
            event.tokens_out,
            event.input_text,
            event.output_text,
            event.media,
            event.confidence,
            numbers,
            strings,
            event.label,
            event.feedback,
            event.feedback_text,
            event.cost_usd,
            event.session_id,
            event.trace_id,
            event.user_hash or (self._hash(event.user) if event.user else None),
            _packed(event.attrs) if event.attrs else msgspec.UNSET,
        )
        self._cut(row)
        return row

    def _hash(self, text: str) -> str:
        return hashlib.blake2b(text.encode(), key=self.salt, digest_size=12).hexdigest()

    def _cut(self, row: Row) -> None:
        for name in TEXTS:
            text = getattr(row, name)
            # characters are cheap to count; only a text that might be too long is encoded
            if text is not None and len(text) * 4 > self.max_text_bytes and len(text.encode()) > self.max_text_bytes:
                setattr(row, name, self.redactor.head(text, self.max_text_bytes))
                row.cut = [*(row.cut or ()), name]
        for name, text in (row.features_str or {}).items():
            if len(text) > MAX_FEATURE_BYTES // 4 and len(text.encode()) > MAX_FEATURE_BYTES:
                assert row.features_str is not None
                row.features_str[name] = self.redactor.head(text, MAX_FEATURE_BYTES)
                row.cut = [*(row.cut or ()), *(["features"] if "features" not in (row.cut or ()) else [])]

    def _redact(self, row: Row) -> None:
        clean = self.redactor.clean
        for name in TEXTS + SHORT_TEXTS:
            if text := getattr(row, name):
                setattr(row, name, clean(text))
        if row.features_num:
            row.features_num = {clean(name): number for name, number in row.features_num.items()}
        if row.features_str:
            row.features_str = {clean(name): clean(text) for name, text in row.features_str.items()}
        for media in row.media or ():
            media.mime = clean(media.mime) if media.mime else None
            media.uri = clean(media.uri) if media.uri else None
        if isinstance(row.attrs, msgspec.Raw):
            row.attrs = msgspec.Raw(msgspec.json.encode(self.redactor.clean_json(msgspec.json.decode(row.attrs))))

    def _hide_ids(self, row: Row) -> None:
        for name in IDS:
            if (text := getattr(row, name)) and self.redactor.found([text], cards=False):
                setattr(row, name, self._hash(text))


def stamp(time: datetime) -> str:
    """A time as the spool writes it: UTC, microseconds, no offset, as DuckDB's TIMESTAMP reads it fastest."""
    utc = time if time.tzinfo is UTC else time.astimezone(UTC)
    return utc.replace(tzinfo=None).isoformat(timespec="microseconds")


def _time(given: datetime | int | float, now: datetime, oldest: datetime) -> datetime:
    time = _moment(given)
    if time > now + MAX_SKEW:
        raise Rejected(
            f"ts is {time.isoformat()}: more than 10 minutes in the future; send UTC, and check the sender's clock"
        )
    if time < EARLIEST:
        raise Rejected(
            f"ts is {time.isoformat()}: before 2000; check its unit (epoch seconds, ms, us or ns) and send it again"
        )
    if time < oldest:
        raise Rejected(
            f"ts is {time.isoformat()}: raw predictions before {oldest.isoformat()} have left the store for good, "
            "and a late one could no longer be counted"
        )
    return time


def _moment(given: datetime | int | float) -> datetime:
    """An epoch number is told by its size: seconds until the year 5138, then milli-, micro-, nanoseconds."""
    if isinstance(given, datetime):
        return given if given.tzinfo is not None else given.replace(tzinfo=UTC)
    size = abs(given)
    divisor = 1 if size < 1e11 else 1e3 if size < 1e14 else 1e6 if size < 1e17 else 1e9
    try:
        return datetime.fromtimestamp(given / divisor, UTC)
    except (ValueError, OverflowError, OSError):
        raise Rejected(f"ts is {given}: not a time; send RFC 3339 or a number since the epoch") from None


def _texts(row: Row) -> list[str]:
    """Every text of a row that might need redaction."""
    fields = (
        row.input_text,
        row.output_text,
        row.error_message,
        row.feedback_text,
        row.label,
        row.error_type,
        row.finish_reason,
    )
    texts = [text for text in fields if text]
    if row.features_num:
        texts += row.features_num
    if row.features_str:
        texts += [*row.features_str, *row.features_str.values()]
    for media in row.media or ():
        texts += [text for text in (media.mime, media.uri) if text]
    if isinstance(row.attrs, msgspec.Raw):
        attrs = bytes(row.attrs)
        # an escape could stand in the way of a pattern, so such attributes are looked at decoded
        texts += _leaves(msgspec.json.decode(attrs)) if b"\\" in attrs else (attrs.decode(),)
    return texts


def _ids(row: Row) -> list[str]:
    return [text for text in (row.event_id, row.session_id, row.trace_id, row.user_hash) if text]


def _leaves(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    else:
        yield str(value)


def _packed(attrs: dict[str, Any]) -> msgspec.Raw:
    """Attributes as JSON on one line. Raises Rejected past a bound."""
    packed = msgspec.json.encode(attrs)
    if len(packed) > MAX_ATTRS_BYTES:
        raise Rejected(f"attrs is {len(packed)} bytes of JSON; allowed are {MAX_ATTRS_BYTES}")
    # brackets inside strings count too, so only a suspect is looked into, and none is missed
    if packed.count(b"{") + packed.count(b"[") > MAX_DEPTH and (depth := _depth(attrs)) > MAX_DEPTH:
        raise Rejected(f"attrs is nested {depth} levels deep; allowed are {MAX_DEPTH}")
    return msgspec.Raw(packed)


def _depth(value: object) -> int:
    level, depth = [value], 0
    while level := [v for v in level if isinstance(v, dict | list)]:
        depth += 1
        level = [inner for value in level for inner in (value.values() if isinstance(value, dict) else value)]
    return depth


def _split_features(
    features: dict[str, float | str | bool | None],
) -> tuple[dict[str, float] | None, dict[str, str] | None]:
    numbers: dict[str, float] = {}
    strings: dict[str, str] = {}
    for name, value in features.items():
        if isinstance(value, bool):
            strings[name] = "true" if value else "false"
        elif isinstance(value, str):
            strings[name] = value
        elif value is not None:
            numbers[name] = float(value)
    return numbers or None, strings or None
