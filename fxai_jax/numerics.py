"""Numerics that the methods share: safe norms, ranks, order statistics.

Each function names the naive formula or PyTorch function it replaces. Gradients are
finite everywhere, zero where the naive gradient would be NaN.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Num

from fxai_jax.array_types import (
    Embedding,
    PRNGKey,
    Saliency,
    Score,
    result_dtype,
    widened,
)
from fxai_jax.inputs import as_float, as_map, check_key


def safe_norm(x: Float[Array, "*shape"]) -> Score:
    """Euclidean (Frobenius) norm of a whole array, with gradient 0 at x = 0.

    Replaces ``sqrt(sum(x**2))``, whose gradient at 0 is 0/0 = NaN, and whose squares
    overflow: an array with large values is divided by the largest first. The inner
    `where` keeps the square root away from 0, the outer one restores the value.

    Args:
        x: Array of any shape.

    Returns:
        The norm, non-negative.

    Example:
        >>> float(safe_norm(jnp.array([3.0, 4.0])))
        5.0
    """
    given = as_float(x)
    x = widened(given)
    largest = jax.lax.stop_gradient(jnp.max(jnp.abs(x), initial=0))
    limit = float(jnp.finfo(x.dtype).max) ** 0.5 / 4096
    scale = jnp.where((largest > limit) & (largest < jnp.inf), largest, 1.0)
    squared = jnp.sum(jnp.square(x / scale))
    positive = squared > 0
    norm = scale * jnp.sqrt(jnp.where(positive, squared, 1.0))
    return jnp.where(positive, norm, 0.0).astype(given.dtype)


def unit_vector(x: Embedding, *, eps: float = 1e-8) -> Embedding:
    """The vector divided by its norm: ``x / max(||x||, eps)``.

    Replaces ``x / norm(x)``, which is NaN at 0. Equals
    ``torch.nn.functional.normalize(x, dim=0, eps=eps)``.

    Args:
        x: Vector with shape (d,).
        eps: Smallest norm divided by.

    Returns:
        Vector with shape (d,) and norm 1, or 0 for the zero vector.

    Example:
        >>> unit_vector(jnp.array([3.0, 4.0])).tolist()
        [0.6000000238418579, 0.800000011920929]
    """
    given = as_float(x)
    x = widened(given)
    return (x / jnp.maximum(safe_norm(x), eps)).astype(given.dtype)


def cosine(x: Embedding, y: Embedding, *, eps: float = 1e-8) -> Score:
    """Cosine similarity of two embeddings, 0 if one of them is 0.

    Args:
        x: Embedding with shape (d,), not necessarily normalised.
        y: Embedding with shape (d,), not necessarily normalised.
        eps: Smallest norm divided by.

    Returns:
        The cosine in [-1, 1], up to rounding.

    Example:
        >>> float(cosine(jnp.array([1.0, 0.0]), jnp.array([0.0, 2.0])))
        0.0
    """
    x, y = as_float(x), as_float(y)
    first, second = (unit_vector(widened(side), eps=eps) for side in (x, y))
    return jnp.dot(first, second).astype(result_dtype(x, y))


def pair_cosines(
    probe: Float[np.ndarray, "n d"], gallery: Float[np.ndarray, "n d"]
) -> Float[np.ndarray, " n"]:
    """`cosine` of each of many pairs, on the host in float64.

    Args:
        probe: Embeddings with shape (n, d).
        gallery: Embeddings with shape (n, d).

    Returns:
        Cosines with shape (n,) in [-1, 1], up to rounding; 0 where an embedding is 0.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> pair_cosines(np.eye(2), np.array([[2.0, 0.0], [1.0, 0.0]])).tolist()
        [1.0, 0.0]
    """
    exact = [np.asarray(side, np.float64) for side in (probe, gallery)]
    first, second = (x.shape for x in exact)
    if first != second or len(first) != 2:
        raise ValueError(f"expected one shape (n, d), got {first} and {second}")
    large = (np.abs(x).max(axis=1, keepdims=True, initial=1) for x in exact)
    exact = [x / np.where(m > 1e150, m, 1) for x, m in zip(exact, large, strict=True)]
    norms = [np.linalg.norm(side, axis=1).clip(1e-8) for side in exact]
    return np.sum(exact[0] * exact[1], axis=1) / (norms[0] * norms[1])


def lower_median(x: Float[Array, "n *shape"]) -> Float[Array, "*shape"]:
    """Median over the first axis; of two middle values the lower, as ``torch.median``.

    Replaces ``jnp.median``, which averages the two middle values of an even count.

    Args:
        x: Array with shape (n, ...), n at least 1.

    Returns:
        Array with the first axis removed.

    Example:
        >>> float(lower_median(jnp.array([4.0, 1.0, 2.0, 3.0])))
        2.0
    """
    return jnp.sort(x, axis=0)[(x.shape[0] - 1) // 2]


def is_constant(x: Float[Array, "*shape"]) -> Bool[Array, ""]:
    """Whether all values are equal up to rounding in float32.

    Replaces ``max(x) == min(x)``: sums of equal numbers differ in their last bits, and
    scaled to [0, 1] those would be a map.

    Args:
        x: Array of any shape.

    Returns:
        True if they differ by at most a millionth of the largest magnitude.

    Example:
        >>> bool(is_constant(jnp.array([0.3, 0.30000004])))
        True
    """
    return jnp.max(x) - jnp.min(x) <= 1e-6 * jnp.max(jnp.abs(x))


def min_max(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Scales an array to [0, 1]; a constant array becomes 0.

    Replaces ``(x - min) / (max - min)``, which is NaN for a constant array and noise
    for one that `is_constant` to rounding.

    Args:
        x: Array of any shape.

    Returns:
        Array of the same shape in [0, 1].

    Example:
        >>> min_max(jnp.array([1.0, 3.0])).tolist()
        [0.0, 1.0]
    """
    x = as_float(x)
    low, flat = jnp.min(x), is_constant(x)
    span = jnp.where(flat, 1.0, jnp.max(x) - low)
    return jnp.where(flat, 0.0, (x - low) / span)


