"""How well scores tell genuine from impostor pairs: error rates.

A pair is accepted if its score is at least the threshold. FMR is the share of impostor
pairs that are accepted, FNMR the share of genuine pairs that are not. Scores are finite
numbers on the host, one for each of n pairs and higher for pairs that look more alike;
labels are true for genuine pairs. Labels of other types are taken where all are exactly
0 or 1; all else, and scores that are not finite, is a ValueError. Everything is
computed in float64 and counted in 64-bit integers, so that tied scores and tied error
rates are resolved exactly. If one kind of pair is missing, its error rate is 0 and no
result is NaN; `check_labels` refuses such labels where they enter.

Where a function takes `counts`, pair i stands for `counts[i]` pairs, as in a resample
of `fxai_jax.metrics.resampling.bootstrap`; without them for one.

References:
    ISO/IEC 19795-1: Biometric performance testing and reporting.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from fxai_jax.array_types import result
from fxai_jax.inputs import as_read
from fxai_jax.metrics.labels import (
    Counts,
    Labels,
    Scores,
    as_counts,
    as_labels,
    as_scores,
    as_threshold,
    whole_count,
)


@result
class Roc(NamedTuple):
    """Error rates at every threshold, from rejecting all pairs to accepting all."""

    threshold: Float[np.ndarray, " n+1"]
    """Infinity, then the scores in descending order; ties are repeated."""

    fmr: Float[np.ndarray, " n+1"]
    """False match rate in [0, 1], ascending from 0."""

    fnmr: Float[np.ndarray, " n+1"]
    """False non-match rate in [0, 1], descending from 1."""


@result
class EqualError(NamedTuple):
    """Where the two error rates meet."""

    rate: float
    """Mean of FMR and FNMR at the threshold, in [0, 1]."""

    threshold: float
    """The score at which the rates differ least; of several the highest."""


@result
class OperatingPoint(NamedTuple):
    """The error rates at one threshold."""

    threshold: float
    """Pairs with at least this score are accepted; infinity accepts none."""

    fmr: float
    """False match rate (FAR) in [0, 1]."""

    fnmr: float
    """False non-match rate (FRR) in [0, 1]."""

    tar: float
    """True accept rate in [0, 1], ``1 - fnmr``."""


def check_labels(genuine: Labels) -> None:
    """Refuses labels without which error rates have no meaning.

    Args:
        genuine: Labels with shape (n,).

    Raises:
        ValueError: If there is no genuine or no impostor pair, or something that is
            no label.

    Example:
        >>> check_labels(np.array([True, False]))
    """
    total = np.size(as_read(genuine, "labels"))
    matches = int(as_labels(genuine, total).sum())
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
        scores: Scores with shape (n,).
        genuine: Labels with shape (n,).

    Returns:
        The curve with n + 1 points.

    Example:
        >>> roc(np.array([0.9, 0.1]), np.array([True, False])).fnmr.tolist()
        [1.0, 0.0, 0.0]
    """
    swept = _sweep(scores, genuine)
    return Roc(
        np.concatenate([[np.inf], swept.threshold]),
        np.concatenate([[0.0], swept.false_matches / swept.impostors]),
        np.concatenate([[1.0], swept.false_nonmatches / swept.matches]),
    )


def equal_error(
    scores: Scores, genuine: Labels, *, counts: Counts | None = None
) -> EqualError:
    """Equal error rate and its threshold.

    The candidates are the scores in descending order; the first that minimises
    ``|FMR - FNMR|`` is taken.

    Args:
        scores: Scores with shape (n,).
        genuine: Labels with shape (n,).
        counts: How many pairs each stands for, with shape (n,).

    Returns:
        Rate and threshold.

    Raises:
        ValueError: If there is no pair, or none counts.

    Example:
        >>> genuine = np.array([True, True, False])
        >>> equal_error(np.array([0.75, 0.5, 0.25]), genuine)
        EqualError(rate=0.0, threshold=0.5)
    """
    swept = _sweep(scores, genuine, counts)
    # |a / x - b / y| as |a y - b x|: with equally many pairs of both kinds exact ties
    # are the rule, and rounding the rates would break them.
    gap = swept.false_matches * swept.matches - swept.false_nonmatches * swept.impostors
    best = int(np.argmin(np.abs(gap)))
    fmr = swept.false_matches[best] / swept.impostors
    fnmr = swept.false_nonmatches[best] / swept.matches
    return EqualError(float(fmr + fnmr) / 2, float(swept.threshold[best]))


