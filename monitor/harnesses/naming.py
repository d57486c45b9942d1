"""Which checkpoint of ours a harness means: its names are folders, hub ids, or whatever somebody typed."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from monitor.errors import BadInput
from monitor.records import Checkpoint, Fleet

_SLASHES = re.compile(r"/|__|--")
_STEP = re.compile(r"(?:global[-_]?step|step|checkpoint|ckpt|iter(?:ation)?)[-_=]?0*(\d{1,12})(?!\d)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Named:
    """A checkpoint, and how it was recognised."""

    checkpoint: str
    model: str | None
    step: int | None
    how: str


@dataclass(frozen=True, slots=True)
class Names:
    """What the harness calls checkpoints, as far as it is told: by name, or one for all that is imported."""

    fleet: Fleet
    mapping: Mapping[str, str] = field(default_factory=dict)
    checkpoint: str | None = None
    model: str | None = None
    step: int | None = None

    def check(self, names: Iterable[str]) -> None:
        """Raises BadInput where one checkpoint is given for several, or a name that is mapped does not occur."""
        found = sorted(set(names))
        if self.checkpoint and len(found) > 1:
            raise BadInput(
                f"--checkpoint {self.checkpoint} is one checkpoint, and here are results of {len(found)}: "
                f"{', '.join(found[:10])}; give --map NAME=CHECKPOINT for each"
            )
        if wrong := [name for name in self.mapping if name not in found]:
            raise BadInput(f"--map {wrong[0]}=...: there are no results of {wrong[0]!r}; there are {', '.join(found)}")

    def named(self, name: str, step: int | None = None) -> Named:
        """The checkpoint that a harness calls so; one that nobody knows keeps that name."""
        id_ = self.mapping.get(name, self.checkpoint)
        how = "as you said"
        if id_ is None:
            id_, how = self._recognised(name)
        known = self.fleet.checkpoints.get(id_)
        steps = (self.step, step, known.step if known else None, _step_in(id_), _step_in(name))
        told = next((one for one in steps if one is not None), None)
        return Named(id_, self.model or (known.model if known else None), told, how)

    def _recognised(self, name: str) -> tuple[str, str]:
        wanted = _plain(name)
        for known in self.fleet.checkpoints.values():
            if wanted in _aliases(known):
                return known.id, "in the fleet file"
        return name, "as the harness calls it"


def _aliases(checkpoint: Checkpoint) -> set[str]:
    names = {checkpoint.id, checkpoint.weights or checkpoint.id}
    return {_plain(name) for name in names} | {_plain(name).rsplit("/", 1)[-1] for name in names}


def _plain(name: str) -> str:
    return _SLASHES.sub("/", name.strip().rstrip("/")).casefold()


def _step_in(name: str) -> int | None:
    """The training step in a name such as shapes-vlm-step-00600 or checkpoint-1200.

    >>> _step_in("shapes-vlm-step-00600"), _step_in("out/checkpoint-1200"), _step_in("gpt-4")
    (600, 1200, None)
    """
    found = _STEP.search(name)
    return int(found[1]) if found else None
