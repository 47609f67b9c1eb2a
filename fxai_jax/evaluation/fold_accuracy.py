"""Accuracy over folds: of the list, of its shuffle, or as InsightFace prints it."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from fxai_jax.data.pairs import Pairs
from fxai_jax.evaluation.report import Row
from fxai_jax.evaluation.scores import Scores
from fxai_jax.metrics.folds import kfold_accuracy
from fxai_jax.metrics.insightface_folds import grid_folds, stretches

FOLDS = 10
"""Stretches into which a list without folds of its own is cut."""

Cosines = Float[np.ndarray, " n"]
Labels = Bool[np.ndarray, " n"]
Folds = Int[np.ndarray, " n"]
"""Parts of a list, from 0, that are judged at a threshold from the other parts."""


def own_folds(pairs: Pairs) -> Folds | None:
    """The folds in the column "fold" of a list; None where it has fewer than two."""
    names, fold = np.unique(pairs.groups.get("fold", []), return_inverse=True)
    return fold if names.size > 1 else None


def shuffled_folds(genuine: Labels, seed: int) -> Folds:
    """Folds of a list that has none: stretches of both kinds after a shuffle.

    `FOLDS` of them with equal shares of genuine pairs, as those of LFW; fewer where
    there are too few pairs of one kind to have one in each.

    Example:
        >>> shuffled_folds(np.array([True, False] * 3), 0).max().item()
        2
    """
    matches = int(genuine.sum())
    count = min(FOLDS, matches, genuine.size - matches)
    fold, rng = np.zeros(genuine.size, int), np.random.default_rng(seed)
    for kind in (True, False):
        places = rng.permutation(np.flatnonzero(genuine == kind))
        fold[places] = np.arange(places.size) * count // max(places.size, 1)
    return fold


def fold_cells(cosine: Cosines, genuine: Labels, folds: Folds) -> Row:
    """Accuracy over folds in per cent; nothing where there are fewer than two."""
    filled = np.unique(folds).size
    if filled < 2:
        return {}
    result = kfold_accuracy(cosine, genuine, folds)
    return {
        "accuracy": 100 * result.mean,
        "standard error": 100 * result.standard_error,
        "folds": filled,
    }


def fold_note(rows: Sequence[Row], scores: Scores) -> str:
    """Where the folds come from, and how they are judged."""
    if "folds" not in rows[0]:
        return "There are too few pairs of one kind for an accuracy over folds."
    if own_folds(scores.pairs) is not None:
        kind = "folds of the list"
    else:
        kind = "stretches of the shuffled list"
        if rows[0]["folds"] != FOLDS:
            kind += f", fewer than {FOLDS} because it is short"
    return (
        f"Accuracy: mean and standard error over {rows[0]['folds']} {kind}, each "
        "judged at the best threshold of the others, as on LFW; groups have as many "
        "folds as the table says."
    )


def print_as_insightface(row: Row, scores: Scores) -> str:
    """Puts what InsightFace's script prints into the row of all pairs; says how.

    Example:
        >>> from fxai_jax.data.pairs import open_pairs
        >>> from fxai_jax.data.samples import sample_pairs
        >>> listed = open_pairs(sample_pairs())
        >>> pairs, row = listed.take(np.tile([0, 29], 10)), {}
        >>> cosine = np.where(pairs.genuine, 0.5, 0.25)
        >>> _ = print_as_insightface(row, Scores(pairs, cosine, 0))
        >>> row["accuracy (InsightFace)"]
        '100.00 ± 0.00'
    """
    own = own_folds(scores.pairs)
    folds = stretches(len(scores.pairs)) if own is None else own
    found = grid_folds(scores.cosine, scores.pairs.genuine, folds)
    mean, deviation, tar, spread, far = (100 * number for number in found)
    row["accuracy (InsightFace)"] = f"{mean:.2f} ± {deviation:.2f}"
    row["TAR at 1e-3 (InsightFace)"] = f"{tar:.2f} ± {spread:.2f}"
    kind = "stretches in its order" if own is None else "folds of the list"
    return (
        f"InsightFace: as its script prints them, over {folds.max() + 1} {kind}; ± the "
        "deviation of the folds. Thresholds: on its grids of distances (.01, for TAR "
        f".001), from the other folds; the FAR that was reached: {far:.3f} %."
    )
