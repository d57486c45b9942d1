"""Embeddings of prompts and images from the server that `[embedding]` of the fleet file names.

`jobs/drift.py` calls it, and keeps what `projections.project` makes of the vectors. Texts go as `input`, images as
`messages`, which the worker and vLLM take. The calls are bounded in size, in number and in time.
"""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from monitor.config import load_settings
from monitor.errors import TargetBusy, TargetError, TargetRefused, TargetUnreachable
from monitor.records import Endpoint
from monitor.runtimes.calls import Calls
from monitor.runtimes.embeddings import ask_embeddings, place_of, vectors_of
from monitor.runtimes.failures import Place

Floats = NDArray[np.float64]
Answer = tuple[list[float], str | None]  # a vector, and the space that the server says it lies in
T = TypeVar("T")
R = TypeVar("R")

NAME = "the embedding model"
TEXTS_AT_ONCE, CHARS_AT_ONCE = 64, 100_000
LONGEST_TEXT, SHORTEST_CUT = 2_000, 50
"""Characters of a text that are sent. A text that is refused is sent again with half of them, down to the shortest."""

MOST_REFUSALS = 5
"""After so many refused images and none that was taken, no more are sent."""

IN_FLIGHT = 4
DEADLINE_S = 60.0
MAX_BYTES = 64 * 1024 * 1024
PAUSES_S = (1.0, 4.0)
"""Before a second and a third try, where the server is busy or the connection broke."""

MIMES = ((b"\x89PNG", "image/png"), (b"\xff\xd8", "image/jpeg"), (b"GIF8", "image/gif"), (b"BM", "image/bmp"))


@dataclass(frozen=True, slots=True)
class Embedded:
    """Vectors (n, d) in the order of what was given, NaN for what has none, and in which space the server says they
    lie: None where it does not say. Vectors of different spaces may not be compared."""

    vectors: Floats
    space: str | None = None


def embed_texts(endpoint: Endpoint, texts: Sequence[str]) -> Floats:
    """The embeddings of texts (n, d); NaN for those without a letter to embed. Raises the kinds of TargetError."""
    return asyncio.run(embedded_texts(endpoint, texts)).vectors


def embed_images(endpoint: Endpoint, contents: Sequence[bytes]) -> Floats:
    """The embeddings of encoded images (n, d); NaN for those that the server refuses. Raises the kinds of TargetError.

    TargetRefused is raised where it takes none of them: it may take no images at all.
    """
    return asyncio.run(embedded_images(endpoint, contents)).vectors


async def embedded_texts(endpoint: Endpoint, texts: Sequence[str]) -> Embedded:
    """As `embed_texts`, within an event loop; each distinct text is asked for once."""
    place = place_of(NAME, endpoint)
    distinct = [*dict.fromkeys(cut for text in texts if (cut := text[:LONGEST_TEXT]).strip())]

    async def ask(part: Sequence[str], calls: Calls) -> list[Answer]:
        return await _texts(place, endpoint, part, calls)

    answers = dict(zip(distinct, await _all(_batches(distinct), ask), strict=True))
    return _joined([answers.get(text[:LONGEST_TEXT]) for text in texts])


async def embedded_images(endpoint: Endpoint, contents: Sequence[bytes]) -> Embedded:
    """As `embed_images`, within an event loop; each distinct image is asked for once."""
    place = place_of(NAME, endpoint)
    distinct = [*dict.fromkeys(contents)]
    answered: list[Answer] = []
    refusals: list[TargetRefused] = []

    async def ask(part: Sequence[bytes], calls: Calls) -> list[Answer | None]:
        try:
            found = await _asked(place, endpoint, {"messages": [_message(content) for content in part]}, 1, calls)
        except TargetRefused as error:
            refusals.append(error)
            if not answered and len(refusals) >= min(MOST_REFUSALS, len(distinct)):
                raise
            return [None]
        answered.extend(found)
        return [*found]

    answers = dict(zip(distinct, await _all([[one] for one in distinct], ask), strict=True))
    return _joined([answers[content] for content in contents])


