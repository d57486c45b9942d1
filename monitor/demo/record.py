"""Asks the demo's checkpoints for real, once: `python -m monitor.demo.record` writes the files that `recorded` reads.

Each prompt of the sample is answered by itself, greedily, on one thread of a processor, through the same code as in the
worker. What cannot be answered is sent as well, and how it is refused is written down. The seed is fixed: texts and
confidences come out the same again, the measured times are those of this machine. With the names of planted shifts
behind the command, only their prompts are asked, and all other files stay as they are.
"""

import hashlib
import queue
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from rich.progress import Progress

from monitor.chat import Generation, Image, Message, Piece
from monitor.config import load_settings
from monitor.demo.asked import SETTINGS, Prompt, prompts
from monitor.demo.deployments import PROFILES, TEXT_KINDS, VISION_KINDS
from monitor.demo.failures import BROKEN_IMAGE, LONG_PROMPT
from monitor.demo.incidents import SWITCHED_TO
from monitor.demo.load import FLEET
from monitor.demo.recorded import FOLDER, MIME, PromptLine, Refused, Said
from monitor.demo.render import png
from monitor.demo.scenes import SIDE
from monitor.demo.shifted import PLAIN, RECIPES, Recipe, files
from monitor.demo.shifts import SHIFTED
from monitor.errors import BadInput, WatchpointError
from monitor.fleet import load_fleet
from monitor.inference.checkpoint import Loaded, load_checkpoint
from monitor.inference.engine import Engine, EngineOptions
from monitor.inference.folders import weights_folder
from monitor.inference.images import ImageLimits
from monitor.inference.outcome import Outcome
from monitor.inference.prepare import prepare

LIMITS = ImageLimits.of(load_settings({}))

ROUNDS = 3
"""So often the prompts of a shift are asked; the times of the middle round count, so that a busy moment does not."""


def main(only: Sequence[str]) -> None:
    """Write the prompts, the answers of each checkpoint and the refusals, and the same for each planted shift."""
    if unknown := sorted(set(only) - set(RECIPES)):
        raise BadInput(f"{unknown[0]} is no shift: expected some of {', '.join(RECIPES)}, or nothing for everything")
    torch.set_num_threads(1)
    FOLDER.mkdir(exist_ok=True)
    if not only:
        record_sample()
    for shift in only or RECIPES:
        record_shift(shift)


def record_sample() -> None:
    vision = [prompt for kind in VISION_KINDS for prompt in prompts(kind)]
    texts = [prompt for kind in TEXT_KINDS for prompt in prompts(kind)]
    _write("prompts.jsonl", map(prompt_line, [*vision, *texts]))
    refused: list[Refused] = []
    with Progress() as progress:
        for checkpoint in sorted({profile.checkpoint for profile in PROFILES} | {SWITCHED_TO}):
            loaded = load_demo_checkpoint(checkpoint)
            sample = vision if loaded.takes_images else texts
            said = answer_all(loaded, progress.track(sample, description=checkpoint))
            _write(f"answers-{checkpoint}.jsonl", said)
            refused += refuse_all(loaded)
    _write("refusals.jsonl", refused)


def record_shift(shift: str) -> None:
    """Ask the checkpoint of the deployment that the shift is planted on."""
    recipe, sample = RECIPES[shift], RECIPES[shift].prompts()
    loaded = load_demo_checkpoint(next(one.checkpoint for one in PROFILES if one.id == SHIFTED[shift]))
    _write(f"shift-{shift}-prompts.jsonl", (prompt_line(prompt, recipe) for prompt in sample))
    with Progress() as progress:
        rounds = [answer_all(loaded, progress.track(sample, description=shift), recipe) for _ in range(ROUNDS)]
    _write(f"shift-{shift}-answers.jsonl", map(_middle, zip(*rounds, strict=True)))


