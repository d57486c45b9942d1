"""The probes of one api: admits runs, starts each as a task of the event loop, ends them, and counts."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import structlog

from monitor.config import Settings
from monitor.errors import BadInput, NotFound
from monitor.probe.batch import run_batch
from monitor.probe.bodies import Batch, Load, Probe
from monitor.probe.limits import LIMITS, Limits, Places, Visitors
from monitor.probe.load import Ramp
from monitor.probe.runs import Record, new_id
from monitor.probe.sample import draw
from monitor.probe.single import Lines, run_single
from monitor.probe.tools import Tools
from monitor.runtimes import Target, target
from monitor.store.owner import StoreOwner
from monitor.store.probes import INTERRUPTED, Run, state_of

log = structlog.get_logger(__name__)

Work = Callable[[], Awaitable[str]]
"""Does a run, and returns the state in which it ended."""

STOP_S = 5.0

END_LINE_S = 2.0
"""The last line of a stream waits so long for the end of its run to be written."""

PRODUCTION = "production"


@dataclass(slots=True)
class Underway:
    """A run, its work, and the state in which it ends when that is cancelled."""

    record: Record
    work: "asyncio.Task[str]"
    when_cancelled: str = "cancelled"

    def cancel(self, state: str = "cancelled") -> None:
        self.when_cancelled = state
        self.work.cancel()


@dataclass(frozen=True, slots=True)
class Stream:
    """The lines of a single probe. Whoever reads them calls `close` at the end: what still runs is then cancelled."""

    lines: Lines
    underway: Underway

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (line := await self.lines.get()) is not None:
            yield line

    def close(self) -> None:
        self.underway.cancel()


class Probes:
    """Made by the api on its event loop once the store is open; `stop` before the store closes."""

    def __init__(self, owner: StoreOwner, settings: Settings, limits: Limits = LIMITS) -> None:
        self.limits = limits
        self.tools = Tools(owner, settings, limits)
        self._owner, self._settings = owner, settings
        self._visitors = Visitors(settings.probes_per_minute)
        self._places = Places(limits.at_once)
        self._underway: dict[str, Underway] = {}
        self._conducting: set[asyncio.Task[None]] = set()

    @property
    def running(self) -> Mapping[str, int]:
        """Runs that are under way, by kind."""
        return self._places.taken

    async def stop(self) -> None:
        """End what runs; it is said to be interrupted."""
        for run in self._underway.values():
            run.cancel("interrupted")
        if self._conducting:
            await asyncio.wait(self._conducting, timeout=STOP_S)
        await self.tools.close()

    async def single(self, body: Probe) -> Stream:
        """Ask one question. Raises BadInput, NotFound and Overloaded."""
        targets = self._targets(body.targets)
        self._visitors.admit(body.visitor)
        [found] = await self.tools.pictures.questions([("1", body.messages, None)])
        question = replace(found, from_request=body.from_request)
        record, lines = self._record("single", body, total=len(targets)), Lines()
        with ExitStack() as place:
            place.enter_context(self._places.hold("single"))
            generation = body.settings.generation()
            # not waited for: a store that is busy for a moment must not keep the answer waiting
            begun = asyncio.create_task(record.begin())
            underway = self._launch(
                record,
                lambda: run_single(self.tools, record, targets, question, generation, lines),
                place.pop_all(),
                begun,
                lines,
            )
        return Stream(lines, underway)

    async def start(self, body: Batch | Load) -> str:
        """Begin a run in the background; returns its id once its row is written.

        Raises BadInput, NotFound, Overloaded and StoreError.
        """
        targets = self._targets(body.targets)
        if isinstance(body, Load):
            self._check_load(body, targets[0])
        self._visitors.admit(body.visitor)
        with ExitStack() as place:
            place.enter_context(self._places.hold("load" if isinstance(body, Load) else "batch"))
            if isinstance(body, Load):
                record, work = await self._load(body, targets[0])
            else:
                record, work = await self._batch(body, targets)
            begun = asyncio.create_task(record.begin())
            await begun
            self._launch(record, work, place.pop_all(), begun)
        return record.id

    def cancel(self, run: str) -> bool:
        """Cancel a run; False when it is not under way."""
        underway = self._underway.get(run)
        if underway is not None:
            underway.cancel()
        return underway is not None

    async def state(self, run: str) -> str:
        """The state of a run in the store. Raises NotFound."""

        def read() -> str | None:
            with self._owner.cursor() as con:
                return state_of(con, run)

        state = await self.tools.in_thread(read)
        if state is None:
            raise NotFound(f"there is no run {run[:80]!r}; the query probe_runs lists them")
        return state

    # -- kinds of runs

    async def _batch(self, body: Batch, targets: Sequence[Target]) -> tuple[Record, Work]:
        tools, result = self.tools, None
        if body.sample is not None:
            drawing = await draw(tools, body.sample)
            questions, result = drawing.questions, {"sample": drawing.report}
        else:
            items = body.items or []
            questions = await tools.pictures.questions([(item.id, item.messages, item.label) for item in items])
        record = self._record("batch", body, total=len(questions) * len(targets), result=result)
        return record, lambda: run_batch(tools, record, targets, questions, body.settings.generation())

    async def _load(self, body: Load, one: Target) -> tuple[Record, Work]:
        tools = self.tools
        asked = [(str(number), turns, None) for number, turns in enumerate(body.messages)]
        questions = await tools.pictures.questions(asked)
        record = self._record("load", body, total=len(body.concurrency))

        async def climb() -> str:
            ramp = Ramp(tools, record, one, questions, body.settings.generation())
            await ramp.climb(body.concurrency, body.seconds_each)
            return "done"

        return record, climb

    def _check_load(self, body: Load, one: Target) -> None:
        settings = self._settings
        if body.concurrency[-1] > settings.load_concurrency:
            raise BadInput(
                f"concurrency goes up to {body.concurrency[-1]}; allowed are {settings.load_concurrency} clients "
                "(WATCHPOINT_LOAD_CONCURRENCY)"
            )
        seconds = len(body.concurrency) * body.seconds_each
        if seconds > settings.load_seconds:
            raise BadInput(
                f"{len(body.concurrency)} steps of {body.seconds_each:g} s are {seconds:g} s; allowed are "
                f"{settings.load_seconds} s (WATCHPOINT_LOAD_SECONDS): take fewer or shorter steps"
            )
        if one.deployment is not None and one.deployment.environment == PRODUCTION and not body.allow_production:
            raise BadInput(
                f"{one.id} is of the environment {PRODUCTION}: load takes capacity from those who use it. "
                'Name another target, or send "allow_production": true to do it all the same'
            )

    def _targets(self, ids: Sequence[str]) -> list[Target]:
        return [target(self._owner.fleet, id_) for id_ in ids]

    def _record(self, kind: str, body: Probe | Batch | Load, total: int, result: Any = None) -> Record:
        run = Run(
            run=new_id(),
            kind=kind,
            name="" if isinstance(body, Probe) else body.name,
            visitor=body.visitor,
            targets=tuple(body.targets),
            total=total,
            from_request=body.from_request,
            started_at=self._owner.clock(),
            spec=body,
            result=result,
        )
        return Record(self.tools, run)

    # -- the life of a run

    def _launch(
        self,
        record: Record,
        work: Work,
        place: ExitStack,
        begun: "asyncio.Task[None]",
        lines: Lines | None = None,
    ) -> Underway:
        async def do() -> str:
            return await work()

        underway = Underway(record, asyncio.create_task(do()))
        self._underway[record.id] = underway
        task = asyncio.create_task(self._conduct(underway, place, begun, lines))
        self._conducting.add(task)
        task.add_done_callback(self._conducting.discard)
        return underway

    async def _conduct(self, run: Underway, place: ExitStack, begun: "asyncio.Task[None]", lines: Lines | None) -> None:
        """Wait for the end of the work, and write it. Never cancelled itself, so that every run has an end."""
        await asyncio.wait([run.work])
        state = _state(run)
        place.close()
        await asyncio.wait([begun])
        if begun.exception() is not None:
            log.error("a probe run could not be written", run=run.record.id, error=str(begun.exception()))
        ending = asyncio.create_task(run.record.end(state))
        if lines is not None:
            await asyncio.wait([ending], timeout=END_LINE_S)
            lines.finish(run=run.record.id, state=state)
        await ending
        del self._underway[run.record.id]


def _state(run: Underway) -> str:
    if run.work.cancelled():
        if run.when_cancelled == "interrupted":
            run.record.problem = INTERRUPTED
        return run.when_cancelled
    error = run.work.exception()
    if error is None:
        return run.work.result()
    log.error("a probe run failed", run=run.record.id, exc_info=error)
    run.record.problem = f"it failed in an unexpected way ({type(error).__name__}): the log of api has the details"
    return "failed"
