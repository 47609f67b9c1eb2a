"""Whether an explanation depends on what the network has learned.

The layers are destroyed one after the other from the top, and the explanation of each
wreck is compared with that of the intact network. A map that stays alike shows the
image, not the network.

References:
    Adebayo, Gilmer, Muelly, Goodfellow, Hardt, Kim: Sanity Checks for Saliency Maps,
    NeurIPS 2018.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from fxai_jax.array_types import PRNGKey, Score
from fxai_jax.inputs import as_map, check_key
from fxai_jax.numerics import centred_ranks, is_constant

Model = Any
"""A callable pytree, such as a backbone."""

Map = Float[Array | np.ndarray, "h w"]
"""One value per pixel, on the device or on the host."""


def leaf_names(model: Model) -> list[str]:
    """Names of the arrays of a model, to choose prefixes for `cascade` from.

    Args:
        model: Any pytree.

    Returns:
        Dotted paths in the order of the tree, which need not be that of the layers.

    Example:
        >>> leaf_names({"head": {"bias": 0.0}, "stem": 1.0})
        ['head.bias', 'stem']
    """
    return [_name(path) for path, _ in jax.tree_util.tree_leaves_with_path(model)]


def cascade(model: Model, key: PRNGKey, *, prefixes: Sequence[str]) -> list[Model]:
    """Models whose layers are randomised from the top, one layer more in each.

    The entries of every floating-point array below a prefix are permuted, biases and
    running statistics included, so that each array keeps its distribution; arrays of
    equal entries do not change. An array is permuted alike in all models, which share
    it: the list needs the memory of two models.

    Args:
        model: Any pytree; it stays as it is.
        key: Typed key.
        prefixes: Dotted paths of layers, the top one first, each the beginning of some
            of `leaf_names`.

    Returns:
        As many models as there are prefixes; number m has the layers of the first
        m + 1 randomised.

    Raises:
        ValueError: If there is no array below a prefix, or the key is none.

    Example:
        >>> model = {"head": jnp.arange(64.0), "stem": jnp.arange(64.0)}
        >>> top, both = cascade(model, jax.random.key(0), prefixes=["head", "stem"])
        >>> bool(top["head"][0] == 0), bool(top["stem"][1] == 1)
        (False, True)

    Differs from the paper in:
        The paper draws new initial weights; permuted ones need no initialiser and keep
        the scale of each layer.

    References:
        Adebayo et al., NeurIPS 2018, cascading randomisation.
    """
    check_key(key)
    paths, structure = jax.tree_util.tree_flatten_with_path(model)
    names = [_name(path) for path, _ in paths]
    leaves = [leaf for _, leaf in paths]
    models = []
    for prefix in prefixes:
        places = [i for i, name in enumerate(names) if _is_below(name, prefix)]
        if not places:
            tops = dict.fromkeys(name.split(".")[0] for name in names)
            raise ValueError(
                f"found no array below {prefix!r}, expected paths below "
                f"{', '.join(tops)}; see leaf_names"
            )
        for i in places:
            leaves[i] = _permuted(jax.random.fold_in(key, i), paths[i][1])
        models.append(jax.tree_util.tree_unflatten(structure, leaves))
    return models


def rank_correlation(map_a: Map, map_b: Map) -> Score:
    """Spearman's rank correlation of two maps, tied pixels sharing their mean rank.

    Compare signed maps also by their magnitudes: a map may change its sign alone.

    Args:
        map_a: Map with shape (h, w), finite.
        map_b: Map with shape (h, w), finite.

    Returns:
        In [-1, 1]: 1 for maps that rank all pixels alike, about 0 for unrelated ones;
        0 if a map is constant to rounding.

    Raises:
        ValueError: If a map is not finite, or their sizes differ.

    Example:
        >>> a = jnp.arange(6.0).reshape(2, 3)
        >>> round(float(rank_correlation(a, -jnp.exp(a))), 3)
        -1.0

    References:
        Adebayo et al., NeurIPS 2018.
    """
    first = as_map(map_a)
    maps = first, as_map(map_b, "the other map", size=first.shape)
    a, b = (
        jnp.where(is_constant(map_), 0, centred_ranks(jnp.ravel(map_)) / map_.size)
        for map_ in maps
    )
    scale = jnp.sqrt(jnp.sum(a * a)) * jnp.sqrt(jnp.sum(b * b))
    correlation = jnp.sum(a * b) / jnp.where(scale > 0, scale, 1.0)
    return jnp.clip(correlation, -1, 1)


def _name(path: tuple) -> str:
    return jax.tree_util.keystr(path, simple=True, separator=".")


def _is_below(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(f"{prefix}.")


def _permuted(key: PRNGKey, leaf: Any) -> Any:
    if not isinstance(leaf, jax.Array | np.ndarray):
        return leaf
    if not jnp.issubdtype(leaf.dtype, jnp.floating):
        return leaf
    return jax.random.permutation(key, leaf.reshape(-1)).reshape(leaf.shape)
