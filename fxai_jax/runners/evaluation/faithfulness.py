"""Deletion and insertion curves of many explainers over a list of pairs."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from fxai_jax.array_types import FaceModel, Image, PRNGKey
from fxai_jax.data.pair_sets import PairSet, take_pairs
from fxai_jax.metrics.faithfulness import (
    Fill,
    Protocol,
    area,
    cosine_curve,
    filling,
    transition,
)
from fxai_jax.numerics import pixel_ranks
from fxai_jax.runners.evaluation.explainers import Explainer, ranking_map
from fxai_jax.runners.evaluation.scores import Scores, common_rows, groups_of
from fxai_jax.runners.evaluation.tables import Row, estimate_rows
from fxai_jax.runners.journal import gather
from fxai_jax.runners.pair_runs import run_pairs

MODES = ("deletion", "insertion")
MARGINS = {
    "over centred Gaussian": "centred-gaussian",
    "over smooth random": "smooth-random",
    "over pixel random": "pixel-random",
}
Curves = dict[str, Float[np.ndarray, "n r s"]]
"""Cosines by "fill mode", for n pairs, r draws and s steps."""


class Run(NamedTuple):
    """The curves of one explainer."""

    rows: np.ndarray
    """Places of the pairs in the list, those that failed left out."""

    curves: Curves
    """Cosines of these pairs."""

    errors: list[str]
    """One sentence per pair that failed."""


def protocol_pairs(scores: Scores, protocol: Protocol, threshold: float) -> PairSet:
    """The pairs that a protocol asks for.

    Args:
        scores: Cosines of all pairs.
        protocol: Which pairs.
        threshold: Cosine at which pairs are accepted.

    Returns:
        These pairs.

    Raises:
        ValueError: If there are none.

    Example:
        >>> protocol_pairs(scores, PRESETS["genuine"], 0.45)  # doctest: +SKIP
    """
    chosen = {
        "all": np.ones_like(scores.pairs.genuine),
        "genuine": scores.pairs.genuine,
        "rejected": scores.cosine < threshold,
    }[protocol.pairs]
    if not chosen.any():
        raise ValueError(
            f"none of the {chosen.size} pairs are {protocol.pairs} at the threshold "
            f"{threshold:.3f}: choose another preset or another --threshold"
        )
    return take_pairs(scores.pairs, np.flatnonzero(chosen))


def pair_curves(
    model: FaceModel,
    key: PRNGKey,
    probe: Image,
    gallery: Image,
    *,
    explainer: Explainer,
    protocol: Protocol,
    threshold: float,
    draws: int = 5,
    chunk_size: int | None = 11,
) -> dict[str, Float[Array, "r s"]]:
    """The curves of one pair under one explainer.

    Args:
        model: The network.
        key: Key of the pair.
        probe: Image with shape (h, w, c) in [0, 1].
        gallery: Image with shape (h, w, c) in [0, 1].
        explainer: What ranks the pixels.
        protocol: Which pixels go first, in which images, and what they show then.
        threshold: Cosine at which pairs are accepted.
        draws: Maps drawn of a random explainer; the others have one.
        chunk_size: Perturbed images alive together.

    Returns:
        Cosines with shape (draws, steps + 1) by "fill mode", such as "black deletion".

    Example:
        >>> pair_curves(model, key, a, b, **options)  # doctest: +SKIP
    """
    explain = partial(explainer.explain, model, threshold=threshold)
    turn = partial(transition, model, steps=protocol.steps, chunk_size=chunk_size)
    names = [f"{fill} {mode}" for mode in MODES for fill in protocol.fills]

    def one_draw(draw_key: PRNGKey) -> dict[str, Float[Array, " s"]]:
        keys = jax.random.split(draw_key, 4)
        result = explain(keys[0], probe, gallery)
        ranks = pixel_ranks(keys[1], ranking_map(explainer, result, protocol.ranking))
        reference = model(gallery)
        if protocol.perturb == "both":
            result = explain(keys[2], gallery, probe)
            map_ = ranking_map(explainer, result, protocol.ranking)
            other_ranks = pixel_ranks(keys[3], map_)

        def curve(ends: tuple[Image, Image, Image, Image]) -> Float[Array, " s"]:
            moved = turn(ranks, *ends[:2])
            both = protocol.perturb == "both"
            other = turn(other_ranks, *ends[2:]) if both else reference
            return cosine_curve(moved, other)

        # One sweep over all fillings, so that the network is compiled once.
        ends = (*_ends(probe, protocol.fills), *_ends(gallery, protocol.fills))
        return dict(zip(names, lax.map(curve, ends), strict=True))

    return lax.map(one_draw, jax.random.split(key, draws if explainer.random else 1))


def run_explainer(
    model: FaceModel,
    key: PRNGKey,
    pairs: PairSet,
    explainer: Explainer,
    protocol: Protocol,
    *,
    threshold: float,
    draws: int = 5,
    **options: Any,
) -> Run:
    """The curves of all pairs under one explainer.

    Args:
        model: The network.
        key: Key of the run.
        pairs: Pairs of the protocol.
        explainer: What ranks the pixels.
        protocol: What is done with them.
        threshold: Cosine at which pairs are accepted.
        draws: Maps drawn of a random explainer.
        options: Those of `fxai_jax.runners.streaming.run_examples`.

    Returns:
        The curves; pairs that failed are left out and named.

    Raises:
        ValueError: If all of them failed.

    Example:
        >>> run_explainer(model, key, pairs, explainer, protocol)  # doctest: +SKIP
    """
    function = partial(
        pair_curves,
        explainer=explainer,
        protocol=protocol,
        threshold=threshold,
        draws=draws,
    )
    records = run_pairs(function, model, key, pairs, title=explainer.title, **options)
    return Run(*gather(records, explainer.title))


def pair_measures(
    curves: Curves, fill: str, genuine: np.ndarray, protocol: Protocol, threshold: float
) -> dict[str, Float[np.ndarray, " n"]]:
    """What the curves of each pair come to, in per cent, averaged over the draws.

    Args:
        curves: Cosines with shape (n, r, s) by "fill mode".
        fill: One of the protocol's fillings.
        genuine: Labels with shape (n,).
        protocol: What was done. Where dissimilar pixels go first, removing them should
            make the cosine rise.
        threshold: Cosine at which pairs are accepted.

    Returns:
        Numbers of each pair with shape (n,). The first measure is the one that margins
        and intervals are about; "correct" is the share of steps decided correctly
        while pixels are deleted, whose mean is the area under the accuracy.

    Example:
        >>> from fxai_jax.metrics.faithfulness import PRESETS
        >>> curve = np.array([[[1.0, 0.5, 0.0]]])
        >>> curves = {"black deletion": curve, "black insertion": curve[..., ::-1]}
        >>> genuine, protocol = np.array([True]), PRESETS["genuine"]
        >>> list(pair_measures(curves, "black", genuine, protocol, 0.4))
        ['ins - del', 'deletion', 'insertion', 'correct']
    """
    deleted, inserted = (curves[f"{fill} {mode}"] for mode in MODES)
    if protocol.ranking == "dissimilarity":
        gained = deleted - deleted[..., :1]
        measures = {"rise": _areas(gained), "peak rise": gained.max(-1)}
    else:
        right = (deleted >= threshold) == genuine[:, None, None]
        measures = {
            "ins - del": _areas(inserted) - _areas(deleted),
            "deletion": _areas(deleted),
            "insertion": _areas(inserted),
            "correct": _areas(right.astype(np.float32)),
        }
    return {name: 100 * value.mean(1) for name, value in measures.items()}


def faithfulness_rows(
    runs: Mapping[str, Run],
    titles: Mapping[str, str],
    pairs: PairSet,
    protocol: Protocol,
    *,
    threshold: float,
    seed: int = 0,
) -> list[Row]:
    """The table of a protocol: a row for each filling, group and explainer.

    Args:
        runs: Curves by explainer, those of `REFERENCES` among them.
        titles: Names of the explainers in the table.
        pairs: The pairs of the protocol.
        protocol: What was done.
        threshold: Cosine at which pairs are accepted.
        seed: Start of the random numbers of the bootstrap.

    Returns:
        Rows in per cent. Intervals are 95 % bootstrap intervals over pairs; a margin
        is the mean difference on the same pairs.

    Example:
        >>> faithfulness_rows(runs, titles, pairs, protocol)  # doctest: +SKIP
    """
    common = common_rows(run.rows for run in runs.values())
    kept = take_pairs(pairs, common)
    groups, rows = groups_of(kept), []
    for fill in protocol.fills:
        measures = {
            name: pair_measures(
                _at(run, common), fill, kept.genuine, protocol, threshold
            )
            for name, run in runs.items()
        }
        for group, members in groups.items():
            place: Row = {"fill": fill, "group": group, "pairs": len(members)}
            headline = _with_margins(measures, members, seed)
            rows += [
                {"explainer": titles[name]}
                | place
                | {k: float(v[members].mean()) for k, v in measures[name].items()}
                | headline[name]
                for name in runs
            ]
    return rows


def random_range(run: Run, fill: str, protocol: Protocol) -> tuple[float, float]:
    """Where the mean of a random explainer lies, from one drawing to another.

    Args:
        run: Curves with several draws.
        fill: One of the protocol's fillings.
        protocol: What was done; its ranking is "similarity".

    Returns:
        2.5 and 97.5 % quantile over the draws of the mean insertion minus deletion, in
        per cent; with few draws close to the smallest and the largest.

    Example:
        >>> random_range(runs["smooth-random"], "black", protocol)  # doctest: +SKIP
        (-3.1, 4.0)
    """
    deleted, inserted = (run.curves[f"{fill} {mode}"] for mode in MODES)
    means = 100 * (_areas(inserted) - _areas(deleted)).mean(0)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def mean_curves(runs: Mapping[str, Run], name: str) -> dict[str, np.ndarray]:
    """Mean cosine of the pairs at each step, to draw.

    Args:
        runs: Curves by explainer.
        name: "fill mode", such as "black deletion".

    Returns:
        Cosines with shape (s,) by explainer.

    Example:
        >>> mean_curves(runs, "black deletion")["fggb"]  # doctest: +SKIP
    """
    return {key: run.curves[name].mean((0, 1)) for key, run in runs.items()}


def _ends(
    image: Image, fills: Sequence[Fill]
) -> tuple[Float[Array, "m h w c"], Float[Array, "m h w c"]]:
    filled = jnp.stack([filling(image, fill=fill) for fill in fills])
    whole = jnp.broadcast_to(image, filled.shape)
    return jnp.concatenate([whole, filled]), jnp.concatenate([filled, whole])


def _areas(curves: Float[np.ndarray, "n r s"]) -> Float[np.ndarray, "n r"]:
    return np.asarray(area(jnp.asarray(curves)))


def _at(run: Run, rows: np.ndarray) -> Curves:
    places = np.flatnonzero(np.isin(run.rows, rows))
    return {name: curve[places] for name, curve in run.curves.items()}


def _with_margins(
    measures: Mapping[str, Mapping[str, np.ndarray]], members: np.ndarray, seed: int
) -> dict[str, Row]:
    first = {name: next(iter(each.items())) for name, each in measures.items()}
    values = {name: value[members] for name, (_, value) in first.items()}
    columns = {
        (name, label): value - (values[reference] if reference else 0)
        for name, value in values.items()
        for label, reference in ((first[name][0], None), *MARGINS.items())
        if name != reference
    }
    return estimate_rows(columns, seed)
