"""Whether a map finds what is foreign in a face, where the truth is known.

Patches of another face are pasted into the probe. They lie anywhere, so a map that
shows nothing but the centre of the face earns nothing here. Two questions are asked:
does the map of the patched probe mark the patches (`localisation`), and does the
decision return when the pixels it marks are restored (decision-based patch
replacement, `restoration_curve`)?

References:
    Huber, Luu, Terhörst, Damer: Efficient Explainable Face Verification based on
    Similarity Score Argument Backpropagation (xSSAB), WACV 2024, arXiv 2304.13409.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from fxai_jax.array_types import Embedder, Image, PRNGKey, Saliency, Score, result
from fxai_jax.calling import apply
from fxai_jax.chunking import chunked_map
from fxai_jax.inputs import as_bool, as_map, as_pair, as_region, check_key
from fxai_jax.numerics import centred_ranks, cosine, pixel_ranks


@result
class Localisation(NamedTuple):
    """How well high values of a map find a region."""

    roc_area: Score
    """Probability in [0, 1] that a random pixel inside is higher than one outside,
    ties counted half: 1 finds the region, 0.5 is chance. 0.5 if the region is empty or
    everything."""

    precision_recall_area: Score
    """Average precision in [0, 1]; `share` is chance. Equal to `share` if the region is
    empty or everything."""

    share: Score
    """Share of the pixels that lie in the region, in [0, 1]."""


def patch_mask(
    key: PRNGKey, size: tuple[int, int], *, count: int = 27, side: int = 16
) -> Bool[Array, "h w"]:
    """Cells of a grid, chosen at random.

    Args:
        key: Typed key.
        size: Height and width of the image in pixels.
        count: Number of different cells, at least 1.
        side: Side of the square cells in pixels.

    Returns:
        Mask with shape `size`, true in the cells. What is left over of the image at
        the right and at the bottom is false.

    Raises:
        ValueError: If the grid has fewer cells than `count`, or a number is below 1.

    Example:
        >>> mask = patch_mask(jax.random.key(0), (112, 112))
        >>> int(mask.sum()) == 27 * 16 * 16
        True

    Differs from the paper in:
        The released code draws 27 places freely: the patches overlap, cover about 41 %
        of the image, and never reach its last row and column. Ours are apart and cover
        27 of 49 cells, 55 %.

    References:
        Huber et al., arXiv 2304.13409, Patch-LFW.
    """
    if count < 1 or side < 1:
        raise ValueError(
            f"count and side of the patches must be at least 1, got {count} and {side}"
        )
    rows, columns = (pixels // side for pixels in size)
    if rows * columns < count:
        raise ValueError(
            f"an image of {size[0]}x{size[1]} pixels has {rows * columns} cells of "
            f"{side}x{side}, too few for {count} patches; take fewer or smaller ones"
        )
    check_key(key)
    chosen = jax.random.permutation(key, rows * columns) < count
    cells = chosen.reshape(rows, columns)
    mask = jnp.repeat(jnp.repeat(cells, side, axis=0), side, axis=1)
    return jnp.pad(mask, [(0, size[0] - rows * side), (0, size[1] - columns * side)])


def paste(image: Image, other: Image, mask: Bool[Array, "h w"]) -> Image:
    """An image with a region from another one, at the same place.

    Args:
        image: Image with shape (h, w, c) in [0, 1].
        other: Image with shape (h, w, c): for an impostor pair the gallery image, for a
            genuine pair somebody else.
        mask: Region with shape (h, w), such as from `patch_mask`.

    Returns:
        Image with shape (h, w, c), `other` where the mask is true.

    Raises:
        ValueError: If the images and the mask do not have one size.

    Example:
        >>> black, mask = jnp.zeros((2, 2, 1)), jnp.eye(2) > 0
        >>> paste(black, black + 1, mask)[..., 0].tolist()
        [[1.0, 0.0], [0.0, 1.0]]

    References:
        Huber et al., arXiv 2304.13409, Patch-LFW.
    """
    image, other = as_pair(image, other)
    region = as_region(mask, size=image.shape)
    return jnp.where(region[..., None], other, image)


def localisation(saliency: Saliency, mask: Bool[Array, "h w"]) -> Localisation:
    """How well the high values of a map find a region, ties resolved exactly.

    Tied pixels enter together: ``precision_recall_area`` is the mean over the pixels
    inside of the precision among all pixels that are at least as high.

    Args:
        saliency: Finite map with shape (h, w). Where patches of somebody else disturb a
            genuine pair, the dissimilarity or the negated signed map should find them.
        mask: The region with shape (h, w).

    Returns:
        Areas under the curves, and the share of the region.

    Raises:
        ValueError: If the map is not finite, the mask not of 0 and 1, or their sizes
            differ.

    Example:
        >>> saliency = jnp.array([[3.0, 2.0], [1.0, 0.0]])
        >>> found = localisation(saliency, jnp.array([[True, False], [True, False]]))
        >>> float(found.roc_area), float(found.share)
        (0.75, 0.5)

    Differs from the paper in:
        The paper restores pixels; these areas are our own.
    """
    saliency = as_map(saliency)
    values = jnp.ravel(saliency)
    inside = jnp.ravel(as_region(mask, size=saliency.shape))
    size, total = values.size, jnp.sum(inside)
    # Mann-Whitney's U: the mean rank of the pixels inside says how many of those
    # outside they exceed, because among themselves their centred ranks add up to 0.
    outside = jnp.maximum(size - total, 1)
    lower = (centred_ranks(values) + outside) / (2 * outside)
    roc_area = jnp.clip(_mean_inside(lower, inside), 0, 1)
    # Precision at the height of a pixel: the share that lies inside among all pixels
    # which are at least as high. `first` is how many are lower, ties not counted.
    order = jnp.argsort(values)
    ranked, labels = values[order], inside[order]
    first = jnp.searchsorted(ranked, ranked, side="left")
    below = jnp.pad(jnp.cumsum(labels), (1, 0))
    precision = (total - below[first]) / (size - first)
    share = total / size
    both_kinds = (total > 0) & (total < size)
    return Localisation(
        jnp.where(both_kinds, roc_area, 0.5),
        jnp.where(both_kinds, _mean_inside(precision, labels), share),
        share,
    )


def restoration_curve(
    embed: Embedder,
    key: PRNGKey,
    original: Image,
    patched: Image,
    gallery: Image,
    saliency: Saliency,
    accepted: Bool[Array, ""],
    *,
    steps: int = 19,
    chunk_size: int | None = None,
) -> Float[Array, " s"]:
    """Cosine of a patched pair as the pixels that decided it are restored.

    At step k = 1, 2, ... the ``floor(k h w / (steps + 1))`` highest pixels of the map
    show the original if the pair was accepted, the lowest if it was rejected. A true
    map overturns the decision early where it is wrong. The errors of all pairs come
    from `fxai_jax.metrics.faithfulness.error_curves`; compare with a random map.

    Args:
        embed: Maps one image to its raw embedding.
        key: Typed key, which breaks ties; see `fxai_jax.numerics.pixel_ranks`.
        original: Probe without patches, with shape (h, w, c) in [0, 1].
        patched: Probe with patches, with shape (h, w, c) in [0, 1].
        gallery: Image with shape (h, w, c) in [0, 1].
        saliency: Finite signed map of the patched probe with shape (h, w), positive
            for similarity.
        accepted: Whether the cosine of the patched probe and the gallery reaches the
            threshold of the clean pairs; may be traced.
        steps: Number of steps s, at least 1; 19 restore 5, 10, ... 95 % of the pixels.
        chunk_size: Restored images alive together; None takes all at once.

    Returns:
        Cosines with shape (s,), in [-1, 1].

    Raises:
        ValueError: If there is no step, or the images and the map do not have one size.

    Example:
        >>> a, c = jnp.ones((1, 4, 1)), jnp.array([[[1.0], [0.0], [0.0], [1.0]]])
        >>> mask = jnp.array([[False, True, False, False]])
        >>> patched, signed = paste(a, c, mask), jnp.where(mask, -1.0, 0.0)
        >>> key, rejected = jax.random.key(0), jnp.array(False)
        >>> restoration_curve(
        ...     lambda x: x.ravel(), key, a, patched, a, signed, rejected, steps=3
        ... ).round(2).tolist()
        [1.0, 1.0, 1.0]

    Differs from the paper in:
        The released code restores what lies strictly beyond a bound, so that pixels
        tied with it stay; here every step restores its share exactly.

    References:
        Huber et al., arXiv 2304.13409, decision-based patch replacement.
    """
    if steps < 1:
        raise ValueError(f"a curve needs at least 1 step, got {steps}")
    original, patched = as_pair(original, patched)
    _, gallery = as_pair(patched, gallery)
    saliency = as_map(saliency, size=patched.shape)
    accepted = as_bool(accepted, "accepted")
    ranks = pixel_ranks(key, jnp.where(accepted, saliency, -saliency))
    reference = apply(embed, gallery)

    def restored(count: Int[Array, ""]) -> Score:
        image = jnp.where((ranks < count)[..., None], original, patched)
        return cosine(embed(image), reference)

    counts = np.arange(1, steps + 1) * ranks.size // (steps + 1)
    counts = jnp.asarray(counts, ranks.dtype)
    return chunked_map(restored, counts, chunk_size=chunk_size)


def _mean_inside(values: Float[Array, " n"], inside: Bool[Array, " n"]) -> Score:
    weights = inside.astype(values.dtype)
    return jnp.sum(weights * values) / jnp.maximum(jnp.sum(weights), 1)
