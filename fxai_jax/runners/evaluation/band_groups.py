"""The influence of the bands on groups of pairs: do the same decide for everybody?"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from fxai_jax.data.pair_sets import PairSet, take_pairs
from fxai_jax.methods.frequency import Bands
from fxai_jax.metrics.frequency_groups import GroupInfluence, group_influence
from fxai_jax.runners.evaluation.frequency import IDENTITIES, Run, without_identities
from fxai_jax.runners.evaluation.scores import groups_of
from fxai_jax.runners.evaluation.tables import Estimate, Row


class Comparison(NamedTuple):
    """The groups of some pairs side by side."""

    pairs: str
    """Which pairs: "all", "genuine" or "impostor"."""

    column: str
    """What tells the groups apart: "kind", or a column of the list."""

    names: list[str]
    """Name of each group."""

    counts: list[int]
    """Pairs of each group."""

    influence: GroupInfluence
    """Mean directed influence of the bands on each group, and on all these pairs."""


def persons(pairs: PairSet) -> Int[np.ndarray, "n 2"] | None:
    """The persons in both images of each pair, where the list names them.

    Args:
        pairs: Pairs; the columns are those of `IDENTITIES`.

    Returns:
        Numbers from 0 with shape (n, 2); None where the list names nobody.

    Example:
        >>> from fxai_jax.data.faces import sample_pairs
        >>> from fxai_jax.data.pair_sets import open_pairs
        >>> persons(open_pairs(sample_pairs())) is None
        True
    """
    for columns in IDENTITIES:
        if all(column in pairs.groups for column in columns):
            texts = np.array([pairs.groups[column] for column in columns])
            numbers = np.unique(texts, return_inverse=True)[1]
            return numbers.reshape(texts.shape).T
    return None


def compare_groups(run: Run, *, seed: int = 0) -> list[Comparison]:
    """Compares genuine with impostor pairs, and the groups of each kind.

    The bootstrap draws persons where the list names them, and pairs elsewhere, which
    then count as independent.

    Args:
        run: Influences of the bands on the pairs of a list.
        seed: Start of the random numbers of the bootstrap.

    Returns:
        Comparisons, that of both kinds first.

    Example:
        >>> compare_groups(run)[0].names  # doctest: +SKIP
        ['genuine', 'impostor']
    """
    genuine = run.pairs.genuine
    kinds = {"genuine": np.flatnonzero(genuine), "impostor": np.flatnonzero(~genuine)}
    found = [_comparison(run, "all", "kind", kinds, seed)]
    for column, texts in without_identities(run.pairs).groups.items():
        groups = groups_of(run.pairs._replace(groups={column: texts}))
        for kind, rows in kinds.items():
            members = {
                name: np.intersect1d(rows, places)
                for name, places in groups.items()
                if name != "all" and np.isin(rows, places).any()
            }
            if len(members) > 1:
                found.append(_comparison(run, kind, column, members, seed))
    return found


def influence_rows(comparisons: Sequence[Comparison], bands: Bands) -> list[Row]:
    """The table: a row for each group and band.

    Args:
        comparisons: From `compare_groups`.
        bands: Bands of the spectrum.

    Returns:
        Rows in per cent of cosine, with 95 % bootstrap intervals.

    Example:
        >>> influence_rows(compare_groups(run), bands)  # doctest: +SKIP
    """
    edges = np.asarray(bands.edges).tolist()
    return [
        {"pairs": each.pairs, "group": name, "count": each.counts[i]}
        | {"band": f"{edges[b][0]}-{edges[b][1]}"}
        | {"coefficients": int(bands.coefficients[b])}
        | _numbers(each.influence, i, b)
        for each in comparisons
        for i, name in enumerate(each.names)
        for b in range(len(edges))
    ]


def _comparison(
    run: Run, pairs: str, column: str, members: Mapping[str, np.ndarray], seed: int
) -> Comparison:
    rows = np.concatenate([*members.values()])
    counts = [places.size for places in members.values()]
    identities = persons(take_pairs(run.pairs, rows))
    if identities is None:  # every pair is a person of its own
        identities = np.stack([np.arange(rows.size)] * 2, axis=1)
    sizes = {"identity_count": int(identities.max()) + 1, "group_count": len(counts)}
    groups = np.repeat(np.arange(len(counts)), counts)
    influence = jax.jit(partial(group_influence, **sizes))(
        jax.random.key(seed),
        *map(jnp.asarray, (run.directed[rows], identities, groups)),
    )
    return Comparison(pairs, column, list(members), counts, influence)


def _numbers(found: GroupInfluence, group: int, band: int) -> Row:
    values = {
        "influence": (found.mean, found.mean_interval),
        "difference to all": (found.difference, found.difference_interval),
    }
    return {
        name: Estimate(
            *(100 * float(x[group, band]) for x in (value, interval[0], interval[1]))
        )
        for name, (value, interval) in values.items()
    }
