"""What is asked: the form of the page and the messages that it stands for, both ways.

A message here is a dictionary as the api takes it: {"role", "content": [{"type": "text", "text"} or
{"type": "image", "sha256"}]}.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monitor.chat import ROLES

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Turn:
    """One message as the form shows it: its text, and its images by hash."""

    role: str
    text: str
    images: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """The form: a system prompt, earlier turns, and the user turn that is asked now."""

    text: str = ""
    images: tuple[str, ...] = ()
    system: str = ""
    earlier: tuple[Turn, ...] = ()

    @property
    def empty(self) -> bool:
        return not (self.text.strip() or self.images or self.earlier)


def messages_of(draft: Draft, exact: Sequence[Message] = ()) -> list[Message]:
    """The messages of a form. `exact` are the ones it was filled from: they go out untouched until somebody edits.

    The form keeps which images and which text a turn has, not how they alternate, so what was logged is repeated to
    the letter only in its own form.
    """
    if exact and draft_of(exact) == draft:
        return [dict(message) for message in exact]
    turns = [Turn("system", draft.system)] if draft.system.strip() else []
    turns += [turn for turn in draft.earlier if turn.text.strip() or turn.images]
    if draft.text.strip() or draft.images:
        turns.append(Turn("user", draft.text, draft.images))
    return [_message(turn) for turn in turns]


def draft_of(messages: Sequence[Message]) -> Draft:
    """The form that shows these messages: a leading system prompt, a last user turn, the rest as earlier turns."""
    turns = [_turn(message) for message in messages]
    system, last = "", Turn("user", "")
    if turns and turns[0].role == "system" and not turns[0].images:
        system, turns = turns[0].text, turns[1:]
    if turns and turns[-1].role == "user":
        last, turns = turns[-1], turns[:-1]
    return Draft(last.text, last.images, system, tuple(turns))


def images_of(messages: Sequence[Message]) -> list[str]:
    """Every image of a conversation by hash, in its order."""
    return [sha256 for message in messages for sha256 in _turn(message).images]


def text_of(messages: Sequence[Message]) -> str:
    """The last user text, which names a question best."""
    return draft_of(messages).text


def readable(messages: Any) -> list[Message]:
    """The messages of a log as far as they are messages; content as a plain text becomes one part."""
    found = []
    for message in messages if isinstance(messages, list) else []:
        if isinstance(message, Mapping) and message.get("role") in ROLES:
            content = message.get("content")
            parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
            found.append({"role": str(message["role"]), "content": [p for p in parts or [] if _is_part(p)]})
    return found


def _is_part(part: Any) -> bool:
    return isinstance(part, Mapping) and isinstance(part.get("text") or part.get("sha256"), str)


def _turn(message: Message) -> Turn:
    parts = message["content"]
    texts = [part["text"] for part in parts if part.get("type") != "image"]
    return Turn(message["role"], "".join(texts), tuple(part["sha256"] for part in parts if part.get("type") == "image"))


def _message(turn: Turn) -> Message:
    """Images stand before the text, as models were trained on them."""
    parts: list[dict[str, str]] = [{"type": "image", "sha256": sha256} for sha256 in turn.images]
    if turn.text.strip():
        parts.append({"type": "text", "text": turn.text})
    return {"role": turn.role, "content": parts}
