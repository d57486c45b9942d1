"""Calls Gradio apps. gradio_client looks for answers each 50 ms, so times are up to so much too long."""

import asyncio
import functools
import json
import time
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import CancelledError as JobLost
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from monitor.chat import Generation, Image, Message, Piece, Reply, Timings
from monitor.errors import TargetBusy, TargetError, TargetRefused, TargetTimeout, TargetUnreachable
from monitor.runtimes.apps import IDLE_S, App, connect
from monitor.runtimes.calls import Calls, Health, clock, key_of
from monitor.runtimes.endpoint import Endpoint, answer_in, choose, endpoints_of, fill
from monitor.runtimes.failures import Failure, Place, broken
from monitor.runtimes.health import ask
from monitor.runtimes.targets import Target

LOOK_S = 0.05

SUFFIXES = {
    "image/jpeg": ".jpg",
    "image/webp": ".webp",
    "image/gif": ".gif",
    "image/bmp": ".bmp",
    "image/tiff": ".tiff",
}


def place_of(target: Target) -> Place:
    return Place(target.id, httpx.URL(target.url or ""), key_of(target.id, target.key_env), target.model)


async def stream(
    target: Target, messages: Sequence[Message], settings: Generation, calls: Calls
) -> AsyncGenerator[Piece | Reply, None]:
    """Pieces where the app writes its answer bit by bit, then one Reply; raises the kinds of TargetError."""
    place = place_of(target)
    deadline = clock() + settings.deadline_s
    late = TargetTimeout(f"{place.name} ({place.shown}) has not finished within {settings.deadline_s:g} s")
    try:
        async with asyncio.timeout_at(deadline):
            app = await _connected(place, calls)
    except TimeoutError:
        raise late from None
    with TemporaryDirectory(prefix="watchpoint-") as folder:
        try:
            endpoint, values, notes = await asyncio.to_thread(_prepared, target, app, messages, settings, Path(folder))
        except TargetRefused as refusal:
            calls.apps.give(str(place.url), place.key, app, clock())
            raise TargetRefused(f"{place.name} ({place.shown}): {refusal}") from None
        call = _Call(place, app, endpoint, values)
        try:
            while (text := await call.more(deadline, late)) is not None:
                yield Piece(text)
            yield call.reply(notes)
        finally:
            call.leave(calls)


async def health(target: Target, calls: Calls) -> Health:
    """Ready where the app gives its configuration and has the endpoint; never raises."""
    try:
        place = place_of(target)
    except TargetError as error:
        return Health(False, str(error))
    asked = await ask(place, place.at("/config"), calls)
    if asked.status != 200:
        status = f"{place.shown} answered HTTP {asked.status}: " if asked.status else ""
        return Health(False, f"{status}{asked.words}")
    try:
        config = json.loads(asked.body)
        names = [f"/{one['api_name']}" for one in config["dependencies"] if one.get("api_name")]
        about = f"Gradio {config['version']}"
    except (ValueError, KeyError, TypeError):
        return Health(False, f"{place.shown} is no Gradio app: its /config is something else")
    if target.api_name and target.api_name not in names:
        return Health(False, f"{about} answers, and has no endpoint {target.api_name}; it has {', '.join(names)}")
    return Health(True, about)


async def _connected(place: Place, calls: Calls) -> App:
    app = calls.apps.take(str(place.url), place.key, clock())
    if app:
        return app
    try:
        work = functools.partial(connect, str(place.url), place.key, calls.tls, clock())
        return await asyncio.get_running_loop().run_in_executor(calls.threads, work)
    except httpx.HTTPError as error:
        raise broken(place, error, "before it answered") from error
    except Exception as error:
        asked = await ask(place, place.at("/config"), calls)
        if asked.status >= 300:  # gradio_client forgets the status
            raise Failure(asked.words, asked.status).error(place) from error
        raise TargetError(f"{place.name} ({place.shown}) is no Gradio app: {place.scrubbed(str(error))}") from error


def _prepared(
    target: Target, app: App, messages: Sequence[Message], settings: Generation, folder: Path
) -> tuple[Endpoint, dict[str, Any], tuple[str, ...]]:
    """Endpoint, values by parameter and notes; images are written into the folder, from where they are uploaded."""
    info = app.client.view_api(print_info=False, return_format="dict")
    endpoint = choose(endpoints_of(info), target.api_name)

    def upload(image: Image) -> dict[str, Any]:
        path = folder / f"image-{len(list(folder.iterdir())) + 1}{SUFFIXES.get(image.mime, '.png')}"
        path.write_bytes(image.data)
        return {"path": str(path), "orig_name": path.name, "meta": {"_type": "gradio.FileData"}}

    return endpoint, *fill(endpoint, messages, settings, upload)


