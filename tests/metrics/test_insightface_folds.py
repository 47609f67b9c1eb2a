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


def test_labels_and_folds_of_any_type_are_taken(rng, unchecked):
    same = np.arange(40) % 2 == 0
    scores = rng.uniform(-0.5, 0.5, 40).astype(np.float32) + 0.3 * same
    expected = grid_folds(scores, same, stretches(40), far=0.1)
    found = grid_folds(
        scores, same.astype(int), stretches(40).astype(np.uint8), far=0.1
    )
    assert found == expected
    assert grid_folds([*scores], [*same], [*stretches(40)], far=0.1) == expected


def test_what_is_no_score_label_fold_or_rate_is_refused(unchecked):
    same, folds = np.arange(8) % 2 == 0, stretches(8, folds=2)
    scores = np.where(same, 0.9, 0.1)
    for wrong in (np.where(same, np.nan, 0.1), scores.astype(str)):
        with pytest.raises(ValueError, match="scores are finite numbers"):
            grid_folds(wrong, same, folds)
    for wrong in (np.where(same, 1, -1), same * 2.0):
        with pytest.raises(ValueError, match="labels of pairs are true and false"):
            grid_folds(scores, wrong, folds)
    for wrong in (folds + 0.5, folds - 1, folds.astype(float)):
        with pytest.raises(ValueError, match="folds are whole numbers from 0"):
            grid_folds(scores, same, wrong)
    for labels, own in ((same[1:], folds), (same, folds[1:])):
        with pytest.raises(ValueError, match="one entry for each of 8 pairs"):
            grid_folds(scores, labels, own)
    for count in (0, 8):
        with pytest.raises(ValueError, match=f"at least 2 folds, got {count // 8}"):
            grid_folds(scores[:count], same[:count], 0 * folds[:count])
    for far in (0, -0.1, 1.1, np.nan):
        with pytest.raises(ValueError, match=r"rate must be in \(0, 1\], got"):
            grid_folds(scores, same, folds, far=far)
    assert grid_folds(scores, same, folds, far=1).tar == 1
