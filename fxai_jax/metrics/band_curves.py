"""Whether the frequencies that an explanation marks matter: curves over bands.

The bands of a spectrum are removed one after the other, or added to a grey image, and
the cosine of the pair is watched. A true influence, largest first, makes the cosine of
a genuine pair fall faster than an order at random. The order from low to high frequency
is the hard one to beat: the low bands carry most of any face. The curves are our own.

References:
    Huber, Damer: arXiv 2407.11941, the frequency explanations of
    `fxai_jax.methods.frequency`.
"""

from typing import Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from fxai_jax.array_types import Embedder, Image, Perturb, Score
from fxai_jax.calling import apply
from fxai_jax.chunking import chunked_map
from fxai_jax.inputs import (
    as_array,
    as_float,
    as_pair,
    as_region,
    check_finite,
    is_concrete,
)
from fxai_jax.numerics import cosine
from fxai_jax.spectra import HalfSpectrum, half_spectrum, image_without

Mode = Literal["deletion", "insertion"]


def influence_order(influence: Float[Array, " b"]) -> Int[Array, " b"]:
    """The bands in the order of their influence, the largest first.

    Args:
        influence: One value per band with shape (b,), such as `directed`.

    Returns:
        Indices of the bands with shape (b,); of equal bands the lower one comes first.

    Raises:
        ValueError: If an influence is not finite.

    Example:
        >>> influence_order(jnp.array([0.1, 0.4, 0.1, 0.2])).tolist()
        [1, 3, 0, 2]
    """
    values = as_float(influence, "the influence")
    check_finite(values, "the influence")
    return jnp.argsort(-values, stable=True)


def band_cosines(
    embed: Embedder,
    probe: Image,
    gallery: Image,
    masks: Bool[Array, "b h w"],
    order: Int[Array, " b"],
    *,
    mode: Mode = "deletion",
    perturb: Perturb = "probe",
    chunk_size: int | None = None,
) -> Float[Array, " b+1"]:
    """Cosine of a pair as bands are removed, or added, one after the other.

    At step k the first k bands of `order` are removed ("deletion"), or all the others
    ("insertion"). What lies in no band, such as DC, always stays.

    Args:
        embed: Maps one image to its raw embedding.
        probe: Image with shape (h, w, c) in [0, 1].
        gallery: Image with shape (h, w, c) in [0, 1].
        masks: Disjoint bands of a shifted spectrum with shape (b, h, w), as
            `fxai_jax.methods.frequency.radial_bands` makes them.
        order: Every band once, with shape (b,): from `influence_order`,
            ``jax.random.permutation(key, b)`` or ``jnp.arange(b)``, low to high.
        mode: "deletion" or "insertion".
        perturb: "probe" changes the probe alone, "both" both images.
        chunk_size: Steps embedded together; None embeds all b + 1 at once.

    Returns:
        Cosines with shape (b + 1,), in [-1, 1]. The first of a deletion and the last of
        an insertion belong to the whole image.

    Raises:
        ValueError: If `mode` or `perturb` is unknown, or the images, the masks and the
            order do not belong together.

    Example:
        >>> image, masks = jnp.eye(4)[..., None], jnp.zeros((1, 4, 4), bool)
        >>> masks, order = masks.at[0, 2, 0].set(True), jnp.array([0])
        >>> embed = lambda x: x.ravel()
        >>> band_cosines(embed, image, image, masks, order).shape
        (2,)

    References:
        Huber, Damer, arXiv 2407.11941 (removing one band).
    """
    if mode not in ("deletion", "insertion"):
        raise ValueError(f"mode must be 'deletion' or 'insertion', got {mode!r}")
    if perturb not in ("probe", "both"):
        raise ValueError(f"perturb must be 'probe' or 'both', got {perturb!r}")
    probe, gallery = as_pair(probe, gallery)
    masks = as_region(masks, "the masks of the bands", size=probe.shape)
    bands = masks.shape[0]
    order = _as_order(order, bands)
    reference = apply(embed, gallery)
    place = jnp.argsort(order)[:, None, None]
    turn = jnp.min(jnp.where(masks, place, bands), axis=0)
    spectrum, other_spectrum = half_spectrum(probe), half_spectrum(gallery)

    def without(spectrum: HalfSpectrum, removed: Bool[Array, "h w"]) -> Image:
        return image_without(spectrum, removed).astype(probe.dtype)

    def at_step(k: Int[Array, ""]) -> Score:
        removed = turn < k if mode == "deletion" else (turn >= k) & (turn < bands)
        both = perturb == "both"
        other = embed(without(other_spectrum, removed)) if both else reference
        return cosine(embed(without(spectrum, removed)), other)

    return chunked_map(at_step, jnp.arange(bands + 1), chunk_size=chunk_size)


def _as_order(order: Int[Array, " b"], bands: int) -> Int[Array, " b"]:
    given = as_array(order, "the order")
    whole = given.shape == (bands,) and jnp.issubdtype(given.dtype, jnp.integer)
    known = whole and is_concrete(given)
    if not whole or (known and sorted(np.asarray(given).tolist()) != [*range(bands)]):
        raise ValueError(
            f"the order has the shape {given.shape} and type {given.dtype}, expected "
            f"each number from 0 to {bands - 1} once; take influence_order"
        )
    return jnp.asarray(given)