def _middle(said: Sequence[Said]) -> Said:
    return sorted(said, key=lambda one: one.prefill_ms + one.decode_ms)[len(said) // 2]


def load_demo_checkpoint(checkpoint: str) -> Loaded:
    """A checkpoint of the demo's fleet file, ready to answer on a CPU."""
    fleet = load_fleet(FLEET)
    record = fleet.checkpoints[checkpoint]
    return load_checkpoint(record, weights_folder(record, str(FLEET)), "cpu")


def prompt_line(prompt: Prompt, recipe: Recipe = PLAIN) -> PromptLine:
    """A prompt as it is written down, with the hashes of its images."""
    question = prompt.question
    contents = files(recipe, prompt)
    pixels = [np.asarray(recipe.picture(scene)) for scene in question.scenes]
    light = np.concatenate(pixels).mean() / 255 if pixels else None
    return PromptLine(
        id=prompt.id,
        kind=question.kind,
        prompt=question.prompt,
        label=question.label,
        images=tuple(hashlib.sha256(content).hexdigest() for content in contents),
        image_bytes=len(contents[0]) if contents else 0,
        brightness=None if light is None else round(float(light), 4),
        side=len(pixels[0]) if pixels else SIDE,
        max_tokens=recipe.max_tokens,
    )


def answer_all(loaded: Loaded, sample: Iterable[Prompt], recipe: Recipe = PLAIN) -> list[Said]:
    """What a checkpoint says to each prompt, asked one at a time."""
    engine = Engine(loaded, EngineOptions(max_rows=1))
    engine.start()
    try:
        engine.warm_up()
        return [_said(prompt, ask(engine, loaded, _message(prompt, recipe), recipe.max_tokens)) for prompt in sample]
    finally:
        engine.stop()


def ask(engine: Engine, loaded: Loaded, message: Message, max_tokens: int | None = None) -> Outcome:
    """One answer, with the log probability of each token. Raises what the engine refuses."""
    usual = next(settings for model, settings in SETTINGS.items() if loaded.id.startswith(model))
    settings = replace(usual, top_logprobs=0, max_tokens=max_tokens or usual.max_tokens)
    heard: queue.SimpleQueue[Piece | Outcome | WatchpointError] = queue.SimpleQueue()
    engine.submit(prepare(loaded, [message], settings, LIMITS), settings, heard.put)
    while isinstance(found := heard.get(timeout=60), Piece):
        pass
    if isinstance(found, WatchpointError):
        raise found
    return found


def refuse_all(loaded: Loaded) -> list[Refused]:
    """How hopeless requests are refused: an image that breaks off, and a prompt that is longer than the context."""
    hopeless = {LONG_PROMPT: Message("user", ("Is there a red circle? " * 400,))}
    if loaded.takes_images:
        whole = png(prompts("colour")[0].question.scenes[0])
        hopeless[BROKEN_IMAGE] = Message("user", (Image(whole[: len(whole) // 2], MIME), "What colour is the circle?"))
    return [_refused(loaded, sent, message) for sent, message in hopeless.items()]


def _refused(loaded: Loaded, sent: str, message: Message) -> Refused:
    try:
        prepare(loaded, [message], Generation(), LIMITS)
    except WatchpointError as error:
        return Refused(loaded.id, sent, type(error).__name__, str(error))
    raise AssertionError(f"{sent}: was not refused")


def _message(prompt: Prompt, recipe: Recipe) -> Message:
    return Message("user", (*(Image(content, MIME) for content in files(recipe, prompt)), prompt.question.prompt))


def _said(prompt: Prompt, outcome: Outcome) -> Said:
    surety = np.exp(np.mean([token.logprob for token in outcome.tokens])) if outcome.tokens else 0.0
    return Said(
        id=prompt.id,
        output=outcome.text,
        right=prompt.question.right(outcome.text),
        confidence=round(float(surety), 4),
        finish_reason=outcome.finish_reason,
        tokens_in=outcome.tokens_in,
        tokens_out=outcome.tokens_out,
        prefill_ms=round(outcome.preprocess_ms + outcome.prefill_ms, 2),
        decode_ms=round(outcome.decode_ms, 2),
    )


def _write(name: str, records: Iterable[Any]) -> None:
    path: Path = FOLDER / name
    path.write_bytes(b"".join(msgspec.json.encode(record) + b"\n" for record in records))


if __name__ == "__main__":
    main(sys.argv[1:])
