"""The table of checks, and how an answer is put to those of its item; called by the replay of a suite.

A kind of check is a record in CHECKS: its parameters with their bounds, what it says about itself, and the function
that runs it. `docs/canaries.md` shows the same table.
"""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from monitor.canary import checks_aided, checks_text, checks_values
from monitor.canary.aids import PROMPT_HASH, Aids
from monitor.canary.answers import Answer, Case, Outcome
from monitor.canary.checks_text import Params
from monitor.canary.reading import normalised
from monitor.probe.bodies import Turn

__all__ = ["CHECKS", "Answer", "Check", "CheckKind", "Outcome", "check_answer", "normalised"]


@dataclass(frozen=True, slots=True)
class CheckKind:
    """A kind of check: what passes, its parameters, and how it is run. `stamp` joins the definition of each check."""

    name: str
    about: str
    example: str
    params: type[Params]
    run: Callable[[Any, Case], Outcome | Awaitable[Outcome]]
    stamp: Mapping[str, str] = field(default_factory=dict)

    @property
    def main(self) -> str:
        """The parameter that the short form gives."""
        return self.params.__struct_fields__[0]


@dataclass(frozen=True, slots=True)
class Check:
    """A check of an item: its kind in CHECKS and its parameters."""

    kind: str
    params: Params

    @property
    def definition(self) -> dict[str, Any]:
        """What decides about its outcome, fit for JSON."""
        return {"kind": self.kind, **json.loads(msgspec.json.encode(self.params)), **CHECKS[self.kind].stamp}


class Checked(Protocol):
    """What `check_answer` needs of an item."""

    @property
    def turns(self) -> Sequence[Turn]: ...

    @property
    def checks(self) -> Sequence[Check]: ...


_KINDS = (
    CheckKind(
        "exact",
        "the answer is the text, or one of several, letter by letter; blanks around it aside",
        "exact: red",
        checks_text.Exact,
        checks_text.exact,
    ),
    CheckKind(
        "normalised",
        "the same words, whatever the case, the blanks, and the marks, quotes, brackets and emphasis at their edges",
        "normalised: a red circle",
        checks_text.Normalised,
        checks_text.same_words,
    ),
    CheckKind(
        "contains",
        "has all of `all`, at least one of `any`, nothing of `none`; `case` and whole `words` count if asked for",
        "contains: {any: [Paris, Lutetia], words: true}",
        checks_text.Contains,
        checks_text.contains,
    ),
    CheckKind(
        "regex",
        "an RE2 expression is found in the answer, or is all of it with `whole`",
        "regex: '^[0-9]{4}-[0-9]{2}-[0-9]{2}$'",
        checks_text.Regex,
        checks_text.regex,
    ),
    CheckKind(
        "json_schema",
        "the answer, or its only fenced block, is JSON that fits the schema (draft 2020-12)",
        "json_schema: {type: object, required: [name]}",
        checks_values.JsonSchema,
        checks_values.json_schema,
    ),
    CheckKind(
        "number",
        "the last number of the answer, or the whole of it, is the value within `tolerance` or the share `relative`",
        "{kind: number, value: 3.14, tolerance: 0.01}",
        checks_values.Number,
        checks_values.number,
    ),
    CheckKind(
        "choice",
        "chooses this letter of `among`, and no other; an answer that names two chooses none",
        "choice: B",
        checks_values.Choice,
        checks_values.choice,
    ),
    CheckKind(
        "point_in",
        "points lie in a `box`, `polygon` or `circle` (shares of width and height), at least the share `least` of them",
        "point_in: [0.25, 0.25, 0.5, 0.5]",
        checks_values.PointIn,
        checks_values.point_in,
    ),
    CheckKind(
        "refusal",
        "the wording refuses, or does not; an empty answer is neither",
        "refusal: true",
        checks_text.Refusal,
        checks_text.refusal,
    ),
    CheckKind(
        "chrf",
        "letters in common with a text (chrF2 between 0 and 1), with the likest one of several",
        "{kind: chrf, text: Ein roter Kreis., least: 0.6}",
        checks_text.Alike,
        checks_text.like_chrf,
    ),
    CheckKind(
        "rouge_l",
        "words in common with a text in the same order (ROUGE-L F1 between 0 and 1), with the likest one of several",
        "{kind: rouge_l, text: a red circle above a blue square, least: 0.6}",
        checks_text.Words,
        checks_text.like_rouge_l,
    ),
    CheckKind(
        "similarity",
        "cosine to a text between their embeddings; needs [embedding] in the fleet file",
        "{kind: similarity, text: The parcel has arrived., least: 0.8}",
        checks_aided.Similar,
        checks_aided.similar,
    ),
    CheckKind(
        "judge",
        "another model answers a question about the answer with yes, or with no; needs [judge] in the fleet file",
        "judge: Does the answer apologise and offer a refund?",
        checks_aided.Judged,
        checks_aided.judged,
        stamp={"prompt_sha256": PROMPT_HASH},
    ),
    CheckKind(
        "max_latency_ms",
        "the whole answer took at most so many milliseconds",
        "max_latency_ms: 2000",
        checks_values.Most,
        checks_values.max_latency,
    ),
    CheckKind(
        "max_ttft_ms",
        "the first token took at most so many milliseconds",
        "max_ttft_ms: 500",
        checks_values.Most,
        checks_values.max_ttft,
    ),
    CheckKind(
        "max_tokens",
        "the answer has at most so many tokens, as the runtime counts them",
        "max_tokens: 40",
        checks_values.MostTokens,
        checks_values.max_tokens,
    ),
)
CHECKS: dict[str, CheckKind] = {kind.name: kind for kind in _KINDS}


async def check_answer(item: Checked, answer: Answer, aids: Aids) -> list[Outcome]:
    """What each check of the item says, in their order. The item passes if all do; one None makes it not known."""
    case = Case(item.turns, answer, aids)
    outcomes = []
    for check in item.checks:
        found = CHECKS[check.kind].run(check.params, case)
        outcomes.append(found if isinstance(found, Outcome) else await found)
    return outcomes
