"""Maps that know nothing of the network: what an explanation has to be better than.

Noise of two kinds, the edges of the face, and the prior that faces are centred. The
network is asked for the cosine alone. None of the maps has a sign: each is the
similarity of an accepted pair and the dissimilarity of a rejected one, in `signed` as
the map itself and as its negative. Rank by magnitude.
"""

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
)
from fxai_jax.numerics import cosine, gaussian_blur, split_sign

MARGIN = 12  # pixels that a blur of 25 pixels reaches


def smooth_random(
    embed: Embedder,
    key: PRNGKey,
    probe: Image,
    gallery: Image,
    *,
    threshold: float | Score,
) -> PairSaliency:
    """White noise, as smooth as the maps of explainers are when drawn.

    Normal noise after a Gaussian blur (25 pixels, sigma 5), minus its minimum, so that
    ranking by magnitude ranks the noise. It is the fair random order: independent
    pixels are scattered, which is another intervention. The noise is drawn wider than
    the image and cut: mirrored at the border it would vary twice as much in the
    corners as inside, and the corners would come first or last.

    Args:
        embed: Maps one image to its raw embedding.
        key: Key of the map; one for each pair.
        probe: Image with shape (h, w, c) in [0, 1].
        gallery: Image with shape (h, w, c) in [0, 1].
        threshold: Cosine at which pairs are accepted, in [-1, 1]; chooses which of the
            two maps is filled. May be traced.

    Returns:
        Non-negative map without a sign, with minimum 0, and the cosine.

    Example:
        >>> face, key = jnp.ones((4, 4, 3)), jax.random.key(0)
        >>> result = smooth_random(lambda x: x[0, 0], key, face, face, threshold=0.4)
        >>> float(result.similarity.min())
        0.0
    """
    height, width, _ = probe.shape
    wide = jax.random.normal(key, (height + 2 * MARGIN, width + 2 * MARGIN))
    noise = gaussian_blur(wide)[MARGIN:-MARGIN, MARGIN:-MARGIN]
    return _unsigned(noise - jnp.min(noise), embed, probe, gallery, threshold)


def pixel_random(
    embed: Embedder,
    key: PRNGKey,
    probe: Image,
    gallery: Image,
    *,
    threshold: float | Score,
) -> PairSaliency:
    """Uniform noise, independent for each pixel.

    Args:
        embed: Maps one image to its raw embedding.
        key: Key of the map; one for each pair.
        probe: Image with shape (h, w, c) in [0, 1].
        gallery: Image with shape (h, w, c) in [0, 1].
        threshold: Cosine at which pairs are accepted, in [-1, 1]; chooses which of the
            two maps is filled. May be traced.

    Returns:
        Map without a sign in [0, 1), and the cosine.

    Example:
        >>> face, key = jnp.ones((4, 4, 3)), jax.random.key(0)
        >>> pixel_random(lambda x: x[0, 0], key, face, face, threshold=0.4).signed.shape
        (4, 4)
    """
    noise = jax.random.uniform(key, probe.shape[:2])
    return _unsigned(noise, embed, probe, gallery, threshold)


def edges(
    embed: Embedder, probe: Image, gallery: Image, *, threshold: float | Score
) -> PairSaliency:
    """Sobel magnitude of the grey probe, the mean of its colours.

    ``sqrt(dx² + dy²)`` in grey values per pixel; borders are repeated.

    Args:
        embed: Maps one image to its raw embedding.
        probe: Image with shape (h, w, c) in [0, 1]; the edges are of this one.
        gallery: Image with shape (h, w, c) in [0, 1].
        threshold: Cosine at which pairs are accepted, in [-1, 1]; chooses which of the
            two maps is filled. May be traced.

    Returns:
        Map without a sign in [0, 0.71], and the cosine.

    Example:
        >>> ramp = jnp.tile(jnp.linspace(0, 1, 5)[None, :, None], (3, 1, 1))
        >>> edges(lambda x: x[0, :, 0], ramp, ramp, threshold=0.4).signed[1].tolist()
        [0.125, 0.25, 0.25, 0.25, 0.125]
    """
    grey = jnp.mean(probe, axis=-1)
    across, down = _sobel(grey), _sobel(grey.T).T
    magnitude = jnp.sqrt(jnp.square(across) + jnp.square(down))
    return _unsigned(magnitude, embed, probe, gallery, threshold)


def centred_gaussian(
    embed: Embedder,
    probe: Image,
    gallery: Image,
    *,
    threshold: float | Score,
    sigma: float | Score = 0.25,
) -> PairSaliency:
    """A Gaussian hill at the centre of the image, where aligned faces are.

    ``exp(-r² / (2 sigma²))`` with the distance r from the centre of the image, in
    shares of its height and width.

    Args:
        embed: Maps one image to its raw embedding.
        probe: Image with shape (h, w, c) in [0, 1].
        gallery: Image with shape (h, w, c) in [0, 1].
        threshold: Cosine at which pairs are accepted, in [-1, 1]; chooses which of the
            two maps is filled. May be traced.
        sigma: Width of the hill as a share of the side, positive.

    Returns:
        Map without a sign in (0, 1], and the cosine.

    Example:
        >>> face = jnp.ones((5, 5, 3))
        >>> result = centred_gaussian(lambda x: x[0, 0], face, face, threshold=0.4)
        >>> float(result.signed[2, 2])
        1.0
    """
    y, x = (
        jnp.exp(-jnp.square(_from_centre(side) / sigma) / 2) for side in probe.shape[:2]
    )
    return _unsigned(jnp.outer(y, x), embed, probe, gallery, threshold)


def _from_centre(side: int) -> Float[Array, " side"]:
    return (jnp.arange(side, dtype=jnp.float32) - (side - 1) / 2) / side


def _sobel(grey: Saliency) -> Saliency:
    padded = jnp.pad(grey, 1, mode="edge")
    difference = (padded[:, 2:] - padded[:, :-2]) / 2
    return (difference[:-2] + 2 * difference[1:-1] + difference[2:]) / 4


def _unsigned(
    map_: Saliency,
    embed: Embedder,
    probe: Image,
    gallery: Image,
    threshold: float | Score,
) -> PairSaliency:
    value = cosine(embed(probe), embed(gallery))
    signed = jnp.where(value >= threshold, map_, -map_)
    return PairSaliency(*split_sign(signed), signed, value)
