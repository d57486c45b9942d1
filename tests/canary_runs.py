"""Writes what canaries leave in a store, over the results API and with the words of the canary job: a suite, runs with
answers, and the signals that the product itself finds in them.
"""

import hashlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from jobs.replaying import as_signal
from monitor.canary.signals import decide
from monitor.client.reader import Reader

KEPT = ("channel", "tag", "log_e", "log_e_confirmed", "n_reference", "n_recent", "n_items", "since", "effect", "items")
OWNER = "test"


@dataclass(frozen=True)
class Given:
    """What one item is answered."""

    outcome: str = "pass"
    answer: str | None = "yes"
    latency_ms: float | None = 100.0
    error_type: str | None = None
    error_message: str | None = None


Answering = Callable[[str, int], Given]
"""From an item and its number."""


def steady(item: str, number: int) -> Given:
    """Every item passes with an answer of its own, and takes its own time."""
    return Given("pass", f"right answer {item}", 100.0 + number)


def item(id_: str, *tags: str, image: str | None = None) -> dict[str, Any]:
    """An item of a suite as the store keeps it."""
    content: list[dict[str, str]] = [{"type": "image", "sha256": image}] if image else []
    asked = [*content, {"type": "text", "text": f"What is {id_}?"}]
    return {
        "id": id_,
        "messages": [{"role": "user", "content": asked}],
        "settings": {"max_tokens": 16},
        "checks": [{"kind": "exact", "text": f"right answer {id_}"}, {"kind": "max_tokens", "most": 16}],
        "tags": list(tags),
        "weight": 1.0,
        "group": None,
    }


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass
class Canaries:
    """An api to write to."""

    url: str
    suite: str = "shapes"
    items: Sequence[Mapping[str, Any]] = ()
    numbers: Any = field(default_factory=itertools.count)

    def post(self, verb: str, body: Mapping[str, Any]) -> dict[str, Any]:
        answer = httpx.post(f"{self.url}/api/v1/results/{verb}", json=body, trust_env=False)
        assert answer.is_success, answer.text
        return dict(answer.json())

    def know(self) -> None:
        """Write the suite."""
        rows = [{"item": one["id"], "item_hash": digest(one["id"]), "definition": one} for one in self.items]
        self.post("canary-suite", {"suite": self.suite, "version": digest(self.suite), "items": rows})

    def run(
        self,
        canary: str,
        deployment: str,
        answering: Answering = steady,
        *,
        kind: str = "replay",
        repeats: int = 1,
        checkpoint: str = "v1",
        state: str | None = "done",
        problem: str | None = None,
    ) -> str:
        """Write one run with all its answers; without a state it goes on."""
        run = f"run{next(self.numbers):05d}{digest(canary + deployment)[:8]}"
        now = datetime.now(UTC).isoformat()
        self.post(
            "canary-claim",
            {
                "run": run,
                "canary": canary,
                "suite": self.suite,
                "version": digest(self.suite),
                "deployment": deployment,
                "checkpoint": checkpoint,
                "slot": now,
                "kind": kind,
                "trigger": "schedule",
                "owner": OWNER,
                "in_flight": 4,
                "total": len(self.items) * repeats,
            },
        )
        results = [
            self._result(run, str(one["id"]), repeat, answering(str(one["id"]), number))
            for repeat in range(repeats)
            for number, one in enumerate(self.items)
        ]
        self.post("canary-results", {"run": run, "owner": OWNER, "results": results})
        if state:
            self.post("canary-end", {"run": run, "owner": OWNER, "state": state, "problem": problem})
        return run

    def learn(self, canary: str, deployment: str, answering: Answering = steady, **more: Any) -> str:
        """A run that learns: twelve repeats."""
        return self.run(canary, deployment, answering, kind="learn", repeats=12, **more)

    def judge(self, canary: str, deployment: str, run: str) -> list[str]:
        """Judge a run as the canary job does; returns the states of its signals."""
        with Reader(self.url) as reader:
            rows = reader.query("canary_evidence", canary=canary, deployment=deployment).to_dict("records")
        found = [{name: _plain(row[name]) for name in KEPT} for row in rows]
        states = decide([as_signal(row) for row in found])
        signals = [row | {"state": state} for row, state in zip(found, states, strict=True)]
        self.post("canary-signals", {"run": run, "signals": signals})
        return states

    @staticmethod
    def _result(run: str, item: str, repeat: int, given: Given) -> dict[str, Any]:
        right = given.outcome == "pass"
        return {
            "item": item,
            "item_hash": digest(item),
            "in_flight": 4,
            "repeat": repeat,
            "ts": datetime.now(UTC).isoformat(),
            "event_id": f"{run}-{item}-4-{repeat}",
            "outcome": given.outcome,
            "checks": []
            if given.outcome == "error"
            else [
                {"check": "exact", "passed": right, "reason": "" if right else f"{given.answer!r} is not right"},
                {"check": "max_tokens", "passed": True, "reason": "3 tokens"},
            ],
            "answer": given.answer,
            "variant": None if given.answer is None else digest(given.answer),
            "latency_ms": given.latency_ms,
            "tokens_out": None if given.answer is None else 3,
            "error_type": given.error_type,
            "error_message": given.error_message,
        }


def _plain(value: Any) -> Any:
    """A value of a frame as JSON has it."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    return None if isinstance(value, float) and value != value else value
