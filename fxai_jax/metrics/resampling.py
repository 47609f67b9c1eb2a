"""How far a statistic of pairs could be off: bootstrap intervals."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from fxai_jax.array_types import PRNGKey
from fxai_jax.chunking import chunked_map


class Interval(NamedTuple):
    """A percentile bootstrap interval."""

    low: Float[Array, "*shape"]
    """Lower end, in the unit of the statistic."""

    high: Float[Array, "*shape"]
    """Upper end, not below the lower."""


def bootstrap(
    fun: Callable[..., Float[Array, "*shape"]],
    key: PRNGKey,
    scores: Float[Array | np.ndarray, " n"],
    genuine: Bool[Array | np.ndarray, " n"],
    *others: Array | np.ndarray,
    resamples: int = 1000,
    level: float = 0.95,
    chunk_size: int | None = None,
) -> Interval:
    """Percentile interval of a statistic over resampled pairs.

    Genuine and impostor pairs are drawn apart, with replacement, as many of each as
    there are. Pairs count as independent: where identities recur the interval is too
    narrow.

    Args:
        fun: Statistic ``fun(scores, genuine, *others)``, a number or an array.
        key: Typed key; the same key gives the same interval, whatever the chunks.
        scores: Scores with shape (n,), finite.
        genuine: Labels with shape (n,).
        *others: More arrays with shape (n, ...), resampled with the pairs.
        resamples: Number of resamples, at least 2.
        level: Probability that the interval covers, in (0, 1).
        chunk_size: Resamples alive together; None takes all at once.

    Returns:
        The interval; ends are interpolated between resamples.

    Raises:
        ValueError: If there are fewer than 2 resamples or the level is not in (0, 1).

    Example:
        >>> pairs = jnp.array([0.9, 0.1]), jnp.array([True, False])
        >>> fnmr = lambda scores, genuine: jnp.mean(scores < 0.5, where=genuine)
        >>> float(bootstrap(fnmr, jax.random.key(0), *pairs, resamples=9).high)
        0.0

    References:
        Efron and Tibshirani: An Introduction to the Bootstrap, 1993, chapter 13.
    """
    if resamples < 2 or not 0 < level < 1:
        raise ValueError(
            "a bootstrap interval needs at least 2 resamples and a level between 0 "
            f"and 1, got {resamples} and {level}"
        )
    pairs = [jnp.asarray(x) for x in (scores, genuine, *others)]
    order = jnp.argsort(pairs[1])
    sorted_labels = pairs[1][order]
    impostors = jnp.sum(~sorted_labels)
    start = jnp.where(sorted_labels, impostors, 0)
    stop = jnp.where(sorted_labels, sorted_labels.shape[0], impostors)

    def statistic(resample_key: PRNGKey) -> Float[Array, "*shape"]:
        places = jax.random.randint(resample_key, start.shape, start, stop)
        drawn = order[places]
        return fun(*(x[drawn] for x in pairs))

    keys = jax.random.split(key, resamples)
    values = chunked_map(statistic, keys, chunk_size=chunk_size)
    ends = jnp.array([(1 - level) / 2, (1 + level) / 2], values.dtype)
    return Interval(*jnp.quantile(values, ends, axis=0))
