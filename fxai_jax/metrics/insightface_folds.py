"""Accuracy and TAR over folds as the script of InsightFace counts them.

Published figures of LFW, CFP-FP or AgeDB come from it or its ancestor in FaceNet. Pairs
are accepted below a squared distance of unit embeddings, ``2 - 2 cosine``; thresholds
stand on a grid and are chosen on the other folds; what follows a figure after ± is the
deviation of the folds, not the standard error of their mean.

References:
    github.com/deepinsight/insightface (166d743), recognition/arcface_torch/eval/
    verification.py: `calculate_roc` (accuracy), `calculate_val` (TAR), `evaluate` (the
    grids). It prints the accuracy of embeddings to which those of the mirror images are
    added.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Bool, Float, Int

from fxai_jax.array_types import result
from fxai_jax.metrics.labels import Labels, Scores, as_indices, as_labels, as_scores

ACCURACY_GRID = np.arange(0, 4, 0.01)
"""Squared distances that are tried for the accuracy, as `evaluate` there tries them."""

TAR_GRID = np.arange(0, 4, 0.001)
"""Squared distances between which the threshold of a false accept rate is sought."""


@result
class GridFolds(NamedTuple):
    """What the script prints; rates in [0, 1]."""

    accuracy: float
    """Mean accuracy of the folds."""

    accuracy_deviation: float
    """Deviation of the accuracies, divided by the number of folds."""

    tar: float
    """Mean true accept rate of the folds."""

    tar_deviation: float
    """Deviation of the true accept rates, divided by the number of folds."""

    far: float
    """Mean false accept rate that the folds came to."""


def stretches(count: int, *, folds: int = 10) -> Int[np.ndarray, " n"]:
    """Folds of pairs in their order, the first ones a pair longer where it must be.

    Args:
        count: Number of pairs.
        folds: Number of folds.

    Returns:
        Fold of each pair with shape (count,), from 0.

    Example:
        >>> stretches(5, folds=2).tolist()
        [0, 0, 0, 1, 1]
    """
    parts = np.array_split(np.arange(count), folds)
    return np.repeat(np.arange(folds), [part.size for part in parts])


def grid_folds(
    scores: Scores,
    genuine: Labels,
    folds: Int[Array | np.ndarray, " n"],
    *,
    far: float = 1e-3,
) -> GridFolds:
    """Accuracy, and TAR at a false accept rate, with thresholds on grids of distances.

    Args:
        scores: Cosines with shape (n,), finite.
        genuine: Labels with shape (n,), true for genuine pairs.
        folds: Fold of each pair with shape (n,), from 0, at least 2 of them;
            `stretches` are the script's.
        far: False accept rate on the other folds, in (0, 1], between whose two grid
            points the threshold is interpolated. Where they do not reach it nothing is
            accepted.

    Returns:
        Means and deviations over the folds.

    Raises:
        ValueError: If a fold has pairs of one kind only, whose rates would be 0 / 0;
            if there are fewer than 2 folds, a score is not finite, a label is neither
            true nor false, a fold no number from 0, or the rate outside (0, 1].

    Example:
        >>> pairs = np.array([0.9, 0.1] * 4), np.array([True, False] * 4)
        >>> grid_folds(*pairs, stretches(8, folds=2)).accuracy
        1.0

    Differs from the papers in:
        Where several grid points have the very false accept rate that is asked for,
        the largest distance is taken; the script leaves this to its version of SciPy.
    """
    if not 0 < far <= 1:
        raise ValueError(f"a false accept rate must be in (0, 1], got {far}")
    distance = 2 - 2 * as_scores(scores)
    labels = as_labels(genuine, distance.size)
    fold = as_indices(folds, distance.size, "folds")
    numbers = np.unique(fold)
    if numbers.size < 2:
        raise ValueError(
            f"accuracy over folds needs at least 2 folds, got {numbers.size}"
        )
    accuracies, tars, fars = [], [], []
    for number in numbers:
        inside = fold == number
        if labels[inside].all() or not labels[inside].any():
            raise ValueError(
                f"fold {number} has pairs of one kind only, expected both kinds in "
                "each; shuffle the list, or give it a column of folds"
            )
        chosen, at_far = _thresholds(distance[~inside], labels[~inside], far)
        judged = distance[inside]
        accuracies.append(np.mean((judged < chosen) == labels[inside]))
        tars.append(np.mean(judged[labels[inside]] < at_far))
        fars.append(np.mean(judged[~labels[inside]] < at_far))
    return GridFolds(
        float(np.mean(accuracies)),
        float(np.std(accuracies)),
        float(np.mean(tars)),
        float(np.std(tars)),
        float(np.mean(fars)),
    )


def _thresholds(
    distance: Float[np.ndarray, " m"], genuine: Bool[np.ndarray, " m"], far: float
) -> tuple[float, float]:
    """The best distance on the one grid, and that of `far` between two of the other."""
    matches, impostors = (np.sort(distance[genuine == kind]) for kind in (True, False))
    accepted, false = (np.searchsorted(x, ACCURACY_GRID) for x in (matches, impostors))
    best = ACCURACY_GRID[np.argmax(accepted - false)]
    reached = np.searchsorted(impostors, TAR_GRID) / impostors.size
    if reached.max() < far:
        return float(best), 0.0
    return float(best), float(np.interp(far, reached, TAR_GRID))
