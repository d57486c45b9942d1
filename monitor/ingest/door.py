"""The door: takes a body of predictions, keeps the good ones durably, keeps the bad ones with their reason, answers both.

Called by the HTTP route, and directly by jobs that run in the process that owns the store.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime

import msgspec

from monitor.errors import BadInput
from monitor.ingest.decode import decode_body, raw_event, unzip
from monitor.ingest.event import Event, Row
from monitor.ingest.normalise import Normaliser, stamp
from monitor.ingest.spool import Spool, make_frame

MAX_NAMED = 100
MAX_RAW_BYTES = 64 * 1024
REMEMBERED_KEYS = 200_000


class Problem(msgspec.Struct):
    """A rejected event: its place in the body, and why."""

    index: int
    reason: str


class Remark(msgspec.Struct):
    """An accepted event that was changed on the way in."""

    index: int
    message: str


class Answer(msgspec.Struct):
    """What a body of predictions came to. `errors` and `warnings` name at most 100 events each; the counts are complete."""

    accepted: int
    rejected: int
    duplicates: int = 0
    errors: list[Problem] = []
    warnings: list[Remark] = []
    replayed: bool = False


class KeyReused(BadInput):
    """One Idempotency-Key for two different bodies."""

    status = 422


class Reject(msgspec.Struct, omit_defaults=True):
    """The spool line of an event that was refused."""

    reject: str
    received_at: str
    bytes: int
    raw: str
    deployment: str | None = None


_row_encoder = msgspec.json.Encoder()
StoredIds = Callable[[Sequence[Row]], set[str]]
LedgerLookup = Callable[[str], tuple[str, str] | None]


class Keys:
    """The Idempotency-Keys seen lately, in memory; older ones are asked of the ledger in the store."""

    def __init__(self, lookup: LedgerLookup) -> None:
        self._lookup = lookup
        self._seen: OrderedDict[str, tuple[str, str | Future[Answer]]] = OrderedDict()
        self._lock = threading.Lock()
        self._complete = True

    def load(self, known: Sequence[tuple[str, str, str]], *, complete: bool) -> None:
        """Fill from (key, digest, answer), oldest first. `complete`: the ledger holds no other."""
        for key, digest, answer in known:
            self._seen[key] = (digest, answer)
        self._complete = complete

    def claim(self, key: str, digest: str, mine: "Future[Answer]") -> str | Future[Answer] | None:
        """None: the key is new, and now belongs to `mine`. Else the answer that it already has, or will have."""
        with self._lock:
            found = self._seen.get(key)
            if found is None and not self._complete:
                found = self._lookup(key)
            if found is None:
                self._seen[key] = (digest, mine)
                if len(self._seen) > REMEMBERED_KEYS:
                    self._seen.popitem(last=False)
                    self._complete = False
                return None
        if found[0] != digest:
            raise KeyReused(f"Idempotency-Key {key!r} was used for another body; use a new key for each batch")
        return found[1]

    def settle(self, key: str, digest: str, answer: str) -> None:
        with self._lock:
            self._seen[key] = (digest, answer)

    def forget(self, key: str) -> None:
        """The batch was not kept, so that the key may be tried again."""
        with self._lock:
            self._seen.pop(key, None)


class Door:
    """Everything between bytes and an acknowledged answer."""

    def __init__(
        self, normaliser: Normaliser, spool: Spool, keys: Keys, stored: StoredIds, max_body_bytes: int
    ) -> None:
        self._normaliser, self._spool, self._keys, self._stored = normaliser, spool, keys, stored
        self._max_body = max_body_bytes
        self._importing = threading.Lock()
        self.oldest = datetime.min.replace(tzinfo=UTC)
        """Events before this could no longer be counted, and are rejected."""

    def accept(
        self, body: bytes, content_type: str, now: datetime, *, encoding: str = "", key: str = "", dedupe: bool = False
    ) -> "Future[Answer]":
        """Start to keep a body; the future resolves once what was accepted is on disk.

        Raises (or the future raises) BadInput, Overloaded and StorageFull; then nothing of the body was kept.
        """
        plain = unzip(body, encoding, self._max_body)
        done: Future[Answer] = Future()
        digest = ""
        if key:
            digest = hashlib.blake2b(plain, digest_size=12).hexdigest()
            earlier = self._keys.claim(key, digest, done)
            if earlier is not None:
                return _replay(earlier)
        try:
            if dedupe:
                with self._importing:
                    self._keep(plain, content_type, now, key, digest, done, dedupe=True)
                    done.exception()  # wait: the next import must see these rows
            else:
                self._keep(plain, content_type, now, key, digest, done, dedupe=False)
        except BaseException as error:
            self._keys.forget(key)
            if not done.done():
                done.set_exception(error)
            raise
        return done

    def _keep(
        self,
        plain: bytes,
        content_type: str,
        now: datetime,
        key: str,
        digest: str,
        done: "Future[Answer]",
        *,
        dedupe: bool,
    ) -> None:
        answer, rows, rejects = self._judge(plain, content_type, now)
        if dedupe and rows:
            stored = self._stored(rows)
            fresh = list({row.event_id: row for row in rows if row.event_id not in stored}.values())
            answer.duplicates, answer.accepted, rows = len(rows) - len(fresh), len(fresh), fresh
        text = msgspec.json.encode(answer).decode() if key else ""
        lines = [_row_encoder.encode(line) for line in (*rows, *rejects)]
        written = self._spool.append(make_frame(lines, len(rows), len(rejects), key, digest, text))

        def settle(outcome: "Future[None]") -> None:
            error = outcome.exception()
            if error is not None:
                self._keys.forget(key)
                done.set_exception(error)
                return
            if key:
                self._keys.settle(key, digest, text)
            done.set_result(answer)

        written.add_done_callback(settle)

    def _judge(self, plain: bytes, content_type: str, now: datetime) -> tuple[Answer, list[Row], list[Reject]]:
        """Split a body into rows and rejects."""
        candidates = decode_body(plain, content_type)
        events: list[Event] = [c.event for c in candidates if c.event is not None]
        judged = iter(self._normaliser.rows(events, now, self.oldest))
        rows: list[Row] = []
        rejects: list[Reject] = []
        answer = Answer(0, 0, errors=[], warnings=[])
        for index, candidate in enumerate(candidates):
            row = candidate.reason if candidate.event is None else next(judged)
            if isinstance(row, str):
                raw = candidate.raw or raw_event(plain, content_type, index)
                rejects.append(self._reject(row, raw, now, candidate.event))
                if len(answer.errors) < MAX_NAMED:
                    answer.errors.append(Problem(index, row))
                continue
            rows.append(row)
            if row.cut and len(answer.warnings) < MAX_NAMED:
                limit = self._normaliser.max_text_bytes
                answer.warnings.append(Remark(index, f"{'; '.join(row.cut)}; the first {limit} bytes were kept"))
        answer.accepted, answer.rejected = len(rows), len(rejects)
        return answer, rows, rejects

    def _reject(self, reason: str, raw: bytes, now: datetime, event: Event | None) -> Reject:
        clean = self._normaliser.redactor.clean
        text = clean(raw.decode("utf-8", "backslashreplace"))[:MAX_RAW_BYTES]
        return Reject(clean(reason), stamp(now), len(raw), text, event.deployment if event else None)


def _replay(earlier: "str | Future[Answer]") -> "Future[Answer]":
    done: Future[Answer] = Future()

    def answer(text: str) -> None:
        replay = msgspec.json.decode(text, type=Answer)
        replay.replayed = True
        done.set_result(replay)

    def follow(first: "Future[Answer]") -> None:
        if (error := first.exception()) is not None:
            done.set_exception(error)
        else:
            answer(msgspec.json.encode(first.result()).decode())

    if isinstance(earlier, str):
        answer(earlier)
    else:
        earlier.add_done_callback(follow)
    return done
