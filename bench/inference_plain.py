"""Plain transformers as a contestant: `model.generate`, one at a time or in left-padded batches."""

import io
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image as Pictures
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText, AutoProcessor, AutoTokenizer

from bench.inference_requests import Asked
from bench.inference_runs import Answered, Contestant
from monitor.chat import Image, Message


@dataclass(frozen=True, slots=True)
class Plain:
    """A checkpoint as the Auto classes load it. `read` is its processor, or its tokenizer when it takes no images."""

    model: Any
    read: Any
    takes_images: bool

    @property
    def end(self) -> set[int]:
        found = self.model.generation_config.eos_token_id
        return {found} if isinstance(found, int) else set(found)


@dataclass(frozen=True, slots=True)
class Reference:
    """What single generation answers: the text, its token ids, and at each step how far the best logit leads."""

    text: str
    ids: list[int]
    leads: list[float]


def load_plain(folder: Path, *, takes_images: bool = True) -> Plain:
    """The checkpoint in single precision."""
    kinds = (AutoModelForImageTextToText, AutoProcessor) if takes_images else (AutoModelForCausalLM, AutoTokenizer)
    model = kinds[0].from_pretrained(folder, dtype=torch.float32, local_files_only=True).eval()
    return Plain(model, kinds[1].from_pretrained(folder, local_files_only=True), takes_images)


def padded(plain: Plain, rows: int) -> Contestant:
    """Batches of `rows` in the order of arrival; a batch takes as long as its longest answer."""
    name = "generate, one at a time" if rows == 1 else f"generate, padded batches of {rows}"
    return Contestant(name, partial(_answer_all, plain, rows))


def _answer_all(plain: Plain, rows: int, asked: Sequence[Asked]) -> list[Answered]:
    answers: list[Answered] = []
    for start in range(0, len(asked), rows):
        answers += _answer(plain, asked[start : start + rows])
    return answers


def _answer(plain: Plain, asked: Sequence[Asked]) -> list[Answered]:
    began = time.perf_counter()
    first = FirstToken()
    inputs = inputs_of(plain, asked)
    most = max(one.settings.max_tokens for one in asked)
    made = plain.model.generate(**inputs, max_new_tokens=most, do_sample=False, stopping_criteria=[first])
    rows = [
        ids[: one.settings.max_tokens] for ids, one in zip(made[:, inputs["input_ids"].shape[1] :], asked, strict=True)
    ]
    texts = plain.read.batch_decode(rows, skip_special_tokens=True)
    total = time.perf_counter() - began
    return [Answered(text, first.at - began, total) for text in texts]


class FirstToken:
    """A stopping criterion that never stops, and notes when it was first asked."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self, ids: Any, scores: Any, **_: Any) -> Any:
        self.at = self.at or time.perf_counter()
        return torch.zeros(ids.shape[0], dtype=torch.bool, device=ids.device)


def inputs_of(plain: Plain, asked: Sequence[Asked]) -> Any:
    """Left-padded tensors of several requests, images decoded from their files."""
    chats = [[_turn(plain, message) for message in one.messages] for one in asked]
    padding = {"processor_kwargs": {"padding": True}} if plain.takes_images else {"padding": True}
    inputs = plain.read.apply_chat_template(
        chats, tokenize=True, add_generation_prompt=True, return_dict=True, return_tensors="pt", **padding
    )
    model = plain.model
    return inputs.to(model.device, model.dtype) if plain.takes_images else inputs.to(model.device)


def _turn(plain: Plain, message: Message) -> dict[str, Any]:
    if not plain.takes_images:
        return {"role": message.role, "content": message.text}
    return {"role": message.role, "content": [_part(part) for part in message.parts]}


def _part(part: str | Image) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    return {"type": "image", "image": Pictures.open(io.BytesIO(part.data)).convert("RGB")}


def reference(plain: Plain, one: Asked) -> Reference:
    """Greedy single generation with the lead of the best token over the second at each step."""
    inputs = inputs_of(plain, [one])
    made = plain.model.generate(
        **inputs,
        max_new_tokens=one.settings.max_tokens,
        do_sample=False,
        output_logits=True,
        return_dict_in_generate=True,
    )
    ids = made.sequences[0, inputs["input_ids"].shape[1] :].tolist()
    best = [torch.topk(logits[0].float(), 2).values for logits in made.logits]
    return Reference(plain.read.decode(ids, skip_special_tokens=True), ids, [float(two[0] - two[1]) for two in best])


def lead_where_they_part(plain: Plain, single: Reference, other: str) -> float:
    """How far the best logit led at the first step at which `other` says something else; a tie is about 0."""
    for step in range(len(single.ids)):
        if not other.startswith(plain.read.decode(single.ids[: step + 1], skip_special_tokens=True)):
            return single.leads[step]
    return single.leads[-1]
