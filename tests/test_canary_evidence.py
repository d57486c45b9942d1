import itertools
import math
from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

from monitor.canary.fingerprint import behaviour
from monitor.stats.ebh import rejected
from monitor.stats.evidence import more_often, never_before, over_guesses, over_items, over_starts


def orders(values: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Every different order in which the values can have come; all have the same chance."""
    yield from sorted(set(itertools.permutations(values)))


def mean_e(values: Sequence[int], reference: int, rule: str) -> np.ndarray:
    found = []
    for order in orders(values):
        column = np.array(order)[:, None]
        found.append(never_before(column, reference) if rule == "new" else more_often(column, reference, float(rule)))
    mean: np.ndarray = np.exp(np.stack(found)).mean(axis=0)
    return mean


ANSWERS = ([0, 0, 0, 0, 0, 1], [0, 0, 0, 1, 1, 2], [0, 0, 0, 1, 1, 1], [0, 1, 2, 3, 4, 5], [0, 0, 0, 0, 1, -1], [0] * 6)


@pytest.mark.parametrize("values", ANSWERS)
@pytest.mark.parametrize("reference", [1, 3, 4])
def test_new_answers_are_expected_to_give_evidence_of_exactly_one(values: list[int], reference: int) -> None:
    assert mean_e(values, reference, "new") == pytest.approx(1.0, abs=1e-12)


MARKS = ([0, 0, 0, 0, 0, 1], [0, 0, 0, 1, 1, 1], [0, 1, 1, 1, 1, 1], [0, 0, 0, 1, 1, -1], [1] * 6, [0] * 6)


@pytest.mark.parametrize("values", MARKS)
@pytest.mark.parametrize("reference", [1, 3, 4])
@pytest.mark.parametrize("odds", ["1000", "20", "0.1"])
def test_marks_are_expected_to_give_evidence_of_exactly_one(values: list[int], reference: int, odds: str) -> None:
    assert mean_e(values, reference, odds) == pytest.approx(1.0, abs=1e-9)


def test_the_sum_over_items_guesses_and_starts_is_expected_to_be_one() -> None:
    """Both items in every order, each independent of the other."""
    first, second = [0, 0, 0, 1, 1], [0, 0, 0, 0, 7]
    found, confirmed = [], []
    for a, b in itertools.product(orders(first), orders(second)):
        both = np.array([a, b]).T
        log_e = over_guesses([over_items(never_before(both, 2), np.ones((2, 1)), share) for share in (0.9, 0.05)])
        found.append(over_starts(log_e)[0][0])
        confirmed.append(over_starts(log_e, fewest=2)[0][0])
    assert np.exp(found).mean() == pytest.approx(1.0, abs=1e-12)
    assert np.exp(confirmed).mean() == pytest.approx(1.0, abs=1e-12)


@given(st.lists(st.integers(0, 3), min_size=3, max_size=9), st.data())
def test_new_answers_agree_with_counting_every_choice(values: list[int], data: st.DataObject) -> None:
    reference = data.draw(st.integers(1, len(values) - 1))
    found = np.exp(never_before(np.array(values)[:, None], reference)).ravel()
    for start in range(len(values) - reference):
        m = len(values) - reference - start

        def apart(newest: Sequence[int]) -> bool:
            rest = [values[row] for row in range(len(values)) if row not in newest]
            return not {values[row] for row in newest} & set(rest)

        choices = [apart(newest) for newest in itertools.combinations(range(len(values)), m)]
        share = Fraction(sum(choices), len(choices))
        seen = apart(range(len(values) - m, len(values)))
        assert found[start] == pytest.approx(float(int(seen) / share) if share else 1.0)


@given(st.integers(1, 12), st.integers(1, 10), st.data(), st.sampled_from([2.0, 30.0, 1000.0]))
def test_marks_agree_with_fishers_noncentral_distribution_of_scipy(
    before: int, after: int, data: st.DataObject, odds: float
) -> None:
    marked = data.draw(arrays.arrays(np.int64, (before + after, 1), elements=st.integers(0, 1)))
    total, odd, found = before + after, int(marked.sum()), int(marked[before:].sum())
    theirs = stats.nchypergeom_fisher.pmf(found, total, odd, after, odds) / stats.hypergeom.pmf(
        found, total, odd, after
    )
    assert math.exp(more_often(marked, before, odds)[0, 0]) == pytest.approx(theirs, rel=1e-6)


def test_an_item_that_never_varies_says_nothing_and_costs_nothing() -> None:
    same = np.array([[3]] * 20)
    assert never_before(same, 12).tolist() == [[0.0]] * 8
    assert more_often(np.zeros((20, 1), dtype=int), 12, 50.0).tolist() == [[0.0]] * 8
    assert over_items(np.zeros((8, 1)), np.ones((1, 1)), 0.9) == pytest.approx(0.0, abs=1e-12)


def test_an_answer_that_the_reference_knows_is_never_new() -> None:
    """At another concurrency an item may always give what the reference gave now and then."""
    codes = np.array([[0]] * 8 + [[1]] * 4 + [[1]] * 20)
    assert (never_before(codes, 12) <= 0).all()


def test_a_change_that_lasts_goes_on_giving_evidence() -> None:
    codes = np.array([[0]] * 12 + [[1]] * 24)
    sums = [over_starts(never_before(codes[: 12 + k], 12))[0][0] for k in range(1, 25)]
    assert np.diff(sums).min() > -0.2  # twelve of each could as well be the other way around
    assert sums[-1] > sums[11] > sums[1] > sums[0]
    assert sums[0] == pytest.approx(math.log(13))


def test_what_is_not_known_is_left_out_of_its_item() -> None:
    with_gaps = np.array([[0, 0], [-1, 0], [0, 0], [0, 0], [1, 1], [-1, 1]])
    assert never_before(with_gaps, 4)[0, 0] == never_before(np.array([[0], [0], [0], [1]]), 3)[0, 0]
    assert never_before(with_gaps, 4)[1, 0] == 0
    assert more_often(with_gaps, 4, 9.0)[1, 0] == 0


def test_nothing_recent_and_nothing_before_are_no_evidence() -> None:
    codes = np.array([[0, 1], [1, 0]])
    assert never_before(codes, 2).shape == (0, 2)
    assert more_often(codes, 2, 3.0).shape == (0, 2)
    assert over_starts(np.zeros((0, 3)))[0].tolist() == [0.0, 0.0, 0.0]
    assert never_before(codes, 0)[0].tolist() == [0.0, 0.0]


def test_over_starts_names_the_change() -> None:
    codes = np.array([[0] * 5] * 20 + [[1] * 5] * 4)
    log_e, start = over_starts(over_items(never_before(codes, 12), np.ones((5, 1)), 0.9))
    assert start.tolist() == [8]
    assert log_e[0] > math.log(1e15)


def test_the_behaviour_does_not_depend_on_the_order_of_the_replays() -> None:
    rng = np.random.default_rng(5)
    variant = rng.integers(0, 2, (15, 40)).astype(np.int32)
    logprob = -np.exp(rng.normal(-2, 1, (15, 40)) * rng.integers(0, 2, 40))
    order = rng.permutation(15)
    assert (behaviour(variant, logprob)[order] == behaviour(variant[order], logprob[order])).all()


def test_log_probabilities_split_where_the_gap_is_wide_and_not_within_their_noise() -> None:
    rng = np.random.default_rng(6)
    same = np.zeros((14, 300), dtype=np.int32)
    noise = -0.2 * np.exp(rng.normal(0, 0.01, (14, 300)))
    moved = noise.copy()
    moved[12:] *= 1.3
    alone = (behaviour(same, noise)[-1] != behaviour(same, noise)[:-1]).all(axis=0).mean()
    assert alone < 0.01
    codes = behaviour(same, moved)
    assert (codes[12:] != codes[0]).all(axis=0).mean() > 0.95
    assert (codes[:12] == codes[0]).all(axis=0).mean() > 0.95


def test_noise_three_times_as_large_as_in_the_reference_is_still_noise() -> None:
    rng = np.random.default_rng(7)
    logprob = -0.2 * np.exp(rng.normal(0, np.where(np.arange(14) < 12, 0.01, 0.03)[:, None], (14, 2000)))
    codes = behaviour(np.zeros((14, 2000), dtype=np.int32), logprob)
    assert (codes[-1] != codes[:12]).all(axis=0).mean() < 0.05


def test_log_probabilities_that_are_missing_or_of_few_answers_do_not_split() -> None:
    one = np.array([[-0.1]] * 11 + [[-5.0]])
    answers = np.zeros((12, 1), dtype=np.int32)
    assert len(np.unique(behaviour(answers, one))) == 2
    gone = one.copy()
    gone[3] = np.nan
    assert len(np.unique(behaviour(answers, gone))) == 1
    assert len(np.unique(behaviour(answers[:6], one[-6:]))) == 1
    assert behaviour(answers - 1, one).tolist() == [[-1]] * 12


def test_e_bh_rejects_as_its_definition_says() -> None:
    rng = np.random.default_rng(8)
    for _ in range(200):
        values = np.exp(rng.normal(2, 3, 12))
        order = np.sort(values)[::-1]
        most = max((k for k in range(1, 13) if order[k - 1] * k / 12 >= 1 / 0.1), default=0)
        assert int(rejected(np.log(values), 0.1).sum()) == most


def test_e_bh_of_nothing_rejects_nothing_and_refuses_what_is_not_known() -> None:
    assert rejected([], 0.1).tolist() == []
    with pytest.raises(ValueError, match="not known"):
        rejected([math.nan], 0.1)
    with pytest.raises(ValueError, match="level is 5"):
        rejected([0.0], 5)


def test_wrong_rejections_stay_below_the_level_however_the_e_values_depend() -> None:
    """Ten nulls that are one and the same, and five true changes."""
    rng = np.random.default_rng(9)
    share = []
    for _ in range(20_000):
        null = np.log(1 / 0.05) if rng.random() < 0.05 else -np.inf
        found = rejected(np.array([null] * 10 + [math.log(20.0)] * 5), 0.2)
        share.append(found[:10].sum() / max(found.sum(), 1))
    assert np.mean(share) <= 0.2
