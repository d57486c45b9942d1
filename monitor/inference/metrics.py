"""The worker's own Prometheus metrics: requests by outcome, their tokens and times, and what collectors.py reads."""

import time
from collections import deque
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from monitor.inference import memory
from monitor.inference.answers import Before
from monitor.inference.collectors import PREFIX, Checkpoints, Devices, Engines
from monitor.inference.gpu import Gpus
from monitor.inference.outcome import Outcome
from monitor.inference.pool import Pool

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
ROWS = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128)

RATE_S = 10.0
"""Tokens per second are those of the answers that ended within so long."""


class Metrics:
    """The registry of one worker. `text` blocks for milliseconds where there is a GPU, so it is called in a thread."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.registry = CollectorRegistry()
        self.requests = self._counter("requests", "Requests that ended, by outcome", ["checkpoint", "outcome"])
        self.tokens = self._counter("tokens", "Tokens of whole answers", ["checkpoint", "direction"])
        self.ttft = self._histogram("ttft_seconds", "From the arrival of a request to its first token", SECONDS)
        self.total = self._histogram("request_seconds", "From the arrival of a request to its end", SECONDS)
        self.queue = self._histogram("queue_seconds", "Waiting: for the checkpoint, a thread, the batch", SECONDS)
        self.rows = self._histogram("batch_rows", "Most rows of the batch that a request rode in", ROWS)
        self._rate = Rate()
        self.watch("tokens_per_second", self._rate.per_second, f"Of answers that ended in the last {RATE_S:g} s")
        self.watch("resident_bytes", memory.resident_bytes, "Memory of the process")
        self.watch("weights_bytes", pool.taken, "Memory of all weights that are loaded")
        self.registry.register(Engines(pool))
        self.registry.register(Checkpoints(pool))
        self.registry.register(Devices(Gpus()))

    def watch(self, name: str, read: Callable[[], float], help_: str) -> None:
        """A gauge that is read at the moment of the scrape."""
        Gauge(PREFIX + name, help_, registry=self.registry).set_function(read)

    def ended(self, checkpoint: str, outcome: str) -> None:
        """A request ended, well or not. A checkpoint that does not exist makes no series of its own."""
        self.requests.labels(checkpoint if checkpoint in self._pool.slots else "", outcome).inc()

    def answered(self, checkpoint: str, outcome: Outcome, before: Before) -> None:
        """A whole answer."""
        ahead = before.waiting + before.parsing
        if outcome.ttft_ms is not None:
            self.ttft.labels(checkpoint).observe((outcome.ttft_ms + ahead) / 1000)
        self.total.labels(checkpoint).observe((outcome.total_ms + ahead) / 1000)
        self.queue.labels(checkpoint).observe((outcome.queue_ms + before.waiting) / 1000)
        self.rows.labels(checkpoint).observe(outcome.batch_rows)
        self.tokens.labels(checkpoint, "in").inc(outcome.tokens_in)
        self.tokens.labels(checkpoint, "out").inc(outcome.tokens_out)
        self._rate.add(outcome.tokens_out)

    def text(self) -> bytes:
        return generate_latest(self.registry)

    def _counter(self, name: str, help_: str, labels: list[str]) -> Counter:
        return Counter(PREFIX + name, help_, labels, registry=self.registry)

    def _histogram(self, name: str, help_: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(PREFIX + name, help_, ["checkpoint"], buckets=buckets, registry=self.registry)


class Rate:
    """Tokens per second over the last RATE_S."""

    def __init__(self) -> None:
        self._ended: deque[tuple[float, int]] = deque()

    def add(self, tokens: int) -> None:
        self._forget()
        self._ended.append((time.monotonic(), tokens))

    def per_second(self) -> float:
        since = time.monotonic() - RATE_S
        return sum(tokens for when, tokens in [*self._ended] if when >= since) / RATE_S

    def _forget(self) -> None:
        since = time.monotonic() - RATE_S
        while self._ended and self._ended[0][0] < since:
            self._ended.popleft()
