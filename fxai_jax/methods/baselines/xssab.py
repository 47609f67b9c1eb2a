"""xSSAB: two gradients tell what makes a pair match and what makes it differ.

Similarity score argument backpropagation cuts the cosine into its d arguments, the
products of the channels. Those above their share of the threshold are pulled back to
the pixels together, those below it likewise.

References:
    Huber, Luu, Terhörst, Damer: Efficient Explainable Face Verification based on
    Similarity Score Argument Backpropagation, WACV 2024, arXiv 2304.13409.
"""

import jax
import jax.numpy as jnp

from fxai_jax.array_types import (
    Embedder,
    Embedding,
    Image,
    PairSaliency,
    Score,
    cast,
    result_dtype,
    widened,
)
from fxai_jax.calling import apply
from fxai_jax.inputs import as_faces, as_threshold
from fxai_jax.numerics import unit_vector


def arguments(
    probe: Embedding, gallery: Embedding, *, threshold: float | Score
) -> tuple[Embedding, Embedding]:
    """The gallery's channels that speak for the match and those that speak against.

    With the normalised embeddings f and g, channel i is positive if
    ``f_i g_i >= threshold / d`` and negative otherwise. The cosine is the sum of
    ``dot(f, positive)`` and ``dot(f, negative)``.

    Args:
        probe: Embedding with shape (d,), not necessarily normalised.
        gallery: Embedding with shape (d,), not necessarily normalised.
        threshold: Cosine at which pairs are accepted, in [-1, 1]; may be traced.

    Returns:
        Positive and negative part of g, both with shape (d,): each channel is in one
        of them and 0 in the other.

    Example:
        >>> f, g = jnp.array([1.0, 0.0]), jnp.array([0.0, 1.0])
        >>> [part.tolist() for part in arguments(g, g, threshold=0.5)]
        [[0.0, 1.0], [0.0, 0.0]]
        >>> [part.tolist() for part in arguments(f, g, threshold=0.5)]
        [[0.0, 0.0], [0.0, 1.0]]

    References:
        Huber et al., arXiv 2304.13409; the authors' gradient calculator.
    """
    reference = unit_vector(gallery)
    share = as_threshold(threshold, reference) / probe.shape[0]
    supports = unit_vector(probe) * reference >= share
    return jnp.where(supports, reference, 0), jnp.where(supports, 0, reference)


def explain(
    embed: Embedder, probe: Image, gallery: Image, *, threshold: float | Score
) -> PairSaliency:
    """Explains the probe of a pair; exchange the images to explain the other one.

    With ``f = embed(probe) / ||embed(probe)||`` and the two parts p and n of
    `arguments`, held constant: ``similarity = mean_c |d dot(f, p) / d probe|``,
    ``dissimilarity = mean_c |d dot(f, n) / d probe|``, ``signed`` is their difference.

    Args:
        embed: Maps one image to its raw embedding.
        probe: Image with shape (h, w, c) in [0, 1]; the maps are of this one.
        gallery: Image with shape (h, w, c) in [0, 1].
        threshold: Cosine at which pairs are accepted, in [-1, 1]; the method's authors
            use the one of equal error rates. May be traced.

    Returns:
        Maps and cosine. Similarity and dissimilarity are the two terms themselves and
        not the clamped parts of `signed`: both are filled for every pair.

    Example:
        >>> a, b = jnp.array([[[3.0], [4.0]]]), jnp.array([[[1.0], [0.0]]])
        >>> explain(lambda x: x[0, :, 0], a, b, threshold=0.4).signed.shape
        (1, 2)

    References:
        Huber et al., arXiv 2304.13409; the authors' gradient calculator.
    """
    probe, gallery = as_faces(probe, gallery)
    embedding = apply(embed, gallery)
    reference = unit_vector(widened(embedding))
    feature, pullback = jax.vjp(lambda image: unit_vector(widened(embed(image))), probe)
    similarity, dissimilarity = (
        jnp.mean(jnp.abs(widened(pullback(part)[0])), axis=-1)
        for part in arguments(feature, reference, threshold=threshold)
    )
    result = PairSaliency(
        similarity,
        dissimilarity,
        signed=similarity - dissimilarity,
        cosine=jnp.dot(feature, reference),
    )
    return cast(result, result_dtype(probe, embedding))
