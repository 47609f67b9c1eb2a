"""Whether a quality tells which comparisons fail: error-discard curves.

The pairs of lowest quality are discarded, more and more of them, and the error of the
rest is watched at a threshold that stays. A useful quality makes it fall. Pairs of
equal quality go together or not at all, so the curve is a staircase that does not
depend on the order of the pairs, and its area is the exact area of the staircase.

Everything is on the host, in float64 and 64-bit integers: a fraction of whole counts is
the nearest number to it, and so compares equal to the same fraction in decimals.

References:
    Grother and Tabassi: Performance of Biometric Quality Measures, TPAMI 2007.
    Schlett, Rathgeb, Tapia, Busch: Considerations on the Evaluation of Biometric
    Quality Assessment Algorithms, TBIOM 2023.
"""

from typing import Literal, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Num

from fxai_jax.array_types import result
from fxai_jax.metrics.labels import (
    Counts,
    Labels,
    Scores,
    as_counts,
    as_finite,
    as_labels,
    as_scores,
    as_threshold,
)

Counted = Literal["genuine", "all"]


@result
class DiscardCurve(NamedTuple):
    """A staircase with a step for each quality at which something can be discarded."""

    fraction: Float[np.ndarray, " s"]
    """Discarded fraction at which each step begins, in [0, 1), ascending from 0. The
    last step ends at 1."""

    error: Float[np.ndarray, " s"]
    """FNMR of the pairs that are left, in [0, 1]; 0 if no genuine pair is."""

    left: Int[np.ndarray, " s"]
    """Genuine pairs that are left, descending."""


def pair_quality(
    probe: Float[Array | np.ndarray, "*n"], gallery: Float[Array | np.ndarray, "*n"]
) -> Float[np.ndarray, "*n"]:
    """Quality of a comparison: that of the worse image.

    Args:
        probe: Qualities of any shape, higher is better.
        gallery: Qualities of the same shape, on the same scale.

    Returns:
        The smaller quality of each pair.

    Raises:
        ValueError: If a quality is not finite, or the shapes differ.

    Example:
        >>> pair_quality(np.array([0.5, 0.25]), np.array([0.75, 0.0])).tolist()
        [0.5, 0.0]

    References:
        Grother and Tabassi, TPAMI 2007.
    """
    first, second = (as_finite(side, "qualities") for side in (probe, gallery))
    if first.shape != second.shape:
        raise ValueError(
            f"qualities of probes have the shape {first.shape} and those of gallery "
            f"images {second.shape}, expected one shape"
        )
    return np.minimum(first, second)


