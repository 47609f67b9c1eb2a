"""Whether the pixels that a map marks matter: deletion and insertion curves.

The pixels of an image are replaced by a filling, the highest of the map first, and
the embedding is watched (deletion); or the image appears on the filling in that order
(insertion). A true map makes the cosine of a genuine pair fall early in the first and
rise early in the second.

Faces are aligned, so a map of nothing but the centre of the image does well too.
Compare with one, and with smoothed noise; white noise scatters its pixels, which is
another intervention and no baseline.

References:
    Petsiuk, Das, Saenko: RISE, BMVC 2018 (deletion and insertion). Lu, Xu, Ebrahimi:
    Towards Visual Saliency Explanations of Face Verification, arXiv 2305.08546 (pairs
    of faces). Zhang, Günther: FAME, arXiv 2605.12017.
"""

from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from fxai_jax.array_types import Embedder, Embedding, Image, result
from fxai_jax.chunking import chunked_map
from fxai_jax.filters import gaussian_blur
from fxai_jax.inputs import as_array, as_float, as_image, as_pair, is_concrete
from fxai_jax.metrics.labels import Labels, as_finite, as_labels, as_threshold
from fxai_jax.numerics import cosine

Fill = Literal["black", "mean", "blur"]

BLUR_SIZE = 61
"""Kernel of the filling "blur" in pixels, six deviations wide; our own choice."""

BLUR_SIGMA = 10.0
"""Deviation of the filling "blur" in pixels; our own choice. Of a face of 112 pixels it
leaves the colours and nothing that the shipped network would recognise."""


@result
class ErrorCurves(NamedTuple):
    """Errors of all pairs at every step."""

    fmr: Float[np.ndarray, " s"]
    """False match rate in [0, 1]; 0 if there is no impostor pair."""

    fnmr: Float[np.ndarray, " s"]
    """False non-match rate in [0, 1]; 0 if there is no genuine pair."""

    accuracy: Float[np.ndarray, " s"]
    """Share of the pairs that are decided correctly, in [0, 1]."""


def filling(image: Image, *, fill: Fill) -> Image:
    """What stands where a pixel is deleted.

    Args:
        image: Image with shape (h, w, c) in [0, 1].
        fill: "black" is 0, "mean" the mean colour of the image, "blur" the image
            blurred by a Gaussian of `BLUR_SIGMA` pixels.

    Returns:
        Image with shape (h, w, c) in [0, 1].

    Raises:
        ValueError: If `fill` is none of them, or the image too small to be blurred.

    Example:
        >>> filling(jnp.eye(2)[..., None], fill="mean")[..., 0].tolist()
        [[0.5, 0.5], [0.5, 0.5]]
    """
    image = as_image(image)
    if fill == "black":
        return jnp.zeros_like(image)
    if fill == "mean":
        return jnp.broadcast_to(jnp.mean(image, (0, 1), keepdims=True), image.shape)
    if fill != "blur":
        raise ValueError(f"fill must be 'black', 'mean' or 'blur', got {fill!r}")
    blur = partial(gaussian_blur, size=BLUR_SIZE, sigma=BLUR_SIGMA)
    return jax.vmap(blur, in_axes=2, out_axes=2)(image)


