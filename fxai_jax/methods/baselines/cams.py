"""Grad-CAM and Score-CAM of the cosine: which cells of the feature grid carry it.

Both are weighted sums T of the network's last feature maps and differ in the weights.
The map is as coarse as the grid, 7x7 for most networks. ``similarity`` is the finished
map, ``upsample(ReLU(T))``: clamped on the grid, as in the papers and in
pytorch-grad-cam, and then upsampled. ``dissimilarity`` is that of -T. ``signed`` is
``upsample(T)``, not clamped, and as upsampling is linear the difference of the two,
which may both be positive between cells of different sign.

References:
    Selvaraju et al.: Grad-CAM, ICCV 2017, arXiv 1610.02391.
    Wang et al.: Score-CAM, CVPRW 2020, arXiv 1910.01279.
"""

from typing import Literal

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from fxai_jax.array_types import (
    FaceModel,
    FeatureMap,
    Image,
    PairSaliency,
    Score,
    cast,
    result_dtype,
    widened,
)
from fxai_jax.calling import apply, check_seam
from fxai_jax.chunking import chunked_map
from fxai_jax.filters import resize_bilinear
from fxai_jax.inputs import as_faces
from fxai_jax.numerics import (
    cosine,
    is_constant,
    min_max,
    safe_norm,
    split_sign,
    unit_vector,
)

Norms = Literal["differentiated", "constant"]


def grad_cam(
    model: FaceModel,
    probe: Image,
    gallery: Image,
    *,
    threshold: float | Score,
    norms: Norms = "differentiated",
) -> PairSaliency:
    """Grad-CAM of the probe with the cosine in the place of the class score.

    ``T = sum_k a_k A_k``, a_k the mean over the grid of the gradient of the cosine with
    respect to the feature map A_k.

    Args:
        model: Face model with shape (i, j, k) features.
        probe: Image with shape (h, w, c) in [0, 1]; the maps are of this one.
        gallery: Image with shape (h, w, c) in [0, 1].
        threshold: Not used by this method.
        norms: "differentiated" takes the gradient of ``f·g / (|f| |g|)`` as it stands;
            "constant" holds ``|f| |g|`` constant, as the authors of FAME do, so that
            what only lengthens the embedding counts for the match as well.

    Returns:
        Maps and cosine. `similarity` is the map usually called Grad-CAM.

    Raises:
        ValueError: If `norms` is neither of the two, the model has no features and
            head, or an image cannot be explained.

    Example:
        >>> model = load_backbone("mobilefacenet")
        >>> a, b = sample_face("a_1"), sample_face("a_2")
        >>> grad_cam(model, a, b, threshold=0.45).signed.shape
        (112, 112)

    Differs from the paper in:
        The score is a cosine, and the negative part of the sum is kept as well.

    References:
        Selvaraju et al., arXiv 1610.02391, equations 1 and 2. Constant norms: the
        default of CosineSimilarityTarget in fame/baselines/cam.py, AIML-IfI/fame at
        13fd675.
    """
    if norms not in ("differentiated", "constant"):
        raise ValueError(f"norms must be 'differentiated' or 'constant', got {norms!r}")
    check_seam(model)
    probe, gallery = as_faces(probe, gallery)
    whole = apply(model, gallery)
    reference = unit_vector(widened(whole))
    features = model.features(probe)

    def score(features: FeatureMap) -> Score:
        embedding = widened(model.head(features))
        length = jnp.maximum(safe_norm(embedding), 1e-8)
        length = length if norms == "differentiated" else lax.stop_gradient(length)
        return jnp.dot(embedding / length, reference)

    value, gradient = jax.value_and_grad(score)(features)
    weights = jnp.mean(widened(gradient), axis=(0, 1))
    result = _saliency(widened(features), weights, probe, value)
    return cast(result, result_dtype(probe, whole))


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

    ``T = sum_k w_k A_k``, w_k by how much the cosine to the gallery of ``baseline +
    (probe - baseline) minmax(upsample(A_k))`` exceeds that of the empty image, which is
    `baseline` everywhere. Constant channels mask nothing and weigh 0.

    pytorch-grad-cam's Score-CAM is another definition: it sends the scores through a
    softmax, subtracts no empty image, and upsamples with the corners aligned. Its maps
    correlate with these by .82 to .999, from pair to pair.

    Args:
        model: Face model with shape (i, j, k) features.
        probe: Image with shape (h, w, c) in [0, 1]; the maps are of this one.
        gallery: Image with shape (h, w, c) in [0, 1].
        threshold: Not used by this method.
        baseline: Pixel value, or one per colour, in [0, 1] that the network's input
            convention maps to zero: its mean / 255.
        chunk_size: Channels embedded together; None embeds all k at once.

    Returns:
        Maps and cosine. `similarity` is the map usually called Score-CAM.

    Raises:
        ValueError: If the model has no features and head, or an image cannot be
            explained.

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
    check_seam(model)
    probe, gallery = as_faces(probe, gallery)
    whole = apply(model, gallery)
    features, pixels = model.features(probe), widened(probe)
    height, width, _ = probe.shape
    empty = jnp.broadcast_to(jnp.asarray(baseline, pixels.dtype), probe.shape)

    def score(image: Image) -> Score:
        embedding = model(image.astype(probe.dtype))
        return cosine(widened(embedding), widened(whole))

    empty_score = score(empty)

    def increase(channel: Float[Array, "i j"]) -> Score:
        mask = min_max(resize_bilinear(channel, (height, width))).astype(pixels.dtype)
        gain = score(empty + (pixels - empty) * mask[..., None]) - empty_score
        return jnp.where(is_constant(channel), 0, gain)

    channels = jnp.moveaxis(widened(features), -1, 0)
    weights = chunked_map(increase, channels, chunk_size=chunk_size)
    value = cosine(widened(model.head(features)), widened(whole))
    result = _saliency(widened(features), weights, probe, value)
    return cast(result, result_dtype(probe, whole))


def _saliency(
    features: FeatureMap, weights: Float[Array, " k"], probe: Image, value: Score
) -> PairSaliency:
    total = jnp.einsum("ijk,k->ij", features, weights, precision=lax.Precision.HIGHEST)
    height, width, _ = probe.shape
    similarity, dissimilarity = (
        resize_bilinear(grid, (height, width)) for grid in split_sign(total)
    )
    signed = similarity - dissimilarity  # upsampling is linear
    return PairSaliency(similarity, dissimilarity, signed, value)
