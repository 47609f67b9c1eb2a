"""SER-FIQ: how good a face image is for recognition.

Dropout before the last linear map makes many random sub-networks. Where they agree on
the embedding the image is good; where their embeddings scatter it is bad.

References:
    Terhörst, Kolf, Damer, Kirchbuchner, Kuijper: SER-FIQ: Unsupervised Estimation of
    Face Image Quality Based on Stochastic Embedding Robustness, CVPR 2020.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from fxai_jax.array_types import (
    Embedding,
    FaceModel,
    Image,
    PRNGKey,
    Score,
    cast,
    result,
    result_dtype,
    widened,
)
from fxai_jax.calling import apply, check_seam, uses_last
from fxai_jax.chunking import chunked_map
from fxai_jax.inputs import (
    as_face,
    as_float,
    as_number,
    check_finite,
    check_key,
    is_concrete,
)
from fxai_jax.numerics import unit_vector

ROUNDING = 1e-6
"""Entries of normalised embeddings that differ by no more are equal."""


@result
class SerFiq(NamedTuple):
    """Quality of one image and how exactly the passes determine it."""

    quality: Score
    """In (0, 1], higher is better; networks use a narrow part of the range."""

    standard_error: Score
    """Monte Carlo standard deviation of `quality` over keys, non-negative."""


def ser_fiq(
    model: FaceModel,
    key: PRNGKey,
    image: Image,
    *,
    passes: int = 100,
    dropout_rate: float | Score = 0.5,
    chunk_size: int | None = None,
) -> SerFiq:
    """Agreement of T stochastic embeddings of one image.

    ``q = 2 / (1 + exp(mean_{s<t} ||x_s - x_t||))`` for the normalised embeddings x_t
    of T heads with dropout; the trunk runs once.

    Args:
        model: Face model whose head has dropout.
        key: Typed key. Fold the image's index into one key outside, and the result
            does not depend on batches.
        image: Image with shape (h, w, c) in [0, 1].
        passes: T, at least 3.
        dropout_rate: Probability in (0, 1) of zeroing an entry; may be traced.
        chunk_size: Heads run together; None runs all T at once.

    Returns:
        Quality and its Monte Carlo standard error; NaN if all passes are alike, as
        where nothing is left that dropout could zero.

    Raises:
        ValueError: If there are fewer than 3 passes, the head has no dropout, or the
            image cannot be explained.

    Example:
        >>> model = load_backbone("mobilefacenet")
        >>> result = ser_fiq(model, jax.random.key(0), sample_face("a_1"))
        >>> bool(0.6 < result.quality < 0.8)
        True

    Differs from the paper in:
        Dropout and the whole head of the model, with its last batch norm, which the
        authors' script leaves out. The standard error is our own.

    References:
        Terhörst et al., CVPR 2020; the authors' script (T=100, rate 0.5).
    """
    _check_passes(passes)
    check_seam(model)
    check_key(key)
    image = as_face(image)
    features = apply(model.features, image)

    def one_pass(pass_key: PRNGKey) -> Embedding:
        passed = model.head(features, dropout_rate=dropout_rate, key=pass_key)
        return unit_vector(widened(passed))

    _check_dropout(one_pass, key, dropout_rate)
    keys = jax.random.split(key, passes)
    embeddings = chunked_map(one_pass, keys, chunk_size=chunk_size)
    varies = jnp.max(jnp.abs(embeddings - embeddings[:1])) > ROUNDING
    found = embedding_robustness(embeddings)
    result = SerFiq(*(jnp.where(varies, value, jnp.nan) for value in found))
    return cast(result, result_dtype(image, features))


def embedding_robustness(embeddings: Float[Array, "t d"]) -> SerFiq:
    """SER-FIQ quality of embeddings that are already there.

    With ``D_st = sqrt(max(0, 2 - 2 x_s x_t))`` and its mean m over the pairs,
    ``q = 2 / (1 + exp(m))``. The pairs share passes and are not independent, so the
    error is the jackknife's: with q_t the quality without pass t,
    ``sqrt((T - 1) / T sum_t (q_t - mean q)^2)``.

    Args:
        embeddings: T stochastic embeddings with shape (t, d), t at least 3, each of
            norm 1. The zero vector counts as orthogonal to all others.

    Returns:
        Quality and its Monte Carlo standard error.

    Raises:
        ValueError: If there are fewer than 3 embeddings, or one is not finite.

    Example:
        >>> round(float(embedding_robustness(jnp.eye(4)).quality), 4)
        0.3911

    References:
        Efron, Stein: The Jackknife Estimate of Variance, Annals of Statistics 1981.
    """
    given = as_float(embeddings, "the embeddings")
    check_finite(given, "the embeddings")
    embeddings = widened(given)
    passes = embeddings.shape[0]
    _check_passes(passes)
    # Row t of the distances holds all pairs of pass t, and the total holds each pair
    # twice. Leaving t out takes its row and its column away: T - 1 passes are left,
    # with (T - 1)(T - 2) ordered pairs. So all T jackknife values cost one Gram matrix.
    sums = jnp.sum(_distances(embeddings), axis=1)
    total = jnp.sum(sums)
    without = (total - 2 * sums) / ((passes - 1) * (passes - 2))
    jackknife = _quality(without)
    variance = jnp.var(jackknife) * (passes - 1)  # (T - 1) / T times the sum
    quality = _quality(total / (passes * (passes - 1)))
    return cast(SerFiq(quality, jnp.sqrt(variance)), given.dtype)


def scale_quality(
    quality: Score, *, alpha: float | Score = 130.0, center: float | Score = 0.88
) -> Score:
    """Spreads the narrow range of a network's qualities over [0, 1].

    ``Q = 1 / (1 + exp(-alpha (q - center)))``

    Args:
        quality: SER-FIQ quality q in (0, 1].
        alpha: Slope, positive; depends on the network.
        center: Quality that becomes 1/2, in (0, 1]; depends on the network.

    Returns:
        Scaled quality in [0, 1].

    Example:
        >>> float(scale_quality(jnp.array(0.88)))
        0.5

    References:
        Terhörst et al., arXiv 2110.11001; the authors' script. The defaults are for
        its ArcFace network: any other needs its own (`fxai_jax.methods.plq.calibrate`),
        or every image gets Q = 0 or Q = 1.
    """
    quality = as_float(quality, "the quality")
    alpha, center = (
        as_number(alpha, quality, "alpha"),
        as_number(center, quality, "center"),
    )
    return jax.nn.sigmoid(alpha * (quality - center))


def _distances(embeddings: Float[Array, "t d"]) -> Float[Array, "t t"]:
    # 2 - 2 x_s x_t cancels, so the products must not be rounded to bfloat16 or TF32.
    gram = jnp.dot(embeddings, embeddings.T, precision=lax.Precision.HIGHEST)
    squared = 2 - 2 * gram
    apart = (squared > 0) & ~jnp.eye(embeddings.shape[0], dtype=bool)
    return jnp.where(apart, jnp.sqrt(jnp.where(apart, squared, 1)), 0)


def _quality(mean_distance: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    return 2 * jax.nn.sigmoid(-mean_distance)


def _check_passes(passes: int) -> None:
    if passes < 3:
        raise ValueError(
            f"a quality with its standard error needs at least 3 passes, got {passes}"
        )


def _check_dropout(
    one_pass: Callable[[PRNGKey], Embedding], key: PRNGKey, rate: float | Score
) -> None:
    if is_concrete(rate) and not (np.ndim(rate) == 0 and 0 < rate < 1):
        raise ValueError(f"the rate of dropout must be in (0, 1), got {rate}")
    try:
        drawn = uses_last(one_pass, key)
    except TypeError as error:
        raise ValueError(
            f"the head fails with dropout ({error}); it takes features, dropout_rate "
            "and key, as fxai_jax.array_types.FaceModel"
        ) from error
    if not drawn:
        raise ValueError(
            "the head of this network does not use its key, so it has no dropout: all "
            "passes would be alike and SER-FIQ would measure nothing; take a network "
            "with dropout before its last linear map"
        )
