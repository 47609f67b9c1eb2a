"""Maps that know nothing of the network: what an explanation has to be better than.

Noise of two kinds, the edges of the face, and the prior that faces are centred. Each is
a function ``prior(key, image)`` of an image with shape (h, w, c) in [0, 1] that returns
a non-negative map with shape (h, w); `explain` gives it FGGB's signature and result.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from fxai_jax.array_types import (
    Embedder,
    Image,
    PairSaliency,
    PRNGKey,
    Saliency,
    Score,
    cast,
    result_dtype,
    widened,
)
from fxai_jax.calling import apply
from fxai_jax.filters import gaussian_blur
from fxai_jax.inputs import as_faces, as_image, as_map, as_threshold, check_key
from fxai_jax.numerics import cosine, split_sign

MARGIN = 12  # pixels that a blur of 25 pixels reaches

Prior = Callable[[PRNGKey, Image], Saliency]


def explain(
    fun: Prior,
    embed: Embedder,
    key: PRNGKey,
    probe: Image,
    gallery: Image,
    *,
    threshold: float | Score,
) -> PairSaliency:
    """A prior in the place of an explanation of the probe.

    The map has no sign: it is the similarity of an accepted pair and the dissimilarity
    of a rejected one. Rank by magnitude. The network is asked for the cosine alone.

    Args:
        fun: One of the priors of this module.
        embed: Maps one image to its raw embedding.
        key: Key of the map; one for each pair.
        probe: Image with shape (h, w, c) in [0, 1]; the map is of this one.
        gallery: Image with shape (h, w, c) in [0, 1].
        threshold: Cosine at which pairs are accepted, in [-1, 1]; chooses which of the
            two maps is filled. May be traced.

    Returns:
        Map and cosine; `signed` is the map for accepted pairs and its negative for
        rejected ones.

    Example:
        >>> face, key = jnp.ones((4, 4, 3)), jax.random.key(0)
        >>> embed = lambda image: image[0, 0]
        >>> explain(pixel_random, embed, key, face, face, threshold=0.4).signed.shape
        (4, 4)
    """
    check_key(key)
    probe, gallery = as_faces(probe, gallery)
    map_ = as_map(fun(key, probe), "the map of the prior", size=probe.shape)
    embedding = apply(embed, probe)
    value = cosine(widened(embedding), widened(embed(gallery)))
    signed = jnp.where(value >= as_threshold(threshold, value), map_, -map_)
    result = PairSaliency(*split_sign(signed), signed, value)
    return cast(result, result_dtype(probe, embedding))


def smooth_random(key: PRNGKey, image: Image) -> Saliency:
    """White noise, as smooth as the maps of explainers are when drawn.

    Normal noise after a Gaussian blur (25 pixels, sigma 5), minus its minimum, so that
    ranking by magnitude ranks the noise. It is the fair random order: independent
    pixels are scattered, which is another intervention. The noise is drawn wider than
    the image and cut: mirrored at the border it would vary twice as much in the
    corners as inside, and the corners would come first or last.

    Args:
        key: Key of the map.
        image: Image with shape (h, w, c), of which the size counts alone.

    Returns:
        Map with shape (h, w) and minimum 0.

    Example:
        >>> float(smooth_random(jax.random.key(0), jnp.ones((4, 4, 3))).min())
        0.0
    """
    check_key(key)
    height, width, _ = as_image(image).shape
    wide = jax.random.normal(key, (height + 2 * MARGIN, width + 2 * MARGIN))
    noise = gaussian_blur(wide)[MARGIN:-MARGIN, MARGIN:-MARGIN]
    return noise - jnp.min(noise)


def pixel_random(key: PRNGKey, image: Image) -> Saliency:
    """Uniform noise, independent for each pixel.

    Args:
        key: Key of the map.
        image: Image with shape (h, w, c), of which the size counts alone.

    Returns:
        Map with shape (h, w) in [0, 1).

    Example:
        >>> pixel_random(jax.random.key(0), jnp.ones((4, 5, 3))).shape
        (4, 5)
    """
    check_key(key)
    return jax.random.uniform(key, as_image(image).shape[:2])


def edges(key: PRNGKey, image: Image) -> Saliency:
    """Sobel magnitude of the grey image, the mean of its colours.

    ``sqrt(dx² + dy²)`` in grey values per pixel; borders are repeated.

    Args:
        key: Not used: every prior takes one.
        image: Image with shape (h, w, c) in [0, 1].

    Returns:
        Map with shape (h, w) in [0, 0.71].

    Example:
        >>> ramp = jnp.tile(jnp.linspace(0, 1, 5)[None, :, None], (3, 1, 1))
        >>> edges(jax.random.key(0), ramp)[1].tolist()
        [0.125, 0.25, 0.25, 0.25, 0.125]
    """
    grey = jnp.mean(as_image(image), axis=-1)
    across, down = _sobel(grey), _sobel(grey.T).T
    return jnp.sqrt(jnp.square(across) + jnp.square(down))


def centred_gaussian(
    key: PRNGKey, image: Image, *, sigma: float | Score = 0.25
) -> Saliency:
    """A Gaussian hill at the centre of the image, where aligned faces are.

    ``exp(-r² / (2 sigma²))`` with the distance r from the centre of the image, in
    shares of its height and width.

    Args:
        key: Not used: every prior takes one.
        image: Image with shape (h, w, c), of which the size counts alone.
        sigma: Width of the hill as a share of the side, positive.

    Returns:
        Map with shape (h, w) in (0, 1].

    Example:
        >>> float(centred_gaussian(jax.random.key(0), jnp.ones((5, 5, 3)))[2, 2])
        1.0
    """
    y, x = (
        jnp.exp(-jnp.square(_from_centre(side) / sigma) / 2)
        for side in as_image(image).shape[:2]
    )
    return jnp.outer(y, x)


def _from_centre(side: int) -> Float[Array, " side"]:
    return (jnp.arange(side, dtype=jnp.float32) - (side - 1) / 2) / side


def _sobel(grey: Saliency) -> Saliency:
    padded = jnp.pad(grey, 1, mode="edge")
    difference = (padded[:, 2:] - padded[:, :-2]) / 2
    return (difference[:-2] + 2 * difference[1:-1] + difference[2:]) / 4
