"""How well scores tell genuine from impostor pairs: error rates, accuracy.

A pair is accepted if its score is at least the threshold. FMR is the share of impostor
pairs that are accepted, FNMR the share of genuine pairs that are not. Every function
takes all n pairs at once and counts them in integers, so that tied scores and tied
error rates are resolved exactly. If one kind of pair is missing, its error rate is 0
and no result is NaN; `check_labels` refuses such labels where they enter.

References:
    ISO/IEC 19795-1: Biometric performance testing and reporting.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt32

from fxai_jax.array_types import Score

Scores = Float[Array | np.ndarray, " n"]
"""One finite similarity per pair, higher for pairs that look more alike."""

Labels = Bool[Array | np.ndarray, " n"]
"""One label per pair, true for genuine pairs."""


class Roc(NamedTuple):
    """Error rates at every threshold, from rejecting all pairs to accepting all."""

    threshold: Float[Array, " n+1"]
    """Infinity, then the scores in descending order; ties are repeated."""

    fmr: Float[Array, " n+1"]
    """False match rate in [0, 1], ascending from 0."""

    fnmr: Float[Array, " n+1"]
    """False non-match rate in [0, 1], descending from 1."""


class EqualError(NamedTuple):
    """Where the two error rates meet."""

    rate: Score
    """Mean of FMR and FNMR at the threshold, in [0, 1]."""

    threshold: Score
    """The score at which the rates differ least; of several the highest."""


class OperatingPoint(NamedTuple):
    """The error rates at one threshold."""

    threshold: Score
    """Pairs with at least this score are accepted; infinity accepts none."""

    fmr: Score
    """False match rate (FAR) in [0, 1]."""

    fnmr: Score
    """False non-match rate (FRR) in [0, 1]."""

    tar: Score
    """True accept rate in [0, 1], ``1 - fnmr``."""


class FoldAccuracy(NamedTuple):
    """Accuracy on each fold with a threshold from the other folds."""

    mean: Score
    """Mean accuracy of the folds, in [0, 1]."""

    standard_error: Score
    """Standard error of the mean, non-negative."""

    accuracy: Float[Array, " k"]
    """Accuracy on each fold, in [0, 1]; 0 for a fold without pairs, which the mean
    leaves out."""

    threshold: Float[Array, " k"]
    """The threshold applied to each fold."""


def check_labels(genuine: Labels) -> None:
    """Refuses labels without which error rates have no meaning.

    Args:
        genuine: Concrete labels with shape (n,), true for genuine pairs.

    Raises:
        ValueError: If there is no genuine or no impostor pair.

    Example:
        >>> check_labels(np.array([True, False]))
    """
    total, matches = genuine.shape[0], int(np.sum(np.asarray(genuine)))
    if 0 < matches < total:
        return
    raise ValueError(
        f"found {matches} genuine and {total - matches} impostor pairs, expected both "
        "kinds; add pairs of the missing kind, or look whether the label column is the "
        "right one"
    )


def roc(scores: Scores, genuine: Labels) -> Roc:
    """Both error rates at every score.

    Args:
        scores: Scores with shape (n,), finite.
        genuine: Labels with shape (n,).

    Returns:
        The curve with n + 1 points.

    Example:
        >>> roc(jnp.array([0.9, 0.1]), jnp.array([True, False])).fnmr.tolist()
        [1.0, 0.0, 0.0]
    """
    threshold, false_matches, false_nonmatches = _sweep(scores, genuine)
    matches, impostors = _class_sizes(genuine)
    return Roc(
        jnp.concatenate([jnp.full(1, jnp.inf, threshold.dtype), threshold]),
        jnp.concatenate([jnp.zeros(1), false_matches / impostors]),
        jnp.concatenate([jnp.ones(1), false_nonmatches / matches]),
    )


def equal_error(scores: Scores, genuine: Labels) -> EqualError:
    """Equal error rate and its threshold.

    The candidates are the scores in descending order; the first that minimises
    ``|FMR - FNMR|`` is taken. The differences are compared as integers, because with
    equally many pairs of both kinds exact ties are the rule and rounding would break
    them.

    Args:
        scores: Scores with shape (n,), finite.
        genuine: Labels with shape (n,).

    Returns:
        Rate and threshold.

    Example:
        >>> genuine = jnp.array([True, True, False])
        >>> result = equal_error(jnp.array([0.75, 0.5, 0.25]), genuine)
        >>> float(result.rate), float(result.threshold)
        (0.0, 0.5)
    """
    threshold, false_matches, false_nonmatches = _sweep(scores, genuine)
    matches, impostors = _class_sizes(genuine)
    best = _first_least_gap(
        _wide_product(false_matches, matches),
        _wide_product(false_nonmatches, impostors),
    )
    fmr, fnmr = false_matches[best] / impostors, false_nonmatches[best] / matches
    return EqualError((fmr + fnmr) / 2, threshold[best])


def operating_point(
    scores: Scores, genuine: Labels, *, threshold: float | Score
) -> OperatingPoint:
    """Both error rates at a threshold.

    Args:
        scores: Scores with shape (n,), finite.
        genuine: Labels with shape (n,).
        threshold: Smallest score that is accepted; may be traced.

    Returns:
        The threshold and its rates.

    Example:
        >>> pairs = jnp.array([0.9, 0.1]), jnp.array([True, False])
        >>> float(operating_point(*pairs, threshold=0.95).fnmr)
        1.0
    """
    accepted = jnp.asarray(scores) >= threshold
    matches, impostors = _class_sizes(genuine)
    fmr = jnp.sum(accepted & ~jnp.asarray(genuine)) / impostors
    fnmr = jnp.sum(~accepted & jnp.asarray(genuine)) / matches
    return OperatingPoint(
        jnp.asarray(threshold, jnp.asarray(scores).dtype), fmr, fnmr, 1 - fnmr
    )


def fnmr_at_fmr(
    scores: Scores, genuine: Labels, *, fmr: float | Score
) -> OperatingPoint:
    """FNMR at a fixed FMR; its `tar` is the TAR at a fixed FAR.

    The threshold is the lowest score whose FMR is at most `fmr`, up to one part in a
    million, and infinity if there is none. Nothing is interpolated.

    Args:
        scores: Scores with shape (n,), finite.
        genuine: Labels with shape (n,).
        fmr: Largest false match rate, in [0, 1]; may be traced. With fewer than
            ``1 / fmr`` impostor pairs it asks for no false match at all.

    Returns:
        The operating point that was reached, with its actual FMR.

    Example:
        >>> genuine = jnp.array([True, False, True, False])
        >>> point = fnmr_at_fmr(jnp.array([0.9, 0.8, 0.7, 0.1]), genuine, fmr=1e-3)
        >>> float(point.fnmr)
        0.5
    """
    threshold, false_matches, _ = _sweep(scores, genuine)
    allowed = _whole_count(fmr, _class_sizes(genuine)[1])
    lowest = jnp.min(jnp.where(false_matches <= allowed, threshold, jnp.inf))
    return operating_point(scores, genuine, threshold=lowest)


def fmr_at_fnmr(
    scores: Scores, genuine: Labels, *, fnmr: float | Score
) -> OperatingPoint:
    """FMR at a fixed FNMR, such as the starting error of an error-discard curve.

    The threshold is the highest score whose FNMR is at most `fnmr`, up to one part in
    a million. Nothing is interpolated.

    Args:
        scores: Scores with shape (n,), finite.
        genuine: Labels with shape (n,).
        fnmr: Largest false non-match rate, in [0, 1); may be traced.

    Returns:
        The operating point that was reached, with its actual FNMR.

    Example:
        >>> genuine = jnp.array([True, False, True, False])
        >>> point = fmr_at_fnmr(jnp.array([0.9, 0.8, 0.7, 0.1]), genuine, fnmr=0.05)
        >>> float(point.fmr)
        0.5
    """
    threshold, _, false_nonmatches = _sweep(scores, genuine)
    allowed = _whole_count(fnmr, _class_sizes(genuine)[0])
    highest = jnp.max(jnp.where(false_nonmatches <= allowed, threshold, -jnp.inf))
    return operating_point(scores, genuine, threshold=highest)


def kfold_accuracy(
    scores: Scores,
    genuine: Labels,
    folds: Int[Array | np.ndarray, " n"],
    *,
    count: int = 10,
) -> FoldAccuracy:
    """Verification accuracy as it is reported for LFW.

    Each fold is judged at the threshold that decides most pairs of the other folds
    correctly. The candidates are the scores of those, in descending order; the first
    best is taken. ``standard_error = s / sqrt(k)`` with the unbiased deviation s.

    Args:
        scores: Scores with shape (n,), finite.
        genuine: Labels with shape (n,).
        folds: Fold of each pair with shape (n,), 0 to ``count - 1``. For pairs
            without folds of their own, ``jnp.arange(n) * count // n`` cuts the list
            into stretches; shuffle it first if it is sorted by label.
        count: Number of folds k, at least 2.

    Returns:
        Mean, standard error, and the accuracy and threshold of each fold.

    Raises:
        ValueError: If there are fewer than 2 folds.

    Example:
        >>> pairs = jnp.array([0.9, 0.1] * 4), jnp.array([True, False] * 4)
        >>> float(kfold_accuracy(*pairs, jnp.arange(8) // 2, count=4).mean)
        1.0

    Differs from the paper in:
        Thresholds are scores; scripts in use try a fixed grid of distances.

    References:
        Huang et al.: Labeled Faces in the Wild, University of Massachusetts,
        Technical Report 07-49, 2007.
    """
    if count < 2:
        raise ValueError(f"accuracy over folds needs at least 2 folds, got {count}")
    scores, genuine, folds = (jnp.asarray(x) for x in (scores, genuine, folds))
    order, threshold, last = _descending(scores)
    gain = jnp.where(genuine, 1, -1)[order]

    def one_fold(fold: Int[Array, ""]) -> tuple[Score, Score, Int[Array, ""]]:
        others = folds[order] != fold
        net_gain = jnp.cumsum(jnp.where(others, gain, 0))[last]
        lowest = -scores.shape[0] - 1
        chosen = threshold[jnp.argmax(jnp.where(others, net_gain, lowest))]
        inside = folds == fold
        size = jnp.sum(inside)
        right = jnp.sum(inside & ((scores >= chosen) == genuine))
        return right / jnp.maximum(size, 1), chosen, size

    accuracy, chosen, size = jax.vmap(one_fold)(jnp.arange(count, dtype=folds.dtype))
    mean, error = _mean_of_filled(accuracy, size > 0)
    return FoldAccuracy(mean, error, accuracy, chosen)


Counts = Int[Array, " n"]
Wide = tuple[UInt32[Array, " n"], UInt32[Array, " n"]]


def _class_sizes(genuine: Labels) -> tuple[Int[Array, ""], Int[Array, ""]]:
    matches = jnp.sum(jnp.asarray(genuine))
    impostors = jnp.sum(~jnp.asarray(genuine))
    return jnp.maximum(matches, 1), jnp.maximum(impostors, 1)


def _whole_count(rate: float | Score, size: Int[Array, ""]) -> Int[Array, ""]:
    # 0.001 of 3000 is 3, whatever the rounding of the product says.
    share = jnp.asarray(rate, jnp.float32) * size.astype(jnp.float32)
    return jnp.floor(share * (1 + 1e-6)).astype(size.dtype)


def _mean_of_filled(
    values: Float[Array, " k"], filled: Bool[Array, " k"]
) -> tuple[Score, Score]:
    number = jnp.sum(filled.astype(values.dtype))
    mean = jnp.sum(jnp.where(filled, values, 0.0)) / jnp.maximum(number, 1)
    squares = jnp.sum(jnp.where(filled, jnp.square(values - mean), 0.0))
    return mean, jnp.sqrt(squares / jnp.maximum(number * (number - 1), 1))


def _descending(scores: Scores) -> tuple[Counts, Float[Array, " n"], Counts]:
    # The last of each group of ties stands for all of it.
    order = jnp.argsort(jnp.asarray(scores), descending=True)
    threshold = jnp.asarray(scores)[order]
    last = jnp.searchsorted(-threshold, -threshold, side="right") - 1
    return order, threshold, last


def _sweep(
    scores: Scores, genuine: Labels
) -> tuple[Float[Array, " n"], Counts, Counts]:
    order, threshold, last = _descending(scores)
    labels = jnp.asarray(genuine)[order]
    accepted = jnp.cumsum(labels)[last]
    return threshold, last + 1 - accepted, jnp.sum(labels) - accepted


def _wide_product(x: Counts, y: Int[Array, ""]) -> Wide:
    # High and low 32 bits: without x64 there is no wider integer.
    x, y = x.astype(jnp.uint32), y.astype(jnp.uint32)
    half = jnp.uint32(0xFFFF)
    x1, x0, y1, y0 = x >> 16, x & half, y >> 16, y & half
    middle = ((x0 * y0) >> 16) + ((x0 * y1) & half) + ((x1 * y0) & half)
    high = x1 * y1 + ((x0 * y1) >> 16) + ((x1 * y0) >> 16) + (middle >> 16)
    return high, x * y


def _first_least_gap(x: Wide, y: Wide) -> Int[Array, ""]:
    below = (x[0] < y[0]) | ((x[0] == y[0]) & (x[1] < y[1]))
    top = [jnp.where(below, b, a) for a, b in zip(x, y, strict=True)]
    bottom = [jnp.where(below, a, b) for a, b in zip(x, y, strict=True)]
    borrow = (top[1] < bottom[1]).astype(jnp.uint32)
    high, low = top[0] - bottom[0] - borrow, top[1] - bottom[1]
    least = high == jnp.min(high)
    lowest = jnp.min(jnp.where(least, low, jnp.uint32(0xFFFFFFFF)))
    return jnp.argmax(least & (low == lowest))
