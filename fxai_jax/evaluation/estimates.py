"""From numbers of pairs to rows of a table: means with their intervals, by group."""

from collections.abc import Hashable, Iterable, Mapping
from functools import reduce
from typing import TypeVar

import numpy as np
from jaxtyping import Float, Int

from fxai_jax.data.pairs import Pairs
from fxai_jax.evaluation.persons import IDENTITIES, drawn_persons
from fxai_jax.evaluation.report import Estimate, Row
from fxai_jax.metrics.resampling import Counts, Interval, bootstrap

Key = TypeVar("Key", bound=Hashable)
PerPair = Float[np.ndarray, " n"]


def mean_interval(
    values: Float[np.ndarray, "n m"], pairs: Pairs, seed: int
) -> Interval:
    """95 % bootstrap intervals of the means of columns over the same pairs."""

    def mean(times: Counts) -> Float[np.ndarray, " m"]:
        return times @ values / times.sum()

    alike = np.zeros(len(values))
    return bootstrap(mean, alike, persons=drawn_persons(pairs), seed=seed)


def mean_estimates(
    columns: Mapping[Key, PerPair], pairs: Pairs, seed: int
) -> dict[Key, Estimate]:
    """Means of columns over the same pairs, each with its interval, by the same keys.

    Example:
        >>> from fxai_jax.data.pairs import open_pairs
        >>> from fxai_jax.data.samples import sample_pairs
        >>> pairs = open_pairs(sample_pairs())
        >>> mean_estimates({"a": np.ones(len(pairs))}, pairs, 0)["a"].value
        1.0
    """
    values = np.stack(list(columns.values()), axis=1).astype(np.float64)
    ends = mean_interval(values, pairs, seed)
    each = zip(columns, values.mean(0), *ends, strict=True)
    return {key: Estimate(*map(float, numbers)) for key, *numbers in each}


def estimate_rows(
    columns: Mapping[tuple[str, str], PerPair], pairs: Pairs, seed: int
) -> dict[str, Row]:
    """`mean_estimates` of columns that are named by a row and a column of a table."""
    rows: dict[str, Row] = {}
    for (row, column), estimate in mean_estimates(columns, pairs, seed).items():
        rows.setdefault(row, {})[column] = estimate
    return rows


def groups_of(pairs: Pairs) -> dict[str, Int[np.ndarray, " _"]]:
    """Places of the pairs of each group, named "column=value"; "all" comes first.

    Columns of which most values are their own, such as names, make no groups. Neither
    do those of `IDENTITIES`, nor folds, which are parts at random.

    Example:
        >>> from fxai_jax.data.pairs import open_pairs
        >>> from fxai_jax.data.samples import sample_pairs
        >>> list(groups_of(open_pairs(sample_pairs())))
        ['all', 'crop=partial', 'crop=whole']
    """
    no_groups = {"fold", *(name for columns in IDENTITIES for name in columns)}
    found = {"all": np.arange(len(pairs))}
    for column, texts in pairs.groups.items():
        values = sorted(set(texts))
        if column not in no_groups and 1 < len(values) <= len(texts) / 2:
            for value in values:
                found[f"{column}={value}"] = np.flatnonzero(np.array(texts) == value)
    return found


def common_rows(rows: Iterable[Int[np.ndarray, " _"]]) -> Int[np.ndarray, " n"]:
    """The pairs that went well in every one of several runs.

    Example:
        >>> common_rows([np.array([0, 1, 3]), np.array([1, 2, 3])]).tolist()
        [1, 3]
    """
    common = reduce(np.intersect1d, rows)
    if not common.size:
        raise ValueError("no pair is left that went well in every run")
    return common
