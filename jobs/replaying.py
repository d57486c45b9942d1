"""One run of a canary: its suite replayed on its deployments side by side, and what that says; for `jobs/canary.py`.

A replay of one suite on one deployment belongs to a slot of its schedule and is claimed before it asks anything. Items
that this checkpoint has not learned yet are asked several times first, at several levels of concurrency: what varies
then is noise from then on.
"""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import structlog

from jobs.running import Run
from monitor.canary.aids import Aids
from monitor.canary.replay import Given, Pass, Plan, Replay, Spent
from monitor.canary.signals import MIN_REFERENCE, Signal, decide
from monitor.canary.suites import SHIPPED, Item, Suite, load_suite
from monitor.canary.writing import CanaryPost, Writing
from monitor.config import Settings
from monitor.doors import OpenDoor
from monitor.errors import BadInput, WatchpointError
from monitor.ids import run_id
from monitor.records import Budget, Canary, Fleet
from monitor.runtimes import Calls, Target, target
from monitor.runtimes.targets import planned_deployments

LEARNED_SHARE = 0.5
"""An item is learned when at least this share of its repeats was answered."""

log = structlog.get_logger(__name__)

ALARM = "alert"
UNFINISHED: str | None = "it was not finished"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a run is asked to do besides its schedule."""

    deployments: tuple[str, ...] = ()  # none: those of the fleet file
    in_flight: int | None = None


@dataclass(slots=True)
class Tally:
    """What came of one deployment."""

    deployment: str
    state: str = "done"
    done: int = 0
    passed: int = 0
    errors: int = 0
    problem: str | None = None
    not_mine: str | None = None  # another process has it, or had it
    alarms: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        checked = self.done - self.errors
        rate = f"{self.passed} of {checked} passed" if checked else "no answer"
        if self.not_mine and not self.done:
            return f"{self.deployment}: {self.not_mine}"
        parts = [rate, f"{self.errors} without an answer or a verdict" if self.errors else "", self.problem or ""]
        return f"{self.deployment}: {'; '.join(filter(None, [*parts, *self.alarms]))}"


def replay_canary(run: Run, settings: Settings, fleet: Fleet, canary: Canary, asked: Asked) -> list[Tally]:
    """Replay a canary on its deployments side by side. Raises BadInput for a suite or deployment that is wrong."""
    suite = load_suite(suite_path(canary.suite, fleet))
    chosen = chosen_targets(canary, fleet, asked.deployments)
    know(run.door, suite)
    run.door.write("canary-sweep", {"canary": canary.id})
    run.total = len(suite.items) * len(chosen)
    return asyncio.run(_side_by_side(run, settings, fleet, canary, suite, chosen, asked))


def suite_path(suite: str, fleet: Fleet) -> Path:
    """A suite that ships by its id, else a file or folder relative to the fleet file."""
    if suite in SHIPPED:
        return SHIPPED[suite]
    return (Path(fleet.path).parent if fleet.path else Path()) / suite


def chosen_targets(canary: Canary, fleet: Fleet, only: Sequence[str] = ()) -> list[Target]:
    """Raises BadInput where none can be called, NotFound where one cannot."""
    planned = planned_deployments(canary, fleet)
    if wrong := [name for name in only if name not in planned]:
        raise BadInput(f"canary {canary.id!r} does not run on {wrong[0]!r}; it runs on {', '.join(planned) or 'none'}")
    found = [target(fleet, name) for name in only or planned]
    if not found:
        raise BadInput(f"canary {canary.id!r}: no deployment of the fleet file can be called; give one a url")
    return found


def know(door: OpenDoor, suite: Suite) -> None:
    """Keep the suite as it is now, and its images."""
    for path in suite.images.values():
        door.keep(path.read_bytes())
    items = [{"item": one.id, "item_hash": one.hash, "definition": one.definition} for one in suite.items]
    door.write("canary-suite", {"suite": suite.id, "version": suite.version, "about": suite.about, "items": items})


async def _side_by_side(
    run: Run,
    settings: Settings,
    fleet: Fleet,
    canary: Canary,
    suite: Suite,
    chosen: Sequence[Target],
    asked: Asked,
) -> list[Tally]:
    async with Calls(settings) as calls:
        aids = Aids(judge=fleet.judge, embed=fleet.embedding, calls=calls)
        working = [One(run, canary, suite, one, asked, calls, aids).work() for one in chosen]
        return list(await asyncio.gather(*working))


@dataclass(slots=True)
class One:
    """A canary on one deployment."""

    run: Run
    canary: Canary
    suite: Suite
    target: Target
    asked: Asked
    calls: Calls
    aids: Aids

    async def work(self) -> Tally:
        """Learn what is not learned yet, replay, and judge. What goes wrong here touches no other deployment."""
        tally = Tally(self.target.id)
        try:
            if new := await asyncio.to_thread(self._unlearned):
                self.run.say(f"{self.target.id}: learning {len(new)} items")
                await self._replay("learn", new, lessons(self.canary), tally)
            if not tally.problem:
                tally.done = tally.passed = tally.errors = 0
                once = [Pass(self.asked.in_flight or self.canary.in_flight, 0)]
                await self._replay("replay", self.suite.items, once, tally)
        except WatchpointError as error:
            tally.state, tally.problem = "failed", str(error)
        except Exception as error:
            log.exception("a canary failed", canary=self.canary.id, deployment=self.target.id)
            said = f"it failed in an unexpected way ({type(error).__name__}): the log of the process has the details"
            tally.state, tally.problem = "failed", said
        self.run.say(tally.words)
        return tally

    def _unlearned(self) -> list[Item]:
        """Items that this checkpoint was not asked often enough since its baseline."""
        rows = self.run.door.query(
            "canary_learned",
            canary=self.canary.id,
            deployment=self.target.id,
            checkpoint=self.target.checkpoint.id,
        )
        found = {(row["item"], row["item_hash"]): (row["asked"], row["answered"]) for row in rows}
        passes = len(lessons(self.canary))

        def learned(item: Item) -> bool:
            asked, answered = found.get((item.id, item.hash), (0, 0))
            return bool(asked >= passes and answered >= LEARNED_SHARE * passes)

        return [item for item in self.suite.items if not learned(item)]

    async def _replay(self, kind: str, items: Sequence[Item], passes: Sequence[Pass], tally: Tally) -> None:
        """One claimed run; nothing where another process has it."""
        door, owner = self.run.door, self.run.owner
        run = run_id(self.canary.id, self.target.id, self.run.slot.isoformat(), kind)
        claim = await asyncio.to_thread(door.write, "canary-claim", self._claim(run, kind, items, passes))
        if not claim["claimed"]:
            tally.not_mine = f"the {kind} of this slot is {claim['state']} ({claim['held_by']})"
            return
        answered = {(item, in_flight, repeat) for item, in_flight, repeat in claim["done"]}
        if answered:
            self.run.say(f"{self.target.id}: taken over with {len(answered)} answers")
        budget = times(self.canary.budget, len(passes))
        spent = Spent(len(answered), claim["tokens"], claim["usd"])
        plan = Plan(run, self.target, self.suite, items, passes, self.canary.retries, budget, answered, spent)
        state, problem = "failed", UNFINISHED
        try:
            post = CanaryPost(door, plan, owner, lambda given: self._count(given, tally))
            async with Writing(plan, post) as writing:
                problem = await Replay(plan, self.calls, self.aids, writing.keep).run()
            state = "failed" if problem else "done"
        finally:
            tally.state, tally.problem = state, problem
            await asyncio.to_thread(
                door.write, "canary-end", {"run": run, "owner": owner, "state": state, "problem": problem}
            )
        await asyncio.to_thread(self._judge, run, tally)

    def _claim(self, run: str, kind: str, items: Sequence[Item], passes: Sequence[Pass]) -> dict[str, Any]:
        return {
            "run": run,
            "canary": self.canary.id,
            "suite": self.suite.id,
            "version": self.suite.version,
            "deployment": self.target.id,
            "checkpoint": self.target.checkpoint.id,
            "slot": self.run.slot.isoformat(),
            "kind": kind,
            "trigger": self.run.trigger,
            "owner": self.run.owner,
            "in_flight": max(one.in_flight for one in passes),
            "total": len(items) * len(passes),
            "job_run": self.run.id,
        }

    def _count(self, given: list[Given], tally: Tally) -> None:
        tally.done += len(given)
        tally.passed += sum(one.outcome == "pass" for one in given)
        tally.errors += sum(one.outcome in ("error", "unknown") for one in given)
        failed = sum(one.outcome == "error" for one in given)
        self.run.at(
            self.run.done + len(given), max(self.run.total, self.run.done + len(given)), self.run.failed + failed
        )

    def _judge(self, run: str, tally: Tally) -> None:
        """The signals as of this run, decided together with those of the rest of the fleet."""
        door, here = self.run.door, (self.canary.id, self.target.id)
        mine = door.query("canary_evidence", canary=here[0], deployment=here[1])
        others = [row for row in door.query("canary_signals") if (row["canary"], row["deployment"]) != here]  # planned
        states = decide([as_signal(row) for row in [*mine, *others]])[: len(mine)]
        kept = (
            "channel",
            "tag",
            "log_e",
            "log_e_confirmed",
            "n_reference",
            "n_recent",
            "n_items",
            "since",
            "effect",
            "items",
        )
        rows = [{name: row[name] for name in kept} | {"state": state} for row, state in zip(mine, states, strict=True)]
        door.write("canary-signals", {"run": run, "signals": rows})
        tally.alarms = tuple(
            f"{row['channel']}{' of ' + row['tag'] if row['tag'] else ''} changed"
            for row in rows
            if row["state"] == ALARM
        )


def lessons(canary: Canary) -> list[Pass]:
    """The passes that learn: every level of concurrency, and that of replays often enough to be compared with alone."""
    repeats = dict.fromkeys(canary.learn_in_flight, canary.learn_repeats)
    repeats[canary.in_flight] = max(canary.learn_repeats, MIN_REFERENCE)
    return [Pass(in_flight, number) for in_flight, most in sorted(repeats.items()) for number in range(most)]


def times(budget: Budget, passes: int) -> Budget:
    """The budget of one pass over the suite for several of them."""
    requests, tokens = (most and most * passes for most in (budget.requests, budget.tokens))
    return replace(budget, requests=requests, tokens=tokens, usd=budget.usd and budget.usd * passes)


def as_signal(row: dict[str, Any]) -> Signal:
    """A row of `canary_evidence` or `canary_signals` as `decide` takes it."""
    return Signal(
        channel=row["channel"],
        tag=row["tag"],
        e_value=math.exp(min(row["log_e"], 700.0)),
        log_e=row["log_e"],
        log_e_confirmed=row["log_e_confirmed"],
        n_reference=row["n_reference"],
        n_recent=row["n_recent"],
        n_items=row["n_items"],
        since=row["since"],
        items=tuple(row["items"]),
        effect=row["effect"],
    )