def operating_point(
    scores: Scores, genuine: Labels, *, threshold: float
) -> OperatingPoint:
    """Both error rates at a threshold.

    Args:
        scores: Scores with shape (n,).
        genuine: Labels with shape (n,).
        threshold: Smallest score that is accepted.

    Returns:
        The threshold and its rates.

    Raises:
        ValueError: If the threshold is NaN.

    Example:
        >>> pairs = np.array([0.9, 0.1]), np.array([True, False])
        >>> operating_point(*pairs, threshold=0.95).fnmr
        1.0
    """
    limit, exact = as_threshold(threshold), as_scores(scores)
    accepted, labels = exact >= limit, as_labels(genuine, exact.size)
    fmr = np.sum(accepted & ~labels) / max(np.sum(~labels), 1)
    fnmr = np.sum(~accepted & labels) / max(np.sum(labels), 1)
    return OperatingPoint(limit, float(fmr), float(fnmr), float(1 - fnmr))


def fnmr_at_fmr(scores: Scores, genuine: Labels, *, fmr: float) -> OperatingPoint:
    """FNMR at a fixed FMR; its `tar` is the TAR at a fixed FAR.

    The threshold is the lowest score whose FMR is at most `fmr`, up to the rounding of
    that number, and infinity if there is none. Nothing is interpolated.

    Args:
        scores: Scores with shape (n,).
        genuine: Labels with shape (n,).
        fmr: Largest false match rate, in [0, 1]. With fewer than ``1 / fmr`` impostor
            pairs it asks for no false match at all.

    Returns:
        The operating point that was reached, with its actual FMR.

    Example:
        >>> genuine = np.array([True, False, True, False])
        >>> fnmr_at_fmr(np.array([0.9, 0.8, 0.7, 0.1]), genuine, fmr=1e-3).fnmr
        0.5
    """
    swept = _sweep(scores, genuine)
    allowed = swept.false_matches <= whole_count(fmr, swept.impostors)
    lowest = swept.threshold[allowed].min(initial=np.inf)
    return operating_point(scores, genuine, threshold=lowest)


def fmr_at_fnmr(scores: Scores, genuine: Labels, *, fnmr: float) -> OperatingPoint:
    """FMR at a fixed FNMR, such as the starting error of an error-discard curve.

    The threshold is the highest score whose FNMR is at most `fnmr`, up to the rounding
    of that number. Nothing is interpolated.

    Args:
        scores: Scores with shape (n,).
        genuine: Labels with shape (n,).
        fnmr: Largest false non-match rate, in [0, 1).

    Returns:
        The operating point that was reached, with its actual FNMR.

    Example:
        >>> genuine = np.array([True, False, True, False])
        >>> fmr_at_fnmr(np.array([0.9, 0.8, 0.7, 0.1]), genuine, fnmr=0.05).fmr
        0.5
    """
    swept = _sweep(scores, genuine)
    allowed = swept.false_nonmatches <= whole_count(fnmr, swept.matches)
    highest = swept.threshold[allowed].max(initial=-np.inf)
    return operating_point(scores, genuine, threshold=highest)


class _Sweep(NamedTuple):
    threshold: Float[np.ndarray, " n"]
    false_matches: Counts
    false_nonmatches: Counts
    matches: int  # at least 1, so that rates of a missing kind are 0
    impostors: int


def _sweep(scores: Scores, genuine: Labels, counts: Counts | None = None) -> _Sweep:
    exact = as_scores(scores)
    labels = as_labels(genuine, exact.size)
    # Stable, so that scores which are sorted already take linear time.
    order = np.argsort(-exact, kind="stable")
    threshold, times = exact[order], as_counts(counts, exact.size)[order]
    matches = np.where(labels[order], times, 0)
    # The last of each group of ties stands for all of it.
    last = np.searchsorted(-threshold, -threshold, side="right") - 1
    accepted, accepted_matches = (np.cumsum(x)[last] for x in (times, matches))
    total = int(matches.sum())
    return _Sweep(
        threshold,
        accepted - accepted_matches,
        total - accepted_matches,
        max(total, 1),
        max(int(times.sum()) - total, 1),
    )
