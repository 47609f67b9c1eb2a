from fractions import Fraction

import jax
import numpy as np
import pytest

from fxai_jax.metrics.folds import kfold_accuracy
from fxai_jax.metrics.verification import (
    check_labels,
    equal_error,
    fmr_at_fnmr,
    fnmr_at_fmr,
    operating_point,
    roc,
)
from tests.metrics.labelled import pairs


def slow_rates(scores, genuine, threshold):
    """FMR and FNMR as fractions, by counting."""
    accepted = scores >= threshold
    impostors, matches = np.sum(~genuine), np.sum(genuine)
    return (
        Fraction(int(np.sum(accepted & ~genuine)), max(int(impostors), 1)),
        Fraction(int(np.sum(~accepted & genuine)), max(int(matches), 1)),
    )


def slow_equal_error(scores, genuine):
    best = None
    for threshold in np.unique(scores)[::-1]:
        fmr, fnmr = slow_rates(scores, genuine, threshold)
        if best is None or abs(fmr - fnmr) < best[0]:
            best = abs(fmr - fnmr), (fmr + fnmr) / 2, threshold
    return float(best[1]), float(best[2])


@pytest.mark.parametrize("values", [1, 2, 5, 40, 1000])
def test_equal_error_is_the_slow_one_with_many_ties(rng, values):
    for _ in range(12):
        scores, genuine = pairs(rng, 60, values)
        rate, threshold = slow_equal_error(scores, genuine)
        result = equal_error(scores, genuine)
        np.testing.assert_allclose(result.rate, rate, rtol=1e-12)
        assert result.threshold == threshold


@pytest.mark.parametrize("values", [2, 9, 1000])
def test_a_pair_that_counts_often_is_a_pair_repeated(rng, values):
    scores, genuine = pairs(rng, 60, values)
    counts = rng.integers(0, 4, 60)
    counts[:2] = 1, 2
    repeated = np.repeat(scores, counts), np.repeat(genuine, counts)
    found = equal_error(scores, genuine, counts=counts)
    assert found.rate == equal_error(*repeated).rate
    fmr, fnmr = slow_rates(*repeated, found.threshold)
    np.testing.assert_allclose(found.rate, float(fmr + fnmr) / 2, rtol=1e-12)


def test_equal_error_takes_the_highest_of_tied_thresholds():
    genuine = np.array([True, False, True, False])
    result = equal_error(np.float32([4, 3, 2, 1]), genuine)
    assert slow_rates(np.arange(4, 0, -1), genuine, 3) == (Fraction(1, 2),) * 2
    assert (float(result.rate), float(result.threshold)) == (0.5, 3.0)
    tied = np.array([True, True, False, False, True, True])
    scores = np.float32([5, 5, 4, 4, 3, 3])
    gaps = [abs(np.subtract(*slow_rates(scores, tied, t))) for t in (5, 4, 3)]
    assert gaps == [Fraction(1, 2), Fraction(1, 2), 1]
    assert float(equal_error(scores, tied).threshold) == 5.0


def test_ties_that_rounding_would_break_are_exact():
    # m + 1 of n genuine pairs are rejected; m of n impostors are accepted at 3, and
    # m + 2 at 1.
    n, broken = 93, 0
    genuine = np.arange(2 * n) < n
    for m in range(1, 45):
        scores = np.where(genuine, 3, 0).astype(np.float32)
        scores[: m + 1], scores[n : n + m], scores[n + m : n + m + 2] = 0, 3, 1
        fmr, fnmr = slow_rates(scores, genuine, 3)
        other = slow_rates(scores, genuine, 1)
        assert fnmr - fmr == other[0] - other[1] == Fraction(1, n)
        rates = np.float32([float(x) for x in (fmr, fnmr, *other)])
        broken += abs(rates[2] - rates[3]) < abs(rates[0] - rates[1])
        assert equal_error(scores, genuine).threshold == 3.0
    assert broken > 5


@pytest.mark.parametrize("values", [3, 30, 10_000])
def test_roc_is_the_one_of_scikit_learn(rng, values):
    metrics = pytest.importorskip("sklearn.metrics")
    scores, genuine = pairs(rng, 200, values)
    fmr, tar, thresholds = metrics.roc_curve(genuine, scores, drop_intermediate=False)
    curve = roc(scores, genuine)
    first = np.unique(-np.asarray(curve.threshold), return_index=True)[1]
    np.testing.assert_array_equal(np.asarray(curve.threshold)[first], thresholds)
    np.testing.assert_allclose(np.asarray(curve.fmr)[first], fmr, atol=1e-6)
    np.testing.assert_allclose(1 - np.asarray(curve.fnmr)[first], tar, atol=1e-6)
    for tied in (curve.fmr, curve.fnmr):
        for value in curve.threshold:
            assert len(np.unique(np.asarray(tied)[curve.threshold == value])) == 1


