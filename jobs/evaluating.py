"""Evaluates checkpoints on a suite of our own, item by item; for `jobs/benchmark.py`.

A checkpoint that has a result of this version of the suite is not asked again: an evaluation is claimed under the hash
of what is asked of whom. One that was cut short goes on where it was; questions that found nobody are asked again.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import structlog

from jobs.replaying import suite_path
from jobs.running import Run
from monitor.benchmarks.evaluation import ItemResult, Score
from monitor.benchmarks.protocol import Protocol, fingerprint, group_of
from monitor.benchmarks.scoring import scored_all
from monitor.canary.aids import Aids
from monitor.canary.replay import Given, Pass, Plan, Replay, Spent, expected
from monitor.canary.suites import Item, Suite, load_suite
from monitor.canary.writing import Answered, Writing
from monitor.config import Settings
from monitor.errors import BadInput, NotFound, WatchpointError
from monitor.fleet import WORKER
from monitor.harnesses.writing import figure_of
from monitor.ids import run_id
from monitor.probe.bodies import Picture
from monitor.records import Benchmark, Budget, Fleet
from monitor.runtimes import Calls, Target, health
from monitor.runtimes.targets import targets

log = structlog.get_logger(__name__)

HARNESS, CHECKS_VERSION = "watchpoint", "checks-1"
"""Raise the version when a check comes to judge otherwise: scores before and after are then kept apart."""

METRIC = "pass_rate"

BAD_ANSWERS = ("TargetRefused", "EmptyAnswer", "BrokenText")
"""Errors that count as a wrong answer; others say nothing about the checkpoint, and the next run asks again."""

MOST_REFUSED = 0.2
"""Where more questions than this are refused, the server is set up wrongly: that is no score."""

MOST_ITEMS = 20_000
READY_S = 45
"""A server that is not ready is waited for so long, then asked all the same: what it says then is told."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a run is asked to do besides the fleet file."""

    checkpoints: tuple[str, ...] = ()  # none: those of the fleet file
    in_flight: int | None = None
    again: bool = False  # also those that have a result


@dataclass(slots=True)
class Tally:
    """What came of one checkpoint."""

    checkpoint: str
    total: int = 0
    done: int = 0
    right: int = 0
    refused: int = 0  # counted as wrong
    problem: str | None = None
    left_out: str | None = None  # it has a result, or another process is at it

    @property
    def words(self) -> str:
        if self.left_out:
            return f"{self.checkpoint}: {self.left_out}"
        told = f"{self.checkpoint}: {self.right} of {self.done} right"
        return f"{told}; {self.problem}" if self.problem else told


def evaluate(run: Run, settings: Settings, fleet: Fleet, benchmark: Benchmark, asked: Asked) -> list[Tally]:
    """Evaluate the checkpoints of a benchmark. Raises BadInput for a suite or checkpoint that is wrong."""
    suite = suite_of(benchmark, fleet)
    chosen = chosen_targets(benchmark, fleet, asked.checkpoints)
    run.total = len(suite.items) * len(chosen)
    return asyncio.run(_all(run, settings, fleet, benchmark, suite, chosen, asked))


def suite_of(benchmark: Benchmark, fleet: Fleet) -> Suite:
    """The suite of a benchmark that we evaluate. Raises BadInput."""
    if benchmark.suite is None:
        raise BadInput(
            f"benchmark {benchmark.id!r} has no suite in the fleet file, so there is nothing to ask; its results come "
            "with `python -m monitor import-benchmarks`"
        )
    return load_suite(suite_path(benchmark.suite, fleet))


def chosen_targets(benchmark: Benchmark, fleet: Fleet, only: Sequence[str] = ()) -> list[Target]:
    """How each checkpoint is asked: in the worker where its weights are here, else where it is deployed.

    Raises NotFound for a checkpoint that is not planned or cannot be asked, BadInput where none can.
    """
    planned = [
        id_
        for id_, one in fleet.checkpoints.items()
        if (not benchmark.checkpoints or id_ in benchmark.checkpoints)
        and (benchmark.model is None or one.model == benchmark.model)
    ]
    if wrong := [name for name in only if name not in planned]:
        raise NotFound(f"benchmark {benchmark.id!r} is not for {wrong[0]!r}; it is for {', '.join(planned) or 'none'}")
    found = {id_: one for id_ in only or planned if (one := _target(fleet, id_))}
    wanted = only or benchmark.checkpoints
    if silent := [id_ for id_ in wanted if id_ not in found]:
        raise NotFound(
            f"benchmark {benchmark.id!r}: {silent[0]!r} cannot be asked; give it `weights` in a local folder, or a "
            "deployment with a url"
        )
    if not found:
        raise BadInput(
            f"benchmark {benchmark.id!r}: no checkpoint can be asked; give one `weights` in a local folder, or a "
            "deployment with a url"
        )
    return [*found.values()]


