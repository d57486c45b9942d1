import itertools
import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.stats.worddiff import Span, word_diff

WORDY = st.lists(st.sampled_from(["red", "blue", " ", "\n", ",", "circle", "0.35", "é"])).map("".join)


def sides(spans: list[Span]) -> tuple[str, str]:
    return (
        "".join(span.text for span in spans if span.kind != "b"),
        "".join(span.text for span in spans if span.kind != "a"),
    )


@given(st.one_of(WORDY, st.text()), st.one_of(WORDY, st.text()))
def test_the_spans_join_to_both_texts(a: str, b: str) -> None:
    spans = word_diff(a, b)
    assert sides(spans) == (a, b)
    assert all(span.text for span in spans)
    assert all(one.kind != other.kind for one, other in itertools.pairwise(spans))


@pytest.mark.parametrize(
    "a, b, expected",
    [
        ("", "", []),
        ("the same", "the same", [("same", "the same")]),
        ("", "new", [("b", "new")]),
        ("red circle", "blue square", [("a", "red circle"), ("b", "blue square")]),  # a blank alone is no match
        ("(0.35, 0.60)", "(0.36, 0.60)", [("same", "("), ("a", "0.35"), ("b", "0.36"), ("same", ", 0.60)")]),
        ("yes", "yes.", [("same", "yes"), ("b", ".")]),
    ],
)
def test_words_numbers_and_signs_are_compared_one_by_one(a: str, b: str, expected: list[tuple[str, str]]) -> None:
    assert [tuple(span) for span in word_diff(a, b)] == expected


def test_a_changed_word_in_a_long_text_is_found_alone() -> None:
    words = [f"word{i}" for i in range(20_000)]
    changed = [*words[:9_000], "other", *words[9_001:]]
    spans = word_diff(" ".join(words), " ".join(changed))
    assert [(span.kind, span.text) for span in spans[1:3]] == [("a", "word9000"), ("b", "other")]
    assert len(spans) == 4


def test_long_texts_are_compared_by_lines_and_endless_ones_as_a_whole() -> None:
    rng = random.Random(1)
    lines = [" ".join(str(rng.random()) for _ in range(30)) for _ in range(200)]
    other = [line if i % 2 else f"x {line} y" for i, line in enumerate(lines)]
    spans = word_diff("\n".join(lines), "\n".join(other))
    same = "".join(span.text for span in spans if span.kind == "same")
    assert lines[101] in same
    assert lines[100] not in same
    endless = ["\n".join(str(rng.random()) for _ in range(3_000)) for _ in range(2)]
    assert [span.kind for span in word_diff(*endless)] == ["a", "b"]


@pytest.mark.parametrize("vocabulary", [2, 50, 5_000])
@pytest.mark.parametrize("words", [150, 300, 3_000])
def test_no_pair_of_texts_takes_long(vocabulary: int, words: int) -> None:
    rng = random.Random(2)
    a, b = (" ".join(f"w{rng.randrange(vocabulary)}" for _ in range(words)) for _ in range(2))
    started = time.process_time()
    assert sides(word_diff(a, b)) == (a, b)
    assert time.process_time() - started < 2
