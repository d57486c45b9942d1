"""What the demo's checkpoints really answered, as `record` wrote it: read here, without loading a model.

`prompts.jsonl` holds the sample, `answers-<checkpoint>.jsonl` what one checkpoint said to it, `refusals.jsonl` how the
worker refused what cannot be answered. `shift-<kind>-prompts.jsonl` and `shift-<kind>-answers.jsonl` are about the
prompts of a planted shift, asked of the checkpoint of its deployment.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from monitor.demo.answers import Answer
from monitor.demo.scenes import SIDE

T = TypeVar("T")

FOLDER = Path(__file__).with_name("recorded")
MIME = "image/png"


class PromptLine(msgspec.Struct, omit_defaults=True):
    """A line of `prompts.jsonl` or `shift-<kind>-prompts.jsonl`."""

    id: str
    kind: str
    prompt: str
    label: str | None = None
    images: tuple[str, ...] = ()  # SHA-256 of each
    image_bytes: int = 0
    brightness: float | None = None
    side: int = SIDE  # pixels of width and height of each image
    max_tokens: int | None = None  # None: that of the model


class Said(msgspec.Struct, omit_defaults=True):
    """A line of `answers-<checkpoint>.jsonl` or `shift-<kind>-answers.jsonl`; times in milliseconds."""

    id: str
    output: str
    right: bool | None
    confidence: float
    finish_reason: str
    tokens_in: int
    tokens_out: int
    prefill_ms: float
    decode_ms: float


class Refused(msgspec.Struct):
    """A line of `refusals.jsonl`: what was sent to a checkpoint, and the error that came back."""

    checkpoint: str
    sent: str
    error_type: str
    message: str


def read(name: str, kind: type[T]) -> list[T]:
    """The records of one file of the folder."""
    lines = (FOLDER / name).read_bytes().splitlines()
    decoder = msgspec.json.Decoder(kind)
    return [decoder.decode(line) for line in lines]


def recorded_answers(kind: str, checkpoint: str) -> Sequence[Answer]:
    """The answers of a checkpoint to the prompts of a kind. Raises FileNotFoundError for one that was not asked."""
    return _by_kind(checkpoint)[kind]


@cache
def recorded_shift(shift: str) -> dict[str, list[Answer]]:
    """The answers to the prompts of a planted shift, by their kinds."""
    prompts = read(f"shift-{shift}-prompts.jsonl", PromptLine)
    return _paired({line.id: line for line in prompts}, read(f"shift-{shift}-answers.jsonl", Said))


@cache
def refusals() -> dict[tuple[str, str], Refused]:
    """How the worker refused hopeless requests, by checkpoint and by what was sent."""
    return {(refused.checkpoint, refused.sent): refused for refused in read("refusals.jsonl", Refused)}


@cache
def _prompts() -> dict[str, PromptLine]:
    return {line.id: line for line in read("prompts.jsonl", PromptLine)}


@cache
def _by_kind(checkpoint: str) -> dict[str, list[Answer]]:
    return _paired(_prompts(), read(f"answers-{checkpoint}.jsonl", Said))


def _paired(prompts: Mapping[str, PromptLine], answers: Sequence[Said]) -> dict[str, list[Answer]]:
    found: dict[str, list[Answer]] = {}
    for said in answers:
        asked = prompts[said.id]
        found.setdefault(asked.kind, []).append(_answer(asked, said))
    return found


def _answer(asked: PromptLine, said: Said) -> Answer:
    return Answer(
        input_text=asked.prompt,
        output_text=said.output,
        media=tuple(_media(sha256, asked) for sha256 in asked.images),
        label=asked.label,
        right=said.right,
        confidence=said.confidence,
        finish_reason=said.finish_reason,
        tokens_in=said.tokens_in,
        tokens_out=said.tokens_out,
        prefill_ms=said.prefill_ms,
        decode_ms=said.decode_ms,
        brightness=asked.brightness,
        max_tokens=asked.max_tokens,
    )


def _media(sha256: str, asked: PromptLine) -> dict[str, Any]:
    return {"sha256": sha256, "mime": MIME, "bytes": asked.image_bytes, "width": asked.side, "height": asked.side}