class _Call:
    """One job of gradio_client, watched from the event loop."""

    def __init__(self, place: Place, app: App, endpoint: Endpoint, values: dict[str, Any]) -> None:
        self._place, self._app, self._endpoint = place, app, endpoint
        self._loop = asyncio.get_running_loop()
        self._done = asyncio.Event()
        self._text = ""
        self._good = False
        self._sent = clock()
        self._first = self._end = 0.0
        self._writes = app.writes(endpoint.name)
        try:
            self._job = app.client.submit(api_name=endpoint.name, **values)
        except (TypeError, ValueError) as error:
            raise TargetRefused(
                f"{place.name} ({place.shown}) cannot be called: {place.scrubbed(str(error))}"
            ) from error
        self._job.future.add_done_callback(self._wake)

    def _wake(self, _: object) -> None:
        with suppress(RuntimeError):  # nobody waits any more: the loop is closed
            self._loop.call_soon_threadsafe(self._done.set)

    async def more(self, deadline: float, late: TargetError) -> str | None:
        """What has been added to the text; None once the answer is whole."""
        while not self._done.is_set():
            if clock() >= deadline:
                raise late
            with suppress(TimeoutError):
                async with asyncio.timeout_at(min(deadline, clock() + LOOK_S)):
                    await self._done.wait()
            if self._writes and (added := self._written()):
                self._first = self._first or clock()
                return added
        if self._end:
            return None
        self._end = clock()
        text = answer_in(self._endpoint, self._result())
        self._good = True
        added, self._text = self._added(text), text
        return added or None

    def _written(self) -> str:
        """What the app has added so far."""
        outputs = self._job.outputs()
        return self._added(answer_in(self._endpoint, outputs[-1])) if outputs else ""

    def _added(self, text: str) -> str:
        """The text behind what was passed on; nothing where the app wrote it anew, the Reply then says it all."""
        if not text.startswith(self._text):
            return ""
        added, self._text = text[len(self._text) :], text
        return added

    def _result(self) -> Any:
        try:
            return self._job.result()
        except Exception as error:
            raise _error_of(self._place, error, self._text) from error

    def reply(self, notes: tuple[str, ...]) -> Reply:
        if not self._text:
            raise TargetError(f"{self._place.name} ({self._place.shown}) answered with nothing from {self._endpoint}")
        ttft = (self._first - self._sent) * 1e3 if self._first else None
        return Reply(self._text, None, Timings((self._end - self._sent) * 1e3, ttft), notes=notes)

    def leave(self, calls: Calls) -> None:
        """Keeps the connection after a good answer; else ends what still runs, in the app too."""
        if self._good:
            calls.apps.give(str(self._place.url), self._place.key, self._app, clock())
            self._loop.call_later(IDLE_S + 1, lambda: calls.apps.prune(clock()))
        elif self._done.is_set():
            self._app.close()
        else:
            calls.threads.submit(_abandon, self._job, self._app)


def _abandon(job: Any, app: App) -> None:
    """Takes the job out of the app's queue, or stops it between two parts of its answer. Runs in a thread."""
    for _ in range(200):  # it has no id in the queue while its files are uploaded
        if job.communicator.event_id or job.done():
            break
        time.sleep(LOOK_S)
    if not job.done():
        with suppress(httpx.HTTPError):
            job.cancel_fn()  # `job.cancel` would also send a request through the proxies of the environment
    app.close()


KINDS: dict[str, type[TargetError]] = {
    "QueueError": TargetBusy,
    "TooManyRequestsError": TargetBusy,
    "ValidationError": TargetRefused,
    "AuthenticationError": TargetRefused,
}
"""By class of the error in gradio_client; others, such as AppError, are plain TargetErrors."""


def _error_of(place: Place, error: Exception, text: str) -> TargetError:
    progress = f"after {len(text)} characters of the answer" if text else "before the answer began"
    if isinstance(error, httpx.HTTPStatusError):
        return Failure(error.response.text or str(error), error.response.status_code).error(place)
    if isinstance(error, httpx.HTTPError):
        return broken(place, error, progress)
    if isinstance(error, JobLost):
        return TargetUnreachable(f"{place.name} ({place.shown}) broke the connection {progress}")
    kind = KINDS.get(type(error).__name__, TargetError)
    said = place.scrubbed(str(error)) or type(error).__name__
    return kind(f"{place.name} ({place.shown}) failed {progress}: {said}")
