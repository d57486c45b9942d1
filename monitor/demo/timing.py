"""How long requests take: queue, prompt and answer, each lognormal, and what incidents do to them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.demo.deployments import Profile

Floats = NDArray[np.float64]

QUEUE_SPREAD, PROMPT_SPREAD, ANSWER_SPREAD = 0.7, 0.25, 0.18
"""Standard deviations of the logarithms."""

LEAK_QUEUE_MS = 1150.0
"""What the queue has grown by at the end of a leak (median) ..."""
LEAK_SLOWER = 0.3
"""... and by how much more the model itself takes then."""


@dataclass(frozen=True, slots=True, eq=False)
class Times:
    """Milliseconds that each request waited, took to its first token, and to the others."""

    queue: Floats
    prompt: Floats
    answer: Floats

    @property
    def ttft(self) -> Floats:
        return self.queue + self.prompt

    @property
    def latency(self) -> Floats:
        return self.queue + self.prompt + self.answer

    def slower(self, factor: Floats) -> "Times":
        return Times(self.queue * factor, self.prompt * factor, self.answer * factor)

    def leaking(self, progress: Floats) -> "Times":
        """With a leak that has gone `progress` (0: not begun, 1: just before the restart) of its way."""
        waits = self.queue + LEAK_QUEUE_MS * progress**1.2 * _relative(self.queue)
        factor = 1 + LEAK_SLOWER * progress
        return Times(waits, self.prompt * factor, self.answer * factor)


def times(
    profile: Profile,
    tokens_in: NDArray[np.int64],
    tokens_out: NDArray[np.int64],
    load: Floats,
    rng: np.random.Generator,
) -> Times:
    """Times of a healthy deployment for requests of those tokens; only the queue knows the load."""
    n = load.size
    queue = profile.queue_ms * (0.4 + 0.6 * load) * rng.lognormal(0, QUEUE_SPREAD, n)
    prompt = (profile.start_ms + profile.prompt_ms * tokens_in) * rng.lognormal(0, PROMPT_SPREAD, n)
    answer = profile.token_ms * tokens_out * rng.lognormal(0, ANSWER_SPREAD, n)
    return Times(queue, prompt, answer)


def _relative(queue: Floats) -> Floats:
    """The spread of a wait around its median, damped: a long queue varies less than a short one."""
    return np.sqrt(queue / np.median(queue)) if queue.size else queue
