"""Scores, labels and counts of pairs on the host, checked where they enter."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Num, Shaped

from fxai_jax.inputs import as_read

Scores = Num[Array | np.ndarray, " n"]
"""One finite number per pair."""

Labels = Bool[Array | np.ndarray, " n"] | Num[Array | np.ndarray, " n"]
"""One label per pair, true or 1 for genuine pairs, false or 0 for impostor pairs."""

Counts = Int[np.ndarray, " n"]
"""How many pairs each stands for."""


def as_labels(genuine: Any, count: int) -> Bool[np.ndarray, " n"]:
    """Labels as bool; exact 0 and 1 of any type are taken, and bool objects.

    Args:
        genuine: Labels with shape (n,).
        count: Number of pairs n.

    Returns:
        Labels with shape (n,).

    Raises:
        ValueError: If there is anything but true, false, 1 and 0, or not one for each.

    Example:
        >>> as_labels(np.array([1, 0], np.uint8), 2).tolist()
        [True, False]
    """
    labels = _one_for_each(genuine, count, "labels")
    if labels.dtype == bool:
        return labels
    if odd := _no_labels(labels):
        raise ValueError(
            f"labels of pairs are true and false, or 1 and 0, got {odd[0]!r}; "
            "compare yours with that of genuine pairs, as in labels == 1"
        )
    return labels.astype(bool)


def as_scores(
    scores: Any, *, count: int | None = None, what: str = "scores"
) -> Float[np.ndarray, " n"]:
    """One finite number per pair, in float64.

    Args:
        scores: Numbers with shape (n,), whole or not.
        count: Number of pairs n; None where these numbers tell it.
        what: What they are, for messages.

    Returns:
        The same numbers with shape (n,).

    Raises:
        ValueError: If they have another shape, are no numbers, or are not finite.

    Example:
        >>> as_scores(np.array([1, 0])).tolist()
        [1.0, 0.0]
    """
    values = _on_host(scores, what)
    expected = values.shape[:1] if count is None else count
    return as_finite(_one_for_each(values, expected, what), what)


def as_finite(values: Any, what: str) -> Float[np.ndarray, "*shape"]:
    """Finite numbers of any shape, in float64.

    Args:
        values: Numbers, whole or not.
        what: What they are, for messages.

    Returns:
        The same numbers.

    Raises:
        ValueError: If they are no numbers or not finite.

    Example:
        >>> as_finite(np.ones((2, 1), np.float16), "cosines").tolist()
        [[1.0], [1.0]]
    """
    given = _on_host(values, what)
    if not _is_number(given.dtype):
        hint = "; are they exchanged with the labels?" if given.dtype == bool else ""
        raise ValueError(f"{what} are finite numbers, got {given.dtype}{hint}")
    exact = given.astype(np.float64)
    if not np.isfinite(exact).all():
        bad = int(np.sum(~np.isfinite(exact)))
        raise ValueError(
            f"{what} are finite numbers, got {bad} that are NaN or infinite; leave "
            "these out"
        )
    return exact


def as_indices(values: Any, count: int, what: str) -> Int[np.ndarray, " n"]:
    """Whole numbers from 0, one for each pair.

    Args:
        values: Whole numbers with shape (n,), such as folds or counts.
        count: Number of pairs n.
        what: What they are, for messages.

    Returns:
        The same numbers with shape (n,).

    Raises:
        ValueError: If one is negative or no whole number, or there is not one for each.

    Example:
        >>> as_indices(np.array([1, 0], np.uint8), 2, "folds").tolist()
        [1, 0]
    """
    given = _one_for_each(values, count, what)
    if not np.issubdtype(given.dtype, np.integer) or (given < 0).any():
        raise ValueError(f"{what} are whole numbers from 0, got {_found(given)}")
    return given.astype(np.int64)


def as_counts(counts: Any, count: int) -> Int[np.ndarray, " n"]:
    """How many pairs each stands for, at least one in all.

    Args:
        counts: Whole numbers with shape (n,), or None for one each.
        count: Number of pairs n.

    Returns:
        The numbers with shape (n,).

    Raises:
        ValueError: If one is negative or no whole number, there is not one for each, or
            there is no pair.

    Example:
        >>> as_counts(None, 2).tolist()
        [1, 1]
    """
    given = np.ones(count, np.int64) if counts is None else counts
    times = as_indices(given, count, "counts")
    if not times.any():
        found = f"{count} that all count 0 times" if count else "none"
        raise ValueError(f"expected at least one pair, got {found}")
    return times


def as_threshold(limit: Any) -> float:
    """A threshold in float64, as scores are; infinity accepts nothing.

    Args:
        limit: One number of any type.

    Returns:
        The same number.

    Raises:
        ValueError: If it is NaN.

    Example:
        >>> as_threshold(np.float32(0.5))
        0.5
    """
    exact = float(limit)
    if np.isnan(exact):
        raise ValueError("a threshold must be a number, got NaN")
    return exact


def whole_count(
    share: float | np.floating | Float[Array | np.ndarray, ""], total: int
) -> int:
    """How many of a number a share is, a product that is whole to rounding being whole.

    Replaces ``floor(share * total)``, which makes 28 of 0.29 times 100, and of the
    float32 0.7 times 10 makes 6.

    Args:
        share: Share in [0, 1], exact to four times the rounding of its own type.
        total: Number of things, non-negative.

    Returns:
        The largest whole number that is at most ``share * total``.

    Raises:
        ValueError: If the share is not in [0, 1].

    Example:
        >>> whole_count(0.29, 100), whole_count(np.float32(0.7), 10)
        (29, 7)
    """
    if not 0 <= share <= 1:
        raise ValueError(f"a share must be in [0, 1], got {share}")
    exact = float(share) * total
    nearest = round(exact)
    rounding = 4 * float(jnp.finfo((np.asarray(share) + 0.0).dtype).eps)
    is_whole = abs(exact - nearest) <= rounding * exact
    return nearest if is_whole else int(exact)


def _one_for_each(
    values: Any, count: int | tuple[int, ...], what: str
) -> Num[np.ndarray, " n"] | Bool[np.ndarray, " n"]:
    given = _on_host(values, what)
    expected = count if isinstance(count, tuple) else (count,)
    if given.ndim != 1 or given.shape != expected:
        raise ValueError(
            f"expected one entry for each of {expected[0] if expected else 0} pairs, "
            f"got {what} with the shape {given.shape}"
        )
    return given


def _no_labels(labels: Shaped[np.ndarray, " n"]) -> list[Any]:
    if labels.dtype == object:  # a table's column
        return [x for x in labels if not isinstance(x, bool | np.bool_)]
    if _is_number(labels.dtype):
        labels = labels[~np.isin(labels, (0, 1))]
    return labels.tolist()


def _on_host(values: Any, what: str) -> Shaped[np.ndarray, "*shape"]:
    return np.asarray(as_read(values, what))


def _found(values: np.ndarray) -> str:
    whole = np.issubdtype(values.dtype, np.integer)
    return f"{values.min()}" if whole else f"the type {values.dtype}"


def _is_number(dtype: np.dtype) -> bool:
    return jnp.issubdtype(dtype, jnp.floating) or jnp.issubdtype(dtype, jnp.integer)
