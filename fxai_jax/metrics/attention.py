"""AMVA in numbers: how differently a network attends to good and to bad faces.

The maps and their statistics are those of `fxai_jax.methods.amva`; the scalars are our
own.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from fxai_jax.array_types import Saliency, Score, result
from fxai_jax.inputs import as_float, as_map, as_region, check_finite
from fxai_jax.metrics.labels import whole_count
from fxai_jax.numerics import centred_ranks


@result
class Groups(NamedTuple):
    """Indices of the best and of the worst images of a set."""

    high: Int[Array, " m"]
    """The best ones, best first."""

    low: Int[Array, " m"]
    """The worst ones, worst first."""


def quality_groups(
    quality: Float[Array, " n"], *, higher_is_better: bool, fraction: float = 0.1
) -> Groups:
    """The best and the worst images of a set, by any quality score.

    Args:
        quality: Finite quality of each image with shape (n,).
        higher_is_better: Whether a large score means a good image.
        fraction: Share of the images in each group, in (0, 0.5].

    Returns:
        Indices of both groups, each of ``max(1, floor(fraction n))`` images, with the
        product of `fxai_jax.metrics.labels.whole_count`; with ties the earlier image is
        the worse.

    Raises:
        ValueError: If the fraction is outside (0, 0.5], or a quality not finite.

    Example:
        >>> quality = jnp.array([0.3, 0.1, 0.9, 0.5])
        >>> quality_groups(quality, higher_is_better=True, fraction=0.25).high.tolist()
        [2]
    """
    if not 0 < fraction <= 0.5:
        raise ValueError(f"the fraction must be in (0, 0.5], got {fraction}")
    quality = _one_per_image(quality, "qualities")
    count = max(1, whole_count(fraction, quality.shape[0]))
    order = jnp.argsort(quality if higher_is_better else -quality)
    return Groups(high=order[::-1][:count], low=order[:count])


def face_ellipse(
    size: tuple[int, int],
    *,
    center: tuple[float, float] = (0.58, 0.5),
    axes: tuple[float, float] = (0.36, 0.28),
) -> Bool[Array, "h w"]:
    """The central face of an image aligned to the ArcFace template.

    Args:
        size: Height and width in pixels.
        center: Row and column of the centre, as shares of height and width. The
            default lies between the eyes and the mouth.
        axes: Half axes, as shares of height and width. The default reaches from the
            eyebrows to the chin.

    Returns:
        Mask with shape `size`, true inside.

    Example:
        >>> bool(face_ellipse((112, 112))[65, 56]), bool(face_ellipse((112, 112))[0, 0])
        (True, False)
    """
    row, column = (
        jnp.square((jnp.arange(0.5, pixels) / pixels - middle) / axis)
        for pixels, middle, axis in zip(size, center, axes, strict=True)
    )
    return row[:, None] + column[None, :] <= 1


def mean_inside_outside(
    statistic: Saliency, region: Bool[Array, "h w"]
) -> tuple[Score, Score]:
    """Means of a map inside and outside a region, such as the std in the central face.

    Args:
        statistic: Map with shape (h, w).
        region: Mask with shape (h, w), such as `face_ellipse`.

    Returns:
        Mean inside and mean outside; 0 where there is no pixel.

    Raises:
        ValueError: If the map is not finite, the region not of 0 and 1, or their sizes
            differ.

    Example:
        >>> inside, outside = mean_inside_outside(jnp.eye(2), jnp.eye(2) > 0)
        >>> float(inside), float(outside)
        (1.0, 0.0)
    """
    statistic = as_map(statistic)
    region = as_region(region, "the region", size=statistic.shape)

    def mean(weights: Saliency) -> Score:
        return jnp.sum(weights * statistic) / jnp.maximum(jnp.sum(weights), 1)

    inside = region.astype(statistic.dtype)
    return mean(inside), mean(1 - inside)


def wasserstein(x: Saliency, y: Saliency) -> Score:
    """Distance of the densities of the pixels of two maps of one size.

    First Wasserstein distance: ``mean |sort(x) - sort(y)|``.

    Args:
        x: Map with shape (h, w), such as the std of the high-quality group.
        y: Map with shape (h, w), such as the std of the low-quality group.

    Returns:
        Distance, non-negative, in the unit of the maps.

    Raises:
        ValueError: If a map is not finite, or their sizes differ.

    Example:
        >>> float(wasserstein(jnp.eye(2), 1 - jnp.eye(2)))
        0.0
    """
    x = as_map(x)
    y = as_map(y, "the other map", size=x.shape)
    return jnp.mean(jnp.abs(jnp.sort(x.ravel()) - jnp.sort(y.ravel())))


def auroc(low: Float[Array, " n"], high: Float[Array, " m"]) -> Score:
    """How well a deviation tells images of low from images of high quality.

    Args:
        low: `mean_deviation` of the low-quality images with shape (n,).
        high: `mean_deviation` of the high-quality images with shape (m,).

    Returns:
        Probability in [0, 1] that a random low-quality image deviates more than a
        random high-quality one, ties counted half: 1 tells all apart, 0.5 none.

    Raises:
        ValueError: If a deviation is not finite.

    Example:
        >>> float(auroc(jnp.array([0.3, 0.5]), jnp.array([0.1, 0.3])))
        0.875
    """
    low, high = (_one_per_image(side, "deviations") for side in (low, high))
    # The sum of one side's ranks counts the pairs that it wins (Mann-Whitney's U).
    ranks = centred_ranks(jnp.concatenate([low, high]))[: low.shape[0]]
    return 0.5 + jnp.mean(ranks.astype(low.dtype)) / (2 * high.shape[0])


def _one_per_image(values: Float[Array, " n"], what: str) -> Float[Array, " n"]:
    values = as_float(values, what)
    if values.ndim != 1:
        raise ValueError(f"expected {what} with shape (n,), got {values.shape}")
    check_finite(values, what)
    return values
