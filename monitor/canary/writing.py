"""Hands answers on while others are still asked: predictions first, then their results, many at once where they queue.

An answer that was written is never asked again. No more than two for each question at once wait to be written, so that
a process that dies loses few.
"""

import asyncio
from collections.abc import Callable
from typing import Self

import msgspec

from monitor.canary.replay import Given, Plan, Spent, as_event, as_result
from monitor.doors import OpenDoor
from monitor.errors import StoreError
from monitor.probe.runs import new_id

BEAT_S = 20.0
"""A run that gets no answer for so long says that it goes on: else another process would take it over."""

_encode = msgspec.json.Encoder().encode


class Writing:
    """The answers of one run on their way to the store. Use it as `async with`; at the end all are written."""

    def __init__(self, door: OpenDoor, plan: Plan, owner: str, on_written: Callable[[list[Given]], None]) -> None:
        self._door, self._plan, self._owner, self._on_written = door, plan, owner, on_written
        self._spent: list[float] = [0, 0.0]
        self._most = max(one.in_flight for one in plan.passes)
        self._queue: asyncio.Queue[tuple[Given, int, float] | None] = asyncio.Queue(self._most)

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._write())
        return self

    async def __aexit__(self, *_: object) -> None:
        if not self._task.done():
            await self._queue.put(None)
        await self._task

    async def keep(self, given: Given, spent: Spent) -> None:
        """Queue an answer. Raises what writing the ones before it raised: going on would ask for nothing."""
        if self._task.done():
            await self._task
        await self._queue.put((given, spent.tokens, spent.usd))

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

    def _post(self, batch: list[tuple[Given, int, float]]) -> None:
        plan, given = self._plan, [one for one, _, _ in batch]
        # a question that is asked again is another prediction
        ids = [f"{plan.run}-{one.item.id}-{new_id()}" for one in given]
        events = [
            _encode(as_event(one, plan.target, plan.run, event_id)) for one, event_id in zip(given, ids, strict=True)
        ]
        if events and (answer := self._door.send(events))["rejected"]:
            raise StoreError(f"answers of a canary were not logged: {answer['errors'][0]['reason']}")
        if batch:
            _, *self._spent = batch[-1]
        tokens, usd = self._spent
        rows = [as_result(one, event_id) for one, event_id in zip(given, ids, strict=True)]
        self._door.write(
            "canary-results",
            {"run": plan.run, "owner": self._owner, "results": rows, "tokens": tokens, "usd": usd},
        )
        self._on_written(given)
