"""Accuracy over folds, as verification is reported on Labeled Faces in the Wild."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Bool, Float, Int

from fxai_jax.array_types import result
from fxai_jax.metrics.labels import Labels, Scores, as_indices, as_labels, as_scores


@result
class FoldAccuracy(NamedTuple):
    """Accuracy on each fold with a threshold from the other folds."""

    mean: float
    """Mean accuracy of the folds, in [0, 1]."""

    standard_error: float
    """Standard error of the mean, non-negative."""

    accuracy: Float[np.ndarray, " k"]
    """Accuracy on each fold, in [0, 1]; 0 for a fold without pairs, which the mean
    leaves out."""

    threshold: Float[np.ndarray, " k"]
    """The threshold applied to each fold."""


def kfold_accuracy(
    scores: Scores, genuine: Labels, folds: Int[Array | np.ndarray, " n"]
) -> FoldAccuracy:
    """Verification accuracy with thresholds that the judged pairs did not choose.

    Each fold is judged at the threshold that decides most pairs of the other folds
    correctly. The candidates are the scores of those, in descending order; the first
    best is taken. ``standard_error = s / sqrt(k)`` with the unbiased deviation s.

    Args:
        scores: Scores with shape (n,), finite.
        genuine: Labels with shape (n,), true for genuine pairs.
        folds: Fold of each pair with shape (n,), from 0; at least 2 of them. For pairs
            without folds of their own, ``np.arange(n) * k // n`` cuts the list into k
            stretches; shuffle it first if it is sorted by label.

    Returns:
        Mean, standard error, and the accuracy and threshold of each fold.

    Raises:
        ValueError: If there are fewer than 2 folds, a score is not finite, a label is
            neither true nor false, or a fold no number from 0.

    Example:
        >>> pairs = np.array([0.9, 0.1] * 4), np.array([True, False] * 4)
        >>> kfold_accuracy(*pairs, np.arange(8) // 2).mean
        1.0

    Differs from the paper in:
        Thresholds are scores; scripts in use try a fixed grid of distances.

    References:
        Huang et al.: Labeled Faces in the Wild, University of Massachusetts,
        Technical Report 07-49, 2007.
    """
    exact = as_scores(scores)
    labels = as_labels(genuine, exact.size)
    fold = as_indices(folds, exact.size, "folds")
    sizes = np.bincount(fold)
    if np.count_nonzero(sizes) < 2:
        raise ValueError(
            f"accuracy over folds needs at least 2 folds, got {np.unique(fold).size}"
        )
    accuracy, chosen = np.zeros(sizes.size), np.zeros(sizes.size)
    for k in range(sizes.size):
        inside = fold == k
        chosen[k] = _best_threshold(exact[~inside], labels[~inside])
        right = np.sum((exact[inside] >= chosen[k]) == labels[inside])
        accuracy[k] = right / max(sizes[k], 1)
    filled = accuracy[sizes > 0]
    error = filled.std(ddof=1) / np.sqrt(filled.size)
    return FoldAccuracy(float(filled.mean()), float(error), accuracy, chosen)


def _best_threshold(
    scores: Float[np.ndarray, " m"], genuine: Bool[np.ndarray, " m"]
) -> float:
    order = np.argsort(-scores, kind="stable")
    ranked, gain = scores[order], np.cumsum(np.where(genuine[order], 1, -1))
    # Tied scores are accepted together, so the last of them stands for all.
    last = np.searchsorted(-ranked, -ranked, side="right") - 1
    return ranked[np.argmax(gain[last])]
