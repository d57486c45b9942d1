"""A bounded ramp of load against one target: a closed loop of so many clients, one step after the other.

Each client asks its next question as soon as it has an answer. The first part of a step warms up and is left out.
Throughput counts the answers that came within the measured rest, latency the questions that were asked in it, however
long their answers took, so that slow ones are not left out.
"""

import asyncio
from collections.abc import Iterator, Sequence
from itertools import count, cycle
from typing import Any

from monitor.chat import Generation
from monitor.errors import WatchpointError
from monitor.probe.asking import asked
from monitor.probe.figures import Shot, figures
from monitor.probe.log import event_of
from monitor.probe.outcome import Outcome
from monitor.probe.questions import Question
from monitor.probe.runs import Record
from monitor.probe.tools import Tools
from monitor.runtimes import Target
from monitor.stats.knee import knee

WARM_SHARE = 0.2
JUDGED_FROM = 10
"""So many answers of a step tell whether more than half of them fail."""

AFTER_FAILURE_S = 0.25
UNLOGGED = 256
STEADY = 3
"""With fewer answers than this for each client, a rate is not steady: the step is too short."""


class TooManyFailures(Exception):
    """More than half of the answers of a step are failures."""


class Ramp:
    """One load run."""

    def __init__(
        self, tools: Tools, record: Record, target: Target, questions: Sequence[Question], generation: Generation
    ) -> None:
        self._tools, self._record, self._target, self._generation = tools, record, target, generation
        self._questions: Iterator[Question] = cycle(questions)
        self._numbers = count()
        self._logging: set[asyncio.Task[None]] = set()
        self._failed = self._requests = 0
        self._steps: list[dict[str, Any]] = []
        self._until = asyncio.get_running_loop().time() + tools.settings.load_seconds

    async def climb(self, concurrency: Sequence[int], seconds_each: float) -> None:
        """Step after step, until the end, too many failures, or the limit of time."""
        try:
            for clients in concurrency:
                if self._left() < seconds_each:
                    self._stop(f"stopped before {clients} clients, at the limit of time (WATCHPOINT_LOAD_SECONDS)")
                    break
                if not await self._step(clients, seconds_each):
                    break
        finally:
            await self._logged()

    async def _step(self, clients: int, seconds: float) -> bool:
        """One step; False when the next one would make no sense."""
        loop = asyncio.get_running_loop()
        first, last = loop.time() + WARM_SHARE * seconds, loop.time() + seconds
        shots: list[Shot] = []
        broken, in_time = False, True
        try:
            async with asyncio.timeout(self._left()), asyncio.TaskGroup() as group:
                for _ in range(clients):
                    group.create_task(self._client(last, shots))
        except* TooManyFailures:
            broken = True
        except* TimeoutError:
            in_time = False
        await self._logged()
        step = {"concurrency": clients, **await self._tools.in_thread(lambda: figures(shots, first, last))}
        step["steady"] = step["answers"] >= STEADY * clients
        self._steps.append(step)
        if broken:
            named = next(str(shot.outcome.error) for shot in reversed(shots) if shot.outcome.error)
            failures = sum(shot.outcome.error is not None for shot in shots)
            self._stop(f"stopped at {clients} clients: {failures} of {len(shots)} questions failed, last with: {named}")
        elif not in_time:
            self._stop(f"stopped at {clients} clients, at the limit of time (WATCHPOINT_LOAD_SECONDS)")
        self._tell()
        await self._record.save()
        return in_time and not broken

    async def _client(self, last: float, shots: list[Shot]) -> None:
        loop = asyncio.get_running_loop()
        while (began := loop.time()) < last:
            outcome = await asked(self._tools, self._target, next(self._questions), self._generation)
            shots.append(Shot(began, loop.time(), outcome))
            self._requests += 1
            await self._log(outcome)
            if outcome.error is not None:
                self._failed += 1
                failed = sum(shot.outcome.error is not None for shot in shots)
                if len(shots) >= JUDGED_FROM and 2 * failed > len(shots):
                    raise TooManyFailures
                await asyncio.sleep(AFTER_FAILURE_S)

    async def _log(self, outcome: Outcome) -> None:
        """A client does not wait for the disk, as long as that keeps up."""
        self._tools.answers["load", outcome.kind] += 1
        event = event_of(outcome, self._record.id, f"{self._record.id}-{next(self._numbers)}", self._record.visitor)
        task = asyncio.create_task(self._keep(event))
        self._logging.add(task)
        task.add_done_callback(self._logging.discard)
        if len(self._logging) >= UNLOGGED:
            await self._logged()

    async def _keep(self, event: dict[str, Any]) -> None:
        """One that could not be kept is told, and the run goes on."""
        try:
            await self._tools.logbook.keep(event)
        except WatchpointError as error:
            self._record.problem = f"an answer could not be logged: {error}"

    async def _logged(self) -> None:
        """Wait until all is kept."""
        if self._logging:
            await asyncio.wait(self._logging)

    def _left(self) -> float:
        return max(0.0, self._until - asyncio.get_running_loop().time())

    def _stop(self, why: str) -> None:
        self._record.problem = why

    def _tell(self) -> None:
        rates = [(step["concurrency"], step["per_s"]) for step in self._steps if step["per_s"]]
        at = knee([float(clients) for clients, _ in rates], [per_s for _, per_s in rates])
        self._record.done = len(self._steps)
        self._record.result = {
            "steps": list(self._steps),
            "knee": None if at is None else rates[at][0],
            "requests": self._requests,
            "failed_requests": self._failed,
        }
