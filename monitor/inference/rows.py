"""A request on its way through the engine: it waits, is a row of the batch, and ends with one outcome or error."""

import logging
import time
from collections.abc import Callable

from monitor.chat import Generation, Piece
from monitor.errors import WatchpointError
from monitor.inference.checkpoint import Loaded
from monitor.inference.outcome import Listener, Outcome
from monitor.inference.prepare import Prepared
from monitor.inference.runner import Entry
from monitor.inference.sampling import Choice, Sampler
from monitor.inference.transcript import Transcript

log = logging.getLogger(__name__)


class Row:
    """Owned by the engine's thread once it was submitted; other threads only set `cancelled`."""

    __slots__ = (
        "alone",
        "batch_rows",
        "cancelled",
        "deadline",
        "ended",
        "first",
        "generated",
        "limit",
        "listen",
        "notes",
        "peak",
        "picked",
        "prepared",
        "sampler",
        "submitted",
        "transcript",
    )

    def __init__(self, prepared: Prepared, settings: Generation, listen: Listener, loaded: Loaded) -> None:
        self.prepared, self.listen = prepared, listen
        self.limit = max(1, min(settings.max_tokens, loaded.context - prepared.tokens_in))
        self.transcript = Transcript(loaded.text, settings.stop, keep_tokens=settings.top_logprobs is not None)
        self.sampler = Sampler.of(settings)
        self.submitted = time.perf_counter()
        self.deadline = prepared.started + settings.deadline_s
        self.picked = self.first = 0.0  # perf_counter when it left the queue, and of its first token
        self.generated: list[int] = []
        self.batch_rows = self.peak = 0
        self.cancelled = self.alone = self.ended = False
        self.notes: list[str] = [*prepared.notes]
        if self.limit < settings.max_tokens:
            self.notes.append(f"the context of {loaded.context} tokens leaves {self.limit} for the answer")

    @property
    def entry(self) -> Entry:
        """What the model has to compute before the next token; after a restart with what was generated before."""
        ids = self.prepared.ids
        return Entry((*ids, *self.generated), self.prepared.pixels, len(ids) + self.limit)

    @property
    def width(self) -> int:
        """Tokens of its next prefill."""
        return len(self.prepared.ids) + len(self.generated)

    @property
    def picture_shape(self) -> tuple[int, ...]:
        """Height and width of its image tensors, which must be equal in one pass; empty without images."""
        pixels = self.prepared.pixels.get("pixel_values")
        return () if pixels is None else tuple(pixels.shape[-2:])

    @property
    def bytes(self) -> int:
        return sum(tensor.nbytes for tensor in self.prepared.pixels.values())

    def overdue(self, now: float) -> str | None:
        """Why it must leave at once, None while it may stay."""
        return "cancelled" if self.cancelled else "timeout" if now > self.deadline else None

    def take(self, choice: Choice, ends: frozenset[int], name: Callable[[int], str]) -> str | None:
        """Add the next token; returns the finish reason when it was the last one."""
        if not self.generated:
            self.first = time.perf_counter()
        self.generated.append(choice.token)
        if choice.token in ends:
            return "stop"
        top = tuple((name(token), logprob) for token, logprob in choice.top)
        piece = self.transcript.add(choice.token, choice.logprob, top)
        if piece.text or piece.tokens:
            self._tell(piece)
        if self.transcript.stopped:
            return "stop"
        return "length" if len(self.generated) >= self.limit else None

    def end(self, reason: str) -> None:
        """Tell the listener the outcome."""
        rest = self.transcript.finish()
        if rest.text or rest.tokens:
            self._tell(rest)
        self.ended = True
        self._tell(self._outcome(reason, time.perf_counter()))

    def fail(self, error: WatchpointError) -> None:
        self.ended = True
        self._tell(error)

    def _tell(self, event: Piece | Outcome | WatchpointError) -> None:
        try:
            self.listen(event)
        except Exception:
            log.exception("a listener failed; its request is dropped, the others go on")
            self.cancelled = True

    def _outcome(self, reason: str, now: float) -> Outcome:
        picked = self.picked or now
        first = self.first or now
        return Outcome(
            finish_reason=reason,
            text=self.transcript.text,
            tokens=tuple(self.transcript.tokens),
            tokens_in=self.prepared.tokens_in,
            tokens_out=len(self.generated),
            queue_ms=(picked - self.submitted) * 1e3,
            preprocess_ms=self.prepared.preprocess_ms,
            prefill_ms=(first - picked) * 1e3,
            decode_ms=(now - first) * 1e3,
            total_ms=(now - self.prepared.started) * 1e3,
            ttft_ms=(self.first - self.prepared.started) * 1e3 if self.first else None,
            batch_rows=self.batch_rows,
            peak_memory_bytes=self.peak,
            notes=tuple(dict.fromkeys(self.notes)),
        )
