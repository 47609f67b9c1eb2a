import numpy as np
import pytest

from fxai_jax.metrics.folds import kfold_accuracy
from tests.metrics.labelled import pairs


def slow_folds(scores, genuine, folds, count):
    accuracy, chosen = [], []
    for fold in range(count):
        train, test = folds != fold, folds == fold
        best = -1
        for threshold in np.unique(scores[train])[::-1]:
            right = np.sum((scores[train] >= threshold) == genuine[train])
            if right > best:
                best, winner = right, threshold
        chosen.append(winner)
        accuracy.append(np.mean((scores[test] >= winner) == genuine[test]))
    return np.array(accuracy), np.array(chosen)


@pytest.mark.parametrize("values", [2, 10, 1000])
def test_accuracy_over_folds_is_the_slow_one(rng, values):
    for _ in range(5):
        scores, genuine = pairs(rng, 120, values)
        folds = rng.permutation(np.arange(120, dtype=np.int32) % 6)
        accuracy, chosen = slow_folds(scores, genuine, folds, 6)
        result = kfold_accuracy(scores, genuine, folds)
        np.testing.assert_array_equal(result.threshold, chosen)
        np.testing.assert_allclose(result.accuracy, accuracy, rtol=1e-6)
        np.testing.assert_allclose(result.mean, accuracy.mean(), rtol=1e-6)
        error = accuracy.std(ddof=1) / np.sqrt(6)
        np.testing.assert_allclose(result.standard_error, error, atol=1e-6)


def test_the_judged_fold_does_not_choose_its_threshold():
    scores = np.float32([9, 8, 7, 6, 5, 4])
    genuine = np.array([False, False, True, False, True, False])
    folds = np.array([0, 0, 1, 1, 2, 2])
    result = kfold_accuracy(scores, genuine, folds)
    assert float(result.threshold[0]) == 7.0
    assert float(result.accuracy[0]) == 0.0


def test_empty_folds_are_left_out(rng):
    scores, genuine = pairs(rng, 40, 10)
    folds = np.arange(40, dtype=np.int32) % 4
    four = kfold_accuracy(scores, genuine, folds)
    six = kfold_accuracy(scores, genuine, folds + 2 * (folds > 1))
    assert six.accuracy.size == 6
    np.testing.assert_allclose(six.mean, four.mean, rtol=1e-6)
    np.testing.assert_allclose(six.standard_error, four.standard_error, rtol=1e-5)
    with pytest.raises(ValueError, match="at least 2 folds, got 1"):
        kfold_accuracy(scores, genuine, np.zeros_like(folds))
