import doctest
import importlib
import pkgutil
import time
from typing import Any

import pytest

import monitor.features
from monitor.features.describe import describe, learn_vocabulary
from monitor.features.languages import UNKNOWN
from monitor.features.letters import count, scripts_of
from monitor.features.table import FEATURES
from monitor.features.texts import Said, answers, prompts
from tests.language_sentences import NOTHING, OTHERS, SENTENCES

MODULES = [module.name for module in pkgutil.iter_modules(monitor.features.__path__, "monitor.features.")]


@pytest.mark.parametrize("name", MODULES)
def test_every_example_in_a_docstring_is_right(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


PIECES = ("(", "[", "A)", "A) B) ", "```json ", "{[", "I cannot ", "0,", "1,000", "\n- ", "how ", "a. ", "é", "東", "'")


def one(text: str, vocabulary: frozenset[str] | None = None) -> dict[str, Any]:
    return {name: values[0] for name, values in prompts([text], vocabulary).items()}


def said(text: str, *, options: bool = False, cut: bool = False) -> dict[str, Any]:
    return {name: values[0] for name, values in answers([Said(text, options, cut)]).items()}


def test_characters_are_counted_by_what_they_are() -> None:
    found = one("Ab 12 é!")
    assert found["prompt_letters_share"] == 3 / 8
    assert found["prompt_upper_share"] == 1 / 3
    assert found["prompt_digit_share"] == 2 / 8
    assert found["prompt_punctuation_share"] == 1 / 8
    assert found["prompt_nonascii_share"] == 1 / 8
    assert found["prompt_words"] == 3


def test_accents_as_marks_of_their_own_are_letters() -> None:
    assert one("e\u0301")["prompt_letters_share"] == 1.0


def test_shares_of_nothing_are_zero() -> None:
    found = one("")
    assert {name: value for name, value in found.items() if name.endswith(("share", "repetition", "words"))} == {
        "prompt_words": 0,
        "prompt_letters_share": 0.0,
        "prompt_upper_share": 0.0,
        "prompt_digit_share": 0.0,
        "prompt_punctuation_share": 0.0,
        "prompt_nonascii_share": 0.0,
        "prompt_repetition": 0.0,
        "prompt_oov_share": None,
    }


def test_a_text_is_described_the_same_alone_and_among_others() -> None:
    texts = [sentence for sentences in SENTENCES.values() for sentence in sentences] + list(NOTHING)
    together = prompts(texts * 30, None)  # so many that they are counted in several parts
    for place, text in enumerate(texts):
        assert {name: values[place + len(texts) * 29] for name, values in together.items()} == one(text), text


def test_signs_without_blanks_between_them_are_words() -> None:
    assert one("東京 2 there")["prompt_words"] == 4


def test_characters_beyond_the_tables_are_counted() -> None:
    found = one("\U00030000\U000e0100\ud800")
    assert found["prompt_nonascii_share"] == 1.0
    assert found["prompt_script"] == "han"


@pytest.mark.parametrize(
    "text, script",
    [
        ("Hello 12", "latin"),
        ("Привет, Tom", "cyrillic"),
        ("γειά σου", "greek"),
        ("東京はどこですか", "japanese"),
        ("北京在哪里", "chinese"),
        ("안녕하세요", "hangul"),
        ("سلام", "arabic"),
        ("नमस्ते", "devanagari"),
        ("สวัสดี", "thai"),
        ("ᚠᚢᚦ", "other"),
        ("12:30 🙂", "none"),
    ],
)
def test_the_script_is_that_of_most_letters(text: str, script: str) -> None:
    assert scripts_of(count([text])) == [script.replace("chinese", "han")]


def test_languages_are_told_by_their_sentences() -> None:
    """137 of 139 are right, as the page says; none is taken for another language."""
    told = {name: prompts(list(sentences), None)["prompt_language"] for name, sentences in SENTENCES.items()}
    wrong = [(name, found) for name, all_found in told.items() for found in all_found if found not in (name, UNKNOWN)]
    right = sum(found == name for name, all_found in told.items() for found in all_found)
    assert wrong == []
    assert (right, sum(map(len, SENTENCES.values()))) == (137, 139)
    assert all(sum(found == name for found in all_found) >= 0.8 * len(all_found) for name, all_found in told.items())


def test_too_little_text_has_no_language() -> None:
    assert {*prompts(list(NOTHING), None)["prompt_language"]} == {UNKNOWN}


def test_most_sentences_in_other_languages_are_not_taken_for_one_that_is_told() -> None:
    assert prompts(list(OTHERS), None)["prompt_language"].count(UNKNOWN) == 6


def test_a_foreign_name_does_not_change_the_language() -> None:
    assert one("The train to Malmö leaves at noon from the café, is that right?")["prompt_language"] == "english"


def test_persian_is_told_from_arabic() -> None:
    assert one("چند نفر پشت میز نشسته‌اند؟")["prompt_language"] == "persian"


@pytest.mark.parametrize(
    "text, kind",
    [
        ("What colour is the circle?", "what"),
        ("what's the time", "what"),
        ("Look at the image. What is red?", "what"),
        ("In which corner is the cup?", "which"),
        ("Who painted this?", "who"),
        ("Where is the red square?", "where"),
        ("When was the bridge built?", "when"),
        ("How many shapes are there?", "how_many"),
        ("Count the shapes.", "how_many"),
        ("How do I boil an egg?", "how"),
        ("Why is the sky blue?", "why"),
        ("Explain why the sky is blue.", "why"),
        ("Is there a dog?", "yes_no"),
        ("Can you see a blue circle?", "yes_no"),
        ("Can you describe the image?", "describe"),
        ("Could you please summarise this for me?", "summarise"),
        ("Which one is it?\nA) red\nB) blue\nC) green", "choice"),
        ("Select: (A) yes (B) no", "choice"),
        ("Point at the cross.", "locate"),
        ("Give the coordinates of the door handle.", "locate"),
        ("Describe the image.", "describe"),
        ("Please write a caption for this photo", "describe"),
        ("List the shapes.", "list"),
        ("TL;DR of this: long text", "other"),
        ("Give a short summary of these pages.\nPage 1. A cat.", "summarise"),
        ("Translate this into French: Good morning.", "translate"),
        ("Return the fields as JSON: name, age", "extract"),
        ("Write a poem about rain.", "write"),
        ("Write a Python function that sorts a list.", "code"),
        ("Will Smith is an actor.", "other"),
        ("When I was young, I had a dog.", "other"),
        ("", "other"),
        ("...", "other"),
        ("Was steht auf dem Schild?", "what"),
        ("Welche Farbe hat der Kreis?", "which"),
        ("Wie viele Kreise sind zu sehen?", "how_many"),
        ("Wo ist das rote Quadrat?", "where"),
        ("Ist auf dem Bild ein Hund zu sehen?", "yes_no"),
        ("Kannst du das Bild beschreiben?", "describe"),
        ("Beschreibe das Bild.", "describe"),
        ("Fasse den Text in zwei Sätzen zusammen.", "summarise"),
        ("Übersetze das bitte ins Englische.", "translate"),
        ("Warum ist der Himmel blau?", "why"),
        ("Combien de cercles y a-t-il dans l'image ?", "how_many"),
        ("Décris cette image pour moi.", "describe"),
        ("¿Cuántos círculos hay en la imagen?", "how_many"),
        ("Describe esta imagen para mí.", "describe"),
    ],
)
def test_the_type_of_a_prompt_is_what_it_asks_for(text: str, kind: str) -> None:
    assert one(text)["prompt_type"] == kind


def test_an_instruction_behind_a_long_text_is_found() -> None:
    story = "The cat sat on the mat and looked out of the window for a while. " * 40
    assert one(story + "Translate this into German.")["prompt_type"] == "translate"


@pytest.mark.parametrize(
    "text, form, choice",
    [
        ("", "empty", "(empty)"),
        (" \n", "empty", "(empty)"),
        ('{"a": [1, 2]}', "json", "(longer)"),
        ('```json\n{"a": 1}\n```', "json", "(longer)"),
        ('{"a": [1, 2}', "json_broken", "(longer)"),
        ("{'a': 1}", "json_broken", "(longer)"),
        ("[1] Smith et al. say so.", "text", "(longer)"),
        ("42", "number", "42"),
        ("1,250.5 %", "number", "1,250.5 %"),
        ("B", "choice", "B"),
        ("(c)", "choice", "C"),
        ("(0.35, 0.60)", "points", "(longer)"),
        ("[[0.1, 0.2, 0.3, 0.4]]", "boxes", "(longer)"),
        ("Yes.", "label", "yes"),
        ("Red  Circle", "label", "red circle"),
        ("- one\n- two", "list", "(longer)"),
        ("1. one\n2. two", "list", "(longer)"),
        ("Use this:\n```python\nprint()\n```", "code", "(longer)"),
        ("def add(a, b):\n    return a + b", "code", "(longer)"),
        ("There is a dog on the lawn and a cat.", "text", "(longer)"),
    ],
)
def test_answers_are_told_by_their_form(text: str, form: str, choice: str) -> None:
    found = said(text)
    assert (found["answer_format"], found["answer_choice"]) == (form, choice)


def test_a_letter_is_read_out_of_a_sentence_where_the_prompt_gave_options() -> None:
    assert said("The answer is (B).", options=True)["answer_choice"] == "B"
    assert said("The answer is (B).")["answer_choice"] == "the answer is (b"


def test_json_that_was_cut_is_not_called_broken() -> None:
    assert said('{"a": [1, 2', cut=True)["answer_format"] == "json_long"
    assert said("[" + '{"a": 1},' * 1000)["answer_format"] == "json_long"


def test_points_and_boxes_are_counted() -> None:
    found = said("First (0.1, 0.2), then (0.3, 0.4) inside of [0, 0, 0.5, 0.5], which is on the left side.")
    assert (found["answer_points"], found["answer_boxes"], found["answer_format"]) == (2, 1, "text")


@pytest.mark.parametrize(
    "text",
    [
        "I refuse to",
        "I’m sorry, but I can’t help with that.",
        "I can`t help with that.",
        "Unfortunately   I cannot\nprovide this.",
        "As an AI, I am unable to do so.",
        "Dabei kann ich leider nicht helfen.",
        "我无法提供帮助",
        "申し訳ありませんが、お手伝いできません。",
    ],
)
def test_a_refusal_is_found(text: str) -> None:
    assert said(text)["answer_refusal"] == "yes"


def test_an_answer_is_no_refusal() -> None:
    assert said("I can help with that: the dog is red.")["answer_refusal"] == "no"


def test_a_loop_is_repetition() -> None:
    assert said("I see a dog. " * 50)["answer_repetition"] > 0.9
    assert said("a b c d e f g h")["answer_repetition"] == 0.0
    assert said("no no no no")["answer_repetition"] == 0.5


def test_words_outside_of_the_vocabulary_are_a_share() -> None:
    learned = learn_vocabulary(["What colour is the circle?", "What colour is the square?", "Where is it? 12"] * 2)
    assert learned[:2] == ["is", "colour"]
    assert "12" not in learned
    found = one("What shape is the dodecahedron 99?", frozenset(learned))
    assert found["prompt_oov_share"] == pytest.approx(2 / 6)


def test_a_vocabulary_is_bounded_and_words_of_one_text_are_not_in_it() -> None:
    texts = (f"common {word} rare{word}" for word in range(3) for _ in range(1))
    assert learn_vocabulary(texts) == ["common"]
    assert learn_vocabulary(["a b c d", "a b c", "a b"], most=2) == ["a", "b"]


@pytest.mark.parametrize(
    "piece",
    ["(", "[", "A)", "A) B) ", "```json ", "{[", "I cannot ", "0,", "1,000", "\n- ", "how ", "a. ", "é", "東", "'"],
)
def test_hostile_texts_are_described_within_a_moment(piece: str) -> None:
    """About 10 ms are measured. A pattern that looks back again and again would take minutes on one of these."""
    text = (piece * 4096)[:4096]
    rows = [{"input_text": text, "output_text": text, "output_chars": chars} for chars in (4096, 9000)]
    started = time.process_time()
    describe(rows, {}, frozenset())
    assert time.process_time() - started < 1.0


def test_every_row_has_every_feature_that_is_no_vector() -> None:
    rows: list[dict[str, Any]] = [
        {},
        {"input_text": None, "output_text": None},
        {"input_text": "Hi", "output_text": "Hello", "status": "ok"},
    ]
    found = describe(rows, {})
    assert set(found) == {name for name, feature in FEATURES.items() if feature.kind != "vector"}
    assert {len(values) for values in found.values()} == {3}
    assert [name for name, values in found.items() if values[0] is not None] == ["images"]
    assert describe([], {}) == {name: [] for name in found}


def test_what_the_event_tells_is_passed_on() -> None:
    row = {
        "input_text": "x" * 10,
        "output_text": None,
        "input_chars": 9000,
        "status": "error",
        "error_type": "timeout",
        "finish_reason": "length",
        "confidence": 0.5,
        "tokens_in": 3,
        "tokens_out": 4,
    }
    found = {name: values[0] for name, values in describe([row, {"status": "error"}, {"status": "ok"}], {}).items()}
    assert found["prompt_chars"] == 9000
    assert found["answer_chars"] is None
    assert (found["confidence"], found["tokens_in"], found["tokens_out"]) == (0.5, 3, 4)
    assert (found["outcome"], found["finish_reason"]) == ("timeout", "length")
    assert describe([{"status": "error"}, {"status": "ok"}], {})["outcome"] == ["error", "ok"]


def test_numbers_are_numbers_and_categories_are_names() -> None:
    rows = [
        {
            "input_text": "What is it?",
            "output_text": "A dog (0.5, 0.5)",
            "status": "ok",
            "finish_reason": "stop",
            "confidence": 0.5,
            "tokens_in": 1,
            "tokens_out": 2,
            "media": [{"sha256": "a", "width": 4, "height": 2}],
        }
    ]
    for name, (value,) in describe(rows, {}, frozenset({"what"})).items():
        kind = {"number": (int, float), "category": str}[FEATURES[name].kind]
        assert value is None or type(value) in (kind if isinstance(kind, tuple) else (kind,)), name
