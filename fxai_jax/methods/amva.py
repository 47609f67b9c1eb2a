"""AMVA: how a network's attention varies over faces of good and of bad quality.

Score-CAM gives each face an activation map: where the network's last feature maps lie
that alone lead to nearly the same embedding. On good faces it hardly varies outside the
central face; on bad ones it does, and a face is told bad by its deviation from the
mean map of good ones.

References:
    Fu, Damer: Explainability of the Implications of Supervised and Unsupervised Face
    Image Quality Estimations Through Activation Map Variation Analyses in Face
    Recognition Models, WACVW 2022, arXiv 2112.04827.
    Wang et al.: Score-CAM, CVPRW 2020, arXiv 1910.01279.
"""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

from fxai_jax.array_types import (
    Embedder,
    FaceModel,
    FeatureMap,
    Image,
    Saliency,
    Score,
)
from fxai_jax.chunking import chunked_map
from fxai_jax.numerics import (
    cosine,
    lower_median,
    min_max,
    resize_bilinear,
    safe_norm,
)

ChannelScore = Literal["cosine", "norm"]
Spread = Literal["release", "mad"]
Activation = Float[Array, "i j"]


class Variation(NamedTuple):
    """Statistics of a set of activation maps, pixel by pixel, each (h, w)."""

    mean: Saliency
    """In [0, 1]."""

    std: Saliency
    """Unbiased standard deviation, in [0, 0.71]."""

    median: Saliency
    """Lower median, in [0, 1]."""

    spread: Saliency
    """Robust variation, in [0, 1]; see `variation`."""


class Difference(NamedTuple):
    """Where two groups of faces vary differently, each (h, w) in [0, 1]."""

    std: Saliency
    """``|std_high - std_low|`` over its maximum."""

    spread: Saliency
    """``|spread_high - spread_low|`` over its maximum."""


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
    ``baseline + (image - baseline) M_k`` is compared with that of the image.

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
        ValueError: If `score` is neither of the two.

    Example:
        >>> face = jnp.ones((2, 2, 1))
        >>> features = jnp.eye(2)[..., None]
        >>> channel_scores(lambda x: x[0, 0], face, features, baseline=0.0).tolist()
        [1.0]

    References:
        Wang et al., arXiv 1910.01279, with the cosine to the embedding of the whole
        image in the place of the class score (our own choice).
    """
    if score not in ("cosine", "norm"):
        raise ValueError(f"score must be 'cosine' or 'norm', got {score!r}")
    reference = embed(image)
    zero = jnp.broadcast_to(jnp.asarray(baseline, image.dtype), image.shape)
    height, width, _ = image.shape

    def one_channel(channel: Activation) -> Score:
        mask = min_max(resize_bilinear(channel, (height, width)))
        masked = embed(zero + (image - zero) * mask[..., None])
        value = cosine(masked, reference) if score == "cosine" else safe_norm(masked)
        return jnp.where(_constant(channel), 0, value)

    channels = jnp.moveaxis(features, -1, 0)
    return chunked_map(one_channel, channels, chunk_size=chunk_size)


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
        ValueError: If `score` is neither of the two.

    Example:
        >>> model = load_backbone("mobilefacenet")
        >>> activation(model, sample_face("a_1"), chunk_size=16).shape
        (7, 7)

    Differs from the paper in:
        The authors released finished maps; Score-CAM is named by their sibling code,
        and the released maps have its 7x7 grid. The scores are our own choice.

    References:
        Fu, Damer, arXiv 2112.04827; Wang et al., arXiv 1910.01279.
    """
    features = model.features(image)
    scores = channel_scores(
        model, image, features, score=score, baseline=baseline, chunk_size=chunk_size
    )
    return _exact("ijk,k->ij", features, scores)


def activation_map(activation: Activation, size: tuple[int, int]) -> Saliency:
    """The activation as a map over the pixels: upsampled, ReLU, min-max.

    Args:
        activation: Activation with shape (i, j), as `activation` returns it.
        size: Height and width in pixels.

    Returns:
        Map with shape `size` in [0, 1]; 0 everywhere for a constant activation.

    Example:
        >>> activation_map(jnp.eye(7), (112, 112)).shape
        (112, 112)

    References:
        The authors' released maps: bilinear with half-pixel centres, min-max after
        upsampling.
    """
    positive = jnp.maximum(resize_bilinear(activation, size), 0)
    return jnp.where(_constant(activation), 0, min_max(positive))


def variation(maps: Float[Array, "n h w"], *, spread: Spread = "release") -> Variation:
    """Statistics of a set of maps that fits into memory.

    Args:
        maps: Activation maps with shape (n, h, w) in [0, 1], n at least 2.
        spread: "release" is the unbiased standard deviation of ``(X - median)²``,
            which the authors' script calls MAD; "mad" is the lower median of
            ``|X - median|``.

    Returns:
        Mean, unbiased std, lower median and spread.

    Raises:
        ValueError: If there are fewer than 2 maps or the spread is unknown.

    Example:
        >>> maps = jnp.array([0.0, 0.5, 1.0])[:, None, None] * jnp.ones((1, 2, 2))
        >>> float(variation(maps).std[0, 0])
        0.5

    References:
        Fu, Damer, arXiv 2112.04827; the authors' script.
    """
    _check_set(maps.shape[0], spread)
    return Variation(*_statistics(maps, spread))


