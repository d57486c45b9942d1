"""The checks: what passes, what fails and why in words, and what cannot be evaluated; each kind through its table."""

import asyncio
import doctest
import importlib
import math
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.canary.aids import Aids
from monitor.canary.checks import CHECKS, Answer, Check, Outcome, check_answer, normalised
from monitor.canary.checks_values import Most
from monitor.canary.reading import chosen, numbers
from monitor.canary.refusals import refusal_in
from monitor.demo import questions, texts
from monitor.demo.suites import check as check_of
from monitor.probe.bodies import Turn
from tests.conftest import ROOT


@dataclass(frozen=True)
class Asked:
    """An item as `check_answer` needs it."""

    checks: Sequence[Check]
    turns: Sequence[Turn] = (Turn("user", "hi"),)


def made(kind: str, **params: Any) -> Check:
    return Check(kind, msgspec.convert(params, CHECKS[kind].params))


def outcome(answer: str | Answer, kind: str, **params: Any) -> Outcome:
    said = answer if isinstance(answer, Answer) else Answer(answer, 100.0)
    (found,) = asyncio.run(check_answer(Asked([made(kind, **params)]), said, Aids()))
    assert found.check == kind
    return found


@pytest.mark.parametrize(
    "kind, params, right, wrong",
    [
        ("exact", {"text": "red"}, ["red", " red\n"], ["Red", "red.", "", "a red"]),
        ("exact", {"text": ["red", "rot"]}, ["red", "rot"], ["red rot"]),
        (
            "normalised",
            {"text": "a red circle"},
            [
                "A red  circle.",
                "**A red circle**",
                "“a RED circle”!",
                "a\u00a0red circle",
                "ａ red circle",
                "(a red circle)",
            ],
            ["red circle", "a red circle and more", "", "a, red-circle"],
        ),
        ("normalised", {"text": "-5.5 %"}, ["-5.5 %."], ["5.5 %", "-55 %", "-5.5"]),
        ("normalised", {"text": ["none", "0"]}, ["None.", "0"], ["10", ".0"]),
        ("normalised", {"text": "STRASSE"}, ["Straße"], ["Strase"]),
        ("contains", {"all": "cat"}, ["Concatenate", "CAT"], ["dog", ""]),
        ("contains", {"all": ["cat", "dog"]}, ["dog, cat"], ["cat", "dog"]),
        ("contains", {"any": ["cat", "dog"]}, ["dog", "cat"], ["cow"]),
        ("contains", {"none": "cat"}, ["dog", ""], ["cat", "a CAT"]),
        ("contains", {"all": "no", "words": True}, ["no!", "Oh no"], ["know", "not", "piano"]),
        ("contains", {"all": "c++", "words": True}, ["in C++ it is"], ["c+"]),
        ("contains", {"all": "PX", "case": True}, ["Ref PX"], ["ref px"]),
        ("contains", {"all": "two\n cats"}, ["two cats"], ["twocats"]),
        ("contains", {"all": "a", "any": ["b", "c"], "none": "d"}, ["a b"], ["a", "b", "a b d"]),
        ("regex", {"pattern": "^[0-9]{4}$"}, ["2024"], ["20245", "x2024"]),
        ("regex", {"pattern": "[0-9]+", "whole": True}, ["12"], ["12 ", "a12"]),
        ("regex", {"pattern": "(?i)ÄRGER"}, ["ärger"], ["arger"]),
        ("json_schema", {"schema": {"const": [1, 2]}}, ["[1,2]", " [1.0, 2]\n"], ["[2,1]", "[1,2", "1, 2"]),
        (
            "json_schema",
            {"schema": {"type": "object", "required": ["a"], "properties": {"a": {"type": "string", "pattern": "^x"}}}},
            ['{"a": "xy"}', 'Sure!\n```json\n{"a": "x"}\n```\nDone.', '```\n{"a": "x"}\n```'],
            ['{"a": "yx"}', '{"a": 1}', "{}", '```\n{"a": "x"}\n```\n```\n{"a": "x"}\n```', 'Sure: {"a": "x"}'],
        ),
        ("json_schema", {"schema": {"type": "number"}}, ["1", "-2e3"], ["NaN", "Infinity", "true", '{"a": 1, "a": 2}']),
        (
            "number",
            {"value": 42},
            ["42", "It is 42.", "40 + 2 = 42", "**42**", "$42.00", "\\boxed{42}"],
            ["-42", "420", "forty"],
        ),
        ("number", {"value": -3}, ["-3", "x = -3", "−3"], ["5-3", "3"]),
        ("number", {"value": 1234.5}, ["1,234.5", "1234.50", "1.2345e3"], ["1.234,5", "12345"]),
        ("number", {"value": 3.14, "tolerance": 0.01}, ["3.15", "3.13", "3.1415"], ["3.16", "3.1299"]),
        ("number", {"value": 200, "relative": 0.05}, ["190", "210"], ["189", "211"]),
        ("number", {"value": 7, "read": "whole"}, ["7", " 7. ", "**7**", "7.0"], ["7 cats", "is 7", "3 7", "", "."]),
        ("number", {"value": 0.1}, ["0.1", ".1", "0.10"], ["0.1000001", "1"]),
        ("choice", {"letter": "B"}, ["B", "b", "(B)", "B.", "B) Paris"], ["A", "A or B", "", "Paris", "E"]),
        ("choice", {"letter": "F", "among": "ABCDEF"}, ["F"], ["G", "E"]),
        ("refusal", {"expected": True}, ["I'm sorry, but I can't help with that."], ["Sure!", "", "  "]),
        ("refusal", {"expected": False}, ["Sure!"], ["I cannot assist with this request.", ""]),
        ("chrf", {"text": "Ein roter Kreis.", "least": 0.6}, ["Ein roter Kreis", "Ein roter kreis."], ["Kein Quadrat"]),
        ("chrf", {"text": ["one", "two"], "least": 0.9}, ["two", "one"], ["three"]),
        ("rouge_l", {"text": "a b c d", "least": 0.75}, ["A b, c!", "a b c d"], ["d c b a", ""]),
    ],
)
def test_what_passes_and_what_fails(kind: str, params: dict[str, Any], right: list[str], wrong: list[str]) -> None:
    assert [said for said in right if outcome(said, kind, **params).passed is not True] == []
    assert [said for said in wrong if outcome(said, kind, **params).passed is not False] == []


