"""Answers that VLMEvalKit scores anew whenever it counts: MathVista and OCRBench, by the rules that it states in code.

`monitor/harnesses/vlmevalkit_items.py` calls it; what comes out is compared there with the harness's own figures.
"""

import ast
import re
import string
from typing import Any

from monitor.harnesses.values import text

MAX_LIST_CHARS = 20_000
REFUSALS = (
    "Sorry, I can't help with images of people yet.",
    "I can't process this file.",
    "I'm sorry, but without the image provided",
    "Cannot determine the answer",
)
FORMULAS = "Handwritten Mathematical Expression Recognition"


def strings_in(value: object) -> list[str] | None:
    """A list that Python has written into a cell, None where it is none; only literals are read, nothing is run.

    >>> strings_in("['$1,200', '1200']"), strings_in("blue")
    (['$1,200', '1200'], None)
    """
    if isinstance(value, list):
        return [str(one) for one in value]
    if not isinstance(value, str) or not value.strip().startswith("[") or len(value) > MAX_LIST_CHARS:
        return None
    try:
        found = ast.literal_eval(value.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return [str(one) for one in found] if isinstance(found, list) else None


def task_hit(row: dict[str, Any]) -> bool:
    """Whether MathVista counts an answer as right: numbers as numbers, choices by what can be inferred.

    Texts that are neither are never right there: it compares the target with nothing.

    >>> task_hit({"res": "3", "answer": "3", "answer_type": "integer", "question_type": "free_form"})
    True
    """
    response, target = row.get("res"), row.get("answer")
    if row.get("question_type") == "multi_choice":
        choices = strings_in(row.get("choices")) or []
        named = dict(zip(string.ascii_uppercase, choices, strict=False))
        return inferred(text(response) or "nan", named) == row.get("answer_option")
    kinds = {"integer": int, "float": float}
    kind = kinds.get(str(row.get("answer_type")))
    if kind is None:
        return str(target) == "None"
    try:
        return bool(kind(response) == kind(target))
    except (ValueError, TypeError, OverflowError):
        return False


def inferred(answer: str, choices: dict[str, str]) -> str | None:
    """The letter that an answer to a choice means: one that stands near its end, or the only option it contains.

    >>> inferred("The answer is (B).", {"A": "red", "B": "blue"}), inferred("it is blue", {"A": "red", "B": "blue"})
    ('B', 'B')
    """
    return _letter(answer, choices) or _option(answer, choices)


def _letter(answer: str, choices: dict[str, str]) -> str | None:
    if "Failed to obtain answer via API" in answer:
        return None
    if any(refusal in answer for refusal in REFUSALS):
        return "Z"
    words = re.sub(r"[.()\[\],:;!*#{}]", " ", answer).split()
    named = [letter for letter in choices if letter in words]
    if len(named) == 1 and words.index(named[0]) > len(words) - 5:
        return named[0]
    if not named and "Z" in words:
        return "Z"
    said = re.search(r"(?i)(?:correct\s+)?answer\s+is\s+\**([ABCD])\**", answer)
    return said[1].upper() if said and said[1].upper() in choices else None


def _option(answer: str, choices: dict[str, str]) -> str | None:
    answer = answer.lower()
    if len(answer) > 2 * sum(len(option) for option in choices.values()):
        return None
    contained = [letter for letter, option in choices.items() if option.lower() in answer]
    return contained[0] if len(contained) == 1 else None


def ocr_hit(row: dict[str, Any]) -> bool:
    """Whether OCRBench counts an answer as right: one of the targets stands in it, without spaces for formulas.

    >>> ocr_hit({"answer": "['Centre']", "prediction": "It says centre.", "category": "Regular Text Recognition"})
    True
    """
    answer = str(row.get("prediction")).strip().replace("\n", " ")
    targets = [one.strip().replace("\n", " ") for one in strings_in(row.get("answer")) or []]
    if row.get("category") == FORMULAS:
        return any(target.replace(" ", "") in answer.replace(" ", "") for target in targets)
    return any(target.lower() in answer.lower() for target in targets)
