"""Replays a suite on one deployment: asks, checks, and hands each answer on as soon as it is there.

Called by `jobs/replaying.py`. As many questions are under way at once as a pass says; a question whose connection
breaks, or that finds the server busy, is asked again after a pause; a deployment that answers nobody is left alone for
the rest of the run; a budget ends a run early. Whatever happens to one question is told as its result and touches no
other.
"""

import asyncio
import hashlib
import math
import random
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from monitor.canary.aids import Aids
from monitor.canary.checks import Answer, Outcome, check_answer, normalised
from monitor.canary.suites import Item, Suite
from monitor.chat import Image, Message, Reply
from monitor.errors import TargetBusy, TargetError, TargetUnreachable, WatchpointError
from monitor.probe.bodies import Picture
from monitor.probe.log import answered
from monitor.records import Budget
from monitor.runtimes import Calls, Target, ask

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 10.0
BREAK_AFTER = 5
"""So many questions in a row that found nobody open the circuit: the rest is not asked."""

AGAIN = (TargetUnreachable, TargetBusy)
"""Errors of the transport: the question was not answered, and may be asked again."""

NO_TEXT = "\ufffd"
"""What stands for bytes that are no UTF-8."""


@dataclass(frozen=True, slots=True)
class Pass:
    """Every item once, so many under way at once."""

    in_flight: int
    repeat: int


@dataclass(frozen=True, slots=True)
class Given:
    """What came of one item: the reply or the error, and what the checks say. Times in milliseconds."""

    item: Item
    on: Pass
    at: datetime
    outcome: str  # pass, fail, unknown or error
    checks: tuple[Outcome, ...] = ()
    reply: Reply | None = None
    error_type: str | None = None
    error_message: str | None = None


@dataclass(slots=True)
class Spent:
    """What a run has taken of its budget."""

    requests: int = 0
    tokens: int = 0
    usd: float = 0.0

    def add(self, reply: Reply, budget: Budget) -> None:
        tokens_in, tokens_out = reply.tokens_in or 0, reply.tokens_out or 0
        self.tokens += tokens_in + tokens_out
        self.usd += (tokens_in * budget.usd_per_mtok_in + tokens_out * budget.usd_per_mtok_out) / 1e6

    def over(self, budget: Budget) -> str | None:
        """Which bound is reached, in words."""
        for spent, most, unit in (
            (self.requests, budget.requests, "requests (max_requests)"),
            (self.tokens, budget.tokens, "tokens (max_tokens)"),
            (self.usd, budget.usd, "US dollars (max_usd)"),
        ):
            if most is not None and spent >= most:
                return f"the budget of {most:g} {unit} is spent"
        return None


@dataclass(frozen=True, slots=True)
class Plan:
    """One replay: what is asked of whom, and how."""

    run: str
    target: Target
    suite: Suite
    items: Sequence[Item]
    passes: Sequence[Pass]
    retries: int
    budget: Budget
    answered: Collection[tuple[str, int, int]] = ()  # (item, in_flight, repeat) that an earlier process has answers of
    spent: Spent = field(default_factory=Spent)  # what that process took of the budget

    def left(self, on: Pass) -> list[Item]:
        """The items of a pass without an answer, shuffled anew for each run: neighbours in a batch change."""
        items = [item for item in self.items if (item.id, on.in_flight, on.repeat) not in self.answered]
        random.Random(f"{self.run} {on.in_flight} {on.repeat}").shuffle(items)
        return items


Keep = Callable[[Given, Spent], Awaitable[None]]


