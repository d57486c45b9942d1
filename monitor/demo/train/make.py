"""Trains both models, asks every checkpoint the held-out questions, and writes the model cards."""

from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from transformers.utils import logging

from monitor.demo.train.card import card
from monitor.demo.train.evaluate import Checkpoint, Figure
from monitor.demo.train.fit import Course, News, Stage, fit
from monitor.demo.train.halves import HALVES
from monitor.demo.train.recipe import CHOOSING_N, CHOOSING_SEED, COURSES, PUBLISHED_N, PUBLISHED_SEED

LOGGED = 50
"""Where there is no terminal, every so many steps are a line."""

Figures = Mapping[str, Figure]


@dataclass(frozen=True, slots=True)
class Made:
    """A trained checkpoint with what it reached on the two sets of held-out questions."""

    course: Course
    stage: Stage
    step: int
    name: str
    parameters: int
    choosing: Figures
    published: Figures


def make(place: Path, seed: int, console: Console) -> list[Made]:
    """Train both models, ask each checkpoint the held-out questions, and write the model cards."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[note]}"))
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console) as progress:
        for course in COURSES:
            _train(course, seed, place, progress)
        made = _examine(place, progress)
    for one in made:
        text = card(one.course, one.name, one.stage, one.step, seed, one.published, one.parameters)
        (place / one.name / "README.md").write_text(text, encoding="utf-8")
    return made


def _train(course: Course, seed: int, place: Path, progress: Progress) -> None:
    tasks = {
        stage.name: progress.add_task(f"{course.model} {stage.name}", total=stage.steps, note="", start=False)
        for stage in course.stages
    }

    def hear(news: News) -> None:
        progress.start_task(tasks[news.stage])
        progress.update(tasks[news.stage], advance=1, note=f"loss {news.loss:.3f}")
        task = progress.tasks[tasks[news.stage]]
        if not progress.console.is_terminal and task.completed % LOGGED == 0:
            progress.console.print(f"{task.description} {task.completed:.0f}/{task.total:.0f} loss {news.loss:.3f}")

    fit(course, seed, place, hear)


def _examine(place: Path, progress: Progress) -> list[Made]:
    waiting = [(course, *written) for course in COURSES for written in course.folders()]
    task = progress.add_task("held-out questions", total=len(waiting), note="")
    with ProcessPoolExecutor(HALVES, mp_context=get_context("spawn")) as pool:
        asked = [pool.submit(_ask, place / name, course) for course, _, _, name in waiting]
        made = []
        for (course, stage, step, name), one in zip(waiting, asked, strict=True):
            made.append(Made(course, stage, step, name, *one.result()))
            progress.update(task, advance=1, note=name)
    return made


def _ask(folder: Path, course: Course) -> tuple[int, Figures, Figures]:
    torch.set_num_threads(1)
    logging.disable_progress_bar()
    checkpoint = Checkpoint(folder, course.kind)
    choosing = checkpoint.figures(CHOOSING_N, CHOOSING_SEED)
    return checkpoint.parameters, choosing, checkpoint.figures(PUBLISHED_N, PUBLISHED_SEED)
