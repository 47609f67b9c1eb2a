"""The plain gradient of the cosine: what every other method has to be better than.

References:
    Simonyan, Vedaldi, Zisserman: Deep Inside Convolutional Networks, ICLR workshop
    2014, arXiv 1312.6034.
"""

import jax
import jax.numpy as jnp

from fxai_jax.array_types import (
    Embedder,
    Image,
    PairSaliency,
    Score,
    cast,
    result_dtype,
    widened,
)
from fxai_jax.calling import apply
from fxai_jax.inputs import as_faces, as_threshold
from fxai_jax.numerics import cosine, split_sign


def explain(
    embed: Embedder, probe: Image, gallery: Image, *, threshold: float | Score
) -> PairSaliency:
    """Explains the probe of a pair; exchange the images to explain the other one.

    ``mean_c |d cosine / d probe|``. The map has no sign: it is the similarity of an
    accepted pair and the dissimilarity of a rejected one. Rank by magnitude.

    Args:
        embed: Maps one image to its raw embedding.
        probe: Image with shape (h, w, c) in [0, 1]; the maps are of this one.
        gallery: Image with shape (h, w, c) in [0, 1].
        threshold: Cosine at which pairs are accepted, in [-1, 1]; chooses which of the
            two maps is filled. May be traced.

    Returns:
        Maps in cosine per pixel value, and the cosine; `signed` is the map for
        accepted pairs and its negative for rejected ones.

    Example:
        >>> face, other = jnp.array([[[0.0], [1.0]]]), jnp.array([[[1.0], [0.0]]])
        >>> explain(lambda x: x[0, :, 0], face, other, threshold=0.4).signed.tolist()
        [[-1.0, -0.0]]

    Differs from the paper in:
        The score is a cosine, and colours are averaged where the paper takes the
        largest.

    References:
        Simonyan et al., arXiv 1312.6034, section 3.
    """
    probe, gallery = as_faces(probe, gallery)
    embedding = apply(embed, gallery)
    reference = widened(embedding)
    value, slope = jax.value_and_grad(lambda x: cosine(widened(embed(x)), reference))(
        probe
    )
    map_ = jnp.mean(jnp.abs(widened(slope)), axis=-1)
    signed = jnp.where(value >= as_threshold(threshold, value), map_, -map_)
    result = PairSaliency(*split_sign(signed), signed, value)
    return cast(result, result_dtype(probe, embedding))