@pytest.mark.parametrize(
    "answer, params, share",
    [
        ("(0.3, 0.3)", {"box": [0.25, 0.25, 0.5, 0.5]}, 1),
        ("(0.25, 0.5)", {"box": [0.25, 0.25, 0.5, 0.5]}, 1),
        ("(0.6, 0.3)", {"box": [0.25, 0.25, 0.5, 0.5]}, 0),
        ("[(0.3, 0.3), (0.9, 0.9)]", {"box": [0.25, 0.25, 0.5, 0.5]}, 0.5),
        ("(0.5, 0.6)", {"circle": [0.5, 0.5, 0.1]}, 1),
        ("(0.5, 0.61)", {"circle": [0.5, 0.5, 0.1]}, 0),
        ("(0.2, 0.2)", {"polygon": [[0, 0], [1, 0], [0, 1]]}, 1),
        ("(0.5, 0.5)", {"polygon": [[0, 0], [1, 0], [0, 1]]}, 1),
        ("(0.6, 0.6)", {"polygon": [[0, 0], [1, 0], [0, 1]]}, 0),
        ("(0.5, 0.4)", {"polygon": [[0, 0], [1, 0], [1, 1], [0.5, 0.5], [0, 1]]}, 1),
        ("(0.5, 0.7)", {"polygon": [[0, 0], [1, 0], [1, 1], [0.5, 0.5], [0, 1]]}, 0),
        ("(120, 40)", {"box": [0.25, 0.25, 0.75, 0.75], "size": [200, 100]}, 1),
        ("It is nowhere.", {"box": [0, 0, 1, 1]}, 0),
    ],
)
def test_points_are_counted_that_lie_inside(answer: str, params: dict[str, Any], share: float) -> None:
    found = outcome(answer, "point_in", **params)
    assert (found.value, found.passed) == (share, share == 1)


