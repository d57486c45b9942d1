"""The worker's engine as a contestant: a client that keeps so many requests in flight, preparation included."""

import queue
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench.inference_requests import Asked
from bench.inference_runs import Answered, Contestant
from monitor.chat import Piece
from monitor.config import load_settings
from monitor.errors import WatchpointError
from monitor.inference.checkpoint import Loaded, load_checkpoint
from monitor.inference.engine import Engine, EngineOptions, Outcome
from monitor.inference.images import ImageLimits
from monitor.inference.prepare import prepare
from monitor.records import Checkpoint

ROWS, QUEUE, WAIT_MS = 32, 512, 5
LIMITS = ImageLimits.of(load_settings({}))
ANSWER_WITHIN_S = 120


def load(folder: Path, device: str = "cpu") -> Loaded:
    """The checkpoint in a folder, as the worker loads it."""
    return load_checkpoint(Checkpoint(id="bench", model="bench"), folder, device, dtype="float32")


def start_engine(loaded: Loaded, rows: int = ROWS) -> Engine:
    """A warm engine."""
    engine = Engine(loaded, EngineOptions(max_rows=rows, queue=QUEUE, wait_ms=WAIT_MS))
    engine.start()
    engine.warm_up()
    return engine


def in_flight(engine: Engine, loaded: Loaded, n: int) -> Contestant:
    """`n` requests at a time; as soon as one is answered, the next is prepared and submitted."""
    name = "engine, one at a time" if n == 1 else f"engine, {n} in flight"
    return Contestant(name, partial(answer_all, engine, loaded, n))


def answer_all(engine: Engine, loaded: Loaded, n: int, asked: Sequence[Asked]) -> list[Answered]:
    """The answers in the order of the requests; raises what the engine reports for one of them."""
    calls = [_Call() for _ in asked]
    free: queue.SimpleQueue[None] = queue.SimpleQueue()
    for i, (call, one) in enumerate(zip(calls, asked, strict=True)):
        if i >= n:
            free.get(timeout=ANSWER_WITHIN_S)
        call.begin(free)
        engine.submit(prepare(loaded, one.messages, one.settings, LIMITS), one.settings, call)
    for _ in range(min(n, len(asked))):
        free.get(timeout=ANSWER_WITHIN_S)
    return [call.answered() for call in calls]


class _Call:
    """Listens to one request, in the engine's thread."""

    def __init__(self) -> None:
        self._began = self._first = self._last = 0.0
        self._said: Outcome | WatchpointError | None = None
        self._free: queue.SimpleQueue[None] | None = None

    def begin(self, free: "queue.SimpleQueue[None]") -> None:
        self._free = free
        self._began = time.perf_counter()

    def __call__(self, said: Piece | Outcome | WatchpointError) -> None:
        now = time.perf_counter()
        self._first = self._first or now
        if not isinstance(said, Piece):
            self._said, self._last = said, now
            assert self._free is not None
            self._free.put(None)

    def answered(self) -> Answered:
        if not isinstance(self._said, Outcome):
            raise self._said or RuntimeError("a request was never answered")
        return Answered(self._said.text, self._first - self._began, self._last - self._began)
