"""Hands answers on while others are still asked: predictions first, then their results, many at once where they queue.

An answer that was written is never asked again. No more than two for each question at once wait to be written, so that
a process that dies loses few.
"""

import asyncio
from collections.abc import Callable
from typing import Self

import msgspec
import structlog

from monitor.canary.replay import Given, Plan, Spent, as_event, as_result
from monitor.doors import OpenDoor
from monitor.probe.log import bounded
from monitor.probe.runs import new_id

log = structlog.get_logger(__name__)

BEAT_S = 20.0
"""A run that gets no answer for so long says that it goes on: else another process would take it over."""

_encode = msgspec.json.Encoder().encode


Answered = tuple[Given, int, float]
"""An answer, and the tokens and US dollars that the run had taken by then."""


class Writing:
    """The answers of one run on their way to the store. Use it as `async with`; at the end all are written.

    `post` writes some of them, in a thread; without any it says that the run goes on.
    """

    def __init__(self, plan: Plan, post: Callable[[list[Answered]], None]) -> None:
        self._post = post
        self._most = max(one.in_flight for one in plan.passes)
        self._queue: asyncio.Queue[Answered | None] = asyncio.Queue(self._most)

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._write())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._put(None)
        await self._task

    async def keep(self, given: Given, spent: Spent) -> None:
        """Queue an answer. Raises what writing the ones before it raised: going on would ask for nothing."""
        await self._put((given, spent.tokens, spent.usd))
        if self._task.done():
            await self._task

    async def _put(self, one: Answered | None) -> None:
        """Wait for a place in the queue, but not where nobody empties it any more."""
        put = asyncio.ensure_future(self._queue.put(one))
        try:
            await asyncio.wait({put, self._task}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            put.cancel()

    async def _write(self) -> None:
        while True:
            try:
                one = await asyncio.wait_for(self._queue.get(), BEAT_S)
            except TimeoutError:
                await asyncio.to_thread(self._post, [])
                continue
            if one is None:
                return
            batch = [one]
            while len(batch) < self._most and not self._queue.empty():
                more = self._queue.get_nowait()
                if more is None:
                    await asyncio.to_thread(self._post, batch)
                    return
                batch.append(more)
            await asyncio.to_thread(self._post, batch)


class CanaryPost:
    """Writes answers of a canary: as predictions, then as results."""

    def __init__(self, door: OpenDoor, plan: Plan, owner: str, on_written: Callable[[list[Given]], None]) -> None:
        self._door, self._plan, self._owner, self._on_written = door, plan, owner, on_written
        self._spent: list[float] = [0, 0.0]

    def __call__(self, batch: list[Answered]) -> None:
        plan, given = self._plan, [one for one, _, _ in batch]
        # a question that is asked again is another prediction
        ids: list[str | None] = [f"{plan.run}-{new_id()}" for _ in given]
        if events := [as_event(one, plan.target, plan.run, id_) for one, id_ in zip(given, ids, strict=True)]:
            bounded_events = [_encode(event | {"attrs": bounded(event["attrs"])}) for event in events]
            for problem in self._door.send(bounded_events)["errors"]:
                log.warning("an answer of a canary was not logged", run=plan.run, reason=problem["reason"])
                ids[problem["index"]] = None  # its result stands all the same
        if batch:
            _, *self._spent = batch[-1]
        tokens, usd = self._spent
        rows = [as_result(one, event_id) for one, event_id in zip(given, ids, strict=True)]
        self._door.write(
            "canary-results",
            {"run": plan.run, "owner": self._owner, "results": rows, "tokens": tokens, "usd": usd},
        )
        self._on_written(given)
