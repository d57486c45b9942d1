"""Asks a saved checkpoint held-out questions, as any user of the folder would: Auto classes, chat template, greedy.

The trainer calls it for the model cards and the gates; a test calls it to check the published figures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText, AutoProcessor, AutoTokenizer

from monitor.demo.questions import KINDS, Question, sample
from monitor.demo.questions import Kind as QuestionKind
from monitor.demo.render import image
from monitor.demo.small import Kind
from monitor.demo.texts import TEXT_KINDS
from monitor.stats.intervals import Interval, wilson

QUESTIONS: Mapping[Kind, Mapping[str, QuestionKind]] = {"vlm": KINDS, "lm": TEXT_KINDS}

BATCH = 120


@dataclass(frozen=True, slots=True)
class Figure:
    """How many of n questions of a kind were answered rightly."""

    right: int
    n: int

    @property
    def share(self) -> float:
        return self.right / self.n

    @property
    def interval(self) -> Interval:
        """Wilson interval of the share, 95 %."""
        return wilson(self.right, self.n)


def held_out(kind: Kind, name: str, n: int, seed: int) -> list[Question]:
    """The first n questions of a kind of question under a seed; a longer list begins with the shorter one."""
    kinds = QUESTIONS[kind]
    rng = np.random.default_rng((seed, list(kinds).index(name)))
    return [sample(name, rng, kinds) for _ in range(n)]


class Checkpoint:
    """A checkpoint's folder, loaded in float32."""

    def __init__(self, folder: Path, kind: Kind) -> None:
        self._sees = kind == "vlm"
        self.kind = kind
        self._processor = (AutoProcessor if self._sees else AutoTokenizer).from_pretrained(folder)
        auto = AutoModelForImageTextToText if self._sees else AutoModelForCausalLM
        self._model = auto.from_pretrained(folder, dtype=torch.float32).eval()
        self.parameters = sum(parameter.numel() for parameter in self._model.parameters())

    def answer(self, questions: Sequence[Question]) -> list[str]:
        """Greedy answers; questions of like length are answered together."""
        answers = [""] * len(questions)
        order = sorted(range(len(questions)), key=lambda i: (len(questions[i].scenes), len(questions[i].prompt)))
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            for i, text in zip(chosen, self._batch([questions[i] for i in chosen]), strict=True):
                answers[i] = text
        return answers

    def _batch(self, questions: Sequence[Question]) -> list[str]:
        inputs = self._processor.apply_chat_template(
            [_chat(question) for question in questions],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            **({"processor_kwargs": {"padding": True}} if self._sees else {"padding": True}),
        )
        with torch.inference_mode():
            tokens = self._model.generate(**inputs)
        decode: Any = self._processor.batch_decode
        texts: list[str] = decode(tokens[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        return texts

    def figures(self, n: int, seed: int) -> dict[str, Figure]:
        """How it does on n held-out questions of each kind."""
        found = {}
        for name in QUESTIONS[self.kind]:
            questions = held_out(self.kind, name, n, seed)
            pairs = zip(questions, self.answer(questions), strict=True)
            found[name] = Figure(sum(question.right(answer) for question, answer in pairs), n)
        return found


def mean(figures: Mapping[str, Figure]) -> float:
    """The average over the kinds of question, each counting the same."""
    return sum(figure.share for figure in figures.values()) / len(figures)


def _chat(question: Question) -> list[dict[str, Any]]:
    images = [{"type": "image", "image": image(scene)} for scene in question.scenes]
    return [{"role": "user", "content": [*images, {"type": "text", "text": question.prompt}]}]
