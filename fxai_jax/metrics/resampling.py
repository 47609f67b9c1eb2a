"""How far a statistic could be off: the one bootstrap of all evaluations.

A resample is a number of times for each unit, not a list of units: statistics that take
weights then sort their data once, not once for each resample.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Num

from fxai_jax.array_types import result

RESAMPLES = 1000

Counts = Int[np.ndarray, " n"]
"""How often each of n units was drawn."""


@result
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
    persons: Int[np.ndarray, "n 2"] | None = None,
    seed: int,
    resamples: int = RESAMPLES,
    level: float = 0.95,
) -> Interval:
    """Percentile interval of a statistic over resampled units, such as pairs.

    The units of each stratum are drawn apart, with replacement, as many as there are.
    They count as independent, unless the two persons of each pair are given: pairs of
    one person are alike, and intervals over pairs then too narrow. With c_i the times
    that person i is drawn, a pair of i and j counts ``c_i c_j`` times, a genuine pair
    ``c_i`` times. Only persons who are in several pairs are drawn so; pairs without
    any are units of their own, so that without recurring persons nothing changes. A
    resample that leaves nothing of a stratum is drawn again.

    Args:
        statistic: The statistic of a resample, a number or an array: it gets how often
            each unit was drawn. NaN, as for a group of which nothing was drawn, is left
            out of the quantiles.
        strata: Stratum of each of the n units, such as whether a pair is genuine.
        persons: Persons in both images of each pair with shape (n, 2), any numbers;
            None where nobody recurs.
        seed: Start of the random numbers.
        resamples: Number of resamples, at least 2.
        level: Probability that the interval covers, in (0, 1).

    Returns:
        The interval; ends are interpolated between resamples. NaN where all resamples
        were.

    Raises:
        ValueError: If there are fewer than 2 resamples, the level is not in (0, 1), or
            there are not two persons for each unit.

    Example:
        >>> values = np.array([1.0, 3.0])
        >>> mean = lambda counts: counts @ values / counts.sum()
        >>> bootstrap(mean, np.zeros(2), seed=0).low.item()
        1.0

    Differs from the papers in:
        Persons of one pair alone do not weigh. Owen shows that c_i c_j is somewhat too
        wide where noise is large beside what persons have in common; this leaves the
        part of it out that nobody's recurrence asks for.

    References:
        Efron and Tibshirani: An Introduction to the Bootstrap, 1993, chapter 13. Owen:
        The Pigeonhole Bootstrap, Annals of Applied Statistics 2007 (c_i c_j). Bolle,
        Ratha, Pankanti: Error Analysis of Pattern Recognition Systems, the Subsets
        Bootstrap, CVIU 2004 (drawing persons for error rates). Snijders, Borgatti:
        Non-Parametric Standard Errors and Tests for Network Statistics, 1999.
    """
    if resamples < 2 or not 0 < level < 1:
        raise ValueError(
            "a bootstrap interval needs at least 2 resamples and a level between 0 "
            f"and 1, got {resamples} and {level}"
        )
    if persons is not None and persons.shape != (len(strata), 2):
        raise ValueError(
            f"expected two persons for each of {len(strata)} pairs, got the shape "
            f"{persons.shape}"
        )
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(strata == stratum) for stratum in np.unique(strata)]
    draw = partial(_counts, rng, members, len(strata))
    if persons is not None:
        draw = partial(_person_counts, rng, members, _recurring(persons))
    drawn = [statistic(draw()) for _ in range(resamples)]
    values = np.asarray(drawn, np.float64)
    known = ~np.isnan(values).all(axis=0)
    ends = np.full((2, *known.shape), np.nan)
    quantiles = [(1 - level) / 2, (1 + level) / 2]
    ends[:, known] = np.nanquantile(values[:, known], quantiles, axis=0)
    return Interval(*ends)


def _recurring(persons: Int[np.ndarray, "n 2"]) -> Int[np.ndarray, "n 2"]:
    """Persons from 1, and 0 for those of one pair and for the same person again."""
    again = persons[:, 0] == persons[:, 1]
    numbers = np.unique(persons, return_inverse=True)[1].reshape(persons.shape) + 1
    numbers[again, 1] = 0
    times = np.bincount(numbers.ravel())
    times[0] = 0
    place = np.cumsum(times > 1) * (times > 1)
    return place[numbers]


def _person_counts(
    rng: np.random.Generator, members: list[np.ndarray], persons: np.ndarray
) -> Counts:
    alone = persons.sum(axis=1) == 0
    units = [places[alone[places]] for places in members]
    count = int(persons.max(initial=0))
    while True:
        drawn = rng.integers(1, count + 1, size=count)
        times = np.bincount(drawn, minlength=count + 1)
        times[0] = 1
        counts = times[persons[:, 0]] * times[persons[:, 1]]
        counts[alone] = _counts(rng, units, len(persons))[alone]
        if all(counts[places].any() for places in members):
            return counts


def _counts(rng: np.random.Generator, members: list[np.ndarray], total: int) -> Counts:
    counts = np.zeros(total, np.int64)
    for places in members:
        drawn = rng.integers(places.size, size=places.size)
        counts[places] = np.bincount(drawn, minlength=places.size)
    return counts
