"""The influence of the bands on groups of pairs: do the same decide for everybody?"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from fxai_jax.data.pairs import Pairs
from fxai_jax.evaluation.estimates import groups_of
from fxai_jax.evaluation.persons import drawn_persons
from fxai_jax.evaluation.report import (
    Chart,
    Estimate,
    Findings,
    Line,
    Panel,
    Row,
    Table,
)
from fxai_jax.methods.frequency import Bands
from fxai_jax.metrics.frequency_groups import GroupInfluence, group_influence
from fxai_jax.metrics.resampling import Interval


class Comparison(NamedTuple):
    """The groups of some pairs side by side."""

    pairs: str
    """Which pairs: "all", "genuine" or "impostor"."""

    column: str
    """What tells the groups apart: "kind", or a column of the list."""

    counts: dict[str, int]
    """Pairs of each group, by its name."""

    influence: GroupInfluence
    """Mean directed influence of the bands on each group, and on all these pairs."""

    @property
    def title(self) -> str:
        """Such as "genuine pairs by light"."""
        return f"{self.pairs} pairs by {self.column}"


def findings(
    directed: Float[np.ndarray, "n b"], pairs: Pairs, bands: Bands, seed: int
) -> Findings:
    """One table of all comparisons, and a chart for each."""
    comparisons = compare_groups(directed, pairs, seed=seed)
    table = Table(
        "Influence of the bands",
        influence_rows(comparisons, bands),
        [
            "Directed influence of each band (cycles per image) of the probe, in per "
            "cent of cosine: positive where it makes the pair more alike.",
            "Brackets: 95 % bootstrap intervals.",
        ],
        printed=False,
    )
    charts = {}
    for number, each in enumerate(comparisons):
        name = f"_{number}_{each.pairs}" if number else ""
        charts[f"frequency_influence{name}"] = chart(each, np.asarray(bands.edges))
    return Findings({"frequency_influence": table}, charts)


def compare_groups(
    directed: Float[np.ndarray, "n b"], pairs: Pairs, *, seed: int = 0
) -> list[Comparison]:
    """Compares genuine with impostor pairs first, then the groups of each kind."""
    genuine = pairs.genuine
    kinds = {"genuine": np.flatnonzero(genuine), "impostor": np.flatnonzero(~genuine)}
    found = [_comparison(directed, pairs, "all", "kind", kinds, seed)]
    for column, texts in pairs.groups.items():
        groups = groups_of(dataclasses.replace(pairs, groups={column: texts}))
        groups.pop("all")
        for kind, rows in kinds.items():
            members = {
                name: np.intersect1d(rows, places)
                for name, places in groups.items()
                if np.isin(rows, places).any()
            }
            if len(members) > 1:
                found.append(_comparison(directed, pairs, kind, column, members, seed))
    return found


def influence_rows(comparisons: Sequence[Comparison], bands: Bands) -> list[Row]:
    """A row for each group and band, in per cent of cosine, with 95 % intervals."""
    edges = np.asarray(bands.edges).tolist()
    return [
        {"pairs": each.pairs, "group": name, "count": count}
        | {"band": f"{edges[b][0]}-{edges[b][1]}"}
        | {"coefficients": int(bands.coefficients[b])}
        | _numbers(each.influence, i, b)
        for each in comparisons
        for i, (name, count) in enumerate(each.counts.items())
        for b in range(len(edges))
    ]


def chart(each: Comparison, edges: Int[np.ndarray, "b 2"]) -> Chart:
    """Mean influence by group, and its difference to all pairs; bands are intervals."""
    found = each.influence
    panels = [
        Panel(
            title,
            "frequency (cycles per image)",
            "directed influence",
            {
                name: Line(edges.mean(axis=1), values[i], (low[i], high[i]))
                for i, name in enumerate(each.counts)
            },
            zero=True,
        )
        for title, values, (low, high) in (
            ("mean of the group", found.mean, found.mean_interval),
            ("difference to all pairs", found.difference, found.difference_interval),
        )
    ]
    return Chart(f"{each.title}; shaded: 95 % intervals", panels, columns=2)


def _comparison(
    directed: Float[np.ndarray, "n b"],
    pairs: Pairs,
    kind: str,
    column: str,
    members: Mapping[str, np.ndarray],
    seed: int,
) -> Comparison:
    rows = np.concatenate([*members.values()])
    counts = {name: places.size for name, places in members.items()}
    identities = drawn_persons(pairs.take(rows))
    groups = np.repeat(np.arange(len(counts)), [*counts.values()])
    influence = group_influence(
        directed[rows], identities, groups, group_count=len(counts), seed=seed
    )
    return Comparison(kind, column, counts, influence)


def _numbers(found: GroupInfluence, group: int, band: int) -> Row:
    def estimate(values: Float[np.ndarray, "g b"], interval: Interval) -> Estimate:
        return Estimate(*(100 * float(x[group, band]) for x in (values, *interval)))

    return {
        "influence": estimate(found.mean, found.mean_interval),
        "difference to all": estimate(found.difference, found.difference_interval),
    }
