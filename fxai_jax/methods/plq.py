"""PLQ: which pixels of one face are good enough for recognition.

A node that predicts the image's quality from its embedding is attached to the network
without training. The quality is pulled back through it to the pixels: where a small
change of the pixel hardly moves the quality, the pixel carries nothing.

References:
    Terhörst, Huber, Damer, Kirchbuchner, Raja, Kuijper: Pixel-Level Face Image Quality
    Assessment for Explainable Face Recognition, TBIOM 2023, arXiv 2110.11001.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from fxai_jax.array_types import (
    Embedder,
    Embedding,
    FaceModel,
    Image,
    PRNGKey,
    Saliency,
    Score,
    cast,
    result,
    widened,
)
from fxai_jax.calling import apply
from fxai_jax.inputs import as_face, as_float, as_image, as_number, check_finite
from fxai_jax.methods.quality import SerFiq, scale_quality, ser_fiq
from fxai_jax.numerics import unit_vector

Regression = Literal["uniform", "minimum_norm"]
Gradient = Float[Array, "h w c"]
GREY_LEVELS = 255.0  # gradients are per grey level, images are in [0, 1]
SMALLEST_SPAN = 1e-6  # of the qualities that `calibrate` is given
SATURATED = 0.01  # a scaled quality this near to 0 or 1 says nothing
SMALL_SUM = 0.1  # below this |sum of the embedding| "uniform" is ill-conditioned
SMALLEST_GRADIENT = 1e-15  # per grey level; keeps 10^gamma below float32's maximum


@result
class PixelQuality(NamedTuple):
    """Quality of a face and of each of its pixels."""

    map: Saliency
    """Quality of each pixel with shape (h, w), in [0, 1], higher is better."""

    quality: Score
    """Scaled quality Q of the whole image, in [0, 1], higher is better."""

    gradient: Gradient
    """Change of Q per grey level of each pixel, with shape (h, w, c), signed."""

    embedding_sum: Score
    """Sum of the normalised embedding. Where it is near 0 the gradient of "uniform"
    is large whatever the image; "minimum_norm" does not depend on it."""

    ser_fiq: SerFiq
    """Quality before scaling, with its Monte Carlo standard error."""


@result
class Calibration(NamedTuple):
    """Constants of PLQ for one network."""

    center: Score
    """Quality that is scaled to 1/2, in (0, 1]."""

    alpha: Score
    """Slope of the scaling, positive."""

    gamma: Score
    """Exponent of the map: P is 1/2 where the gradient is ``10^(-gamma/2)``."""


def explain(
    model: FaceModel,
    key: PRNGKey,
    image: Image,
    *,
    passes: int = 100,
    dropout_rate: float | Score = 0.5,
    alpha: float | Score = 130.0,
    center: float | Score = 0.88,
    gamma: float | Score = 7.5,
    regression: Regression = "uniform",
    chunk_size: int | None = None,
) -> PixelQuality:
    """Explains the quality of one face.

    `ser_fiq`, `scale_quality`, `quality_gradient` and `quality_map` in a row.

    Args:
        model: Face model whose head has dropout.
        key: Typed key; fold the image's index into one key outside.
        image: Image with shape (h, w, c) in [0, 1].
        passes: Stochastic passes T, at least 3.
        dropout_rate: Probability in (0, 1) of zeroing an entry; may be traced.
        alpha: Slope of the scaling; may be traced.
        center: Quality that is scaled to 1/2; may be traced.
        gamma: Exponent of the map; may be traced.
        regression: "uniform" or "minimum_norm".
        chunk_size: Heads run together; None runs all T at once.

    Returns:
        Map, quality, gradient, and what tells whether they can be trusted.

    Raises:
        ValueError: If there are fewer than 3 passes, the regression is unknown, the
            head has no dropout, or the image cannot be explained.

    Example:
        >>> model = load_backbone("mobilefacenet")
        >>> constants = {"alpha": 180.0, "center": 0.6915, "gamma": 9.07}
        >>> face = sample_face("a_1")
        >>> explain(model, jax.random.key(0), face, **constants).map.shape
        (112, 112)

    References:
        Terhörst et al., arXiv 2110.11001; alpha, center and gamma from the authors'
        script, where they are those of its ArcFace network.
    """
    image = as_face(image)
    raw = ser_fiq(
        model,
        key,
        image,
        passes=passes,
        dropout_rate=dropout_rate,
        chunk_size=chunk_size,
    )
    quality = scale_quality(widened(raw.quality), alpha=alpha, center=center)
    gradient = _gradient(model, image, quality, regression)
    result = PixelQuality(
        map=_map(gradient, gamma),
        quality=quality,
        gradient=gradient,
        embedding_sum=jnp.sum(unit_vector(widened(model(image)))),
        ser_fiq=raw,
    )
    return cast(result, raw.quality.dtype)


def quality_gradient(
    embed: Embedder,
    image: Image,
    quality: Score,
    *,
    regression: Regression = "uniform",
) -> Gradient:
    """Pulls the quality back to the pixels through an untrained regression node.

    The node's weights w satisfy ``w · e = Q`` for the embedding e of this image and
    are held constant:

    - "uniform": ``w = Q / sum(e)`` for every entry of the normalised embedding.
    - "minimum_norm": ``w = Q F / ||F||²`` on the raw embedding F, the smallest such
      weights, so that ``G = Q d log||F|| / d pixel``.

    Args:
        embed: Maps one image to its raw embedding.
        image: Image with shape (h, w, c) in [0, 1].
        quality: Scaled quality Q in [0, 1]; the gradient is proportional to it.
        regression: "uniform" or "minimum_norm".

    Returns:
        Gradient per grey level (pixels in 0..255) with shape (h, w, c). 0 everywhere
        where the weights do not exist: at sum(e) = 0 or F = 0.

    Raises:
        ValueError: If `regression` is neither of the two, or the image cannot be
            explained.

    Example:
        >>> embed = lambda image: jnp.sum(image, axis=(0, 1))
        >>> gradient = quality_gradient(embed, jnp.ones((1, 1, 2)), jnp.array(1.0))
        >>> gradient.shape
        (1, 1, 2)

    Differs from the paper in:
        "minimum_norm" is our own.

    References:
        Terhörst et al., arXiv 2110.11001; the authors' script ("uniform").
    """
    image = as_face(image)
    return _gradient(embed, image, quality, regression).astype(image.dtype)


def quality_map(gradient: Gradient, *, gamma: float | Score = 7.5) -> Saliency:
    """Turns the gradient into a quality per pixel.

    ``P = 1 - 1 / (1 + 10^gamma m²)`` with m the mean over the colours of ``|G|``.

    Args:
        gradient: Gradient per grey level with shape (h, w, c).
        gamma: Exponent, below 38; depends on the network. It does not change the
            order of the pixels.

    Returns:
        Map with shape (h, w) in [0, 1], higher is better.

    Raises:
        ValueError: If the gradient does not have this shape, or is not finite.

    Example:
        >>> gradient = jnp.full((1, 1, 3), 10**-3.75)
        >>> round(float(quality_map(gradient)[0, 0]), 4)
        0.5

    References:
        Terhörst et al., arXiv 2110.11001; the authors' script (gamma 7.5).
    """
    gradient = as_image(gradient, "the gradient")
    return _map(gradient, gamma).astype(gradient.dtype)


def calibrate(
    qualities: Float[Array, " n"], gradients: Float[Array, " n"]
) -> Calibration:
    """The constants of a network, from development images of ordinary quality.

    ``center = (q10 + q90) / 2`` and ``alpha = 2 ln 9 / (q90 - q10)`` scale the
    quantiles q10 and q90 to 0.1 and 0.9; ``gamma = -2 log10(median |G|)`` gives half
    the pixels of the median image a quality above 1/2.

    Args:
        qualities: SER-FIQ quality of each image, not scaled, with shape (n,).
        gradients: For each image the median over its pixels of the colours' mean
            ``|G|``, per grey level, with shape (n,). gamma holds for the regression
            and the Q they were computed with.

    Returns:
        Constants for `explain`, finite even where all images are alike.

    Raises:
        ValueError: If a quality or a gradient is not finite.

    Example:
        >>> constants = calibrate(jnp.linspace(0.6, 0.8, 11), jnp.full(11, 1e-4))
        >>> round(float(constants.center), 4), round(float(constants.gamma), 4)
        (0.7, 8.0)

    Differs from the paper in:
        The authors' script has fixed constants; this is our own way to find them.
    """
    qualities, gradients = (as_float(x) for x in (qualities, gradients))
    check_finite(qualities, "the qualities")
    check_finite(gradients, "the gradients")
    low, high = jnp.quantile(qualities, jnp.array([0.1, 0.9], qualities.dtype))
    median = jnp.maximum(jnp.median(gradients), SMALLEST_GRADIENT)
    return Calibration(
        center=(low + high) / 2,
        alpha=2 * jnp.log(9.0) / jnp.maximum(high - low, SMALLEST_SPAN),
        gamma=-2 * jnp.log10(median),
    )


def _gradient(
    embed: Embedder, image: Image, quality: Score, regression: Regression
) -> Gradient:
    """`quality_gradient` in float32 at least."""
    if regression not in _NODES:
        raise ValueError(
            f"regression must be one of {sorted(_NODES)}, got {regression!r}"
        )
    transform, node_weights = _NODES[regression]
    embedding, pullback = jax.vjp(lambda x: transform(widened(apply(embed, x))), image)
    weights = node_weights(embedding, as_number(quality, embedding, "the quality"))
    # Scaled to 1: a network in half precision would round small gradients to 0.
    largest = jnp.max(jnp.abs(weights))
    pulled = pullback(weights / jnp.where(largest > 0, largest, 1))[0]
    return pulled.astype(weights.dtype) * largest / GREY_LEVELS


def _map(gradient: Gradient, gamma: float | Score) -> Saliency:
    """`quality_map` in float32 at least; NaN where the gradient is."""
    magnitude = jnp.mean(jnp.abs(widened(gradient)), axis=-1)
    gamma = as_number(gamma, magnitude, "gamma")
    # odds / (1 + odds) keeps apart small values that 1 - 1 / (1 + odds) rounds to 0
    odds = jnp.square(10.0 ** (gamma / 2) * magnitude)
    odds = jnp.minimum(odds, jnp.finfo(odds.dtype).max)
    return odds / (1 + odds)


def _uniform(embedding: Embedding, quality: Score) -> Embedding:
    return jnp.full_like(embedding, _ratio(quality, jnp.sum(embedding)))


def _minimum_norm(embedding: Embedding, quality: Score) -> Embedding:
    return embedding * _ratio(quality, jnp.sum(jnp.square(embedding)))


def _ratio(x: Score, y: Score) -> Score:
    return jnp.where(y == 0, 0, x / jnp.where(y == 0, 1, y))


_NODES: dict[str, tuple[Callable, Callable]] = {
    "uniform": (unit_vector, _uniform),
    "minimum_norm": (lambda embedding: embedding, _minimum_norm),
}
