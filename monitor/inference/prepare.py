"""Messages become tensors: chat template, tokens, pixels. CPU work, to be done in a thread of a pool."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jinja2 import TemplateError

from monitor.chat import MAX_TOP_LOGPROBS, ROLES, Generation, Image, Message
from monitor.errors import BadInput
from monitor.inference.checkpoint import Loaded
from monitor.inference.images import ImageLimits, Picture, read_picture

TEMPLATELESS = "it has no chat template: the texts were joined as they are"


@dataclass(frozen=True, slots=True)
class Prepared:
    """One request as tensors on the CPU."""

    ids: tuple[int, ...] = field(repr=False)
    pixels: dict[str, torch.Tensor] = field(repr=False)  # what the processor made of the images; empty without
    images: int
    started: float  # time.perf_counter() when the preparation began; deadline and total count from here
    preprocess_ms: float
    notes: tuple[str, ...] = ()

    @property
    def tokens_in(self) -> int:
        return len(self.ids)


def prepare(loaded: Loaded, messages: Sequence[Message], settings: Generation, limits: ImageLimits) -> Prepared:
    """Turn a chat into the input of a model. Raises BadInput that says what cannot be used, and what could be."""
    started = time.perf_counter()
    _check_settings(settings)
    images = check_messages(loaded, messages, limits)
    pictures = [picture_of(number, image, limits) for number, image in enumerate(images, 1)]
    prompt = _prompt(loaded, messages)
    ids, pixels = tensors_of(loaded, prompt, pictures)
    if len(ids) >= loaded.context:
        within = f" with {len(images)} images" if images else ""
        raise BadInput(
            f"the prompt is {len(ids)} tokens long{within}; {loaded.id} has a context of "
            f"{loaded.context} tokens for prompt and answer together: shorten it"
        )
    notes = [*loaded.notes] if loaded.processor.chat_template else [*loaded.notes, TEMPLATELESS]
    notes += [f"image {number}: {note}" for number, picture in enumerate(pictures, 1) for note in picture.notes]
    return Prepared(ids, pixels, len(images), started, (time.perf_counter() - started) * 1e3, tuple(notes))


def _check_settings(settings: Generation) -> None:
    logprobs = settings.top_logprobs
    for name, value, right, allowed in (
        ("max_tokens", settings.max_tokens, settings.max_tokens >= 1, "at least 1"),
        ("temperature", settings.temperature, 0 <= settings.temperature <= 100, "0 (greedy) to 100"),
        ("top_p", settings.top_p, 0 < settings.top_p <= 1, "above 0, at most 1"),
        ("stop", settings.stop, all(settings.stop), "strings that are not empty"),
        ("top_logprobs", logprobs, logprobs is None or 0 <= logprobs <= MAX_TOP_LOGPROBS, f"0 to {MAX_TOP_LOGPROBS}"),
        ("deadline_s", settings.deadline_s, settings.deadline_s > 0, "above 0"),
    ):
        if not right:
            raise BadInput(f"{name} is {value!r}; allowed: {allowed}")


def check_messages(loaded: Loaded, messages: Sequence[Message], limits: ImageLimits) -> list[Image]:
    """The images of all messages in their order. Raises BadInput for what the checkpoint cannot be asked."""
    if not any(part for message in messages for part in message.parts):
        raise BadInput("the messages hold neither text nor image; give at least one")
    roles = sorted({message.role for message in messages} - {*ROLES})
    if roles:
        raise BadInput(f"the role {roles[0]!r} is unknown; allowed are {', '.join(ROLES)}")
    images = [image for message in messages for image in message.images]
    if images and not loaded.takes_images:
        raise BadInput(f"{loaded.id} is a language model and takes no images; {len(images)} were given: leave them out")
    if len(images) > limits.max_images:
        raise BadInput(f"{len(images)} images were given; allowed are {limits.max_images} in one request")
    placeholder = getattr(loaded.processor, "image_token", None) if loaded.takes_images else None
    if placeholder and any(placeholder in message.text for message in messages):
        raise BadInput(
            f"a text holds {placeholder}, which stands for an image inside the model, and {len(images)} images were "
            "given: take it out of the text, and give each image as a part of its message"
        )
    return images


def picture_of(number: int, image: Image, limits: ImageLimits) -> Picture:
    """An image of a request, decoded; what is wrong with it names its number."""
    try:
        return read_picture(image.data, limits)
    except BadInput as error:
        raise type(error)(f"image {number}: {error}") from None


def _prompt(loaded: Loaded, messages: Sequence[Message]) -> str:
    """The chat as the text that the model was trained to see. Raises BadInput when its template refuses."""
    if not loaded.processor.chat_template:
        return "\n".join(message.text for message in messages)
    chat = [
        {"role": message.role, "content": _parts(message) if loaded.takes_images else message.text}
        for message in messages
    ]
    try:
        return str(loaded.processor.apply_chat_template(chat, tokenize=False, add_generation_prompt=True))
    except (TemplateError, TypeError, ValueError) as error:
        raise BadInput(f"the chat template of {loaded.id} refuses these messages: {error}") from None


def _parts(message: Message) -> list[dict[str, Any]]:
    return [{"type": "text", "text": part} if isinstance(part, str) else {"type": "image"} for part in message.parts]


def tensors_of(
    loaded: Loaded, prompt: str, pictures: Sequence[Picture]
) -> tuple[tuple[int, ...], dict[str, torch.Tensor]]:
    """Tokens of the prompt, and the pixels as the model takes them."""
    bos = loaded.tokenizer.bos_token
    templated = bool(loaded.processor.chat_template)
    special = not templated or (loaded.takes_images and not (bos and prompt.startswith(bos)))  # as transformers decides
    if not pictures:
        return loaded.ids(prompt, special), {}
    images = [picture.image for picture in pictures]
    if loaded.quick:
        text, pixels = loaded.quick(prompt, images)
        return loaded.ids(text, special), pixels
    made = dict(loaded.processor(text=[prompt], images=[images], return_tensors="pt", add_special_tokens=special))
    ids = tuple(made.pop("input_ids")[0].tolist())
    made.pop("attention_mask", None)
    return ids, made
