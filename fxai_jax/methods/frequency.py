"""Frequency explanations: which spatial frequencies carry the decision on a pair.

The probe is embedded once for every band of its Fourier spectrum, with that band
removed. What the cosine to the gallery image loses, the band had contributed.

Spectra are shifted: frequency 0 (DC, the mean) is at row h // 2 and column w // 2.
They are exact to about 2e-6 of the image's range (`fxai_jax.spectra`).

The transform takes an image as periodic. Where opposite borders differ, the seam
between them is an edge with power in every band, in a blurred face too.

References:
    Huber, Damer: Beyond Spatial Explanations: Explainable Face Recognition in the
    Frequency Domain, WACV 2025, arXiv 2407.11941; on groups of persons:
    arXiv 2501.16896. No code is published.
"""

import math
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from fxai_jax.array_types import (
    Embedder,
    Image,
    Perturb,
    Saliency,
    Score,
    cast,
    result,
    result_dtype,
    widened,
)
from fxai_jax.calling import apply
from fxai_jax.chunking import chunked_map
from fxai_jax.inputs import as_faces, as_float, as_image, as_number, as_region
from fxai_jax.numerics import cosine
from fxai_jax.spectra import half_spectrum, image_without

Shape = Literal["radial", "square"]
Corners = Literal["own", "merge", "drop"]


@result
class Bands(NamedTuple):
    """Disjoint parts of a shifted spectrum, from low to high frequency."""

    masks: Bool[Array, "b h w"]
    """True in the band; DC is in none."""

    edges: Int[Array, "b 2"]
    """Lower edge, inside, and upper edge, outside, in cycles per image."""

    coefficients: Int[Array, " b"]
    """Number of coefficients in each band; they differ widely."""


@result
class BandInfluence(NamedTuple):
    """What each band contributes to the cosine of a pair."""

    cosine: Score
    """Cosine of the whole images, in [-1, 1]."""

    masked_cosine: Float[Array, " b"]
    """Cosine without the band, in [-1, 1]."""

    directed: Float[Array, " b"]
    """``cosine - masked_cosine``: positive where the band helps the match."""

    absolute: Float[Array, " b"]
    """``|directed|``."""


