"""What the two training processes do together: they share memory, wait for each other, and halve what both would do."""

from collections.abc import Sequence
from multiprocessing.synchronize import Barrier

import torch

HALVES = 2

PATIENCE_S = 120
"""A process that waits longer than this for the other one gives up: the other one has died."""


class Halves:
    """One process's side. `memory` is HALVES × at least as many numbers as there are parameters, shared by both."""

    def __init__(self, half: int, gradients: torch.Tensor, updates: torch.Tensor, barrier: Barrier) -> None:
        self.half = half
        self._gradients, self._updates, self._barrier = gradients, updates, barrier
        self._used = 0

    def wait(self) -> None:
        """Until the other half is here as well; raises BrokenBarrierError when it is gone."""
        self._barrier.wait(PATIENCE_S)

    def ours(self, n: int) -> slice:
        """Which of n things this half does."""
        return slice(self.half * n // HALVES, (self.half + 1) * n // HALVES)

    def room(self, n: int) -> torch.Tensor:
        """The next n numbers of the memory that both halves see; both have to ask in the same order."""
        self._used += n
        return self._updates[self._used - n : self._used]

    def mean_gradients(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        """Replace the gradients by the mean of both halves; a parameter without one counts as zero."""
        sizes = [parameter.numel() for parameter in parameters]
        mine = self._gradients[self.half, : sum(sizes)]
        for part, parameter in zip(mine.split(sizes), parameters, strict=True):
            part.copy_(torch.zeros(()) if parameter.grad is None else parameter.grad.flatten())
        self.wait()
        mean = self._gradients[:, : sum(sizes)].mean(0)
        self.wait()
        for part, parameter in zip(mean.split(sizes), parameters, strict=True):
            parameter.grad = part.view_as(parameter)
