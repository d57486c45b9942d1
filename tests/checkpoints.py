"""Small untrained checkpoints for tests of the engine, what is asked of them, and a collector of their answers."""

import io
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image as Picture

from monitor.chat import Generation, Image, Message, Piece
from monitor.demo.small import save_untrained
from monitor.errors import WatchpointError
from monitor.inference.checkpoint import Loaded, load_checkpoint
from monitor.inference.engine import Engine, EngineOptions, Outcome, Ticket
from monitor.inference.images import ImageLimits
from monitor.inference.prepare import Prepared, prepare
from monitor.records import Checkpoint

LIMITS = ImageLimits(max_bytes=20_000_000, max_pixels=50_000_000)
WAIT_S = 250.0
DEADLINE_S = 250.0
SHARPER = 5.0


def load(folder: Path, kind: Literal["vlm", "lm"]) -> Loaded:
    """An untrained checkpoint, written and loaded.

    Its weights are made larger: as they come, attention looks at everything alike, the answer hardly depends on the
    prompt, and a wrong mask or position would not show.
    """
    torch.set_num_threads(1)
    save_untrained(folder, kind)
    loaded = load_checkpoint(Checkpoint(kind, "m"), folder, "cpu")
    with torch.no_grad():
        for weight in loaded.model.parameters():
            if weight.dim() > 1:
                weight.mul_(SHARPER)
    return loaded


def png(seed: int = 0, size: tuple[int, int] = (64, 64)) -> bytes:
    """A file of noise that is the same for the same seed."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    file = io.BytesIO()
    Picture.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def user(text: str = "What colour is the circle?", images: Sequence[bytes] = ()) -> list[Message]:
    return [Message("user", (*(Image(data) for data in images), text))]


class Call:
    """A request in an engine, and what came back; it is the listener of its own events."""

    def __init__(
        self, engine: Engine, prepared: Prepared, settings: Generation, then: Callable[["Call"], None] | None = None
    ) -> None:
        self.pieces: list[Piece] = []
        self.ends: list[Outcome | WatchpointError] = []
        self._then, self._ended = then, threading.Event()
        self.ticket: Ticket = engine.submit(prepared, settings, self._listen)

    def _listen(self, event: Piece | Outcome | WatchpointError) -> None:
        if isinstance(event, Piece):
            assert not self.ends, "a piece came after the end"
            self.pieces.append(event)
            if self._then:
                self._then(self)
        else:
            self.ends.append(event)
            self._ended.set()

    def end(self) -> Outcome | WatchpointError:
        assert self._ended.wait(WAIT_S), "the request has not ended"
        assert len(self.ends) == 1
        return self.ends[0]

    def outcome(self) -> Outcome:
        end = self.end()
        assert isinstance(end, Outcome), end
        return end

    def error(self) -> WatchpointError:
        end = self.end()
        assert isinstance(end, WatchpointError), end
        return end

    @property
    def done(self) -> bool:
        return self._ended.is_set()


@contextmanager
def running(loaded: Loaded, **options: int | float) -> Iterator[Engine]:
    """A started engine; its thread must still be alive at the end, whatever it went through."""
    engine = Engine(loaded, EngineOptions(**options))  # type: ignore[arg-type]  # a test passes what it means
    engine.start()
    try:
        yield engine
        assert engine._thread.is_alive()
    finally:
        engine.stop()


def ask(
    engine: Engine, text: str = "What colour is the circle?", images: Sequence[bytes] = (), **settings: object
) -> Call:
    """Prepare a request and put it into the queue."""
    generation = Generation(**({"deadline_s": DEADLINE_S} | settings))  # type: ignore[arg-type]  # a test passes what it means
    return Call(engine, prepare(engine.loaded, user(text, images), generation, LIMITS), generation)
