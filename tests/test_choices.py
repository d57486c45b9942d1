import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.chat import Token
from monitor.stats.choices import LETTERS, YES_NO, choice_shares


def token(text: str, probability: float | None, **top: float) -> Token:
    return token_of(text, probability, top)


def token_of(text: str, probability: float | None, top: dict[str, float]) -> Token:
    logprob = None if probability is None else math.log(probability)
    return Token(text, logprob, tuple((name, math.log(p)) for name, p in top.items()))


def test_the_likeliest_tokens_of_the_first_place_give_the_probabilities() -> None:
    shares = choice_shares([token("A", 0.6, A=0.6, B=0.25, C=0.1)], LETTERS)
    assert shares.probabilities == pytest.approx({"A": 0.6, "B": 0.25, "C": 0.1, "D": 0})
    assert shares.uncovered == pytest.approx(0.05)


def test_blanks_signs_and_upper_case_belong_to_the_same_answer() -> None:
    top = {"yes": 0.3, " Yes": 0.2, "YES.": 0.1, "\u2581no": 0.15, "No,": 0.05, "Well": 0.1}
    shares = choice_shares([token_of("yes", 0.3, top)], YES_NO)
    assert shares.probabilities == pytest.approx({"yes": 0.6, "no": 0.2})
    assert shares.uncovered == pytest.approx(0.2)


def test_letters_keep_their_case_because_a_begins_a_sentence() -> None:
    shares = choice_shares([token_of("a", 0.5, {"a": 0.5, "A": 0.3, "(B)": 0.1, "Apple": 0.1})], LETTERS)
    assert shares.probabilities == pytest.approx({"A": 0.3, "B": 0.1, "C": 0, "D": 0})


def test_a_choice_of_several_tokens_is_followed_along_the_answer() -> None:
    tokens = [token("pur", 0.8, pur=0.8, red=0.1), token("ple", 0.9, ple=0.9, suit=0.1)]
    shares = choice_shares(tokens, ("purple", "red"))
    assert shares.probabilities == pytest.approx({"purple": 0.72, "red": 0.1})
    assert shares.uncovered == pytest.approx(0.18)


def test_the_beginning_of_a_choice_that_was_not_chosen_counts_as_uncovered() -> None:
    shares = choice_shares([token("red", 0.7, red=0.7, pur=0.3)], ("purple", "red"))
    assert shares.probabilities == pytest.approx({"purple": 0, "red": 0.7})
    assert shares.uncovered == pytest.approx(0.3)


def test_a_choice_that_begins_another_is_counted_once_it_has_ended() -> None:
    counts = ("1", "12", "3")
    longer = [token_of("1", 0.9, {"1": 0.9, "3": 0.1}), token_of("2", 0.8, {"2": 0.8, ".": 0.2})]
    assert choice_shares(longer, counts).probabilities == pytest.approx({"1": 0.18, "12": 0.72, "3": 0.1})
    alone = [token_of("1", 0.9, {"1": 0.9, "3": 0.1})]
    assert choice_shares(alone, counts).uncovered == pytest.approx(0.9)


def test_a_blank_before_the_answer_is_passed_over() -> None:
    tokens = [token_of("\n", 0.5, {"\n": 0.5, "yes": 0.3}), token("no", 0.8, no=0.8, yes=0.2)]
    shares = choice_shares(tokens, YES_NO)
    assert shares.probabilities == pytest.approx({"yes": 0.3 + 0.5 * 0.2, "no": 0.5 * 0.8})


def test_an_answer_that_is_none_of_the_choices_leaves_everything_uncovered() -> None:
    shares = choice_shares([token("The", 0.9, The=0.9), token("A", 1.0, A=1.0)], LETTERS)
    assert set(shares.probabilities.values()) == {0.0}
    assert shares.uncovered == 1.0
    assert choice_shares([], YES_NO).uncovered == 1.0
    assert choice_shares([token("yes", None)], YES_NO).uncovered == 1.0


def test_the_chosen_token_counts_even_when_it_is_not_among_the_likeliest() -> None:
    assert choice_shares([token("no", 0.05, yes=0.9)], YES_NO).probabilities == pytest.approx({"yes": 0.9, "no": 0.05})


@given(st.lists(st.floats(0.01, 1), min_size=2, max_size=6))
def test_all_parts_add_up_to_one(weights: list[float]) -> None:
    top = {chr(65 + i): weight / sum(weights) for i, weight in enumerate(weights)}
    shares = choice_shares([token_of("A", top["A"], top)], LETTERS)
    assert sum(shares.probabilities.values()) + shares.uncovered == pytest.approx(1)


@pytest.mark.parametrize("choices", [("yes",), ("yes", "Yes"), ("yes", " . "), ()])
def test_choices_that_cannot_be_told_apart_are_refused(choices: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="expected two or more that differ in their letters"):
        choice_shares([], choices)