async def _all(parts: Sequence[Sequence[T]], ask: Callable[[Sequence[T], Calls], Awaitable[Sequence[R]]]) -> list[R]:
    """What is answered to every part, in their order, some at a time. The first error ends it."""
    turns = asyncio.Semaphore(IN_FLIGHT)

    async def one(part: Sequence[T]) -> Sequence[R]:
        async with turns:
            return await ask(part, calls)

    async with Calls(load_settings({})) as calls:
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(part)) for part in parts]
        except* TargetError as errors:
            problem = errors.exceptions[0]
        else:
            return [answer for task in tasks for answer in task.result()]
    raise problem


def _batches(texts: Sequence[str]) -> list[list[str]]:
    """Texts in parts that one request may hold."""
    parts: list[list[str]] = []
    chars = 0
    for text in texts:
        if not parts or len(parts[-1]) >= TEXTS_AT_ONCE or chars + len(text) > CHARS_AT_ONCE:
            parts.append([])
            chars = 0
        parts[-1].append(text)
        chars += len(text)
    return parts


async def _texts(place: Place, endpoint: Endpoint, texts: Sequence[str], calls: Calls) -> list[Answer]:
    """The answers to texts. Where they are refused, the shortest is tried alone: if it is taken, one was too long."""
    try:
        return await _asked(place, endpoint, {"input": [*texts]}, len(texts), calls)
    except TargetRefused:
        if len(texts) == 1:
            if len(texts[0]) < 2 * SHORTEST_CUT:
                raise
            return await _texts(place, endpoint, [texts[0][: len(texts[0]) // 2]], calls)
    shortest = min(texts, key=len)
    if len(shortest) < 2 * SHORTEST_CUT:
        await _asked(place, endpoint, {"input": [shortest]}, 1, calls)  # else it is not for their length: raises
    middle = len(texts) // 2
    first, second = texts[:middle], texts[middle:]
    return [*await _texts(place, endpoint, first, calls), *await _texts(place, endpoint, second, calls)]


async def _asked(place: Place, endpoint: Endpoint, body: dict[str, Any], n: int, calls: Calls) -> list[Answer]:
    """n embeddings with the space that they lie in; asked again where the server is busy or went away."""
    body = {"model": place.model, **body, "encoding_format": "float"}
    for pause in (*PAUSES_S, None):
        try:
            found = await ask_embeddings(place, body, calls, deadline_s=DEADLINE_S, max_bytes=MAX_BYTES)
            break
        except (TargetBusy, TargetUnreachable):
            if pause is None:
                raise
            await asyncio.sleep(pause)
    return _read(place, endpoint, found, n)


def _read(place: Place, endpoint: Endpoint, found: dict[str, Any], n: int) -> list[Answer]:
    served, expected = found.get("model"), endpoint.version
    if expected is not None and served != expected:
        said = repr(served) if isinstance(served, str) else "no name"
        raise TargetError(f"{NAME} answered as {said}; its version in the fleet file is {expected!r}")
    vectors = vectors_of(found, n)
    if vectors is None:
        raise TargetError(f"{NAME} ({place.shown}) did not answer with {n} lists of numbers of one length")
    about = found.get("watchpoint")
    space = about.get("space") if isinstance(about, dict) else None
    return [(vector, space if isinstance(space, str) else None) for vector in vectors]


def _message(content: bytes) -> dict[str, Any]:
    mime = next((mime for start, mime in MIMES if content.startswith(start)), "image/webp")
    url = f"data:{mime};base64,{base64.b64encode(content).decode()}"
    return {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}


def _joined(answers: Sequence[Answer | None]) -> Embedded:
    """One row for each answer, NaN for none. Raises TargetError where vectors are of several lengths."""
    sizes = {len(answer[0]) for answer in answers if answer}
    if len(sizes) > 1:
        raise TargetError(f"{NAME} answered with vectors of {sorted(sizes)} numbers: they cannot be compared")
    size = sizes.pop() if sizes else 0
    nothing = [np.nan] * size
    vectors = np.array([answer[0] if answer else nothing for answer in answers], np.float64).reshape(len(answers), size)
    spaces = {answer[1] for answer in answers if answer}
    return Embedded(vectors, spaces.pop() if len(spaces) == 1 else None)
