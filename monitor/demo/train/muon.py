"""Muon for the weight matrices, AdamW for everything else: small models learn twice as fast as with AdamW alone.

Source: Jordan et al. (2024), Muon: an optimizer for hidden layers in neural networks. torch's own takes matrices only;
here the patch convolution is one as well, without which shapes are told apart much later.
"""

from collections import defaultdict
from dataclasses import dataclass

import torch

from monitor.demo.train.halves import Halves

MOMENTUM = 0.95
DECAY = 0.1
STEPS = 5
QUINTIC = (3.4445, -4.7750, 2.0315)
BETAS = (0.9, 0.95)


@dataclass(frozen=True, slots=True)
class _Stack:
    """Matrices of one size, the wide ones as they are and the tall ones turned, and the part of it that is ours."""

    parameters: list[torch.nn.Parameter]
    ours: slice
    momentum: torch.Tensor  # of ours
    updates: torch.Tensor  # of all, in the memory of both halves


class Optimiser:
    """Both methods behind one `step`, which reads `.grad`. Each half orthogonalises half of the matrices for both."""

    def __init__(self, model: torch.nn.Module, halves: Halves) -> None:
        self._halves = halves
        sizes: dict[tuple[int, int], list[torch.nn.Parameter]] = defaultdict(list)
        rest: list[torch.nn.Parameter] = []
        for name, parameter in model.named_parameters():
            if parameter.dim() >= 2 and "embed_tokens" not in name and "position_embedding" not in name:
                rows, columns = len(parameter), parameter[0].numel()
                sizes[min(rows, columns), max(rows, columns)].append(parameter)
            else:
                rest.append(parameter)
        self._stacks = [self._stack(size, parameters) for size, parameters in sizes.items()]
        self._adam = torch.optim.AdamW(rest, betas=BETAS, weight_decay=0.0, foreach=True)

    def _stack(self, size: tuple[int, int], parameters: list[torch.nn.Parameter]) -> _Stack:
        ours = self._halves.ours(len(parameters))
        return _Stack(
            parameters,
            ours,
            torch.zeros(len(parameters[ours]), *size),
            self._halves.room(len(parameters) * size[0] * size[1]).view(-1, *size),
        )

    def step(self, rate: float) -> None:
        with torch.no_grad():
            self._step(rate)

    def _step(self, rate: float) -> None:
        for stack in self._stacks:
            if stack.parameters[stack.ours]:
                gradient = torch.stack([_wide(parameter.grad) for parameter in stack.parameters[stack.ours]])
                stack.momentum.lerp_(gradient, 1 - MOMENTUM)
                stack.updates[stack.ours] = orthogonal(gradient.lerp_(stack.momentum, MOMENTUM))
        self._halves.wait()
        for stack in self._stacks:
            size = rate * 0.2 * stack.updates.size(2) ** 0.5  # as large as AdamW's steps are
            for parameter, update in zip(stack.parameters, stack.updates, strict=True):
                matrix = parameter.view(len(parameter), -1)
                turned = update.mT if matrix.shape != update.shape else update
                matrix.mul_(1 - rate * DECAY).sub_(turned, alpha=size)
        for group in self._adam.param_groups:
            group["lr"] = rate
        self._adam.step()


def _wide(gradient: torch.Tensor | None) -> torch.Tensor:
    if gradient is None:
        raise ValueError("a parameter has no gradient: share the gradients of both halves before the step")
    matrix = gradient.view(len(gradient), -1)
    return matrix.mT if matrix.size(0) > matrix.size(1) else matrix


def orthogonal(matrices: torch.Tensor) -> torch.Tensor:
    """Newton-Schulz iteration towards the nearest matrices with all singular values 1; stack × rows × columns."""
    a, b, c = QUINTIC
    x = matrices / (matrices.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(STEPS):
        square = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return x
