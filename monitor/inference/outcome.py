"""What the engine tells about a request that ended, and about itself."""

from collections.abc import Callable
from dataclasses import dataclass

from monitor.chat import Piece, Token
from monitor.errors import WatchpointError


@dataclass(frozen=True, slots=True)
class Outcome:
    """A whole answer. The texts of the `Piece`s before it, one after the other, are its `text`.

    Times are milliseconds; `total_ms` and `ttft_ms` count from the beginning of `prepare`, so they hold the waiting for
    the engine and the preprocessing. `tokens` holds every token with its logprob where logprobs were asked for; the
    texts of the tokens make up `text`. `tokens_out` counts what the model generated, its closing token included.
    """

    finish_reason: str  # stop, length, cancelled, timeout
    text: str
    tokens: tuple[Token, ...]
    tokens_in: int
    tokens_out: int
    queue_ms: float
    preprocess_ms: float
    prefill_ms: float
    decode_ms: float
    total_ms: float
    ttft_ms: float | None  # None: it ended before its first token
    batch_rows: int  # most rows that its batch had while it was in it
    peak_memory_bytes: int
    notes: tuple[str, ...] = ()


Listener = Callable[[Piece | Outcome | WatchpointError], None]
"""Called from the engine's thread: any number of pieces, then exactly one outcome or error. It must not block."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Counters since the engine was started, and gauges of this moment."""

    waiting: int = 0
    waiting_bytes: int = 0  # of the tensors that wait
    active: int = 0  # rows in the batch
    cap: int = 0  # most rows that a batch may have now; below `max_rows` after running out of memory
    max_rows: int = 0
    fitted_rows: int = 0  # largest batch that ran
    cache_bytes: int = 0

    submitted: int = 0
    rejected: int = 0  # the queue was full
    stopped: int = 0  # finish_reason stop
    length: int = 0
    cancelled: int = 0
    timeout: int = 0
    failed: int = 0
    out_of_memory: int = 0  # times that the memory of the device was not enough
    restarted: int = 0  # rows that were computed again after a failure of their batch

    prefills: int = 0
    prefill_rows: int = 0
    prompt_tokens: int = 0  # without padding
    padded_tokens: int = 0  # padding alone
    images: int = 0
    steps: int = 0
    row_steps: int = 0  # rows added up over the steps
    tokens_out: int = 0
    prefill_s: float = 0.0
    decode_s: float = 0.0

    @property
    def padding_waste(self) -> float:
        """Share of the tokens of all prefills that were padding."""
        return self.padded_tokens / max(1, self.padded_tokens + self.prompt_tokens)

    @property
    def mean_rows(self) -> float:
        """Rows of a decode step in the mean."""
        return self.row_steps / max(1, self.steps)