def transition(
    embed: Embedder,
    ranks: Int[Array, "h w"],
    start: Image,
    end: Image,
    *,
    steps: int = 10,
    chunk_size: int | None = None,
) -> Float[Array, "s d"]:
    """Embeddings as one image turns into another, pixel by pixel.

    At step k the ``floor(k h w / steps)`` pixels of lowest rank show `end`.

    Args:
        embed: Maps one image to its raw embedding.
        ranks: Rank of every pixel with shape (h, w), 0 turns first, from
            `fxai_jax.numerics.pixel_ranks`.
        start: Image with shape (h, w, c) in [0, 1], shown at step 0.
        end: Image with shape (h, w, c) in [0, 1], shown at the last step.
        steps: Number of equal steps, at least 1.
        chunk_size: Images alive together; None takes all at once.

    Returns:
        Embeddings with shape (steps + 1, d).

    Raises:
        ValueError: If there is no step, or images and ranks do not belong together.

    Example:
        >>> ranks, black = jnp.array([[1, 0]]), jnp.zeros((1, 2, 1))
        >>> image = jnp.array([[[0.25], [0.5]]])
        >>> transition(lambda x: x.ravel(), ranks, image, black, steps=2).tolist()
        [[0.25, 0.5], [0.25, 0.0], [0.0, 0.0]]
    """
    if steps < 1:
        raise ValueError(f"a curve needs at least 1 step, got {steps}")
    start, end = as_pair(start, end)
    ranks = _as_ranks(ranks, start)

    def turned(count: Int[Array, ""]) -> Embedding:
        return embed(jnp.where((ranks < count)[..., None], end, start))

    counts = jnp.asarray(np.arange(steps + 1) * ranks.size // steps, ranks.dtype)
    return chunked_map(turned, counts, chunk_size=chunk_size)


def _as_ranks(ranks: Int[Array, "h w"], image: Image) -> Int[Array, "h w"]:
    given, size = as_array(ranks, "the ranks"), image.shape[:2]
    whole = given.shape == size and jnp.issubdtype(given.dtype, jnp.integer)
    known = whole and is_concrete(given)
    if not whole or (known and not np.isin(given, np.arange(given.size)).all()):
        raise ValueError(
            f"the ranks have the shape {given.shape} and type {given.dtype}, expected "
            f"whole numbers from 0 for {size[0]} x {size[1]} pixels; take pixel_ranks"
        )
    return jnp.asarray(given).astype(jnp.int32)  # a uint8 would not count the pixels


def cosine_curve(
    perturbed: Float[Array, "s d"], reference: Float[Array, "s d"] | Embedding
) -> Float[Array, " s"]:
    """Cosine of every step with the other image of the pair.

    Args:
        perturbed: Embeddings with shape (s, d), from `transition`.
        reference: Embedding with shape (d,) of the other image, or embeddings with
            shape (s, d) where that is perturbed too.

    Returns:
        Cosines with shape (s,), in [-1, 1]; 0 for an embedding that is 0.

    Example:
        >>> cosine_curve(jnp.eye(2), jnp.array([0.0, 2.0])).tolist()
        [0.0, 1.0]
    """
    each = (0, None if reference.ndim == 1 else 0)
    return jax.vmap(cosine, in_axes=each)(perturbed, reference)


def area(
    curve: Float[Array | np.ndarray, "*n s"],
) -> Float[Array | np.ndarray, "*n"] | np.floating:
    """Area under curves over the perturbed share of the pixels, by trapezoids.

    Args:
        curve: Values with shape (..., s) at equal steps from 0 to 1, such as cosines
            or accuracies, on the host or on the device; s at least 2.

    Returns:
        The areas with shape (...), in the unit of the curves: that of the constant 1
        is 1. For similarity maps on genuine pairs lower is better in deletion, higher
        in insertion.

    Raises:
        ValueError: If there are fewer than 2 values.

    Example:
        >>> area(np.array([1.0, 0.5, 0.0]))
        np.float64(0.5)
    """
    values = as_array(curve, "the curve")
    if not jnp.issubdtype(values.dtype, jnp.floating):
        values = as_float(values, "the curve")  # whole numbers would overflow
    count = values.shape[-1] if values.ndim else 1
    if count < 2:
        raise ValueError(f"an area needs at least 2 values, got {count}")
    return ((values[..., 1:] + values[..., :-1]) / 2).mean(-1)


def error_curves(
    cosines: Float[Array | np.ndarray, "n s"],
    genuine: Labels,
    *,
    threshold: float,
) -> ErrorCurves:
    """Error rates at every step, at a threshold that stays, on the host.

    Args:
        cosines: Curves of n pairs with shape (n, s), from `cosine_curve`.
        genuine: Labels with shape (n,).
        threshold: Smallest cosine that is accepted, found on the clean pairs, such as
            by `fxai_jax.metrics.verification.equal_error`.

    Returns:
        FMR, FNMR and accuracy at every step.

    Raises:
        ValueError: If a cosine is not finite, a label neither true nor false, or the
            threshold NaN.

    Example:
        >>> cosines = np.array([[0.9, 0.3], [0.1, 0.3]])
        >>> genuine = np.array([True, False])
        >>> error_curves(cosines, genuine, threshold=0.5).accuracy.tolist()
        [1.0, 0.5]

    References:
        Zhang, Günther: FAME, arXiv 2605.12017 (the accuracy). Huber, Terhörst,
        Kirchbuchner, Damer, Kuijper: On Evaluating Pixel-Level Face Image Quality
        Assessment, EUSIPCO 2022 (DEC and IEC, the FNMR).
    """
    limit, exact = as_threshold(threshold), as_finite(cosines, "cosines")
    if exact.ndim != 2:
        raise ValueError(f"cosines of n pairs at s steps are (n, s), got {exact.shape}")
    matches = as_labels(genuine, len(exact))[:, None]
    accepted = exact >= limit
    return ErrorCurves(
        np.sum(accepted & ~matches, axis=0) / max(np.sum(~matches), 1),
        np.sum(~accepted & matches, axis=0) / max(np.sum(matches), 1),
        np.mean(accepted == matches, axis=0),
    )