def test_roc_agrees_with_operating_points(rng):
    scores, genuine = pairs(rng, 40, 8)
    curve = roc(scores, genuine)
    points = [operating_point(scores, genuine, threshold=t) for t in curve.threshold]
    np.testing.assert_allclose([p.fmr for p in points], curve.fmr, rtol=1e-12)
    np.testing.assert_allclose([p.fnmr for p in points], curve.fnmr, rtol=1e-12)
    assert [p.tar for p in points] == [1 - p.fnmr for p in points]
    assert (np.diff(curve.fmr) >= 0).all()
    assert (np.diff(curve.fnmr) <= 0).all()


def test_a_score_at_the_threshold_is_accepted():
    point = operating_point(
        np.float32([0.5, 0.5]), np.array([True, False]), threshold=0.5
    )
    assert [float(x) for x in point] == [0.5, 1.0, 0.0, 1.0]


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.1, 1 / 3, 0.5, 1.0])
def test_fixed_error_rates_are_the_slow_ones(rng, rate):
    exact = Fraction(rate).limit_denominator(100)
    for values in (2, 9, 500):
        scores, genuine = pairs(rng, 80, values)
        by_fmr, by_fnmr = [np.inf], []
        for threshold in np.unique(scores):
            fmr, fnmr = slow_rates(scores, genuine, threshold)
            by_fmr += [threshold] if fmr <= exact else []
            by_fnmr += [threshold] if fnmr <= exact else []
        point = fnmr_at_fmr(scores, genuine, fmr=rate)
        assert float(point.threshold) == min(by_fmr)
        expected = slow_rates(scores, genuine, min(by_fmr))
        np.testing.assert_allclose([point.fmr, point.fnmr], np.float64(expected))
        point = fmr_at_fnmr(scores, genuine, fnmr=rate)
        assert float(point.threshold) == max(by_fnmr)
        expected = slow_rates(scores, genuine, max(by_fnmr))
        np.testing.assert_allclose([point.fmr, point.fnmr], np.float64(expected))


@pytest.mark.parametrize("impostors", [100, 1000, 3000, 7000, 41000])
def test_a_rate_of_whole_counts_is_reached(impostors):
    scores = np.arange(impostors + 1, dtype=np.float32)
    genuine = scores == 0
    assert np.floor(0.29 * 100) == 28  # what rounding would make of it
    for fmr in (1e-3, 3e-3, 0.007, 0.029, 0.29, 0.57, 0.58):
        point = fnmr_at_fmr(scores, genuine, fmr=fmr)
        expected = int(Fraction(str(fmr)) * impostors)
        assert round(float(point.fmr) * impostors) == expected, (fmr, impostors)


@pytest.mark.parametrize("label", [True, False])
def test_one_kind_of_pairs_gives_numbers_and_is_refused_at_the_boundary(label):
    scores, genuine = np.float32([3, 1, 2]), np.full(3, label)
    result = equal_error(scores, genuine)
    np.testing.assert_allclose(result.rate, 0 if label else 1 / 6, rtol=1e-6)
    assert float(result.threshold) == (1.0 if label else 3.0)
    everything = [
        roc(scores, genuine),
        operating_point(scores, genuine, threshold=2.0),
        fnmr_at_fmr(scores, genuine, fmr=0.1),
        fmr_at_fnmr(scores, genuine, fnmr=0.1),
        kfold_accuracy(scores, genuine, np.arange(3)),
    ]
    assert not any(np.isnan(x).any() for x in jax.tree.leaves(everything))
    found = r"found 3 genuine and 0" if label else r"found 0 genuine and 3"
    with pytest.raises(ValueError, match=found):
        check_labels(genuine)


def test_labels_of_both_kinds_pass_and_none_do_not():
    check_labels(np.array([True, False]))
    with pytest.raises(ValueError, match="0 genuine and 0 impostor pairs"):
        check_labels(np.zeros(0, bool))


def test_scores_are_compared_in_double_precision():
    scores = np.array([0.5, 0.5 + 1e-12, 0.25])
    point = operating_point(scores, np.ones(3, bool), threshold=0.5 + 1e-12)
    assert point.fnmr == 2 / 3
    genuine = np.array([False, True, False])
    assert equal_error(scores, genuine).threshold == 0.5 + 1e-12
