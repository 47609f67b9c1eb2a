"""Networks whose layers are destroyed from the top, to any depth."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from fxai_jax.array_types import Image
from fxai_jax.metrics.sanity import Model, leaf_names
from fxai_jax.runs.compiling import face_shape


def layers_from_top(model: Model, size: tuple[int, int]) -> list[str]:
    """The layers that the embedding depends on, the one applied last first.

    The order is that of the first use in a traced forward pass: neither the tree of a
    network nor the attributes of one that was loaded keep it. A stage of several blocks
    is one layer. What the embedding does not use, such as a quality head, is left out:
    destroying it changes no map.

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
    intact: Model, destroyed: Model, layers: Sequence[str], depth: int | Int[Array, ""]
) -> Model:
    """The network with its first `depth` layers destroyed, which may be traced.

    One compiled function serves all depths, with the memory of three networks.

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


def _layer(name: str) -> str:
    return name.split(".")[0]
