"""FAME: how the pixels have to change until the decision is undone.

The probe descends, in steps of one grey level, until a matching pair no longer has
anything in common or a different one is the same. Where it changed most is where the
network saw the match, or the difference.

References:
    Zhang, Günther: FAME, Feature Activation Map Explanation on Image Classification
    and Face Recognition, CVPRW 2026, arXiv 2605.12017.
    Rozsa, Günther, Boult: LOTS about Attacking Deep Features, IJCB 2017.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Int

from fxai_jax.array_types import (
    Embedder,
    Image,
    PairSaliency,
    Score,
    cast,
    result,
    result_dtype,
    widened,
)
from fxai_jax.calling import apply
from fxai_jax.filters import gaussian_blur
from fxai_jax.inputs import as_faces, as_number, as_threshold
from fxai_jax.numerics import cosine, split_sign

LUMA = (0.2989, 0.587, 0.114)  # as torchvision weighs red, green and blue
BLUR = {"size": 49, "sigma": 7.7}


@result
class Perturbed(NamedTuple):
    """The probe, changed until the decision is undone."""

    image: Image
    """Shape (h, w, c); not clipped, so it may leave [0, 1]."""

    loss: Score
    """Loss of this image: its cosine to the gallery for accepted pairs, 1 minus it
    for rejected ones. Below the target unless the iterations ran out."""

    iterations: Int[Array, ""]
    """Steps taken, in [0, iterations]."""


def perturb(
    embed: Embedder,
    probe: Image,
    gallery: Image,
    *,
    threshold: float | Score,
    iterations: int = 500,
    target: float | Score = 0.01,
    step: float | Score = 1 / 255,
) -> Perturbed:
    """Changes the probe until an accepted pair is orthogonal or a rejected one equal.

    ``x <- x - step * g / max|g|`` with the gradient g of the loss, which is the cosine
    of an accepted pair and ``1 - cosine`` of a rejected one, until the loss is below
    `target`. A zero gradient leaves the image as it is.

    Args:
        embed: Maps one image to its raw embedding.
        probe: Image with shape (h, w, c) in [0, 1].
        gallery: Image with shape (h, w, c) in [0, 1].
        threshold: Cosine at which pairs are accepted, in [-1, 1]; chooses the loss, by
            the clean pair. May be traced.
        iterations: Most steps taken.
        target: Loss below which the image is left as it is.
        step: Change of the pixel that changes most, in pixel values of [0, 1].

    Returns:
        Image, its loss and the steps taken. If the loss is not below `target`, the
        iterations ran out.

    Example:
        >>> bright, even = jnp.array([[[1.0, 0.0, 0.0]]]), jnp.ones((1, 1, 3))
        >>> result = perturb(lambda x: x[0, 0], bright, even, threshold=0.9, step=0.1)
        >>> bool(result.loss < 0.01), int(result.iterations)
        (True, 6)

    References:
        Zhang, Günther, arXiv 2605.12017, equations 3 and 6; target, steps and the
        free range of pixels as in the authors' verification script.
    """
    probe, gallery = as_faces(probe, gallery)
    dtype, pixels = probe.dtype, widened(probe)
    reference = widened(apply(embed, gallery))

    def similarity(image: Image) -> Score:
        return cosine(widened(embed(image.astype(dtype))), reference)

    clean = similarity(pixels)
    accepted = clean >= as_threshold(threshold, clean)

    def loss(image: Image) -> Score:
        value = similarity(image)
        return jnp.where(accepted, value, 1 - value)

    descent = jax.value_and_grad(loss)
    enough = as_number(target, clean, "the target")
    optimizer = _largest_change(as_number(step, pixels, "the step"))
    memory = optimizer.init(pixels)  # of nothing: each step stands alone

    def advance(state):
        image, _, count, _ = state
        value, gradient = descent(image)
        done = (value < enough) | (count >= iterations)
        change, _ = optimizer.update(jnp.where(done, 0, gradient), memory)
        image = optax.apply_updates(image, change)
        return image, value, jnp.where(done, count, count + 1), done

    state = (pixels, jnp.zeros((), clean.dtype), jnp.int32(0), jnp.bool(False))
    image, value, count, _ = lax.while_loop(lambda state: ~state[-1], advance, state)
    return Perturbed(image, value, count)


def explain(
    embed: Embedder,
    probe: Image,
    gallery: Image,
    *,
    threshold: float | Score,
    iterations: int = 500,
    target: float | Score = 0.01,
    step: float | Score = 1 / 255,
) -> PairSaliency:
    """Explains the probe of a pair; exchange the images to explain the other one.

    ``blur(|grey(perturbed) - grey(probe)|)`` of the image of `perturb`, with a
    Gaussian of 49 pixels and sigma 7.7. The map has no sign: it is the similarity of
    an accepted pair and the dissimilarity of a rejected one. Rank by magnitude.

    Args:
        embed: Maps one image to its raw embedding.
        probe: RGB image with shape (h, w, 3) in [0, 1], both sides larger than 24; the
            maps are of this one.
        gallery: Image with shape (h, w, 3) in [0, 1].
        threshold: Cosine at which pairs are accepted, in [-1, 1]. May be traced.
        iterations: Most steps taken.
        target: Loss at which to stop, see `perturb`.
        step: Change of the pixel that changes most, in pixel values of [0, 1].

    Returns:
        Maps in changes of the grey value, and the cosine; `signed` is the map for
        accepted pairs and its negative for rejected ones. Whether the target was
        reached only `perturb` tells.

    Raises:
        ValueError: If the image is too small to be blurred.

    Example:
        >>> first, second = jnp.linspace(0, 1, 2352).reshape(2, 28, 14, 3)
        >>> face, other = (jnp.tile(x, (1, 2, 1)) for x in (first, second))
        >>> explain(lambda x: x.mean((0, 1)), face, other, threshold=0.4).signed.shape
        (28, 28)

    Differs from the paper in:
        The paper shows both losses for every pair; here the threshold chooses the one
        that undoes the decision. The map is not scaled to [0, 1], which the authors
        do before and after the blur and which ranks pixels alike.

    References:
        Zhang, Günther, arXiv 2605.12017, equation 4; weights of the colours and blur
        as in the authors' attribution script.
    """
    probe, gallery = as_faces(probe, gallery)
    perturbed = perturb(
        embed,
        probe,
        gallery,
        threshold=threshold,
        iterations=iterations,
        target=target,
        step=step,
    )
    change = perturbed.image - widened(probe)
    grey = jnp.dot(change, np.array(LUMA, change.dtype), precision="highest")
    map_ = gaussian_blur(jnp.abs(grey), **BLUR)
    embedding = embed(gallery)
    value = cosine(widened(embed(probe)), widened(embedding))
    signed = jnp.where(value >= as_threshold(threshold, value), map_, -map_)
    result = PairSaliency(*split_sign(signed), signed, value)
    return cast(result, result_dtype(probe, embedding))


def _largest_change(step: float | Score) -> optax.GradientTransformation:
    def over_largest(gradient: ArrayLike, _: ArrayLike | None) -> ArrayLike:
        largest = jnp.max(jnp.abs(gradient))
        return gradient / jnp.where(largest > 0, largest, 1)

    return optax.chain(optax.stateless_with_tree_map(over_largest), optax.scale(-step))
