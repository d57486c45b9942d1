"""Bodies of the probe routes: what a client may send, with its bounds, and errors that say what is allowed instead."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal

import msgspec

from monitor.chat import MAX_TOP_LOGPROBS, Generation
from monitor.errors import BadInput

MAX_TARGETS = 4
MAX_TURNS = 64
MAX_IMAGES = 16
"""Images of one question."""

MAX_PARTS = 64
MAX_STEPS = 16
MAX_QUESTIONS = 256
"""Different questions of one load probe, which are asked in turn."""

Target = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Targets = Annotated[list[Target], msgspec.Meta(min_length=1, max_length=MAX_TARGETS)]
Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
Title = Annotated[str, msgspec.Meta(max_length=200)]
Visitor = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Moment = Annotated[str, msgspec.Meta(max_length=64)]
Name = Annotated[str, msgspec.Meta(max_length=256)]


class Text(msgspec.Struct, forbid_unknown_fields=True, tag_field="type", tag="text"):
    """A piece of text in a message."""

    text: str


class Picture(msgspec.Struct, forbid_unknown_fields=True, tag_field="type", tag="image"):
    """An image of the media store."""

    sha256: Sha256


Parts = Annotated[list[Text | Picture], msgspec.Meta(max_length=MAX_PARTS)]


class Turn(msgspec.Struct, forbid_unknown_fields=True):
    """One message. A string is a message of one text."""

    role: Literal["system", "user", "assistant"]
    content: str | Parts

    @property
    def parts(self) -> list[Text | Picture]:
        return [Text(self.content)] if isinstance(self.content, str) else self.content


Turns = Annotated[list[Turn], msgspec.Meta(min_length=1, max_length=MAX_TURNS)]


class Settings(msgspec.Struct, forbid_unknown_fields=True):
    """How to generate; what is left out is as `chat.Generation` says."""

    max_tokens: Annotated[int, msgspec.Meta(ge=1, le=32_768)] = 256
    temperature: Annotated[float, msgspec.Meta(ge=0, le=5)] = 0.0
    top_p: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**53)] | None = None
    stop: Annotated[list[Annotated[str, msgspec.Meta(min_length=1, max_length=200)]], msgspec.Meta(max_length=8)] = []
    top_logprobs: Annotated[int, msgspec.Meta(ge=0, le=MAX_TOP_LOGPROBS)] | None = None
    deadline_s: Annotated[float, msgspec.Meta(ge=0.1, le=600)] = 60.0

    def generation(self) -> Generation:
        return Generation(**(msgspec.structs.asdict(self) | {"stop": tuple(self.stop)}))


class Probe(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One question to one to four targets, answered as a stream."""

    targets: Targets
    messages: Turns
    settings: Settings = msgspec.field(default_factory=Settings)
    from_request: Id | None = None
    visitor: Visitor = "unnamed"


class Item(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One question of a batch; `label` is the answer that is expected."""

    id: Id
    messages: Turns
    label: str | None = None


class Sample(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Questions drawn from logged requests: `n` of those that match, each as likely as any other."""

    start: Moment
    end: Moment
    n: Annotated[int, msgspec.Meta(ge=1)]
    source: Literal["production", "canary", "probe", "shadow", "demo"] = "production"
    deployments: Annotated[list[Name], msgspec.Meta(max_length=200)] = []
    checkpoints: Annotated[list[Name], msgspec.Meta(max_length=200)] = []
    status: Literal["", "ok", "error"] = ""
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**53)] = 0


class Batch(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="batch"):
    """Many questions to one to four targets, each of which is asked the same ones."""

    targets: Targets
    items: list[Item] | None = None
    sample: Sample | None = None
    settings: Settings = msgspec.field(default_factory=Settings)
    name: Title = ""
    from_request: Id | None = None
    visitor: Visitor = "unnamed"


class Load(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="load"):
    """A ramp of concurrency against one target; the questions are asked in turn."""

    target: Target
    messages: Annotated[list[Turns], msgspec.Meta(min_length=1, max_length=MAX_QUESTIONS)]
    settings: Settings = msgspec.field(default_factory=Settings)
    concurrency: Annotated[
        list[Annotated[int, msgspec.Meta(ge=1)]], msgspec.Meta(min_length=1, max_length=MAX_STEPS)
    ] = msgspec.field(default_factory=lambda: [1, 2, 4, 8])
    seconds_each: Annotated[float, msgspec.Meta(ge=1, le=3600)] = 5.0
    allow_production: bool = False
    name: Title = ""
    from_request: Id | None = None
    visitor: Visitor = "unnamed"

    @property
    def targets(self) -> list[str]:
        return [self.target]


