import numpy as np
import pytest

from fxai_jax.metrics.insightface_folds import grid_folds, stretches
from tests.reference import insightface_oracle


def units(rng, count, size=4):
    raw = rng.normal(size=(count, size))
    return raw / np.linalg.norm(raw, axis=1, keepdims=True)


@pytest.mark.parametrize("far", [0.013, 0.1037, 1e-3])
def test_it_is_the_script_pair_by_pair(rng, far):
    count = 204  # folds of 21 and of 20 pairs
    same = np.arange(count) % 2 == 0
    first, noise = units(rng, count), units(rng, count)
    second = first + (0.8 + 1.2 * ~same)[:, None] * noise
    second /= np.linalg.norm(second, axis=1, keepdims=True)
    cosine = np.sum(first * second, axis=1)
    found = grid_folds(cosine, same, stretches(count), far=far)
    expected = insightface_oracle.over_folds(first, second, same, far)
    assert tuple(found) == pytest.approx(expected, abs=1e-9)
    assert found.accuracy_deviation > 0


def test_a_rate_that_is_not_reached_accepts_nothing():
    same = np.array([True, False] * 20)
    opposite = np.where(same, 0.9, -1.0)  # a distance of 4 lies beyond the grid
    found = grid_folds(opposite, same, stretches(40))
    assert (found.tar, found.far, found.accuracy) == (0, 0, 1)


def test_stretches_are_those_of_scikit_learn():
    assert np.bincount(stretches(43)).tolist() == [5, 5, 5, *[4] * 7]
    assert (np.diff(stretches(43)) >= 0).all()


def test_a_fold_of_one_kind_is_refused():
    same = np.arange(40) < 20
    with pytest.raises(ValueError, match="fold 0 has pairs of one kind only"):
        grid_folds(np.linspace(1, -1, 40), same, stretches(40))


def test_a_threshold_lies_between_two_points_of_the_grid():
    """Impostors are accepted from .101 on, so half of them are at .1005."""
    distance = np.array([0.1007, 0.1004, 0.1002, 0.1004])
    same = np.array([True, False, True, False])
    found = grid_folds(1 - distance / 2, same, stretches(4, folds=2), far=0.5)
    assert (found.tar, found.far) == (0.5, 1)
