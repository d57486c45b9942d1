"""A chat as the request of an OpenAI-compatible server, and what is left out of it when a server refuses a field."""

import asyncio
import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from monitor.chat import Generation, Image, Message
from monitor.runtimes.calls import Calls
from monitor.runtimes.failures import Failure, Place


@dataclass(frozen=True, slots=True)
class Spare:
    """Fields that a request can do without, at the price that the note names."""

    name: str
    fields: tuple[str, ...]
    price: str
    instead: str | None = None  # the value goes into this field
    sign: str = r"(?!)"  # words by which servers fail without naming the field
    complaint: str = (
        r"unsupported|not support|unrecogni[sz]ed|unknown|unexpected|extra|not permitted|not allowed|not available"
        r"|only the default"
    )

    def refused_by(self, words: str, body: dict[str, Any]) -> bool:
        """Whether a server complains about one of the fields, and not about its value only."""
        if not any(name in body for name in self.fields):
            return False
        blamed = re.split(r"(?i)expected one of|allowed are|supported are", words, maxsplit=1)[0]
        named = any(re.search(rf"(?<![\w-]){name}(?![\w-])", blamed) for name in (self.name, *self.fields))
        return bool(re.search(self.sign, words) or (named and re.search(f"(?i){self.complaint}", words)))


SPARES = (
    Spare("logprobs", ("logprobs", "top_logprobs"), "there are no log probabilities"),
    Spare("stream_options", ("stream_options",), "tokens may not be counted"),
    Spare("seed", ("seed",), "a sampled answer is not repeatable"),
    Spare("stop", ("stop",), "the answer is not ended at stop", sign="get_vocab"),  # transformers serve, with images
    Spare("temperature", ("temperature",), "the server's own temperature holds"),
    Spare("top_p", ("top_p",), "the server's own top_p holds"),
    Spare("max_tokens", ("max_tokens",), "max_completion_tokens was sent instead", instead="max_completion_tokens"),
    Spare("stream", ("stream", "stream_options"), "there is no time to first token"),
)
"""In the order in which a complaint is held against them."""

WHOLE = replace(SPARES[5], complaint=r"< ?1|less than 1|between")
"""top_p = 1 means all tokens; TGI wants less than 1 and means the same when there is none."""


@dataclass(frozen=True, slots=True)
class Request:
    """A body, and the notes about what it lacks."""

    body: dict[str, Any] = field(repr=False)
    notes: tuple[str, ...] = ()

    def with_fields(self, more: dict[str, Any]) -> "Request":
        return Request(self.body | more, self.notes)

    async def encoded(self) -> bytes:
        """The JSON, with images as data URLs, which takes a while: it is written in a thread."""
        return await asyncio.to_thread(self._encoded) if self._has_images else self._encoded()

    @property
    def _has_images(self) -> bool:
        return any(not isinstance(message["content"], str) for message in self.body["messages"])

    def _encoded(self) -> bytes:
        return orjson.dumps(self.body, default=_data_url, option=orjson.OPT_PASSTHROUGH_DATACLASS)

    def without(self, failure: Failure, place: Place, calls: Calls) -> "Request | None":
        """The request without the fields that the server complains about; None where it complains about others."""
        whole = (WHOLE,) if self.body.get("top_p") == 1 else ()
        for spare in (*whole, *SPARES):
            if spare.refused_by(failure.words, self.body):
                words = place.scrubbed(failure.words)[:200]
                calls.remember_refusal(_what(spare, place, self.body), words)
                return self._less(spare, words)
        return None

    def known(self, place: Place, calls: Calls) -> "Request":
        """The request without the fields that this server refused lately."""
        request = self
        for spare in SPARES:
            if any(name in request.body for name in spare.fields):
                words = calls.refusal(_what(spare, place, request.body))
                request = request._less(spare, words) if words else request
        return request

    def _less(self, spare: Spare, words: str) -> "Request":
        body = {key: value for key, value in self.body.items() if key not in spare.fields}
        if spare.instead:
            body[spare.instead] = self.body[spare.fields[0]]
        return Request(body, (*self.notes, f"the server refused {spare.name} ({words}): {spare.price}"))


def request_for(place: Place, messages: Sequence[Message], settings: Generation) -> Request:
    """Everything that the settings say, spelt out: what is left open, servers fill in differently."""
    body: dict[str, Any] = {
        "model": place.model,
        "messages": [{"role": one.role, "content": _content(one)} for one in messages],
        "max_tokens": settings.max_tokens,
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if settings.seed is not None:
        body["seed"] = settings.seed
    if settings.stop:
        body["stop"] = list(settings.stop)
    if settings.top_logprobs is not None:
        body["logprobs"] = True
        if settings.top_logprobs:
            body["top_logprobs"] = settings.top_logprobs
    return Request(body)


def _content(message: Message) -> str | list[dict[str, Any]]:
    if not message.images:
        return message.text
    return [
        {"type": "image_url", "image_url": {"url": part}} if isinstance(part, Image) else {"type": "text", "text": part}
        for part in message.parts
    ]


def _data_url(image: Image) -> str:
    return f"data:{image.mime};base64,{base64.b64encode(image.data).decode()}"


def _what(spare: Spare, place: Place, body: dict[str, Any]) -> tuple[str, ...]:
    """What is remembered: this server refuses these values for this model; it may accept others."""
    return (place.shown, place.model, spare.name, json.dumps([body.get(name) for name in spare.fields]))