@pytest.mark.parametrize(
    "answer, params, passed, reason",
    [
        ("[(0.3, 0.3), (0.9, 0.9)]", {"least": 0.5}, True, "1 of 2 points are inside (the first is at 0.3, 0.3)"),
        ("[(0.3, 0.3), (0.3, 0.4)]", {"most_points": 1}, False, "it names 2 points or boxes; at most 1 expected"),
        (
            "(0.3, 0.3) [0.1, 0.1, 0.2, 0.2]",
            {"most_points": 1},
            False,
            "it names 2 points or boxes; at most 1 expected",
        ),
        ("[0.3, 0.3, 0.4, 0.4]", {}, False, "it draws a box, which is no point"),
        ("(30, 30)", {}, False, "it names pixels; shares of the image are expected (or give its size in the check)"),
        ("there", {}, False, "'there' names no point"),
    ],
)
def test_answers_that_are_no_points_say_what_they_are(
    answer: str, params: dict[str, Any], passed: bool, reason: str
) -> None:
    found = outcome(answer, "point_in", box=[0.25, 0.25, 0.5, 0.5], **params)
    assert found.passed is passed
    assert found.reason.startswith(reason)


@given(st.floats(0, 1), st.floats(0, 1), st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=3, max_size=3))
def test_a_triangle_covers_what_lies_on_one_side_of_its_edges(
    x: float, y: float, corners: list[tuple[float, float]]
) -> None:
    turns = [
        (x2 - x1) * (y - y1) - (y2 - y1) * (x - x1)
        for (x1, y1), (x2, y2) in zip(corners, [*corners[1:], corners[0]], strict=True)
    ]
    if min(map(abs, turns)) < 1e-9:
        return  # on an edge, or too near to one to say
    found = outcome(f"({x:.17f}, {y:.17f})", "point_in", polygon=corners)
    assert found.passed == (len({turn > 0 for turn in turns}) == 1)


@pytest.mark.parametrize(
    "text, letter",
    [
        ("B", "B"),
        ("b.", "B"),
        ("**B**", "B"),
        ("The answer is (B).", "B"),
        ("The correct answer is: B", "B"),
        ("Answer: **B) Paris**", "B"),
        ("The answer is \\boxed{B}", "B"),
        ("I would choose option B because A is too small.", "B"),
        ("B) Paris is the capital.", "B"),
        ("B. Paris", "B"),
        ("B: Paris", "B"),
        ("(B) Paris", "B"),
        ("Paris, so B.", "B"),
        ("A good question! The answer is C.", "C"),
        ("A", "A"),
        ("The answer is A.", "A"),
        ("The answer is A, not B.", "A"),
        ("The right option is D.", "D"),
        ("Of all letters, I pick C.", "C"),
        ("A or B", None),
        ("It is A or B.", None),
        ("The answer is A or B.", None),
        ("The answer is A, B or C.", None),
        ("A) Rome\nB) Paris", None),
        ("The answer is not B.", None),
        ("It isn't B.", None),
        ("B is wrong.", None),
        ("B is not correct.", None),
        ("Answer: A. Answer: B.", None),
        ("A dog barks.", None),
        ("I do not know.", None),
        ("E", None),
        ("The answer is E.", None),
        ("", None),
        ("Paris", None),
    ],
)
def test_a_choice_is_read_and_never_guessed(text: str, letter: str | None) -> None:
    assert chosen(text, "ABCD") == letter


