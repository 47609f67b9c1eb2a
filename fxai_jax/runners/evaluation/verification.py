"""How well a network verifies: error rates of a list of pairs and of its groups."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from fxai_jax.data.pair_sets import PairSet
from fxai_jax.metrics.resampling import bootstrap
from fxai_jax.metrics.verification import (
    equal_error,
    fnmr_at_fmr,
    kfold_accuracy,
    roc,
)
from fxai_jax.runners.evaluation.scores import Scores, groups_of
from fxai_jax.runners.evaluation.tables import Estimate, Row

IMPOSTORS_NEEDED = {"1e-1": 10, "1e-2": 100, "1e-3": 1000, "1e-4": 10000}
"""False accept rates of the table, and how many impostor pairs resolve them."""

FOLDS = 10
"""Stretches into which a list without folds of its own is cut."""

BINS = 20
"""Columns of a histogram over the range of the cosines."""

Cosines = Float[np.ndarray, " n"]
Labels = Bool[np.ndarray, " n"]


class Folds(NamedTuple):
    """Parts of a list that are judged at a threshold from the other parts."""

    fold: Int[np.ndarray, " n"]
    """Fold of each pair, 0 to ``count - 1``."""

    count: int
    """Number of folds; below 2 there is no accuracy over folds."""


def own_folds(pairs: PairSet) -> Folds | None:
    """The folds that a list brings along.

    Args:
        pairs: Pairs, perhaps with a column "fold".

    Returns:
        The folds, or None where there is no such column or one fold in it.

    Example:
        >>> from fxai_jax.data.faces import sample_pairs
        >>> from fxai_jax.data.pair_sets import open_pairs
        >>> own_folds(open_pairs(sample_pairs())) is None
        True
    """
    names, fold = np.unique(pairs.groups.get("fold", []), return_inverse=True)
    return Folds(fold, names.size) if names.size > 1 else None


def shuffled_folds(genuine: Labels, seed: int) -> Folds:
    """Folds of a list that has none: stretches of both kinds after a shuffle.

    Args:
        genuine: Labels with shape (n,).
        seed: Start of the random numbers, non-negative.

    Returns:
        `FOLDS` folds with equal shares of genuine pairs, as those of LFW; fewer where
        there are too few pairs of one kind to have one in each.

    Example:
        >>> shuffled_folds(np.array([True, False] * 3), 0).count
        3
    """
    matches = int(genuine.sum())
    count = min(FOLDS, matches, genuine.size - matches)
    fold, rng = np.zeros(genuine.size, int), np.random.default_rng(seed)
    for kind in (True, False):
        places = rng.permutation(np.flatnonzero(genuine == kind))
        fold[places] = np.arange(places.size) * count // max(places.size, 1)
    return Folds(fold, count)


def verification_rows(
    scores: Scores, *, threshold: float | None = None, seed: int = 0
) -> list[Row]:
    """The table of a list: a row for each group, "all" first.

    Args:
        scores: Cosines of labelled pairs.
        threshold: Cosine whose accuracy is reported too, or None.
        seed: Start of the random numbers of the bootstrap and of shuffled folds.

    Returns:
        Rates in per cent; the threshold of equal errors is text. A row has the cells
        that its pairs define: with one kind of pair only counts and the accuracy at
        `threshold`.

    Example:
        >>> verification_rows(scores, threshold=0.45)  # doctest: +SKIP
    """
    folds, rows = own_folds(scores.pairs), []
    for group, members in groups_of(scores.pairs).items():
        cosine, genuine = scores.cosine[members], scores.pairs.genuine[members]
        matches = int(genuine.sum())
        row: Row = {"group": group, "pairs": genuine.size, "genuine": matches}
        row |= {"impostor": genuine.size - matches}
        if 0 < matches < genuine.size:
            inside = folds and folds._replace(fold=folds.fold[members])
            row |= _error_cells(cosine, genuine, seed)
            row |= _fold_cells(cosine, genuine, inside or shuffled_folds(genuine, seed))
        if threshold is not None:
            right = np.mean((cosine >= threshold) == genuine)
            row[f"accuracy at {threshold:.3f}"] = 100 * float(right)
        rows.append(row)
    return rows


def verification_columns(threshold: float | None = None) -> list[str]:
    """The columns of the table, those that stay empty on small lists among them.

    Args:
        threshold: As for `verification_rows`.

    Returns:
        Names.

    Example:
        >>> verification_columns(0.45)[-1]
        'accuracy at 0.450'
    """
    columns = ["group", "pairs", "genuine", "impostor", "EER", "at cosine"]
    columns += [f"TAR at {far}" for far in IMPOSTORS_NEEDED]
    columns += ["accuracy", "standard error", "folds"]
    return columns + ([] if threshold is None else [f"accuracy at {threshold:.3f}"])


def roc_stairs(
    cosine: Cosines, genuine: Labels
) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"]]:
    """The true accept rate that each false accept rate allows, to draw.

    Args:
        cosine: Cosines of pairs of both kinds, with shape (n,).
        genuine: Labels with shape (n,).

    Returns:
        FAR and TAR, ascending, in per cent; each TAR holds until the next FAR. The
        first FAR is 0 and stands at half a false match, for a logarithmic axis.

    Example:
        >>> far, tar = roc_stairs(np.array([0.9, 0.1]), np.array([True, False]))
        >>> far.tolist(), tar.tolist()
        ([50.0, 100.0], [100.0, 100.0])
    """
    curve = roc(cosine.astype(np.float32), genuine)
    fmr, fnmr = np.asarray(curve.fmr, float), np.asarray(curve.fnmr, float)
    rates, first = np.unique(fmr[::-1], return_index=True)
    tar = 1 - fnmr[::-1][first]
    rates[0] = 0.5 / np.sum(~genuine)
    return 100 * rates, 100 * tar


def histogram_stairs(
    cosine: Cosines, span: tuple[float, float]
) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"]]:
    """How often cosines occur, to draw as stairs.

    Args:
        cosine: Cosines of one kind of pair, with shape (n,).
        span: Smallest and largest cosine of the figure.

    Returns:
        Left ends of the columns and the share of the pairs in each, in per cent; the
        first and the last share are 0.

    Example:
        >>> ends, share = histogram_stairs(np.array([0.0, 1.0]), (0.0, 1.0))
        >>> share[1], share[-2]
        (np.float64(50.0), np.float64(50.0))
    """
    counts, ends = np.histogram(cosine, BINS, span)
    share = 100 * counts / max(cosine.size, 1)
    return np.concatenate([ends[:1], ends]), np.concatenate([[0.0], share, [0.0]])


def _error_cells(cosine: Cosines, genuine: Labels, seed: int) -> Row:
    scores = jnp.asarray(cosine, jnp.float32)
    found = equal_error(scores, genuine)
    interval = bootstrap(
        _equal_error_rate,
        jax.random.key(seed),
        scores,
        genuine,
        chunk_size=min(100, max(1, 10**6 // genuine.size)),
    )
    rates = (found.rate, interval.low, interval.high)
    cells: Row = {"EER": Estimate(*(100 * float(rate) for rate in rates))}
    cells["at cosine"] = f"{float(found.threshold):.3f}"
    for far, needed in IMPOSTORS_NEEDED.items():
        if np.sum(~genuine) >= needed:
            point = fnmr_at_fmr(scores, genuine, fmr=float(far))
            cells[f"TAR at {far}"] = 100 * float(point.tar)
    return cells


def _fold_cells(cosine: Cosines, genuine: Labels, folds: Folds) -> Row:
    filled = np.unique(folds.fold).size
    if filled < 2:
        return {}
    compiled = jax.jit(partial(kfold_accuracy, count=folds.count))
    result = compiled(cosine.astype(np.float32), genuine, folds.fold)
    return {
        "accuracy": 100 * float(result.mean),
        "standard error": 100 * float(result.standard_error),
        "folds": filled,
    }


def _equal_error_rate(
    scores: Float[Array, " n"], genuine: Bool[Array, " n"]
) -> Float[Array, ""]:
    return equal_error(scores, genuine).rate
