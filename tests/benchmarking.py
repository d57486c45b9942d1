"""What the tests of benchmarks share: a store of their own, and evaluations written to it as an import writes them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from monitor.benchmarks.evaluation import Evaluation, ItemResult, Score
from monitor.benchmarks.protocol import Protocol, fingerprint
from monitor.config import load_settings
from monitor.doors import OpenDoor, open_door
from monitor.fleet import load_fleet
from monitor.harnesses.naming import Names
from monitor.harnesses.writing import keep

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
SMALL = """
[models.small]

[checkpoints.small-100]
model = "small"
step = 100

[checkpoints.small-200]
model = "small"
step = 200

[checkpoints.small-300]
model = "small"
step = 300

[benchmarks.maths]
weight = 3
margin = 0.05
"""
"""A model with three checkpoints, and a benchmark of more weight than others."""

PROTOCOL = Protocol("some-harness", version="1.0", decoding="greedy")


@dataclass
class Place:
    """A folder with a fleet file, and a door to its store."""

    folder: Path
    door: OpenDoor
    names: Names

    def keep(self, one: Evaluation, owner: str = "test") -> str:
        return keep(one, self.names.named(one.model, one.step), self.door.write, owner)

    def query(self, name: str, **params: Any) -> list[dict[str, Any]]:
        return self.door.query(name, **params)


@contextmanager
def place(folder: Path, fleet: str = "") -> Iterator[Place]:
    """The store of a folder, owned by the test."""
    (folder / "watchpoint.toml").write_text(fleet)
    settings = load_settings({}, data_dir=str(folder / "data"), fleet_file=str(folder / "watchpoint.toml"), api_port=1)
    with open_door(settings) as door:
        yield Place(folder, door, Names(load_fleet(settings.fleet_file)))


def results(
    shares: Sequence[float], *, tags: Sequence[str] = (), groups: Sequence[str] = (), metric: str = "acc", **more: Any
) -> tuple[ItemResult, ...]:
    """An item for each share, numbered, with one category and one group each where they are given."""
    return tuple(
        ItemResult(
            f"item-{n}",
            fingerprint(["question", n]),
            {metric: share},
            (f"tag={tags[n]}",) if tags else (),
            groups[n] if groups else None,
            f"question {n}",
            f"target {n}",
            f"answer {n} worth {share:g}",
            **more,
        )
        for n, share in enumerate(shares)
    )


def evaluation(model: str, shares: Sequence[float], benchmark: str = "maths", **more: Any) -> Evaluation:
    """A checkpoint whose score is the mean of its items, with those of its categories."""
    items = results(shares, tags=more.pop("tags", ()), groups=more.pop("groups", ()))
    names = ["", *sorted({name for item in items for name in item.categories})]
    scores = []
    for name in names:
        of = [item.scores["acc"] for item in items if not name or name in item.categories]
        scores.append(Score("acc", sum(of) / len(of), category=name, n=len(of), headline=not name))
    return bare(model, benchmark, scores=tuple(scores), items=items, **more)


def bare(model: str, benchmark: str = "maths", **more: Any) -> Evaluation:
    """An evaluation with nothing but what is given."""
    at = NOON + timedelta(days=more.pop("day", 0))
    source = f"{benchmark}/{model}.json"
    told: dict[str, Any] = {"protocol": PROTOCOL, "at": at, "source_sha256": fingerprint(source)} | more
    return Evaluation(benchmark, model, source=source, **told)
