"""Labels and scores of any type, at every function that takes them."""

from fractions import Fraction
from functools import partial

import jax.numpy as jnp
import numpy as np
import pytest

from fxai_jax.metrics import verification
from fxai_jax.metrics.faithfulness import error_curves
from fxai_jax.metrics.folds import kfold_accuracy
from fxai_jax.metrics.frequency_groups import group_influence
from fxai_jax.metrics.labels import whole_count
from fxai_jax.metrics.quality_curves import discard_curve, pair_quality
from tests.metrics.labelled import pairs

N = 40
FOLDS = np.arange(N) % 4
EXACT = (np.int8, np.uint8, np.int64, np.uint32, np.float16, np.float32, np.float64)

ENTRIES = {
    "check_labels": lambda scores, labels: verification.check_labels(labels),
    "roc": verification.roc,
    "equal_error": verification.equal_error,
    "operating_point": partial(verification.operating_point, threshold=0.3),
    "fnmr_at_fmr": partial(verification.fnmr_at_fmr, fmr=0.1),
    "fmr_at_fnmr": partial(verification.fmr_at_fnmr, fnmr=0.1),
    "kfold_accuracy": lambda scores, labels: kfold_accuracy(scores, labels, FOLDS),
    "error_curves": lambda scores, labels: error_curves(
        np.asarray(scores)[:, None], labels, threshold=0.3
    ),
    "discard_curve": lambda scores, labels: discard_curve(
        scores, labels, np.linspace(0, 1, N), threshold=0.3
    ),
}
TAKING_SCORES = [name for name in ENTRIES if name != "check_labels"]


def same(a, b):
    assert type(a) is type(b)
    a, b = ((x,) if not isinstance(x, tuple) else x for x in (a, b))
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("name", ENTRIES)
def test_zero_and_one_of_any_type_are_labels(name, rng, unchecked):
    scores, labels = pairs(rng, N, 30)
    expected = ENTRIES[name](scores, labels)
    for dtype in EXACT:
        same(ENTRIES[name](scores, labels.astype(dtype)), expected)
    same(ENTRIES[name](scores, jnp.asarray(labels, jnp.int32)), expected)
    same(ENTRIES[name](scores, labels.tolist()), expected)


def wrong_labels(labels, rng):
    """What people pass in the place of labels; each has one entry that is wrong."""
    place = rng.integers(N)

    def with_one(value, dtype):
        made = labels.astype(dtype)
        made[place] = value
        return made

    return {
        "plus and minus one": np.where(labels, 1, -1),
        "a two": with_one(2, np.int32),
        "255 for true": labels.astype(np.uint8) * 255,
        "NaN": with_one(np.nan, np.float32),
        "a half": with_one(0.5, np.float64),
        "infinity": with_one(np.inf, np.float64),
        "strings": np.where(labels, "genuine", "impostor"),
        "objects": np.array([*map(str, labels)], object),
        "one less": labels[1:],
        "one more": np.append(labels, True),
        "a column": labels[:, None],
        "one for all": np.array(True),
    }


@pytest.mark.parametrize("name", ENTRIES)
def test_what_is_no_label_is_refused_in_a_sentence(name, rng, unchecked):
    scores, labels = pairs(rng, N, 30)
    for what, wrong in wrong_labels(labels, rng).items():
        if name == "check_labels" and what in ("one less", "one more"):
            continue  # it is given the labels alone
        with pytest.raises(ValueError, match=r"labels|expected one entry"):
            ENTRIES[name](scores, wrong)


@pytest.mark.parametrize("name", TAKING_SCORES)
def test_scores_of_any_number_type_are_the_same_numbers(name, rng, unchecked):
    scores, labels = pairs(rng, N, 30)
    small = np.round(scores * 64).astype(np.uint8)  # unsigned: -1 would be 255
    expected = ENTRIES[name](small.astype(np.float64), labels)
    for dtype in (np.uint8, np.int16, np.float16, np.float32, jnp.bfloat16):
        same(ENTRIES[name](small.astype(dtype), labels), expected)


@pytest.mark.parametrize("name", TAKING_SCORES)
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_are_refused(name, wrong, rng, unchecked):
    scores, labels = pairs(rng, N, 30)
    scores[rng.integers(N)] = wrong
    with pytest.raises(ValueError, match="got 1 that are NaN or infinite"):
        ENTRIES[name](scores, labels)