def _target(fleet: Fleet, checkpoint: str) -> Target | None:
    known = targets(fleet)
    served = (one for one in known.values() if one.deployment and one.checkpoint.id == checkpoint)
    return known.get(f"{WORKER}/{checkpoint}") or next(served, None)


async def _all(
    run: Run,
    settings: Settings,
    fleet: Fleet,
    benchmark: Benchmark,
    suite: Suite,
    chosen: Sequence[Target],
    asked: Asked,
) -> list[Tally]:
    """Those of the worker one after the other, as they share its cores and memory; others beside them."""
    worker = asyncio.Lock()
    async with Calls(settings) as calls:
        aids = Aids(judge=fleet.judge, embed=fleet.embedding, calls=calls)
        parts = [One(run, benchmark, suite, target, asked, calls, aids, worker).work() for target in chosen]
        return list(await asyncio.gather(*parts))


@dataclass(slots=True)
class One:
    """A benchmark on one checkpoint."""

    run: Run
    benchmark: Benchmark
    suite: Suite
    target: Target
    asked: Asked
    calls: Calls
    aids: Aids
    worker: asyncio.Lock
    _results: list[ItemResult] = field(default_factory=list)
    _last_refusal: str | None = None

    async def work(self) -> Tally:
        """What goes wrong here touches no other checkpoint."""
        tally = Tally(self.target.checkpoint.id, len(self.suite.items))
        try:
            if self.target.runtime == "local":
                async with self.worker:
                    await self._evaluate(tally)
            else:
                await self._evaluate(tally)
        except WatchpointError as error:
            tally.problem = str(error)
        except Exception as error:
            log.exception("an evaluation failed", benchmark=self.benchmark.id, checkpoint=tally.checkpoint)
            tally.problem = f"it failed in an unexpected way ({type(error).__name__}): the log of the process has it"
        self.run.say(tally.words)
        return tally

    async def _evaluate(self, tally: Tally) -> None:
        """One claimed evaluation; nothing where it is done, or another process has it."""
        door, id_ = self.run.door, self._run_id()
        claim = await asyncio.to_thread(door.write, "benchmark-claim", self._claim(id_))
        if not claim["claimed"]:
            known = claim["state"] == "done"
            tally.left_out = "has a result already" if known else f"is under way ({claim['held_by']})"
            self._advance(tally.total, 0)
            return
        items = self.suite.items
        once = Pass(self.asked.in_flight or self.benchmark.in_flight, 0)
        answered = {(item, once.in_flight, once.repeat) for item in claim["done"]}
        plan = Plan(id_, self.target, self.suite, items, [once], self.benchmark.retries, Budget(), answered, Spent())
        state, scores = "interrupted", []
        try:
            await self._until_ready()
            await asyncio.to_thread(self._keep_images)
            if claim["done"]:
                await asyncio.to_thread(self._take_over, id_, tally)
            async with Writing(plan, lambda batch: self._post(id_, batch, tally)) as writing:
                stopped = await Replay(plan, self.calls, self.aids, writing.keep).run()
            tally.problem = stopped or _unfit(tally, self._last_refusal)
            state = "failed" if tally.problem else "done"
            scores = await asyncio.to_thread(self._scores) if state == "done" else []
        finally:
            body = {"run": id_, "owner": self.run.owner, "state": state, "problem": tally.problem, "scores": scores}
            await asyncio.to_thread(door.write, "benchmark-end", body)

    async def _until_ready(self) -> None:
        """Wait for a server that is still starting, as the worker is beside a scheduler that has just started, too."""
        for _ in range(READY_S):
            if (await health(self.target, self.calls)).ready:
                return
            await asyncio.sleep(1.0)

    def _keep_images(self) -> None:
        for path in self.suite.images.values():
            self.run.door.keep(path.read_bytes())

    def _run_id(self) -> str:
        again = self.run.slot.isoformat() if self.asked.again else ""
        checkpoint = self.target.checkpoint
        group = group_of(self._protocol().known)
        return run_id(self.benchmark.id, checkpoint.id, checkpoint.weights_hash, group, again)

    def _protocol(self) -> Protocol:
        settings = {json.dumps(item.definition["settings"], sort_keys=True) for item in self.suite.items}
        return Protocol(
            HARNESS,
            version=CHECKS_VERSION,
            task=self.suite.version,
            decoding=f"{settings.pop() if len(settings) == 1 else fingerprint(sorted(settings))}, {self._where()}",
            judge=", ".join(_helpers(self.suite, self.aids)) or None,
        )

    def _where(self) -> str:
        """What answers: another engine rounds otherwise."""
        checkpoint = self.target.checkpoint
        if self.target.runtime == "local":
            return "in the worker"
        return " ".join(filter(None, (f"over {self.target.runtime}", checkpoint.engine, checkpoint.dtype)))

    def _claim(self, id_: str) -> dict[str, Any]:
        checkpoint = self.target.checkpoint
        return {
            "run": id_,
            "benchmark": self.benchmark.id,
            "checkpoint": checkpoint.id,
            "named": self.target.id,
            "model": checkpoint.model,
            "step": checkpoint.step,
            "revision": checkpoint.weights_hash,
            "protocol": self._protocol().known,
            "origin": "job",
            "notes": ["the suite gives items weights; here every item counts once"] if _weighed(self.suite) else [],
            "evaluated_at": datetime.now(UTC).isoformat(),
            "source": f"suite {self.suite.id}",
            "source_sha256": self.suite.version,
            "owner": self.run.owner,
            "total": len(self.suite.items),
            "job_run": self.run.id,
        }

    def _take_over(self, id_: str, tally: Tally) -> None:
        """What an earlier process has asked."""
        for row in self.run.door.query("benchmark_items", run=id_, limit=MOST_ITEMS):
            self._results.append(
                ItemResult(
                    row["item"], row["item_hash"], {METRIC: row["share"]}, tuple(row["categories"]), row["grouped"]
                )
            )
        tally.done, tally.right = len(self._results), sum(one.scores[METRIC] == 1.0 for one in self._results)
        self._advance(tally.done, 0)
        self.run.say(f"{tally.checkpoint}: taken over with {tally.done} answers")

    def _post(self, id_: str, batch: list[Answered], tally: Tally) -> None:
        """Write what has a verdict; an empty batch says that the evaluation goes on."""
        given = [one for one, _, _ in batch]
        kept = [one for one in given if _has_verdict(one)]
        results = [_result(one) for one in kept]
        body = {"run": id_, "owner": self.run.owner, "results": results}
        self.run.door.write("benchmark-results", body)
        self._results += [
            ItemResult(row["item"], row["item_hash"], row["scores"], tuple(row["categories"]), row["group"])
            for row in results
        ]
        tally.done += len(kept)
        tally.right += sum(one.outcome == "pass" for one in kept)
        tally.refused += sum(one.outcome == "error" for one in kept)
        self._last_refusal = next((one.error_message for one in kept if one.outcome == "error"), self._last_refusal)
        self._advance(len(given), len(given) - len(kept))

    def _advance(self, done: int, failed: int) -> None:
        self.run.at(self.run.done + done, self.run.total, self.run.failed + failed)

    def _scores(self) -> list[dict[str, Any]]:
        """The pass rate of all items and of each tag, with intervals."""
        counted = Counter(category for one in self._results for category in one.categories)
        names = sorted(name for name, n in counted.items() if n < len(self._results))  # one that all have adds nothing
        scores = []
        for name in ("", *names):
            of = [one.scores[METRIC] for one in self._results if not name or name in one.categories]
            scores.append(Score(METRIC, sum(of) / len(of), category=name, n=len(of), headline=not name))
        return list(map(figure_of, scores, scored_all(scores, self._results)))


