"""Scores, labels and counts of pairs on the host, checked where they enter."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Num

Scores = Num[Array | np.ndarray, " n"]
"""One finite number per pair."""

Labels = Bool[Array | np.ndarray, " n"] | Num[Array | np.ndarray, " n"]
"""One label per pair, true or 1 for genuine pairs, false or 0 for impostor pairs."""

Counts = Int[np.ndarray, " n"]
"""How many pairs each stands for."""


def as_labels(genuine: Any, count: int) -> Bool[np.ndarray, " n"]:
    """Labels as bool; exact 0 and 1 of any type are taken.

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
    if not _is_number(labels.dtype) or not np.isin(labels, (0, 1)).all():
        odd = labels[~np.isin(labels, (0, 1))] if _is_number(labels.dtype) else labels
        raise ValueError(
            f"labels of pairs are true and false, or 1 and 0, got {odd.tolist()[0]!r}; "
            "compare yours with that of genuine pairs, as in labels == 1"
        )
    return labels.astype(bool)


def as_scores(scores: Any, *, what: str = "scores") -> Float[np.ndarray, " n"]:
    """One finite number per pair, in float64.

    Args:
        scores: Numbers with shape (n,), whole or not.
        what: What they are, for messages.

    Returns:
        The same numbers with shape (n,).

    Raises:
        ValueError: If they have another shape, are no numbers, or are not finite.

    Example:
        >>> as_scores(np.array([1, 0])).tolist()
        [1.0, 0.0]
    """
    values = np.asarray(scores)
    return as_finite(_one_for_each(values, values.shape[:1], what), what)


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
    given = np.asarray(values)
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
    given = np.asarray(values)
    expected = count if isinstance(count, tuple) else (count,)
    if given.ndim != 1 or given.shape != expected:
        raise ValueError(
            f"expected one entry for each of {expected[0] if expected else 0} pairs, "
            f"got {what} with the shape {given.shape}"
        )
    return given


def _found(values: np.ndarray) -> str:
    whole = np.issubdtype(values.dtype, np.integer)
    return f"{values.min()}" if whole else f"the type {values.dtype}"


def _is_number(dtype: np.dtype) -> bool:
    return jnp.issubdtype(dtype, jnp.floating) or jnp.issubdtype(dtype, jnp.integer)
