"""CorrRISE: which pixels, when covered, cost the pair its match.

Random black patches cover the probe, each masked probe is compared with the gallery,
and a pixel counts for as much as its being visible correlates with the cosine. Nothing
but the embeddings is asked of the network.

References:
    Lu, Xu, Ebrahimi: Towards Visual Saliency Explanations of Face Verification,
    WACV 2024, arXiv 2305.08546.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

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
from fxai_jax.chunking import chunked_map, chunked_sum
from fxai_jax.inputs import as_faces, check_key
from fxai_jax.numerics import centred_ranks, cosine, split_sign

Origins = Int[Array, "p 2"]

ROUNDING = 1e-6
"""Cosines that differ by no more are equal; float32 sums of 512 products round so."""


def masks(
    key: PRNGKey,
    size: tuple[int, int],
    *,
    count: int = 500,
    patches: int = 3,
    side: int = 30,
) -> Bool[Array, "n h w"]:
    """The masks that `explain` draws from the same key.

    Args:
        key: Key of the mask set.
        size: Height and width in pixels.
        count: Masks.
        patches: Squares covered by each mask; they may overlap.
        side: Side of a square in pixels; all lie inside the image.

    Returns:
        Masks with shape (n, h, w), False where covered.

    Raises:
        ValueError: If a patch does not fit into the image, or there is none.

    Example:
        >>> drawn = masks(jax.random.key(0), (4, 4), count=2, patches=1, side=2)
        >>> drawn.sum(axis=(1, 2)).tolist()
        [12, 12]

    References:
        Lu et al., arXiv 2305.08546; numbers and origins as an independent port has
        them.
    """
    check_key(key)
    origins = _origins(key, size, count, patches, side)
    return jax.vmap(lambda corners: _mask(corners, size, side))(origins)


def explain(
    embed: Embedder,
    key: PRNGKey,
    probe: Image,
    gallery: Image,
    *,
    threshold: float | Score,
    masks: int = 500,
    patches: int = 3,
    side: int = 30,
    chunk_size: int | None = None,
) -> PairSaliency:
    """Explains the probe of a pair; exchange the images to explain the other one.

    ``S = corr_n(M_n, rank_n(cos(embed(probe * M_n), embed(gallery))))``, pixel by
    pixel over the masks M; ties share their mean rank. As a mask has two values, this
    is Spearman's correlation of the mask and the cosine.

    Args:
        embed: Maps one image to its raw embedding.
        key: Key of the mask set; pass the same one for all pairs, as the method has
            one set for all of them.
        probe: Image with shape (h, w, c) in [0, 1]; the maps are of this one.
        gallery: Image with shape (h, w, c) in [0, 1].
        threshold: Not used by this method.
        masks: Masks drawn.
        patches: Squares covered by each mask.
        side: Side of a square in pixels.
        chunk_size: Masked probes embedded together; None embeds all at once. The masks
            are rebuilt from the corners of their patches, so memory grows with it and
            not with their number.

    Returns:
        Maps in [0, 1], `signed` in [-1, 1], and the cosine of the clean pair; 0 for
        pixels that no mask covers or all do, and everywhere if all cosines are equal
        to 1e-6, which is what their sums round to.

    Raises:
        ValueError: If a patch does not fit into the image, there is no mask or patch,
            or an image cannot be explained.

    Example:
        >>> face, key = jnp.eye(4)[..., None], jax.random.key(0)
        >>> result = explain(
        ...     lambda x: x[:2, 0, 0] + 1, key, face, face, threshold=0.4, side=2
        ... )
        >>> result.signed.shape
        (4, 4)

    References:
        Lu et al., arXiv 2305.08546; ranks and numbers as an independent port has them.
    """
    check_key(key)
    probe, gallery = as_faces(probe, gallery)
    height, width, _ = probe.shape
    size = (height, width)
    origins = _origins(key, size, masks, patches, side)
    embedding = apply(embed, gallery)
    reference = widened(embedding)

    def covered_cosine(corners: Origins) -> Score:
        visible = _mask(corners, size, side)[..., None]
        return cosine(widened(embed(jnp.where(visible, probe, 0))), reference)

    scores = chunked_map(covered_cosine, origins, chunk_size=chunk_size)
    # Masks in a chunk of another size are summed in another order; ranking what only
    # that tells apart would turn rounding into a map.
    equal = jnp.max(scores) - jnp.min(scores) <= ROUNDING
    ranks = jnp.where(equal, 0, centred_ranks(scores))
    signed = _correlation(ranks, origins, size, side, chunk_size)
    clean = cosine(widened(embed(probe)), reference)
    result = PairSaliency(*split_sign(signed), signed, clean)
    return cast(result, result_dtype(probe, embedding))


def _origins(
    key: PRNGKey, size: tuple[int, int], count: int, patches: int, side: int
) -> Int[Array, "n p 2"]:
    if count < 1 or patches < 1 or side < 1:
        raise ValueError(
            "masks, patches and side must be at least 1, got "
            f"{count}, {patches} and {side}"
        )
    if side > min(size):
        raise ValueError(
            f"a patch of {side} pixels does not fit into an image of {size} pixels; "
            "choose a smaller side"
        )
    end = jnp.array(size) - side + 1
    return jax.random.randint(key, (count, patches, 2), 0, end[None, None])


def _mask(origins: Origins, size: tuple[int, int], side: int) -> Bool[Array, "h w"]:
    def inside(start: Int[Array, " p"], length: int) -> Bool[Array, "p length"]:
        offset = jnp.arange(length)[None] - start[:, None]
        return (offset >= 0) & (offset < side)

    rows, columns = (inside(origins[:, axis], size[axis]) for axis in (0, 1))
    return ~jnp.any(rows[:, :, None] & columns[:, None, :], axis=0)


def _correlation(
    ranks: Int[Array, " n"],
    origins: Int[Array, "n p 2"],
    size: tuple[int, int],
    side: int,
    chunk_size: int | None,
) -> Saliency:
    # Ranks are centred and masks counted in whole numbers, which float32 holds exactly:
    # the spread of equal ranks is 0, and so is the variance of a pixel that no mask
    # covers, or all do.
    centred = ranks.astype(jnp.float32)
    spread = jnp.sqrt(jnp.mean(jnp.square(centred)))
    standard = centred / jnp.where(spread > 0, spread, 1)

    def one_mask(corners_and_rank) -> tuple[Saliency, Saliency]:
        corners, rank = corners_and_rank
        mask = _mask(corners, size, side).astype(rank.dtype)
        return mask, mask * rank

    xs = (origins, standard)
    visible, product = chunked_sum(one_mask, xs, chunk_size=chunk_size)
    variance = visible * (ranks.shape[0] - visible)
    varies = variance > 0
    correlation = product / jnp.sqrt(jnp.where(varies, variance, 1))
    return jnp.where(varies, jnp.clip(correlation, -1, 1), 0)
