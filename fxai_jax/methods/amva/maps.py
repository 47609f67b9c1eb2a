"""The activation map of one face: Score-CAM of a face recognition network."""

from typing import Literal

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from fxai_jax.array_types import (
    Embedder,
    FaceModel,
    FeatureMap,
    Image,
    Saliency,
    Score,
    result_dtype,
    widened,
)
from fxai_jax.calling import apply, check_seam
from fxai_jax.chunking import chunked_map
from fxai_jax.filters import resize_bilinear
from fxai_jax.inputs import as_face, as_image, as_map
from fxai_jax.numerics import cosine, is_constant, min_max, safe_norm

ChannelScore = Literal["cosine", "norm"]
Activation = Float[Array, "i j"]


def channel_scores(
    embed: Embedder,
    image: Image,
    features: FeatureMap,
    *,
    score: ChannelScore = "cosine",
    baseline: float | Score | Float[Array, " c"] = 0.5,
    chunk_size: int | None = None,
) -> Float[Array, " k"]:
    """How much of the embedding is left where one feature channel is active.

    With the mask ``M_k = minmax(upsample(A_k))`` the embedding of
    ``baseline + (image - baseline) M_k`` is compared with that of the image, in the
    place of Score-CAM's class score (our own choice).

    Args:
        embed: Maps one image to its raw embedding.
        image: Image with shape (h, w, c) in [0, 1].
        features: Feature map A of the image with shape (i, j, k).
        score: "cosine" of the two embeddings or "norm" of the masked one.
        baseline: Pixel value, or one per colour, in [0, 1] that the network's input
            convention maps to zero.
        chunk_size: Channels embedded together; None embeds all k at once.

    Returns:
        Scores with shape (k,), in [-1, 1] for "cosine", non-negative for "norm"; 0
        for constant channels, which mask nothing.

    Raises:
        ValueError: If `score` is neither of the two, or the image cannot be explained.

    Example:
        >>> face = jnp.ones((2, 2, 1))
        >>> features = jnp.eye(2)[..., None]
        >>> channel_scores(lambda x: x[0, 0], face, features, baseline=0.0).tolist()
        [1.0]
    """
    if score not in ("cosine", "norm"):
        raise ValueError(f"score must be 'cosine' or 'norm', got {score!r}")
    image = as_face(image)
    features = as_image(features, "the feature map")
    reference = widened(apply(embed, image))
    pixels = widened(image)
    zero = jnp.broadcast_to(jnp.asarray(baseline, pixels.dtype), image.shape)
    height, width, _ = image.shape

    def one_channel(channel: Activation) -> Score:
        mask = min_max(resize_bilinear(channel, (height, width))).astype(pixels.dtype)
        covered = zero + (pixels - zero) * mask[..., None]
        masked = widened(embed(covered.astype(image.dtype)))
        value = cosine(masked, reference) if score == "cosine" else safe_norm(masked)
        return jnp.where(is_constant(channel), 0, value)

    channels = jnp.moveaxis(widened(features), -1, 0)
    scores = chunked_map(one_channel, channels, chunk_size=chunk_size)
    return scores.astype(result_dtype(image, features))


def activation(
    model: FaceModel,
    image: Image,
    *,
    score: ChannelScore = "cosine",
    baseline: float | Score | Float[Array, " c"] = 0.5,
    chunk_size: int | None = None,
) -> Activation:
    """Score-CAM of one face at the size of the feature grid, before the ReLU.

    ``sum_k s_k A_k`` with the scores of `channel_scores`. The sum commutes with
    upsampling, so this is all that has to be stored: 49 numbers a face.

    Args:
        model: Face model with shape (i, j, k) features.
        image: Image with shape (h, w, c) in [0, 1].
        score: "cosine" or "norm".
        baseline: Pixel value, or one per colour, in [0, 1] that the network's input
            convention maps to zero: its mean / 255.
        chunk_size: Channels embedded together; None embeds all k at once.

    Returns:
        Activation with shape (i, j), of any sign and scale; see `activation_map`.

    Raises:
        ValueError: If `score` is neither of the two, the model has no features and
            head, or the image cannot be explained.

    Example:
        >>> model = load_backbone("mobilefacenet")
        >>> activation(model, sample_face("a_1"), chunk_size=16).shape
        (7, 7)

    Differs from the paper in:
        The authors released finished maps; Score-CAM is named by their sibling code,
        and the released maps have its 7x7 grid. The scores are our own choice.
    """
    check_seam(model)
    image = as_face(image)
    features = apply(model.features, image)
    scores = channel_scores(
        model, image, features, score=score, baseline=baseline, chunk_size=chunk_size
    )
    wide = widened(scores)
    terms = features.astype(wide.dtype), wide
    found = jnp.einsum("ijk,k->ij", *terms, precision=lax.Precision.HIGHEST)
    return found.astype(scores.dtype)


def activation_map(activation: Activation, size: tuple[int, int]) -> Saliency:
    """The activation as a map over the pixels: upsampled, ReLU, min-max.

    In this order and with half-pixel centres, as in the authors' released maps.

    Args:
        activation: Activation with shape (i, j), as `activation` returns it.
        size: Height and width in pixels.

    Returns:
        Map with shape `size` in [0, 1]; 0 everywhere for a constant activation.

    Raises:
        ValueError: If the activation is no finite map.

    Example:
        >>> activation_map(jnp.eye(7), (112, 112)).shape
        (112, 112)
    """
    activation = as_map(activation, "the activation")
    positive = jnp.maximum(resize_bilinear(activation, size), 0)
    return jnp.where(is_constant(activation), 0, min_max(positive))
