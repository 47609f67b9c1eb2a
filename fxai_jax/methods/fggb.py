"""FGGB: which pixels make two faces match, and which make them differ.

Feature-guided gradient backpropagation pulls every channel of the probe's normalised
embedding back to the pixels, normalises each of the d gradient maps, and adds them
with weights that sum to cosine minus threshold: a channel that pushes the pair over
the threshold counts for similarity, one that pulls it under for dissimilarity.

References:
    Lu, Xu, Ebrahimi: Towards Visual Saliency Explanations of Face Verification,
    FG 2024, arXiv 2403.04549.
"""

from typing import Literal, get_args

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from fxai_jax.array_types import (
    Embedder,
    Embedding,
    Image,
    PairSaliency,
    Saliency,
    Score,
    cast,
    result_dtype,
    widened,
)
from fxai_jax.calling import apply
from fxai_jax.chunking import chunked_sum
from fxai_jax.inputs import as_faces, as_threshold
from fxai_jax.numerics import safe_norm, split_sign, unit_vector

GradientForm = Literal["absolute", "signed", "split"]
EPS = 1e-8  # added to the norm of each channel's map
_FORMS = get_args(GradientForm)

Parts = tuple[Float[Array, "h w *c"], ...]
"""Weighted map of one channel; for "split" two, for positive and for negative weight,
one of them 0."""


def channel_weights(
    probe: Embedding, gallery: Embedding, *, threshold: float | Score
) -> Float[Array, " d"]:
    """How much each channel pushes the pair over the threshold.

    ``w_k = f_k g_k - threshold / d`` of the normalised embeddings f and g, so that
    the weights sum to ``cosine - threshold``.

    Args:
        probe: Embedding with shape (d,), not necessarily normalised.
        gallery: Embedding with shape (d,), not necessarily normalised.
        threshold: Cosine at which pairs are accepted, in [-1, 1]; may be traced.

    Returns:
        Weights with shape (d,): positive for similarity, negative for dissimilarity.

    Example:
        >>> e = jnp.array([1.0, 0.0])
        >>> channel_weights(e, e, threshold=0.5).tolist()
        [0.75, -0.25]

    References:
        Lu et al., arXiv 2403.04549.
    """
    products = unit_vector(probe) * unit_vector(gallery)
    return products - as_threshold(threshold, products) / probe.shape[0]


def explain(
    embed: Embedder,
    probe: Image,
    gallery: Image,
    *,
    threshold: float | Score,
    gradient: GradientForm = "absolute",
    chunk_size: int | None = None,
) -> PairSaliency:
    """Explains the probe of a pair; exchange the images to explain the other one.

    With ``f = embed(probe) / ||embed(probe)||``, ``G_k = d f_k / d probe`` and the
    weights w_k of `channel_weights`:

    - "absolute": ``S = sum_k w_k g_k / (||g_k|| + 1e-8)``, g_k the mean over the
      colours of ``|G_k|``. All maps are alike, so an accepted pair has an almost empty
      dissimilarity map and a rejected pair an almost empty similarity map.
    - "signed": ``S = mean_c sum_k w_k G_k / (||G_k|| + 1e-8)``. The sign follows the
      gradient, not the importance: rank pixels by ``|S|``, by S they rank worse than
      at random.
    - "split": as "signed", but channels with positive and with negative weight are
      summed apart and each sum is reduced to its magnitude. Both maps are filled for
      every pair; `signed` is the difference of the two. As every map here it is not
      blurred: who draws or ranks it blurs it, once
      (`fxai_jax.filters.gaussian_blur`, 25 pixels, sigma 5), and blurring is linear,
      so that the difference of blurred maps is the same map.

    Args:
        embed: Maps one image to its raw embedding.
        probe: Image with shape (h, w, c) in [0, 1]; the maps are of this one.
        gallery: Image with shape (h, w, c) in [0, 1].
        threshold: Cosine at which pairs are accepted, in [-1, 1]; the method's authors
            use the one of equal error rates. May be traced: sweeping it under
            `jax.jit` compiles once.
        gradient: "absolute", "signed" or "split".
        chunk_size: Channels pulled back together; None takes all d at once. Memory
            grows with it and not with d. 4 to 16 is fastest on CPU.

    Returns:
        Maps and cosine; ``similarity = max(S, 0)`` and ``dissimilarity = max(-S, 0)``
        for "absolute" and "signed".

    Raises:
        ValueError: If `gradient` is none of the three, the threshold outside [-1, 1],
            or an image cannot be explained.

    Example:
        >>> model = load_backbone("mobilefacenet")
        >>> a, b = sample_face("a_1"), sample_face("a_2")
        >>> result = explain(model, a, b, threshold=0.45, chunk_size=16)
        >>> result.similarity.shape
        (112, 112)

    Differs from the paper in:
        The normalisation of the embedding is differentiated through and "absolute"
        takes magnitudes before normalising, as an independent port does; summaries of
        the paper read like "signed". "split" is our own.

    References:
        Lu et al., arXiv 2403.04549.
    """
    if gradient not in _FORMS:
        raise ValueError(f"gradient must be one of {[*_FORMS]}, got {gradient!r}")
    probe, gallery = as_faces(probe, gallery)
    embedding = apply(embed, gallery)
    reference = unit_vector(widened(embedding))
    feature, pullback = jax.vjp(lambda image: unit_vector(widened(embed(image))), probe)
    weights = channel_weights(feature, reference, threshold=threshold)

    def weighted(channel_and_weight: tuple[Int[Array, ""], Score]) -> Parts:
        channel, weight = channel_and_weight
        one_hot = jnp.zeros_like(feature).at[channel].set(1)
        map_ = pullback(one_hot)[0].astype(feature.dtype)
        if gradient == "absolute":
            map_ = jnp.mean(jnp.abs(map_), axis=-1)
        unit = map_ / (safe_norm(map_) + EPS)
        parts = split_sign(weight) if gradient == "split" else (weight,)
        return tuple(part * unit for part in parts)

    channels = jnp.arange(weights.shape[0])
    sums = chunked_sum(weighted, (channels, weights), chunk_size=chunk_size)
    result = PairSaliency(*_maps(sums, gradient), cosine=jnp.dot(feature, reference))
    return cast(result, result_dtype(probe, embedding))


def _maps(sums: Parts, gradient: GradientForm) -> tuple[Saliency, Saliency, Saliency]:
    if gradient == "split":
        similarity, dissimilarity = (jnp.mean(jnp.abs(x), axis=-1) for x in sums)
        return similarity, dissimilarity, similarity - dissimilarity
    signed = sums[0] if gradient == "absolute" else jnp.mean(sums[0], axis=-1)
    return *split_sign(signed), signed
