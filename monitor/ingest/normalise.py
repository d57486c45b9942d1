"""From a decoded event to the row that is kept: times, defaults from the fleet file, bounds of texts, redaction."""

import hashlib
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count

import msgspec

from monitor.errors import BadInput
from monitor.ingest.event import TEXTS, Event, Row
from monitor.ingest.redact import Redactor
from monitor.records import Fleet

MAX_SKEW = timedelta(minutes=10)
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
MAX_ATTRS_BYTES = 64 * 1024
MAX_DEPTH = 8


class Rejected(BadInput):
    """This one event cannot be kept; its neighbours can."""


class EventIds:
    """Ids for events that come without one: unique by a random start per process, ordered so that they compress well."""

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
        dirty = self.redactor.found("\n".join(_texts(events)))
        return [self._row_or_reason(event, now, arrived, oldest, dirty) for event in events]

    def _row_or_reason(self, event: Event, now: datetime, arrived: str, oldest: datetime, dirty: bool) -> Row | str:
        try:
            return self._row(event, now, arrived, oldest, dirty)
        except Rejected as reason:
            return str(reason)

    def _row(self, event: Event, now: datetime, arrived: str, oldest: datetime, dirty: bool) -> Row:
        deployed = self.fleet.deployments.get(event.deployment)
        attrs = bytes(event.attrs)
        if attrs:
            _check_attrs(attrs)
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
            event.error_type,
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
            event.user_hash or (self._hash_user(event.user) if event.user else None),
            event.attrs if attrs and attrs != b"null" else msgspec.UNSET,
        )
        if dirty:  # before the cut, which could leave half of a secret that no pattern knows
            self._redact(row)
        self._cut(row)
        return row

    def _hash_user(self, user: str) -> str:
        return hashlib.blake2b(user.encode("utf-8", "surrogatepass"), key=self.salt, digest_size=12).hexdigest()

    def _cut(self, row: Row) -> None:
        for name in TEXTS:
            text = getattr(row, name)
            # characters are cheap to count; only a text that might be too long is encoded
            if text is not None and len(text) * 4 > self.max_text_bytes:
                encoded = text.encode()
                if len(encoded) > self.max_text_bytes:
                    setattr(row, name, encoded[: self.max_text_bytes].decode("utf-8", "ignore"))
                    row.cut = [*(row.cut or ()), f"{name}: {len(encoded)} bytes"]

    def _redact(self, row: Row) -> None:
        clean = self.redactor.clean
        for name in TEXTS:
            if text := getattr(row, name):
                setattr(row, name, clean(text))
        if row.features_str:
            row.features_str = {name: clean(text) for name, text in row.features_str.items()}
        for media in row.media or ():
            media.uri = clean(media.uri) if media.uri else None
        if isinstance(row.attrs, msgspec.Raw):
            decoded = msgspec.json.decode(row.attrs)
            row.attrs = msgspec.Raw(msgspec.json.encode(self.redactor.clean_json(decoded)))


def stamp(time: datetime) -> str:
    """A time as the spool writes it: UTC, microseconds, no offset, as DuckDB's TIMESTAMP reads it fastest."""
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


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
            f"ts is {time.isoformat()}: older than the retention of raw predictions, which begins at {oldest.isoformat()}"
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


def _texts(events: list[Event]) -> list[str]:
    """Every text of a batch that might need redaction: one pass over all of it finds out whether any does."""
    found: list[str] = []
    for event in events:
        found += [
            t for t in (event.input_text, event.output_text, event.error_message, event.feedback_text, event.label) if t
        ]
        if event.features:
            found += [v for v in event.features.values() if isinstance(v, str)]
        if event.media:
            found += [m.uri for m in event.media if m.uri]
        if attrs := bytes(event.attrs):
            found.append(_plain(attrs))
    return found


def _plain(attrs: bytes) -> str:
    """Attributes as searchable text: an escape could hide a character of a pattern, so such attrs are decoded first."""
    if b"\\" in attrs and len(attrs) <= MAX_ATTRS_BYTES:
        try:
            return str(msgspec.json.decode(attrs))
        except RecursionError:  # will be rejected for its depth
            return ""
    return attrs.decode("utf-8", "replace")


def _check_attrs(raw: bytes) -> None:
    if len(raw) > MAX_ATTRS_BYTES:
        raise Rejected(f"attrs is {len(raw)} bytes of JSON; allowed are {MAX_ATTRS_BYTES}")
    if raw[:1] != b"{" and raw != b"null":
        raise Rejected(f"attrs is {raw[:40].decode('utf-8', 'replace')}: expected an object")
    # brackets inside strings count too, so only a suspect is decoded, and none is missed
    if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH and (depth := _depth(raw)) > MAX_DEPTH:
        raise Rejected(f"attrs is nested {depth} levels deep; allowed are {MAX_DEPTH}")


def _depth(raw: bytes) -> int:
    try:
        level, depth = [msgspec.json.decode(raw)], 0
    except RecursionError:
        raise Rejected(f"attrs is nested too deeply to read; allowed are {MAX_DEPTH} levels") from None
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
            strings[name] = value[:256]
        elif value is not None:
            numbers[name] = float(value)
    return numbers or None, strings or None
