"""Maps of a network and of its wrecks, over a list of pairs."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

from fxai_jax.array_types import Image, PRNGKey, Saliency, Score
from fxai_jax.data.pair_sets import PairSet
from fxai_jax.metrics.sanity import Model, leaf_names, rank_correlation
from fxai_jax.runners.compiling import face_shape
from fxai_jax.runners.evaluation.explainers import Explainer
from fxai_jax.runners.evaluation.tables import Row, mean_estimates
from fxai_jax.runners.journal import gather
from fxai_jax.runners.pair_runs import run_pairs

ALIKE = 50.0
"""Correlation in per cent above which the maps of a network and of its wreck count as
alike; our own choice."""

MEASURES = ("correlation", "magnitude")


class Run(NamedTuple):
    """What one explainer shows of the wrecks; s = layers + 1, the intact one first."""

    values: dict[str, Float[np.ndarray, "n s"]]
    """Per pair: "correlation" of the maps and of their "magnitude", and "cosine"."""

    errors: list[str]
    """One sentence per pair that failed."""


def layers_from_top(model: Model, size: tuple[int, int]) -> list[str]:
    """The layers that the embedding depends on, the one applied last first.

    The order is that of the first use in a traced forward pass: neither the tree of a
    network nor the attributes of one that was loaded keep it. A stage of several blocks
    is one layer. What the embedding does not use, such as a quality head, is left out:
    destroying it changes no map.

    Args:
        model: Network of this library.
        size: Height and width of its input in pixels.

    Returns:
        Names of its attributes, to be the prefixes of a cascade.

    Example:
        >>> layers_from_top(load_backbone("mobilefacenet"), (112, 112))[:4]
        ['bn', 'linear', 'conv_6_dw', 'conv_6_sep']
    """
    leaves, structure = jax.tree.flatten(model)

    def embed(arrays: Sequence[Array], image: Image) -> Array:
        return jax.tree.unflatten(structure, arrays)(image)

    program = jax.make_jaxpr(embed)(leaves, face_shape(size)).jaxpr
    names = zip(program.invars, leaf_names(model), strict=False)
    layer = {id(variable): _layer(name) for variable, name in names}
    used = [id(variable) for step in program.eqns for variable in step.invars]
    return list(dict.fromkeys(layer[v] for v in used if v in layer))[::-1]


def wrecked(
    intact: Model,
    destroyed: Model,
    layers: Sequence[str],
    depth: int | Int[Array, ""],
) -> Model:
    """The network with its first layers destroyed.

    One compiled function serves all depths, with the memory of three networks.

    Args:
        intact: The network.
        destroyed: The network with all layers randomised, the last of a cascade.
        layers: Layers from the top.
        depth: How many of them are destroyed; may be traced.

    Returns:
        The network of that depth of the cascade.

    Example:
        >>> intact, destroyed = ({"head": jnp.array(x)} for x in (1.0, 2.0))
        >>> wrecked(intact, destroyed, ["head"], 0)["head"].item()
        1.0
    """
    place = {name: i for i, name in enumerate(layers)}
    places = [place.get(_layer(name), len(layers)) for name in leaf_names(intact)]
    leaves, structure = jax.tree.flatten(intact)
    mixed = [
        jnp.where(i < depth, b, a)
        for i, a, b in zip(places, leaves, jax.tree.leaves(destroyed), strict=True)
    ]
    return jax.tree.unflatten(structure, mixed)


def pair_correlations(
    networks: tuple[Model, Model],
    key: PRNGKey,
    probe: Image,
    gallery: Image,
    *,
    explainer: Explainer,
    layers: Sequence[str],
    threshold: float,
) -> dict[str, Float[Array, " s"]]:
    """How alike the maps of the intact network and of its wrecks rank the pixels.

    Args:
        networks: The network, and the same with all layers randomised.
        key: Key of the pair, the same for all networks.
        probe: Image with shape (h, w, c) in [0, 1].
        gallery: Image with shape (h, w, c) in [0, 1].
        explainer: What makes the maps. Its maps are compared as they are, without a
            blur; one without a sign by its magnitude alone.
        layers: Layers from the top.
        threshold: Cosine at which pairs are accepted.

    Returns:
        Rank correlations in [-1, 1] of the maps and of their magnitudes, and cosines,
        with shape (layers + 1,): number m with m layers destroyed.

    Example:
        >>> pair_correlations(networks, key, a, b, **options)  # doctest: +SKIP
    """

    def at_depth(depth: Int[Array, ""]) -> tuple[Saliency, Score]:
        model = wrecked(*networks, layers, depth)
        result = explainer.explain(model, key, probe, gallery, threshold=threshold)
        return result.signed, result.cosine

    signed, cosine = lax.map(at_depth, jnp.arange(len(layers) + 1))
    magnitude = jnp.abs(signed)
    map_ = signed if explainer.signed else magnitude
    alike = jax.vmap(rank_correlation, in_axes=(None, 0))
    return {
        "correlation": alike(map_[0], map_),
        "magnitude": alike(magnitude[0], magnitude),
        "cosine": cosine,
    }


def run_explainer(
    networks: tuple[Model, Model],
    key: PRNGKey,
    pairs: PairSet,
    explainer: Explainer,
    layers: Sequence[str],
    *,
    threshold: float,
    **options: Any,
) -> Run:
    """Compares the maps of one explainer over all pairs and depths.

    Args:
        networks: The network, and the same with all layers randomised, the last of a
            cascade.
        key: Key of the run.
        pairs: Pairs.
        explainer: What makes the maps.
        layers: Layers from the top.
        threshold: Cosine at which pairs are accepted.
        options: Those of `fxai_jax.runners.streaming.run_examples`.

    Returns:
        Correlations; pairs that failed are left out and named.

    Raises:
        ValueError: If all of them failed.

    Example:
        >>> run_explainer(networks, key, pairs, explainer, layers)  # doctest: +SKIP
    """
    function = partial(
        pair_correlations, explainer=explainer, layers=layers, threshold=threshold
    )
    records = run_pairs(
        function, networks, key, pairs, title=explainer.title, **options
    )
    _, values, errors = gather(records, explainer.title)
    return Run(values, errors)


def sanity_rows(
    runs: Mapping[str, Run],
    titles: Mapping[str, str],
    layers: Sequence[str],
    *,
    seed: int = 0,
) -> list[Row]:
    """The table: a row for each explainer and depth.

    Args:
        runs: Correlations by explainer.
        titles: Names of the explainers in the table.
        layers: Layers from the top.
        seed: Start of the random numbers of the bootstrap.

    Returns:
        Rows in per cent, with 95 % bootstrap intervals over pairs.

    Example:
        >>> values = {name: np.array([[1.0, 0.5]]) for name in (*MEASURES, "cosine")}
        >>> runs = {"fggb": Run(values, [])}
        >>> [row] = sanity_rows(runs, {"fggb": "FGGB"}, ["head"])
        >>> row["down to"], row["correlation"].value, row["cosine change"]
        ('head', 50.0, 50.0)
    """
    rows = []
    for name, (values, _) in runs.items():
        columns = {
            (measure, depth): 100 * values[measure][:, depth]
            for measure in MEASURES
            for depth in range(1, len(layers) + 1)
        }
        estimates = mean_estimates(columns, seed)
        change = 100 * np.abs(values["cosine"] - values["cosine"][:, :1]).mean(0)
        rows += [
            {"explainer": titles[name], "layers": depth, "down to": layer}
            | {measure: estimates[measure, depth] for measure in MEASURES}
            | {"cosine change": float(change[depth])}
            for depth, layer in enumerate(layers, 1)
        ]
    return rows


def mean_curve(run: Run, measure: str) -> Float[np.ndarray, " s"]:
    """Mean over the pairs at each depth, to draw.

    Args:
        run: Of one explainer.
        measure: "correlation", "magnitude" or "cosine".

    Returns:
        Means in per cent with shape (s,), the intact network first.

    Example:
        >>> mean_curve(Run({"cosine": np.array([[0.5], [1.0]])}, []), "cosine").tolist()
        [75.0]
    """
    return 100 * run.values[measure].mean(0)


def insensitive(runs: Mapping[str, Run], measure: str) -> dict[str, float]:
    """The explainers whose maps hardly change when the whole network is destroyed.

    Args:
        runs: Correlations by explainer.
        measure: "correlation" or "magnitude".

    Returns:
        Mean correlation in per cent with the last wreck, where it is above `ALIKE`.

    Example:
        >>> insensitive(
        ...     {"a": Run({"magnitude": np.array([[1.0, 0.75]])}, [])}, "magnitude"
        ... )
        {'a': 75.0}
    """
    last = {name: float(mean_curve(run, measure)[-1]) for name, run in runs.items()}
    return {name: value for name, value in last.items() if value > ALIKE}


def _layer(name: str) -> str:
    return name.split(".")[0]
