"""Imports what a folder, file or zip holds: each evaluation whole, what is damaged by name, the rest all the same.

Called by `python -m monitor import-benchmarks` and by the api for uploads.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from monitor.benchmarks.evaluation import Evaluation
from monitor.errors import BadInput, StoreError, WatchpointError
from monitor.harnesses import find_all
from monitor.harnesses.naming import Named, Names
from monitor.harnesses.records import Found, Refused
from monitor.harnesses.tree import Tree
from monitor.harnesses.writing import BUSY, KEPT, KNOWN, Write, keep

READ, REFUSED = "read", "refused"
"""A dry run has only read it; nothing of it was taken."""


@dataclass(frozen=True, slots=True)
class Line:
    """What became of one evaluation, or of one file that was refused."""

    outcome: str  # kept, known, busy, read or refused
    source: str
    harness: str = ""
    benchmark: str = ""
    named: str = ""  # the checkpoint as the harness calls it
    checkpoint: str = ""
    how: str = ""  # how the checkpoint was recognised
    state: str = ""
    figure: str = ""  # the headline score as it is written
    items: int = 0
    problem: str = ""
    notes: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """One line for a terminal."""
        if self.outcome == REFUSED:
            return f"refused  {self.source}: {self.problem}"
        named = self.checkpoint if self.checkpoint == self.named else f"{self.checkpoint} ({self.named} {self.how})"
        figures = f"{self.figure}, {self.items:,} items" if self.items else f"{self.figure}, no items"
        told = figures if self.state == "done" else f"{self.state}: {self.problem}"
        return f"{self.outcome:8} {self.benchmark} of {named} [{self.harness}]: {told}"

    @property
    def record(self) -> dict[str, Any]:
        return asdict(self) | {"words": self.words}


Progress = Callable[[str], None]
"""Told what is being read."""


def import_tree(
    tree: Tree,
    names: Names,
    write: Write | None,
    owner: str,
    harness: str = "",
    on_progress: Progress = lambda _: None,
) -> Iterator[Line]:
    """Import everything that is known; without `write` it is only read.

    Raises BadInput where nothing is known, or where `names` do not fit what is there, before anything is written.
    """
    found = list(find_all(tree, harness))
    if names.told:
        names.check(one.model for part in found for one in _read(part) if isinstance(one, Evaluation))
    for part in found:
        on_progress(part.path)
        for one in _read(part):
            yield _refused(one) if isinstance(one, Refused) else _import(one, part, names, write, owner)


def _read(part: Found | Refused) -> Iterator[Evaluation | Refused]:
    """What is in one run; what cannot be read at all is refused by its name."""
    if isinstance(part, Refused):
        yield part
        return
    try:
        yield from part.read()
    except BadInput as error:
        yield Refused(part.path, str(error))


def _import(one: Evaluation, part: Found | Refused, names: Names, write: Write | None, owner: str) -> Line:
    named = names.named(one.model, one.step, one.family)
    harness = part.harness if isinstance(part, Found) else ""
    if write is None:
        return _line(READ, one, named, harness)
    try:
        outcome = keep(one, named, write, owner)
    except StoreError:
        raise  # nothing more can be written
    except WatchpointError as error:
        return Line(REFUSED, f"{one.source} ({one.benchmark})", problem=str(error))
    if outcome == BUSY:
        return Line(REFUSED, f"{one.source} ({one.benchmark})", problem="another import of it is under way; try again")
    return _line(outcome, one, named, harness)


def _refused(one: Refused) -> Line:
    return Line(REFUSED, one.path, problem=one.reason)


def _line(outcome: str, one: Evaluation, named: Named, harness: str) -> Line:
    return Line(
        outcome,
        one.source,
        harness,
        one.benchmark,
        one.model,
        named.checkpoint,
        named.how,
        one.state,
        _figure(one),
        len(one.items),
        one.problem or "",
        (*one.notes, *_unclear(one, named)),
    )


def _unclear(one: Evaluation, named: Named) -> Iterator[str]:
    if named.several:
        names = ", ".join(named.several[:10])
        yield f"{one.model} may be any of {names} of the fleet file; say which with --map {one.model}=CHECKPOINT"


def _figure(one: Evaluation) -> str:
    """Such as "acc 0.42 of 1"; the scale is always said."""
    score = next((score for score in one.scores if score.headline), None)
    if score is None:
        return "no figure"
    scale = f" of {score.most:g}" if score.most is not None else " (scale not known)"
    return f"{score.metric} {score.value:.6g}{scale}"


def summary(lines: list[Line]) -> str:
    """How many of each, for the end."""
    counts = {name: sum(line.outcome == name for line in lines) for name in (KEPT, KNOWN, READ, REFUSED)}
    told = {KEPT: "kept", KNOWN: "known already", READ: "can be read, nothing was written", REFUSED: "refused"}
    return ", ".join(f"{count} {told[name]}" for name, count in counts.items() if count) or "nothing was found"
