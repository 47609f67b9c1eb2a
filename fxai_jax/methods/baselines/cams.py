"""Grad-CAM and Score-CAM of the cosine: which cells of the feature grid carry it.

Both are weighted sums of the network's last feature maps and differ in the weights.
The map is as coarse as the grid, 7x7 for most networks.

References:
    Selvaraju et al.: Grad-CAM, ICCV 2017, arXiv 1610.02391.
    Wang et al.: Score-CAM, CVPRW 2020, arXiv 1910.01279.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from fxai_jax.array_types import FaceModel, FeatureMap, Image, PairSaliency, Score
from fxai_jax.chunking import chunked_map
from fxai_jax.numerics import cosine, min_max, resize_bilinear, split_sign


def grad_cam(
    model: FaceModel, probe: Image, gallery: Image, *, threshold: float | Score
) -> PairSaliency:
    """Grad-CAM of the probe with the cosine in the place of the class score.

    ``S = upsample(sum_k a_k A_k)``, a_k the mean over the grid of the gradient of the
    cosine with respect to the feature map A_k.

    Args:
        model: Face model with shape (i, j, k) features.
        probe: Image with shape (h, w, c) in [0, 1]; the maps are of this one.
        gallery: Image with shape (h, w, c) in [0, 1].
        threshold: Not used by this method.

    Returns:
        Maps and cosine. `similarity` is ReLU(S), the map usually called Grad-CAM.

    Example:
        >>> model = load_backbone("mobilefacenet")
        >>> a, b = sample_face("a_1"), sample_face("a_2")
        >>> grad_cam(model, a, b, threshold=0.45).signed.shape
        (112, 112)

    Differs from the paper in:
        The score is a cosine, differentiated through the normalisation of the probe's
        embedding, and the negative part of the sum is kept as well.

    References:
        Selvaraju et al., arXiv 1610.02391, equations 1 and 2.
    """
    features = model.features(probe)
    reference = model(gallery)

    def score(features: FeatureMap) -> Score:
        return cosine(model.head(features), reference)

    value, gradient = jax.value_and_grad(score)(features)
    weights = jnp.mean(gradient, axis=(0, 1))
    return _saliency(features, weights, probe, value)


def score_cam(
    model: FaceModel,
    probe: Image,
    gallery: Image,
    *,
    threshold: float | Score,
    baseline: float | Score | Float[Array, " c"] = 0.5,
    chunk_size: int | None = None,
) -> PairSaliency:
    """Score-CAM of the probe with the cosine in the place of the class score.

    ``S = upsample(sum_k w_k A_k)``, w_k by how much the cosine to the gallery of
    ``baseline + (probe - baseline) minmax(upsample(A_k))`` exceeds that of the empty
    image, which is `baseline` everywhere. Constant channels mask nothing and weigh 0.

    Args:
        model: Face model with shape (i, j, k) features.
        probe: Image with shape (h, w, c) in [0, 1]; the maps are of this one.
        gallery: Image with shape (h, w, c) in [0, 1].
        threshold: Not used by this method.
        baseline: Pixel value, or one per colour, in [0, 1] that the network's input
            convention maps to zero: its mean / 255.
        chunk_size: Channels embedded together; None embeds all k at once.

    Returns:
        Maps and cosine. `similarity` is ReLU(S), the map usually called Score-CAM.

    Example:
        >>> model = load_backbone("mobilefacenet")
        >>> a, b = sample_face("a_1"), sample_face("a_2")
        >>> score_cam(model, a, b, threshold=0.45, chunk_size=16).signed.shape
        (112, 112)

    Differs from the paper in:
        The score is a cosine, the weights are not sent through a softmax over the
        channels, which would make all of them positive and nearly equal, and the
        negative part of the sum is kept as well.

    References:
        Wang et al., arXiv 1910.01279, definition 2 and equation 2.
    """
    features = model.features(probe)
    reference = model(gallery)
    height, width, _ = probe.shape
    empty = jnp.broadcast_to(jnp.asarray(baseline, features.dtype), probe.shape)
    empty_score = cosine(model(empty), reference)

    def increase(channel: Float[Array, "i j"]) -> Score:
        mask = min_max(resize_bilinear(channel, (height, width)))
        masked = model(empty + (probe - empty) * mask[..., None])
        # Upsampling a constant leaves rounding noise, so the grid is asked.
        varies = jnp.max(channel) > jnp.min(channel)
        return jnp.where(varies, cosine(masked, reference) - empty_score, 0)

    channels = jnp.moveaxis(features, -1, 0)
    weights = chunked_map(increase, channels, chunk_size=chunk_size)
    value = cosine(model.head(features), reference)
    return _saliency(features, weights, probe, value)


def _saliency(
    features: FeatureMap, weights: Float[Array, " k"], probe: Image, value: Score
) -> PairSaliency:
    total = jnp.einsum("ijk,k->ij", features, weights, precision=lax.Precision.HIGHEST)
    height, width, _ = probe.shape
    signed = resize_bilinear(total, (height, width))
    return PairSaliency(*split_sign(signed), signed, value)
