"""Which token comes next in each row: greedy, or drawn with a temperature, top-p and the row's own random numbers.

A row's draw depends on its seed and its logits alone, never on the rows beside it: each has its own generator on the
CPU, and one uniform number of it decides a token.
"""

import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from monitor.chat import Generation

LEAST_TEMPERATURE = 1e-4
"""Lower ones are greedy: dividing by them leaves the range of a float."""


@dataclass(frozen=True, slots=True)
class Sampler:
    """How one row chooses. `generator` is None for a greedy one."""

    temperature: float = 0.0
    top_p: float = 1.0
    top_logprobs: int | None = None
    generator: torch.Generator | None = field(default=None, repr=False)

    @staticmethod
    def of(settings: Generation) -> "Sampler":
        if settings.temperature < LEAST_TEMPERATURE:
            return Sampler(top_logprobs=settings.top_logprobs)
        seed = secrets.randbits(63) if settings.seed is None else settings.seed % 2**63
        generator = torch.Generator().manual_seed(seed)
        return Sampler(settings.temperature, settings.top_p, settings.top_logprobs, generator)


@dataclass(frozen=True, slots=True)
class Choice:
    """The next token of a row. Log probabilities are natural ones of the model itself, before temperature and top-p."""

    token: int
    broken: bool = False  # the logits hold values that are not numbers: the token means nothing
    logprob: float | None = None
    top: tuple[tuple[int, float], ...] = ()  # likeliest tokens, best first


def choose(logits: torch.Tensor, samplers: Sequence[Sampler]) -> list[Choice]:
    """One token for each row of `logits` [rows, vocabulary] in float32."""
    best, greedy = logits.max(dim=-1)  # a NaN anywhere in a row is its maximum
    tokens: list[int] = greedy.tolist()
    broken = [not math.isfinite(value) for value in best.tolist()]
    drawn = [row for row, one in enumerate(samplers) if one.generator is not None and not broken[row]]
    if drawn:
        for row, token in zip(drawn, _draw(logits[drawn], [samplers[row] for row in drawn]), strict=True):
            tokens[row] = token
    told = [row for row, one in enumerate(samplers) if one.top_logprobs is not None and not broken[row]]
    if not told:
        return [Choice(token, bad) for token, bad in zip(tokens, broken, strict=True)]
    known = dict(zip(told, _logprobs(logits, told, tokens, samplers), strict=True))
    return [
        Choice(token, bad, *known.get(row, (None, ())))
        for row, (token, bad) in enumerate(zip(tokens, broken, strict=True))
    ]


def _draw(logits: torch.Tensor, samplers: list[Sampler]) -> list[int]:
    """Invert the distribution function: the first token, likeliest first, at which it exceeds the uniform number."""
    device = logits.device
    temperature = torch.tensor([one.temperature for one in samplers], device=device)
    top_p = torch.tensor([one.top_p for one in samplers], device=device)
    uniform = torch.cat([torch.rand(1, generator=one.generator, dtype=torch.float64) for one in samplers]).to(device)
    ordered, order = torch.sort(logits / temperature[:, None], dim=-1, descending=True, stable=True)
    reached = torch.softmax(ordered.double(), dim=-1).cumsum(dim=-1)
    before = torch.nn.functional.pad(reached[:, :-1], (1, 0))
    kept = (before < top_p[:, None]).sum(dim=-1)  # at least one: before the first, nothing is reached
    total = reached.gather(1, kept[:, None] - 1)
    place = torch.minimum((reached <= uniform[:, None] * total).sum(dim=-1), kept - 1)
    tokens: list[int] = order.gather(1, place[:, None])[:, 0].tolist()
    return tokens


def _logprobs(
    logits: torch.Tensor, told: list[int], tokens: list[int], samplers: Sequence[Sampler]
) -> list[tuple[float, tuple[tuple[int, float], ...]]]:
    """Log probability of the chosen token and the likeliest ones, for the rows that asked for them."""
    known = torch.log_softmax(logits[told], dim=-1)
    chosen = torch.tensor([tokens[row] for row in told], device=logits.device)
    own: list[float] = known.gather(1, chosen[:, None])[:, 0].tolist()
    counts = [samplers[row].top_logprobs or 0 for row in told]
    most = min(max(counts), known.shape[-1])
    values, ids = known.topk(most, dim=-1)
    return [
        (logprob, tuple(zip(best[:count], value[:count], strict=True)))
        for logprob, best, value, count in zip(own, ids.tolist(), values.tolist(), counts, strict=True)
    ]
