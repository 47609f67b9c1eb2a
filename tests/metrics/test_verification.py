from fractions import Fraction
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fxai_jax.metrics import verification
from fxai_jax.metrics.verification import (
    check_labels,
    equal_error,
    fmr_at_fnmr,
    fnmr_at_fmr,
    kfold_accuracy,
    operating_point,
    roc,
)


def pairs(rng, n, values):
    """Scores on a coarse grid, so that most are tied, and both kinds of pairs."""
    genuine = rng.random(n) < rng.uniform(0.2, 0.8)
    genuine[:2] = [True, False]
    scores = rng.integers(0, values, n) + genuine * rng.integers(0, values)
    return (scores / 64).astype(np.float32), rng.permutation(genuine)


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
    compiled = jax.jit(equal_error)
    for _ in range(12):
        scores, genuine = pairs(rng, 60, values)
        rate, threshold = slow_equal_error(scores, genuine)
        for fun in (equal_error, compiled):
            result = fun(scores, genuine)
            np.testing.assert_allclose(result.rate, rate, rtol=1e-6)
            assert float(result.threshold) == threshold


def test_equal_error_maps_over_batches(rng):
    batch = [pairs(rng, 60, 9) for _ in range(4)]
    batched = jax.vmap(equal_error)(*map(np.stack, zip(*batch, strict=True)))
    looped = [slow_equal_error(*one) for one in batch]
    np.testing.assert_allclose(np.stack(batched, axis=1), looped, rtol=1e-6)


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
    compiled, n, broken = jax.jit(equal_error), 93, 0
    genuine = np.arange(2 * n) < n
    for m in range(1, 45):
        scores = np.where(genuine, 3, 0).astype(np.float32)
        scores[: m + 1], scores[n : n + m], scores[n + m : n + m + 2] = 0, 3, 1
        fmr, fnmr = slow_rates(scores, genuine, 3)
        other = slow_rates(scores, genuine, 1)
        assert fnmr - fmr == other[0] - other[1] == Fraction(1, n)
        rates = np.float32([float(x) for x in (fmr, fnmr, *other)])
        broken += abs(rates[2] - rates[3]) < abs(rates[0] - rates[1])
        assert float(compiled(scores, genuine).threshold) == 3.0
    assert broken > 5


def test_wide_products_are_exact_beyond_32_bits(rng):
    x = rng.integers(0, 2**31 - 1, (2, 50), dtype=np.int32)
    y = rng.integers(2**20, 2**31 - 1, 2, dtype=np.int32)
    x[:, 7] = 0
    wide = [
        verification._wide_product(jnp.asarray(a), jnp.asarray(b))
        for a, b in zip(x, y, strict=True)
    ]
    exact = [[int(a) * int(b) for a in row] for row, b in zip(x, y, strict=True)]
    for (high, low), row in zip(wide, exact, strict=True):
        joined = [
            (int(h) << 32) + int(lo)
            for h, lo in zip(np.asarray(high), np.asarray(low), strict=True)
        ]
        assert joined == row
    gaps = [abs(a - b) for a, b in zip(*exact, strict=True)]
    assert int(verification._first_least_gap(*wide)) == gaps.index(min(gaps))
    wide = [tuple(part[10:] for part in product) for product in wide]
    gaps = gaps[10:]
    assert int(verification._first_least_gap(*wide)) == gaps.index(min(gaps))