def radial_bands(
    size: tuple[int, int],
    *,
    width: int = 4,
    shape: Shape = "radial",
    corners: Corners = "own",
) -> Bands:
    """Cuts a spectrum into rings of equal width around DC.

    The frequencies u and v are integers from ``-(n // 2)``. Band i holds
    ``i width <= rho < (i + 1) width``, up to the Nyquist frequency of the shorter side,
    with ``rho = sqrt(u² + v²)`` ("radial") or ``max(|u|, |v|)`` ("square"). What lies
    at or above it are the corners.

    Args:
        size: Height and width of the image in pixels, at least 2.
        width: Width of a band in cycles per image, at least 1; at 1 the first band
            would hold DC alone and is empty.
        shape: "radial" or "square".
        corners: "own" makes one more band of them, "merge" adds them to the last
            band, "drop" leaves them in no band.

    Returns:
        Masks, edges and sizes of the bands; 15 of them for 112x112 pixels.

    Raises:
        ValueError: If the size, the width or an option is impossible.

    Example:
        >>> bands = radial_bands((112, 112))
        >>> bands.edges[-1].tolist(), bands.coefficients[:3].tolist()
        ([56, 80], [44, 148, 244])

    Differs from the paper in:
        Number and width of its bands are unknown; these are our own.

    References:
        Huber, Damer, arXiv 2407.11941.
    """
    _check_bands(size, width, shape, corners)
    u, v = (jnp.arange(n) - n // 2 for n in size)
    # Squares of integers: rho itself would round at the edges.
    if shape == "radial":
        squared = jnp.square(u)[:, None] + jnp.square(v)[None, :]
    else:
        squared = jnp.square(jnp.maximum(jnp.abs(u)[:, None], jnp.abs(v)[None, :]))
    edges = _edges(size, width, shape, corners)
    low, high = jnp.square(edges)[:, :, None, None].swapaxes(0, 1)
    masks = (squared[None] >= jnp.maximum(low, 1)) & (squared[None] < high)
    return Bands(masks, edges, jnp.sum(masks, axis=(1, 2)))


def remove_band(image: Image, mask: Bool[Array, "h w"]) -> Image:
    """The image without some of its frequencies.

    Args:
        image: Image with shape (h, w, c) in [0, 1].
        mask: Shifted spectrum with shape (h, w), true where removed, the same for
            u, v and -u, -v.

    Returns:
        Image with shape (h, w, c). It is not clipped and may leave [0, 1].

    Raises:
        ValueError: If image and mask do not have one size.

    Example:
        >>> image = jnp.eye(4)[..., None]
        >>> everything = jnp.any(radial_bands((4, 4), width=1).masks, axis=0)
        >>> remove_band(image, everything)[0, :, 0].tolist()
        [0.25, 0.25, 0.25, 0.25]

    References:
        Huber, Damer, arXiv 2407.11941.
    """
    image = as_image(image)
    mask = as_region(mask, size=image.shape)
    return image_without(half_spectrum(image), mask).astype(image.dtype)


def explain(
    embed: Embedder,
    probe: Image,
    gallery: Image,
    masks: Bool[Array, "b h w"],
    *,
    perturb: Perturb = "probe",
    chunk_size: int | None = None,
) -> BandInfluence:
    """Influence of each band of the probe; exchange the images for the other side.

    ``directed_B = cos(probe, gallery) - cos(probe without B, gallery)``

    Args:
        embed: Maps one image to its raw embedding.
        probe: Image with shape (h, w, c) in [0, 1].
        gallery: Image with shape (h, w, c) in [0, 1].
        masks: Bands with shape (b, h, w), as `radial_bands` makes them.
        perturb: "probe" removes the band from the probe, "both" from both images.
        chunk_size: Bands embedded together; None embeds all b at once.

    Returns:
        Cosines with and without each band, and their differences.

    Raises:
        ValueError: If `perturb` is neither of the two, the masks have another size, or
            an image cannot be explained.

    Example:
        >>> model = load_backbone("mobilefacenet")
        >>> a, b = sample_face("a_1"), sample_face("a_2")
        >>> explain(model, a, b, radial_bands((112, 112)).masks).directed.shape
        (15,)

    Differs from the paper in:
        DC is never removed: it is the brightness of the image, not a texture.

    References:
        Huber, Damer, arXiv 2407.11941.
    """
    if perturb not in ("probe", "both"):
        raise ValueError(f"perturb must be 'probe' or 'both', got {perturb!r}")
    probe, gallery = as_faces(probe, gallery)
    masks = as_region(masks, "the masks of the bands", size=probe.shape)
    reference = apply(embed, gallery)

    def without(mask: Bool[Array, "h w"]) -> Score:
        other = embed(remove_band(gallery, mask)) if perturb == "both" else reference
        return cosine(widened(embed(remove_band(probe, mask))), widened(other))

    whole = cosine(widened(embed(probe)), widened(reference))
    masked = chunked_map(without, masks, chunk_size=chunk_size)
    directed = whole - masked
    result = BandInfluence(whole, masked, directed, jnp.abs(directed))
    return cast(result, result_dtype(probe, reference))


def heat_plot(
    influence: Float[Array, " b"],
    masks: Bool[Array, "b h w"],
    *,
    divisor: float | Score | None = None,
) -> Saliency:
    """Paints the influence of each band on its ring.

    Args:
        influence: One value per band, `directed` or `absolute`, with shape (b,).
        masks: Disjoint bands with shape (b, h, w).
        divisor: Positive number that every value is divided by; None takes the
            largest magnitude, which is the same for `directed` and `absolute`. Give one
            to make plots of several pairs or groups comparable.

    Returns:
        Shifted plot with shape (h, w), in [0, 1] for `absolute` and [-1, 1] for
        `directed`; 0 where no band is.

    Raises:
        ValueError: If there is not one value for each mask.

    Example:
        >>> bands = radial_bands((4, 4), width=1)
        >>> heat_plot(jnp.array([0.0, -0.5, 0.1]), bands.masks)[2].tolist()
        [0.20000000298023224, -1.0, 0.0, -1.0]

    References:
        Huber, Damer, arXiv 2407.11941.
    """
    influence = as_float(influence, "the influence")
    masks = as_region(masks, "the masks of the bands")
    if influence.shape != masks.shape[:1]:
        raise ValueError(
            f"the influence has the shape {influence.shape}, expected one value for "
            f"each of {masks.shape[0]} bands"
        )
    largest = jnp.max(jnp.abs(influence))
    if divisor is None:
        divisor = jnp.where(largest > 0, largest, 1)
    divisor = as_number(divisor, influence, "the divisor")
    scaled = (influence / divisor)[:, None, None]
    return jnp.sum(jnp.where(masks, scaled, 0), axis=0)


def lower_resolution(image: Image, size: tuple[int, int]) -> Image:
    """The image as if photographed at a lower resolution, at its old size.

    Bicubic (Keys, a = -1/2) with antialiasing down to `size`, bicubic back up, as
    Pillow resizes; clipped to [0, 1].

    Args:
        image: Image with shape (h, w, c) in [0, 1].
        size: Height and width in between, in pixels, such as (28, 28).

    Returns:
        Image with shape (h, w, c) in [0, 1].

    Example:
        >>> lower_resolution(jnp.eye(112)[..., None], (28, 28)).shape
        (112, 112, 1)
    """
    image = as_image(image)
    small = jax.image.resize(image, (*size, image.shape[2]), method="cubic")
    return jnp.clip(jax.image.resize(small, image.shape, method="cubic"), 0, 1)


def _check_bands(size: tuple[int, int], width: int, shape: str, corners: str) -> None:
    if min(size) < 2:
        raise ValueError(f"an image needs 2 pixels a side to have bands, got {size}")
    if width < 1:
        raise ValueError(f"the width of a band must be at least 1, got {width}")
    if shape not in ("radial", "square"):
        raise ValueError(f"shape must be 'radial' or 'square', got {shape!r}")
    if corners not in ("own", "merge", "drop"):
        raise ValueError(f"corners must be 'own', 'merge' or 'drop', got {corners!r}")


def _edges(
    size: tuple[int, int], width: int, shape: Shape, corners: Corners
) -> Int[Array, "b 2"]:
    nyquist = min(size) // 2
    u, v = (n // 2 for n in size)
    largest = math.isqrt(u * u + v * v) if shape == "radial" else max(u, v)
    end = largest + 1
    lows = [*range(0, nyquist, width)]
    highs = [*lows[1:], nyquist]
    if corners == "own":
        lows, highs = [*lows, nyquist], [*highs, end]
    elif corners == "merge":
        highs[-1] = end
    return jnp.array([lows, highs]).T