Run = Batch | Load

_FIELDS: dict[str, tuple[type[msgspec.Struct], ...]] = {
    "": (),
    "settings": (Settings,),
    "sample": (Sample,),
    "items": (Item,),
    "messages": (Turn,),
    "content": (Text, Picture),
}
"""What stands in an object, by the last name of its path."""

_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_STEP = re.compile(r"(\w+)|\[(\d+)\]")
MAX_SHOWN = 80


def read_probe(body: bytes) -> Probe:
    """The body of `POST /api/v1/probes`. Raises BadInput."""
    probe: Probe = _decode(body, Probe, (Probe,))
    _check_targets(probe.targets)
    check_question(probe.messages, "messages")
    return probe


def read_run(body: bytes, most_items: int) -> Run:
    """The body of `POST /api/v1/probe-runs`. Raises BadInput."""
    run: Run = _decode(body, Run, (Batch, Load))
    if isinstance(run, Batch):
        _check_batch(run, most_items)
    else:
        if any(after <= before for before, after in pairwise(run.concurrency)):
            raise BadInput(f"concurrency is {run.concurrency}: each step has more clients than the one before")
        for number, turns in enumerate(run.messages):
            check_question(turns, f"messages[{number}]")
    return run


def check_question(turns: Sequence[Turn], where: str) -> None:
    """Raises BadInput for a question that asks nothing, or has more images than are allowed."""
    parts = [part for turn in turns for part in turn.parts]
    pictures = sum(isinstance(part, Picture) for part in parts)
    if pictures > MAX_IMAGES:
        raise BadInput(f"{where} has {pictures} images; one question may have {MAX_IMAGES}")
    if not pictures and not any(isinstance(part, Text) and part.text.strip() for part in parts):
        raise BadInput(f"{where} is empty: write a text, or add an image")


def hashes(turns: Sequence[Turn]) -> Iterator[str]:
    """The images of a question in their order."""
    return (part.sha256 for turn in turns for part in turn.parts if isinstance(part, Picture))


def _check_targets(targets: Sequence[str]) -> None:
    if twice := [name for name, n in Counter(targets).items() if n > 1]:
        raise BadInput(f"targets names {twice[0]!r} twice; name each target once")


def _check_batch(run: Batch, most_items: int) -> None:
    _check_targets(run.targets)
    if (run.items is None) == (run.sample is None):
        raise BadInput("a batch has either items or a sample of logged requests: send one of the two")
    n = run.sample.n if run.sample else len(run.items or ())
    if not 1 <= n <= most_items:
        raise BadInput(
            f"the batch has {n} items; allowed are 1 to {most_items} (WATCHPOINT_PROBE_ITEMS): send several batches"
        )
    for number, item in enumerate(run.items or ()):
        check_question(item.messages, f"items[{number}].messages")
    if twice := [name for name, count in Counter(item.id for item in run.items or ()).items() if count > 1]:
        raise BadInput(f"{len(twice)} ids of items are given more than once, such as {twice[0]!r}; each needs its own")


def _decode(body: bytes, kind: Any, whole: tuple[type[msgspec.Struct], ...]) -> Any:
    try:
        return msgspec.json.decode(body, type=kind)
    except (UnicodeDecodeError, RecursionError):
        raise BadInput("the body is not JSON in UTF-8; send one object") from None
    except msgspec.ValidationError as error:
        raise BadInput(_explain(str(error), body, whole)) from None
    except msgspec.DecodeError as error:
        raise BadInput(f"the body is not JSON: {error}; send one object") from None


def _explain(message: str, body: bytes, whole: tuple[type[msgspec.Struct], ...]) -> str:
    """msgspec says what was expected and where; add the value that was there, or the fields that there are."""
    problem, _, where = message.partition(" - at `$")
    path = where.strip("`.")
    if unknown := _UNKNOWN.fullmatch(problem):
        last = re.sub(r"\[\d+\]", "", path).rsplit(".", 1)[-1]
        allowed = dict.fromkeys(name for kind in _FIELDS[last] or whole for name in kind.__struct_fields__)
        return f"{path or 'the body'} has no field `{unknown[1][:MAX_SHOWN]}`; its fields are {', '.join(allowed)}"
    text = problem[:1].lower() + problem[1:]
    if path == "kind":
        return "kind: allowed are batch and load"
    if not path or "required" in text:
        return text.replace("object missing", f"{path or 'the body'} lacks")
    return f"{path} is {_value_at(path, body)}: {text}"


def _value_at(path: str, body: bytes) -> str:
    value = msgspec.json.decode(body)
    for step in _STEP.finditer(path):
        value = value[step[1] or int(step[2])]
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}..."