def test_wide_gaps_compare_both_halves():
    def halves(*values):
        high = jnp.array([v >> 32 for v in values], jnp.uint32)
        return high, jnp.array([v & (2**32 - 1) for v in values], jnp.uint32)

    first = halves(2**40, 2**33 + 5, 2**33, 2**33 + 1, 5)
    second = halves(1, 2**33 + 9, 2**33 + 3, 2**33 - 2, 2)
    assert int(verification._first_least_gap(first, second)) == 2


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
    curve = jax.jit(roc)(scores, genuine)
    points = jax.vmap(lambda t: operating_point(scores, genuine, threshold=t))(
        curve.threshold
    )
    np.testing.assert_allclose(points.fmr, curve.fmr, atol=1e-7)
    np.testing.assert_allclose(points.fnmr, curve.fnmr, atol=1e-7)
    np.testing.assert_array_equal(points.tar, 1 - points.fnmr)
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
    at_fmr, at_fnmr = jax.jit(fnmr_at_fmr), jax.jit(fmr_at_fnmr)
    for values in (2, 9, 500):
        scores, genuine = pairs(rng, 80, values)
        by_fmr, by_fnmr = [np.inf], []
        for threshold in np.unique(scores):
            fmr, fnmr = slow_rates(scores, genuine, threshold)
            by_fmr += [threshold] if fmr <= exact else []
            by_fnmr += [threshold] if fnmr <= exact else []
        point = at_fmr(scores, genuine, fmr=rate)
        assert float(point.threshold) == min(by_fmr)
        expected = slow_rates(scores, genuine, min(by_fmr))
        np.testing.assert_allclose([point.fmr, point.fnmr], np.float32(expected))
        point = at_fnmr(scores, genuine, fnmr=rate)
        assert float(point.threshold) == max(by_fnmr)
        expected = slow_rates(scores, genuine, max(by_fnmr))
        np.testing.assert_allclose([point.fmr, point.fnmr], np.float32(expected))


@pytest.mark.parametrize("impostors", [1000, 3000, 7000, 41000])
def test_a_rate_of_whole_counts_is_reached(impostors):
    scores = np.arange(impostors + 1, dtype=np.float32)
    genuine = scores == 0
    for fmr in (1e-3, 3e-3, 0.007, 0.029):
        point = fnmr_at_fmr(scores, genuine, fmr=fmr)
        expected = round(fmr * impostors)
        assert round(float(point.fmr) * impostors) == expected, (fmr, impostors)


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
    compiled = jax.jit(partial(kfold_accuracy, count=6))
    for _ in range(5):
        scores, genuine = pairs(rng, 120, values)
        folds = rng.permutation(np.arange(120, dtype=np.int32) % 6)
        accuracy, chosen = slow_folds(scores, genuine, folds, 6)
        result = compiled(scores, genuine, folds)
        np.testing.assert_array_equal(result.threshold, chosen)
        np.testing.assert_allclose(result.accuracy, accuracy, rtol=1e-6)
        np.testing.assert_allclose(result.mean, accuracy.mean(), rtol=1e-6)
        error = accuracy.std(ddof=1) / np.sqrt(6)
        np.testing.assert_allclose(result.standard_error, error, atol=1e-6)


def test_the_judged_fold_does_not_choose_its_threshold():
    scores = np.float32([9, 8, 7, 6, 5, 4])
    genuine = np.array([False, False, True, False, True, False])
    folds = np.array([0, 0, 1, 1, 2, 2])
    result = kfold_accuracy(scores, genuine, folds, count=3)
    assert float(result.threshold[0]) == 7.0
    assert float(result.accuracy[0]) == 0.0


def test_empty_folds_are_left_out(rng):
    scores, genuine = pairs(rng, 40, 10)
    folds = np.arange(40, dtype=np.int32) % 4
    four = kfold_accuracy(scores, genuine, folds, count=4)
    six = kfold_accuracy(scores, genuine, folds + (folds > 1), count=6)
    np.testing.assert_allclose(six.mean, four.mean, rtol=1e-6)
    np.testing.assert_allclose(six.standard_error, four.standard_error, rtol=1e-5)
    with pytest.raises(ValueError, match="at least 2 folds, got 1"):
        kfold_accuracy(scores, genuine, folds, count=1)


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
        kfold_accuracy(scores, genuine, np.arange(3), count=3),
    ]
    assert not any(np.isnan(x).any() for x in jax.tree.leaves(everything))
    found = r"found 3 genuine and 0" if label else r"found 0 genuine and 3"
    with pytest.raises(ValueError, match=found):
        check_labels(genuine)


def test_labels_of_both_kinds_pass_and_none_do_not():
    check_labels(np.array([True, False]))
    with pytest.raises(ValueError, match="0 genuine and 0 impostor pairs"):
        check_labels(np.zeros(0, bool))


def test_thresholds_do_not_recompile(rng):
    scores, genuine = pairs(rng, 20, 9)
    compiled = jax.jit(operating_point)
    for threshold in (0.1, 0.2, 0.3):
        compiled(scores, genuine, threshold=threshold)
    assert compiled._cache_size() == 1
