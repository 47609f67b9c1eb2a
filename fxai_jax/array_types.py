"""The words the library is written in: array shapes and callable shapes.

Letters: ``h w`` image height and width, ``c`` colour, ``i j`` feature grid,
``k`` feature channels, ``d`` embedding, ``b`` bands, ``s`` steps, ``n`` examples.

Every function takes one example; batches are made outside with `jax.vmap` or
`fxai_jax.chunking.batched`.
"""

from typing import Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
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

Perturb = Literal["probe", "both"]
"""Which images of a pair are changed: the probe alone, or both."""


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
        dropout_rate: float = 0.0,
        key: PRNGKey | None = None,
    ) -> Embedding:
        """Returns the embedding of a feature map, with dropout before the last map."""
        ...