def split_sign(x: Float[Array, "*shape"]) -> tuple[Array, Array]:
    """Both parts of an array, ``max(x, 0)`` and ``max(-x, 0)``.

    Args:
        x: Array of any shape.

    Returns:
        Positive and negative part, both non-negative; `x` is their difference.

    Example:
        >>> [part.tolist() for part in split_sign(jnp.array([2.0, -3.0]))]
        [[2.0, 0.0], [0.0, 3.0]]
    """
    x = as_float(x)
    return jnp.maximum(x, 0), jnp.maximum(-x, 0)


def pixel_ranks(key: PRNGKey, saliency: Saliency) -> Int[Array, "h w"]:
    """Rank of every pixel, the highest value first; ties are broken at random.

    Replaces ``argsort``, which leaves ties in raster order: of a clamped map, half of
    it tied at zero, it would take the top of the image.

    Args:
        key: Typed key; the same key gives the same ranks.
        saliency: Finite map with shape (h, w), exact in float32; -0.0 ties with 0.0.

    Returns:
        The numbers from 0, at the highest value, to ``h w - 1``, with shape (h, w).

    Raises:
        ValueError: If it is no map of finite numbers. Under a trace NaN is not seen.

    Example:
        >>> saliency = jnp.array([[0.1, 0.7], [0.5, -0.3]])
        >>> pixel_ranks(jax.random.key(0), saliency).tolist()
        [[2, 0], [1, 3]]
    """
    check_key(key)
    saliency = as_map(saliency)
    values = jnp.ravel(saliency)
    lots = jax.random.bits(key, values.shape)
    order = jnp.lexsort((lots, -values))
    return jnp.argsort(order).reshape(saliency.shape)


def centred_ranks(values: Num[Array, " n"]) -> Int[Array, " n"]:
    """Ranks around 0, tied values sharing the mean of theirs, in half ranks.

    Twice the mean rank minus ``n + 1``: how many values are smaller minus how many are
    larger. A float32 mean of ranks is not exact: equal values would seem to differ.

    Args:
        values: Numbers with shape (n,), finite.

    Returns:
        Integers from ``1 - n`` to ``n - 1`` with shape (n,), whose sum is 0.

    Example:
        >>> centred_ranks(jnp.array([0.5, 0.1, 0.5, 0.9])).tolist()
        [0, -3, 0, 3]
    """
    ranked = jnp.sort(values)
    smaller = jnp.searchsorted(ranked, values, side="left")
    not_larger = jnp.searchsorted(ranked, values, side="right")
    return smaller + not_larger - values.shape[0]
