"""How a benchmark was run: what has to be the same before two scores are compared.

Importers and our own evaluation fill it, the queries group by it, the page names what differs.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields


@dataclass(frozen=True, slots=True)
class Protocol:
    """Each part as text; None: the files do not say. Long parts (prompts, settings) may be given as a `fingerprint`."""

    harness: str
    version: str | None = None  # of the harness: scores move between versions of the same one
    task: str | None = None  # version or hash of the task's definition
    data: str | None = None  # revision or hash of the data set, and a limit on its items
    split: str | None = None
    shots: str | None = None  # examples in the prompt
    prompt: str | None = None  # template, system prompt, chat template
    decoding: str | None = None
    filter: str | None = None  # how the answer was taken out of the text
    judge: str | None = None

    @property
    def known(self) -> dict[str, str]:
        """The parts that are known."""
        return {name: value for name, value in asdict(self).items() if value is not None}


PARTS = tuple(field.name for field in fields(Protocol))


def group_of(known: Mapping[str, str], ignored: Collection[str] = ()) -> str:
    """16 hex digits, the same for scores that may be compared; a part that one does not know keeps it apart."""
    return fingerprint({name: known.get(name) for name in PARTS if name not in ignored})


def apart(first: Mapping[str, str], second: Mapping[str, str], ignored: Collection[str] = ()) -> list[str]:
    """What keeps two apart, in words, for each part that differs.

    >>> apart({"harness": "vlmevalkit", "judge": "gpt-4o-mini"}, {"harness": "vlmevalkit", "judge": "exact_matching"})
    ['judge: gpt-4o-mini or exact_matching']
    >>> apart({"harness": "lm-eval", "version": "0.4.13"}, {"harness": "lm-eval"})
    ['version: 0.4.13 or not known']
    """
    pairs = ((name, first.get(name), second.get(name)) for name in PARTS if name not in ignored)
    return [f"{name}: {a or 'not known'} or {b or 'not known'}" for name, a, b in pairs if a != b]


def fingerprint(value: object) -> str:
    """16 hex digits over anything that JSON can write, whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
