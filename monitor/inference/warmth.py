"""The first requests of an engine, asked by itself, so that those of users find everything allocated and chosen."""

import io
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from PIL import Image as Picture

from monitor.chat import Generation, Image, Message, Piece
from monitor.errors import WatchpointError
from monitor.inference.checkpoint import Loaded
from monitor.inference.images import ImageLimits
from monitor.inference.outcome import Listener, Outcome
from monitor.inference.prepare import Prepared, prepare

SIDE = 64
SETTINGS = Generation(max_tokens=2, deadline_s=600.0)
LIMITS = ImageLimits(max_bytes=1_000_000, max_pixels=SIDE * SIDE)

Submit = Callable[[Prepared, Generation, Listener], Any]


def warm_up(loaded: Loaded, submit: Submit, max_rows: int) -> None:
    """Answer small requests, with and without an image: one alone, then as many as fit. Raises what they raise."""
    for images in (0, 1) if loaded.takes_images else (0,):
        message = Message("user", (*[_image()] * images, "Hello"))
        prepared = prepare(loaded, [message], SETTINGS, LIMITS)
        for rows in {1, max_rows}:
            _answer(submit, prepared, rows)


def _answer(submit: Submit, prepared: Prepared, rows: int) -> None:
    ended: SimpleQueue[Piece | Outcome | WatchpointError] = SimpleQueue()

    def listen(event: Piece | Outcome | WatchpointError) -> None:
        if not isinstance(event, Piece):
            ended.put(event)

    for _ in range(rows):
        submit(prepared, SETTINGS, listen)
    for _ in range(rows):
        event = ended.get()
        if isinstance(event, WatchpointError):
            raise event


def _image() -> Image:
    file = io.BytesIO()
    Picture.new("RGB", (SIDE, SIDE), "grey").save(file, "PNG")
    return Image(file.getvalue())
