"""A chat with a model in our own words: messages and images in, a reply out, whatever runtime answers.

`runtimes` translate to and from it, the worker's engine speaks it, probes and canaries are written in it. A stream is
any number of `Piece` and then one `Reply`; what goes wrong is raised as a `TargetError` or `BadInput`.
"""

import math
from dataclasses import dataclass, field

ROLES = ("system", "user", "assistant")

MAX_TOP_LOGPROBS = 20


@dataclass(frozen=True, slots=True)
class Image:
    """An encoded image file, as it was given."""

    data: bytes = field(repr=False)
    mime: str = "image/png"


@dataclass(frozen=True, slots=True)
class Message:
    """One turn; its parts are texts and images in the order in which the model sees them."""

    role: str
    parts: tuple[str | Image, ...]

    @property
    def text(self) -> str:
        return "".join(part for part in self.parts if isinstance(part, str))

    @property
    def images(self) -> tuple[Image, ...]:
        return tuple(part for part in self.parts if isinstance(part, Image))


@dataclass(frozen=True, slots=True)
class Generation:
    """How to generate. Temperature 0 is greedy; `seed` makes a sampled answer repeatable where the runtime can."""

    max_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    top_logprobs: int | None = None  # None: no logprobs; 0: of the chosen tokens only
    deadline_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Token:
    """A generated token: its text, its natural log probability, and the likeliest at its place, best first."""

    text: str
    logprob: float | None = None
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of an answer as it arrives. `tokens` is empty where the runtime gives no logprobs."""

    text: str
    tokens: tuple[Token, ...] = ()


@dataclass(frozen=True, slots=True)
class Timings:
    """Milliseconds. `ttft_ms` is from sending the request to the first token, as the caller saw it.

    `queue_ms`, `preprocess_ms`, `prefill_ms` and `decode_ms` are what the server itself reports, if it does.
    """

    total_ms: float
    ttft_ms: float | None = None
    queue_ms: float | None = None
    preprocess_ms: float | None = None
    prefill_ms: float | None = None
    decode_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer. What a runtime does not tell is None, never a guess."""

    text: str
    finish_reason: str | None  # stop, length, or the server's own word
    timings: Timings
    tokens_in: int | None = None
    tokens_out: int | None = None
    tokens: tuple[Token, ...] = ()
    model: str | None = None  # as the server names itself
    batch_rows: int | None = None  # most rows that its batch had while it was in it
    peak_memory_bytes: int | None = None
    notes: tuple[str, ...] = ()  # settings that the runtime cannot honour, and other things worth knowing

    @property
    def confidence(self) -> float | None:
        """Geometric mean probability of the tokens, between 0 and 1; None without logprobs."""
        found = [token.logprob for token in self.tokens if token.logprob is not None]
        return math.exp(sum(found) / len(found)) if found else None