@pytest.mark.parametrize("name", ENTRIES)
def test_truth_values_in_a_column_of_objects_are_labels(name, rng, unchecked):
    scores, labels = pairs(rng, N, 30)
    same(ENTRIES[name](scores, labels.astype(object)), ENTRIES[name](scores, labels))
    same(
        ENTRIES[name](scores, np.array([*labels], object)),
        ENTRIES[name](scores, labels),
    )
    gap = labels.astype(object)
    gap[3] = None
    with pytest.raises(ValueError, match="true and false, or 1 and 0, got None"):
        ENTRIES[name](scores, gap)


@pytest.mark.parametrize("name", ENTRIES)
def test_masked_entries_are_refused(name, rng, unchecked):
    scores, labels = pairs(rng, N, 30)
    hidden = np.arange(N) < 2
    expected = ENTRIES[name](scores, labels)
    same(ENTRIES[name](scores, np.ma.array(labels, mask=False)), expected)
    with pytest.raises(ValueError, match="labels: 2 masked; leave these out"):
        ENTRIES[name](scores, np.ma.array(labels, mask=hidden))


def test_masked_scores_qualities_and_counts_are_refused(rng, unchecked):
    scores, labels = pairs(rng, N, 30)
    odd = np.ma.array(scores, mask=np.arange(N) == 5)
    for name in TAKING_SCORES:
        if name != "error_curves":  # takes columns of them
            with pytest.raises(ValueError, match="scores: 1 masked"):
                ENTRIES[name](odd, labels)
    with pytest.raises(ValueError, match="cosines: 1 masked"):
        error_curves(odd[:, None], labels, threshold=0.3)
    with pytest.raises(ValueError, match="qualities: 1 masked"):
        discard_curve(scores, labels, odd, threshold=0.1)
    with pytest.raises(ValueError, match="qualities: 1 masked"):
        pair_quality(scores, odd)
    counts = np.ma.array(np.ones(N, int), mask=odd.mask)
    with pytest.raises(ValueError, match="counts: 1 masked"):
        verification.equal_error(scores, labels, counts=counts)


@pytest.mark.parametrize("name", ENTRIES)
def test_a_tensor_with_a_gradient_is_refused_in_a_sentence(name, rng, unchecked):
    torch = pytest.importorskip("torch")
    scores, labels = pairs(rng, N, 30)
    same(ENTRIES[name](scores, torch.tensor(labels)), ENTRIES[name](scores, labels))
    learned = torch.tensor(labels.astype(np.float32), requires_grad=True)
    with pytest.raises(ValueError, match="labels is a Tensor that NumPy cannot read"):
        ENTRIES[name](scores, learned)


@pytest.mark.parametrize("size", [0, 1, N - 1, N + 1])
def test_there_is_one_quality_for_each_pair(size, rng, unchecked):
    scores, labels = pairs(rng, N, 30)
    for options in ({}, {"counted": "all"}):
        with pytest.raises(
            ValueError, match=rf"got qualities with the shape \({size},"
        ):
            discard_curve(scores, labels, np.zeros(size), threshold=0.1, **options)


def test_no_pairs_have_no_error(rng):
    scores, labels = pairs(rng, N, 30)
    nothing, counts = np.zeros(0), np.zeros(N, int)
    for measure in (
        verification.equal_error,
        verification.roc,
        partial(verification.fnmr_at_fmr, fmr=0.1),
        partial(verification.fmr_at_fnmr, fnmr=0.1),
        lambda x, y: discard_curve(x, y, x, threshold=0.1),
    ):
        with pytest.raises(ValueError, match="at least one pair, got none"):
            measure(nothing, nothing.astype(bool))
    with pytest.raises(ValueError, match="got 40 that all count 0 times"):
        verification.equal_error(scores, labels, counts=counts)
    with pytest.raises(ValueError, match="got 40 that all count 0 times"):
        discard_curve(scores, labels, scores, threshold=0.1, counts=counts)


def test_thresholds_are_compared_in_double_precision(unchecked):
    scores, labels = np.array([0.5, 0.5 - 1e-12, 0.1]), np.array([True, True, False])
    single = jnp.float32(0.5)
    point = verification.operating_point(scores, labels, threshold=single)
    assert (point.fnmr, point.threshold) == (0.5, 0.5)
    assert error_curves(scores[:, None], labels, threshold=single).fnmr == 0.5
    curve = discard_curve(scores, labels, np.ones(3), threshold=single)
    assert curve.error == 0.5


