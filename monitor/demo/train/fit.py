"""Trains one small model in two processes of one thread each, which share their gradients through memory.

One process with two threads gains almost nothing on models of this size. Each process draws its own half of a step's
rows; both then take the same step. Chance depends on the seed, the stage, the step and the half only.
"""

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.multiprocessing as processes
from transformers.utils import logging

from monitor.demo.small import Kind, build_model, build_tokenizer, save
from monitor.demo.train.halves import HALVES, Halves
from monitor.demo.train.lessons import Lesson
from monitor.demo.train.muon import Optimiser


@dataclass(frozen=True, slots=True)
class Stage:
    """So many steps of one lesson; after the warm-up the rate falls along a cosine to `last_rate`."""

    name: str
    lesson: Callable[[Any, Any, int], Lesson]  # of a model, its tokenizer and the seed
    steps: int
    rate: float
    last_rate: float
    warm_up: int = 0
    saved: tuple[int, ...] = ()  # checkpoints are written after these steps of the model

    def rate_at(self, step: int) -> float:
        if step < self.warm_up:
            return self.rate * (step + 1) / self.warm_up
        way = (step - self.warm_up) / max(self.steps - self.warm_up, 1)
        return self.last_rate + (self.rate - self.last_rate) * (1 + math.cos(math.pi * way)) / 2


@dataclass(frozen=True, slots=True)
class Course:
    """How a model is trained. Only the steps of stages that save are counted in the names of checkpoints."""

    kind: Kind
    model: str
    stages: tuple[Stage, ...]

    def folders(self) -> list[tuple[Stage, int, str]]:
        """The checkpoints in the order in which they are written: their stage, step and folder."""
        return [(stage, step, f"{self.model}-step-{step:05d}") for stage in self.stages for step in stage.saved]


@dataclass(frozen=True, slots=True)
class News:
    """A step is done; `loss` is the mean of the first half's rows."""

    stage: str
    loss: float


def fit(course: Course, seed: int, folder: Path, hear: Callable[[News], None]) -> None:
    """Train a model and write its checkpoints below `folder`; blocks, and tells of each step.

    Raises torch's ProcessRaisedException when one of the two processes fails.
    """
    context = processes.get_context("spawn")
    size = max(sum(p.numel() for p in lesson.module.parameters()) for lesson in _lessons(course, seed))
    memory = (torch.zeros(HALVES, size).share_memory_(), torch.zeros(size).share_memory_())
    news: Queue[News] = context.Queue()
    barrier = context.Barrier(HALVES)  # held here until the processes end
    team = processes.spawn(_half, (course, seed, folder, memory, barrier, news), nprocs=HALVES, join=False)
    while not team.join(timeout=0.2):
        while not news.empty():
            hear(news.get())
    while not news.empty():
        hear(news.get())


def _lessons(course: Course, seed: int) -> list[Lesson]:
    tokenizer = build_tokenizer(course.kind)
    model = build_model(course.kind, tokenizer, seed)
    return [stage.lesson(model, tokenizer, seed) for stage in course.stages]


def _half(
    half: int,
    course: Course,
    seed: int,
    folder: Path,
    memory: tuple[torch.Tensor, torch.Tensor],
    barrier: Barrier,
    news: "Queue[News]",
) -> None:
    torch.set_num_threads(1)
    logging.disable_progress_bar()  # of the writing of checkpoints: the training has its own
    parent = os.getppid()
    tokenizer = build_tokenizer(course.kind)
    model = build_model(course.kind, tokenizer, seed).train()
    done = 0
    for number, stage in enumerate(course.stages):
        lesson = stage.lesson(model, tokenizer, seed)
        halves = Halves(half, *memory, barrier)
        optimiser = Optimiser(lesson.module, halves)
        for step in range(stage.steps):
            if os.getppid() != parent:
                raise ChildProcessError("the process that started the training has ended")
            loss = lesson.loss(np.random.default_rng((seed, number, step, half)))
            lesson.module.zero_grad()
            loss.backward()
            halves.mean_gradients(list(lesson.module.parameters()))
            optimiser.step(stage.rate_at(step))
            done += bool(stage.saved)
            if half == 0:
                news.put(News(stage.name, float(loss.detach())))
                if done in stage.saved:
                    save(folder / f"{course.model}-step-{done:05d}", course.kind, model, tokenizer)
