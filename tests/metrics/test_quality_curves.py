import itertools
from fractions import Fraction

import jax
import numpy as np
import pytest

from fxai_jax.metrics.quality_curves import (
    discard_curve,
    error_at,
    pair_quality,
    partial_area,
)
from fxai_jax.metrics.resampling import bootstrap
from fxai_jax.metrics.verification import fmr_at_fnmr, fnmr_at_fmr

MODES = ["genuine", "all"]


def pairs(rng, n=40, values=6):
    """Pairs most of whose qualities are tied; good ones fail less often."""
    genuine = rng.permutation(n) < n // 2
    quality = rng.integers(0, values, n).astype(np.float32)
    return rng.normal(size=n).astype(np.float32) + quality / 4, genuine, quality


def slow_error(scores, genuine, quality, threshold, counted, fraction):
    candidates = quality[genuine] if counted == "genuine" else quality
    cuts = [
        cut
        for cut in np.unique(candidates)
        if Fraction(int(np.sum(candidates < cut)), candidates.size) <= fraction
    ]
    left = genuine & (quality >= max(cuts))
    wrong = int(np.sum(left & (scores < threshold)))
    return Fraction(wrong, max(int(left.sum()), 1)), int(left.sum())


def slow_area(scores, genuine, quality, threshold, counted, up_to):
    total = int(genuine.sum()) if counted == "genuine" else genuine.size
    edges = sorted({up_to, *(Fraction(i, total) for i in range(total))})
    edges = [edge for edge in edges if edge <= up_to]
    rest = (scores, genuine, quality, threshold, counted)
    return sum((b - a) * slow_error(*rest, a)[0] for a, b in itertools.pairwise(edges))


@pytest.mark.parametrize("counted", MODES)
def test_the_curve_is_the_slow_one_with_many_ties(rng, counted):
    for values in (1, 3, 6, 1000):
        scores, genuine, quality = pairs(rng, values=values)
        options = {"threshold": 0.7, "counted": counted}
        curve = discard_curve(scores, genuine, quality, **options)
        candidates = quality[genuine] if counted == "genuine" else quality
        below = {int(np.sum(candidates < cut)) for cut in candidates}
        assert curve.fraction.tolist() == [x / candidates.size for x in sorted(below)]
        for count in range(candidates.size):
            exact = Fraction(count, candidates.size)
            error, left = slow_error(scores, genuine, quality, 0.7, counted, exact)
            step = np.flatnonzero(curve.fraction <= count / candidates.size)[-1]
            np.testing.assert_allclose(curve.error[step], float(error), rtol=1e-12)
            assert curve.left[step] == left


@pytest.mark.parametrize("counted", MODES)
def test_a_pair_that_counts_often_is_a_pair_repeated(rng, counted):
    columns = pairs(rng)
    counts = rng.integers(0, 4, 40)
    repeated = [np.repeat(column, counts) for column in columns]
    options = {"threshold": 0.7, "counted": counted}
    found = discard_curve(*columns, counts=counts, **options)
    jax.tree.map(
        np.testing.assert_array_equal, found, discard_curve(*repeated, **options)
    )


