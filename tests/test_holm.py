import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.stats.holm import holm


def stepwise(p_values: list[float], alpha: float) -> list[bool]:
    """Holm's procedure as it is told: reject the smallest while it is at most alpha / (how many are left)."""
    rejected = [False] * len(p_values)
    for done, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if p_values[place] > alpha / (len(p_values) - done):
            break
        rejected[place] = True
    return rejected


@given(
    st.lists(st.sampled_from([0.0, 0.001, 0.004, 0.01, 0.011, 0.02, 0.03, 0.2, 1.0]), max_size=8),
    st.sampled_from([0.0501, 0.1001, 0.2001]),
)
def test_those_at_most_alpha_are_those_that_the_stepwise_procedure_rejects(p: list[float], alpha: float) -> None:
    assert (holm(p) <= alpha).tolist() == stepwise(p, alpha)


def test_the_example_of_the_textbook_comes_out() -> None:
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]).tolist() == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])
    assert holm([0.6, 0.9]).tolist() == [1.0, 1.0]


def test_what_was_not_tested_stays_unknown_and_does_not_count() -> None:
    adjusted = holm([math.nan, 0.02, math.nan, 0.03])
    assert adjusted[[1, 3]].tolist() == holm([0.02, 0.03]).tolist()
    assert np.isnan(adjusted[[0, 2]]).all()
    assert holm([]).size == 0


def test_of_twenty_true_nulls_any_is_rejected_in_at_most_one_family_of_twenty() -> None:
    rng = np.random.default_rng(61)
    shared = rng.normal(size=(4000, 1))  # dependent tests, as of checkpoints against the same baseline
    z = math.sqrt(0.5) * shared + math.sqrt(0.5) * rng.normal(size=(4000, 20))
    p_values = np.array([[math.erfc(abs(each) / math.sqrt(2)) for each in row] for row in z])
    any_raw = (p_values < 0.05).any(axis=1).mean()
    any_adjusted = np.mean([(holm(row) < 0.05).any() for row in p_values])
    assert any_raw > 0.3
    assert any_adjusted <= 0.05


@pytest.mark.parametrize("p_values", [[0.1, 1.2], [-0.1], [math.inf]])
def test_what_is_no_p_value_is_named(p_values: list[float]) -> None:
    with pytest.raises(ValueError, match="lies between 0 and 1"):
        holm(p_values)
    with pytest.raises(ValueError, match="2 dimensions"):
        holm([[0.1]])
