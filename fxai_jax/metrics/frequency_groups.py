"""Frequencies by group: do the same bands decide for everybody?

References:
    Huber, Damer: arXiv 2501.16896, the frequency explanations of
    `fxai_jax.methods.frequency` for groups of persons.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from fxai_jax.array_types import PRNGKey
from fxai_jax.chunking import chunked_map


class GroupInfluence(NamedTuple):
    """Mean influence of each band in each group of pairs, with intervals."""

    mean: Float[Array, "g b"]
    """Mean of the group's pairs; NaN for a group without pairs."""

    mean_interval: Float[Array, "2 g b"]
    """Lower and upper end of its bootstrap interval."""

    difference: Float[Array, "g b"]
    """Mean of the group minus mean of all pairs."""

    difference_interval: Float[Array, "2 g b"]
    """Lower and upper end of its bootstrap interval."""

    spread: Float[Array, " b"]
    """Unbiased standard deviation of the groups' means; NaN for a single group or one
    without pairs."""


def group_influence(
    key: PRNGKey,
    influence: Float[Array, "n b"],
    identities: Int[Array, "n 2"],
    groups: Int[Array, " n"],
    *,
    identity_count: int,
    group_count: int,
    resamples: int = 1000,
    confidence: float = 0.95,
    chunk_size: int | None = 16,
) -> GroupInfluence:
    """Compares groups of pairs, such as genuine pairs by ethnicity.

    Persons are drawn, not pairs, because the pairs of one person are alike. With c_i
    the times person i is drawn, a pair of persons i and j weighs ``c_i c_j``, a genuine
    pair ``c_i``. The interval is that of the percentiles.

    Args:
        key: Typed key.
        influence: Influence of b bands on n pairs with shape (n, b).
        identities: Persons of both images with shape (n, 2), from 0 to
            `identity_count` - 1.
        groups: Group of each pair with shape (n,), from 0 to `group_count` - 1.
        identity_count: Number of persons.
        group_count: Number of groups g.
        resamples: Bootstrap resamples.
        confidence: Probability that the interval covers, in (0, 1).
        chunk_size: Resamples alive together; None takes all at once.

    Returns:
        Means, differences to all pairs, their intervals, and the spread over groups.

    Raises:
        ValueError: If the confidence is outside (0, 1).

    Example:
        >>> influence = jnp.array([[0.5], [0.5], [0.25], [0.25]])
        >>> person = jnp.array([[0, 0], [1, 1], [2, 2], [3, 3]])
        >>> sizes = {"identity_count": 4, "group_count": 2}
        >>> group = jnp.array([0, 0, 1, 1])
        >>> group_influence(jax.random.key(0), influence, person, group, **sizes).mean
        Array([[0.5 ],
               [0.25]], dtype=float32)

    Differs from the paper in:
        The intervals are our own.

    References:
        Huber, Damer, arXiv 2501.16896. Snijders, Borgatti: Non-Parametric Standard
        Errors and Tests for Network Statistics, Connections 1999 (drawing vertices).
    """
    if not 0 < confidence < 1:
        raise ValueError(f"the confidence must be in (0, 1), got {confidence}")
    member = jax.nn.one_hot(groups, group_count, dtype=influence.dtype, axis=0)
    probe, gallery = identities.T

    def means(weights: Float[Array, " n"]):
        everyone = jnp.average(influence, axis=0, weights=weights)
        shares = member * weights[None]
        total = jnp.sum(shares, axis=1, keepdims=True)
        mean = jnp.dot(shares, influence, precision=lax.Precision.HIGHEST) / total
        return mean, mean - everyone[None]

    def resample(resample_key: PRNGKey):
        drawn = jax.random.randint(resample_key, (identity_count,), 0, identity_count)
        times = jnp.bincount(drawn, length=identity_count).astype(influence.dtype)
        other = jnp.where(probe == gallery, 1, times[gallery])
        return means(times[probe] * other)

    mean, difference = means(jnp.ones_like(influence[:, 0]))
    keys = jax.random.split(key, resamples)
    drawn = chunked_map(resample, keys, chunk_size=chunk_size)
    ends = jnp.array([1 - confidence, 1 + confidence], influence.dtype) / 2
    mean_interval, difference_interval = (
        jnp.nanquantile(values, ends, axis=0) for values in drawn
    )
    spread = jnp.std(mean, axis=0, ddof=1)
    return GroupInfluence(mean, mean_interval, difference, difference_interval, spread)
