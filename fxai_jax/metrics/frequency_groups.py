"""Frequencies by group: do the same bands decide for everybody?

References:
    Huber, Damer: arXiv 2501.16896, the frequency explanations of
    `fxai_jax.methods.frequency` for groups of persons.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Num

from fxai_jax.array_types import result
from fxai_jax.metrics.labels import as_finite, as_indices
from fxai_jax.metrics.resampling import Interval, bootstrap


@result
class GroupInfluence(NamedTuple):
    """Mean influence of each band in each group of pairs, with intervals."""

    mean: Float[np.ndarray, "g b"]
    """Mean of the group's pairs; NaN for a group without pairs."""

    mean_interval: Interval
    """Bootstrap interval of the means, both ends with shape (g, b)."""

    difference: Float[np.ndarray, "g b"]
    """Mean of the group minus mean of all pairs."""

    difference_interval: Interval
    """Bootstrap interval of the differences, both ends with shape (g, b)."""

    spread: Float[np.ndarray, " b"]
    """Unbiased standard deviation of the groups' means; NaN for a single group or one
    without pairs."""


def group_influence(
    influence: Float[np.ndarray, "n b"],
    identities: Int[np.ndarray, "n 2"],
    groups: Int[np.ndarray, " n"],
    *,
    group_count: int,
    seed: int,
    resamples: int = 1000,
    level: float = 0.95,
) -> GroupInfluence:
    """Compares groups of pairs, such as genuine pairs by ethnicity.

    Persons are drawn, not pairs, because the pairs of one person are alike: see
    `fxai_jax.metrics.resampling.bootstrap`.

    Args:
        influence: Influence of b bands on n pairs with shape (n, b).
        identities: Persons of both images with shape (n, 2), numbered from 0.
        groups: Group of each pair with shape (n,), from 0 to `group_count` - 1.
        group_count: Number of groups g.
        seed: Start of the random numbers.
        resamples: Bootstrap resamples, at least 2.
        level: Probability that the interval covers, in (0, 1).

    Returns:
        Means, differences to all pairs, their intervals, and the spread over groups.

    Raises:
        ValueError: If there are fewer than 2 resamples, the level is not in (0, 1), an
            influence is not finite, or a person or group is no number in its range.

    Example:
        >>> influence = np.array([[0.5], [0.5], [0.25], [0.25]])
        >>> person, group = np.array([[0, 0], [1, 1], [2, 2], [3, 3]]), [0, 0, 1, 1]
        >>> sizes = {"group_count": 2, "seed": 0}
        >>> group_influence(influence, person, np.array(group), **sizes).mean.tolist()
        [[0.5], [0.25]]

    Differs from the paper in:
        The intervals are our own.

    References:
        Huber, Damer, arXiv 2501.16896.
    """
    exact = as_finite(influence, "influences")
    group = as_indices(groups, len(exact), "groups")
    if group.max(initial=0) >= group_count:
        raise ValueError(
            f"groups are numbered from 0 to {group_count - 1}, got {group.max()}"
        )
    member = np.arange(group_count)[:, None] == group[None]
    sides = np.asarray(identities).T
    persons = np.stack([as_indices(x, len(exact), "persons") for x in sides], axis=1)

    def means(weights: Num[np.ndarray, " n"]) -> Float[np.ndarray, "2 g b"]:
        shares = np.concatenate([member * weights, weights[None]])
        totals = shares.sum(axis=1, keepdims=True)
        # Nothing drawn of a group: no number, rather than a division by zero.
        mean = shares @ exact / np.where(totals > 0, totals, np.nan)
        return np.stack([mean[:-1], mean[:-1] - mean[-1:]])

    options = {"seed": seed, "resamples": resamples, "level": level}
    low, high = bootstrap(means, np.zeros(len(exact)), persons=persons, **options)
    mean, difference = means(np.ones(len(exact)))
    spread = np.full(exact.shape[1], np.nan)
    if group_count > 1:
        spread = mean.std(axis=0, ddof=1)
    return GroupInfluence(
        mean,
        Interval(low[0], high[0]),
        difference,
        Interval(low[1], high[1]),
        spread,
    )
