"""POST /v1/embeddings: vectors of texts, or one vector of the images of a message, in OpenAI's shape. No torch here.

Texts come as `input`, images as `messages`, as vLLM takes them. One request at a time is computed, in a thread, beside
the chats of the engine; what waits is bounded like everything else.
"""

import asyncio
import base64
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import orjson
from msgspec import Meta
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from monitor.chat import Message
from monitor.config import Settings
from monitor.errors import Overloaded, TargetBusy, TargetTimeout, WatchpointError
from monitor.inference.answers import outcome_word
from monitor.inference.connection import check_type, read_body, until_gone
from monitor.inference.refused import BadParameter
from monitor.inference.wire import MAX_DEADLINE_S, Parameter, check_parameters, decode_json, read_messages
from monitor.inference.worker import SMALL, Worker

if TYPE_CHECKING:  # torch comes with these
    from monitor.inference.checkpoint import Loaded
    from monitor.inference.vectors import Embedded

JSON = ("application/json",)
MOST_TEXTS = 256
DEADLINE_S = 60.0

_Text = Annotated[str, Meta(min_length=1)]

PARAMETERS = (
    Parameter("model", str, "the id of a checkpoint, see /v1/models"),
    Parameter(
        "input",
        _Text | Annotated[list[_Text], Meta(min_length=1, max_length=MOST_TEXTS)],
        f"a text that is not empty, or a list of 1 to {MOST_TEXTS} of them",
    ),
    Parameter(
        "messages",
        Annotated[list[dict[str, Any]], Meta(min_length=1)],
        "instead of input: messages whose contents are images (one vector of all of them) or texts (one vector)",
    ),
    Parameter("encoding_format", Literal["float", "base64"], "float (the default), or base64 of float32"),
    Parameter(
        "deadline_s",
        Annotated[float, Meta(gt=0, le=MAX_DEADLINE_S)],
        f"seconds until it is given up, up to {MAX_DEADLINE_S:g}; {DEADLINE_S:g} when missing",
    ),
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request in our own words: texts, or messages with images."""

    model: str
    texts: tuple[str, ...]
    messages: tuple[Message, ...]
    base64: bool
    deadline_s: float


async def answer(request: Request) -> Response:
    """Answer a request for embeddings. Mistakes in it are raised as BadInput before anything is computed."""
    worker: Worker = request.app.state.worker
    hold = worker.room.hold()
    model = ""
    try:
        worker.check_open()
        check_type(request, JSON)
        body = await read_body(request, worker.settings.max_body_bytes, hold)
        arrived = time.perf_counter()
        wanted = await _parse(worker, body)
        model = wanted.model
        answered = await until_gone(request.receive, _answered(worker, wanted, arrived))
    except WatchpointError as error:
        worker.metrics.ended(model, outcome_word(error))
        raise
    except ClientDisconnect:
        worker.metrics.ended(model, "cancelled")
        raise
    finally:
        hold.release()
    worker.metrics.ended(model, "embedded")
    return Response(answered, media_type="application/json")


async def _parse(worker: Worker, body: bytes) -> Wanted:
    most = worker.settings.max_image_bytes
    return parse(body, most) if len(body) <= SMALL else await worker.in_thread(parse, body, most)


def parse(body: bytes, max_image_bytes: int) -> Wanted:
    """A request body as `Wanted`. Raises BadInput that names what is wrong."""
    values = check_parameters(decode_json(body), PARAMETERS, ("model",))
    if ("input" in values) == ("messages" in values):
        there = "is there beside messages" if "input" in values else "is missing, and so is messages"
        raise BadParameter("input", f"{there}: send one of them", "missing_parameter")
    given = values.get("input", ())
    messages = read_messages(values.get("messages", ()), max_image_bytes)
    texts = (given,) if isinstance(given, str) else tuple(given)
    if messages and not any(message.images for message in messages):
        texts, messages = (_only_text(messages),), ()
    if any(message.text for message in messages):
        raise BadParameter("messages", "hold texts beside images: send the texts as input, in a request of their own")
    form = values.get("encoding_format", "float")
    return Wanted(values["model"], texts, messages, form == "base64", values.get("deadline_s", DEADLINE_S))


def _only_text(messages: tuple[Message, ...]) -> str:
    text = "\n".join(message.text for message in messages)
    if not text:
        raise BadParameter("messages", "hold neither text nor image: give at least one")
    return text


async def _answered(worker: Worker, wanted: Wanted, arrived: float) -> bytes:
    """The body of the answer, within the deadline. Leaving early ends the thread after the pass that it is at."""
    if worker.embedding_waits >= worker.settings.worker_queue:
        raise Overloaded(
            f"{worker.embedding_waits} requests for embeddings wait; allowed are {worker.settings.worker_queue} "
            "(WATCHPOINT_WORKER_QUEUE): ask again later",
            1,
        )
    left = threading.Event()
    deadline = arrived + wanted.deadline_s
    worker.embedding_waits += 1
    try:
        async with (
            worker.pool.lease(wanted.model, deadline) as ready,
            asyncio.timeout(deadline - time.perf_counter()),
            worker.embedding,
        ):
            return await worker.in_thread(_computed, ready.loaded, wanted, worker.settings, left, arrived)
    except TimeoutError:
        raise TargetTimeout(
            f"the embeddings were not ready within the deadline of {wanted.deadline_s:g} s: send fewer texts at once, "
            "or allow more in deadline_s"
        ) from None
    finally:
        left.set()
        worker.embedding_waits -= 1


def _computed(loaded: "Loaded", wanted: Wanted, settings: Settings, left: threading.Event, arrived: float) -> bytes:
    """Compute and write the answer, in a thread."""
    # Torch, numpy and PIL come with these, and are there by now.
    from monitor.inference.images import ImageLimits  # noqa: PLC0415
    from monitor.inference.vectors import embed_images, embed_texts  # noqa: PLC0415

    def go_on() -> None:
        if left.is_set():
            raise TargetBusy("nobody waits for this answer any more")

    if wanted.texts:
        found = embed_texts(loaded, wanted.texts, go_on)
    else:
        found = embed_images(loaded, wanted.messages, ImageLimits.of(settings), go_on)
    return orjson.dumps(_said(wanted, found, arrived))


def _said(wanted: Wanted, found: "Embedded", arrived: float) -> dict[str, Any]:
    """The answer in OpenAI's shape, with a block of our own."""
    vectors = [_as_base64(one) for one in found.vectors] if wanted.base64 else found.vectors.tolist()
    return {
        "object": "list",
        "model": wanted.model,
        "data": [{"object": "embedding", "index": index, "embedding": one} for index, one in enumerate(vectors)],
        "usage": {"prompt_tokens": found.tokens, "total_tokens": found.tokens},
        "watchpoint": {
            "checkpoint": wanted.model,
            "space": found.space,
            "total_ms": round((time.perf_counter() - arrived) * 1000, 3),
            "notes": found.notes,
        },
    }


def _as_base64(vector: Any) -> str:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()
