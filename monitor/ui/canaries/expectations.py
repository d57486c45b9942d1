"""What an item expects, check by check, in words; and what each check said. No Streamlit here but for safe texts."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from monitor.charts import words
from monitor.ui import text

SAID = {True: ":material/check:", False: ":material/close:", None: ":material/help:"}
ABOUT = {
    "exact": "is exactly {text}",
    "normalised": "is {text}, whatever the case, blanks and punctuation",
    "regex": "matches {pattern}",
    "json_schema": "is JSON of a given form",
    "number": "is the number {value}",
    "choice": "chooses {letter}",
    "point_in": "points into a given area",
    "chrf": "is much like {text} (chrF)",
    "rouge_l": "has the words of {text} in their order (ROUGE-L)",
    "similarity": "means the same as {text}",
    "judge": "is judged well: {question}",
    "max_latency_ms": "takes at most {most} ms",
    "max_ttft_ms": "begins within {most} ms",
    "max_tokens": "has at most {most} tokens",
}
"""What passes, by kind of check; parameters that are not in the sentence are told behind it."""

CONTAINS = {"all": ("contains", " and "), "any": ("contains", " or "), "none": ("does not contain", " or ")}


def parsed(value: Any) -> Any:
    """A column that holds JSON; None where it is none."""
    with suppress(TypeError, ValueError):
        return json.loads(value)
    return None


def expected(check: Mapping[str, Any]) -> str:
    """One check as Markdown: what the answer has to be, and its further parameters."""
    kind = str(check.get("kind"))
    given = {name: value for name, value in check.items() if name not in ("kind", "prompt_sha256")}
    if kind == "refusal":
        said = "refuses" if given.pop("expected", True) else "does not refuse"
    elif kind == "contains":
        said = " and ".join(_contained(name, given.pop(name)) for name in CONTAINS if given.get(name))
    else:
        said, given = _filled(kind, given)
    rest = ", ".join(f"{text.plain(name)} {_written(value)}" for name, value in given.items())
    return f"{said}{f' ({rest})' if rest else ''}"


def verdicts(checks: Sequence[Mapping[str, Any]], outcomes: Sequence[Mapping[str, Any]], raw: bool) -> list[str]:
    """Each check with what it said, as Markdown; reasons can repeat the answer, so they are for `raw` only."""
    lines = []
    for number, check in enumerate(checks):
        outcome = outcomes[number] if number < len(outcomes) else {}
        mark = SAID[outcome.get("passed")] if outcome else ":material/remove:"
        reason = f": {text.plain(outcome['reason'])}" if raw and outcome.get("reason") else ""
        lines.append(f"{mark} The answer {expected(check) if raw else text.plain(check.get('kind'))}{reason}")
    return lines


def settings_in_words(settings: Any) -> str:
    """The settings of an item in one line."""
    known = settings.items() if isinstance(settings, Mapping) else ()
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in known) or "settings of the deployment"


def noise_in_words(row: Mapping[str, Any] | None) -> str:
    """What an item does when nothing changes."""
    if row is None or (not row["n"] and not row["variants"]):
        return "Nothing was learned about it yet."
    share = row["passes"] / row["n"] if row["n"] else None
    rate = words.with_evidence(share, row["pass_low"], row["pass_high"], row["n"], "share")
    variants = int(row["variants"])
    answers = "always the same answer" if variants == 1 else f"{words.count(variants)} different answers"
    flaky = " **It is flaky**: it passed and failed without any change." if row["flaky"] else ""
    band = words.interval(row["latency_low"], row["latency_high"], "ms")
    took = f" It took {band} (5 % to 95 %)." if band else ""
    return f"While nothing changed it passed {rate}, with {answers}.{flaky}{took}"


def _filled(kind: str, given: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The sentence of a kind with its parameters, and those that it did not use."""
    template = ABOUT.get(kind)
    names = [name for name in given if template and "{" + name + "}" in template]
    if template is None or ("{" in template and not names):
        return f"passes {text.plain(kind)}", given
    filled = template.format_map({name: _written(given[name]) for name in names})
    return filled, {name: value for name, value in given.items() if name not in names}


def _contained(name: str, wanted: Any) -> str:
    verb, between = CONTAINS[name]
    listed = wanted if isinstance(wanted, list) else [wanted]
    return f"{verb} {between.join(_written(one) for one in listed)}"


def _written(value: Any) -> str:
    if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        return " or ".join(_written(one) for one in value)
    if isinstance(value, str):
        return f"“{text.plain(value)}”"
    return text.plain(json.dumps(value) if isinstance(value, (dict, list, bool)) else value)