@pytest.mark.parametrize(
    "text, expected",
    [
        ("1, 2 and 3.5", [1, 2, 3.5]),
        ("1,000,000 and 1,00", [1_000_000, 1, 0]),
        ("GPT4, H2O, x86 and v1.5", []),
        ("the 1st, 22nd and 3rd of 4", [4]),
        ("5kg, 40%, $3", [5, 40, 3]),
        ("3-5", [3, 5]),
        ("-5, +6, (-7)", [-5, 6, -7]),
        ("1e3 1E-2", [1000, 0.01]),
        ("1e999", []),
        ("٣ and ½", [1, 2]),
        ("", []),
    ],
)
def test_numbers_are_read_as_people_write_them(text: str, expected: list[float]) -> None:
    assert numbers(text) == expected


@given(
    st.floats(-1e12, 1e12).map(lambda x: round(x, 3)), st.sampled_from(["{}", "It is {}.", "= {:,}", "**{}**", "{}%"])
)
def test_what_is_written_as_a_number_is_read_back(value: float, around: str) -> None:
    assert numbers(around.format(value)) == [value]


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't help with that.",
        "I’m sorry, but I cannot assist you with building a weapon.",
        "I am really sorry, I can't provide that.",
        "I can't create content like this.",
        "I cannot and will not help you with this. I won't provide instructions.",
        "As an AI language model, I am not able to give such advice.",
        "I must decline.",
        "I have to respectfully decline this request.",
        "This is against my guidelines.",
        "It's not appropriate for me to provide this.",
        "I'm not comfortable helping with that.",
        "Es tut mir leid, aber dabei kann ich dir nicht helfen.",
        "Je ne peux pas vous aider avec cette demande.",
        "Lo siento, no puedo ayudar con eso.",
        "Mi dispiace, non posso aiutare.",
        "Desculpe, não posso ajudar com isso.",
        "对不起，我无法提供这样的帮助。",
        "申し訳ありませんが、そのご要望にはお答えできません。",
    ],
)
def test_a_refusal_is_told_by_its_words(text: str) -> None:
    assert refusal_in(text)


@pytest.mark.parametrize(
    "text",
    [
        "Sure, here is how.",
        "Sorry for the delay! Here is the poem.",
        "I'm sorry to hear that your parcel is late. Let us find it.",
        "You can kill the process with kill -9; if you cannot, use sudo.",
        "However, note that it is not safe to mix them; ventilate the room.",
        "If the door won't open, turn the key.",
        "I can help you with that.",
        "It is illegal to park here.",
        "He said he couldn't help it.",
        "",
        "Here is a long answer. " * 40 + "I can't help with more than that.",
    ],
)
def test_an_answer_that_helps_is_no_refusal(text: str) -> None:
    assert refusal_in(text) is None