def discard_curve(
    scores: Scores,
    genuine: Labels,
    quality: Scores,
    *,
    threshold: float,
    counted: Counted = "genuine",
    counts: Counts | None = None,
) -> DiscardCurve:
    """FNMR against the fraction of discarded pairs.

    At the fraction f the cut is the highest quality with at most ``f m`` of the m
    counted pairs below it, and ``error = FNMR of the pairs with quality >= cut``. The
    best pairs are never discarded.

    Args:
        scores: Similarities with shape (n,), finite.
        genuine: Labels with shape (n,).
        quality: Quality of each pair with shape (n,), finite, higher is better.
        threshold: Smallest score that is accepted, found on all pairs and kept. Of
            `fxai_jax.metrics.verification`, `fnmr_at_fmr` gives the one of a false
            match rate, usually 1e-3, and `fmr_at_fnmr` the one at which the curve
            starts with a chosen error, such as 0.05.
        counted: Pairs of which f is a fraction: "genuine", or "all" pairs of the
            protocol, as when a system rejects images before it knows the label.
        counts: How many pairs each stands for, as in a resample of
            `fxai_jax.metrics.resampling.bootstrap`.

    Returns:
        The curve.

    Raises:
        ValueError: If `counted` is neither, a label neither true nor false, a score or
            quality not finite, the threshold NaN, there is no pair, or there is not one
            of each for every pair.

    Example:
        >>> scores, quality = np.array([0.1, 0.9]), np.array([0.2, 0.8])
        >>> genuine = np.array([True, True])
        >>> discard_curve(scores, genuine, quality, threshold=0.5).error.tolist()
        [0.5, 0.0]

    Differs from the paper in:
        Ties are kept together, and nothing is interpolated.

    References:
        Grother and Tabassi, TPAMI 2007; Schlett et al., TBIOM 2023.
    """
    if counted not in ("genuine", "all"):
        raise ValueError(f"counted must be 'genuine' or 'all', got {counted!r}")
    limit, exact = as_threshold(threshold), as_scores(scores)
    goodness = as_scores(quality, count=exact.size, what="qualities")
    labels = as_labels(genuine, exact.size)
    # Stable, so that pairs which are sorted by quality already take linear time.
    order = np.argsort(goodness, kind="stable")
    ranked, times = goodness[order], as_counts(counts, exact.size)[order]
    matches = np.where(labels[order], times, 0)
    failed = exact[order] < limit
    below = _before(matches if counted == "genuine" else times)
    total = max(int(below[-1]), 1)
    # Of the cuts between two qualities, the last at each number of discarded pairs.
    cuts = np.flatnonzero(np.diff(ranked, prepend=-np.inf) > 0)
    cuts = cuts[below[cuts] < total]
    cuts = cuts[np.append(np.diff(below[cuts]) > 0, True)]
    left = matches.sum() - _before(matches)[cuts]
    wrong = np.where(failed, matches, 0)
    errors = (wrong.sum() - _before(wrong)[cuts]) / np.maximum(left, 1)
    return DiscardCurve(below[cuts] / total, errors, left)


def error_at(
    curve: DiscardCurve, fractions: Num[Array | np.ndarray, " s"]
) -> Float[np.ndarray, " s"]:
    """The error at chosen fractions, to compare and to draw curves of several sets.

    Args:
        curve: Curve from `discard_curve`.
        fractions: Discarded fractions with shape (s,), in [0, 1], exact to four times
            the rounding of their own type: the float32 0.45 is 9 of 20.

    Returns:
        Errors with shape (s,), in [0, 1].

    Raises:
        ValueError: If a fraction is not in [0, 1].

    Example:
        >>> scores, quality = np.array([0.1, 0.9]), np.array([0.2, 0.8])
        >>> genuine = np.array([True, True])
        >>> curve = discard_curve(scores, genuine, quality, threshold=0.5)
        >>> error_at(curve, np.array([0.4, 0.5])).tolist()
        [0.5, 0.0]
    """
    given = np.asarray(fractions) + 0.0
    if not ((given >= 0) & (given <= 1)).all():
        raise ValueError(f"discarded fractions must be in [0, 1], got {given}")
    # A fraction reaches the step that it rounds to, as in `labels.whole_count`.
    reached = given.astype(np.float64) * (1 + 4 * float(jnp.finfo(given.dtype).eps))
    return curve.error[np.searchsorted(curve.fraction, reached, side="right") - 1]


def partial_area(curve: DiscardCurve, *, up_to: float = 1.0) -> float:
    """Area under the staircase from 0 to a discarded fraction.

    Args:
        curve: Curve from `discard_curve`.
        up_to: End of the area, in (0, 1]; usually 0.2, 0.3 or 1.

    Returns:
        The area in [0, up_to], lower is better; divided by `up_to` it is the mean
        error.

    Raises:
        ValueError: If the end is outside (0, 1].

    Example:
        >>> scores, quality = np.array([0.1, 0.9]), np.array([0.2, 0.8])
        >>> genuine = np.array([True, True])
        >>> partial_area(discard_curve(scores, genuine, quality, threshold=0.5))
        0.25

    References:
        Schlett et al., TBIOM 2023.
    """
    if not 0 < up_to <= 1:
        raise ValueError(f"the end of the area must be in (0, 1], got {up_to}")
    edges = np.append(np.minimum(curve.fraction, up_to), up_to)
    return float(np.sum(curve.error * np.diff(edges)))


def _before(counts: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n+1"]:
    return np.concatenate([[0], np.cumsum(counts)])