def variation_from_activations(
    activations: Float[Array, "n i j"],
    size: tuple[int, int],
    *,
    spread: Spread = "release",
    rows: int | None = None,
) -> Variation:
    """Statistics of a set of maps of any size, from the activations alone.

    Equals `variation` of the `activation_map` of each. The range of each map is found
    first; then `rows` rows of all n maps are upsampled and reduced at a time.

    Args:
        activations: Activations with shape (n, i, j), n at least 2.
        size: Height and width of the maps in pixels.
        spread: "release" or "mad", as in `variation`.
        rows: Rows alive together; None takes all. 100,000 maps of 112 pixels width
            need 45 MB a row, a few times over.

    Returns:
        Mean, unbiased std, lower median and spread.

    Raises:
        ValueError: If there are fewer than 2 activations or the spread is unknown.

    Example:
        >>> activations = jnp.stack([jnp.eye(7), 1 - jnp.eye(7)])
        >>> variation_from_activations(activations, (112, 112), rows=8).mean.shape
        (112, 112)

    References:
        Fu, Damer, arXiv 2112.04827; the authors' script.
    """
    _check_set(activations.shape[0], spread)
    vertical, horizontal = (
        resize_bilinear(jnp.eye(grid, dtype=activations.dtype), (pixels, grid))
        for grid, pixels in zip(activations.shape[1:], size, strict=True)
    )

    def strip(weights: Float[Array, " i"]) -> Float[Array, "n w"]:
        line = _exact("nij,i->nj", activations, weights)
        return jnp.maximum(_exact("nj,wj->nw", line, horizontal), 0)

    def extremes(weights: Float[Array, " i"]):
        values = strip(weights)
        return jnp.min(values, axis=1), jnp.max(values, axis=1)

    lows, highs = chunked_map(extremes, vertical, chunk_size=rows)
    low, high = jnp.min(lows, axis=0), jnp.max(highs, axis=0)
    flat = jax.vmap(_constant)(activations) | (high <= low)
    scale = jnp.where(flat, 0, 1 / jnp.where(flat, 1, high - low))

    def one_row(weights: Float[Array, " i"]):
        values = (strip(weights) - low[:, None]) * scale[:, None]
        return _statistics(values, spread)

    return Variation(*chunked_map(one_row, vertical, chunk_size=rows))


def difference(high: Variation, low: Variation) -> Difference:
    """Where the maps of two groups vary differently.

    Args:
        high: Statistics of the group of high quality.
        low: Statistics of the group of low quality.

    Returns:
        ``|std_high - std_low|`` and ``|spread_high - spread_low|``, each over its
        maximum; 0 everywhere for equal groups.

    Example:
        >>> a = Variation(*jnp.zeros((4, 2, 2)))
        >>> b = Variation(*jnp.eye(2)[None].repeat(4, axis=0))
        >>> difference(a, b).std.tolist()
        [[1.0, 0.0], [0.0, 1.0]]

    References:
        Fu, Damer, arXiv 2112.04827; the authors' script.
    """
    return Difference(
        _over_maximum(jnp.abs(high.std - low.std)),
        _over_maximum(jnp.abs(high.spread - low.spread)),
    )


def deviation(attention: Saliency, reference: Saliency) -> Saliency:
    """Where one face's map departs from the mean map of good faces.

    Args:
        attention: Activation map with shape (h, w) in [0, 1].
        reference: Mean map of the high-quality group with shape (h, w) in [0, 1].

    Returns:
        ``|reference - attention|`` over its maximum, in [0, 1]: to draw. To compare
        faces, take `mean_deviation`.

    Example:
        >>> deviation(jnp.eye(2), jnp.full((2, 2), 0.75)).tolist()
        [[0.3333333432674408, 1.0], [1.0, 0.3333333432674408]]

    References:
        Fu, Damer, arXiv 2112.04827; the authors' script.
    """
    return _over_maximum(jnp.abs(reference - attention))


def mean_deviation(attention: Saliency, reference: Saliency) -> Score:
    """How far one face's map departs from the mean map of good faces.

    Args:
        attention: Activation map with shape (h, w) in [0, 1].
        reference: Mean map of the high-quality group with shape (h, w) in [0, 1].

    Returns:
        Mean of ``|reference - attention|`` in [0, 1], without the division by the
        maximum that makes `deviation` incomparable between faces.

    Example:
        >>> float(mean_deviation(jnp.eye(2), jnp.ones((2, 2))))
        0.5
    """
    return jnp.mean(jnp.abs(reference - attention))


def _check_set(count: int, spread: str) -> None:
    if spread not in _SPREADS:
        raise ValueError(f"spread must be one of {sorted(_SPREADS)}, got {spread!r}")
    if count < 2:
        raise ValueError(f"the variation of maps needs at least 2 of them, got {count}")


def _constant(x: Float[Array, "*shape"]) -> Bool[Array, ""]:
    # Upsampling a constant leaves rounding noise, which min-max would blow up to 1,
    # so constancy is asked of the grid.
    return jnp.max(x) <= jnp.min(x)


def _exact(equation: str, *arrays: Array) -> Array:
    return jnp.einsum(equation, *arrays, precision=lax.Precision.HIGHEST)


def _over_maximum(x: Saliency) -> Saliency:
    maximum = jnp.max(x)
    return x / jnp.where(maximum > 0, maximum, 1)


def _statistics(x: Float[Array, "n *shape"], spread: Spread) -> tuple:
    mean = jnp.mean(x, axis=0, keepdims=True)
    mean = mean + jnp.mean(x - mean, axis=0, keepdims=True)  # repairs long float32 sums
    std = jnp.sqrt(jnp.sum(jnp.square(x - mean), axis=0) / (x.shape[0] - 1))
    median = lower_median(x)
    return mean[0], std, median, _SPREADS[spread](x - median[None])


_SPREADS = {
    "release": lambda centred: jnp.std(jnp.square(centred), axis=0, ddof=1),
    "mad": lambda centred: lower_median(jnp.abs(centred)),
}
