import hashlib

import numpy as np
import pytest

from monitor.errors import BadInput
from monitor.features.projections import DIRECTIONS, directions, project


def test_directions_are_the_same_for_ever() -> None:
    """The first signs for 768 dimensions, and a digest of all: profiles of years hang on them."""
    signs = np.sign(directions(768)).astype(np.int8)
    assert hashlib.sha256(signs.tobytes()).hexdigest()[:16] == "c22dbb4de86dd868"
    assert np.allclose(np.linalg.norm(directions(768), axis=0), 1.0)


@pytest.mark.parametrize("dimensions", [3, 64, 1000])
def test_directions_are_balanced_and_nearly_at_right_angles(dimensions: int) -> None:
    found = directions(dimensions)
    assert found.shape == (dimensions, DIRECTIONS)
    assert abs(found.mean()) * np.sqrt(dimensions) < 5 / np.sqrt(dimensions * DIRECTIONS)
    between = found.T @ found - np.eye(DIRECTIONS)
    assert np.sqrt((between**2).mean()) < 1.3 / np.sqrt(dimensions)


def test_the_length_of_a_vector_does_not_count() -> None:
    vectors = np.random.default_rng(1).normal(size=(20, 50))
    assert np.allclose(project(vectors), project(vectors * 1e200))
    assert np.allclose(project(vectors), project(vectors / 1e200))


def test_what_has_no_direction_is_nan_and_leaves_the_others_alone() -> None:
    vectors = np.array([[0.0, 0.0, 0.0], [np.nan, 1.0, 2.0], [np.inf, 1.0, 1.0], [1.0, 2.0, 3.0]])
    found = project(vectors)
    assert np.isnan(found[:3]).all()
    assert np.isfinite(found[3]).all()


def test_projections_keep_distances_on_average() -> None:
    """The mean of the squared differences is the squared distance divided by the dimensions."""
    rng = np.random.default_rng(5)
    vectors = rng.normal(size=(200, 256))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    kept = ((project(vectors)[:100] - project(vectors)[100:]) ** 2).sum(axis=1).mean() * 256 / DIRECTIONS
    assert kept == pytest.approx(((unit[:100] - unit[100:]) ** 2).sum(axis=1).mean(), rel=0.1)


def test_a_moved_cloud_moves_on_the_directions() -> None:
    rng = np.random.default_rng(9)
    centre = rng.normal(size=64)
    before, same = rng.normal(size=(2, 1000, 64))
    after = rng.normal(size=(1000, 64)) + centre
    spread = project(before).std(axis=0)
    moved = np.abs(project(after).mean(axis=0) - project(before).mean(axis=0)) / spread
    still = np.abs(project(same).mean(axis=0) - project(before).mean(axis=0)) / spread
    assert moved.max() > 1.0
    assert still.max() < 0.2


def test_no_vectors_have_no_projections() -> None:
    assert project(np.empty((0, 8))).shape == (0, DIRECTIONS)


@pytest.mark.parametrize("shape", [(5,), (2, 0), (1, 70_000), (1, 2, 3)])
def test_a_wrong_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(BadInput, match="expected"):
        project(np.zeros(shape))
