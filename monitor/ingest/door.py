"""The door: takes a body of predictions, keeps the good ones durably and the bad ones with their reason, answers both.

Called by the HTTP route, and directly by jobs that run in the process that owns the store.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import Any

import msgspec

from monitor.errors import BadInput
from monitor.ingest.decode import decode_body, split_body, unzip
from monitor.ingest.event import Event, Row
from monitor.ingest.normalise import Normaliser, stamp
from monitor.ingest.redact import MARGIN
from monitor.ingest.spool import Spool, make_frame, promise

MAX_NAMED = 100
MAX_RAW_BYTES = 64 * 1024
MAX_REASON = 500
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
    """What a body of predictions came to: all are counted, and `errors` and `warnings` name at most 100 events each."""

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


class _Named(msgspec.Struct):
    """What can be read of an event that cannot be decoded."""

    deployment: Any = None


_encode = msgspec.json.Encoder().encode
_named = msgspec.json.Decoder(_Named)
Stored = Callable[[Sequence[Row]], set[int]]
"""The positions of those rows whose event id is stored already with the same time."""
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
                return None
        if found[0] != digest:
            raise KeyReused(f"Idempotency-Key {key!r} was used for another body; use a new key for each batch")
        return found[1]

    def settle(self, key: str, digest: str, answer: str) -> None:
        """The batch is on disk; from now on its key has this answer."""
        with self._lock:
            self._seen[key] = (digest, answer)

    def forget(self, key: str) -> None:
        """The batch was not kept, so that the key may be tried again."""
        with self._lock:
            self._seen.pop(key, None)

    def trim(self) -> None:
        """Leave the oldest to the ledger. Called when the loader has caught up, so that all of them stand in it."""
        with self._lock:
            while len(self._seen) > REMEMBERED_KEYS:
                self._seen.popitem(last=False)
                self._complete = False


class Door:
    """Everything between bytes and an acknowledged answer."""

    def __init__(self, normaliser: Normaliser, spool: Spool, keys: Keys, stored: Stored, max_body_bytes: int) -> None:
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
        done: Future[Answer] = promise()
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
            fresh = list({(r.event_id, r.ts): r for at, r in enumerate(rows) if at not in stored}.values())
            answer.duplicates, answer.accepted, rows = len(rows) - len(fresh), len(fresh), fresh
        text = _encode(answer).decode() if key else ""
        lines = [_encode(line) for line in (*rows, *rejects)]
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
        redactor = self._normaliser.redactor
        candidates = decode_body(plain, content_type, redactor.clean)
        events: list[Event] = [c.event for c in candidates if c.event is not None]
        judged = iter(self._normaliser.rows(events, now, self.oldest))
        rows: list[Row] = []
        rejects: list[Reject] = []
        raws: list[bytes] = []
        answer = Answer(0, 0, errors=[], warnings=[])
        for index, candidate in enumerate(candidates):
            row = candidate.reason if candidate.event is None else next(judged)
            if isinstance(row, str):
                raws = raws or split_body(plain, content_type)
                reason = redactor.head(row, MAX_REASON)
                rejects.append(self._reject(reason, raws[index], now))
                if len(answer.errors) < MAX_NAMED:
                    answer.errors.append(Problem(index, reason))
                continue
            rows.append(row)
            if row.cut and len(answer.warnings) < MAX_NAMED:
                limit = self._normaliser.max_text_bytes
                message = f"{', '.join(row.cut)[:MAX_REASON]}: longer than is kept ({limit} bytes of a text); cut"
                answer.warnings.append(Remark(index, message))
        answer.accepted, answer.rejected = len(rows), len(rejects)
        return answer, rows, rejects

    def _reject(self, reason: str, raw: bytes, now: datetime) -> Reject:
        redactor = self._normaliser.redactor
        text = raw[: MAX_RAW_BYTES + MARGIN + 1].decode("utf-8", "backslashreplace")
        try:
            name = _named.decode(raw).deployment
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            name = None
        deployment = redactor.clean(name[:128]) if isinstance(name, str) and name else None
        return Reject(reason, stamp(now), len(raw), redactor.head(text, MAX_RAW_BYTES, is_json=True), deployment)


def _replay(earlier: "str | Future[Answer]") -> "Future[Answer]":
    done: Future[Answer] = promise()

    def answer(text: str) -> None:
        replay = msgspec.json.decode(text, type=Answer)
        replay.replayed = True
        done.set_result(replay)

    def follow(first: "Future[Answer]") -> None:
        if (error := first.exception()) is not None:
            done.set_exception(error)
        else:
            answer(_encode(first.result()).decode())

    if isinstance(earlier, str):
        answer(earlier)
    else:
        earlier.add_done_callback(follow)
    return done
