"""Many questions to several targets in the background: a lane for each target, all with the same questions.

A question whose connection breaks is asked again once the target is back; one that breaks it again and again fails.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from monitor.chat import Generation
from monitor.errors import TargetBusy, TargetUnreachable, WatchpointError
from monitor.probe.asking import asked
from monitor.probe.log import event_of
from monitor.probe.outage import Gate
from monitor.probe.outcome import Outcome
from monitor.probe.questions import Question
from monitor.probe.runs import Record
from monitor.probe.tools import Tools, whole
from monitor.runtimes import Target, health

AGAIN = (TargetUnreachable, TargetBusy)
"""Errors after which a question is asked again."""


class Lane:
    """The questions of one target."""

    def __init__(
        self,
        tools: Tools,
        record: Record,
        number: int,
        target: Target,
        questions: Sequence[Question],
        generation: Generation,
    ) -> None:
        self.target = target
        self.gate = Gate(target.id, lambda: health(target, tools.calls), tools.owner.clock, tools.limits.outage_s)
        self._tools, self._record, self._number, self._generation = tools, record, number, generation
        self._waiting: Iterator[tuple[int, Question]] = iter(enumerate(questions))
        self._n = len(questions)
        self._outcomes: Counter[str] = Counter()
        self.workers = min(tools.settings.probe_in_flight, self._n)

    @property
    def progress(self) -> dict[str, Any]:
        """How far it is; `errors` counts failures by their kind."""
        errors = {kind: n for kind, n in self._outcomes.items() if kind != "ok"}
        return {
            "total": self._n,
            "done": self._outcomes.total(),
            "failed": sum(errors.values()),
            "errors": errors,
            "outages": self.gate.outages,
            "problem": self.gate.problem,
        }

    @property
    def left(self) -> str | None:
        """Why some of its questions were never asked, None where none were left."""
        n = self._n - self._outcomes.total()
        return f"{self.gate.problem}; {n} of its {self._n} questions were not asked" if n else None

    async def work(self) -> None:
        """One of the workers: takes questions until there are none, or until the target is given up."""
        for number, question in self._waiting:
            outcome = await self._settled(question)
            if outcome is None:
                return
            await whole(self._keep(outcome, f"{self._record.id}-{self._number}-{number}"))

    async def _keep(self, outcome: Outcome, event_id: str) -> None:
        """Log and count: a run that is cancelled in between would have more answers in the log than it says."""
        await self._tools.logbook.keep(event_of(outcome, self._record.id, event_id, self._record.visitor))
        self._outcomes[outcome.kind] += 1
        self._record.count(outcome.kind)

    async def _settled(self, question: Question) -> Outcome | None:
        """Ask until there is an answer or no hope; None when it was never asked, because the target was given up."""
        outcome, broken = None, 0
        while await self.gate.passed():
            async with self._tools.slots(self.target.id):
                if not self.gate.open:  # it was shut while this one waited for its turn
                    continue
                outcome = await asked(self._tools, self.target, question, self._generation)
            if not isinstance(outcome.error, AGAIN):
                self.gate.answered()
                return outcome
            broken += isinstance(outcome.error, TargetUnreachable)
            self.gate.shut(outcome.error)
            if broken >= self._tools.limits.attempts:
                return outcome
        return outcome


async def run_batch(
    tools: Tools, record: Record, targets: Sequence[Target], questions: Sequence[Question], generation: Generation
) -> str:
    """Ask every target every question; returns the state in which the run ended."""
    lanes = [Lane(tools, record, i, target, questions, generation) for i, target in enumerate(targets)]
    told = dict(record.result or {})

    def look() -> None:
        record.result = told | {"targets": {lane.target.id: lane.progress for lane in lanes}}
        record.problem = "; ".join(lane.gate.problem for lane in lanes if lane.gate.problem) or None

    watching = asyncio.create_task(_watch(record, look, tools.limits.progress_s))
    stopped = None
    try:
        async with asyncio.TaskGroup() as group:
            for lane in lanes:
                for _ in range(lane.workers):
                    group.create_task(lane.work())
    except* WatchpointError as errors:  # the log takes no more: going on would ask for nothing
        stopped = f"stopped, because answers could not be kept: {errors.exceptions[0]}"
    finally:
        watching.cancel()
        await asyncio.wait([watching])
        for lane in lanes:
            await lane.gate.close()
        look()
    left = [lane.left for lane in lanes if lane.left]
    record.problem = stopped or "; ".join(left) or None
    return "failed" if record.problem else "done"


async def _watch(record: Record, look: Callable[[], None], every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        look()
        await record.save()
