"""Calls our own worker, which answers like an OpenAI-compatible server and tells more about itself."""

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

import httpx

from monitor.chat import Generation, Message, Piece, Reply
from monitor.runtimes.calls import Calls, Health
from monitor.runtimes.failures import Place
from monitor.runtimes.health import ask
from monitor.runtimes.openai import chat
from monitor.runtimes.targets import Target

START = "start it with `python -m monitor worker`, or set WATCHPOINT_WORKER_URL to where it listens"

WAITING = ("loading", "warming")


def place_of(target: Target, calls: Calls) -> Place:
    return Place(target.id, httpx.URL(calls.worker + "/v1"), None, target.checkpoint.id, START)


async def stream(
    target: Target, messages: Sequence[Message], settings: Generation, calls: Calls
) -> AsyncGenerator[Piece | Reply, None]:
    """Pieces as they come, then one Reply with the worker's own timings, batch and memory."""
    answer = chat(place_of(target, calls), messages, settings, calls, deadline_s=settings.deadline_s)
    async with aclosing(answer):
        async for piece in answer:
            yield piece


async def health(target: Target, calls: Calls) -> Health:
    """Ready where the worker runs and can load the checkpoint; one that is not loaded yet is ready, and says so."""
    place = place_of(target, calls)
    asked = await ask(place, place.at("/models"), calls)
    if asked.status != 200:
        status = f"the worker answered HTTP {asked.status}: " if asked.status else ""
        return Health(False, f"{status}{asked.words}")
    known = {one.get("id"): one for one in _listed(asked.body)}
    if place.model not in known:
        return Health(False, f"the worker does not know {place.model}: it read its fleet file before, or another one")
    state = known[place.model].get("state")
    if state in WAITING:
        return Health(False, f"{place.model} is {state}")
    if state == "failed":
        return Health(False, f"{place.model} cannot be loaded: {known[place.model].get('reason') or 'see its log'}")
    return Health(True, "not loaded yet: its first answer takes longer" if state == "cold" else str(state or "ready"))


def _listed(body: bytes) -> list[dict[str, Any]]:
    try:
        found = json.loads(body)
    except ValueError:
        return []
    listed = found.get("data") if isinstance(found, dict) else None
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
