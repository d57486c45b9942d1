"""How long requests take: as measured on the checkpoint, the wait before it, and what incidents do to both."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.demo.deployments import Profile

Floats = NDArray[np.float64]

QUEUE_SPREAD, PROMPT_SPREAD, ANSWER_SPREAD = 0.7, 0.15, 0.1
"""Standard deviations of the logarithms: the same request does not take the same time twice."""

LEAK_QUEUE = 0.85
"""What the queue has grown by at the end of a leak (median), as a multiple of the p95 without a wait ..."""
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

    def leaking(self, progress: Floats, p95_ms: float) -> "Times":
        """With a leak that has gone `progress` (0: not begun, 1: just before the restart) of its way.

        `p95_ms` is that of the deployment without a wait.
        """
        waits = self.queue + LEAK_QUEUE * p95_ms * progress**1.2 * _relative(self.queue)
        factor = 1 + LEAK_SLOWER * progress
        return Times(waits, self.prompt * factor, self.answer * factor)


def times(profile: Profile, prefill_ms: Floats, decode_ms: Floats, load: Floats, rng: np.random.Generator) -> Times:
    """Times of a healthy deployment for requests that were measured to take so long; only the queue knows the load."""
    n = load.size
    queue = profile.queue_ms * (0.4 + 0.6 * load) * rng.lognormal(0, QUEUE_SPREAD, n)
    prompt = profile.slower * prefill_ms * rng.lognormal(0, PROMPT_SPREAD, n)
    answer = profile.slower * decode_ms * rng.lognormal(0, ANSWER_SPREAD, n)
    return Times(queue, prompt, answer)


def _relative(queue: Floats) -> Floats:
    """The spread of a wait around its median, damped: a long queue varies less than a short one."""
    return np.sqrt(queue / np.median(queue)) if queue.size else queue
