"""Whether a quality tells which comparisons fail: error-discard curves.

The pairs of lowest quality are discarded, more and more of them, and the error of the
rest is watched at a threshold that stays. A useful quality makes it fall. Pairs of
equal quality go together or not at all, so the curve is a staircase that does not
depend on the order of the pairs, and its area is the exact area of the staircase.

References:
    Grother and Tabassi: Performance of Biometric Quality Measures, TPAMI 2007.
    Schlett, Rathgeb, Tapia, Busch: Considerations on the Evaluation of Biometric
    Quality Assessment Algorithms, TBIOM 2023.
"""

from typing import Literal, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from fxai_jax.array_types import Score

PerPair = Float[Array | np.ndarray, " n"]
Counted = Literal["genuine", "all"]


class DiscardCurve(NamedTuple):
    """A staircase with n steps, some of them without width."""

    fraction: Float[Array, " n"]
    """Discarded fraction at which each step begins, in [0, 1], ascending from 0. The
    last step ends at 1."""

    error: Float[Array, " n"]
    """FNMR of the pairs that are left, in [0, 1]; 0 if no genuine pair is."""

    left: Int[Array, " n"]
    """Genuine pairs that are left, descending."""


def pair_quality(probe: PerPair, gallery: PerPair) -> Float[Array, " n"]:
    """Quality of a comparison: that of the worse image.

    Args:
        probe: Qualities with shape (n,), higher is better.
        gallery: Qualities with shape (n,), on the same scale.

    Returns:
        The smaller quality of each pair.

    Example:
        >>> pair_quality(jnp.array([0.5, 0.25]), jnp.array([0.75, 0.0])).tolist()
        [0.5, 0.0]

    References:
        Grother and Tabassi, TPAMI 2007.
    """
    return jnp.minimum(jnp.asarray(probe), jnp.asarray(gallery))


def discard_curve(
    scores: PerPair,
    genuine: Bool[Array | np.ndarray, " n"],
    quality: PerPair,
    *,
    threshold: float | Score,
    counted: Counted = "genuine",
) -> DiscardCurve:
    """FNMR against the fraction of discarded pairs.

    At the fraction f the cut is the highest quality with at most ``f m`` of the m
    counted pairs below it, and ``error = FNMR of the pairs with quality >= cut``. The
    best pairs are never discarded.

    Args:
        scores: Similarities with shape (n,), finite.
        genuine: Labels with shape (n,).
        quality: Quality of each pair with shape (n,), finite, higher is better.
        threshold: Smallest score that is accepted, found on all pairs and kept; may be
            traced. Of `fxai_jax.metrics.verification`, `fnmr_at_fmr` gives the one of
            a false match rate, usually 1e-3, and `fmr_at_fnmr` the one at which the
            curve starts with a chosen error, such as 0.05.
        counted: Pairs of which f is a fraction: "genuine", or "all" pairs of the
            protocol, as when a system rejects images before it knows the label.

    Returns:
        The curve. Under "genuine" the steps beyond the genuine pairs have no width.

    Raises:
        ValueError: If `counted` is neither.

    Example:
        >>> scores, quality = jnp.array([0.1, 0.9]), jnp.array([0.2, 0.8])
        >>> genuine = jnp.array([True, True])
        >>> discard_curve(scores, genuine, quality, threshold=0.5).error.tolist()
        [0.5, 0.0]

    Differs from the paper in:
        Ties are kept together, and nothing is interpolated.

    References:
        Grother and Tabassi, TPAMI 2007; Schlett et al., TBIOM 2023.
    """
    if counted not in ("genuine", "all"):
        raise ValueError(f"counted must be 'genuine' or 'all', got {counted!r}")
    scores, genuine, quality = (jnp.asarray(x) for x in (scores, genuine, quality))
    counts = genuine if counted == "genuine" else jnp.ones_like(genuine)
    total = jnp.maximum(jnp.sum(counts), 1)
    steps = jnp.arange(genuine.shape[0], dtype=total.dtype)
    ranked = jnp.sort(jnp.where(counts, quality, jnp.inf))
    cut = ranked[jnp.minimum(steps, total - 1)]
    left = _at_least(quality, genuine, cut)
    errors = _at_least(quality, genuine & (scores < threshold), cut)
    fraction = jnp.minimum(steps / total, 1.0)
    return DiscardCurve(fraction, errors / jnp.maximum(left, 1), left)


def error_at(
    curve: DiscardCurve, fractions: Float[Array | np.ndarray, " s"]
) -> Float[Array, " s"]:
    """The error at chosen fractions, to compare and to draw curves of several sets.

    Args:
        curve: Curve from `discard_curve`.
        fractions: Discarded fractions with shape (s,), in [0, 1].

    Returns:
        Errors with shape (s,), in [0, 1].

    Example:
        >>> scores, quality = jnp.array([0.1, 0.9]), jnp.array([0.2, 0.8])
        >>> genuine = jnp.array([True, True])
        >>> curve = discard_curve(scores, genuine, quality, threshold=0.5)
        >>> error_at(curve, jnp.array([0.4, 0.5])).tolist()
        [0.5, 0.0]
    """
    step = jnp.searchsorted(curve.fraction, jnp.asarray(fractions), side="right") - 1
    return curve.error[step]


def partial_area(curve: DiscardCurve, *, up_to: float | Score = 1.0) -> Score:
    """Area under the staircase from 0 to a discarded fraction.

    Args:
        curve: Curve from `discard_curve`.
        up_to: End of the area, in (0, 1]; usually 0.2, 0.3 or 1. May be traced.

    Returns:
        The area in [0, up_to], lower is better; divided by `up_to` it is the mean
        error.

    Example:
        >>> scores, quality = jnp.array([0.1, 0.9]), jnp.array([0.2, 0.8])
        >>> genuine = jnp.array([True, True])
        >>> curve = discard_curve(scores, genuine, quality, threshold=0.5)
        >>> float(partial_area(curve))
        0.25

    References:
        Schlett et al., TBIOM 2023.
    """
    end = jnp.asarray(up_to, curve.fraction.dtype)
    edges = jnp.append(jnp.minimum(curve.fraction, end), end)
    return jnp.sum(curve.error * jnp.diff(edges))


def _at_least(
    quality: Float[Array, " n"], marked: Bool[Array, " n"], cut: Float[Array, " n"]
) -> Int[Array, " n"]:
    kept = jnp.sort(jnp.where(marked, quality, -jnp.inf))
    return quality.shape[0] - jnp.searchsorted(kept, cut, side="left")