@pytest.mark.parametrize("counted", MODES)
def test_areas_are_exact(rng, counted):
    for values in (2, 7, 1000):
        scores, genuine, quality = pairs(rng, values=values)
        curve = discard_curve(scores, genuine, quality, threshold=0.7, counted=counted)
        for up_to in (Fraction(1, 5), Fraction(3, 10), Fraction(1), Fraction(1, 77)):
            exact = slow_area(scores, genuine, quality, 0.7, counted, up_to)
            area = partial_area(curve, up_to=float(up_to))
            np.testing.assert_allclose(area, float(exact), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("counted", MODES)
def test_errors_between_the_steps(rng, counted):
    scores, genuine, quality = pairs(rng)
    curve = discard_curve(scores, genuine, quality, threshold=0.7, counted=counted)
    fractions = [Fraction(i, 97) for i in range(98)]
    expected = [
        slow_error(scores, genuine, quality, 0.7, counted, f)[0] for f in fractions
    ]
    found = error_at(curve, np.array([float(f) for f in fractions]))
    np.testing.assert_allclose(found, np.float64(expected), rtol=1e-12)
    best = quality == quality[genuine if counted == "genuine" else ...].max()
    assert int(curve.left[-1]) == np.sum(best & genuine)


def test_the_curve_starts_at_the_chosen_error(rng):
    scores, genuine, quality = pairs(rng)
    point = fmr_at_fnmr(scores, genuine, fnmr=0.25)
    curve = discard_curve(scores, genuine, quality, threshold=point.threshold)
    assert float(curve.error[0]) == float(point.fnmr) == 0.25
    point = fnmr_at_fmr(scores, genuine, fmr=1e-3)
    curve = discard_curve(scores, genuine, quality, threshold=point.threshold)
    assert float(curve.error[0]) == float(point.fnmr)


def test_perfect_useless_and_reversed_qualities():
    n = 100
    scores = (np.arange(n) >= 20).astype(np.float32)
    genuine = np.ones(n, bool)
    quality = np.arange(n, dtype=np.float32)

    def area(quality, up_to=1.0):
        curve = discard_curve(scores, genuine, quality, threshold=0.5)
        return float(partial_area(curve, up_to=up_to))

    steps = sum((20 - i) / (100 - i) for i in range(20)) / 100
    np.testing.assert_allclose(area(quality), steps, rtol=1e-5)
    np.testing.assert_allclose(area(quality, 0.2), steps, rtol=1e-5)
    np.testing.assert_allclose(area(np.ones(n, np.float32)), 0.2, rtol=1e-5)
    np.testing.assert_allclose(area(np.ones(n, np.float32), 0.3), 0.06, rtol=1e-5)
    assert area(-quality) > 0.4


def test_impostors_do_not_touch_the_curve_of_genuine_pairs(rng):
    scores, genuine, quality = pairs(rng)
    curve = discard_curve(scores, genuine, quality, threshold=0.7)
    alone = discard_curve(
        scores[genuine], genuine[genuine], quality[genuine], threshold=0.7
    )
    jax.tree.map(np.testing.assert_array_equal, curve, alone)
    order = rng.permutation(40)
    shuffled = discard_curve(
        scores[order], genuine[order], quality[order], threshold=0.7
    )
    jax.tree.map(np.testing.assert_array_equal, shuffled, curve)


@pytest.mark.parametrize("counted", MODES)
@pytest.mark.parametrize("label", [True, False])
def test_one_kind_of_pairs_gives_numbers(rng, counted, label):
    scores, _, quality = pairs(rng)
    genuine = np.full(40, label)
    curve = discard_curve(scores, genuine, quality, threshold=0.7, counted=counted)
    assert all(np.isfinite(x).all() for x in curve)
    if not label:
        assert float(partial_area(curve)) == 0
        assert int(curve.left.max()) == 0


def test_a_curve_without_genuine_pairs_at_the_top_ends_at_zero():
    scores, genuine = np.zeros(3, np.float32), np.array([True, False, False])
    quality = np.float32([1, 2, 3])
    curve = discard_curve(scores, genuine, quality, threshold=0.5, counted="all")
    assert curve.error.tolist() == [1, 0, 0]
    assert curve.left.tolist() == [1, 0, 0]
    assert curve.fraction.tolist() == [0, 1 / 3, 2 / 3]


def test_pair_quality_is_the_worse_one(rng):
    probe, gallery = rng.random((2, 9), dtype=np.float32)
    expected = [min(a, b) for a, b in zip(probe, gallery, strict=True)]
    np.testing.assert_array_equal(pair_quality(probe, gallery), np.float32(expected))


def test_qualities_of_probes_and_galleries_have_one_shape(unchecked):
    for wrong in (np.ones(1), np.ones(8), np.ones(())):
        with pytest.raises(ValueError, match=r"have the shape \(9,\) .*one shape"):
            pair_quality(np.ones(9), wrong)


@pytest.mark.parametrize("size", [7, 10, 100, 300, 1000, 3000])
def test_a_fraction_in_decimals_reaches_the_step_of_as_many_pairs(size):
    """0.1, 0.2, 0.3 of the pairs, none of which a float32 can say."""
    scores = np.arange(size, dtype=np.float32)
    genuine, threshold = np.ones(size, bool), float(size // 2)
    curve = discard_curve(scores, genuine, scores, threshold=threshold)
    for tenth in range(10):
        discarded = tenth * size // 10
        if discarded * 10 == tenth * size:
            expected = max(threshold - discarded, 0) / (size - discarded)
            assert error_at(curve, np.array([tenth / 10])) == expected


def test_curves_have_intervals(rng):
    scores, genuine, quality = pairs(rng, n=200)

    def errors(counts):
        options = {"threshold": 0.7, "counts": counts}
        curve = discard_curve(scores, genuine, quality, **options)
        return error_at(curve, np.array([0.0, 0.2]))

    low, high = bootstrap(errors, genuine, seed=0, resamples=200)
    share = errors(np.ones(200, int))[0]
    half = 1.96 * np.sqrt(share * (1 - share) / genuine.sum())
    np.testing.assert_allclose(
        [low[0], high[0]], [share - half, share + half], atol=0.03
    )
    assert (low < errors(np.ones(200, int))).all()
    assert (errors(np.ones(200, int)) < high).all()


def test_other_countings_are_refused(rng, unchecked):
    with pytest.raises(ValueError, match="'genuine' or 'all', got 'images'"):
        discard_curve(*pairs(rng), threshold=0.7, counted="images")


@pytest.mark.parametrize("total", [7, 20, 1000])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_every_fraction_of_the_pairs_reaches_its_step(total, dtype):
    """Pairs that get better one by one, every other one failing."""
    failing = np.arange(total) % 2 == 0
    scores = np.where(failing, 0.1, 0.9)
    curve = discard_curve(scores, np.ones(total, bool), np.arange(total), threshold=0.5)
    fractions = np.array([k / total for k in range(total)], dtype)
    left = [Fraction(int(failing[k:].sum()), total - k) for k in range(total)]
    found = error_at(curve, fractions)
    np.testing.assert_array_equal(found, [float(error) for error in left])
    halfway = error_at(curve, (fractions[:-1] + fractions[1:]) / dtype(2))
    np.testing.assert_array_equal(halfway, found[:-1])


@pytest.mark.parametrize("wrong", [1.1, 20, 0, -0.1, np.nan])
def test_areas_end_in_the_curve(wrong, unchecked):
    columns = np.array([0.1, 0.9]), np.array([1, 1]), np.array([0, 1])
    curve = discard_curve(*columns, threshold=0.5)
    assert partial_area(curve, up_to=1) == 0.25
    with pytest.raises(ValueError, match=r"must be in \(0, 1\], got"):
        partial_area(curve, up_to=wrong)


def test_errors_at_the_ends_and_outside():
    curve = discard_curve(
        np.array([0.1, 0.9]), np.array([1, 1]), np.array([0, 1]), threshold=0.5
    )
    assert error_at(curve, np.array([0, 1])).tolist() == [0.5, 0.0]
    for wrong in (-0.1, 1.1, np.nan):
        with pytest.raises(ValueError, match=r"must be in \[0, 1\]"):
            error_at(curve, np.array([0.5, wrong]))
