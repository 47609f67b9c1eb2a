"""How far a statistic could be off: the one bootstrap of all evaluations.

A resample is a number of times for each unit, not a list of units: statistics that take
weights then sort their data once, not once for each resample.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Num

RESAMPLES = 1000

Counts = Int[np.ndarray, " n"]
"""How often each of n units was drawn."""


class Interval(NamedTuple):
    """A percentile bootstrap interval."""

    low: Float[np.ndarray, "*shape"]
    """Lower end, in the unit and shape of the statistic."""

    high: Float[np.ndarray, "*shape"]
    """Upper end, not below the lower."""


def bootstrap(
    statistic: Callable[[Counts], float | Float[np.ndarray, "*shape"]],
    strata: Num[np.ndarray, " n"] | Bool[np.ndarray, " n"],
    *,
    seed: int,
    resamples: int = RESAMPLES,
    level: float = 0.95,
) -> Interval:
    """Percentile interval of a statistic over resampled units, such as pairs.

    The units of each stratum are drawn apart, with replacement, as many as there are.
    They count as independent: where persons recur in pairs, draw persons.

    Args:
        statistic: The statistic of a resample, a number or an array: it gets how often
            each unit was drawn. NaN, as for a group of which nothing was drawn, is left
            out of the quantiles.
        strata: Stratum of each of the n units, such as whether a pair is genuine.
        seed: Start of the random numbers.
        resamples: Number of resamples, at least 2.
        level: Probability that the interval covers, in (0, 1).

    Returns:
        The interval; ends are interpolated between resamples. NaN where all resamples
        were.

    Raises:
        ValueError: If there are fewer than 2 resamples or the level is not in (0, 1).

    Example:
        >>> values = np.array([1.0, 3.0])
        >>> mean = lambda counts: counts @ values / counts.sum()
        >>> bootstrap(mean, np.zeros(2), seed=0).low.item()
        1.0

    References:
        Efron and Tibshirani: An Introduction to the Bootstrap, 1993, chapter 13.
    """
    if resamples < 2 or not 0 < level < 1:
        raise ValueError(
            "a bootstrap interval needs at least 2 resamples and a level between 0 "
            f"and 1, got {resamples} and {level}"
        )
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(strata == stratum) for stratum in np.unique(strata)]
    drawn = [statistic(_counts(rng, members, len(strata))) for _ in range(resamples)]
    values = np.asarray(drawn, np.float64)
    known = ~np.isnan(values).all(axis=0)
    ends = np.full((2, *known.shape), np.nan)
    quantiles = [(1 - level) / 2, (1 + level) / 2]
    ends[:, known] = np.nanquantile(values[:, known], quantiles, axis=0)
    return Interval(*ends)


def _counts(rng: np.random.Generator, members: list[np.ndarray], total: int) -> Counts:
    counts = np.zeros(total, np.int64)
    for places in members:
        drawn = rng.integers(places.size, size=places.size)
        counts[places] = np.bincount(drawn, minlength=places.size)
    return counts
