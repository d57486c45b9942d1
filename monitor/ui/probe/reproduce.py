"""A logged request as a question that can be asked again, with every gap between the two said plainly."""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import Any

from monitor.charts import words
from monitor.chat import Generation
from monitor.fleet import REDACTIONS
from monitor.ui.probe.draft import Message, readable

DEFAULTS = Generation()
SETTINGS = tuple(field.name for field in fields(Generation))
_REDACTED = re.compile(rf"\[(?:{'|'.join(REDACTIONS)})\]")


@dataclass(frozen=True, slots=True)
class Logged:
    """What the log knows of a request; `answer` is None when it has none, `gaps` are sentences."""

    event_id: str
    messages: tuple[Message, ...]
    settings: dict[str, Any]
    answer: str | None
    deployment: str
    checkpoint: str | None
    gaps: tuple[str, ...]


def logged(request: Mapping[str, Any]) -> Logged:
    """A row of the query `request` as a question."""
    attrs = attributes(request)
    said = readable(attrs.get("messages"))
    settings, unlogged = _settings(attrs.get("settings"))
    answer = request.get("output_text")
    return Logged(
        event_id=str(request["event_id"]),
        messages=tuple(said or _one_turn(request)),
        settings=settings,
        answer=str(answer) if words.known(answer) and request.get("status") != "error" else None,
        deployment=str(request["deployment"]),
        checkpoint=str(request["checkpoint"]) if words.known(request.get("checkpoint")) else None,
        gaps=tuple(_gaps(request, bool(said), settings, unlogged)),
    )


def attributes(request: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of a prediction as a dictionary, empty where they are none."""
    found = request.get("attrs")
    if isinstance(found, str):
        with suppress(ValueError):
            found = json.loads(found)
    return dict(found) if isinstance(found, Mapping) else {}


def media_of(request: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The media of a prediction, one dictionary each."""
    media = request.get("media")
    return [dict(one) for one in media] if media is not None and not isinstance(media, float) else []


def missing_images(missing: int, total: int) -> str:
    """What to say when images of a request cannot be shown to a model again."""
    which = "Its image is" if total == 1 else f"{missing} of its {total} images are"
    return (
        f"{which} not in the media store, so the question cannot be repeated as it was. The store has what a server "
        "sent to /api/v1/media, for as long as raw requests are kept. Add the file by hand if you have it."
    )


def _one_turn(request: Mapping[str, Any]) -> list[Message]:
    """What a request without messages means: the images in order, then the text."""
    parts: list[dict[str, str]] = [
        {"type": "image", "sha256": str(one["sha256"])} for one in media_of(request) if words.known(one.get("sha256"))
    ]
    if words.known(request.get("input_text")):
        parts.append({"type": "text", "text": str(request["input_text"])})
    return [{"role": "user", "content": parts}] if parts else []


def _settings(found: Any) -> tuple[dict[str, Any], list[str]]:
    """The generation settings, and the names of those that the log does not have."""
    known = {name: found[name] for name in SETTINGS if name in found} if isinstance(found, Mapping) else {}
    shape = [name for name in ("max_tokens", "temperature", "top_p") if known.get(name) is None]
    return {name: value for name, value in known.items() if value is not None}, shape


def _gaps(
    request: Mapping[str, Any], has_messages: bool, settings: Mapping[str, Any], unlogged: list[str]
) -> list[str]:
    cut = set(request["cut"]) if request.get("cut") is not None and not isinstance(request["cut"], float) else set()
    found = []
    if not has_messages:
        found.append(
            "The log has no messages for it, only its input text: a system prompt or earlier turns that the model saw "
            "are unknown."
        )
        if "input_text" in cut:
            found.append("Its input was cut at the limit of the door; the rest was not kept.")
    if unlogged:
        names = ", ".join(name.replace("_", " ") for name in unlogged)
        found.append(f"The log does not have its {names}: the settings below are defaults, not what it ran with.")
    if float(settings.get("temperature") or 0) > 0 and settings.get("seed") is None:
        found.append("It was sampled without a seed: a different answer is no evidence of a change.")
    if not words.known(request.get("checkpoint")):
        found.append("The log does not say which checkpoint answered.")
    if _REDACTED.search(str(request.get("input_text") or "")):
        found.append("Parts of its input were redacted at the door, and stay redacted here.")
    unnamed = sum(not words.known(one.get("sha256")) for one in media_of(request))
    if unnamed and not has_messages:
        found.append(f"{unnamed} of its images were logged without a hash and cannot be found.")
    found += _answer_gaps(request, cut)
    return found


def _answer_gaps(request: Mapping[str, Any], cut: set[str]) -> list[str]:
    if request.get("status") == "error":
        return ["It failed, so there is no logged answer to compare with."]
    if not words.known(request.get("output_text")):
        return ["The log has no answer for it, so there is nothing to compare with."]
    if "output_text" in cut:
        return ["Its answer was cut at the limit of the door: only the part that was kept can be compared."]
    return []
