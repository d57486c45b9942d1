"""The place of one checkpoint in the worker: whether it is loaded, who uses it, and what went wrong."""

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from monitor.inference.outcome import Figures
from monitor.records import Checkpoint

if TYPE_CHECKING:  # these import torch, which an idle worker does without
    from monitor.inference.checkpoint import Loaded
    from monitor.inference.engine import Engine

STATES = ("cold", "loading", "warming", "ready", "failed")


@dataclass(frozen=True, slots=True)
class Ready:
    """A checkpoint in memory, and the warm engine that answers on it."""

    loaded: "Loaded"
    engine: "Engine"


@dataclass(slots=True)
class Slot:
    """Changed by the pool only, on the event loop."""

    checkpoint: Checkpoint
    state: str = "cold"
    reason: str = ""  # why it failed, or what it waits for
    ready: Ready | None = None
    takes_images: bool | None = None  # None: not loaded yet, not known
    bytes: int = 0  # of weights that are in memory, or are about to be
    users: int = 0  # requests that use it, or wait for it
    used_at: float = 0.0
    loads: int = 0
    load_s: float = 0.0
    failures: int = 0  # in a row
    retry_at: float = 0.0
    past: Figures = field(default_factory=Figures, repr=False)  # of the engines that it had before
    task: "asyncio.Task[None] | None" = field(default=None, repr=False)

    def shown(self, now: float) -> str:
        """The state as others are told it: one that failed counts as cold once the next request may try again."""
        return "cold" if self.state == "failed" and now >= self.retry_at else self.state

    @property
    def idle(self) -> bool:
        """Whether it may be put out of memory now."""
        return self.ready is not None and self.users == 0 and self.task is None
