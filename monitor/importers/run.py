"""Send an import to the door and count what became of it; the command line calls `run_import` and prints the counts."""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from monitor.errors import TooLarge
from monitor.importers.records import Import, Row, Summary

CHUNK_BYTES = 4 * 1024 * 1024
SHOWN_PROBLEMS = 20
MOST_REASONS = 50

Send = Callable[[list[bytes]], dict[str, Any]]
"""Posts lines of NDJSON with `?dedupe=event_id`, and returns the door's answer; raises TooLarge for 413."""

Progress = Callable[[int, int], None]
"""Called with how much is done and how much there is, in the unit of the import."""

_VALUES = re.compile(r"'[^']*'|\"[^\"]*\"|-?\d+(\.\d+)?")


class _Reasons:
    """Reasons that differ only in their values count as one, under the first text; bounded, whatever a log holds."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._shown: dict[str, str] = {}

    def add(self, text: str, times: int = 1) -> None:
        kind = _VALUES.sub("", text[:300])
        if kind not in self._shown and len(self._shown) >= MOST_REASONS:
            text = kind = "other reasons"
        self.counts[self._shown.setdefault(kind, text[:300])] += times


@dataclass(slots=True)
class _Tally:
    """The counts while they grow."""

    read: int = 0
    accepted: int = 0
    rejected: int = 0
    duplicate: int = 0
    unreadable: int = 0
    reasons: _Reasons = field(default_factory=_Reasons)
    warnings: _Reasons = field(default_factory=_Reasons)
    first: str | None = None
    last: str | None = None
    problems: list[Row] = field(default_factory=list)

    def summary(self, dry_run: bool) -> Summary:
        return Summary(
            read=self.read,
            accepted=self.accepted,
            rejected=self.rejected,
            duplicate=self.duplicate,
            unreadable=self.unreadable,
            reasons=dict(self.reasons.counts),
            first_ts=_moment(self.first),
            last_ts=_moment(self.last),
            problems=tuple(self.problems),
            warnings=dict(self.warnings.counts),
            dry_run=dry_run,
        )


def _moment(ts: str | None) -> datetime | None:
    return datetime.fromisoformat(ts) if ts else None


@dataclass(slots=True)
class _Chunk:
    """Lines on their way; `raw` are the positions of lines that are no JSON, which the door rejects and keeps."""

    lines: list[bytes] = field(default_factory=list)
    raw: set[int] = field(default_factory=set)
    size: int = 0

    def add(self, line: bytes, *, raw: bool = False) -> None:
        if raw:
            self.raw.add(len(self.lines))
        self.lines.append(line)
        self.size += len(line) + 1


def run_import(
    imported: Import, send: Send, *, chunk: int = 2000, dry_run: bool = False, on_progress: Progress | None = None
) -> Summary:
    """Send every row, in chunks of at most `chunk` rows and 4 MiB; a dry run reads and counts, and sends nothing.

    What `send` raises ends the import; importing again goes on, because rows that are stored already are duplicates.
    """
    tally, waiting = _Tally(), _Chunk()
    encode = msgspec.json.Encoder(enc_hook=str).encode
    for found in imported:
        row, line = _line(found, encode)
        if waiting.lines and (len(waiting.lines) >= chunk or waiting.size + len(line or b"") > CHUNK_BYTES):
            _deliver(waiting, send, tally)
            waiting = _Chunk()
            if on_progress:
                on_progress(row.at, imported.total)
        _count(row, tally)
        if line is not None and not dry_run:
            waiting.add(line, raw=row.event is None)
        elif on_progress and tally.read % chunk == 0:
            on_progress(row.at, imported.total)
    if waiting.lines:
        _deliver(waiting, send, tally)
    if on_progress:
        on_progress(imported.total, imported.total)
    return tally.summary(dry_run)


def _line(row: Row, encode: Callable[[Any], bytes]) -> tuple[Row, bytes | None]:
    """What is sent for a row: its event, or the raw line that the door shall keep as a reject, or nothing."""
    try:
        return row, encode(row.event) if row.event is not None else row.raw
    except RecursionError:
        return Row(row.line, None, "the row is nested too deeply", None, row.at), None


def _count(row: Row, tally: _Tally) -> None:
    tally.read += 1
    if row.event is None:
        tally.unreadable += 1
        tally.reasons.add(row.problem or "unreadable")
        if len(tally.problems) < SHOWN_PROBLEMS:
            tally.problems.append(row)
        return
    ts = row.event["ts"]  # one width and one zone: text order is time order
    tally.first = min(tally.first or ts, ts)
    tally.last = max(tally.last or ts, ts)


def _deliver(chunk: _Chunk, send: Send, tally: _Tally) -> None:
    """Send a chunk and count the answer; what is too large for the door's configuration is halved."""
    try:
        answer = send(chunk.lines)
    except TooLarge as error:
        if len(chunk.lines) > 1:
            for half in _halves(chunk):
                _deliver(half, send, tally)
            return
        answer = {"accepted": 0, "rejected": 1, "errors": [{"index": 0, "reason": str(error)}]}
    rejected = max(0, answer.get("rejected", 0) - len(chunk.raw))
    tally.accepted += answer.get("accepted", 0)
    tally.duplicate += answer.get("duplicates", 0)
    tally.rejected += rejected
    named = [entry["reason"] for entry in answer.get("errors", ()) if entry.get("index") not in chunk.raw]
    for reason in named:
        tally.reasons.add(reason)
    if rejected > len(named):
        tally.reasons.add("not named by the door, which names 100 per request", rejected - len(named))
    for warning in answer.get("warnings", ()):
        tally.warnings.add(warning["message"])


def _halves(chunk: _Chunk) -> tuple[_Chunk, _Chunk]:
    middle = len(chunk.lines) // 2
    halves = _Chunk(), _Chunk()
    for index, line in enumerate(chunk.lines):
        halves[index >= middle].add(line, raw=index in chunk.raw)
    return halves


def format_summary(summary: Summary) -> str:
    """The summary as lines for a terminal."""
    sent = summary.read - summary.unreadable
    counts = (
        f"{sent:,} can be sent, nothing was sent (dry run)"
        if summary.dry_run
        else f"accepted {summary.accepted:,}, rejected {summary.rejected:,}, duplicate {summary.duplicate:,}"
    )
    lines = [f"read {summary.read:,} rows: {counts}, unreadable {summary.unreadable:,}"]
    if summary.first_ts and summary.last_ts:
        lines.append(f"from {summary.first_ts:%Y-%m-%d %H:%M:%S} to {summary.last_ts:%Y-%m-%d %H:%M:%S} UTC")
    lines += [f"  {count:,} x {reason}" for reason, count in _by_count(summary.reasons)]
    lines += [f"  warning, {count:,} x {message}" for message, count in _by_count(summary.warnings)]
    if summary.problems:
        lines.append(
            "unreadable rows" + (f" (the first {SHOWN_PROBLEMS})" if summary.unreadable > SHOWN_PROBLEMS else "")
        )
        lines += [f"  line {row.line}: {row.problem}" for row in summary.problems]
    return "\n".join(lines)


def _by_count(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda pair: -pair[1])


def format_columns(imported: Import) -> str:
    """Where each column goes, for the preview."""
    columns = (
        f"  {column.name} -> {f'{column.target} ({column.how})' if column.target else 'left out'}"
        for column in imported.columns
    )
    notes = (f"note: {note}" for note in imported.notes)
    return "\n".join([f"{imported.path} read as {imported.importer}", *columns, *notes])