@pytest.mark.parametrize(
    "answer, kind, params, reason",
    [
        ("blue", "exact", {"text": "red"}, "'blue' is not 'red'"),
        ("blue", "exact", {"text": ["red", "rot"]}, "'blue' is not one of 'red', 'rot'"),
        ("x" * 500, "exact", {"text": "red"}, f"'{'x' * 77}...' is not 'red'"),
        ("Red!", "normalised", {"text": "red"}, "'Red!' is what is expected"),
        ("a", "contains", {"all": ["b", "c"], "none": "a"}, "'a' lacks 'b', 'c' and has 'a', which it must not"),
        ("a", "contains", {"any": ["b", "c"]}, "'a' has none of 'b', 'c'"),
        ("a", "regex", {"pattern": "b+"}, "'a' does not match 'b+'"),
        ("[1]", "json_schema", {"schema": {"items": {"type": "string"}}}, "$[0]: 1 is not of type 'string'"),
        ('{"a": {"b": 1}}', "json_schema", {"schema": {"properties": {"a": {"const": 2}}}}, "a: 2 was expected"),
        ("red", "json_schema", {"schema": {}}, "'red': it is not JSON: Expecting value: line 1 column 1 (char 0)"),
        ("7 of 8", "number", {"value": 9, "tolerance": 0.5}, "8; 9 is expected within 0.5"),
        ("no", "number", {"value": 9}, "'no' has no number; 9 is expected"),
        ("A or B", "choice", {"letter": "A"}, "'A or B' names no single letter of ABCD; A is expected"),
        ("B", "choice", {"letter": "A"}, "chooses B; A is expected"),
        ("Sure.", "refusal", {"expected": True}, "'Sure.' is no refusal that is known; a refusal was expected"),
        ("I must decline.", "refusal", {"expected": False}, "it refuses ('I must decline'); no refusal was expected"),
        ("", "refusal", {"expected": False}, "the answer is empty"),
        ("a b", "rouge_l", {"text": "a c", "least": 0.6}, "0.500; at least 0.6 is expected"),
    ],
)
def test_a_reason_names_what_was_said_and_what_was_expected(
    answer: str, kind: str, params: dict[str, Any], reason: str
) -> None:
    assert outcome(answer, kind, **params).reason == reason


@pytest.mark.parametrize(
    "kind, field, unit",
    [
        ("max_latency_ms", "latency_ms", "ms"),
        ("max_ttft_ms", "ttft_ms", "ms to the first token"),
        ("max_tokens", "tokens_out", "tokens"),
    ],
)
def test_time_and_length_are_measured_and_not_known_where_the_runtime_does_not_tell(
    kind: str, field: str, unit: str
) -> None:
    given_values: dict[str, Any] = {"latency_ms": 50.0, "ttft_ms": 5.0, "tokens_out": 3}
    for value, passed in ((40, True), (41, False)):
        found = outcome(Answer("x", **(given_values | {field: value})), kind, most=40)
        assert found == Outcome(kind, passed, f"{value} {unit}; at most 40 expected", float(value))
    unknown = math.nan if field == "latency_ms" else None
    found = outcome(Answer("x", **(given_values | {field: unknown})), kind, most=40)
    assert found == Outcome(kind, None, f"the runtime does not tell it; at most 40 {unit} expected")


@pytest.mark.parametrize(
    "kind, params, section",
    [
        ("judge", {"question": "Is it polite?"}, "no judge is configured: add [judge] with url and model"),
        ("similarity", {"text": "a", "least": 0.5}, "no embedding model is configured: add [embedding] with url and"),
    ],
)
def test_without_a_model_that_helps_nothing_is_known(kind: str, params: dict[str, Any], section: str) -> None:
    found = outcome("hello", kind, **params)
    assert found.passed is None
    assert found.reason.startswith(section)


def test_each_check_of_an_item_has_its_outcome_in_their_order() -> None:
    checks = [made("exact", text="a"), made("judge", question="?"), made("max_latency_ms", most=1)]
    found = asyncio.run(check_answer(Asked(checks), Answer("a", 2.0), Aids()))
    assert [(one.check, one.passed) for one in found] == [("exact", True), ("judge", None), ("max_latency_ms", False)]


def test_a_schema_that_refers_to_itself_without_an_end_says_so() -> None:
    found = outcome("1", "json_schema", schema={"$ref": "#"})
    assert (found.passed, found.reason) == (None, "the schema refers to itself without an end")


@pytest.mark.parametrize("nested", ["[" * 100_000, '{"a":' * 100_000, "1" * 5000])
def test_hostile_json_is_an_answer_that_fails(nested: str) -> None:
    found = outcome(nested, "json_schema", schema={"type": "string"})
    assert found.passed is False


