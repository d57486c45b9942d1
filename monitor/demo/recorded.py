"""What the demo's checkpoints really answered, as `record` wrote it: read here, without loading a model.

`prompts.jsonl` holds the sample, `answers-<checkpoint>.jsonl` what one checkpoint said to it, `refusals.jsonl` how the
worker refused what cannot be answered.
"""

from collections.abc import Sequence
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
    """A line of `prompts.jsonl`."""

    id: str
    kind: str
    prompt: str
    label: str | None = None
    images: tuple[str, ...] = ()  # SHA-256 of each
    image_bytes: int = 0
    brightness: float | None = None


class Said(msgspec.Struct, omit_defaults=True):
    """A line of `answers-<checkpoint>.jsonl`; times in milliseconds."""

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
def refusals() -> dict[tuple[str, str], Refused]:
    """How the worker refused hopeless requests, by checkpoint and by what was sent."""
    return {(refused.checkpoint, refused.sent): refused for refused in read("refusals.jsonl", Refused)}


@cache
def _prompts() -> dict[str, PromptLine]:
    return {line.id: line for line in read("prompts.jsonl", PromptLine)}


@cache
def _by_kind(checkpoint: str) -> dict[str, list[Answer]]:
    found: dict[str, list[Answer]] = {}
    for said in read(f"answers-{checkpoint}.jsonl", Said):
        asked = _prompts()[said.id]
        found.setdefault(asked.kind, []).append(_answer(asked, said))
    return found


def _answer(asked: PromptLine, said: Said) -> Answer:
    return Answer(
        input_text=asked.prompt,
        output_text=said.output,
        media=tuple(_media(sha256, asked.image_bytes) for sha256 in asked.images),
        label=asked.label,
        right=said.right,
        confidence=said.confidence,
        finish_reason=said.finish_reason,
        tokens_in=said.tokens_in,
        tokens_out=said.tokens_out,
        prefill_ms=said.prefill_ms,
        decode_ms=said.decode_ms,
        brightness=asked.brightness,
    )


def _media(sha256: str, size: int) -> dict[str, Any]:
    return {"sha256": sha256, "mime": MIME, "bytes": size, "width": SIDE, "height": SIDE}