@pytest.mark.parametrize("name", TAKING_SCORES)
def test_labels_in_the_place_of_scores_are_noticed(name, rng, unchecked):
    scores, labels = pairs(rng, N, 30)
    with pytest.raises(ValueError, match="exchanged with the labels"):
        ENTRIES[name](labels, scores)
    for wrong in (scores.astype(complex), scores.astype(str)):
        with pytest.raises(ValueError, match="are finite numbers, got"):
            ENTRIES[name](wrong, labels)


def test_a_threshold_or_a_rate_that_is_no_number_is_refused(rng):
    scores, labels = pairs(rng, N, 30)
    with pytest.raises(ValueError, match="threshold must be a number"):
        verification.operating_point(scores, labels, threshold=np.nan)
    with pytest.raises(ValueError, match="threshold must be a number"):
        error_curves(scores[:, None], labels, threshold=np.nan)
    with pytest.raises(ValueError, match="threshold must be a number"):
        discard_curve(scores, labels, scores, threshold=np.nan)
    for rate in (np.nan, -0.1, 1.1):
        with pytest.raises(ValueError, match="a share must be in"):
            verification.fnmr_at_fmr(scores, labels, fmr=rate)
        with pytest.raises(ValueError, match="a share must be in"):
            verification.fmr_at_fnmr(scores, labels, fnmr=rate)


@pytest.mark.parametrize("wrong", [-1, 0.5])
def test_folds_groups_and_persons_are_numbers_from_0(wrong, rng, unchecked):
    scores, labels = pairs(rng, N, 30)
    odd = FOLDS.astype(type(wrong))
    odd[3] = wrong
    with pytest.raises(ValueError, match="folds are whole numbers from 0"):
        kfold_accuracy(scores, labels, odd)
    with pytest.raises(ValueError, match="counts are whole numbers from 0"):
        verification.equal_error(scores, labels, counts=odd)
    with pytest.raises(ValueError, match="counts are whole numbers from 0"):
        discard_curve(scores, labels, scores, threshold=0.1, counts=odd)
    influence, persons = scores[:, None], np.stack([FOLDS, FOLDS], axis=1)
    options = {"group_count": 4, "seed": 0, "resamples": 2}
    with pytest.raises(ValueError, match="groups are whole numbers from 0"):
        group_influence(influence, persons, odd, **options)
    with pytest.raises(ValueError, match="persons are whole numbers from 0"):
        group_influence(influence, np.stack([FOLDS, odd], axis=1), FOLDS, **options)
    with pytest.raises(ValueError, match=r"from 0 to 3, got 4"):
        group_influence(influence, persons, FOLDS + 1, **options)


def test_qualities_that_are_not_finite_are_refused(rng):
    scores, labels = pairs(rng, N, 30)
    odd = np.where(np.arange(N) == 5, np.nan, scores)
    with pytest.raises(ValueError, match="qualities are finite numbers"):
        discard_curve(scores, labels, odd, threshold=0.1)
    with pytest.raises(ValueError, match="qualities are finite numbers"):
        pair_quality(scores, odd)


@pytest.mark.parametrize("total", [1, 3, 7, 20, 100, 1000, 3000])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_shares_of_whole_numbers_are_those_numbers(total, dtype):
    for k in range(total + 1):
        assert whole_count(dtype(k / total), total) == k
        between = Fraction(2 * k + 1, 2 * total)
        if between <= 1:
            assert whole_count(dtype(float(between)), total) == int(between * total)


def test_shares_that_arithmetic_has_rounded_are_whole(rng):
    assert whole_count(1 - 0.9, 10) == 1
    assert whole_count(0.1 * 3, 10) == 3
    for _ in range(200):
        total = int(rng.integers(2, 10**6))
        k = int(rng.integers(1, total))
        assert whole_count(1 - (total - k) / total, total) in (k - 1, k)
        assert whole_count(k / total, total) == k


@pytest.mark.parametrize("n", [7, 20, 1000])
def test_operating_points_at_exact_shares_allow_exactly_so_many(n):
    """Impostors of falling score: at k/n the k highest may be accepted."""
    scores = np.append(np.arange(n)[::-1] / n, 0.0)
    genuine = np.append(np.zeros(n, bool), True)
    for k in range(0, n, max(1, n // 50)):
        point = verification.fnmr_at_fmr(scores, genuine, fmr=k / n)
        assert round(point.fmr * n) == k
        point = verification.fmr_at_fnmr(-scores, ~genuine, fnmr=k / n)
        assert round(point.fnmr * n) == k
