"""Which checkpoint of ours a harness means: its names are folders, hub ids, or whatever somebody typed."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from monitor.errors import BadInput
from monitor.records import Checkpoint, Fleet

AS_IT_IS = "as the harness calls it"
"""How a checkpoint is recognised that nobody here knows."""

_SLASHES = re.compile(r"/|__|--")
_STEP = re.compile(
    r"(?<![a-z0-9])(?:global[-_]?step|step|checkpoint|ckpt|iter(?:ation)?)(?:[-_=]|(?=\d{3}))0*(\d{1,12})(?![a-z0-9]|\.\d)",
    re.IGNORECASE,
)
MAX_STEP = 2**53


@dataclass(frozen=True, slots=True)
class Named:
    """A checkpoint, and how it was recognised; `several` are those it may be, where it was not for that reason."""

    checkpoint: str
    model: str | None
    step: int | None
    how: str
    several: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Names:
    """What the harness calls checkpoints, as far as it is told: by name, or one for all that is imported."""

    fleet: Fleet
    mapping: Mapping[str, str] = field(default_factory=dict)
    checkpoint: str | None = None
    model: str | None = None
    step: int | None = None

    def check(self, names: Iterable[str]) -> None:
        """Raises BadInput where one checkpoint or step is given for several, or a mapped name does not occur."""
        if self.step is not None and not 0 <= self.step <= MAX_STEP:
            raise BadInput(f"--step {self.step}: allowed is a whole number from 0 to {MAX_STEP}")
        found = sorted(set(names))
        here = f"and here are results of {len(found)}: {', '.join(found[:10])}"
        if self.checkpoint and len(found) > 1:
            raise BadInput(
                f"--checkpoint {self.checkpoint} is one checkpoint, {here}; give --map NAME=CHECKPOINT for each"
            )
        if self.step is not None and len(found) > 1:
            raise BadInput(f"--step {self.step} is the step of one checkpoint, {here}; import them one by one")
        if wrong := [name for name in self.mapping if name not in found]:
            raise BadInput(f"--map {wrong[0]}=...: there are no results of {wrong[0]!r}; there are {', '.join(found)}")

    @property
    def told(self) -> bool:
        """Whether there is anything that `check` has to look at."""
        return bool(self.checkpoint or self.mapping or self.step is not None)

    def named(self, name: str, step: int | None = None, family: str | None = None) -> Named:
        """The checkpoint that a harness calls so; one that nobody knows keeps that name. The rest is of its file."""
        id_ = self.mapping.get(name, self.checkpoint)
        how, several = "as you said", tuple[str, ...]()
        if id_ is None:
            id_, several = self._recognised(name)
            how = "in the fleet file" if id_ in self.fleet.checkpoints else AS_IT_IS
        known = self.fleet.checkpoints.get(id_)
        steps = (self.step, step, known.step if known else None, _step_in(id_), _step_in(name))
        told = next((one for one in steps if one is not None), None)
        return Named(id_, self.model or (known.model if known else family), told, how, several)

    def _recognised(self, name: str) -> tuple[str, tuple[str, ...]]:
        """The checkpoint that is called so: by its id, by all of its weights' path, by the last part of either.

        Where several fit alike the name stays as it is, and they are given: steps of many trainings are called
        checkpoint-100.
        """
        if name in self.fleet.checkpoints:
            return name, ()
        wanted = _plain(name)
        for fits in (_by_id, _by_path, _by_last_part):
            found = tuple(one.id for one in self.fleet.checkpoints.values() if fits(wanted, one))
            if found:
                return (found[0], ()) if len(found) == 1 else (name, found)
        return name, ()


def _by_id(wanted: str, checkpoint: Checkpoint) -> bool:
    return wanted == _plain(checkpoint.id)


def _by_path(wanted: str, checkpoint: Checkpoint) -> bool:
    """The same path, or one of them from further up."""
    weights = _plain(checkpoint.weights or "")
    short, long = sorted((wanted.removeprefix("./"), weights.removeprefix("./")), key=len)
    return short == long or ("/" in short[1:] and not short.startswith("/") and long.endswith(f"/{short}"))


def _by_last_part(wanted: str, checkpoint: Checkpoint) -> bool:
    names = (_plain(checkpoint.id), _plain(checkpoint.weights or checkpoint.id))
    return wanted in {one.rsplit("/", 1)[-1] for one in names}


def _plain(name: str) -> str:
    return _SLASHES.sub("/", name.strip().rstrip("/")).casefold()


def _step_in(name: str) -> int | None:
    """The training step in a name such as shapes-vlm-step-00600 or checkpoint-1200.

    >>> _step_in("shapes-vlm-step-00600"), _step_in("out/checkpoint-1200"), _step_in("gpt-4"), _step_in("org/step3")
    (600, 1200, None, None)
    """
    found = _STEP.search(name)
    return int(found[1]) if found else None