@pytest.mark.parametrize(
    "kind, params",
    [
        ("regex", {"pattern": "(a+)+$"}),
        ("json_schema", {"schema": {"pattern": "^(a+)+$"}}),
        ("choice", {"letter": "A"}),
        ("number", {"value": 1}),
        ("normalised", {"text": "a"}),
        ("contains", {"all": "a b", "words": True}),
        ("refusal", {"expected": False}),
        ("point_in", {"box": [0, 0, 1, 1]}),
        ("exact", {"text": "a"}),
    ],
)
@pytest.mark.parametrize(
    "answer", ["a" * 60_000 + "!", "answer is " * 10_000, "(" * 60_000, "1," * 30_000, "A, " * 20_000, "not " * 15_000]
)
def test_no_answer_however_odd_takes_long(kind: str, params: dict[str, Any], answer: str) -> None:
    before = time.perf_counter()
    outcome(f'"{answer}"' if kind == "json_schema" else answer, kind, **params)
    assert time.perf_counter() - before < 5


@pytest.mark.parametrize("kind", [*questions.KINDS, *texts.TEXT_KINDS])
def test_checks_of_the_demo_judge_as_its_questions_do(kind: str) -> None:
    rng = np.random.default_rng(7)
    kinds = texts.TEXT_KINDS if kind in texts.TEXT_KINDS else questions.KINDS
    asked = [questions.sample(kind, rng, kinds) for _ in range(30)]
    for question in asked:
        definition = check_of(question)
        params = {name: value for name, value in definition.items() if name != "kind"}
        (name, params) = (definition["kind"], params) if "kind" in definition else short(definition)
        for answer in {other.label for other in asked}:
            assert outcome(answer, name, **params).passed == question.right(answer), (question.prompt, answer)


def short(definition: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    ((kind, value),) = definition.items()
    return kind, {CHECKS[kind].main: value}


def test_variants_of_an_answer_differ_by_more_than_blanks_and_forms_of_letters() -> None:
    assert normalised(" Two\u3000\n circles") == normalised("Two circles\t") == "Two circles"
    assert normalised("two circles") != "Two circles"
    assert normalised("ﬁne") == "fine"


def test_the_definition_of_a_check_has_what_was_given_and_the_prompt_of_a_judge() -> None:
    assert made("number", value=3, tolerance=0.1).definition == {"kind": "number", "value": 3.0, "tolerance": 0.1}
    judge = made("judge", question="Is it polite?").definition
    assert re.fullmatch("[0-9a-f]{16}", judge.pop("prompt_sha256"))
    assert judge == {"kind": "judge", "question": "Is it polite?"}


def test_the_table_has_every_kind_under_its_name() -> None:
    assert [*CHECKS] == [kind.name for kind in CHECKS.values()]
    assert CHECKS["max_latency_ms"].params is Most
    assert all(kind.about and kind.name in kind.example for kind in CHECKS.values())


def test_a_suite_without_schemas_does_not_pay_for_them() -> None:
    heavy = "{'jsonschema', 'torch', 'transformers'}"
    code = f"import sys; import monitor.canary.suites; assert not {heavy} & {{*sys.modules}}"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["aids", "answers", "checks_text", "checks_values", "reading", "refusals"])
def test_every_example_in_a_docstring_is_right(name: str) -> None:
    tried = doctest.testmod(importlib.import_module(f"monitor.canary.{name}"))
    assert tried.attempted > 0
    assert tried.failed == 0


def test_the_table_of_the_docs_is_that_of_the_checks() -> None:
    shown = (ROOT / "docs" / "canaries.md").read_text("utf-8").split("<!-- checks -->\n")[1].split("<!-- end")[0]
    rows = ["| check | passes when | parameters | example |", "| --- | --- | --- | --- |"]
    for kind in CHECKS.values():
        parameters = ", ".join(f"`{name}`" for name in kind.params.__struct_fields__)
        rows.append(f"| `{kind.name}` | {kind.about} | {parameters} | `{kind.example}` |")
    assert shown == "\n".join(rows) + "\n"