@dataclass(slots=True)
class Replay:
    """A replay under way."""

    plan: Plan
    calls: Calls
    aids: Aids
    keep: Keep
    stopped: str | None = None  # why the rest was not asked
    not_asked: int = 0
    _images: dict[str, bytes] = field(default_factory=dict)
    _broken: int = 0

    @property
    def spent(self) -> Spent:
        return self.plan.spent

    async def run(self) -> str | None:
        """All passes; returns why some items were not asked, None when all were. Raises what `keep` raises."""
        for on in self.plan.passes:
            waiting = iter(self.plan.left(on))
            workers = range(min(on.in_flight, len(self.plan.items)))
            asked = await asyncio.gather(*(self._work(waiting, on) for _ in workers), return_exceptions=True)
            if broken := [one for one in asked if one is not None]:
                raise broken[0]
        return f"{self.stopped}; {self.not_asked} questions were not asked" if self.stopped else None

    async def _work(self, waiting: Iterator[Item], on: Pass) -> None:
        for item in waiting:
            self.stopped = self.stopped or self.spent.over(self.plan.budget)
            if self.stopped:
                self.not_asked += 1
                continue
            given = await self._given(item, on)
            if given is None:
                self.not_asked += 1
            else:
                await self.keep(given, self.spent)

    async def _given(self, item: Item, on: Pass) -> Given | None:
        """Ask, again where the transport failed, and check; None where the budget does not allow it."""
        at = datetime.now(UTC)
        pause = FIRST_PAUSE_S
        for left in reversed(range(self.plan.retries + 1)):
            at = datetime.now(UTC)
            try:
                reply = await self._asked(item)
            except BudgetSpent:
                return None
            except AGAIN as error:
                if left and not self.stopped:
                    await asyncio.sleep(pause * random.uniform(0.5, 1.5))
                    pause = min(2 * pause, LONGEST_PAUSE_S)
                    continue
                self._count_broken(error)
                return _failed(item, on, at, error)
            except WatchpointError as error:
                self._broken = 0
                return _failed(item, on, at, error)
            self._broken = 0
            return await self._checked(item, on, at, reply)
        raise AssertionError("unreachable: the last attempt returns")

    async def _asked(self, item: Item) -> Reply:
        if spent := self.spent.over(self.plan.budget):
            self.stopped = self.stopped or spent
            raise BudgetSpent(spent)
        self.spent.requests += 1
        settings = item.settings
        if settings.top_logprobs is None:
            settings = replace(settings, top_logprobs=0)  # those of the chosen tokens tell how it behaves
        reply = await ask(self.plan.target, self._messages(item), settings, self.calls)
        self.spent.add(reply, self.plan.budget)
        if not reply.text.strip():
            ended = f" (finish_reason {reply.finish_reason})" if reply.finish_reason else ""
            raise EmptyAnswer(f"{self.plan.target.id} answered without an error and without a text{ended}")
        if NO_TEXT in reply.text.rstrip(NO_TEXT):  # at the end, the limit of tokens may have split a character
            shown = reply.text[:200]
            raise BrokenText(f"the answer of {self.plan.target.id} holds bytes that are no UTF-8: {shown!r}")
        return reply

    async def _checked(self, item: Item, on: Pass, at: datetime, reply: Reply) -> Given:
        answer = Answer(
            reply.text, reply.timings.total_ms, reply.timings.ttft_ms, reply.tokens_out, reply.finish_reason
        )
        outcomes = tuple(await check_answer(item, answer, self.aids))
        verdicts = {outcome.passed for outcome in outcomes}
        outcome = "fail" if False in verdicts else "unknown" if None in verdicts else "pass"
        return Given(item, on, at, outcome, outcomes, reply)

    def _count_broken(self, error: WatchpointError) -> None:
        self._broken += 1
        if self._broken >= BREAK_AFTER and not self.stopped:
            self.stopped = f"{BREAK_AFTER} questions in a row found nobody, the last with: {error}"

    def _messages(self, item: Item) -> list[Message]:
        return [
            Message(
                turn.role,
                tuple(self._image(part.sha256) if isinstance(part, Picture) else part.text for part in turn.parts),
            )
            for turn in item.turns
        ]

    def _image(self, sha256: str) -> Image:
        if sha256 not in self._images:
            self._images[sha256] = self.plan.suite.images[sha256].read_bytes()
        return Image(self._images[sha256])


class EmptyAnswer(TargetError):
    """HTTP 200 and nothing said."""


class BrokenText(TargetError):
    """An answer with bytes that are no UTF-8."""


class BudgetSpent(WatchpointError):
    """Nothing more may be asked."""


def _failed(item: Item, on: Pass, at: datetime, error: WatchpointError) -> Given:
    return Given(item, on, at, "error", error_type=type(error).__name__, error_message=str(error))


def as_result(given: Given, event_id: str | None) -> dict[str, Any]:
    """The row of a result."""
    row: dict[str, Any] = {
        "item": given.item.id,
        "item_hash": given.item.hash,
        "in_flight": given.on.in_flight,
        "repeat": given.on.repeat,
        "ts": given.at.isoformat(),
        "event_id": event_id,
        "outcome": given.outcome,
        "checks": [
            {"check": one.check, "passed": one.passed, "reason": one.reason, "value": one.value} for one in given.checks
        ],
        "error_type": given.error_type,
        "error_message": given.error_message,
    }
    reply = given.reply
    if reply is None:
        return row
    return row | {
        "answer": reply.text,
        "variant": variant(reply.text),
        "logprob": _finite(math.log(reply.confidence)) if reply.confidence else None,
        "tokens_in": reply.tokens_in,
        "tokens_out": reply.tokens_out,
        "latency_ms": reply.timings.total_ms,
        "ttft_ms": reply.timings.ttft_ms,
        "finish_reason": reply.finish_reason,
        "served_as": reply.model,
    }


def as_event(given: Given, target: Target, run: str, event_id: str | None) -> dict[str, Any]:
    """The prediction of a result, of source canary."""
    turns = [turn for turn in given.item.turns if turn.role == "user"]
    event: dict[str, Any] = {
        "event_id": event_id,
        "ts": given.at.isoformat(),
        "source": "canary",
        "session_id": run,
        "deployment": target.logged_as,
        "checkpoint": target.checkpoint.id,
        "model": target.checkpoint.model,
        "environment": target.deployment.environment if target.deployment else None,
        "input_text": "".join(part.text for part in turns[-1].parts if not isinstance(part, Picture))
        if turns
        else None,
        "media": [{"sha256": part.sha256} for turn in turns for part in turn.parts if isinstance(part, Picture)],
        "label": expected(given.item),
        "attrs": {
            "item": given.item.id,
            "target": target.id,
            "messages": given.item.definition["messages"],
            "settings": asdict(given.item.settings),
            "outcome": given.outcome,
        },
    }
    if given.reply is None:
        return event | {"status": "error", "error_type": given.error_type, "error_message": given.error_message}
    return event | answered(given.reply)


def expected(item: Item) -> str | None:
    """The answer that the first check names, where it names one."""
    for check in item.checks:
        for name in ("text", "value", "letter"):
            named = check.definition.get(name)
            named = named[0] if isinstance(named, list) and named else named
            if isinstance(named, str | int | float):
                return str(named)
    return None


def variant(text: str) -> str:
    """Answers that differ only in blanks are one variant."""
    return hashlib.sha256(normalised(text).encode()).hexdigest()[:16]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
