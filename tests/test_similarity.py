"""chrF and ROUGE-L against sacreBLEU, worked examples, and the plain table of a longest common subsequence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics.chrf import CHRF

from monitor.stats.similarity import chrf, longest_common, rouge_l, words

TEXT = st.text("abcde .,'éß東", max_size=40)
SEQUENCE = st.lists(st.sampled_from("abcd"), max_size=90)


def table(first: list[str], second: list[str]) -> int:
    """The longest common subsequence by the textbook's table (Cormen et al., section 15.4)."""
    row = [0] * (len(second) + 1)
    for one in first:
        before = row
        row = [0]
        for place, other in enumerate(second, 1):
            row.append(before[place - 1] + 1 if one == other else max(before[place], row[-1]))
    return row[-1]


@given(TEXT, TEXT)
def test_chrf_is_that_of_sacrebleu(answer: str, reference: str) -> None:
    assert chrf(answer, reference) == pytest.approx(CHRF().sentence_score(answer, [reference]).score / 100, abs=1e-9)


@pytest.mark.parametrize(
    "answer, reference, expected",
    [
        ("the same", "the same", 1.0),
        ("abc", "xyz", 0.0),
        ("", "abc", 0.0),
        ("abc", "", 0.0),
        ("", "", 0.0),
        ("a b c", "abc", 1.0),
        # Letters: precision 3/4, recall 3/3; pairs 2/3, 2/2; threes 1/2, 1/1; there are no longer ones in both.
        ("abcd", "abc", 5 * (23 / 36) * 1.0 / (4 * (23 / 36) + 1.0)),
    ],
)
def test_chrf_of_small_texts_is_what_one_counts_by_hand(answer: str, reference: str, expected: float) -> None:
    assert chrf(answer, reference) == pytest.approx(expected)


@pytest.mark.parametrize(
    "answer, reference, expected",
    [
        ("police killed the gunman", "police killed the gunman", 1.0),
        ("police kill the gunman", "police killed the gunman", 3 / 4),  # Lin, 2004, section 3.1
        ("the gunman kill police", "police killed the gunman", 2 / 4),
        ("the gunman police killed", "police killed the gunman", 2 / 4),
        ("Police, KILLED the gunman!", "police killed the gunman", 1.0),
        ("testing one two", "testing", 2 * 1 / 4),  # the example of Google's rouge_score: 0.5
        ("The quick brown fox jumps over the lazy dog", "The quick brown dog jumps on the log.", 2 * 5 / 17),
        ("", "police", 0.0),
        ("...", "police", 0.0),
        ("東京です", "東京だ", 2 * 2 / 7),
    ],
)
def test_rouge_l_is_that_of_its_paper(answer: str, reference: str, expected: float) -> None:
    assert rouge_l(answer, reference) == pytest.approx(expected)


@given(SEQUENCE, SEQUENCE)
def test_the_row_of_bits_counts_as_the_table_does(first: list[str], second: list[str]) -> None:
    assert longest_common(first, second) == table(first, second) == longest_common(second, first)


def test_long_texts_are_compared_at_once() -> None:
    long = " ".join(f"word{n % 997}" for n in range(30_000))
    assert rouge_l(long, long) == 1.0


def test_words_of_scripts_without_blanks_are_their_letters() -> None:
    assert words("abc猫がいる ไป") == ["abc", "猫", "が", "い", "る", "ไ", "ป"]
