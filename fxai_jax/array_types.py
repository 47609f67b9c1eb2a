"""The words the library is written in: array shapes and callable shapes.

Letters: ``h w`` image height and width, ``c`` colour, ``i j`` feature grid,
``k`` feature channels, ``d`` embedding, ``b`` bands, ``s`` steps, ``n`` examples.

Every function takes one example; batches are made outside with `jax.vmap` or
`fxai_jax.chunking.batched`.

Types of numbers, one rule: an image takes the type of the network's parameters at its
input convention, and a network computes in that. What a method computes of embeddings,
maps and gradients is computed in float32 at least (`widened`): in half precision norms
and odds overflow, and cosines have two digits. A result has the type that image and
embedding promote to (`result_dtype`). A threshold, or another number, never widens it.
"""

from typing import Any, Literal, NamedTuple, Protocol, TypeVar, runtime_checkable

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float, Key

Image = Float[Array | np.ndarray, "h w c"]
"""Aligned RGB face, float32 in [0, 1], on the device or on the host. Each backbone
maps it to its own convention."""

Embedding = Float[Array, " d"]
"""Face embedding as the network returns it: raw, not normalised."""

FeatureMap = Float[Array, "i j k"]
"""Last spatial map of a network, 7x7 for a 112x112 input."""

Saliency = Float[Array, "h w"]
"""One value per pixel; each method documents the range and the sign."""

Score = Float[Array, ""]
"""One number: a cosine, a threshold, a quality."""

Mask = Bool[Array, "h w"] | Float[Array, "h w"]
"""One value per pixel or frequency, 1 where kept."""

PRNGKey = Key[Array, ""]
"""A typed key, from `jax.random.key`."""

Named = TypeVar("Named", bound=tuple)
"""The class of a result."""

Perturb = Literal["probe", "both"]
"""Which images of a pair are changed: the probe alone, or both."""


def result(cls: type[Named]) -> type[Named]:
    """Makes a named tuple known to `jax.export`, which then can serialise it."""
    name = f"{cls.__module__}.{cls.__qualname__}"
    return jax.export.register_namedtuple_serialization(cls, serialized_name=name)


@result
class PairSaliency(NamedTuple):
    """What in the probe makes the pair match or differ. All maps are (h, w)."""

    similarity: Saliency
    """Non-negative; large where a pixel supports the match."""

    dissimilarity: Saliency
    """Non-negative; large where a pixel speaks against the match."""

    signed: Saliency
    """Positive for similarity, negative for dissimilarity. Rank pixels by this one: a
    clamped map has half its pixels tied at zero."""

    cosine: Score
    """Cosine of probe and gallery, in [-1, 1]."""


@runtime_checkable
class Embedder(Protocol):
    """Maps one image to one embedding. A plain function is an Embedder."""

    def __call__(self, image: Image, /) -> Embedding:
        """Returns the raw embedding of one image."""
        ...


@runtime_checkable
class FaceModel(Protocol):
    """An Embedder with a seam: ``model(x) == model.head(model.features(x))``."""

    def __call__(self, image: Image, /) -> Embedding:
        """Returns the raw embedding of one image."""
        ...

    def features(self, image: Image, /) -> FeatureMap:
        """Returns the last spatial feature map of one image."""
        ...

    def head(
        self,
        features: FeatureMap,
        /,
        *,
        dropout_rate: float | Score = 0.0,
        key: PRNGKey | None = None,
    ) -> Embedding:
        """Returns the embedding of a feature map, with dropout before the last map."""
        ...


def widened(x: Float[Array | np.ndarray, "*shape"]) -> Float[Array, "*shape"]:
    """The same numbers in float32 at least.

    Example:
        >>> widened(jnp.ones(2, jnp.bfloat16)).dtype
        dtype('float32')
    """
    half = jnp.finfo(x.dtype).bits < 32
    return jnp.asarray(x, jnp.float32 if half else x.dtype)


def result_dtype(*arrays: Float[Array | np.ndarray, "..."]) -> np.dtype:
    """The type that arrays promote to.

    Example:
        >>> result_dtype(jnp.ones(2, jnp.bfloat16), jnp.ones(2))
        dtype('float32')
    """
    with jax.numpy_dtype_promotion("standard"):
        return jnp.result_type(*(x.dtype for x in arrays))


def cast(tree: Any, dtype: DTypeLike) -> Any:
    """A result with all its numbers in one type.

    Example:
        >>> cast((jnp.ones(2), jnp.ones(())), jnp.bfloat16)[0].dtype
        dtype(bfloat16)
    """
    return jax.tree.map(lambda leaf: leaf.astype(dtype), tree)