def _unfit(tally: Tally, last: str | None) -> str | None:
    """Why the answers make no score."""
    if tally.done < tally.total:
        return f"{tally.total - tally.done} questions have no verdict; the next run asks them again"
    if tally.refused > MOST_REFUSED * tally.total:
        return f"{tally.refused} of {tally.total} questions got no usable answer, the last: {last}"
    return None


def _weighed(suite: Suite) -> bool:
    return any(item.weight != 1.0 for item in suite.items)


def _helpers(suite: Suite, aids: Aids) -> list[str]:
    """The models that check answers of this suite."""
    kinds = {check.kind for item in suite.items for check in item.checks}
    asked = (("judge", aids.judge), ("similarity", aids.embed))
    return [f"{kind} by {helper.model}" for kind, helper in asked if helper and kind in kinds]


def _has_verdict(given: Given) -> bool:
    """Whether it says something about the checkpoint: a refused question does, a broken connection does not."""
    return given.outcome in ("pass", "fail") or (given.outcome == "error" and given.error_type in BAD_ANSWERS)


def _result(given: Given) -> dict[str, Any]:
    item = given.item
    return {
        "item": item.id,
        "item_hash": item.hash,
        "scores": {METRIC: float(given.outcome == "pass")},
        "categories": [f"tag={tag}" for tag in item.tags],
        "group": item.group,
        "question": _question(item),
        "target": expected(item),
        "answer": given.reply.text if given.reply else None,
        "failed": f"{given.error_type}: {given.error_message}"[:300] if given.outcome == "error" else None,
        "media": [part.sha256 for turn in item.turns for part in turn.parts if isinstance(part, Picture)],
        "latency_ms": given.reply.timings.total_ms if given.reply else None,
    }


def _question(item: Item) -> str:
    return "\n".join(
        part.text for turn in item.turns for part in turn.parts if not isinstance(part, Picture) and part.text
    )
